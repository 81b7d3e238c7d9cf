//! The little of BER that LDAP needs (RFC 4511, section 5.1): a tag of one byte, a definite length, the content.
//! Nothing here calls itself, so no bytes from outside make the stack deep.

use zeroize::Zeroizing;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Bytes on their way out; there may be a password in them.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// What came is no BER, or not what belongs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not what a directory answers")]
pub(super) struct Malformed;

/// A value of these parts, one after the other.
pub(super) fn value(tag: u8, parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 6));
    bytes.push(tag);
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => bytes.push(short),
        _ => {
            let long = (length as u64).to_be_bytes();
            let used = &long[long.iter().position(|byte| *byte != 0).unwrap_or(long.len())..];
            bytes.push(0x80 | used.len() as u8);
            bytes.extend_from_slice(used);
        }
    }
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

pub(super) fn octets(content: &[u8]) -> Bytes {
    value(OCTETS, &[content])
}

/// A number that is not negative.
pub(super) fn number(tag: u8, number: u32) -> Bytes {
    let bytes = number.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    // A first bit that is set would make it negative.
    let sign: &[u8] = if bytes[first] & 0x80 == 0 { &[] } else { &[0] };
    value(tag, &[sign, &bytes[first..]])
}

/// Reads values one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value, whatever it is: its tag and its content.
    pub(super) fn next(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (&tag, rest) = self.0.split_first().ok_or(Malformed)?;
        // A tag of several bytes occurs nowhere in LDAP.
        if tag & 0x1f == 0x1f {
            return Err(Malformed);
        }
        let (&first, rest) = rest.split_first().ok_or(Malformed)?;
        let count = length_bytes(first)?;
        let (length, rest) = rest.split_at_checked(count).ok_or(Malformed)?;
        let length = if count == 0 { usize::from(first) } else { big_end_first(length) };
        let (content, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok((tag, content))
    }

    /// The content of the next value, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let (found, content) = self.next()?;
        if found == tag { Ok(content) } else { Err(Malformed) }
    }

    pub(super) fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let content = self.expect(tag)?;
        let is_small = (1..=5).contains(&content.len()) && content[0] & 0x80 == 0;
        if !is_small {
            return Err(Malformed);
        }
        u32::try_from(big_end_first(content)).map_err(|_| Malformed)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.expect(OCTETS)?).map_err(|_| Malformed)
    }
}

/// How many bytes of length follow the first one; Active Directory likes four, whatever the length.
pub(super) fn length_bytes(first: u8) -> Result<usize, Malformed> {
    match first {
        0..0x80 => Ok(0),
        // A length that is told at the end is not allowed in LDAP; a longer one is no message of anybody.
        0x80 | 0x85.. => Err(Malformed),
        long => Ok(usize::from(long & 0x7f)),
    }
}

pub(super) fn big_end_first(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_numbers_are_written_as_short_as_they_can_be_and_come_back() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let written = octets(&content);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.expect(OCTETS).unwrap(), content);
            assert!(reader.is_at_end());
        }
        assert_eq!(octets(&[0; 128])[..3], [OCTETS, 0x81, 0x80]);
        assert_eq!(number(INTEGER, 0)[..], [INTEGER, 1, 0]);
        assert_eq!(number(INTEGER, 128)[..], [INTEGER, 2, 0, 128]);
        for wanted in [0, 1, 127, 128, 255, 256, 65_536, u32::MAX] {
            assert_eq!(Reader::new(&number(ENUMERATED, wanted)).number(ENUMERATED), Ok(wanted));
        }
    }

    #[test]
    fn a_length_in_four_bytes_is_read_as_active_directory_writes_it() {
        let mut reader = Reader::new(&[OCTETS, 0x84, 0, 0, 0, 2, b'h', b'i', 0xff]);
        assert_eq!(reader.text(), Ok("hi"));
    }

    #[test]
    fn whatever_bytes_come_they_are_read_or_refused() {
        let table: [&[u8]; 9] = [
            &[],
            &[OCTETS],
            &[OCTETS, 5, 1],
            &[OCTETS, 0x80, 0, 0],
            &[OCTETS, 0x85, 0, 0, 0, 0, 1, 7],
            &[OCTETS, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x1f, 1, 1],
            &[OCTETS, 0x82, 1],
            &[0xff; 64],
        ];
        for bytes in table {
            assert_eq!(Reader::new(bytes).next(), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(Reader::new(&[INTEGER, 1, 0xff]).number(INTEGER), Err(Malformed), "negative");
        assert_eq!(Reader::new(&[INTEGER, 0]).number(INTEGER), Err(Malformed));
        assert_eq!(Reader::new(&[OCTETS, 1, 0xff]).text(), Err(Malformed), "no text");
    }
}
