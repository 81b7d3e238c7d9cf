//! A model whose weights are worked out, not trained: it says the code that stands in its conversation, and nothing else.
//!
//! It is a Llama of two layers, and what it says it can only have read from the cells of its cache, so a cell of another
//! conversation shows in the answer. A code is eight different letters of [`ALPHABET`] between `:` and `;`, and there is
//! one in a conversation. Each character is a token.
//!
//! The first layer looks at the token right before each one, and notes beside the token what that was. The second asks:
//! after which token did the one that I am stand before? Its answer is what is said next. The line break at which an answer
//! begins asks for what stood after `:`, and what stood after the last letter ends the answer:
//!
//! ```text
//! … c o d e : Q 7 K … ; … <|assistant|> ⏎   Q   7   K
//!           └─┴─noted beside Q: after `:`   │   │   └ asks for what stood after K
//!                                           └ asks for what stood after `:`, finds Q
//! ```
//!
//! All other choices are less likely by a factor of `exp(SHARPNESS)`, so nothing is left to chance or to rounding.

use super::gguf::{Gguf, Matrix};

/// What codes are made of.
pub(super) const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a token is to the model: a letter of a code by its number, or one of these.
const MARK: usize = 32;
const END: usize = 33;
const LINE: usize = 34;
const OTHER: usize = 35;
const KINDS: usize = 36;

/// Where the stream between the layers keeps what a token is, what stood before it, and what is to be said next; and
/// a place that is always one.
const IS: usize = 0;
const BEFORE: usize = 36;
const NEXT: usize = 72;
const ALWAYS: usize = 127;
const WIDTH: usize = 128;

/// The numbers of a key. Position turns each pair of them, the first the fastest; the first ones tell near from far, and
/// the last hardly turn, so they can hold a token's kind at any distance.
const KEY: usize = 64;
const NEAR_PAIRS: usize = 14;
const ROPE_BASE: f64 = 1e10;

/// The least allowed; the model needs none.
const HIDDEN: usize = 32;
const CONTEXT: usize = 2048;
const SHARPNESS: f64 = 40.0;

const BOS: &str = "<|bos|>";
const OVER: &str = "<|end|>";
const CONTROLS: [&str; 5] = [BOS, OVER, "<|system|>", "<|user|>", "<|assistant|>"];

const TEMPLATE: &str = "{%- for message in messages -%}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}\
    {%- endfor -%}{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- endif -%}";

/// The model as a file, of about 640 kB.
pub(super) fn file() -> Vec<u8> {
    let mut file = Gguf::default();
    shape(&mut file);
    vocabulary(&mut file);
    weights(&mut file);
    file.bytes()
}

fn shape(file: &mut Gguf) {
    file.text("general.architecture", "llama");
    file.text("general.name", "echo");
    file.number("general.file_type", 0);
    file.number("llama.context_length", CONTEXT);
    file.number("llama.embedding_length", WIDTH);
    file.number("llama.block_count", 2);
    file.number("llama.feed_forward_length", HIDDEN);
    file.number("llama.attention.head_count", 1);
    file.number("llama.attention.head_count_kv", 1);
    file.number("llama.attention.key_length", KEY);
    file.number("llama.attention.value_length", KEY);
    file.float("llama.attention.layer_norm_rms_epsilon", 1e-6);
    file.number("llama.rope.dimension_count", KEY);
    file.float("llama.rope.freq_base", ROPE_BASE as f32);
}

/// The control tokens, then a token for each byte, written as GPT-2 writes bytes.
fn vocabulary(file: &mut Gguf) {
    let bytes = (0..=255).map(written);
    let tokens: Vec<String> = CONTROLS.into_iter().map(str::to_owned).chain(bytes).collect();
    let is_control = |token: &String| CONTROLS.contains(&token.as_str());
    let kinds: Vec<i32> = tokens.iter().map(|token| if is_control(token) { 3 } else { 1 }).collect();
    let number = |token: &str| tokens.iter().position(|other| other == token).expect("it is one of them");
    file.text("tokenizer.ggml.model", "gpt2");
    file.text("tokenizer.ggml.pre", "gpt-2");
    file.texts("tokenizer.ggml.tokens", &tokens);
    file.numbers("tokenizer.ggml.token_type", &kinds);
    file.texts("tokenizer.ggml.merges", &[]);
    file.number("tokenizer.ggml.bos_token_id", number(BOS));
    file.number("tokenizer.ggml.eos_token_id", number(OVER));
    file.number("tokenizer.ggml.eot_token_id", number(OVER));
    file.truth("tokenizer.ggml.add_bos_token", true);
    file.text("tokenizer.chat_template", TEMPLATE);
}

/// Bytes that are no printable characters of Latin-1 are written with those from U+0100 on.
fn written(byte: u8) -> String {
    let is_printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others_before = (0..byte).filter(|other| !is_printable(other)).count();
    let code = if is_printable(&byte) { u32::from(byte) } else { 0x100 + others_before as u32 };
    char::from_u32(code).expect("all of these are characters").to_string()
}

fn kind_of_byte(byte: u8) -> usize {
    match byte {
        b':' => MARK,
        b';' => END,
        b'\n' => LINE,
        _ => ALPHABET.iter().position(|letter| *letter == byte).unwrap_or(OTHER),
    }
}

fn kinds() -> Vec<usize> {
    let controls = CONTROLS.map(|control| if control == OVER { END } else { OTHER });
    controls.into_iter().chain((0..=255).map(kind_of_byte)).collect()
}

fn weights(file: &mut Gguf) {
    let kinds = kinds();
    let (mut embedding, mut output) = (Matrix::new(kinds.len(), WIDTH), Matrix::new(kinds.len(), WIDTH));
    for (token, kind) in kinds.iter().enumerate() {
        embedding.set(token, IS + kind, 1.0);
        embedding.set(token, ALWAYS, 1.0);
        // An answer ends with the control token, whichever token ended the code.
        if *kind != END || CONTROLS.get(token) == Some(&OVER) {
            output.set(token, NEXT + kind, SHARPNESS / norm(4));
        }
    }
    file.matrix("token_embd.weight", &embedding);
    file.vector("output_norm.weight", &[1.0; WIDTH]);
    file.matrix("output.weight", &output);
    block(file, 0, &looks_back());
    block(file, 1, &looks_up());
}

/// What RMS normalisation multiplies with where so many numbers of the stream are one, and the others zero.
fn norm(ones: usize) -> f64 {
    (WIDTH as f64 / ones as f64).sqrt()
}

struct Attention {
    query: Matrix,
    key: Matrix,
    value: Matrix,
    output: Matrix,
}

impl Attention {
    /// Carries what the tokens are that are looked at to a place of the stream.
    fn to(place: usize, norm: f64) -> Attention {
        let (mut value, mut output) = (Matrix::new(KEY, WIDTH), Matrix::new(WIDTH, KEY));
        for kind in 0..KINDS {
            value.set(kind, IS + kind, 1.0 / norm);
            output.set(place + kind, kind, 1.0);
        }
        Attention { query: Matrix::new(KEY, WIDTH), key: Matrix::new(KEY, WIDTH), value, output }
    }
}

/// The first layer: every query is turned back by one position, so it meets the key before it unturned, and no other.
fn looks_back() -> Attention {
    let angles: Vec<f64> =
        (0..NEAR_PAIRS).map(|pair| ROPE_BASE.powf(-2.0 * pair as f64 / KEY as f64)).collect();
    let loss =
        |distance: usize| -> f64 { angles.iter().map(|angle| 1.0 - (distance as f64 * angle).cos()).sum() };
    let least = (1..CONTEXT).map(loss).fold(f64::INFINITY, f64::min);
    let size = (SHARPNESS * (KEY as f64).sqrt() / least).sqrt();
    let mut attention = Attention::to(BEFORE, norm(2));
    for (pair, angle) in angles.into_iter().enumerate() {
        attention.query.set(2 * pair, ALWAYS, size * angle.cos() / norm(2));
        attention.query.set(2 * pair + 1, ALWAYS, -size * angle.sin() / norm(2));
        attention.key.set(2 * pair, ALWAYS, size / norm(2));
    }
    attention
}

/// The second layer: a token meets those that stand after one of its kind, and a line break those after `:`.
fn looks_up() -> Attention {
    let size = (SHARPNESS * (KEY as f64).sqrt()).sqrt();
    let mut attention = Attention::to(NEXT, norm(3));
    for kind in 0..=MARK {
        let asker = if kind == MARK { LINE } else { kind };
        attention.query.set(2 * NEAR_PAIRS + kind, IS + asker, size / norm(3));
        attention.key.set(2 * NEAR_PAIRS + kind, BEFORE + kind, size / norm(3));
    }
    attention
}

fn block(file: &mut Gguf, number: usize, attention: &Attention) {
    let name = |part: &str| format!("blk.{number}.{part}.weight");
    file.vector(&name("attn_norm"), &[1.0; WIDTH]);
    file.matrix(&name("attn_q"), &attention.query);
    file.matrix(&name("attn_k"), &attention.key);
    file.matrix(&name("attn_v"), &attention.value);
    file.matrix(&name("attn_output"), &attention.output);
    file.vector(&name("ffn_norm"), &[1.0; WIDTH]);
    file.matrix(&name("ffn_gate"), &Matrix::new(HIDDEN, WIDTH));
    file.matrix(&name("ffn_up"), &Matrix::new(HIDDEN, WIDTH));
    file.matrix(&name("ffn_down"), &Matrix::new(WIDTH, HIDDEN));
}
