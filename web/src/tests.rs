//! The portal through its router, with a real store and a real gateway.

mod access;
mod account;
mod chat;
mod defence;
mod directory;
mod drills;
mod events;
mod harness;
mod looks;
mod orders;
mod outages;
mod provider;
mod recording;
mod retention;
mod rights;
mod second_factor;
mod second_look;
