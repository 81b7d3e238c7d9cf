//! The drills of the configuration: when, how long, how much load.

use std::time::Duration;

use gateway::Scope;
use gateway::settings::DrillSettings;
use jiff::tz::TimeZone;

use super::{Check, ConfigError, raw};

const PLACE: &str = "[drill]";

impl Check {
    pub(super) fn drill(
        &self,
        raw: raw::Drill,
        aliases: &[raw::Alias],
    ) -> Result<DrillSettings, ConfigError> {
        let usual = DrillSettings::default();
        let wrong = |what: String| self.wrong(PLACE, what);
        let within = |key: &str, given: Option<u64>, usual: u64, min: u64, max: u64| match given {
            None => Ok(usual),
            Some(n) if (min..=max).contains(&n) => Ok(n),
            Some(n) => Err(self.wrong(PLACE, format!("{key} = {n} must be {min} to {max}"))),
        };
        let minutes = within("minutes", raw.minutes, usual.carry.as_secs() / 60, 1, 240)?;
        let seconds = within("duration_s", raw.duration_s, minutes * 60, 1, 14_400)?;
        let carry = Duration::from_secs(seconds);
        let scope: Scope = match &raw.scope {
            Some(text) => text.parse().map_err(|error| wrong(format!("scope = {error}")))?,
            None => usual.scope,
        };
        if let Scope::Alias(name) = &scope
            && !aliases.iter().any(|alias| alias.name == *name)
        {
            return Err(wrong(format!("scope = \"{scope}\": there is no [[alias]] with this name")));
        }
        let schedule = raw.schedule.map(|text| text.parse()).transpose();
        let time_zone = match &raw.time_zone {
            Some(name) => TimeZone::get(name).map_err(|_| {
                wrong(format!("time_zone = \"{name}\" is unknown; write a name such as \"Asia/Seoul\""))
            })?,
            None => usual.time_zone,
        };
        let p95_ms = within("max_first_token_p95_ms", raw.max_first_token_p95_ms, 15_000, 100, 600_000)?;
        Ok(DrillSettings {
            schedule: schedule.map_err(|error| wrong(format!("schedule = {error}")))?,
            time_zone,
            scope,
            carry,
            // 4 hours where a drill has its usual 30 minutes, and never more.
            carry_long: (carry * 8).min(Duration::from_secs(4 * 60 * 60)).max(carry),
            prepare: usual.prepare.min(carry / 4),
            load_percent: within("load_percent", raw.load_percent.map(u64::from), 30, 0, 100)? as u32,
            max_refusals: within("max_refusals", raw.max_refusals, usual.max_refusals, 0, 1_000_000)?,
            max_first_token_p95: Duration::from_millis(p95_ms),
            quiet: Duration::from_secs(60 * within("quiet_minutes", raw.quiet_minutes, 10, 0, 1440)?),
            cutter: raw.cutter.map(|path| self.dir.join(path)),
        })
    }
}
