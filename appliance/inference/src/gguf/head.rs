//! A place in a file's head, which never goes past the file's end.

use std::io::{self, Read, Seek};
use std::path::Path;

use super::{GgufError, kinds};

/// A count above this is damage: the largest models have some thousand tensors, and some hundred thousand words.
const MAX_ENTRIES: u64 = 1 << 22;

/// The longest text that is kept; longer ones are passed over.
const MAX_KEPT_BYTES: u64 = 1 << 16;

pub(super) struct Head<'a, R> {
    path: &'a Path,
    reader: R,
    at: u64,
    has: u64,
}

impl<R: Read + Seek> Head<'_, R> {
    pub(super) fn new(reader: R, has: u64, path: &Path) -> Head<'_, R> {
        Head { path, reader, at: 0, has }
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// A number of things that follow.
    pub(super) fn count(&mut self, what: &'static str) -> Result<u64, GgufError> {
        match self.u64()? {
            count if count > MAX_ENTRIES => Err(self.damaged(what)),
            count => Ok(count),
        }
    }

    pub(super) fn string(&mut self) -> Result<String, GgufError> {
        let length = self.u64()?;
        if length > MAX_KEPT_BYTES {
            return Err(self.damaged("a name that is too long"));
        }
        self.reach(length)?;
        let mut text = vec![0; length as usize];
        self.read(&mut text)?;
        String::from_utf8(text).map_err(|_| self.damaged("a name that is no text"))
    }

    pub(super) fn skip_string(&mut self) -> Result<(), GgufError> {
        let length = self.u64()?;
        self.skip(length)
    }

    /// A whole number, or a truth, of any width.
    pub(super) fn number(&mut self, kind: u32) -> Result<Option<u64>, GgufError> {
        let number = match kind {
            kinds::U8 | kinds::BOOL => u64::from(self.bytes::<1>()?[0]),
            kinds::U16 => u64::from(u16::from_le_bytes(self.bytes()?)),
            kinds::U32 => u64::from(self.u32()?),
            // Negative ones come to nothing: whatever counts here is a length or a number of things.
            kinds::I32 => u64::try_from(i32::from_le_bytes(self.bytes()?)).unwrap_or(0),
            kinds::U64 => self.u64()?,
            kinds::I64 => u64::try_from(i64::from_le_bytes(self.bytes()?)).unwrap_or(0),
            _ => {
                self.skip_value(kind)?;
                return Ok(None);
            }
        };
        Ok(Some(number))
    }

    pub(super) fn skip_value(&mut self, kind: u32) -> Result<(), GgufError> {
        match kind {
            kinds::STRING => self.skip_string(),
            kinds::ARRAY => {
                let (kind, length) = (self.u32()?, self.count("the length of an array")?);
                self.skip_values(kind, length)
            }
            _ => self.skip_values(kind, 1),
        }
    }

    pub(super) fn skip_values(&mut self, kind: u32, length: u64) -> Result<(), GgufError> {
        match kinds::value_bytes(kind) {
            Some(bytes) => self.skip(length.saturating_mul(bytes)),
            None if kind == kinds::STRING => (0..length).try_for_each(|_| self.skip_string()),
            None => Err(self.damaged("a value of an unknown kind")),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        self.bytes().map(u64::from_le_bytes)
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn truncated(&self, needs: u64) -> GgufError {
        GgufError::Truncated { path: self.path.to_owned(), has: self.has, needs }
    }

    pub(super) fn damaged(&self, what: &'static str) -> GgufError {
        GgufError::Damaged { path: self.path.to_owned(), at: self.at, what }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), GgufError> {
        let end = self.reach(bytes)?;
        let step = i64::try_from(bytes).map_err(|_| self.truncated(end))?;
        self.reader.seek_relative(step).map_err(|error| self.unreadable(&error))?;
        self.at = end;
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        let end = self.reach(bytes.len() as u64)?;
        self.reader.read_exact(bytes).map_err(|error| self.unreadable(&error))?;
        self.at = end;
        Ok(())
    }

    /// The place behind the next `bytes`, which must be there.
    fn reach(&self, bytes: u64) -> Result<u64, GgufError> {
        let end = self.at.saturating_add(bytes);
        if end > self.has { Err(self.truncated(end)) } else { Ok(end) }
    }

    fn unreadable(&self, error: &io::Error) -> GgufError {
        GgufError::Unreadable(self.path.to_owned(), error.kind())
    }
}
