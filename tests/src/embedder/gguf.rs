//! Writes a file as `docs/gguf.md` of the ggml project describes it, with 32-bit floats alone.

const ALIGNMENT: usize = 32;
const MODEL: &str = "bert";

/// A value of the file's head.
pub(super) enum Value {
    Number(u32),
    Float(f32),
    Truth(bool),
    Text(String),
    Texts(Vec<String>),
    Signeds(Vec<i32>),
}

/// A model of the BERT family, on its way into a file.
pub(super) struct Bert {
    entries: Vec<(String, Value)>,
    tensors: Vec<(String, Vec<u64>, Vec<u8>)>,
}

/// The shape of such a model.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) context: u32,
    pub(super) embedding: u32,
    pub(super) feed_forward: u32,
    pub(super) layers: u32,
    pub(super) heads: u32,
}

impl Bert {
    /// `pooling` is llama.cpp's number of how a vector is made of a text; `words` are a vocabulary of word pieces as
    /// BERT's `vocab.txt` has them.
    pub(super) fn new(shape: Shape, pooling: u32, words: &[String]) -> Bert {
        let mut bert = Bert { entries: Vec::new(), tensors: Vec::new() };
        bert.put("general.architecture", Value::Text(MODEL.into()));
        bert.put("general.file_type", Value::Number(0));
        for (key, number) in [
            ("context_length", shape.context),
            ("embedding_length", shape.embedding),
            ("feed_forward_length", shape.feed_forward),
            ("block_count", shape.layers),
            ("attention.head_count", shape.heads),
            ("pooling_type", pooling),
        ] {
            bert.put(&format!("{MODEL}.{key}"), Value::Number(number));
        }
        bert.put(&format!("{MODEL}.attention.layer_norm_epsilon"), Value::Float(1e-12));
        bert.put(&format!("{MODEL}.attention.causal"), Value::Truth(false));
        bert.vocabulary(words);
        bert
    }

    pub(super) fn put(&mut self, key: &str, value: Value) {
        self.entries.push((key.to_owned(), value));
    }

    /// A tensor of little-endian floats; the innermost length comes first.
    pub(super) fn tensor(&mut self, name: &str, lengths: &[u64], floats: Vec<u8>) {
        assert_eq!(lengths.iter().product::<u64>() * 4, floats.len() as u64, "{name}");
        self.tensors.push((name.to_owned(), lengths.to_vec(), floats));
    }

    /// llama.cpp marks the beginning of a word where BERT marks what is none.
    fn vocabulary(&mut self, words: &[String]) {
        let is_mark = |word: &str| word.starts_with('[') && word.ends_with(']');
        let pieces = words.iter().map(|word| match word.strip_prefix("##") {
            Some(piece) => piece.to_owned(),
            None if is_mark(word) => word.clone(),
            None => format!("\u{2581}{word}"),
        });
        let pieces = pieces.collect();
        let (normal, unknown, control) = (1, 2, 3);
        let kinds = words.iter().map(|word| match word.as_str() {
            "[UNK]" => unknown,
            "[PAD]" | "[CLS]" | "[SEP]" | "[MASK]" => control,
            _ => normal,
        });
        let kinds = kinds.collect();
        self.put("tokenizer.ggml.model", Value::Text("bert".into()));
        self.put("tokenizer.ggml.pre", Value::Text("default".into()));
        self.put("tokenizer.ggml.token_type_count", Value::Number(2));
        self.put("tokenizer.ggml.tokens", Value::Texts(pieces));
        self.put("tokenizer.ggml.token_type", Value::Signeds(kinds));
        let id =
            |wanted: &str| words.iter().position(|word| word == wanted).expect("BERT has this mark") as u32;
        for (key, mark) in [
            ("bos_token_id", "[CLS]"),
            ("cls_token_id", "[CLS]"),
            // So spelled in the format.
            ("seperator_token_id", "[SEP]"),
            ("unknown_token_id", "[UNK]"),
            ("padding_token_id", "[PAD]"),
            ("mask_token_id", "[MASK]"),
        ] {
            self.put(&format!("tokenizer.ggml.{key}"), Value::Number(id(mark)));
        }
    }

    /// The whole file.
    pub(super) fn file(self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.entries.len() as u64).to_le_bytes());
        for (key, value) in &self.entries {
            text(&mut out, key);
            write(&mut out, value);
        }
        let mut offset = 0u64;
        for (name, lengths, floats) in &self.tensors {
            text(&mut out, name);
            out.extend((lengths.len() as u32).to_le_bytes());
            lengths.iter().for_each(|length| out.extend(length.to_le_bytes()));
            out.extend(0u32.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += floats.len().next_multiple_of(ALIGNMENT) as u64;
        }
        for (_, _, floats) in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            out.extend(floats);
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn write(out: &mut Vec<u8>, value: &Value) {
    let mut kind = |number: u32| out.extend(number.to_le_bytes());
    match value {
        Value::Number(number) => {
            kind(4);
            out.extend(number.to_le_bytes());
        }
        Value::Float(number) => {
            kind(6);
            out.extend(number.to_le_bytes());
        }
        Value::Truth(truth) => {
            kind(7);
            out.push(u8::from(*truth));
        }
        Value::Text(words) => {
            kind(8);
            text(out, words);
        }
        Value::Texts(list) => {
            kind(9);
            out.extend(8u32.to_le_bytes());
            out.extend((list.len() as u64).to_le_bytes());
            list.iter().for_each(|words| text(out, words));
        }
        Value::Signeds(list) => {
            kind(9);
            out.extend(5u32.to_le_bytes());
            out.extend((list.len() as u64).to_le_bytes());
            list.iter().for_each(|number| out.extend(number.to_le_bytes()));
        }
    }
}
