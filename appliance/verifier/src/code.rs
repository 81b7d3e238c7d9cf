//! The head of the chain as a short code for paper: thirty letters and digits that can be typed in again.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use sha2::{Digest, Sha256};

use crate::chain::Hash;

/// Of the 150 bits, 36 are the number of rows, 92 the first of the head's hash, and 22 find a slip of the pen.
const ROWS_BITS: u32 = 36;
const HEAD_BITS: u32 = 92;
const CHECK_BITS: u32 = 22;
const LETTERS: usize = 30;
const GROUP: usize = 5;

/// Written down with the date, it proves later that the log of that day is still there as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub rows: u64,
    head: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    #[error(
        "a code has 30 letters and digits, such as AAAAA-BBBBB-CCCCC-DDDDD-EEEEE-FFFFF; U stands in none"
    )]
    Letters,
    #[error("the code has a slip in it: read it once more")]
    Slip,
}

/// Crockford's alphabet: no I, L, O or U, and what is taken for another character is read as that one.
static LETTERS_OF_CODE: LazyLock<Encoding> = LazyLock::new(|| {
    let mut alphabet = Specification::new();
    alphabet.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    alphabet.translate.from.push_str("abcdefghjkmnpqrstvwxyzOoIiLl");
    alphabet.translate.to.push_str("ABCDEFGHJKMNPQRSTVWXYZ001111");
    alphabet.ignore.push_str("- \t\r\n");
    alphabet.check_trailing_bits = true;
    alphabet.encoding().expect("the alphabet has 32 different letters")
});

impl Code {
    /// Of a log with so many rows, the last of which has this hash.
    pub fn of(rows: u64, head: &Hash) -> Code {
        Code { rows: rows & ((1 << ROWS_BITS) - 1), head: leading(head) }
    }

    pub fn fits(&self, head: &Hash) -> bool {
        self.head == leading(head)
    }

    fn check(&self) -> u32 {
        let hash = Sha256::new_with_prefix("genset audit code 1")
            .chain_update(self.rows.to_be_bytes())
            .chain_update(self.head.to_be_bytes())
            .finalize();
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) >> (32 - CHECK_BITS)
    }

    /// The 150 bits at the front of 20 bytes.
    fn to_bytes(self) -> [u8; 20] {
        let first = (u128::from(self.rows) << HEAD_BITS) | self.head;
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&first.to_be_bytes());
        bytes[16..].copy_from_slice(&(self.check() << (32 - CHECK_BITS)).to_be_bytes());
        bytes
    }
}

/// The first bits of a hash.
fn leading(head: &Hash) -> u128 {
    head[..16].iter().fold(0, |bits, byte| (bits << 8) | u128::from(*byte)) >> (128 - HEAD_BITS)
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = LETTERS_OF_CODE.encode(&self.to_bytes());
        let groups: Vec<&str> = (0..LETTERS).step_by(GROUP).map(|at| &letters[at..at + GROUP]).collect();
        f.write_str(&groups.join("-"))
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Code, CodeError> {
        let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').count();
        if letters != LETTERS {
            return Err(CodeError::Letters);
        }
        // Two letters of zeros fill up the last byte.
        let bytes = LETTERS_OF_CODE.decode(format!("{text}00").as_bytes()).map_err(|_| CodeError::Letters)?;
        let first = bytes[..16].iter().fold(0, |bits, byte| (bits << 8) | u128::from(*byte));
        let rows = u64::try_from(first >> HEAD_BITS).map_err(|_| CodeError::Slip)?;
        let code = Code { rows, head: first & ((1 << HEAD_BITS) - 1) };
        if code.to_bytes()[..] == bytes[..] { Ok(code) } else { Err(CodeError::Slip) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Hash {
        std::array::from_fn(|at| (at as u8).wrapping_mul(37).wrapping_add(11))
    }

    #[test]
    fn a_code_reads_back_however_it_was_written() {
        for rows in [0, 1, 12_345, (1 << ROWS_BITS) - 1] {
            let code = Code::of(rows, &head());
            let text = code.to_string();
            assert_eq!(text.len(), 35, "{text}");
            let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            for written in [text, sloppy] {
                assert_eq!(written.parse::<Code>(), Ok(code), "{written}");
            }
            assert!(code.fits(&head()));
        }
    }

    #[test]
    fn another_head_does_not_fit() {
        let code = Code::of(7, &head());
        for bit in 0..HEAD_BITS as usize {
            let mut other = head();
            other[bit / 8] ^= 0x80 >> (bit % 8);
            assert!(!code.fits(&other), "bit {bit}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_found() {
        let text = Code::of(98_765, &head()).to_string();
        for (at, letter) in text.char_indices().filter(|(_, letter)| *letter != '-') {
            let other = if letter == '7' { '8' } else { '7' };
            let slip = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(slip.parse::<Code>(), Err(CodeError::Slip), "{slip}");
        }
        for wrong in ["", "AAAAA", &text[1..], &format!("{text}7"), &text.replace('-', "U")] {
            assert_eq!(wrong.parse::<Code>(), Err(CodeError::Letters), "{wrong}");
        }
    }
}
