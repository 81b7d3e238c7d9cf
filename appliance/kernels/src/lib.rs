//! What this machine's processor computes for the engine, in the place of llama.cpp's own: the operations in which its
//! steps spend their time.
//!
//! Each gives `false` for what it leaves to llama.cpp, which then computes it as ever: another kind of numbers, or a
//! processor that lacks what is needed.
#![cfg(target_arch = "x86_64")]

mod attention;
mod params;
mod products;

pub use attention::attend;
pub use llama_cpp_sys_2::ggml_tensor as Tensor;
pub use params::Params;
pub use products::{multiply_q4_0, multiply_q8_0};
