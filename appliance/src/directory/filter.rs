//! Search filters (RFC 4515): read once from the configuration, with a place for the name. A name is put into the
//! filter's bytes as it is, never into its text, so nothing that somebody types changes what is looked for.

mod parse;

use super::ber::{Bytes, OCTETS, SEQUENCE, value};

/// Where the name goes.
pub(super) const PLACE: &str = "{name}";

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Compared {
        by: Comparison,
        attribute: String,
        value: Value,
    },
    Parts {
        attribute: String,
        first: Vec<u8>,
        between: Vec<Vec<u8>>,
        last: Vec<u8>,
    },
    Present(String),
    /// By a rule of its own, such as Active Directory's for groups in groups.
    Rule {
        rule: Option<String>,
        attribute: Option<String>,
        value: Value,
        with_place: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    AtLeast,
    AtMost,
    About,
}

/// Bytes with places for the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Name,
}

impl Filter {
    /// Reads a filter of the configuration.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn parse(text: &str) -> Result<Filter, String> {
        parse::whole(text)
    }

    /// An attribute with just this value.
    pub(super) fn equal(attribute: &str, value: &str) -> Filter {
        Filter::Compared {
            by: Comparison::Equal,
            attribute: attribute.to_owned(),
            value: Value(vec![Piece::Bytes(value.as_bytes().to_vec())]),
        }
    }

    /// The same by a rule of its own.
    pub(super) fn by_rule(attribute: &str, rule: &str, value: &str) -> Filter {
        Filter::Rule {
            rule: Some(rule.to_owned()),
            attribute: Some(attribute.to_owned()),
            value: Value(vec![Piece::Bytes(value.as_bytes().to_vec())]),
            with_place: false,
        }
    }

    pub(super) fn asks_for_name(&self) -> bool {
        match self {
            Filter::All(filters) | Filter::Any(filters) => filters.iter().any(Filter::asks_for_name),
            Filter::Not(filter) => filter.asks_for_name(),
            Filter::Compared { value, .. } | Filter::Rule { value, .. } => value.0.contains(&Piece::Name),
            Filter::Parts { .. } | Filter::Present(_) => false,
        }
    }

    /// The filter with a name in it, as it is sent.
    pub(super) fn encode(&self, name: &str) -> Bytes {
        let joined = |filters: &[Filter]| filters.iter().map(|f| f.encode(name).to_vec()).collect::<Vec<_>>();
        match self {
            Filter::All(filters) => value(0xa0, &[&joined(filters).concat()]),
            Filter::Any(filters) => value(0xa1, &[&joined(filters).concat()]),
            Filter::Not(filter) => value(0xa2, &[&filter.encode(name)]),
            Filter::Compared { by, attribute, value: wanted } => {
                let tag = match by {
                    Comparison::Equal => 0xa3,
                    Comparison::AtLeast => 0xa5,
                    Comparison::AtMost => 0xa6,
                    Comparison::About => 0xa8,
                };
                value(tag, &[&value(OCTETS, &[attribute.as_bytes()]), &value(OCTETS, &[&wanted.with(name)])])
            }
            Filter::Parts { attribute, first, between, last } => {
                let part = |tag: u8, bytes: &Vec<u8>| {
                    if bytes.is_empty() { Vec::new() } else { value(tag, &[bytes]).to_vec() }
                };
                let middle: Vec<_> = between.iter().map(|bytes| part(0x81, bytes)).collect();
                let parts = [part(0x80, first), middle.concat(), part(0x82, last)].concat();
                value(0xa4, &[&value(OCTETS, &[attribute.as_bytes()]), &value(SEQUENCE, &[&parts])])
            }
            Filter::Present(attribute) => value(0x87, &[attribute.as_bytes()]),
            Filter::Rule { rule, attribute, value: wanted, with_place } => {
                let named = |tag: u8, text: &Option<String>| {
                    text.as_ref().map_or_else(Vec::new, |text| value(tag, &[text.as_bytes()]).to_vec())
                };
                let place = if *with_place { value(0x84, &[&[0xff]]).to_vec() } else { Vec::new() };
                let wanted = value(0x83, &[&wanted.with(name)]);
                value(0xa9, &[&named(0x81, rule), &named(0x82, attribute), &wanted, &place])
            }
        }
    }
}

impl Value {
    fn with(&self, name: &str) -> Vec<u8> {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.as_slice(),
            Piece::Name => name.as_bytes(),
        });
        pieces.collect::<Vec<_>>().concat()
    }
}

#[cfg(test)]
mod tests;
