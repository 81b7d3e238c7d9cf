//! The box as a whole, against a cloud that fails, with the real pilot light.

#![allow(
    clippy::disallowed_methods,
    reason = "tests are no part of the product: they spawn, sleep and read clocks as they need"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world ends there")]

mod audit;
mod backups;
mod bad_input;
mod cloud_loss;
mod command_line;
mod contract;
mod directory;
mod drills;
mod evaluation;
mod failback;
mod formats;
mod hanging_disk;
mod limits;
mod listeners;
mod models;
mod needs;
mod oidc;
mod orders;
mod outages;
mod portal;
mod readiness;
mod real_cut;
mod retention;
mod rights;
mod scarcity;
mod security;
mod sign_in;
mod standbys;
mod stopping;
mod streams;
mod tokens;
mod vectors;
mod walls;
mod ways;
mod wipe;
mod wires;
mod worker;
