//! Filters as they are written, and as they are sent.

use super::*;
use crate::directory::ber::Reader;

fn parsed(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_filter_is_sent_as_rfc_4511_says() {
    let sent = parsed("(&(uid={name})(!(a=*))(b=x*y*z)(c>=1)(d:dn:1.2.3:=q))").encode("kim");
    let mut all = Reader::new(&sent);
    let mut inner = Reader::new(all.expect(0xa0).unwrap());
    let mut equal = Reader::new(inner.expect(0xa3).unwrap());
    assert_eq!((equal.text(), equal.text()), (Ok("uid"), Ok("kim")));
    let mut not = Reader::new(inner.expect(0xa2).unwrap());
    assert_eq!(not.expect(0x87).unwrap(), b"a");
    let mut parts = Reader::new(inner.expect(0xa4).unwrap());
    assert_eq!(parts.text(), Ok("b"));
    let mut parts = Reader::new(parts.expect(SEQUENCE).unwrap());
    assert_eq!(parts.expect(0x80).unwrap(), b"x");
    assert_eq!(parts.expect(0x81).unwrap(), b"y");
    assert_eq!(parts.expect(0x82).unwrap(), b"z");
    assert_eq!(inner.next().unwrap().0, 0xa5);
    let mut rule = Reader::new(inner.expect(0xa9).unwrap());
    assert_eq!(rule.expect(0x81).unwrap(), b"1.2.3");
    assert_eq!(rule.expect(0x82).unwrap(), b"d");
    assert_eq!(rule.expect(0x83).unwrap(), b"q");
    assert_eq!(rule.expect(0x84).unwrap(), [0xff]);
    assert!(rule.is_at_end() && inner.is_at_end() && all.is_at_end());
}

#[test]
fn no_name_changes_what_is_looked_for() {
    let filter = parsed("(|(sAMAccountName={name})(uid={name}))");
    for name in ["*", "*)(uid=*", "kim)(|(uid=*", "\\2a", "a\0b", "{name}", "김"] {
        let sent = filter.encode(name);
        let mut inner = Reader::new(Reader::new(&sent).expect(0xa1).unwrap());
        for attribute in ["sAMAccountName", "uid"] {
            let mut equal = Reader::new(inner.expect(0xa3).unwrap());
            assert_eq!((equal.text(), equal.text()), (Ok(attribute), Ok(name)));
            assert!(equal.is_at_end());
        }
        assert!(inner.is_at_end());
    }
}

#[test]
fn values_are_read_as_rfc_4515_writes_them() {
    let filter = parsed("(cn=Lu\\c4\\8di\\c4\\87 \\28{name}\\29)");
    let sent = filter.encode("x");
    let mut equal = Reader::new(Reader::new(&sent).expect(0xa3).unwrap());
    assert_eq!((equal.text(), equal.text()), (Ok("cn"), Ok("Lučić (x)")));
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let deep = "(!".repeat(20) + "(a={name})" + &")".repeat(20);
    for (wrong, words) in [
        ("uid={name}", "begins with \"(\" (at character 1)"),
        ("(uid={name}", "a \")\" is missing"),
        ("(uid={name}))", "behind the last \")\" (at character 13)"),
        ("(uid=kim)", "write {name}"),
        ("(uid={name}*)", "do not go together"),
        ("(&)", "a filter is missing"),
        ("(={name})", "attribute is missing"),
        ("(uid{name})", "\"=\" is missing"),
        ("(uid=\\zz{name})", "two hexadecimal digits"),
        ("(uid=({name})", "\\28"),
        ("(:={name})", "\":=\" is missing"),
        ("(a>=*{name})", "\"=\" alone"),
        (deep.as_str(), "too deep"),
    ] {
        let error = Filter::parse(wrong).expect_err(wrong);
        assert!(error.contains(words) && !error.contains('\n'), "{wrong}: {error}");
    }
}
