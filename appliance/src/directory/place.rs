//! Distinguished names (RFC 4514), as far as two of them are to be told apart.

use std::fmt;

/// Where an entry stands, in the one form in which equal ones look equal: letters of either case, spaces around
/// the signs and the ways to escape do not matter.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place(String);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Place {
    /// None where the text is no distinguished name.
    pub(crate) fn parse(text: &str) -> Option<Place> {
        let mut parts = Vec::new();
        for part in split(text, ',') {
            let mut values: Vec<String> = split(part, '+').map(value).collect::<Option<_>>()?;
            values.sort_unstable();
            parts.push(values.join("+"));
        }
        Some(Place(parts.join(",")))
    }
}

/// `type=value`, in small letters, its value without escapes but for those that keep the parts apart.
fn value(text: &str) -> Option<String> {
    let (kind, value) = text.split_once('=')?;
    let kind = kind.trim().to_lowercase();
    let is_kind = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    let value = unescaped(value)?.to_lowercase();
    let words: Vec<&str> = value.split_whitespace().collect();
    let value = words.join(" ").replace('\\', "\\5c").replace(',', "\\2c").replace('+', "\\2b");
    (is_kind && !value.is_empty()).then(|| format!("{kind}={value}"))
}

/// Parts a text where a sign stands that no `\` takes its meaning from.
fn split(text: &str, sign: char) -> impl Iterator<Item = &str> {
    let mut is_escaped = false;
    text.split(move |c: char| {
        let parts = c == sign && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        parts
    })
}

fn unescaped(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.trim_start().as_bytes());
    // Spaces at the end go, but for one that was escaped; equal names differ in no such space, so all may go.
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let hex = rest.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (hex, rest.split_first()) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = &rest[2..];
            }
            (None, Some((&byte, after))) => {
                bytes.push(byte);
                rest = after;
            }
            (None, None) => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_look_equal_and_others_do_not() {
        let one = Place::parse("CN=Ward\\, 3,ou=Groups,dc=house").unwrap();
        for same in ["cn=ward\\2c 3, OU=groups ,DC=House", "cn= Ward\\,  3 ,ou=Groups,dc=house"] {
            assert_eq!(Place::parse(same).unwrap(), one, "{same}");
        }
        for other in
            ["cn=ward,3=,ou=groups,dc=house", "cn=ward\\, 4,ou=groups,dc=house", "cn=ward\\, 3,dc=house"]
        {
            assert_ne!(Place::parse(other), Some(one.clone()), "{other}");
        }
        assert_eq!(Place::parse("uid=a+cn=b,dc=c"), Place::parse("CN=b + UID=a, dc=c"));
        assert_eq!(Place::parse("cn=\\ea\\b0\\80,dc=c"), Place::parse("cn=가,dc=c"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for wrong in ["", "admins", "cn=,dc=x", "=x", "cn=a,", "cn=a\\", "c n=a", "cn=\\ff"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }
}
