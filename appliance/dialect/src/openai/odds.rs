//! How likely the tokens of an answer were: the `logprobs` of a choice.

use serde_json::{Value, json};

/// What stands for a token that the model would never say: JSON has no infinity. The number is OpenAI's.
const NEVER: f32 = -9999.0;

/// A token, with the logarithm of its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct LikelyToken {
    /// Its text, which may be a part of a character.
    pub bytes: Vec<u8>,
    pub logprob: f32,
}

/// A token of the answer, and the likeliest ones in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenOdds {
    pub said: LikelyToken,
    pub top: Vec<LikelyToken>,
}

impl LikelyToken {
    fn to_json(&self) -> Value {
        let logprob = if self.logprob.is_finite() { self.logprob } else { NEVER };
        json!({"token": String::from_utf8_lossy(&self.bytes), "logprob": logprob, "bytes": self.bytes})
    }
}

impl TokenOdds {
    fn to_json(&self) -> Value {
        let mut token = self.said.to_json();
        token["top_logprobs"] = self.top.iter().map(LikelyToken::to_json).collect();
        token
    }
}

/// The field `logprobs` of a choice; null where none are wanted.
pub(super) fn logprobs(odds: Option<&[TokenOdds]>) -> Value {
    odds.map_or(Value::Null, |odds| {
        let content: Vec<Value> = odds.iter().map(TokenOdds::to_json).collect();
        json!({"content": content, "refusal": null})
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_be_a_part_of_a_character_and_what_is_never_said_has_a_number() {
        let token = |bytes: &[u8], logprob| LikelyToken { bytes: bytes.to_vec(), logprob };
        let half = TokenOdds {
            said: token(&[0xeb, 0x84], -0.5),
            top: vec![token(b"a", 0.0), token(b"b", f32::NEG_INFINITY)],
        };
        let told = logprobs(Some(&[half]));
        let content = &told["content"][0];
        assert_eq!((&content["bytes"], &content["logprob"]), (&json!([0xeb, 0x84]), &json!(-0.5)));
        assert_eq!(content["top_logprobs"][1], json!({"token": "b", "logprob": -9999.0, "bytes": [98]}));
        assert_eq!(logprobs(None), Value::Null);
        assert_eq!(logprobs(Some(&[])), json!({"content": [], "refusal": null}));
    }
}
