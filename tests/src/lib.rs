//! The harness for whole-box tests: a cloud that fails on command, a real box beside it, and clients by role.
//!
//! The scenarios start the real `genset` binary with the pilot light and talk to it over real sockets; nothing
//! of the box is linked into them.

#![allow(
    clippy::disallowed_methods,
    reason = "tests are no part of the product: they spawn, sleep and read clocks as they need"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world ends there")]
#![allow(clippy::print_stderr, reason = "what a failed test leaves behind is shown to whoever ran it")]

mod asvs;
pub mod chat;
pub mod client;
mod dice;
pub mod embedder;
pub mod fake_cloud;
pub mod fake_idp;
pub mod lab;
mod places;
pub mod portal;
pub mod raw_cloud;
pub mod scoreboard;
mod slapd;
pub mod test_appliance;
mod tls;
pub mod torture;

pub use chat::Chat;
pub use client::{Client, Ended, Reply, Streamed};
pub use dice::Dice;
pub use fake_cloud::{FakeCloud, Seen};
pub use fake_idp::FakeIdp;
pub use lab::Lab;
pub use portal::Portal;
pub use raw_cloud::RawCloud;
pub use slapd::Slapd;
pub use test_appliance::{TestAppliance, genset_binary, repository};
pub use tls::Authority;
