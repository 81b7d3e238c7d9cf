//! The API's door, the way to the cloud, and the decision who answers.
//!
//! In reading order: a request comes in at the [`door`], becomes an [`answer::Ask`], and the [`gateway`] plans its
//! `course` over the routes of its alias. The `relay` carries the answer from the route that serves it, and over to
//! a local model when that one breaks. What each attempt learned of an `upstream` goes to its `circuit` on the
//! `board`; the `monitor` probes, and publishes the [`site`].
//!
//! Architecture invariant: nothing here spawns a task. The monitor is one future that the supervisor runs, and a
//! request lives and dies with its caller.

mod admission;
mod announcer;
pub mod answer;
mod board;
mod circuit;
mod clock;
mod course;
mod demo;
mod door;
pub mod drill;
mod fault;
mod gateway;
mod hedge;
mod homes;
mod ledger;
mod metrics;
mod monitor;
pub mod orders;
mod outside;
mod places;
mod reason;
mod relay;
mod rights;
pub mod settings;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod site;
mod tally;
mod upstream;
mod vectors;
mod warm_share;

pub use announcer::{Announcement, AnnouncementKind};
pub use answer::{Answer, AnswerEvent, Ask, Caller, CallerKind, Events, Lane, Mode, Refusal, Route, Served};
pub use demo::{DemoControl, DemoGone};
pub use dialect::openai::{ChatRequest, Message, Usage};
pub use door::{Door, Peer};
pub use drill::{DrillReport, DrillView, Drills, Scope};
pub use gateway::{BuildError, Gateway};
pub use inference::Memory;
pub use inference::gpus::{GpuReading, IdleGpu, Vendor, Why, Worry};
pub use monitor::Monitor;
pub use orders::Orders;
pub use places::Place;
pub use reason::Reason;
pub use settings::Settings;
pub use site::{
    AliasView, FileFacts, GpuState, Layers, LocalView, MachineView, ModelView, OrderView, OutageView, Site,
    UpstreamView, VectorView,
};
pub use upstream::ClientError;
