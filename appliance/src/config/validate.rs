//! From what is written to what can be used.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use continuity::{FailbackSteps, Thresholds};
use gateway::settings::{
    AliasSettings, CloudRoute, Deadlines, HedgeSettings, ProbeSettings, Settings, UpstreamSettings,
};
use inference::ModelSpec;
use inference::library::is_sha256;
use inference::plan::CacheKind;

use super::{Config, ConfigError, Problem, raw};
use crate::listen::Proxies;
use crate::pilot_light;

mod anchors;
mod backup;
mod directory;
mod drill;
mod limits;
mod oidc;
mod outside;
mod retention;
mod routes;
mod scarcity;
mod secret;
mod sign_in;
mod url;
mod vectors;

use routes::Models;

/// Proxies whose word is taken for where a request comes from.
const MAX_PROXIES: usize = 16;

/// So many threads one model may have. The engine's own bound is twice that, and there OpenMP ends a worker whose system
/// has no thread left for it.
const MAX_THREADS: u32 = 256;

pub(super) fn validate(file: PathBuf, raw: raw::Raw) -> Result<Config, ConfigError> {
    let mut check = Check::of(file, &raw.site.data_dir);
    let data_dir = check.data_dir.clone();
    let listen = "[listen]";
    let proxies = check.proxies(listen, &raw.listen.trusted_proxies)?;
    let https = raw.listen.https.map(|text| check.address(listen, "https", &text)).transpose()?;
    let http = raw.listen.http.map(|text| check.loopback(listen, "http", &text)).transpose()?;
    if https.is_none() && http.is_none() {
        return Err(
            check.wrong(listen, "nothing to listen on: give https = \"0.0.0.0:8443\", or http on loopback")
        );
    }
    let demo_control = raw.demo.map(|demo| check.loopback("[demo]", "control", &demo.control)).transpose()?;
    check.distinct("[[upstream]]", raw.upstream.iter().map(|u| u.name.as_str()))?;
    check.distinct("[[witness]]", raw.witness.iter().map(|w| w.name.as_str()))?;
    check.distinct("[[local]]", raw.local.iter().map(|l| l.name.as_str()))?;
    check.distinct("[[alias]]", raw.alias.iter().map(|a| a.name.as_str()))?;
    let limits = check.limits(&raw.limits)?;
    let drill = check.drill(raw.drill, &raw.alias)?;
    let backup = raw.backup.map(|backup| check.backup(backup, &drill.time_zone)).transpose()?;
    let retention = check.retention(&raw.retention, &drill.time_zone)?;
    let sign_in = check.sign_in(&raw.sign_in)?;
    let directory = raw.directory.map(|directory| check.directory(directory)).transpose()?;
    let oidc = raw.oidc.map(|oidc| check.oidc(oidc)).transpose()?;
    let models: Vec<_> = raw.upstream.iter().map(|u| u.model.clone()).collect();
    let brown_out = check.brown_out(&raw.brown_out)?;
    let upstreams: Vec<_> = raw.upstream.into_iter().map(|u| check.upstream(u)).collect::<Result<_, _>>()?;
    let models: Vec<_> =
        upstreams.iter().zip(models).map(|(u, models)| check.models(u, models)).collect::<Result<_, _>>()?;
    let standby_facts = raw.local.iter().map(|l| check.standby_facts(l)).collect::<Result<_, _>>()?;
    let locals: Vec<_> =
        raw.local.into_iter().map(|l| check.local(l, &data_dir)).collect::<Result<_, _>>()?;
    let aliases = raw
        .alias
        .into_iter()
        .map(|a| check.alias(a, &upstreams, &models, &locals))
        .collect::<Result<Vec<_>, _>>()?;
    check.one_kind_each(&aliases)?;
    let spool_folder =
        raw.audit.spool_folder.as_ref().map_or_else(|| data_dir.clone(), |path| check.dir.join(path));
    let anchors = check.anchors(raw.audit, &data_dir)?;
    let outside = check.outside(raw.witness, raw.site.default_witnesses, &upstreams)?;
    let site_name = raw.site.name.clone();
    let gateway = Settings {
        site_name,
        upstreams,
        aliases,
        limits,
        drill,
        standby_facts,
        brown_out,
        demo_control,
        outside,
    };
    Ok(Config {
        file: check.file,
        site_name: raw.site.name,
        data_dir,
        https,
        http,
        proxies,
        gateway,
        locals,
        sign_in,
        directory,
        oidc,
        anchors,
        spool_folder,
        backup,
        retention,
        problems: check.problems,
        plain_keys: check.plain_keys,
        unread_keys: check.unread_keys,
    })
}

struct Check {
    file: PathBuf,
    dir: PathBuf,
    data_dir: PathBuf,
    problems: Vec<Problem>,
    plain_keys: Vec<PathBuf>,
    unread_keys: Vec<PathBuf>,
}

impl Check {
    fn of(file: PathBuf, data_dir: &Path) -> Check {
        let dir = file.parent().unwrap_or(Path::new("/")).to_owned();
        let data_dir = dir.join(data_dir);
        let (problems, plain_keys, unread_keys) = (Vec::new(), Vec::new(), Vec::new());
        Check { file, dir, data_dir, problems, plain_keys, unread_keys }
    }

    fn wrong(&self, place: &str, what: impl Into<String>) -> ConfigError {
        ConfigError::Meaning { file: self.file.clone(), place: place.to_owned(), what: what.into() }
    }

    fn problem(&mut self, place: &str, what: &str) {
        self.problems.push(Problem(format!("{}: {place}: {what}", self.file.display())));
    }

    fn address(&self, place: &str, key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
        text.parse().map_err(|_| {
            self.wrong(
                place,
                format!("{key} = \"{text}\" is no address with a port, such as \"127.0.0.1:8080\""),
            )
        })
    }

    fn proxies(&self, place: &str, given: &[String]) -> Result<Proxies, ConfigError> {
        if given.len() > MAX_PROXIES {
            let what = format!("trusted_proxies names {} addresses; {MAX_PROXIES} are allowed", given.len());
            return Err(self.wrong(place, what));
        }
        let parsed = given.iter().map(|text| {
            let what = || format!("trusted_proxies: \"{text}\" is no address, such as \"10.0.0.5\"");
            text.parse().map_err(|_| self.wrong(place, what()))
        });
        Ok(Proxies::new(parsed.collect::<Result<_, _>>()?))
    }

    fn loopback(&self, place: &str, key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
        let address = self.address(place, key, text)?;
        if address.ip().is_loopback() {
            return Ok(address);
        }
        let what = format!(
            "{key} = \"{text}\" is not a loopback address: it is not encrypted, so only 127.0.0.1 or [::1] may be used"
        );
        Err(self.wrong(place, what))
    }

    /// Names are used in routes, labels and files, so they are short and plain.
    fn distinct<'a>(&self, place: &str, names: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
        let mut seen = HashSet::new();
        for name in names {
            let plain = |c: char| c.is_alphanumeric() || "-_.:".contains(c);
            if name.is_empty() || name.chars().count() > 64 || !name.chars().all(plain) {
                let what =
                    format!("name = \"{name}\": use 1 to 64 letters, digits, \"-\", \"_\", \".\" or \":\"");
                return Err(self.wrong(place, what));
            }
            if !seen.insert(name) {
                return Err(self.wrong(place, format!("the name \"{name}\" is given twice")));
            }
        }
        Ok(())
    }

    fn upstream(&mut self, raw: raw::Upstream) -> Result<UpstreamSettings, ConfigError> {
        let place = format!("[[upstream]] \"{}\"", raw.name);
        match raw.dialect.as_str() {
            "openai" => {}
            "anthropic" | "gemini" => {
                let what =
                    format!("dialect \"{}\" is not spoken by this version yet; use \"openai\"", raw.dialect);
                return Err(self.wrong(&place, what));
            }
            other => {
                return Err(self.wrong(&place, format!("dialect \"{other}\" is unknown; use \"openai\"")));
            }
        }
        let base_url = url::checked(&raw.base_url).map_err(|what| self.wrong(&place, what))?;
        let thresholds = Thresholds::try_from(raw.breaker)
            .map_err(|error| self.wrong(&format!("{place} [upstream.breaker]"), error.to_string()))?;
        let time = |key: &str, given: Option<u64>, usual: Duration| match given {
            None => Ok(usual),
            Some(ms @ 10..=3_600_000) => Ok(Duration::from_millis(ms)),
            Some(ms) => Err(self.wrong(&place, format!("{key} = {ms} must be 10 to 3600000 (milliseconds)"))),
        };
        let (usual, probe) = (Deadlines::default(), ProbeSettings::default());
        let first_token = time("first_token_timeout_ms", raw.first_token_timeout_ms, usual.first_token)?;
        let deadlines = Deadlines {
            connect: time("connect_timeout_ms", raw.connect_timeout_ms, usual.connect)?,
            headers: time("headers_timeout_ms", raw.headers_timeout_ms, first_token)?,
            first_token,
            between_tokens: time(
                "between_tokens_timeout_ms",
                raw.between_tokens_timeout_ms,
                usual.between_tokens,
            )?,
            whole_answer: time("whole_answer_timeout_ms", raw.whole_answer_timeout_ms, usual.whole_answer)?,
            suspicion: time("suspicion_ms", raw.suspicion_ms, usual.suspicion)?,
        };
        let hedge = HedgeSettings {
            min: time("hedge_min_ms", raw.hedge_min_ms, HedgeSettings::default().min)?,
            unknown: time("hedge_unknown_ms", raw.hedge_unknown_ms, HedgeSettings::default().unknown)?,
        };
        let probe = ProbeSettings {
            interval: time("probe_interval_ms", raw.probe_interval_ms, probe.interval)?,
            deadline: time("probe_deadline_ms", raw.probe_deadline_ms, probe.deadline)?,
        };
        let mut failback = FailbackSteps::default();
        let steps = [raw.failback.first_step_ms, raw.failback.second_step_ms];
        for (step, (key, given)) in
            failback.ramp.iter_mut().zip(["first_step_ms", "second_step_ms"].iter().zip(steps))
        {
            step.lasts = time(key, given, step.lasts)?;
        }
        failback.hold_down_first =
            time("hold_down_first_ms", raw.failback.hold_down_first_ms, failback.hold_down_first)?;
        failback.blind_hold_down =
            time("blind_hold_down_ms", raw.failback.blind_hold_down_ms, failback.blind_hold_down)?;
        let api_key = self.secret(&place, &raw.api_key_file);
        let extra_roots_pem = match &raw.ca_file {
            Some(path) => Some(self.roots(&place, path)?),
            None => None,
        };
        Ok(UpstreamSettings {
            name: raw.name,
            base_url,
            api_key,
            extra_roots_pem,
            deadlines,
            hedge,
            probe,
            thresholds,
            failback,
            demo: raw.demo,
        })
    }

    fn roots(&self, place: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
        let path = self.dir.join(path);
        std::fs::read(&path).map_err(|error| {
            self.wrong(place, format!("ca_file {}: cannot be read ({error})", path.display()))
        })
    }

    fn local(&mut self, raw: raw::Local, data_dir: &Path) -> Result<ModelSpec, ConfigError> {
        let place = format!("[[local]] \"{}\"", raw.name);
        let file = self.model_file(&place, &raw.file, data_dir);
        let program = std::env::current_exe().map_err(|error| {
            self.wrong(&place, format!("the path of this program cannot be found ({error})"))
        })?;
        let (kind, pooling) = self.purpose(&place, &raw)?;
        let mut spec = ModelSpec::new(raw.name, file, program).of_kind(kind);
        spec.pooling = pooling;
        let within = |key: &str, given: Option<u32>, usual: u32, min: u32, max: u32| match given {
            None => Ok(usual),
            Some(n) if (min..=max).contains(&n) => Ok(n),
            Some(n) => Err(self.wrong(&place, format!("{key} = {n} must be {min} to {max}"))),
        };
        spec.context_cells = within("context_cells", raw.context_cells, spec.context_cells, 256, 1 << 22)?;
        spec.sequences = within("sequences", raw.sequences, spec.sequences, 1, 256)?;
        let spared = spec.sequences - 1;
        spec.clinical_reserve =
            raw.clinical_reserve.map(|n| within("clinical_reserve", Some(n), n, 0, spared)).transpose()?;
        spec.queue_limit = within("queue_limit", raw.queue_limit, spec.queue_limit, 0, 1 << 16)?;
        spec.cache = match raw.cache.as_deref() {
            None => spec.cache,
            Some(name) => CacheKind::named(name).ok_or_else(|| {
                self.wrong(&place, format!("cache = \"{name}\" must be \"f16\" or \"q8_0\""))
            })?,
        };
        if raw.sha256.as_deref().is_some_and(|hash| !is_sha256(hash)) {
            let what = "sha256 must be 64 digits of 0-9 and a-f: `sha256sum FILE` prints them";
            return Err(self.wrong(&place, what));
        }
        spec.sha256 = raw.sha256;
        spec.on_cpu = match raw.device.as_deref() {
            // The last rung depends on no driver, and a model so small is no faster on a GPU.
            None => raw.file.file_name() == Some(pilot_light::FILE_NAME.as_ref()),
            Some("cpu") => true,
            Some("gpu") => false,
            Some(other) => {
                let what = format!("device = \"{other}\" must be \"cpu\" or \"gpu\"");
                return Err(self.wrong(&place, what));
            }
        };
        spec.gpu_layers = raw.gpu_layers.map(|n| within("gpu_layers", Some(n), n, 1, 10_000)).transpose()?;
        if spec.on_cpu && spec.gpu_layers.is_some() {
            return Err(self.wrong(&place, "gpu_layers is for a model on a GPU, and this one is on the CPU"));
        }
        spec.replicas = raw.replicas.map(|n| within("replicas", Some(n), n, 1, 64)).transpose()?;
        spec.resident = raw.resident.unwrap_or(true);
        let grows = &mut spec.growth.percent;
        *grows = within("max_growth_percent", raw.max_growth_percent, *grows, 10, 1000)?;
        spec.threads = raw.threads.map(|n| within("threads", Some(n), n, 1, MAX_THREADS)).transpose()?;
        Ok(spec)
    }

    /// Beside the configuration, or in the data folder's `models`, where an import puts it that comes later. The pilot light
    /// is in the program itself, so that a box is never without it.
    fn model_file(&mut self, place: &str, path: &Path, data_dir: &Path) -> PathBuf {
        let models = data_dir.join("models");
        let places = [self.dir.join(path), models.join(path)];
        if let Some(found) = places.iter().find(|candidate| candidate.is_file()) {
            return found.clone();
        }
        if path == Path::new(pilot_light::FILE_NAME) {
            return models.join(path);
        }
        let there = places.iter().find(|candidate| candidate.exists());
        let what = match there {
            Some(there) => format!("file {} is no file. Name the GGUF file itself.", there.display()),
            None => format!(
                "file {}: there is no such model, neither there nor in {}. Put the GGUF file there, or correct the path.",
                places[0].display(),
                models.display()
            ),
        };
        self.problem(place, &what);
        let [beside, imported] = places;
        if path.components().count() == 1 { imported } else { beside }
    }

    fn alias(
        &self,
        raw: raw::Alias,
        upstreams: &[UpstreamSettings],
        models: &[Models],
        locals: &[ModelSpec],
    ) -> Result<AliasSettings, ConfigError> {
        let place = format!("[[alias]] \"{}\"", raw.name);
        if raw.cloud.is_empty() && raw.standby.is_empty() {
            return Err(
                self.wrong(&place, "give cloud = [\"upstream/model\"], standby = [\"local model\"], or both")
            );
        }
        let kind = self.alias_kind(&place, &raw, locals)?;
        let cloud = raw.cloud.into_iter().map(|label| {
            let Some((upstream, model)) = label.split_once('/').filter(|(_, model)| !model.is_empty()) else {
                return Err(self.wrong(&place, format!("cloud route \"{label}\" must be \"upstream/model\"")));
            };
            let Some(index) = upstreams.iter().position(|known| known.name == upstream) else {
                let what =
                    format!("cloud route \"{label}\": there is no [[upstream]] with the name \"{upstream}\"");
                return Err(self.wrong(&place, what));
            };
            let facts = models[index].get(model).cloned().unwrap_or_default();
            Ok(CloudRoute { upstream: index, model: model.to_owned(), label, facts })
        });
        let cloud = cloud.collect::<Result<_, _>>()?;
        if let Some(unknown) =
            raw.standby.iter().find(|name| !locals.iter().any(|local| &local.name == *name))
        {
            let what = format!("standby \"{unknown}\": there is no [[local]] with this name");
            return Err(self.wrong(&place, what));
        }
        let shorten = self.shorten(&place, raw.shorten.as_deref())?;
        let warm_share_percent = self.warm_share(&place, raw.warm_share_percent)?;
        let raw::Alias { name, standby, restricted, .. } = raw;
        Ok(AliasSettings { name, kind, cloud, standby, shorten, restricted, warm_share_percent })
    }
}
