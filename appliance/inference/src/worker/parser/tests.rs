//! What each family writes, taken apart; whole, cut anywhere, cut short, and at random.

use super::*;

const NONE: Manner = Manner { family: None, thinking: None, text_arguments: false };
const THINK: Thinking = Thinking { open: "<think>", close: "</think>" };
const GEMMA: crate::worker::manner::Gemma =
    crate::worker::manner::Gemma { open: "<|tool_call>", close: "<tool_call|>", quote: "<|\"|>" };
const FUNCTION_GEMMA: crate::worker::manner::Gemma = crate::worker::manner::Gemma {
    open: "<start_function_call>",
    close: "<end_function_call>",
    quote: "<escape>",
};

fn manner(family: Family) -> Manner {
    Manner { family: Some(family), thinking: Some(THINK), ..NONE }
}

/// Pieces of one kind joined, as a reader sees them.
fn joined(said: Vec<Said>) -> Vec<Said> {
    let mut all = Vec::new();
    for piece in said {
        match piece {
            Said::Text(text) => say(&mut all, &text, Said::Text),
            Said::Reasoning(text) => say(&mut all, &text, Said::Reasoning),
            Said::Arguments(text) => say(&mut all, &text, Said::Arguments),
            other => all.push(other),
        }
    }
    all
}

fn parse(manner: &Manner, pieces: &[&str]) -> Result<Vec<Said>, Broken> {
    let mut parser = Parser::new(manner, true, false);
    let mut said = Vec::new();
    for piece in pieces {
        said.extend(parser.push(piece)?);
    }
    said.extend(parser.finish()?);
    Ok(joined(said))
}

fn text(text: &str) -> Said {
    Said::Text(text.into())
}

fn call(name: &str, arguments: &str) -> [Said; 3] {
    [Said::Call(name.into()), Said::Arguments(arguments.into()), Said::CallEnded]
}

/// An argument with all that looks like an end of something.
const HARD: &str =
    r#"{"drug": "타이레놀 {\"}\"} </tool_call> [ARGS] \\", "n": [1, {"a": [-2.5e3, true, null]}], "": {}}"#;

/// What is written, by whom, and what it says.
fn golden() -> Vec<(Family, String, Vec<Said>)> {
    let hermes = |arguments: &str| {
        format!("<tool_call>\n{{\"name\": \"dose\", \"arguments\": {arguments}}}\n</tool_call>")
    };
    let llama = |arguments: &str| format!("{{\"name\": \"dose\", \"parameters\": {arguments}}}");
    let named = Family::MistralNamed { with_id: true };
    let hard = call("dose", HARD).to_vec();
    let two = [call("dose", HARD), call("dose", "{}")].concat();
    let after = |words: &str, calls: &[Said]| [&[text(words)], calls].concat();
    let gemma_json =
        r#"{"drug":"타이레놀 {\"}\"} </tool_call>","kg":12.5,"list":["경구",[],{"a":true}],"none":null}"#;
    let gemma = |marks: crate::worker::manner::Gemma| {
        let q = marks.quote;
        let arguments = format!(
            "{{drug:{q}타이레놀 {{\"}}\"}} </tool_call>{q},kg:12.5,list:[{q}경구{q},[],{{a:true}}],none:null}}"
        );
        format!("{}call:dose{arguments}{}", marks.open, marks.close)
    };
    vec![
        (
            Family::Hermes,
            "Just words, with { braces } and <tool.".into(),
            vec![text("Just words, with { braces } and <tool.")],
        ),
        (Family::Hermes, hermes(HARD), hard.clone()),
        (Family::Hermes, format!("잠깐만요.\n\n{}", hermes(HARD)), after("잠깐만요.", &hard)),
        (Family::Hermes, format!("{}\n{}", hermes(HARD), hermes("{}")), two.clone()),
        (
            Family::Hermes,
            format!("<think>\n{{}} <tool\n</think>\n\nI look.{}", hermes(HARD)),
            [vec![Said::Reasoning("{} <tool".into()), text("I look.")], hard.clone()].concat(),
        ),
        (Family::Hermes, "<think>\n\n</think>\n\n네.".into(), vec![text("네.")]),
        (Family::Hermes, hermes(&serde_json::Value::from(HARD).to_string()), hard.clone()),
        (
            Family::Hermes,
            format!("<tool_call>{{\"arguments\": {HARD}, \"x\": 1, \"name\": \"dose\"}}"),
            hard.clone(),
        ),
        (Family::Llama, llama(HARD), hard.clone()),
        (Family::Llama, format!("<|python_tag|>{}", llama(HARD)), hard.clone()),
        (Family::Llama, format!("{}; {}", llama(HARD), llama("{}")), two.clone()),
        (Family::Llama, "A brace { in words is none.".into(), vec![text("A brace { in words is none.")]),
        (Family::Llama, format!("Let me see. <|python_tag|>{}", llama(HARD)), after("Let me see.", &hard)),
        (
            Family::MistralList,
            format!("[TOOL_CALLS] [{{\"name\": \"dose\", \"arguments\": {HARD}, \"id\": \"abcdef123\"}}]"),
            hard.clone(),
        ),
        (
            Family::MistralList,
            format!(
                "[TOOL_CALLS][{{\"name\": \"dose\", \"arguments\": {HARD}}}, {{\"name\": \"dose\", \"arguments\": {{}}}}]"
            ),
            two.clone(),
        ),
        (
            Family::MistralList,
            format!("Words [T.[TOOL_CALLS][{{\"name\": \"dose\", \"arguments\": {HARD}}}]"),
            after("Words [T.", &hard),
        ),
        (named, format!("[TOOL_CALLS]dose[CALL_ID]abcdef123[ARGS]{HARD}"), hard.clone()),
        (named, format!("[TOOL_CALLS]dose[ARGS]{HARD}[TOOL_CALLS]dose[ARGS]{{}}"), two),
        (named, format!("네, [TOOL_CALLS]dose{HARD}"), after("네,", &hard)),
        (Family::Gemma(GEMMA), gemma(GEMMA), call("dose", gemma_json).to_vec()),
        (Family::Gemma(FUNCTION_GEMMA), gemma(FUNCTION_GEMMA), call("dose", gemma_json).to_vec()),
        (
            Family::Gemma(GEMMA),
            format!("보세요 {}{}", gemma(GEMMA), "<|tool_call>call:clock{}<tool_call|>"),
            after("보세요", &[call("dose", gemma_json), call("clock", "{}")].concat()),
        ),
    ]
}

#[test]
fn what_each_family_writes_is_told_apart() {
    for (family, written, expected) in golden() {
        let said = parse(&manner(family), &[&written]).unwrap_or_else(|_| panic!("{family:?}: {written}"));
        assert!(said == expected, "{family:?}: {written}");
    }
}

#[test]
fn the_pieces_are_the_same_wherever_the_text_is_cut() {
    for (family, written, expected) in golden() {
        let manner = manner(family);
        let cuts = |at: &usize| written.is_char_boundary(*at);
        for cut in (0..=written.len()).filter(cuts) {
            let (before, after) = written.split_at(cut);
            assert!(parse(&manner, &[before, after]) == Ok(expected.clone()), "{written} cut at {cut}");
        }
        let characters: Vec<&str> = written.split("").collect();
        assert!(parse(&manner, &characters) == Ok(expected), "{written} by characters");
    }
}

#[test]
fn bytes_of_tokens_say_the_same_wherever_they_are_cut() {
    use std::sync::Arc;

    use crate::worker::format::Judge;
    use crate::worker::speech::{Rules, Speech};
    use crate::worker::text::Stops;
    let rules = || -> Rules {
        ["dose", "clock"]
            .map(|name| (name.to_owned(), Arc::new(Judge::new(&serde_json::json!(true)).unwrap())))
            .into()
    };
    for (family, written, expected) in golden() {
        for size in 1..6 {
            let mut speech = Speech::new(
                Parser::new(&manner(family), true, false),
                Stops::new(Vec::new(), ""),
                rules(),
                None,
            );
            let mut said = Vec::new();
            for bytes in written.as_bytes().chunks(size) {
                said.extend(speech.push(bytes).unwrap().said);
            }
            said.extend(speech.finish().unwrap());
            assert!(joined(said) == expected, "{written} in {size}s");
        }
    }
}

#[test]
fn nothing_of_a_mark_is_ever_shown_and_half_a_call_is_an_error() {
    for (family, written, expected) in golden() {
        let words: String = expected
            .iter()
            .filter_map(|said| if let Said::Text(text) = said { Some(text.as_str()) } else { None })
            .collect();
        for cut in (0..written.len()).filter(|at| written.is_char_boundary(*at)) {
            let mut parser = Parser::new(&manner(family), true, false);
            let said = joined(parser.push(&written[..cut]).unwrap());
            let shown: String = said
                .iter()
                .filter_map(|said| if let Said::Text(text) = said { Some(text.as_str()) } else { None })
                .collect();
            assert!(words.starts_with(&shown), "{written} cut at {cut} shows {shown}");
            let open = said.iter().filter(|said| matches!(said, Said::Call(_))).count();
            let whole = said.iter().filter(|said| matches!(said, Said::CallEnded)).count();
            if open > whole {
                assert!(parser.is_in_call());
                assert_eq!(parser.finish(), Err(Broken), "{written} cut at {cut}");
            }
        }
    }
}

#[test]
fn what_begins_as_a_call_and_is_none_is_an_error() {
    let named = Family::MistralNamed { with_id: false };
    let table = [
        (Family::Hermes, "<tool_call>\nprint(1)\n</tool_call>"),
        (Family::Hermes, "<tool_call>{\"name\": \"a\", \"arguments\": [1]}</tool_call>"),
        (Family::Hermes, "<tool_call>{\"name\": \"a\", \"arguments\": {\"b\": tru}}</tool_call>"),
        (Family::Hermes, "<tool_call>{\"name\": \"a\", \"arguments\": \"no object\"}</tool_call>"),
        (Family::Hermes, "<tool_call>{\"name\": 1, \"arguments\": {}}</tool_call>"),
        (Family::Hermes, "<tool_call>{\"arguments\": {}}</tool_call>"),
        (Family::Hermes, "<tool_call>{\"name\": \"a\", \"name\": \"b\"}</tool_call>"),
        (Family::Hermes, "<tool_call>{\"name\": \"a\", \"arguments\": {}} and more"),
        (Family::Llama, "{\"name\": \"a\", \"parameters\": {}} and more"),
        (Family::Llama, "<|python_tag|>search.call(query=\"x\")"),
        (Family::MistralList, "[TOOL_CALLS][1]"),
        (named, "[TOOL_CALLS][ARGS]{}"),
        (named, "[TOOL_CALLS]a[ARGS]1 "),
        (Family::Gemma(GEMMA), "<|tool_call>a{}<tool_call|>"),
        (Family::Gemma(GEMMA), "<|tool_call>call:a{b:c}<tool_call|>"),
        (Family::Gemma(GEMMA), "<|tool_call>call:a{b:[1}<tool_call|>"),
        (Family::Gemma(GEMMA), "<|tool_call>call:a{:1}<tool_call|>"),
    ];
    for (family, written) in table {
        assert_eq!(parse(&manner(family), &[written]), Err(Broken), "{written}");
    }
}

#[test]
fn marks_are_words_where_nothing_can_be_called() {
    let mut parser = Parser::new(&manner(Family::Hermes), false, false);
    let said = joined([parser.push(" <tool_call> is a tag").unwrap(), parser.finish().unwrap()].concat());
    assert!(said == [text(" <tool_call> is a tag")]);
    let mut parser = Parser::new(&NONE, false, false);
    assert!(parser.push(" <think>") == Ok(vec![text(" <think>")]));
}

#[test]
fn a_thought_that_the_template_began_ends_with_its_mark() {
    let mut parser = Parser::new(&manner(Family::Hermes), false, true);
    let said =
        joined([parser.push("\nhm, 그래\n</think>\n\n").unwrap(), parser.push("답").unwrap()].concat());
    assert!(said == [Said::Reasoning("hm, 그래".into()), text("답")]);
}

#[test]
fn nothing_that_a_model_can_write_panics() {
    let pieces = [
        "<tool_call>",
        "</tool_call>",
        "[TOOL_CALLS]",
        "[ARGS]",
        "[CALL_ID]",
        "<|python_tag|>",
        "<|tool_call>",
        "call:",
        "<tool_call|>",
        "<|\"|>",
        "<think>",
        "</think>",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        ";",
        " ",
        "\n",
        "name",
        "arguments",
        "parameters",
        "1",
        "-",
        "true",
        "가",
        "\u{1F600}",
        "<",
        "|",
        "a",
        "\"name\": \"a\"",
        "\"arguments\": {",
    ];
    let families = [
        Family::Hermes,
        Family::Llama,
        Family::MistralList,
        Family::MistralNamed { with_id: true },
        Family::Gemma(GEMMA),
    ];
    // A generator of its own, so that a failure can be found again.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = |sides: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % sides as u64) as usize
    };
    for _ in 0..20_000 {
        let family = families[dice(families.len())];
        let written: Vec<&str> = (0..dice(24)).map(|_| pieces[dice(pieces.len())]).collect();
        let whole = written.concat();
        let at_once = parse(&manner(family), &[&whole]);
        assert!(at_once == parse(&manner(family), &written), "{family:?}: {whole}");
        if let Ok(said) = at_once {
            let mut arguments = None;
            for piece in said {
                match piece {
                    Said::Call(_) => arguments = Some(String::new()),
                    Said::Arguments(more) => arguments.as_mut().expect("a call").push_str(&more),
                    Said::CallEnded => {
                        let whole: serde_json::Value =
                            serde_json::from_str(&arguments.take().expect("a call")).expect("JSON");
                        assert!(whole.is_object());
                    }
                    Said::Text(_) | Said::Reasoning(_) => assert!(arguments.is_none(), "{family:?}: {whole}"),
                }
            }
            assert!(arguments.is_none(), "{family:?}: {whole}");
        }
    }
}
