//! Small files made by hand: whole, cut, and damaged.

use std::io::Write;

use super::*;

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A file with one F16 tensor of 64 elements.
fn whole() -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend(1u64.to_le_bytes());
    out.extend(3u64.to_le_bytes());
    text(&mut out, "general.architecture");
    out.extend(8u32.to_le_bytes());
    text(&mut out, "llama");
    text(&mut out, "general.file_type");
    out.extend(4u32.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    text(&mut out, "tokenizer.ggml.tokens");
    out.extend(9u32.to_le_bytes());
    out.extend(8u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    text(&mut out, "a");
    text(&mut out, "비상");
    text(&mut out, "output.weight");
    out.extend(1u32.to_le_bytes());
    out.extend(64u64.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend(0u64.to_le_bytes());
    out.resize(out.len().next_multiple_of(32) + 128, 7);
    out
}

fn inspect_bytes(bytes: &[u8]) -> Result<Gguf, GgufError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    inspect(file.path())
}

#[test]
fn a_whole_file_tells_its_facts() {
    let facts = inspect_bytes(&whole()).unwrap();
    assert_eq!(facts.architecture, "llama");
    assert_eq!(facts.quantisation, "F16");
    assert_eq!(facts.tensors, 1);
}

#[test]
fn a_file_cut_anywhere_is_told_from_a_whole_one() {
    let whole = whole();
    for length in 4..whole.len() {
        let error = inspect_bytes(&whole[..length]).unwrap_err();
        assert!(matches!(error, GgufError::Truncated { .. }), "cut at {length}: {error}");
    }
}

#[test]
fn another_kind_of_file_is_named_as_such() {
    assert!(matches!(inspect_bytes(b"PK\x03\x04 zip"), Err(GgufError::NoMagic(_))));
    assert!(matches!(inspect_bytes(b""), Err(GgufError::NoMagic(_))));
    let mut future = whole();
    future[4] = 9;
    assert!(matches!(inspect_bytes(&future), Err(GgufError::Version(_, 9))));
}

#[test]
fn absurd_numbers_are_damage_and_take_no_memory() {
    let mut absurd = whole();
    absurd[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(inspect_bytes(&absurd), Err(GgufError::Damaged { .. })));
}

#[test]
fn a_missing_file_is_said_with_its_path() {
    let error = inspect(Path::new("/nowhere/model.gguf")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/model.gguf"));
}
