//! Reads the head of a GGUF file and checks that the file is whole, before llama.cpp touches it.
//!
//! The format is described in `docs/gguf.md` of the ggml project. Weights are never read here: the tensor table
//! says where each tensor ends, and the file must be that long.

mod kinds;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// What the head of a whole GGUF file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gguf {
    pub architecture: String,
    /// The name of the quantisation, such as `Q4_K_M`.
    pub quantisation: String,
    pub tensors: u64,
    pub size_bytes: u64,
}

/// Why a file can't be a model: what, where, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    #[error("the model file {0} can't be read ({1}): check the path and its rights")]
    Unreadable(PathBuf, io::ErrorKind),
    #[error("{0} is no GGUF file: it must begin with the letters GGUF; put a GGUF model there")]
    NoMagic(PathBuf),
    #[error(
        "{0} is a GGUF file of version {1}, and 2 and 3 are understood: convert or download the model again"
    )]
    Version(PathBuf, u32),
    #[error("{path} is cut off: it has {has} bytes and needs {needs}; copy or download it again")]
    Truncated { path: PathBuf, has: u64, needs: u64 },
    #[error("{path} is damaged at byte {at} ({what}); copy or download it again")]
    Damaged { path: PathBuf, at: u64, what: &'static str },
}

/// Reads the head and compares the file's length with its tensor table.
///
/// # Errors
/// See [`GgufError`]; its text is fit to be shown.
pub fn inspect(path: &Path) -> Result<Gguf, GgufError> {
    let unreadable = |error: io::Error| GgufError::Unreadable(path.to_owned(), error.kind());
    let file = File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if facts.is_dir() {
        return Err(GgufError::Unreadable(path.to_owned(), io::ErrorKind::IsADirectory));
    }
    let mut head = Head { path, reader: BufReader::with_capacity(1 << 16, file), at: 0, has: facts.len() };
    head.inspect()
}

/// A place in the file's head.
struct Head<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    at: u64,
    has: u64,
}

/// A count above this is damage: the largest models have a few thousand of each.
const MAX_ENTRIES: u64 = 1 << 20;

impl Head<'_> {
    fn inspect(&mut self) -> Result<Gguf, GgufError> {
        if self.has < 4 || &self.bytes::<4>()? != b"GGUF" {
            return Err(GgufError::NoMagic(self.path.to_owned()));
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(self.path.to_owned(), version));
        }
        let tensors = self.count("the number of tensors")?;
        let entries = self.count("the number of metadata entries")?;
        let mut facts = Metadata::default();
        for _ in 0..entries {
            self.entry(&mut facts)?;
        }
        let data_bytes = self.tensor_table(tensors)?;
        let needs = self.at.next_multiple_of(facts.alignment).saturating_add(data_bytes);
        if self.has < needs {
            return Err(self.truncated(needs));
        }
        Ok(Gguf {
            architecture: facts.architecture,
            quantisation: kinds::quantisation(facts.file_type).to_owned(),
            tensors,
            size_bytes: self.has,
        })
    }

    /// One metadata entry; those that matter here are kept, the others are passed over.
    fn entry(&mut self, facts: &mut Metadata) -> Result<(), GgufError> {
        let key = self.string()?;
        let kind = self.u32()?;
        match (key.as_str(), kind) {
            ("general.architecture", kinds::STRING) => facts.architecture = self.string()?,
            ("general.file_type", kinds::U32) => facts.file_type = Some(self.u32()?),
            ("general.alignment", kinds::U32) => facts.alignment = u64::from(self.u32()?).max(1),
            _ => self.skip_value(kind)?,
        }
        Ok(())
    }

    fn skip_value(&mut self, kind: u32) -> Result<(), GgufError> {
        match kind {
            kinds::STRING => self.skip_string(),
            kinds::ARRAY => {
                let kind = self.u32()?;
                let length = self.u64()?;
                match kinds::value_bytes(kind) {
                    Some(bytes) => self.skip(length.saturating_mul(bytes)),
                    None if kind == kinds::STRING => (0..length).try_for_each(|_| self.skip_string()),
                    None => Err(self.damaged("an array of an unknown kind")),
                }
            }
            _ => match kinds::value_bytes(kind) {
                Some(bytes) => self.skip(bytes),
                None => Err(self.damaged("a value of an unknown kind")),
            },
        }
    }

    /// Reads the table and gives the bytes from the start of the data to the end of the last tensor.
    fn tensor_table(&mut self, tensors: u64) -> Result<u64, GgufError> {
        let mut end = 0;
        for _ in 0..tensors {
            self.skip_string()?;
            let dimensions = self.u32()?;
            if dimensions > 8 {
                return Err(self.damaged("a tensor of too many dimensions"));
            }
            let mut elements: u64 = 1;
            for _ in 0..dimensions {
                elements = elements.saturating_mul(self.u64()?);
            }
            let kind = self.u32()?;
            let offset = self.u64()?;
            end = end.max(offset.saturating_add(kinds::tensor_bytes(kind, elements)));
        }
        Ok(end)
    }

    fn count(&mut self, what: &'static str) -> Result<u64, GgufError> {
        match self.u64()? {
            count if count > MAX_ENTRIES => Err(self.damaged(what)),
            count => Ok(count),
        }
    }

    fn string(&mut self) -> Result<String, GgufError> {
        let length = self.u64()?;
        if length > 1 << 16 {
            return Err(self.damaged("a name that is too long"));
        }
        let mut text = vec![0; length as usize];
        self.read(&mut text)?;
        String::from_utf8(text).map_err(|_| self.damaged("a name that is no text"))
    }

    fn skip_string(&mut self) -> Result<(), GgufError> {
        let length = self.u64()?;
        self.skip(length)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), GgufError> {
        let end = self.at.saturating_add(bytes);
        if end > self.has {
            return Err(self.truncated(end));
        }
        self.reader.seek_relative(bytes as i64).map_err(|error| self.unreadable(&error))?;
        self.at = end;
        Ok(())
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        let end = self.at + bytes.len() as u64;
        if end > self.has {
            return Err(self.truncated(end));
        }
        self.reader.read_exact(bytes).map_err(|error| self.unreadable(&error))?;
        self.at = end;
        Ok(())
    }

    fn truncated(&self, needs: u64) -> GgufError {
        GgufError::Truncated { path: self.path.to_owned(), has: self.has, needs }
    }

    fn damaged(&self, what: &'static str) -> GgufError {
        GgufError::Damaged { path: self.path.to_owned(), at: self.at, what }
    }

    fn unreadable(&self, error: &io::Error) -> GgufError {
        GgufError::Unreadable(self.path.to_owned(), error.kind())
    }
}

struct Metadata {
    architecture: String,
    file_type: Option<u32>,
    alignment: u64,
}

impl Default for Metadata {
    fn default() -> Self {
        Metadata { architecture: String::new(), file_type: None, alignment: 32 }
    }
}

#[cfg(test)]
mod tests;
