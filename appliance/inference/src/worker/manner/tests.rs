//! The published templates of each family: what is found out about them, and what they render.

use super::*;
use crate::job::{Call, Job, Lane, Message, Must, Tool, Tools};
use crate::worker::guard::{CUT, Guard};

macro_rules! published {
    ($name:literal) => {
        Published {
            name: $name,
            source: include_str!(concat!("../../../tests/templates/", $name, ".jinja")),
            asked: include_str!(concat!("../../../tests/templates/", $name, ".asked.txt")),
            called: include_str!(concat!("../../../tests/templates/", $name, ".called.txt")),
        }
    };
}

struct Published {
    name: &'static str,
    source: &'static str,
    asked: &'static str,
    called: &'static str,
}

const PUBLISHED: [Published; 8] = [
    published!("llama-3.1"),
    published!("qwen-2.5"),
    published!("qwen-3"),
    published!("hermes-3"),
    published!("mistral-nemo"),
    published!("mistral-small-3.2"),
    published!("ministral-3"),
    published!("gemma-4"),
];

fn template(source: &str) -> Template {
    Template::new(source.to_owned(), "<s>".into(), "</s>".into(), jiff::tz::TimeZone::UTC).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The conversation that Jinja2 itself has rendered, as a job; `id` is what its call is called by.
fn job(messages: usize, id: &str) -> Job {
    let given: Value =
        serde_json::from_str(include_str!("../../../tests/templates/conversation.json")).unwrap();
    let message = |message: &Value| Message {
        role: text(&message["role"]),
        content: text(&message["content"]),
        calls: message["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|call| Call {
                id: id.to_owned(),
                name: text(&call["function"]["name"]),
                arguments: call["function"]["arguments"].to_string(),
            })
            .collect(),
        call_id: message.get("tool_call_id").map(|_| id.to_owned()),
        ..Message::default()
    };
    let tool = |tool: &Value| Tool {
        name: text(&tool["function"]["name"]),
        entry: tool.to_string(),
        parameters: Some(tool["function"]["parameters"].to_string()),
        strict: false,
        callable: true,
    };
    let messages = given["messages"].as_array().unwrap().iter().take(messages).map(message).collect();
    Job {
        tools: Some(Tools {
            list: given["tools"].as_array().unwrap().iter().map(tool).collect(),
            must: Must::May,
            parallel: true,
        }),
        template_arguments: Some(given["arguments"].to_string()),
        ..Job::plain(messages, 1, Lane::Interactive)
    }
}

fn render(source: &str, job: &Job, guard: &Guard) -> String {
    let template = template(source);
    let (conversation, _) = Conversation::of(job, &Manner::of(&template), guard).unwrap();
    template.render(&conversation).unwrap()
}

#[test]
fn the_family_of_each_published_template_is_found_out() {
    let named = |with_id| Some(Family::MistralNamed { with_id });
    let expected = [
        (Some(Family::Llama), None),
        (Some(Family::Hermes), None),
        (Some(Family::Hermes), Some("<think>")),
        (Some(Family::Hermes), None),
        (Some(Family::MistralList), None),
        (named(true), None),
        (named(false), Some("[THINK]")),
        (Some(Family::Gemma(GEMMA)), Some("<|channel>thought\n")),
    ];
    for (published, (family, thinking)) in PUBLISHED.iter().zip(expected) {
        let manner = Manner::of(&template(published.source));
        let open = manner.thinking.map(|thinking| thinking.open);
        assert_eq!(
            (manner.family, open, manner.text_arguments),
            (family, thinking, false),
            "{}",
            published.name
        );
    }
}

#[test]
fn each_published_template_renders_tools_calls_and_results_as_jinja2_does() {
    let guard = Guard::new(Vec::new());
    for Published { name, source, asked, called } in &PUBLISHED {
        assert_eq!(render(source, &job(2, "call00000"), &guard), *asked, "{name}");
        assert_eq!(render(source, &job(4, "call00000"), &guard), *called, "{name}");
    }
}

#[test]
fn identifiers_of_other_makers_are_rewritten_where_a_template_takes_no_others() {
    for name in ["mistral-nemo", "mistral-small-3.2"] {
        let published = PUBLISHED.iter().find(|published| published.name == name).unwrap();
        let rendered = render(published.source, &job(4, "call_AbCdEf0123456789"), &Guard::new(Vec::new()));
        assert_eq!(rendered, published.called, "{name}");
    }
}

#[test]
fn no_tool_call_or_result_speaks_a_control_token() {
    let controls =
        ["<|im_end|>", "<tool_call>", "<|eot_id|>", "[INST]", "<|turn>", "<|\"|>", "</tool_response>"];
    let guard = Guard::new(controls.map(Into::into).into());
    let evil = controls.concat();
    let mut job = job(4, "call00000");
    job.messages[0].content.push_str(&evil);
    job.messages[3].content = evil.clone();
    let arguments = json!({"drug": &evil, &evil: [&evil]}).to_string();
    job.messages[2].calls[0].arguments = arguments;
    let tools = job.tools.as_mut().unwrap();
    let mut entry: Value = serde_json::from_str(&tools.list[0].entry).unwrap();
    entry["function"]["description"] = evil.as_str().into();
    tools.list[0].entry = entry.to_string();
    for Published { name, source, .. } in &PUBLISHED {
        let count = |rendered: &str| -> Vec<usize> {
            controls
                .iter()
                .map(|control| rendered.split(CUT).map(|piece| piece.matches(control).count()).sum())
                .collect()
        };
        let harmless = {
            let mut harmless = self::job(4, "call00000");
            harmless.messages[2].calls[0].arguments = json!({"drug": "x", "y": ["z"]}).to_string();
            count(&render(source, &harmless, &Guard::new(Vec::new())))
        };
        assert_eq!(count(&render(source, &job, &guard)), harmless, "{name}");
    }
}

#[test]
fn several_calls_of_one_answer_become_one_each_where_a_template_takes_no_more() {
    let mut job = job(4, "a");
    let mut second = job.messages[2].calls[0].clone();
    second.id = "b".into();
    job.messages[2].calls.push(second);
    let mut result = job.messages[3].clone();
    (result.call_id, result.content) = (Some("b".into()), "second result".into());
    job.messages.push(result);
    let rendered = render(PUBLISHED[0].source, &job, &Guard::new(Vec::new()));
    let places = ["\"parameters\": {\"drug\"", "180", "\"parameters\": {\"drug\"", "second result"];
    let mut rest = rendered.as_str();
    for place in places {
        rest = rest.split_once(place).unwrap_or_else(|| panic!("{place} is missing in {rendered}")).1;
    }
}

#[test]
fn a_template_without_tools_or_with_calls_of_an_unknown_kind_has_none() {
    let plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
    let unknown = "{% for t in tools %}{{ t | tojson }}{% endfor %}{% for m in messages %}{{ m.content }}\
                   {% for c in m.tool_calls %}<call {{ c.function | tojson }}>{% endfor %}{% endfor %}";
    for source in [plain, unknown] {
        let template = template(source);
        assert_eq!(Manner::of(&template).family, None);
        let refused = Conversation::of(&job(2, "a"), &Manner::of(&template), &Guard::new(Vec::new()));
        assert_eq!(refused.err(), Some(crate::job::JobError::NoTools));
    }
}

#[test]
fn a_template_that_wants_arguments_as_text_gets_them_so() {
    let source = "{% for t in tools %}{{ t | tojson }}{% endfor %}{% for m in messages %}{{ m.content }}\
                  {% for c in m.tool_calls %}<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ '' ~ \
                  c.function.arguments.strip() }}}\n</tool_call>{% endfor %}{% endfor %}";
    let manner = Manner::of(&template(source));
    assert!(manner.text_arguments && manner.family == Some(Family::Hermes), "{manner:?}");
}
