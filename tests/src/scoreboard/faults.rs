//! The 16 public faults as scripts for two upstreams, varied by a seed.

use std::time::Duration;

use super::Mode;
use crate::Dice;
use crate::fake_cloud::{Lasts, Prefill, Script, SignsOfLife, Trouble, Wire};
use crate::test_appliance::{Known, known_answers};

/// All of them, in order.
pub(super) const FAULTS: [(&str, &str); 16] = [
    ("S01", "429 once, Retry-After 2 s"),
    ("S02", "429 for ever"),
    ("S03", "500 once"),
    ("S04", "503 for ever"),
    ("S05", "reset before headers"),
    ("S06", "accepts, never answers"),
    ("S07", "first token after 20 s"),
    ("S08", "stream cut on the way"),
    ("S09", "stalls 30 s on the way"),
    ("S10", "malformed chunk"),
    ("S11", "no [DONE]"),
    ("S12", "400 context length"),
    ("S13", "400 content filter"),
    ("S14", "cut; fallback takes no prefill"),
    ("S15", "down for 60 s, 20 requests"),
    ("S16", "503, accounts of the fallback"),
];

/// For how long S15 is down.
pub(super) const DOWN: Duration = Duration::from_secs(60);
/// What the accounts of each upstream say about the prompt.
pub(super) const PRIMARY_TOKENS: usize = 11;
pub(super) const FALLBACK_TOKENS: usize = 13;

/// One performance: what both upstreams do, how they are reached and how the client asks.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) fault: &'static str,
    pub(super) mode: Mode,
    pub(super) seed: u64,
    pub(super) primary: Script,
    pub(super) fallback: Script,
    /// The question, which the pilot light knows by heart.
    pub(super) known: Known,
    pub(super) wire: Wire,
    /// The client comes over HTTPS.
    pub(super) https: bool,
    /// In committed mode: the client asks for a stream too, which then comes at once in the end.
    pub(super) streamed_commit: bool,
    /// A healthy request goes before, so that connections are open.
    pub(super) warmed: bool,
}

impl Stage {
    pub(super) fn new(fault: &'static str, mode: Mode, seed: u64) -> Stage {
        let number: u64 = fault[1..].parse().expect("a fault has a number");
        let mut dice = Dice::new(seed * 1000 + number * 10 + u64::from(mode == Mode::Stream));
        let known = question(&mut dice);
        let continues = mode == Mode::Stream && ["S08", "S09", "S10", "S11", "S14"].contains(&fault);
        let text = |name: &str| if continues { known.answer.clone() } else { countable(name) };
        let mut primary = script(&text("p"), &mut dice);
        let mut fallback = script(&text("f"), &mut dice);
        fallback.prompt_tokens = FALLBACK_TOKENS;
        fallback.prefill = *dice.pick(&[Prefill::Continues, Prefill::StartsAnew]);
        if fault == "S14" {
            fallback.prefill = Prefill::Rejected;
        }
        (primary.trouble, primary.lasts) = trouble(fault, &primary.text, &mut dice);
        Stage {
            fault,
            mode,
            seed,
            primary,
            fallback,
            known,
            wire: *dice.pick(&[Wire::Plain, Wire::TlsHttp1, Wire::TlsHttp2]),
            https: dice.one_in(2),
            streamed_commit: dice.one_in(2),
            warmed: dice.one_in(2),
        }
    }

    /// The model of the fallback has a name of its own.
    pub(super) fn fallback_model(&self) -> String {
        format!("{}-fallback", self.fault)
    }
}

/// Something that the pilot light says by heart in enough words to be cut, in English or in Korean.
pub(super) fn question(dice: &mut Dice) -> Known {
    let korean = dice.one_in(2);
    let is_korean = |text: &str| text.chars().any(|char| ('가'..='힣').contains(&char));
    let fits = |known: &Known| {
        is_korean(&known.answer) == korean
            && known.answer.split_whitespace().count() >= 14
            && !known.answer.starts_with('{')
    };
    let known: Vec<_> = known_answers().into_iter().filter(fits).collect();
    dice.pick(&known).clone()
}

/// Sixty words that can be counted.
fn countable(name: &str) -> String {
    (0..60).map(|number| format!("{name}{number:02}")).collect::<Vec<_>>().join(" ")
}

fn script(text: &str, dice: &mut Dice) -> Script {
    Script {
        chunk_chars: *dice.pick(&[3, 6, 12, 24]),
        frame_bytes: *dice.pick(&[usize::MAX, 64, 7, 1]),
        pace: Duration::from_millis(dice.between(1, 12) as u64),
        prompt_tokens: PRIMARY_TOKENS,
        ..Script::new(text, dice.draw())
    }
}

fn trouble(fault: &str, text: &str, dice: &mut Dice) -> (Trouble, Lasts) {
    let status = |status, code, retry_after| Trouble::Status { status, code, retry_after };
    let seconds = Duration::from_secs;
    let letters = text.chars().count();
    let after = dice.between(letters / 10, letters * 19 / 20).max(1);
    match fault {
        "S01" => (status(429, "rate_limit_exceeded", Some(seconds(2))), Lasts::Once),
        "S02" => {
            let wait = *dice.pick(&[None, Some(seconds(1)), Some(seconds(30))]);
            (status(429, "rate_limit_exceeded", wait), Lasts::Always)
        }
        "S03" => (status(500, "server_error", None), Lasts::Once),
        "S05" => (Trouble::Reset, *dice.pick(&[Lasts::Once, Lasts::Always])),
        "S06" => (Trouble::Silent(seconds(120)), Lasts::Always),
        "S07" => {
            let signs = [SignsOfLife::None, SignsOfLife::Headers, SignsOfLife::Comments];
            let signs_of_life = *dice.pick(&signs);
            (Trouble::SlowFirstToken { wait: seconds(20), signs_of_life }, Lasts::Always)
        }
        "S08" | "S14" => (Trouble::Cut { after }, Lasts::Always),
        "S09" => (Trouble::Stall { after, pause: seconds(30) }, Lasts::Always),
        "S10" => (Trouble::Malformed { after, event: malformed(dice) }, Lasts::Always),
        "S11" => (Trouble::NoDone { hangs: dice.one_in(2) }, Lasts::Always),
        "S12" => (status(400, "context_length_exceeded", None), Lasts::Always),
        "S13" => (status(400, "content_filter", None), Lasts::Always),
        "S15" => (status(503, "overloaded", None), Lasts::For(DOWN)),
        _ => (status(503, "overloaded", None), Lasts::Always),
    }
}

/// An event between two others that is none: it carries no text of the answer.
fn malformed(dice: &mut Dice) -> Vec<u8> {
    let events: [&[u8]; 5] = [
        b"data: {\"choices\": [\n\n",
        b"data: not json at all\n\n",
        b"data: \xff\xfe\xfd\n\n",
        b"data: {\"choices\":[{\"index\":0,\"delta\":\n\n",
        b"data: [1, 2\n\n",
    ];
    dice.pick(&events).to_vec()
}
