//! The words of every answer: numbered, and each marked by the model that said it, so that what was lost, doubled,
//! or said by another than was claimed shows in the bytes that a client got.

/// The mark of the simulated box's own models begins here; upstreams count from `a`.
pub(crate) const LOCAL_MARKS: [char; 2] = ['X', 'Y'];

/// What stands in the middle of a word: text of one, two and three bytes a character.
const MIDDLES: [&str; 4] = ["", "é", "가", "-"];

/// What a simulated model is asked to say: it stands in the prompt, and in nothing else that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) request: u32,
    pub(crate) words: usize,
    pub(crate) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Prose,
    Json,
    Tool,
    /// Nothing is said: the upstream's content filter refuses.
    Filtered,
}

impl Order {
    /// A prompt of `bytes` bytes.
    pub(crate) fn prompt(&self, bytes: usize) -> String {
        let Order { request, words, form } = self;
        let order = format!("request={request} words={words} form={form:?} ");
        format!("{order:.<bytes$}")
    }

    pub(crate) fn read(prompt: &str) -> Option<Order> {
        let field =
            |name: &str| prompt.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let form = match field("form")? {
            "Json" => Form::Json,
            "Tool" => Form::Tool,
            "Filtered" => Form::Filtered,
            _ => Form::Prose,
        };
        Some(Order { request: field("request")?.parse().ok()?, words: field("words")?.parse().ok()?, form })
    }

    /// The tokens of the answer as one model says it.
    pub(crate) fn tokens(&self, mark: char) -> Vec<String> {
        let words = words(self.request, self.words, mark);
        match self.form {
            Form::Prose | Form::Filtered => words,
            Form::Json | Form::Tool => {
                let (open, close) = ("{\"w\":\"".to_owned(), "\"}".to_owned());
                [open].into_iter().chain(words).chain([close]).collect()
            }
        }
    }

    pub(crate) fn text(&self, mark: char) -> String {
        self.tokens(mark).concat()
    }
}

/// A token is at times a part of a word.
fn words(request: u32, words: usize, mark: char) -> Vec<String> {
    let mut tokens = Vec::new();
    for number in 0..words {
        let space = if number == 0 { "" } else { " " };
        let middle = MIDDLES[(number + request as usize) % MIDDLES.len()];
        match (number + 2 * request as usize) % 3 {
            0 => tokens.push(format!("{space}{request}.{number}{middle}{mark}")),
            1 => tokens.extend([format!("{space}{request}."), format!("{number}{middle}{mark}")]),
            _ => tokens.extend([format!("{space}{request}.{number}"), format!("{middle}{mark}")]),
        }
    }
    tokens
}

/// The same answer with every mark replaced by one sign: what it says, whoever says it.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_mark(c) { '_' } else { c }).collect()
}

pub(crate) fn is_mark(c: char) -> bool {
    c.is_ascii_lowercase() || LOCAL_MARKS.contains(&c)
}

/// The tokens that are left of an answer that began with `begun`, in the words of the model with `mark`; `None` when
/// `begun` is not the beginning of that answer.
pub(crate) fn rest(order: &Order, mark: char, begun: &str) -> Option<Vec<String>> {
    let mut left: &str = &plain(begun);
    let mut rest = Vec::new();
    for token in order.tokens(mark) {
        let said = plain(&token);
        if let Some(after) = left.strip_prefix(said.as_str()) {
            left = after;
        } else if said.starts_with(left) {
            let skipped = left.chars().count();
            rest.push(token.chars().skip(skipped).collect());
            left = "";
        } else {
            return None;
        }
    }
    left.is_empty().then_some(rest)
}

/// Where an answer differs from what it should be, in words for a person.
pub(crate) fn difference(got: &str, expected: &str) -> String {
    let (got, expected): (Vec<char>, Vec<char>) =
        (plain(got).chars().collect(), plain(expected).chars().collect());
    let same = got.iter().zip(&expected).take_while(|(a, b)| a == b).count();
    let piece = |of: &[char]| of.iter().skip(same.saturating_sub(12)).take(40).collect::<String>();
    format!(
        "after {same} characters (of {} expected, {} came): expected «{}», came «{}»",
        expected.len(),
        got.len(),
        piece(&expected),
        piece(&got)
    )
}
