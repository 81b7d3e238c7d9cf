//! What the box decides about the way to the cloud: when to leave it, when to try it, how to go back, what to say.
//!
//! In reading order:
//!
//! - [`Outcome`]: what one request or probe says of its upstream;
//! - [`Thresholds`]: when that is too much;
//! - [`Breaker`]: closed, open, half-open, with a [`window`] and a [`backoff`] of its own;
//! - [`Failback`]: the ramp back to the cloud after a reset, and the hold-down of an upstream that flaps;
//! - [`Throttle`]: the hold of a route whose upstream asks for less;
//! - [`SharedFate`]: several upstreams lost at once are one event;
//! - [`SiteState`]: all upstreams and a person's order, in one word;
//! - [`Turnstile`]: how many requests there is room for, and what one caller may have of it;
//! - [`BrownOut`]: what is given up, step by step, when local models are scarce;
//! - [`Verdict`]: what is wrong, in a sentence for staff and an action for administrators.
//!
//! Architecture invariant: nothing here does I/O, spawns a task, draws a random number or reads a clock. `now`
//! and the random `draw` are arguments, so every case can be written down as a table.

mod outcome;
mod thresholds;

pub mod backoff;
mod breaker;
pub mod window;

mod brown_out;
pub mod drill;
mod failback;
mod shared_fate;
mod site;
mod throttle;
mod turnstile;
mod verdict;

#[cfg(test)]
mod xorshift;

pub use breaker::{Breaker, Cause, Flip, State, StateKind, Trip};
pub use brown_out::{BrownOut, BrownOutLines, HIGHEST_STEP, Load, StepChange};
pub use failback::{Failback, FailbackSteps, LostBy, Phase, RampStep};
pub use outcome::{Failure, Outcome};
pub use shared_fate::SharedFate;
pub use site::{Order, SiteState, UpstreamCondition, site_state};
pub use thresholds::{Thresholds, ThresholdsConfig, ThresholdsError};
pub use throttle::Throttle;
pub use turnstile::{Share, TurnedAway, Turnstile};
pub use verdict::{Asked, Evidence, Language, Link, Sign, SteadyVerdict, Verdict, diagnose};
