//! `[audit]`: where checkpoints are written down outside the box.

use std::path::Path;

use super::{Check, raw};
use crate::audit_keeper::AnchorSettings;
use crate::config::ConfigError;

impl Check {
    pub(super) fn anchors(&self, raw: raw::Audit, data_dir: &Path) -> Result<AnchorSettings, ConfigError> {
        let file = raw.anchor_file.map(|path| self.dir.join(path));
        if let Some(path) = file.as_ref().filter(|path| path.starts_with(data_dir)) {
            let what = format!(
                "anchor_file {}: lies in the data folder, where whoever changes the log can change it too. Give a path \
                 on removable media",
                path.display()
            );
            return Err(self.wrong("[audit]", what));
        }
        Ok(AnchorSettings { file, syslog: raw.anchor_syslog.map(|path| self.dir.join(path)) })
    }
}
