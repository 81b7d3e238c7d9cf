//! How long conversations are kept where no department says it, and when the nightly sweep is.

use jiff::tz::TimeZone;
use store::KEEP_DAYS;

use super::{Check, ConfigError, raw};
use crate::config::RetentionSettings;

const PLACE: &str = "[retention]";

impl Check {
    pub(super) fn retention(
        &self,
        raw: &raw::Retention,
        time_zone: &TimeZone,
    ) -> Result<RetentionSettings, ConfigError> {
        if let Some(days) = raw.conversation_days.filter(|days| !KEEP_DAYS.contains(days)) {
            let (least, most) = (KEEP_DAYS.start(), KEEP_DAYS.end());
            return Err(self.wrong(PLACE, format!("conversation_days = {days} must be {least} to {most}")));
        }
        let at = self.time_of_day(PLACE, raw.at.as_deref().unwrap_or("02:00"))?;
        Ok(RetentionSettings { conversation_days: raw.conversation_days, at, time_zone: time_zone.clone() })
    }
}
