//! The pages, one module each: its struct, its handlers.

pub(crate) mod account;
pub(crate) mod ask;
pub(crate) mod break_glass;
pub(crate) mod chat;
pub(crate) mod demo;
pub(crate) mod drills;
pub(crate) mod language;
pub(crate) mod orders;
pub(crate) mod outages;
pub(crate) mod people;
pub(crate) mod provider;
pub(crate) mod rights;
pub(crate) mod second_factor;
pub(crate) mod second_look;
pub(crate) mod second_step;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod status;
pub(crate) mod welcome;
