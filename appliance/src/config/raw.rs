//! The file as it is written: every key that exists, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use continuity::ThresholdsConfig;
use serde::Deserialize;

use super::ConfigError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub site: Site,
    pub listen: Listen,
    #[serde(default)]
    pub upstream: Vec<Upstream>,
    #[serde(default)]
    pub witness: Vec<Witness>,
    #[serde(default)]
    pub local: Vec<Local>,
    #[serde(default)]
    pub alias: Vec<Alias>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub brown_out: BrownOut,
    pub demo: Option<Demo>,
    #[serde(default)]
    pub drill: Drill,
    #[serde(default)]
    pub sign_in: SignIn,
    #[serde(default)]
    pub audit: Audit,
    pub backup: Option<Backup>,
    #[serde(default)]
    pub retention: Retention,
    pub directory: Option<Directory>,
    pub oidc: Option<Oidc>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retention {
    pub conversation_days: Option<u32>,
    pub at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    pub url: String,
    pub start_tls: Option<bool>,
    pub ca_file: Option<PathBuf>,
    pub bind_name: String,
    pub bind_password_file: PathBuf,
    pub base: String,
    pub user_filter: Option<String>,
    #[serde(default)]
    pub nested_groups: bool,
    pub default_role: Option<String>,
    #[serde(default)]
    pub may_make_owners: bool,
    pub cached_days: Option<u32>,
    pub connect_timeout_ms: Option<u64>,
    pub operation_timeout_ms: Option<u64>,
    /// Groups, and the role that each gives.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// Groups, and the department that each leads to.
    #[serde(default)]
    pub departments: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Oidc {
    pub issuer: String,
    pub client_id: String,
    pub client_secret_file: PathBuf,
    pub ca_file: Option<PathBuf>,
    pub label: Option<String>,
    pub public_url: String,
    pub scopes: Option<Vec<String>>,
    pub name_claim: Option<String>,
    pub groups_claim: Option<String>,
    pub default_role: Option<String>,
    pub check_interval_ms: Option<u64>,
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    #[serde(default)]
    pub departments: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backup {
    pub folder: PathBuf,
    pub at: Option<String>,
    pub keep: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    pub name: String,
    pub data_dir: PathBuf,
    #[serde(default = "yes")]
    pub default_witnesses: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Witness {
    pub name: String,
    pub tcp: Option<String>,
    pub dns: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listen {
    pub https: Option<String>,
    pub http: Option<String>,
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub name: String,
    pub dialect: String,
    pub base_url: String,
    pub api_key_file: PathBuf,
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub demo: bool,
    pub probe_interval_ms: Option<u64>,
    pub probe_deadline_ms: Option<u64>,
    pub connect_timeout_ms: Option<u64>,
    pub headers_timeout_ms: Option<u64>,
    pub first_token_timeout_ms: Option<u64>,
    pub between_tokens_timeout_ms: Option<u64>,
    pub whole_answer_timeout_ms: Option<u64>,
    pub suspicion_ms: Option<u64>,
    pub hedge_min_ms: Option<u64>,
    pub hedge_unknown_ms: Option<u64>,
    #[serde(default)]
    pub model: Vec<UpstreamModel>,
    #[serde(default)]
    pub breaker: ThresholdsConfig,
    #[serde(default)]
    pub failback: Failback,
}

/// What one model of an upstream can do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamModel {
    pub name: String,
    pub context: Option<u32>,
    pub images: Option<bool>,
    pub tools: Option<bool>,
    pub json: Option<bool>,
    pub languages: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failback {
    pub first_step_ms: Option<u64>,
    pub second_step_ms: Option<u64>,
    pub hold_down_first_ms: Option<u64>,
    pub blind_hold_down_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Local {
    pub name: String,
    pub file: PathBuf,
    pub kind: Option<String>,
    pub pooling: Option<String>,
    pub sha256: Option<String>,
    pub cache: Option<String>,
    pub context_cells: Option<u32>,
    pub sequences: Option<u32>,
    pub clinical_reserve: Option<u32>,
    pub threads: Option<u32>,
    pub device: Option<String>,
    pub gpu_layers: Option<u32>,
    pub replicas: Option<u32>,
    pub resident: Option<bool>,
    pub max_growth_percent: Option<u32>,
    pub queue_limit: Option<u32>,
    pub json: Option<bool>,
    pub languages: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alias {
    pub name: String,
    #[serde(default)]
    pub cloud: Vec<String>,
    #[serde(default)]
    pub standby: Vec<String>,
    pub shorten: Option<String>,
    #[serde(default)]
    pub restricted: bool,
    pub kind: Option<String>,
    #[serde(default)]
    pub same_model: bool,
    pub warm_share_percent: Option<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub max_body_bytes: Option<usize>,
    pub max_requests: Option<usize>,
    pub local_max_tokens: Option<u32>,
    pub key_max_requests: Option<u32>,
    pub key_max_per_minute: Option<u32>,
    pub person_max_requests: Option<u32>,
    pub person_max_per_minute: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BrownOut {
    pub enabled: Option<bool>,
    pub climb_wait_ms: Option<u64>,
    pub climb_after_ms: Option<u64>,
    pub settle_wait_ms: Option<u64>,
    pub settle_after_ms: Option<u64>,
    pub max_wait_ms: Option<u64>,
    pub short_answer_tokens: Option<u32>,
    pub shorter_answer_tokens: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Demo {
    pub control: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drill {
    pub schedule: Option<String>,
    pub time_zone: Option<String>,
    pub scope: Option<String>,
    pub minutes: Option<u64>,
    pub duration_s: Option<u64>,
    pub load_percent: Option<u32>,
    pub max_refusals: Option<u64>,
    pub max_first_token_p95_ms: Option<u64>,
    pub quiet_minutes: Option<u64>,
    pub cutter: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    pub idle_minutes: Option<u64>,
    pub session_hours: Option<u64>,
    pub idle_minutes_in_charge: Option<u64>,
    pub session_hours_in_charge: Option<u64>,
    pub second_factor: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Audit {
    pub anchor_file: Option<PathBuf>,
    pub anchor_syslog: Option<PathBuf>,
    pub spool_folder: Option<PathBuf>,
}

/// Reads the text; an unknown key or a wrong type is refused with its line.
pub(super) fn parse(file: &Path, text: &str) -> Result<Raw, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = &text.as_bytes()[..start];
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
        let what = error.message().replace('\n', "; ");
        ConfigError::Toml { file: file.to_owned(), line, column, what }
    })
}
