//! The OpenAI dialect: chat completions and embeddings as clients send them and as upstreams answer them.
//!
//! Source of the shapes: the public OpenAPI description of the OpenAI API, `/v1/chat/completions`, `/v1/embeddings`.

mod answer;
mod assembly;
mod chunk;
mod embeddings;
mod odds;
mod request;

pub use answer::{Completion, Extension, Saying, Usage, completion, model_list};
pub use assembly::Assembly;
pub use chunk::{
    ChunkFacts, ChunkHead, adopt_chunk, arguments_chunk, call_chunk, error_chunk, finish_chunk, of_choice,
    reasoning_chunk, stamp_chunk, text_chunk, usage_chunk,
};
pub use embeddings::{
    EmbeddingAnswer, EmbeddingRequest, MAX_TEXTS, VectorEncoding, embeddings, no_tokens_here,
};
pub use odds::{LikelyToken, TokenOdds};
pub use request::{ChatRequest, Delivery, Message, Must, Needs, ResponseFormat, Tool, ToolCall, ToolChoice};

pub(crate) use request::{Fields, not_an_object, out_of_range};

/// The data of the event that ends a stream.
pub const DONE: &[u8] = b"[DONE]";
