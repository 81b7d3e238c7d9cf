//! Small files made by hand: whole, cut, and damaged.

#![expect(clippy::print_stdout, reason = "a count that nobody sees proves little")]

use std::io::Cursor;

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
    read(Cursor::new(bytes), bytes.len() as u64, Path::new("model.gguf"))
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
    let mut swapped = whole();
    swapped[4..8].reverse();
    assert!(matches!(inspect_bytes(&swapped), Err(GgufError::BigEndian(_))));
}

#[test]
fn absurd_numbers_are_damage_and_take_no_memory() {
    let mut absurd = whole();
    absurd[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(inspect_bytes(&absurd), Err(GgufError::Damaged { .. })));
}

fn number(out: &mut Vec<u8>, key: &str, number: u32) {
    text(out, key);
    out.extend(4u32.to_le_bytes());
    out.extend(number.to_le_bytes());
}

/// A head that says everything that is read: some layers with fewer heads, a window, a vocabulary, a template.
fn talkative() -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    out.extend(12u64.to_le_bytes());
    text(&mut out, "general.architecture");
    out.extend(8u32.to_le_bytes());
    text(&mut out, "gemma3");
    number(&mut out, "general.file_type", 15);
    number(&mut out, "general.alignment", 32);
    number(&mut out, "gemma3.block_count", 3);
    number(&mut out, "gemma3.embedding_length", 64);
    number(&mut out, "gemma3.context_length", 8192);
    number(&mut out, "gemma3.attention.head_count", 8);
    number(&mut out, "gemma3.attention.key_length", 16);
    number(&mut out, "gemma3.attention.sliding_window", 512);
    text(&mut out, "gemma3.attention.head_count_kv");
    out.extend(9u32.to_le_bytes());
    out.extend(5u32.to_le_bytes());
    out.extend(3u64.to_le_bytes());
    for heads in [4i32, 0, 2] {
        out.extend(heads.to_le_bytes());
    }
    text(&mut out, "tokenizer.ggml.tokens");
    out.extend(9u32.to_le_bytes());
    out.extend(8u32.to_le_bytes());
    out.extend(3u64.to_le_bytes());
    ["a", "비상", ""].iter().for_each(|word| text(&mut out, word));
    text(&mut out, "tokenizer.chat_template");
    out.extend(8u32.to_le_bytes());
    text(&mut out, "{{ messages }}");
    for (name, offset) in [("token_embd.weight", 0u64), ("output.weight", 128)] {
        text(&mut out, name);
        out.extend(2u32.to_le_bytes());
        out.extend(8u64.to_le_bytes());
        out.extend(8u64.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(offset.to_le_bytes());
    }
    out.resize(out.len().next_multiple_of(32) + 256, 7);
    out
}

#[test]
fn the_memory_of_each_token_follows_from_the_heads_of_each_layer() {
    let gguf = inspect_bytes(&talkative()).unwrap();
    assert_eq!((gguf.architecture.as_str(), gguf.quantisation.as_str()), ("gemma3", "Q4_K_M"));
    let shape = gguf.shape;
    assert_eq!((shape.layers, shape.embedding, shape.context, shape.vocabulary), (3, 64, 8192, 3));
    assert_eq!((shape.heads, shape.kv_heads), (8, 4));
    // Keys as the file says; values as wide as the embedding's part of a head.
    assert_eq!((shape.key_length, shape.value_length), (16, 8));
    assert_eq!((shape.kv_keys, shape.kv_values), (6 * 16, 6 * 8));
    assert_eq!(shape.kv_bytes_per_token(), 6 * (16 + 8) * 2);
    assert_eq!(shape.sliding_window, Some(512));
}

#[test]
fn the_facts_of_the_pilot_light_are_those_that_llama_cpp_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../provisioning/pilot-light/pilot-light.gguf");
    let shape = inspect(&path).unwrap().shape;
    assert_eq!((shape.layers, shape.heads, shape.kv_heads, shape.key_length), (4, 6, 2, 32));
    assert_eq!(shape.kv_bytes_per_token(), 4 * 2 * (32 + 32) * 2);
    assert_eq!((shape.context, shape.vocabulary), (2048, 2048));
}

#[test]
fn a_part_of_a_model_is_named_as_such() {
    let mut part = whole();
    part[16..24].copy_from_slice(&4u64.to_le_bytes());
    let mut entry = Vec::new();
    text(&mut entry, "split.count");
    entry.extend(2u32.to_le_bytes());
    entry.extend(3u16.to_le_bytes());
    part.splice(24..24, entry);
    assert!(matches!(inspect_bytes(&part), Err(GgufError::Part(_, 3))));
}

/// Numbers that programs trip over.
const EDGES: [u64; 8] = [0, 1, 7, 1 << 31, u32::MAX as u64, 1 << 62, i64::MAX as u64, u64::MAX];

/// One of the ways to spoil a file.
fn spoil(bytes: &mut Vec<u8>, next: &mut impl FnMut(u64) -> u64) {
    let at = next(bytes.len() as u64) as usize;
    match next(5) {
        0 => bytes[at] ^= 1 << next(8),
        1 => bytes.truncate(at),
        2 => bytes.splice(at..at, (0..next(9)).map(|byte| byte as u8)).for_each(drop),
        _ => {
            let edge = EDGES[next(EDGES.len() as u64) as usize].to_le_bytes();
            let width = [1, 4, 8][next(3) as usize].min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&edge[..width]);
        }
    }
}

#[test]
fn a_hundred_thousand_spoilt_heads_are_read_without_a_panic_and_without_their_own_word_for_any_size() {
    let whole = [whole(), talkative()];
    let mut seed = 1u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below.max(1)
    };
    let (mut good, mut refused) = (0, 0);
    for round in 0..100_000 {
        let mut bytes = whole[round % 2].clone();
        for _ in 0..=next(3) {
            if !bytes.is_empty() {
                spoil(&mut bytes, &mut next);
            }
        }
        let read = CountedReads { cursor: Cursor::new(&bytes), reads: 0 };
        match super::read(read, bytes.len() as u64, Path::new("spoilt.gguf")) {
            Ok(gguf) => {
                good += 1;
                assert!(gguf.shape.layers <= 512);
            }
            Err(_) => refused += 1,
        }
    }
    println!("{good} read, {refused} refused");
    assert!(good > 1000 && refused > 1000, "both ends are reached");
}

/// A file that is read in more steps than it has bytes is read in circles.
struct CountedReads<'a> {
    cursor: Cursor<&'a Vec<u8>>,
    reads: usize,
}

impl Read for CountedReads<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        assert!(self.reads <= self.cursor.get_ref().len() + 8, "it reads in circles");
        assert!(buffer.len() <= self.cursor.get_ref().len(), "it makes room by the file's own word");
        self.cursor.read(buffer)
    }
}

impl Seek for CountedReads<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.cursor.seek(to)
    }
}

#[test]
fn a_missing_file_is_said_with_its_path() {
    let error = inspect(Path::new("/nowhere/model.gguf")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/model.gguf"));
}
