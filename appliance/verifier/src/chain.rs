//! The hash chain: what is hashed of a row.

use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

/// What stands before the first row.
pub const GENESIS: Hash = [0; 32];

/// A row as it is linked to the one before it.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// 1, 2, 3 and so on.
    pub seq: i64,
    /// Unix milliseconds.
    pub at_ms: i64,
    pub kind: &'a str,
    /// JSON, hashed as these very bytes.
    pub body: &'a str,
}

impl Link<'_> {
    /// `SHA-256(previous || seq || at_ms || length of kind || kind || length of body || body)`, numbers in 8 bytes,
    /// big end first. The lengths keep two different rows from giving the same bytes.
    pub fn hash(&self, previous: &Hash) -> Hash {
        let mut hash = Sha256::new_with_prefix(previous);
        hash.update(self.seq.to_be_bytes());
        hash.update(self.at_ms.to_be_bytes());
        for text in [self.kind, self.body] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hex;

    #[test]
    fn the_bytes_that_are_hashed_never_change() {
        let row = Link { seq: 1, at_ms: 1_700_000_000_000, kind: "event", body: r#"{"who":"a"}"# };
        let expected = "64b45a7a4a4cc07e2e79d44ab2313ab4cc70f3950c586ed7dae02e6b4c25f6b9";
        assert_eq!(Hex(row.hash(&GENESIS)).to_string(), expected);
    }
}
