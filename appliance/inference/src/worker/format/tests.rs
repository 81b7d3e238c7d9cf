use std::collections::HashMap;

use super::*;

/// A token for each byte, and one that ends the turn.
fn formats() -> Formats {
    let bytes = (0..=254).map(|byte| (vec![byte], false));
    Formats::new(Arc::new(Vocabulary::new(bytes.chain([(Vec::new(), true)]))))
}

const END: i32 = 255;

fn schema(schema: &Value) -> Result<Guide, JobError> {
    formats().guide(&Format::JsonSchema(schema.to_string()))
}

/// Writes an answer and calls it complete.
fn write(guide: &mut Guide, answer: &str) -> Result<(), JobError> {
    for byte in answer.bytes() {
        guide.accept(byte.into(), &[byte])?;
    }
    guide.prove(None, 0)
}

fn reason(refused: Result<Guide, JobError>) -> String {
    match refused {
        Err(JobError::BadFormat(reason)) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn an_answer_can_only_become_what_the_schema_admits() {
    let mut guide = schema(&json!({
        "type": "object",
        "properties": {"dose_mg": {"type": "integer"}, "route": {"enum": ["oral", "경구"]}},
        "required": ["dose_mg", "route"],
        "additionalProperties": false
    }))
    .unwrap();
    let mask = guide.mask().unwrap();
    assert!(mask.is_allowed(b'{'.into()) && !mask.is_allowed(b'['.into()) && !mask.is_allowed(b'a'.into()));
    assert!(!mask.is_allowed(END.cast_unsigned()) && !guide.may_end().unwrap());
    write(&mut guide, r#"{"dose_mg": 5, "route": "경구"}"#).unwrap();
    assert!(guide.is_complete() || guide.may_end().unwrap());
}

#[test]
fn a_token_that_must_not_come_is_an_error_and_not_taken_silently() {
    let mut guide = formats().guide(&Format::JsonObject).unwrap();
    assert!(!guide.admits(i32::from(b'x')).unwrap());
    assert_eq!(write(&mut guide, "x"), Err(JobError::FormatMissed));
}

#[test]
fn half_an_answer_is_no_answer() {
    let mut guide = formats().guide(&Format::JsonObject).unwrap();
    assert_eq!(write(&mut guide, r#"{"a": 1"#), Err(JobError::FormatMissed));
}

#[test]
fn what_the_compiler_only_comes_near_to_is_judged_by_the_validator() {
    let one_of = json!({"oneOf": [{"type": "integer", "minimum": 5}, {"type": "integer", "maximum": 7}]});
    assert_eq!(write(&mut schema(&one_of).unwrap(), "3"), Ok(()));
    assert_eq!(write(&mut schema(&one_of).unwrap(), "6"), Err(JobError::FormatMissed), "it is both");
}

#[test]
fn a_schema_that_cannot_be_compiled_is_refused_in_one_line() {
    for wrong in [
        json!({"type": "objekt"}),
        json!({"$ref": "#/nowhere"}),
        json!({"$ref": "http://127.0.0.1:9/schema.json"}),
        json!({"type": "string", "pattern": "("}),
        json!({"not": {"type": "string"}}),
    ] {
        let reason = reason(schema(&wrong));
        assert!(
            !reason.is_empty() && !reason.contains('\n') && reason.len() <= 4 * MAX_REASON,
            "{wrong}: {reason}"
        );
    }
    assert!(matches!(formats().guide(&Format::JsonSchema("[]".into())), Err(JobError::BadFormat(_))));
    assert!(matches!(formats().guide(&Format::Regex("(".into())), Err(JobError::BadFormat(_))));
}

#[test]
fn a_form_that_nothing_can_have_is_refused() {
    let impossible = [
        Format::JsonSchema(json!({"$ref": "#"}).to_string()),
        Format::Regex(r"[^\s\S]".into()),
        Format::Regex("[a&&b]".into()),
    ];
    for format in impossible {
        assert_eq!(reason(formats().guide(&format)), "nothing can have this form");
    }
    let mut empty = formats().guide(&Format::Regex(String::new())).unwrap();
    assert_eq!(write(&mut empty, ""), Ok(()), "an answer without a word");
}

#[test]
fn a_request_cannot_switch_the_guide_off() {
    let lenient = json!({"x-guidance": {"lenient": true}, "type": "string", "pattern": "("});
    assert!(!reason(schema(&lenient)).is_empty());
}

#[test]
fn space_between_the_parts_has_an_end() {
    for (indent, most) in [(' ', 12), ('\t', 6)] {
        let mut guide = formats().guide(&Format::JsonObject).unwrap();
        for byte in "{\n".bytes().chain(std::iter::repeat_n(indent as u8, most)) {
            assert!(guide.admits(byte.into()).unwrap());
            guide.accept(byte.into(), &[byte]).unwrap();
        }
        for space in [b' ', b'\n', b'\t'] {
            assert!(!guide.admits(space.into()).unwrap(), "{space} after {most} of {indent:?}");
        }
        assert!(guide.admits(b'"'.into()).unwrap());
    }
}

#[test]
fn a_regular_expression_holds_for_the_whole_answer() {
    let pattern = Format::Regex("[0-9]{3}-[0-9]{4}".into());
    let mut guide = formats().guide(&pattern).unwrap();
    assert_eq!(write(&mut guide, "119-0000"), Ok(()));
    assert!(guide.is_complete());
    assert_eq!(write(&mut formats().guide(&pattern).unwrap(), "119-"), Err(JobError::FormatMissed));
}

#[test]
fn a_form_is_compiled_once_for_whoever_asks_again_and_for_nobody_else() {
    let (formats, compiled) = (formats(), std::cell::Cell::new(0));
    let pattern = |number: u32| Format::Regex(format!("{number}a+"));
    let form = |caller: &str, number: u32| {
        let format = pattern(number);
        let scope = Some(crate::job::Scope::of(caller));
        let asked = Asked { scope, format: Some(&format), tools: None, inside: false, amid_words: false };
        let compile = || {
            compiled.set(compiled.get() + 1);
            Ok((formats.guide(&format)?, HashMap::new()))
        };
        formats.kept.form(&asked, compile).map(|(guide, _)| guide)
    };
    let mut first = form("ward", 1).unwrap();
    assert_eq!(write(&mut first, "1aa"), Ok(()));
    let mut second = form("ward", 1).unwrap();
    assert_eq!(compiled.get(), 1);
    assert_eq!(write(&mut second, "1a"), Ok(()), "nothing of the first answer is in it");
    assert_eq!(write(&mut form("ward", 1).unwrap(), "aa"), Err(JobError::FormatMissed), "it holds");
    form("pharmacy", 1).unwrap();
    assert_eq!(compiled.get(), 2, "others do not learn that it was asked for");
    (0..20).for_each(|number| drop(form("ward", number).unwrap()));
    form("ward", 1).unwrap();
    assert_eq!(compiled.get(), 2 + 19 + 1, "only some are kept: it was there once more, and then no longer");
}

#[test]
fn a_form_that_is_refused_is_refused_again() {
    let formats = formats();
    let format = Format::Regex("(".into());
    let asked = Asked { scope: None, format: Some(&format), tools: None, inside: false, amid_words: false };
    for _ in 0..2 {
        let form = formats.kept.form(&asked, || Ok((formats.guide(&format)?, HashMap::new())));
        assert!(matches!(form, Err(JobError::BadFormat(_))));
    }
}
