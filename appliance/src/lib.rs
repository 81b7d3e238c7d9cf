//! The box: configuration, assembly, supervision, and the commands of `genset`.
//!
//! Life is three steps: the configuration is parsed and binds nothing; `app` builds; the `supervisor` spawns.

pub mod cli;

mod app;
mod audit_keeper;
mod backup;
mod cloud_keys;
mod command;
mod config;
mod cutter;
mod demo_cloud;
mod directory;
mod host;
mod keeping;
mod keys;
mod listen;
mod models;
mod oidc;
mod pilot_light;
mod recovery;
mod retention;
mod sealing;
mod secrecy;
mod supervisor;
mod tls;
mod wipe;

pub use config::{Config, ConfigError};
