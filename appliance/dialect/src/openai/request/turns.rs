//! Leaving out the oldest turns of a conversation that is too long.

use serde_json::Value;

use super::{ChatRequest, Message};

impl ChatRequest {
    /// The same request with the system messages and as many of the newest turns as have room in `bytes` of text, and
    /// how many messages were left out. A turn begins with what a user says and holds all that follows from it, so
    /// no answer of a tool loses its call. The newest turn always stays. `None` when nothing can be left out.
    pub fn newest_turns(&self, bytes: u64) -> Option<(ChatRequest, usize)> {
        let from = self.first_kept(bytes);
        let kept: Vec<bool> =
            self.messages.iter().enumerate().map(|(at, m)| at >= from || is_system(m)).collect();
        let left_out = kept.iter().filter(|kept| !**kept).count();
        if left_out == 0 {
            return None;
        }
        let mut shorter = self.clone();
        let mut keep = kept.iter();
        shorter.messages.retain(|_| *keep.next().unwrap_or(&true));
        let mut keep = kept.iter();
        if let Some(Value::Array(messages)) = shorter.body.get_mut("messages") {
            messages.retain(|_| *keep.next().unwrap_or(&true));
        }
        Some((shorter, left_out))
    }

    /// Where the oldest turn begins that still has room.
    fn first_kept(&self, bytes: u64) -> usize {
        let size = Message::bytes;
        let mut room = bytes.saturating_sub(self.messages.iter().filter(|m| is_system(m)).map(size).sum());
        let mut from = self.messages.len();
        for turn in self.turns().into_iter().rev() {
            let needed: u64 = self.messages[turn..from].iter().filter(|m| !is_system(m)).map(size).sum();
            if needed > room && from < self.messages.len() {
                break;
            }
            room = room.saturating_sub(needed);
            from = turn;
        }
        from
    }

    /// Where each turn begins.
    fn turns(&self) -> Vec<usize> {
        let says = |at: usize| self.messages[at].role == "user";
        let begins = |at: &usize| says(*at) && !at.checked_sub(1).is_some_and(says);
        let turns: Vec<usize> = (0..self.messages.len()).filter(begins).collect();
        if turns.is_empty() { vec![0] } else { turns }
    }
}

fn is_system(message: &Message) -> bool {
    message.role == "system" || message.role == "developer"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conversation(messages: &[(&str, &str)]) -> ChatRequest {
        let message = |(role, text): &(&str, &str)| match *role {
            "tool" => json!({"role": role, "content": text, "tool_call_id": "call_1"}),
            role => json!({"role": role, "content": text}),
        };
        let messages: Vec<Value> = messages.iter().map(message).collect();
        let body = json!({"model": "a", "messages": messages, "x": 1});
        ChatRequest::parse(body.to_string().as_bytes()).expect("good")
    }

    fn kept(request: &ChatRequest, bytes: u64) -> Option<(Vec<String>, usize)> {
        let (shorter, left_out) = request.newest_turns(bytes)?;
        let sent: Value =
            serde_json::from_slice(&shorter.body_for("m", super::super::Delivery::Whole)).ok()?;
        let wire: Vec<String> = sent["messages"]
            .as_array()?
            .iter()
            .map(|message| message["content"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(wire, shorter.messages.iter().map(|m| m.text.clone()).collect::<Vec<_>>());
        assert_eq!(sent["x"], 1);
        Some((wire, left_out))
    }

    #[test]
    fn system_messages_and_the_newest_turns_stay() {
        let request = conversation(&[
            ("system", "rules"),
            ("user", "first question"),
            ("assistant", "first answer"),
            ("user", "second"),
            ("assistant", "reply"),
            ("user", "third"),
        ]);
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(kept(&request, 1000), None, "nothing has to go");
        assert_eq!(kept(&request, 25), Some((texts(&["rules", "second", "reply", "third"]), 2)));
        assert_eq!(kept(&request, 12), Some((texts(&["rules", "third"]), 4)));
        assert_eq!(kept(&request, 0), Some((texts(&["rules", "third"]), 4)), "the question itself stays");
    }

    #[test]
    fn a_turn_with_its_tools_stays_or_goes_as_a_whole() {
        let request = conversation(&[
            ("user", "one"),
            ("assistant", "calls"),
            ("tool", "result"),
            ("assistant", "so"),
            ("user", "two"),
            ("tool", "late"),
        ]);
        assert_eq!(kept(&request, 12).map(|(texts, left)| (texts.len(), left)), Some((2, 4)));
    }

    #[test]
    fn a_single_question_cannot_be_shortened() {
        assert_eq!(kept(&conversation(&[("system", "s"), ("user", "much too long")]), 1), None);
    }
}
