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
        let at = raw.at.as_deref().unwrap_or("02:30");
        let time = at
            .split_once(':')
            .and_then(|(hour, minute)| Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok());
        let wrong = format!("at = \"{at}\" is no time of day; write \"02:30\"");
        let keep = raw.keep.unwrap_or(14);
        if !(1..=3650).contains(&keep) {
            return Err(self.wrong(PLACE, format!("keep = {keep} must be 1 to 3650")));
        }
        Ok(BackupSettings {
            folder: self.dir.join(raw.folder),
            at: time.ok_or_else(|| self.wrong(PLACE, wrong))?,
            time_zone: time_zone.clone(),
            keep,
        })
    }
}
