//! Models of two layers and random weights, which are the same on every machine: 150 kB, and quick.
//!
//! What they should give is in `tests/embeddings/golden.json`, computed from the same files by other code.

use super::gguf::{Bert, Shape, Value};
use crate::Dice;

const SHAPE: Shape = Shape { context: 128, embedding: 32, feed_forward: 64, layers: 2, heads: 4 };

/// What a tiny model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiny {
    /// Vectors, as the mean of a text's.
    Mean,
    /// Vectors, as that of a text's first token.
    Cls,
    /// Vectors, as that of a text's last token.
    Last,
    /// Scores.
    Rank,
    /// Its file does not say how a vector is made of a text.
    Unsaid,
    /// It ranks, and its file has no layer for it.
    Headless,
    /// The word `nan` is no number, and whatever it stands in is none.
    Poisoned,
    /// No word is a number.
    Poison,
}

const WORDS: [&str; 40] = [
    "the",
    "emergency",
    "generator",
    "starts",
    "when",
    "power",
    "is",
    "lost",
    "patient",
    "needs",
    "oxygen",
    "ward",
    "lunch",
    "at",
    "noon",
    "press",
    "on",
    "wound",
    "stop",
    "bleeding",
    "nan",
    "s",
    ".",
    ",",
    "?",
    "!",
    "##s",
    "##ing",
    "##ed",
    "a",
    "b",
    "c",
    "##a",
    "##b",
    "##c",
    "1",
    "2",
    "3",
    "##1",
    "word",
];

/// The letters of Korean, each at the beginning of a word and within one.
fn letters() -> impl Iterator<Item = String> {
    let letters = (0x1100..=0x1112).chain(0x1161..=0x1175).chain(0x11a8..=0x11c2).filter_map(char::from_u32);
    letters.flat_map(|letter| [letter.to_string(), format!("##{letter}")])
}

fn words() -> Vec<String> {
    let marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    marks.iter().chain(&WORDS).map(|word| (*word).to_owned()).chain(letters()).collect()
}

/// The file of a tiny model.
pub fn tiny(kind: Tiny) -> Vec<u8> {
    let words = words();
    let pooling = match kind {
        Tiny::Mean | Tiny::Poisoned | Tiny::Poison => 1,
        Tiny::Cls => 2,
        Tiny::Last => 3,
        Tiny::Rank | Tiny::Headless => 4,
        Tiny::Unsaid => 0,
    };
    let mut bert = Bert::new(SHAPE, pooling, &words);
    let mut weights = Weights(Dice::new(7));
    let (n, ff) = (u64::from(SHAPE.embedding), u64::from(SHAPE.feed_forward));
    let mut embeddings = weights.floats(words.len() as u64 * n, 1.0);
    let row = n as usize * 4;
    let poisoned = words.iter().enumerate().filter(|(_, word)| match kind {
        Tiny::Poisoned => *word == "nan",
        kind => kind == Tiny::Poison,
    });
    for (index, _) in poisoned {
        embeddings[index * row..index * row + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    }
    bert.tensor("token_embd.weight", &[n, words.len() as u64], embeddings);
    bert.tensor(
        "position_embd.weight",
        &[n, SHAPE.context.into()],
        weights.floats(n * u64::from(SHAPE.context), 0.5),
    );
    bert.tensor("token_types.weight", &[n, 2], weights.floats(2 * n, 0.5));
    weights.norm(&mut bert, "token_embd_norm", n);
    for layer in 0..SHAPE.layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            weights.linear(&mut bert, &name(part), n, n);
        }
        weights.norm(&mut bert, &name("attn_output_norm"), n);
        weights.linear(&mut bert, &name("ffn_up"), n, ff);
        weights.linear(&mut bert, &name("ffn_down"), ff, n);
        weights.norm(&mut bert, &name("layer_output_norm"), n);
    }
    if kind == Tiny::Rank {
        weights.linear(&mut bert, "cls", n, n);
        // Scores that are far enough apart to be told from each other's errors.
        let output = weights.floats(n, 2.0);
        bert.tensor("cls.output.weight", &[n, 1], output);
        let bias = weights.floats(1, 0.125);
        bert.tensor("cls.output.bias", &[1], bias);
        bert.put("bert.classifier.output_labels", Value::Texts(vec!["relevance".into()]));
    }
    bert.file()
}

struct Weights(Dice);

impl Weights {
    /// Numbers between `-most` and `most`, each of which a float holds exactly.
    fn floats(&mut self, count: u64, most: f32) -> Vec<u8> {
        let number = |dice: &mut Dice| (dice.between(0, 2048) as f32 / 1024.0 - 1.0) * most;
        (0..count).flat_map(|_| number(&mut self.0).to_le_bytes()).collect()
    }

    fn linear(&mut self, bert: &mut Bert, name: &str, from: u64, to: u64) {
        let weights = self.floats(from * to, 0.25);
        let lengths = [from, to];
        bert.tensor(&format!("{name}.weight"), &lengths, weights);
        let bias = self.floats(to, 0.125);
        bert.tensor(&format!("{name}.bias"), &[to], bias);
    }

    fn norm(&mut self, bert: &mut Bert, name: &str, width: u64) {
        let scale = self.floats(width, 0.25);
        let scale = scale.chunks_exact(4).flat_map(|bytes| {
            let number = f32::from_le_bytes(bytes.try_into().expect("four of them"));
            (1.0 + number).to_le_bytes()
        });
        let scale = scale.collect();
        bert.tensor(&format!("{name}.weight"), &[width], scale);
        let bias = self.floats(width, 0.125);
        bert.tensor(&format!("{name}.bias"), &[width], bias);
    }
}
