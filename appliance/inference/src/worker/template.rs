//! The model's own chat template: Jinja as Hugging Face writes it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::conversation::Conversation;
use crate::job::JobError;

/// Steps that a rendering may take: a hundred times what a long conversation with many tools needs, and over within a second.
const MOST_STEPS: u64 = 4_000_000;

/// The widest that JSON is indented.
const WIDEST_INDENT: usize = 16;

/// A chat template, ready to render.
pub(super) struct Template {
    environment: Environment<'static>,
    source: String,
    bos_token: String,
    eos_token: String,
}

impl Template {
    /// # Errors
    /// What is wrong with the template.
    pub(super) fn new(
        source: String,
        bos_token: String,
        eos_token: String,
        time_zone: TimeZone,
    ) -> Result<Template, String> {
        let mut environment = Environment::new();
        // Templates are written for these two settings of Jinja.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| error.to_string())?);
        environment.set_fuel(Some(MOST_STEPS));
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", move |format: String| {
            Timestamp::now().to_zoned(time_zone.clone()).strftime(&format).to_string()
        });
        environment.add_filter("tojson", tojson);
        environment.add_template_owned("chat", source.clone()).map_err(|error| error.to_string())?;
        Ok(Template { environment, source, bos_token, eos_token })
    }

    /// The template as its author wrote it.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Renders the conversation up to where the answer begins.
    pub(super) fn render(&self, conversation: &Conversation) -> Result<String, JobError> {
        let template = self.environment.get_template("chat").map_err(|error| refusal(&error))?;
        let mut context = conversation.arguments.clone();
        context.insert("messages".into(), conversation.messages.clone().into());
        context.insert("bos_token".into(), self.bos_token.as_str().into());
        context.insert("eos_token".into(), self.eos_token.as_str().into());
        context.insert("add_generation_prompt".into(), true.into());
        // Templates ask whether there are tools in many ways; all of them understand that nothing was said of any.
        context.remove("tools");
        if !conversation.tools.is_empty() {
            context.insert("tools".into(), conversation.tools.clone().into());
        }
        template.render(Serde(context)).map_err(|error| refusal(&error))
    }
}

/// Only what the template's author wrote to be read is passed on: other details may quote the conversation.
fn refusal(error: &Error) -> JobError {
    let said = match error.kind() {
        ErrorKind::OutOfFuel => Some("it takes too many steps"),
        ErrorKind::InvalidOperation => error.detail(),
        _ => None,
    };
    let line =
        |said: &str| said.chars().map(|char| if char.is_control() { ' ' } else { char }).take(200).collect();
    JobError::BadTemplate(said.map_or_else(|| error.kind().to_string(), line))
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// `json.dumps` of Python, as templates expect it: nothing escaped for HTML, a space after `,` and `:`.
///
/// Only `indent` is heeded: `ensure_ascii`, `sort_keys` and the like change nothing that templates rely on.
#[expect(clippy::needless_pass_by_value, reason = "filters get their keyword arguments by value")]
fn tojson(value: &Value, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let mut out = Vec::new();
    let written = match indent {
        Some(indent) => {
            let spaces = vec![b' '; indent.min(WIDEST_INDENT)];
            value.serialize(&mut Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(&spaces)))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut out, Spaced(CompactFormatter))),
    };
    written.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(Value::from(String::from_utf8_lossy(&out).into_owned()))
}

struct Spaced(CompactFormatter);

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.begin_array_value(out, first)
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(source: &str, messages: &[(&str, &str)]) -> Result<String, JobError> {
        let message = |(role, content): &(&str, &str)| json!({"role": role, "content": content});
        let conversation = Conversation {
            messages: messages.iter().map(message).collect(),
            tools: Vec::new(),
            arguments: serde_json::Map::new(),
        };
        Template::new(source.into(), "<s>".into(), "</s>".into(), TimeZone::UTC)
            .unwrap()
            .render(&conversation)
    }

    #[test]
    fn blocks_leave_no_line_breaks_behind() {
        let source = "{{ bos_token }}{% for m in messages %}\n  {% if m.role == 'user' %}\n[{{ m['content'] | trim }}]\
                      {% endif %}\n{% endfor %}\n{% if add_generation_prompt %}go{% endif %}";
        assert_eq!(render(source, &[("system", "x"), ("user", " hi ")]).unwrap(), "<s>[hi]go");
    }

    #[test]
    fn methods_of_python_and_json_work() {
        let source = "{{ messages[0].content.strip().upper() }} {{ messages | tojson }}";
        let expected = "A<B [{\"role\": \"user\", \"content\": \" a<b\"}]";
        assert_eq!(render(source, &[("user", " a<b")]).unwrap(), expected);
    }

    #[test]
    fn a_template_may_refuse_in_its_own_words() {
        let source = "{{ raise_exception('roles must alternate') }}";
        assert_eq!(render(source, &[]), Err(JobError::BadTemplate("roles must alternate".into())));
    }

    #[test]
    fn one_that_does_not_end_is_stopped_and_a_long_conversation_is_not() {
        let within = "{% for i in range(99999) %}".repeat(3) + &"{% endfor %}".repeat(3);
        assert_eq!(render(&within, &[]), Err(JobError::BadTemplate("it takes too many steps".into())));
        let source = "{% for m in messages %}{% for n in range(20) %}{% if n == 3 %}{{ m.role }}{% endif %}{% endfor %}{% endfor %}";
        let long = vec![("user", "x"); 5000];
        assert_eq!(render(source, &long).unwrap().len(), 5000 * 4);
    }

    #[test]
    fn what_a_template_says_is_one_line() {
        let source = "{{ raise_exception('one\u{1b}[2J\ntwo') }}";
        assert_eq!(render(source, &[]), Err(JobError::BadTemplate("one [2J two".into())));
    }

    #[test]
    fn other_errors_do_not_quote_the_conversation() {
        let error = render("{{ messages[0].content.nothing() }}", &[("user", "secret")]).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
