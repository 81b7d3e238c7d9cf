//! What the configuration says about scarce local models.

use std::time::Duration;

use gateway::settings::BrownOutSettings;

use super::{Check, ConfigError, raw};

/// More than half of the traffic is no way of keeping a standby warm.
const MAX_WARM_SHARE_PERCENT: u8 = 50;

impl Check {
    pub(super) fn brown_out(&self, raw: &raw::BrownOut) -> Result<BrownOutSettings, ConfigError> {
        let place = "[brown_out]";
        let time = |key: &str, given: Option<u64>, usual: Duration| match given {
            None => Ok(usual),
            Some(ms @ 0..=3_600_000) => Ok(Duration::from_millis(ms)),
            Some(ms) => Err(self.wrong(place, format!("{key} = {ms} must be 0 to 3600000 (milliseconds)"))),
        };
        let tokens = |key: &str, given: Option<u32>, usual: u32| match given {
            Some(0) => Err(self.wrong(place, format!("{key} = 0 must be 1 or more"))),
            given => Ok(given.unwrap_or(usual)),
        };
        let mut settings = BrownOutSettings::default();
        let lines = &mut settings.lines;
        lines.climb_wait = time("climb_wait_ms", raw.climb_wait_ms, lines.climb_wait)?;
        lines.climb_after = time("climb_after_ms", raw.climb_after_ms, lines.climb_after)?;
        lines.settle_wait = time("settle_wait_ms", raw.settle_wait_ms, lines.settle_wait)?;
        lines.settle_after = time("settle_after_ms", raw.settle_after_ms, lines.settle_after)?;
        if lines.settle_wait > lines.climb_wait {
            return Err(self.wrong(place, "settle_wait_ms must not be more than climb_wait_ms"));
        }
        settings.enabled = raw.enabled.unwrap_or(settings.enabled);
        settings.max_wait = time("max_wait_ms", raw.max_wait_ms, settings.max_wait)?;
        settings.short_answer_tokens =
            tokens("short_answer_tokens", raw.short_answer_tokens, settings.short_answer_tokens)?;
        settings.shorter_answer_tokens =
            tokens("shorter_answer_tokens", raw.shorter_answer_tokens, settings.shorter_answer_tokens)?;
        Ok(settings)
    }

    /// The share of new conversations that keeps the way to the standby travelled.
    pub(super) fn warm_share(&self, place: &str, given: Option<u8>) -> Result<u8, ConfigError> {
        match given.unwrap_or(0) {
            percent @ 0..=MAX_WARM_SHARE_PERCENT => Ok(percent),
            percent => {
                let what = format!(
                    "warm_share_percent = {percent} must be 0 to {MAX_WARM_SHARE_PERCENT}; 2 is enough"
                );
                Err(self.wrong(place, what))
            }
        }
    }
}
