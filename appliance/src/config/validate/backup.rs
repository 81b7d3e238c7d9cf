//! The backups of the configuration: where to, at what hour, and how many are kept.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::{Check, ConfigError, raw};
use crate::config::BackupSettings;

const PLACE: &str = "[backup]";

impl Check {
    pub(super) fn backup(
        &self,
        raw: raw::Backup,
        time_zone: &TimeZone,
    ) -> Result<BackupSettings, ConfigError> {
        let keep = raw.keep.unwrap_or(14);
        if !(1..=3650).contains(&keep) {
            return Err(self.wrong(PLACE, format!("keep = {keep} must be 1 to 3650")));
        }
        Ok(BackupSettings {
            folder: self.dir.join(raw.folder),
            at: self.time_of_day(PLACE, raw.at.as_deref().unwrap_or("02:30"))?,
            time_zone: time_zone.clone(),
            keep,
        })
    }
    /// The key `at`: a time of day.
    pub(super) fn time_of_day(&self, place: &str, at: &str) -> Result<Time, ConfigError> {
        let time = at
            .split_once(':')
            .and_then(|(hour, minute)| Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok());
        let wrong = || self.wrong(place, format!("at = \"{at}\" is no time of day; write \"02:30\""));
        time.ok_or_else(wrong)
    }
}
