//! What is asked: many people's conversations, word for word the same but for the code that each of them holds.

use serde_json::{Value, json};

use super::Plan;
use super::echo::ALPHABET;
use crate::{Chat, Dice};

/// The letters of a code. No letter comes twice: the model finds its way by them.
pub(super) const CODE: usize = 8;

/// Texts that conversations begin with or go on with, the same for everybody.
const TEXTS: usize = 5;
const WORDS: &[&str] = &[
    "a", "after", "and", "at", "bed", "before", "by", "chart", "day", "dose", "drink", "eat", "every",
    "fever", "for", "from", "has", "hour", "if", "in", "is", "list", "look", "meal", "night", "no", "note",
    "nurse", "of", "on", "or", "pain", "rest", "room", "round", "sleep", "the", "to", "visit", "walk",
    "ward", "water", "with",
];
const WISHES: [&str; 3] = ["say the code.", "what was the code.", "please repeat the code of this visit."];

/// Where the code stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Early,
    Amid,
    Late,
}

/// One code, whose it is, and the conversation that it stands in.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) user: usize,
    pub(super) code: String,
    place: Place,
    text: usize,
    has_system: bool,
}

/// How an answer is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Whole,
    Streamed,
    /// The client goes away when so many letters have come.
    Dropped(usize),
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The number of the case that it belongs to.
    pub(super) case: usize,
    /// The number of the case whose conversation is sent: the same, unless the test lies.
    pub(super) sends: usize,
    pub(super) manner: Manner,
    /// The code was said before, and is asked for once more.
    is_second_turn: bool,
    wish: usize,
    lane: &'static str,
}

/// All that will be asked; it follows from the seed.
#[derive(Debug)]
pub(super) struct Talk {
    texts: Vec<String>,
    pub(super) cases: Vec<Case>,
    /// The first question of each user, then another one with the same beginning.
    pub(super) firsts: Vec<[Request; 2]>,
    pub(super) requests: Vec<Request>,
}

impl Talk {
    /// What these programs and, now and then, these people ask, who are numbered after them.
    pub(super) fn new(plan: &Plan, programs: usize, people: usize) -> Talk {
        let dice = &mut Dice::new(plan.seed);
        let users = programs + people;
        let texts = (0..TEXTS).map(|_| text(dice, 120, 360)).collect();
        let mut talk = Talk { texts, cases: Vec::new(), firsts: Vec::new(), requests: Vec::new() };
        let mut codes = Codes::default();
        for user in 0..users {
            talk.firsts.push([(), ()].map(|()| {
                let case = Case { place: Place::Late, text: 0, ..Case::new(user, &mut codes, dice) };
                talk.cases.push(case);
                Request::new(talk.cases.len() - 1, Manner::Whole, dice)
            }));
        }
        let mut held = vec![Vec::new(); users];
        for number in 1..=plan.requests {
            let is_person = dice.one_in(25);
            let user =
                if is_person { dice.between(programs, users - 1) } else { dice.between(0, programs - 1) };
            let case = talk.case_of(user, &mut held[user], &mut codes, dice);
            let mut request = Request::new(case, Manner::drawn(dice), dice);
            if plan.lie_every.is_some_and(|every| number % every == 0) {
                request.manner = if dice.one_in(2) { Manner::Whole } else { Manner::Streamed };
                // The first case of each user lies at twice the user's number.
                request.sends = 2 * ((user + 1) % users);
            }
            talk.requests.push(request);
        }
        talk
    }

    /// A new case, or one of the newest that the user holds: each is asked for again and again.
    fn case_of(&mut self, user: usize, held: &mut Vec<usize>, codes: &mut Codes, dice: &mut Dice) -> usize {
        if held.is_empty() || dice.one_in(2) {
            held.push(self.cases.len());
            self.cases.push(Case::new(user, codes, dice));
        }
        held[dice.between(held.len().saturating_sub(3), held.len() - 1)]
    }

    pub(super) fn chat(&self, request: &Request) -> Chat {
        let case = &self.cases[request.sends];
        let wish = WISHES[request.wish];
        let message = |role: &str, content: &str| json!({"role": role, "content": content});
        let mut messages = Vec::new();
        if case.has_system {
            messages.push(message("system", &self.texts[(case.text + 1) % TEXTS]));
        }
        let asked = self.asked(request.sends, wish);
        messages.push(message("user", &asked));
        if request.is_second_turn {
            messages.push(message("assistant", &case.code));
            let more = &self.texts[(case.text + 2) % TEXTS][..80];
            messages.push(message("user", &format!("thank you. {more}. {wish}")));
        }
        Chat::new("echo", &asked)
            .with("messages", Value::from(messages))
            .with("max_tokens", 2 * CODE)
            .header("x-genset-lane", request.lane)
    }

    /// What a person types, who asks once.
    pub(super) fn question(&self, request: &Request) -> String {
        self.asked(request.sends, WISHES[request.wish])
    }

    fn asked(&self, case: usize, wish: &str) -> String {
        let Case { code, place, text, .. } = &self.cases[case];
        let text = &self.texts[*text];
        match place {
            Place::Early => format!("code:{code}; {text} {wish}"),
            Place::Amid => {
                let (before, after) = text.split_at(text.len() / 2);
                format!("{before} code:{code}; {after} {wish}")
            }
            Place::Late => format!("{text} code:{code}; {wish}"),
        }
    }
}

impl Case {
    pub(super) fn new(user: usize, codes: &mut Codes, dice: &mut Dice) -> Case {
        let code = codes.draw(dice);
        let place = *dice.pick(&[Place::Early, Place::Amid, Place::Late]);
        Case { user, code, place, text: dice.between(0, TEXTS - 1), has_system: dice.one_in(4) }
    }
}

impl Request {
    fn new(case: usize, manner: Manner, dice: &mut Dice) -> Request {
        Request {
            case,
            sends: case,
            manner,
            is_second_turn: dice.one_in(3),
            wish: dice.between(0, WISHES.len() - 1),
            lane: dice.pick::<&str>(&["clinical", "interactive", "batch"]),
        }
    }
}

impl Manner {
    fn drawn(dice: &mut Dice) -> Manner {
        match dice.between(1, 10) {
            1..=4 => Manner::Whole,
            5..=8 => Manner::Streamed,
            _ => Manner::Dropped(dice.between(1, CODE - 1)),
        }
    }
}

/// All codes so far; none is given twice.
#[derive(Debug, Default)]
pub(super) struct Codes(Vec<String>);

impl Codes {
    /// A new one. Every third one begins as another one does.
    fn draw(&mut self, dice: &mut Dice) -> String {
        let code = loop {
            let begun = match self.0.as_slice() {
                [] => "",
                known if dice.one_in(3) => &dice.pick(known)[..dice.between(1, CODE - 1)],
                _ => "",
            };
            let code = code(begun, dice);
            if !self.0.contains(&code) {
                break code;
            }
        };
        self.0.push(code.clone());
        code
    }
}

fn code(begun: &str, dice: &mut Dice) -> String {
    let mut code = begun.to_owned();
    while code.len() < CODE {
        let letter = char::from(*dice.pick(ALPHABET));
        if !code.contains(letter) {
            code.push(letter);
        }
    }
    code
}

/// Small letters, spaces and full stops: nothing of a code, and nothing around one.
fn text(dice: &mut Dice, least: usize, most: usize) -> String {
    let length = dice.between(least, most);
    let mut text = (*dice.pick::<&str>(WORDS)).to_owned();
    while text.len() < length {
        text.push_str(if dice.one_in(9) { ". " } else { " " });
        text.push_str(dice.pick::<&str>(WORDS));
    }
    text
}
