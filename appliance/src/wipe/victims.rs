//! What is destroyed, in its order: the keys, what they sealed, everything else, and what was asked for beside it.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::mark;
use crate::config::Config;
use crate::{backup, keys};

/// Files and folders that are there now, the keys first. The key of the log is not among them.
pub(super) fn of(config: &Config, backups: bool, models: bool) -> Vec<PathBuf> {
    let data_dir = &config.data_dir;
    let mut victims = vec![keys::folder(data_dir)];
    victims.extend(key_files(&config.file));
    victims.extend(store::file_names().map(|name| data_dir.join(name)));
    victims.push(config.spool_folder.join("audit.spool"));
    let stays = [
        config.file.clone(),
        data_dir.join(mark::NAME),
        data_dir.join("box.lock"),
        data_dir.join("audit.key"),
        data_dir.join("models"),
    ];
    let mut rest: Vec<PathBuf> = entries(data_dir).filter(|path| !stays.contains(path)).collect();
    rest.sort_unstable();
    victims.extend(rest);
    if backups && let Some(settings) = &config.backup {
        victims.extend(entries(&settings.folder).filter(|path| backup::is_ours(path)));
    }
    if models {
        victims.push(data_dir.join("models"));
    }
    let mut seen = std::collections::HashSet::new();
    victims.retain(|path| std::fs::symlink_metadata(path).is_ok() && seen.insert(path.clone()));
    victims
}

/// What is still there when the victims are gone.
pub(super) fn left(config: &Config, backups: bool, models: bool) -> Vec<String> {
    let mut left = Vec::new();
    if let Some(settings) = config.backup.as_ref().filter(|_| !backups)
        && entries(&settings.folder).any(|path| backup::is_ours(&path))
    {
        left.push(format!("backups in {}, which the recovery sheet opens", settings.folder.display()));
    }
    let folder = config.data_dir.join("models");
    let files = config.locals.iter().map(|local| local.file.clone());
    let outside = files.filter(|file| file.is_file() && (!models || !file.starts_with(&folder)));
    left.extend(outside.map(|file| file.display().to_string()));
    left
}

/// The files of the cloud accounts' keys, as the configuration names them.
fn key_files(config: &Path) -> Vec<PathBuf> {
    let dir = config.parent().unwrap_or(Path::new("/"));
    let table: Table =
        std::fs::read_to_string(config).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    let upstreams = table.get("upstream").and_then(Value::as_array).into_iter().flatten();
    upstreams
        .filter_map(|upstream| upstream.get("api_key_file")?.as_str())
        .map(|file| dir.join(file))
        .collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}
