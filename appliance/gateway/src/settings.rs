//! What the gateway is told: upstreams, aliases and limits, already validated.

use std::{collections::HashMap, fmt, net::IpAddr, time::Duration};

use continuity::{BrownOutLines, FailbackSteps, Share, Thresholds};
pub use inference::Kind;
use zeroize::Zeroizing;

/// Everything that the gateway needs to know of its site.
#[derive(Debug, Clone)]
pub struct Settings {
    pub site_name: String,
    pub upstreams: Vec<UpstreamSettings>,
    pub aliases: Vec<AliasSettings>,
    pub limits: Limits,
    pub drill: DrillSettings,
    /// What is known of local models beside what their workers say, by their names.
    pub standby_facts: HashMap<String, RouteFacts>,
    pub brown_out: BrownOutSettings,
    /// The control address of a demo cloud, in an evaluation configuration.
    pub demo_control: Option<std::net::SocketAddr>,
    pub outside: OutsideSettings,
}

/// How the box looks at the outside beside its upstreams. By default it does not.
#[derive(Debug, Clone, Default)]
pub struct OutsideSettings {
    pub witnesses: Vec<WitnessSettings>,
    /// Follow the kernel's word on carrier and default route.
    pub watches_link: bool,
    /// Remember the addresses of the upstreams' names, to try them when names are no longer found.
    pub remembers_addresses: bool,
}

/// A host that is no upstream and is asked only whether it is there.
#[derive(Debug, Clone)]
pub struct WitnessSettings {
    pub name: String,
    pub how: WitnessHow,
}

#[derive(Debug, Clone)]
pub enum WitnessHow {
    /// A connection to an address: needs no name server.
    Tcp(std::net::SocketAddr),
    /// A name that the name servers find.
    Dns(String),
}

impl WitnessSettings {
    /// Three well-known public resolvers, by address.
    pub fn usual() -> Vec<Self> {
        let witness = |name: &str, address: [u8; 4]| WitnessSettings {
            name: name.into(),
            how: WitnessHow::Tcp((address, 443).into()),
        };
        vec![
            witness("cloudflare-dns", [1, 1, 1, 1]),
            witness("google-dns", [8, 8, 8, 8]),
            witness("quad9-dns", [9, 9, 9, 9]),
        ]
    }
}

impl Settings {
    /// The models of an upstream that routes use, each once.
    pub(crate) fn models_of(&self, upstream: usize) -> Vec<(String, Kind)> {
        let routes =
            self.aliases.iter().flat_map(|alias| alias.cloud.iter().map(|route| (route, alias.kind)));
        let own = routes.filter(|(route, _)| route.upstream == upstream);
        let mut models: Vec<_> = own.map(|(route, kind)| (route.model.clone(), kind)).collect();
        models.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        models.dedup_by(|(one, _), (other, _)| one == other);
        models
    }
}

/// One cloud account and endpoint.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    pub name: String,
    /// `http` or `https`, host, port, and a path that ends without a slash.
    pub base_url: String,
    /// `None` when its file could not be read: the upstream is then never asked.
    pub api_key: Option<Secret>,
    /// More roots to trust for this upstream, in PEM.
    pub extra_roots_pem: Option<Vec<u8>>,
    pub deadlines: Deadlines,
    pub hedge: HedgeSettings,
    pub probe: ProbeSettings,
    pub thresholds: Thresholds,
    pub failback: FailbackSteps,
    pub demo: bool,
}

#[cfg(test)]
impl Settings {
    /// The upstream `a`, and one assistant that goes there.
    pub(crate) fn for_tests() -> Self {
        let route = CloudRoute {
            upstream: 0,
            model: "large".into(),
            label: "a/large".into(),
            facts: RouteFacts::default(),
        };
        let assistant = AliasSettings {
            name: "assistant".into(),
            kind: Kind::Chat,
            cloud: vec![route],
            standby: Vec::new(),
            shorten: None,
            restricted: false,
            warm_share_percent: 0,
        };
        Settings {
            site_name: "Harbor Hospital".into(),
            upstreams: vec![UpstreamSettings::for_tests("a")],
            aliases: vec![assistant],
            limits: Limits::default(),
            drill: DrillSettings::default(),
            standby_facts: HashMap::new(),
            brown_out: BrownOutSettings::default(),
            demo_control: None,
            outside: OutsideSettings::default(),
        }
    }
}

#[cfg(test)]
impl UpstreamSettings {
    /// All defaults, at an address that nobody listens on.
    pub(crate) fn for_tests(name: &str) -> Self {
        UpstreamSettings {
            name: name.into(),
            base_url: format!("http://{name}.invalid:1/v1"),
            api_key: Some(Secret::new("a key".into())),
            extra_roots_pem: None,
            deadlines: Deadlines::default(),
            hedge: HedgeSettings::default(),
            probe: ProbeSettings::default(),
            thresholds: Thresholds::default(),
            failback: FailbackSteps::default(),
            demo: false,
        }
    }
}

impl UpstreamSettings {
    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        let after_scheme = self.base_url.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme.split('/').next().unwrap_or_default()
    }

    /// Whether the way to it leads out of the building. A name that is not this host's own is taken as outside.
    pub fn is_outside(&self) -> bool {
        let authority = self.authority();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => !(v4.is_loopback() || v4.is_private() || v4.is_link_local()),
            Ok(IpAddr::V6(v6)) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
            Err(_) => host != "localhost",
        }
    }
}

/// How long each step of a cloud answer may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Name, connection and TLS together.
    pub connect: Duration,
    /// From the request to the headers of its answer; never longer than `first_token`.
    pub headers: Duration,
    /// From the request to the first token. Upstreams are asked for a stream also where the caller wants the answer
    /// whole, so this holds for every answer but one of sound.
    pub first_token: Duration,
    pub between_tokens: Duration,
    pub whole_answer: Duration,
    /// A request silent for so long asks for a probe at once.
    pub suspicion: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            connect: Duration::from_secs(2),
            headers: Duration::from_secs(15),
            first_token: Duration::from_secs(15),
            between_tokens: Duration::from_secs(10),
            whole_answer: Duration::from_secs(300),
            suspicion: Duration::from_secs(2),
        }
    }
}

/// When a local answer is started beside a cloud attempt that is late.
#[derive(Debug, Clone, Copy)]
pub struct HedgeSettings {
    /// Never sooner than this, however quick the route usually is.
    pub min: Duration,
    /// While too little is known of the route.
    pub unknown: Duration,
}

impl Default for HedgeSettings {
    fn default() -> Self {
        HedgeSettings { min: Duration::from_secs(2), unknown: Duration::from_secs(5) }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct ProbeSettings {
    pub interval: Duration,
    pub deadline: Duration,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        ProbeSettings { interval: Duration::from_secs(5), deadline: Duration::from_secs(2) }
    }
}

/// How one alias is served.
#[derive(Debug, Clone)]
pub struct AliasSettings {
    pub name: String,
    /// What may be asked of it. Routes of an alias for vectors are all the same model.
    pub kind: Kind,
    pub cloud: Vec<CloudRoute>,
    /// Names of local models, in order.
    pub standby: Vec<String>,
    /// What may be left out of a conversation that is too long for every route.
    pub shorten: Option<Shorten>,
    /// Nobody may use it but the roles that hold every alias, and those to whom it is granted.
    pub restricted: bool,
    /// Share of the new conversations that goes local although the cloud is there, 0 to 50.
    pub warm_share_percent: u8,
}

/// How a conversation is made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shorten {
    /// System messages stay, and the newest turns that have room.
    OldestTurns,
}

/// A model of an upstream.
#[derive(Debug, Clone)]
pub struct CloudRoute {
    /// Index into `Settings::upstreams`.
    pub upstream: usize,
    pub model: String,
    /// `upstream/model`.
    pub label: String,
    pub facts: RouteFacts,
}

/// What a route can do. What is not known is taken for a yes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteFacts {
    /// Tokens that a conversation and its answer may have together.
    pub context: Option<u32>,
    pub images: Option<bool>,
    /// Gives answers that are heard.
    pub sound: Option<bool>,
    pub web_search: Option<bool>,
    /// Calls functions.
    pub tools: Option<bool>,
    /// Calls what is no function.
    pub other_tools: Option<bool>,
    /// Answers in guaranteed JSON, or in another given form.
    pub json: Option<bool>,
    pub logprobs: Option<bool>,
    /// Answers that it gives to one request at most.
    pub most_choices: Option<u32>,
    /// Knows the tokens of the request by their numbers.
    pub token_numbers: Option<bool>,
    /// Answers in a form that this version does not know.
    pub other_formats: Option<bool>,
    /// Codes of ISO 639-1.
    pub languages: Option<Vec<String>>,
}

/// Bounds on what callers may use of the box at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub max_body_bytes: usize,
    pub max_requests: usize,
    /// Tokens of a local answer when the request names no limit.
    pub local_max_tokens: u32,
    pub of_a_key: Share,
    pub of_a_person: Share,
}

impl Limits {
    /// This part of `max_requests` is the clinical lane's alone: one of eight.
    pub const CLINICAL_PART: u32 = 8;
    /// Half of the room, and a hundred requests a second: a program that serves a whole house stays under both, and one
    /// that runs wild leaves the other half to the others and is seen in the log before the cloud's quota is gone.
    const OF_A_KEY: Share = Share { at_once: 256, per_minute: 6000 };
    /// More than two hands can ask at the portal.
    const OF_A_PERSON: Share = Share { at_once: 8, per_minute: 120 };
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_body_bytes: 8 << 20,
            max_requests: 512,
            local_max_tokens: 1024,
            of_a_key: Limits::OF_A_KEY,
            of_a_person: Limits::OF_A_PERSON,
        }
    }
}

/// What is given up when the local models have more to do than they can.
#[derive(Debug, Clone, Copy)]
pub struct BrownOutSettings {
    pub enabled: bool,
    pub lines: BrownOutLines,
    /// Tokens of an answer from the first step on, and from the second.
    pub short_answer_tokens: u32,
    pub shorter_answer_tokens: u32,
    /// On the last step, interactive requests that would wait longer are refused.
    pub max_wait: Duration,
}

impl Default for BrownOutSettings {
    fn default() -> Self {
        BrownOutSettings {
            enabled: true,
            lines: BrownOutLines::default(),
            short_answer_tokens: 512,
            shorter_answer_tokens: 256,
            max_wait: Duration::from_secs(60),
        }
    }
}

/// A key of an upstream. It never shows itself, and is wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// When drills are, and what they must reach.
#[derive(Debug, Clone)]
pub struct DrillSettings {
    /// None by itself: somebody starts each drill.
    pub schedule: Option<crate::drill::Schedule>,
    pub time_zone: jiff::tz::TimeZone,
    pub scope: crate::drill::Scope,
    /// From the cut to the restore, and the same of the long drill.
    pub carry: Duration,
    pub carry_long: Duration,
    pub prepare: Duration,
    pub load_percent: u32,
    /// More refusals of users than this end a drill, and so do slower first tokens.
    pub max_refusals: u64,
    pub max_first_token_p95: Duration,
    /// So long before a drill nobody may have warmed the standby.
    pub quiet: Duration,
    /// The socket of the helper that cuts the way out.
    pub cutter: Option<std::path::PathBuf>,
}

impl Default for DrillSettings {
    fn default() -> Self {
        let carry = Duration::from_secs(30 * 60);
        DrillSettings {
            schedule: None,
            time_zone: jiff::tz::TimeZone::system(),
            scope: crate::drill::Scope::Site,
            carry,
            carry_long: carry * 8,
            prepare: Duration::from_secs(5),
            load_percent: 30,
            max_refusals: 3,
            max_first_token_p95: Duration::from_secs(15),
            quiet: Duration::from_secs(10 * 60),
            cutter: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_out_of_the_building_is_outside() {
        let table = [
            ("https://api.example/v1", "api.example", true),
            ("https://203.0.113.1:8443/v1", "203.0.113.1:8443", true),
            ("https://[2001:db8::1]/v1", "[2001:db8::1]", true),
            ("http://127.0.0.1:9/v1", "127.0.0.1:9", false),
            ("http://localhost:9", "localhost:9", false),
            ("http://10.1.2.3/v1", "10.1.2.3", false),
            ("http://[fd00::1]:80/v1", "[fd00::1]:80", false),
        ];
        for (base_url, authority, outside) in table {
            let settings = UpstreamSettings { base_url: base_url.into(), ..UpstreamSettings::for_tests("u") };
            assert_eq!((settings.authority(), settings.is_outside()), (authority, outside), "{base_url}");
        }
    }
}
