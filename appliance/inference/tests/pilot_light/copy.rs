//! The pilot light with another chat template, or another way to split texts.

use inference::ModelSpec;

use crate::harness::*;

/// A copy of the model's file, which is gone with it.
pub(crate) struct Copy {
    _folder: tempfile::TempDir,
    pub(crate) spec: ModelSpec,
}

impl Copy {
    pub(crate) fn make(template: &str) -> Copy {
        Copy::of(with_text(&whole(), TEMPLATE, template))
    }

    /// Texts are split as this vocabulary does it, whatever that does to the answers.
    pub(crate) fn splitting_as(vocabulary: &str) -> Copy {
        let gguf = whole();
        let template = text_of(&gguf, TEMPLATE).to_owned();
        Copy::of(with_text(&with_text(&gguf, b"tokenizer.ggml.pre", vocabulary), TEMPLATE, &template))
    }

    fn of(gguf: Vec<u8>) -> Copy {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("copy.gguf");
        std::fs::write(&file, gguf).unwrap();
        let mut spec = spec();
        spec.file = file;
        Copy { _folder: folder, spec }
    }
}

const TEMPLATE: &[u8] = b"tokenizer.chat_template";

fn whole() -> Vec<u8> {
    std::fs::read(pilot_light()).unwrap()
}

/// Where the length of this key's text stands, and where the text ends.
fn place_of(gguf: &[u8], key: &[u8]) -> (usize, usize) {
    let length = gguf.windows(key.len()).position(|window| window == key).unwrap() + key.len() + 4;
    let bytes = u64::from_le_bytes(gguf[length..length + 8].try_into().unwrap());
    (length, length + 8 + bytes as usize)
}

fn text_of<'g>(gguf: &'g [u8], key: &[u8]) -> &'g str {
    let (length, end) = place_of(gguf, key);
    std::str::from_utf8(&gguf[length + 8..end]).unwrap()
}

/// The weights stay aligned, because a template makes the file longer by whole units of alignment than it is at first.
fn with_text(gguf: &[u8], key: &[u8], text: &str) -> Vec<u8> {
    const ALIGNMENT: usize = 32;
    let (length, end) = place_of(gguf, key);
    let mut text = text.to_owned();
    if key == TEMPLATE {
        let comment = |spaces: usize| format!("{{#{}#}}", " ".repeat(spaces));
        let longer = |spaces: usize| length + 8 + comment(spaces).len() + text.len() + gguf.len() - end;
        let aligned = whole().len() % ALIGNMENT;
        let spaces = (0..ALIGNMENT).find(|spaces| longer(*spaces) % ALIGNMENT == aligned).unwrap();
        text.insert_str(0, &comment(spaces));
    }
    let bytes = (text.len() as u64).to_le_bytes();
    [&gguf[..length], &bytes, text.as_bytes(), &gguf[end..]].concat()
}
