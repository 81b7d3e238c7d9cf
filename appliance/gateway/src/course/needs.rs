//! What a request needs, held against what a route can do. What is not known of a route is taken for a yes.

use dialect::Script;
use dialect::openai::{ChatRequest, Needs};
use inference::{LocalModel, Status};

use crate::gateway::Gateway;
use crate::settings::{AliasSettings, RouteFacts};

/// Answers that a local model gives to one request: each is a job, with a place in its queue.
const MOST_LOCAL_CHOICES: u32 = 8;

/// What the answer to a request needs from whatever serves it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wants {
    needs: Needs,
    choices: u32,
    script: Option<Script>,
    /// The conversation has so many tokens at least.
    pub least_tokens: u64,
}

impl Wants {
    pub(crate) fn of(request: &ChatRequest) -> Self {
        let (needs, choices) = (request.needs, request.choices);
        Wants { needs, choices, script: request.script(), least_tokens: request.least_tokens() }
    }

    /// The same of this alias. Numbers of tokens are those of one tokenizer. Where an alias is one local model and nothing
    /// else, they can only be its own; elsewhere nobody can know whose they are, and only clouds are sent them.
    pub(crate) fn of_alias(mut self, alias: &AliasSettings) -> Self {
        self.needs.token_numbers &= !(alias.cloud.is_empty() && alias.standby.len() == 1);
        self
    }

    /// What the route cannot do of it, for a sentence that begins with «needs».
    pub(crate) fn lacking(&self, facts: &RouteFacts) -> Option<&'static str> {
        let cannot = |can: Option<bool>| can == Some(false);
        match self.needs {
            needs if (needs.tools || needs.other_tools) && cannot(facts.tools) => Some("tools"),
            needs if needs.other_tools && cannot(facts.other_tools) => {
                Some("tools that are no functions, or functions of the old kind")
            }
            needs if needs.images && cannot(facts.images) => {
                Some("to see an image, or to hear or read a file")
            }
            needs if needs.sound && cannot(facts.sound) => Some("an answer that is heard (audio)"),
            needs if needs.web_search && cannot(facts.web_search) => {
                Some("to search the web (web_search_options)")
            }
            needs if needs.json && cannot(facts.json) => Some("an answer in JSON or another given form"),
            needs if needs.other_format && cannot(facts.other_formats) => {
                Some("an answer in a form that only some clouds know")
            }
            needs if needs.logprobs && cannot(facts.logprobs) => Some("the probabilities of tokens"),
            needs if needs.token_numbers && cannot(facts.token_numbers) => {
                Some("tokens by their numbers (logit_bias), which are those of another model")
            }
            _ if facts.most_choices.is_some_and(|most| self.choices > most) => {
                Some("more answers at once than 8")
            }
            _ => self.foreign_to(facts),
        }
    }

    /// The language of the question, where the route does not speak it.
    fn foreign_to(&self, facts: &RouteFacts) -> Option<&'static str> {
        let (script, spoken) = (self.script?, facts.languages.as_ref()?);
        let is_spoken = script.languages().iter().any(|code| spoken.iter().any(|known| known == code));
        (!is_spoken).then(|| script.name())
    }

    /// The conversation is certainly longer than the route's context.
    pub(crate) fn is_too_long(&self, facts: &RouteFacts) -> bool {
        facts.context.is_some_and(|context| self.least_tokens >= u64::from(context))
    }
}

/// What a local model of this version can do, with what is known of this one; its context, and whether its template has
/// tools, is known once it is ready.
pub(crate) fn facts_of(gateway: &Gateway, model: &LocalModel) -> RouteFacts {
    let (context, tools) = match &*model.status().borrow() {
        Status::Ready { facts, .. } => (Some(facts.context_limit), Some(facts.tools)),
        _ => (None, None),
    };
    RouteFacts {
        context,
        images: Some(false),
        sound: Some(false),
        web_search: Some(false),
        tools,
        other_tools: Some(false),
        other_formats: Some(false),
        most_choices: Some(MOST_LOCAL_CHOICES),
        token_numbers: Some(false),
        ..gateway.settings().standby_facts.get(model.name()).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn wants(question: &str, fields: &str) -> Wants {
        let body = format!(
            "{{\"model\": \"a\", \"messages\": [{{\"role\": \"user\", \"content\": \"{question}\"}}]{fields}}}"
        );
        Wants::of(&ChatRequest::parse(body.as_bytes()).expect("good"))
    }

    #[test]
    fn what_a_route_is_known_not_to_do_is_named() {
        let nothing = RouteFacts {
            images: Some(false),
            sound: Some(false),
            web_search: Some(false),
            tools: Some(false),
            json: Some(false),
            other_formats: Some(false),
            logprobs: Some(false),
            most_choices: Some(MOST_LOCAL_CHOICES),
            token_numbers: Some(false),
            languages: Some(vec!["en".into(), "ko".into()]),
            ..RouteFacts::default()
        };
        let table = [
            ("hello", "", None),
            ("안녕하세요", "", None),
            ("こんにちは", "", Some("Japanese")),
            ("Привет", "", Some("a language in Cyrillic script")),
            (
                "hello",
                ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]",
                Some("tools"),
            ),
            ("hello", ", \"functions\": [{\"name\": \"f\"}]", Some("tools")),
            (
                "hello",
                ", \"modalities\": [\"text\", \"audio\"], \"audio\": {\"voice\": \"alloy\"}",
                Some("an answer that is heard (audio)"),
            ),
            ("hello", ", \"modalities\": [\"text\"]", None),
            ("hello", ", \"web_search_options\": {}", Some("to search the web (web_search_options)")),
            ("hello", ", \"n\": 8", None),
            ("hello", ", \"n\": 9", Some("more answers at once than 8")),
            (
                "hello",
                ", \"logit_bias\": {\"7\": 1}",
                Some("tokens by their numbers (logit_bias), which are those of another model"),
            ),
            ("hello", ", \"logprobs\": true", Some("the probabilities of tokens")),
            (
                "hello",
                ", \"response_format\": {\"type\": \"json_object\"}",
                Some("an answer in JSON or another given form"),
            ),
        ];
        for (question, fields, expected) in table {
            let wants = wants(question, fields);
            assert_eq!(wants.lacking(&nothing), expected, "{question} {fields}");
            assert_eq!(wants.lacking(&RouteFacts::default()), None, "what is not known is a yes");
        }
    }

    #[test]
    fn numbers_of_tokens_are_those_of_a_local_model_only_where_it_is_all_that_the_alias_has() {
        let facts = RouteFacts { token_numbers: Some(false), ..RouteFacts::default() };
        let biased = wants("hello", ", \"logit_bias\": {\"7\": 1}");
        let mut alias = Settings::for_tests().aliases.remove(0);
        alias.standby = vec!["a".into()];
        assert!(biased.of_alias(&alias).lacking(&facts).is_some(), "the cloud's, perhaps");
        alias.cloud.clear();
        assert_eq!(biased.of_alias(&alias).lacking(&facts), None);
        alias.standby.push("b".into());
        assert!(biased.of_alias(&alias).lacking(&facts).is_some(), "whose?");
    }

    #[test]
    fn only_what_is_certainly_too_long_is_so_before_anybody_has_counted() {
        let context = |context| RouteFacts { context, ..RouteFacts::default() };
        let long = wants(&"word ".repeat(4000), "");
        assert_eq!(long.least_tokens, 2501);
        assert!(long.is_too_long(&context(Some(2048))) && !long.is_too_long(&context(Some(4096))));
        assert!(!long.is_too_long(&context(None)));
    }
}
