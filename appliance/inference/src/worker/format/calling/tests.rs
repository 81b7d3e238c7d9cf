//! Every family's calls held by a grammar, over a vocabulary of bytes and over one with hidden tokens.

use std::sync::Arc;

use super::*;
use crate::worker::manner::{Gemma, Manner};
use crate::worker::parser::Parser;
use crate::worker::speech::Speech;
use crate::worker::text::Stops;
use crate::worker::vocabulary::Vocabulary;

const THINK: Thinking = Thinking { open: "<think>", close: "</think>" };
const GEMMA: Gemma = Gemma { open: "<|tool_call>", close: "<tool_call|>", quote: "<|\"|>" };
const FAMILIES: [Family; 6] = [
    Family::Llama,
    Family::Hermes,
    Family::MistralList,
    Family::MistralNamed { with_id: true },
    Family::MistralNamed { with_id: false },
    Family::Gemma(GEMMA),
];

fn tool(name: &str, parameters: Option<Value>, strict: bool) -> Tool {
    Tool {
        name: name.into(),
        entry: "{}".into(),
        parameters: parameters.map(|p| p.to_string()),
        strict,
        callable: true,
    }
}

fn dose() -> Tool {
    let parameters = json!({"type": "object", "properties": {
        "drug": {"enum": ["타이레놀", "a \"b\" {c}"]},
        "mg": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}}
    }, "required": ["drug", "mg"]});
    tool("dose", Some(parameters), true)
}

fn clock() -> Tool {
    tool("clock", None, false)
}

fn tools(must: Must, parallel: bool) -> Tools {
    Tools { list: vec![dose(), clock()], must, parallel }
}

/// A token for each byte but the last, and the marks of a family as hidden tokens behind them.
fn formats(marks: &[&'static str]) -> Formats {
    let bytes = (0..=254).map(|byte| (vec![byte], false)).chain([(Vec::new(), true)]);
    let hidden = marks.iter().map(|_| (Vec::new(), false));
    let numbered: Vec<(i32, &str)> = (256..).zip(marks.iter().copied()).collect();
    Formats::new(Arc::new(Vocabulary::new(bytes.chain(hidden)).with_marks(&numbered)))
}

fn calling(family: Family, tools: &Tools) -> Calling<'_> {
    Calling { family, tools, words: None, thinking: None, inside: false, amid_words: false }
}

/// Writes an answer token by token, hidden tokens where the vocabulary has them; gives what it said, if all was held.
fn write(formats: &Formats, calling: &Calling<'_>, answer: &str) -> Result<Vec<crate::job::Said>, JobError> {
    let (mut guide, rules) = formats.calling(calling)?;
    let manner = Manner { family: Some(calling.family), thinking: calling.thinking, text_arguments: false };
    let mut parser = Parser::new(&manner, calling.tools.must != Must::Not, calling.inside);
    if calling.amid_words {
        parser = parser.amid_words();
    }
    let mut speech =
        Speech::new(parser, Stops::new(Vec::new(), ""), rules, calling.words.map(|_| String::new()));
    let mut said = Vec::new();
    let mut rest = answer;
    while !rest.is_empty() {
        let mark = manner.marks().into_iter().find(|mark| rest.starts_with(mark));
        if let Some((mark, token)) = mark.and_then(|mark| Some((mark, formats.vocabulary.token_of(mark)?))) {
            guide.accept(token, &[])?;
            said.extend(speech.mark(mark)?.said);
            rest = &rest[mark.len()..];
            continue;
        }
        let first = rest.chars().next().map_or(1, char::len_utf8);
        for byte in rest[..first].bytes() {
            if !guide.admits(byte.into())? {
                return Err(JobError::FormatMissed);
            }
            guide.accept(byte.into(), &[byte])?;
            said.extend(speech.push(&[byte])?.said);
        }
        rest = &rest[first..];
    }
    if !guide.is_complete() && !guide.may_end()? {
        return Err(JobError::FormatMissed);
    }
    said.extend(speech.finish()?);
    guide.prove(speech.words(), speech.calls())?;
    Ok(said)
}

/// One call of each function, as the family writes them.
fn calls(family: Family) -> [String; 2] {
    let arguments = r#"{"drug": "타이레놀", "mg": 500, "tags": ["a"]}"#;
    let object = |name: &str, arguments: &str| {
        format!("{{\"name\": \"{name}\", \"{}\": {arguments}}}", family.arguments_key())
    };
    match family {
        Family::Llama | Family::MistralList => [object("dose", arguments), object("clock", "{}")],
        Family::Hermes => [("dose", arguments), ("clock", "{}")]
            .map(|(name, arguments)| format!("\n{}\n</tool_call>", object(name, arguments))),
        Family::MistralNamed { with_id } => {
            let id = if with_id { "[CALL_ID]abcDEF123" } else { "" };
            [format!("dose{id}[ARGS]{arguments}"), format!("clock{id}[ARGS]{{}}")]
        }
        Family::Gemma(_) => [
            "call:dose{drug:<|\"|>타이레놀<|\"|>,mg:500,tags:[<|\"|>a<|\"|>]}<tool_call|>".into(),
            "call:clock{}<tool_call|>".into(),
        ],
    }
}

/// An answer that makes these calls.
fn answer(family: Family, calls: &[String]) -> String {
    let open = family.opening();
    match family {
        Family::Llama => calls.join("; "),
        Family::MistralList => format!("{open}[{}]", calls.join(", ")),
        Family::Hermes => format!("{open}{}", calls.join(&format!("\n{open}"))),
        _ => format!("{open}{}", calls.join(open)),
    }
}

fn both_vocabularies(family: Family) -> [Formats; 2] {
    let manner = Manner { family: Some(family), thinking: None, text_arguments: false };
    [formats(&[]), formats(&manner.marks())]
}

fn names(said: &[crate::job::Said]) -> Vec<&str> {
    said.iter()
        .filter_map(|said| if let crate::job::Said::Call(name) = said { Some(name.as_str()) } else { None })
        .collect()
}

#[test]
fn each_family_may_call_must_call_or_must_not() {
    for family in FAMILIES {
        let calls = calls(family);
        let (one, two) = (answer(family, &calls[..1]), answer(family, &calls));
        for formats in both_vocabularies(family) {
            let [may, must, not] = [Must::May, Must::Call, Must::Not].map(|must| tools(must, true));
            for tools in [&may, &must] {
                assert_eq!(
                    write(&formats, &calling(family, tools), &one).map(|said| names(&said).join(" ")),
                    Ok("dose".into()),
                    "{family:?}: {one}"
                );
                assert_eq!(
                    write(&formats, &calling(family, tools), &two).map(|said| names(&said).join(" ")),
                    Ok("dose clock".into()),
                    "{family:?}: {two}"
                );
            }
            assert!(write(&formats, &calling(family, &may), "그냥 말 <b>.").is_ok(), "{family:?}");
            assert!(write(&formats, &calling(family, &not), "그냥 말 <b>.").is_ok(), "{family:?}");
            assert!(write(&formats, &calling(family, &must), "Words.").is_err(), "{family:?}");
            if family != Family::Llama {
                let words = format!("잠깐만요. {one}");
                assert!(write(&formats, &calling(family, &may), &words).is_ok(), "{family:?}");
                assert!(write(&formats, &calling(family, &must), &words).is_err(), "{family:?}");
                assert!(write(&formats, &calling(family, &not), &one).is_err(), "{family:?}");
            }
            let one_alone = tools(Must::May, false);
            assert!(write(&formats, &calling(family, &one_alone), &one).is_ok(), "{family:?}");
            assert!(write(&formats, &calling(family, &one_alone), &two).is_err(), "{family:?}");
        }
    }
}

#[test]
fn names_and_arguments_are_held_to_what_was_offered() {
    for family in FAMILIES {
        let good = answer(family, &calls(family)[..1]);
        let must = tools(Must::Call, true);
        for formats in both_vocabularies(family) {
            for wrong in [
                good.replace("dose", "dosis"),
                good.replace("500", "\"x\""),
                good.replace("타이레놀", "아스피린"),
                good.replace("mg", "kg"),
            ] {
                assert!(write(&formats, &calling(family, &must), &wrong).is_err(), "{family:?}: {wrong}");
            }
            let cut = &good[..good.len() - 12];
            assert!(write(&formats, &calling(family, &must), cut).is_err(), "{family:?}: {cut}");
        }
    }
}

#[test]
fn only_the_allowed_functions_can_be_called() {
    let mut named = tools(Must::Call, true);
    named.list[1].callable = false;
    for family in FAMILIES {
        let [dose, clock] = calls(family).map(|call| answer(family, &[call]));
        let formats = formats(&[]);
        assert!(write(&formats, &calling(family, &named), &dose).is_ok(), "{family:?}");
        assert!(write(&formats, &calling(family, &named), &clock).is_err(), "{family:?}");
    }
}

#[test]
fn a_model_may_think_before_it_must_call() {
    let must = tools(Must::Call, true);
    for family in FAMILIES {
        let call = answer(family, &calls(family)[..1]);
        let thinks = Calling { thinking: Some(THINK), ..calling(family, &must) };
        let inside = Calling { inside: true, ..calling(family, &must) };
        let inside = Calling { thinking: Some(THINK), ..inside };
        for formats in both_vocabularies(family) {
            assert!(write(&formats, &thinks, &call).is_ok(), "{family:?}");
            assert!(
                write(&formats, &thinks, &format!("<think>\n음 {{\n</think>\n\n{call}")).is_ok(),
                "{family:?}"
            );
            assert!(write(&formats, &inside, &format!("음 {{\n</think>\n\n{call}")).is_ok(), "{family:?}");
        }
    }
}

#[test]
fn an_answer_that_goes_on_from_given_words_may_still_call() {
    for family in FAMILIES {
        // After words a call of Llama's needs its mark.
        let mark = if family == Family::Llama { family.opening() } else { "" };
        let rest = format!(" 그래서 {mark}{}", answer(family, &calls(family)[..1]));
        for must in [Must::May, Must::Call] {
            let tools = tools(must, true);
            let goes_on = Calling { amid_words: true, ..calling(family, &tools) };
            for formats in both_vocabularies(family) {
                assert!(write(&formats, &goes_on, &rest).is_ok(), "{family:?}: {rest}");
                assert_eq!(write(&formats, &goes_on, " {words}").is_ok(), must == Must::May, "{family:?}");
            }
        }
    }
}

#[test]
fn words_beside_calls_may_have_a_form_of_their_own() {
    let may = tools(Must::May, true);
    let schema = Format::JsonSchema(json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": false}).to_string());
    for family in FAMILIES {
        let formed = Calling { words: Some(&schema), ..calling(family, &may) };
        let call = answer(family, &calls(family)[..1]);
        let formats = formats(&[]);
        if family == Family::Llama {
            assert!(write(&formats, &formed, &format!("<|python_tag|>{call}")).is_ok());
            continue;
        }
        assert!(write(&formats, &formed, "{\"ok\": true}").is_ok(), "{family:?}");
        assert!(write(&formats, &formed, &call).is_ok(), "{family:?}");
        assert!(write(&formats, &formed, "Sure!").is_err(), "{family:?}");
    }
}

#[test]
fn a_schema_that_cannot_be_held_refuses_a_strict_function_and_is_judged_at_the_end_of_others() {
    let hard = json!({"type": "object", "properties": {"a": {"not": {"type": "string"}}}, "required": ["a"]});
    let formats = formats(&[]);
    let with = |strict| Tools {
        list: vec![tool("hard", Some(hard.clone()), strict)],
        must: Must::Call,
        parallel: true,
    };
    let strict = with(true);
    let refused = formats.calling(&calling(Family::Hermes, &strict)).err();
    assert!(
        matches!(refused, Some(JobError::BadTool(ref why)) if why.starts_with("\"hard\"")),
        "{refused:?}"
    );
    let lenient = with(false);
    let call = |arguments: &str| {
        format!("<tool_call>\n{{\"name\": \"hard\", \"arguments\": {arguments}}}\n</tool_call>")
    };
    assert!(write(&formats, &calling(Family::Hermes, &lenient), &call("{\"a\": 1}")).is_ok());
    assert_eq!(
        write(&formats, &calling(Family::Hermes, &lenient), &call("{\"a\": \"x\"}")).err(),
        Some(JobError::FormatMissed)
    );
    let wrong = Tools { list: vec![tool("wrong", Some(json!({"type": "objekt"})), false)], ..with(false) };
    assert!(matches!(formats.calling(&calling(Family::Hermes, &wrong)).err(), Some(JobError::BadTool(_))));
}
