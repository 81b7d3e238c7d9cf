//! The entries of a file's head that a model's memory follows from; the others are passed over.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::head::Head;
use super::{GgufError, Shape, kinds};

/// What is kept of `general.` and `split.`.
const GENERAL: [&str; 4] = ["general.architecture", "general.file_type", "general.alignment", "split.count"];

/// What is kept under the architecture's own name.
const OF_ARCHITECTURE: [&str; 11] = [
    "block_count",
    "embedding_length",
    "feed_forward_length",
    "context_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.sliding_window",
    "attention.causal",
    "pooling_type",
];

/// The words of the vocabulary: only how many there are.
const TOKENS: &str = "tokenizer.ggml.tokens";

/// llama.cpp knows no model of more layers.
const MAX_LAYERS: u64 = 512;

/// An entry more than that is a file with several models' names in it.
const MAX_KEPT: usize = 64;

#[derive(Default)]
pub(super) struct Metadata {
    architecture: String,
    /// One number for the whole model, or one for each layer.
    numbers: BTreeMap<String, Vec<u64>>,
    vocabulary: u64,
}

/// Reads all entries.
pub(super) fn read<R: Read + Seek>(head: &mut Head<'_, R>, entries: u64) -> Result<Metadata, GgufError> {
    let mut metadata = Metadata::default();
    for _ in 0..entries {
        let key = head.string()?;
        let kind = head.u32()?;
        match (key.as_str(), kind) {
            ("general.architecture", kinds::STRING) => metadata.architecture = head.string()?,
            (TOKENS, kinds::ARRAY) => {
                let (kind, length) = (head.u32()?, head.count("the length of the vocabulary")?);
                metadata.vocabulary = length;
                head.skip_values(kind, length)?;
            }
            _ if is_kept(&key) && metadata.numbers.len() < MAX_KEPT => {
                metadata.numbers.insert(key, numbers(head, kind)?);
            }
            _ => head.skip_value(kind)?,
        }
    }
    Ok(metadata)
}

fn is_kept(key: &str) -> bool {
    let of_architecture =
        |key: &str| key.split_once('.').is_some_and(|(_, own)| OF_ARCHITECTURE.contains(&own));
    GENERAL.contains(&key) || of_architecture(key)
}

/// A number, or one for each layer; nothing where the entry is something else.
fn numbers<R: Read + Seek>(head: &mut Head<'_, R>, kind: u32) -> Result<Vec<u64>, GgufError> {
    if kind != kinds::ARRAY {
        return Ok(head.number(kind)?.into_iter().collect());
    }
    let (kind, length) = (head.u32()?, head.count("the length of an array")?);
    if length > MAX_LAYERS || kinds::value_bytes(kind).is_none() {
        head.skip_values(kind, length)?;
        return Ok(Vec::new());
    }
    let numbers = (0..length).map(|_| head.number(kind)).collect::<Result<Vec<_>, _>>()?;
    Ok(numbers.into_iter().flatten().collect())
}

impl Metadata {
    pub(super) fn architecture(&self) -> &str {
        &self.architecture
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.numbers.get(key)?.first().copied()
    }

    /// A number under the architecture's own name; `None` where the file does not say.
    pub(super) fn of_architecture(&self, key: &str) -> Option<u64> {
        self.number(&format!("{}.{key}", self.architecture))
    }

    /// What the file says of layer `index`, under the name of its architecture.
    fn of_layer(&self, key: &str, index: usize) -> Option<u64> {
        let numbers = self.numbers.get(&format!("{}.{key}", self.architecture))?;
        numbers.get(index).or(numbers.last().filter(|_| numbers.len() == 1)).copied()
    }

    fn of_model(&self, key: &str) -> u32 {
        let numbers = self.numbers.get(&format!("{}.{key}", self.architecture));
        let most = numbers.and_then(|numbers| numbers.iter().max()).copied().unwrap_or(0);
        u32::try_from(most).unwrap_or(u32::MAX)
    }

    pub(super) fn shape(&self) -> Shape {
        let layers = u64::from(self.of_model("block_count")).min(MAX_LAYERS) as u32;
        let embedding = self.of_model("embedding_length");
        let heads = self.of_model("attention.head_count");
        let usual_length = embedding.checked_div(heads).unwrap_or(0);
        let length = |key: &str| match self.of_model(key) {
            0 => usual_length,
            length => length,
        };
        let (key_length, value_length) = (length("attention.key_length"), length("attention.value_length"));
        let of_layer = |index: usize| {
            let kv = self.of_layer("attention.head_count_kv", index);
            kv.or_else(|| self.of_layer("attention.head_count", index)).unwrap_or(0)
        };
        let kv_heads: Vec<u64> = (0..layers as usize).map(of_layer).collect();
        let all_heads = kv_heads.iter().fold(0, |sum: u64, heads| sum.saturating_add(*heads));
        Shape {
            layers,
            embedding,
            feed_forward: self.of_model("feed_forward_length"),
            vocabulary: self.vocabulary as u32,
            context: self.of_model("context_length"),
            heads,
            kv_heads: kv_heads.iter().max().map_or(0, |most| u32::try_from(*most).unwrap_or(u32::MAX)),
            key_length,
            value_length,
            kv_keys: all_heads.saturating_mul(key_length.into()),
            kv_values: all_heads.saturating_mul(value_length.into()),
            sliding_window: Some(self.of_model("attention.sliding_window")).filter(|window| *window > 0),
            sees_all: self.of_architecture("attention.causal") == Some(0),
        }
    }
}
