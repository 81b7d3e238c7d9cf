//! Reads the head of a GGUF file and checks that the file is whole, before llama.cpp touches it.
//!
//! The format is described in `docs/gguf.md` of the ggml project. Weights are never read here: the tensor table
//! says where each tensor ends, and the file must be that long. Nothing is taken on trust: no memory is set aside and
//! no loop runs by a number of the file that the file's own length does not bear out.

mod head;
mod kinds;
mod metadata;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use head::Head;

/// Those of the format that are understood.
const VERSIONS: RangeInclusive<u32> = 2..=3;

/// What the head of a whole GGUF file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gguf {
    pub architecture: String,
    /// The name of the quantisation, such as `Q4_K_M`.
    pub quantisation: String,
    pub tensors: u64,
    pub size_bytes: u64,
    /// `pooling_type` as the file says it: how a vector is made of a text.
    pub pooling: Option<u64>,
    /// There is a layer that makes a score of such a vector.
    pub has_score: bool,
    pub shape: Shape,
}

/// What a model's memory follows from. Zero where the file does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    pub layers: u32,
    /// Numbers that make up one token inside the model.
    pub embedding: u32,
    pub feed_forward: u32,
    pub vocabulary: u32,
    /// Tokens that it was trained on at once.
    pub context: u32,
    pub heads: u32,
    /// The most that a layer has.
    pub kv_heads: u32,
    /// The lengths of one head's key and value.
    pub key_length: u32,
    pub value_length: u32,
    /// Numbers that the cache keeps of each token, of all layers together.
    pub kv_keys: u64,
    pub kv_values: u64,
    /// Tokens that a layer with a sliding window looks back; none where every layer sees everything.
    pub sliding_window: Option<u32>,
    /// Each token sees the whole text, so that nothing of it is kept from step to step.
    pub sees_all: bool,
}

impl Shape {
    /// What the cache keeps of each token, with keys and values as 16-bit floats.
    pub fn kv_bytes_per_token(&self) -> u64 {
        if self.sees_all {
            return 0;
        }
        self.kv_keys.saturating_add(self.kv_values).saturating_mul(2)
    }
}

/// Why a file can't be a model: what, where, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    #[error("the model file {0} can't be read ({1}): check the path and its rights")]
    Unreadable(PathBuf, io::ErrorKind),
    #[error("{0} is no file, but a pipe, a socket or a device: put a GGUF model there")]
    NoFile(PathBuf),
    #[error("{0} is no GGUF file: it must begin with the letters GGUF; put a GGUF model there")]
    NoMagic(PathBuf),
    #[error(
        "{0} is a GGUF file of version {1}, and 2 and 3 are understood: convert or download the model again"
    )]
    Version(PathBuf, u32),
    #[error(
        "{0} is a GGUF file for big-endian machines, and can't be read here: download or convert the one for others"
    )]
    BigEndian(PathBuf),
    #[error("{path} is cut off: it has {has} bytes and needs {needs}; copy or download it again")]
    Truncated { path: PathBuf, has: u64, needs: u64 },
    #[error("{path} is damaged at byte {at} ({what}); copy or download it again")]
    Damaged { path: PathBuf, at: u64, what: &'static str },
    #[error("{0} is one of {1} parts of a model: join them with `llama-gguf-split --merge`")]
    Part(PathBuf, u64),
}

/// Reads the head and compares the file's length with its tensor table.
///
/// # Errors
/// See [`GgufError`]; its text is fit to be shown.
pub fn inspect(path: &Path) -> Result<Gguf, GgufError> {
    inspect_file(&open(path)?, path)
}

/// Opens a file, and nothing else: whoever opens a pipe waits for somebody to write into it.
///
/// # Errors
/// It can't be read, or is no file.
pub(crate) fn open(path: &Path) -> Result<File, GgufError> {
    let unreadable = |error: io::Error| GgufError::Unreadable(path.to_owned(), error.kind());
    let opened = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
    let file = opened.map_err(unreadable)?;
    let kind = file.metadata().map_err(unreadable)?.file_type();
    if kind.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    if kind.is_file() { Ok(file) } else { Err(GgufError::NoFile(path.to_owned())) }
}

/// The same of an open file, from its beginning; `path` is only told.
///
/// # Errors
/// See [`GgufError`]; its text is fit to be shown.
pub fn inspect_file(mut file: &File, path: &Path) -> Result<Gguf, GgufError> {
    let unreadable = |error: io::Error| GgufError::Unreadable(path.to_owned(), error.kind());
    file.rewind().map_err(unreadable)?;
    let size_bytes = file.metadata().map_err(unreadable)?.len();
    read(BufReader::with_capacity(1 << 16, file), size_bytes, path)
}

/// The same of anything that has `size_bytes`.
fn read(reader: impl Read + Seek, size_bytes: u64, path: &Path) -> Result<Gguf, GgufError> {
    let mut head = Head::new(reader, size_bytes, path);
    if size_bytes < 4 || &head.bytes::<4>()? != b"GGUF" {
        return Err(GgufError::NoMagic(path.to_owned()));
    }
    let version = head.u32()?;
    if VERSIONS.contains(&version.swap_bytes()) {
        return Err(GgufError::BigEndian(path.to_owned()));
    }
    if !VERSIONS.contains(&version) {
        return Err(GgufError::Version(path.to_owned(), version));
    }
    let tensors = head.count("the number of tensors")?;
    let entries = head.count("the number of metadata entries")?;
    let metadata = metadata::read(&mut head, entries)?;
    if let Some(parts @ 2..) = metadata.number("split.count") {
        return Err(GgufError::Part(path.to_owned(), parts));
    }
    let alignment = metadata.number("general.alignment").unwrap_or(32);
    if !alignment.is_power_of_two() {
        return Err(head.damaged("an alignment that is no power of two"));
    }
    let Table { data_bytes, has_score } = tensor_table(&mut head, tensors, alignment)?;
    let needs = head.at().next_multiple_of(alignment).saturating_add(data_bytes);
    if size_bytes < needs {
        return Err(head.truncated(needs));
    }
    Ok(Gguf {
        architecture: shown(metadata.architecture()),
        quantisation: kinds::quantisation(metadata.number("general.file_type")).to_owned(),
        tensors,
        size_bytes,
        pooling: metadata.of_architecture("pooling_type"),
        has_score,
        shape: metadata.shape(),
    })
}

/// What the table of tensors tells.
struct Table {
    /// From the start of the data to the end of the last tensor.
    data_bytes: u64,
    has_score: bool,
}

/// So many characters of a word of the file are shown.
const MOST_SHOWN: usize = 64;

/// The layer of a model that ranks, by llama.cpp's name.
const SCORE: &str = "cls.output.weight";

fn tensor_table<R: Read + Seek>(
    head: &mut Head<'_, R>,
    tensors: u64,
    alignment: u64,
) -> Result<Table, GgufError> {
    let (mut end, mut has_score) = (0, false);
    for _ in 0..tensors {
        has_score |= head.string()? == SCORE;
        let dimensions = head.u32()?;
        if dimensions > 8 {
            return Err(head.damaged("a tensor of too many dimensions"));
        }
        let mut elements: u64 = 1;
        for _ in 0..dimensions {
            let length = head.u64()?;
            let product = elements.checked_mul(length).filter(|product| *product > 0);
            elements = product.ok_or_else(|| head.damaged("a tensor of an impossible size"))?;
        }
        let kind = head.u32()?;
        let offset = head.u64()?;
        if !offset.is_multiple_of(alignment) {
            return Err(head.damaged("a tensor at a crooked place"));
        }
        end = end.max(offset.saturating_add(kinds::tensor_bytes(kind, elements)));
    }
    Ok(Table { data_bytes: end, has_score })
}

/// As people may be shown it, whatever the file holds.
fn shown(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(MOST_SHOWN).collect()
}

#[cfg(test)]
mod tests;
