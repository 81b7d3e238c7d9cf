//! The report of a drill: figures and findings, for people and for programs.

use continuity::drill::Judgement;
use serde::{Deserialize, Serialize};

/// Everything that is kept of a drill. Times are unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrillReport {
    #[serde(flatten)]
    pub judgement: Option<Judgement>,
    pub scope: String,
    pub long: bool,
    pub asked_by: String,
    pub started_ms: i64,
    pub cut_ms: Option<i64>,
    pub restored_ms: Option<i64>,
    pub ended_ms: i64,
    pub cuts: Vec<Cut>,
    /// Why the softer kind of cut was used, where the real one was wanted.
    pub softer_because: Option<String>,
    /// From the cut to the first answer of a local model that the cloud would have given.
    pub transfer_ms: Option<u64>,
    pub promise_ms: u64,
    pub carried_s: u64,
    pub wanted_s: u64,
    /// Answers at the same time that the standby is made for.
    pub rated_sequences: u32,
    pub wanted_load_percent: u32,
    pub real_load_percent: f64,
    pub synthetic_load_percent: f64,
    pub first_token_p50_ms: Option<u64>,
    pub first_token_p95_ms: Option<u64>,
    pub real: Served,
    pub synthetic: Served,
    /// `upstream/model` or `local/model`, and how many answers it gave or finished.
    pub by_model: Vec<(String, u64)>,
    /// From the restore until the cloud was there again.
    pub cloud_back_ms: Option<u64>,
    /// The time before the drill in which nobody may have warmed the standby.
    pub quiet_s: u64,
}

/// How the way to one upstream was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    pub upstream: String,
    pub means: Means,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// Packets were dropped on their way out of the machine.
    Nftables,
    /// The box's own connector refused and reset.
    Connector,
    /// Requests in the drill's scope were not sent to the cloud, while others were.
    Course,
}

/// What became of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Served {
    pub asked: u64,
    pub by_cloud: u64,
    pub by_local: u64,
    pub whole: u64,
    /// Answers that a local model took over in the middle.
    pub seams: u64,
    pub refused: u64,
    pub broken: u64,
    /// The client left, or the answer was still under way at the end.
    pub left: u64,
}

impl Means {
    pub fn as_str(self) -> &'static str {
        match self {
            Means::Nftables => "nftables",
            Means::Connector => "connector",
            Means::Course => "course",
        }
    }
}

impl DrillReport {
    /// # Errors
    /// When the text is no report of any version.
    pub fn read(text: &str) -> Result<DrillReport, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// All of the way out was cut for real.
    pub fn is_real_cut(&self) -> bool {
        !self.cuts.is_empty() && self.cuts.iter().all(|cut| cut.means == Means::Nftables)
    }
}
