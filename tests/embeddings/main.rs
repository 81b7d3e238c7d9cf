//! Models that make vectors or scores, in real worker processes, against what other code makes of the same texts.

#![allow(
    clippy::disallowed_methods,
    reason = "tests are no part of the product: they spawn, sleep and read clocks as they need"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world ends there")]
#![allow(clippy::print_stdout, reason = "a figure that nobody sees proves little")]

mod agreement;
mod harness;
mod lives;
mod refusals;
