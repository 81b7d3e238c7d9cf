//! The messages of LDAP (RFC 4511) that the box sends and reads: bind, search, StartTLS, unbind.

use super::ber::{
    BOOLEAN, Bytes, ENUMERATED, INTEGER, Malformed, OCTETS, Reader, SEQUENCE, SET, number, octets, value,
};
use super::filter::Filter;

const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const UNBIND_REQUEST: u8 = 0x42;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE: u8 = 0x79;

const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// What a search asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    /// All below the base, or the base alone.
    pub(super) whole_tree: bool,
    pub(super) max_entries: u32,
    pub(super) max_seconds: u32,
    pub(super) filter: &'a Filter,
    /// Stands in the filter's places for it.
    pub(super) name: &'a str,
    pub(super) attributes: &'a [&'a str],
}

/// How an operation ended: a code of RFC 4511, appendix A, and what the directory said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) code: u32,
    pub(super) said: String,
}

/// An entry as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RawEntry {
    pub(super) place: String,
    pub(super) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Response {
    Bound(Outcome),
    Extended(Outcome),
    Entry(RawEntry),
    Searched(Outcome),
    /// Of no interest here.
    Other,
}

fn message(id: u32, operation: &[u8]) -> Bytes {
    value(SEQUENCE, &[&number(INTEGER, id), operation])
}

pub(super) fn bind(id: u32, name: &str, password: &str) -> Bytes {
    let (version, password) = (number(INTEGER, 3), value(0x80, &[password.as_bytes()]));
    message(id, &value(BIND_REQUEST, &[&version, &octets(name.as_bytes()), &password]))
}

pub(super) fn unbind(id: u32) -> Bytes {
    message(id, &value(UNBIND_REQUEST, &[]))
}

pub(super) fn start_tls(id: u32) -> Bytes {
    message(id, &value(EXTENDED_REQUEST, &[&value(0x80, &[START_TLS])]))
}

pub(super) fn search(id: u32, search: &Search<'_>) -> Bytes {
    let attributes: Vec<_> = search.attributes.iter().map(|name| octets(name.as_bytes()).to_vec()).collect();
    let scope = if search.whole_tree { 2 } else { 0 };
    let operation = value(
        SEARCH_REQUEST,
        &[
            &octets(search.base.as_bytes()),
            &number(ENUMERATED, scope),
            // Aliases within the directory are not followed.
            &number(ENUMERATED, 0),
            &number(INTEGER, search.max_entries),
            &number(INTEGER, search.max_seconds),
            &value(BOOLEAN, &[&[0]]),
            &search.filter.encode(search.name),
            &value(SEQUENCE, &[&attributes.concat()]),
        ],
    );
    message(id, &operation)
}

/// Reads the content of a message: its number, and what it says.
pub(super) fn read(content: &[u8]) -> Result<(u32, Response), Malformed> {
    let mut reader = Reader::new(content);
    let id = reader.number(INTEGER)?;
    let (tag, operation) = reader.next()?;
    let response = match tag {
        BIND_RESPONSE => Response::Bound(outcome(operation)?),
        EXTENDED_RESPONSE => Response::Extended(outcome(operation)?),
        SEARCH_DONE => Response::Searched(outcome(operation)?),
        SEARCH_ENTRY => Response::Entry(entry(operation)?),
        SEARCH_REFERENCE | INTERMEDIATE => Response::Other,
        _ => return Err(Malformed),
    };
    Ok((id, response))
}

fn outcome(operation: &[u8]) -> Result<Outcome, Malformed> {
    let mut reader = Reader::new(operation);
    let code = reader.number(ENUMERATED)?;
    reader.expect(OCTETS)?;
    let said = String::from_utf8_lossy(reader.expect(OCTETS)?).into_owned();
    Ok(Outcome { code, said })
}

fn entry(operation: &[u8]) -> Result<RawEntry, Malformed> {
    let mut reader = Reader::new(operation);
    let mut entry = RawEntry { place: reader.text()?.to_owned(), attributes: Vec::new() };
    let mut attributes = Reader::new(reader.expect(SEQUENCE)?);
    while !attributes.is_at_end() {
        let mut attribute = Reader::new(attributes.expect(SEQUENCE)?);
        let name = attribute.text()?.to_owned();
        let mut listed = Reader::new(attribute.expect(SET)?);
        let mut values = Vec::new();
        while !listed.is_at_end() {
            values.push(listed.expect(OCTETS)?.to_vec());
        }
        entry.attributes.push((name, values));
    }
    Ok(entry)
}

impl RawEntry {
    /// The values of an attribute; options behind its name, such as `;range=0-1499`, do not matter.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let is_meant =
            move |found: &str| found.split(';').next().is_some_and(|found| found.eq_ignore_ascii_case(name));
        let meant = self.attributes.iter().filter(move |(found, _)| is_meant(found));
        meant.flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }

    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name).filter_map(|value| std::str::from_utf8(value).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_is_what_rfc_4511_shows() {
        let sent = bind(1, "cn=a", "pw");
        let wanted = b"\x30\x12\x02\x01\x01\x60\x0d\x02\x01\x03\x04\x04cn=a\x80\x02pw";
        assert_eq!(sent.as_slice(), wanted);
        assert_eq!(unbind(2).as_slice(), b"\x30\x05\x02\x01\x02\x42\x00");
    }

    #[test]
    fn an_entry_is_read_with_its_attributes_whatever_their_case_and_options() {
        let values = value(SET, &[&octets(b"cn=one"), &octets(b"cn=two")]);
        let attribute = value(SEQUENCE, &[&octets(b"memberOf;range=0-1"), &values]);
        let operation = value(SEARCH_ENTRY, &[&octets(b"uid=kim"), &value(SEQUENCE, &[&attribute])]);
        let content = [number(INTEGER, 2).as_slice(), &operation].concat();
        let Ok((2, Response::Entry(entry))) = read(&content) else { panic!("an entry") };
        assert_eq!(entry.place, "uid=kim");
        assert_eq!(entry.texts("MEMBEROF").collect::<Vec<_>>(), ["cn=one", "cn=two"]);
    }

    #[test]
    fn half_an_answer_is_refused() {
        let done = value(SEARCH_DONE, &[&number(ENUMERATED, 0), &octets(b""), &octets(b"")]);
        let whole = [number(INTEGER, 2).as_slice(), &done].concat();
        assert!(read(&whole).is_ok());
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Err(Malformed), "{end}");
        }
    }
}
