//! The pilot light with another chat template.

use inference::ModelSpec;

use crate::harness::*;

/// A copy of the model's file, which is gone with it.
pub(crate) struct Copy {
    _folder: tempfile::TempDir,
    pub(crate) spec: ModelSpec,
}

impl Copy {
    pub(crate) fn make(template: &str) -> Copy {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("copy.gguf");
        std::fs::write(&file, with_template(&std::fs::read(pilot_light()).unwrap(), template)).unwrap();
        let mut spec = spec();
        spec.file = file;
        Copy { _folder: folder, spec }
    }
}

/// The weights stay aligned, because the template grows by whole units of alignment.
fn with_template(gguf: &[u8], template: &str) -> Vec<u8> {
    const KEY: &[u8] = b"tokenizer.chat_template";
    const ALIGNMENT: usize = 32;
    let key = gguf.windows(KEY.len()).position(|window| window == KEY).unwrap();
    let length = key + KEY.len() + 4;
    let text = length + 8;
    let old = u64::from_le_bytes(gguf[length..text].try_into().unwrap()) as usize;
    let padding = (old + ALIGNMENT * ALIGNMENT * ALIGNMENT - template.len() - 4) % ALIGNMENT;
    let template = format!("{{#{}#}}{template}", " ".repeat(padding));
    let length_bytes = (template.len() as u64).to_le_bytes();
    [&gguf[..length], &length_bytes, template.as_bytes(), &gguf[text + old..]].concat()
}
