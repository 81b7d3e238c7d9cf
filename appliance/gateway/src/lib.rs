//! The API's door, the way to the cloud, and the decision who answers.

pub mod answer;
pub mod site;

pub use answer::{Answer, AnswerEvent, Ask, Caller, CallerKind, Events, Lane, Mode, Refusal, Route, Served};
pub use site::{AliasView, LocalView, OutageView, Site, UpstreamView};
