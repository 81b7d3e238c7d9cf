//! What goes into a backup, and the configuration with which a restored box starts.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::BackupError;
use crate::keys;

/// What is under a name in the archive.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Text(String),
}

pub(super) type Plan = Vec<(String, Source)>;

/// The configuration, the copies of the databases, the certificates and keys, and what the configuration points to.
pub(super) fn of(config: &Path, data_dir: &Path, copies: &Path) -> Result<Plan, BackupError> {
    let wrong = |what: String| BackupError::Config { path: config.to_owned(), what };
    let original = std::fs::read_to_string(config).map_err(|error| wrong(error.to_string()))?;
    let mut table: Table = original.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let mut plan = Plan::new();
    let dir = config.parent().unwrap_or(Path::new("/"));
    gather(&mut table, dir, &mut plan);
    let text = toml::to_string(&table).map_err(|error| wrong(error.to_string()))?;
    plan.push(("genset.toml".to_owned(), Source::Text(text)));
    plan.push(("genset.original.toml".to_owned(), Source::Text(original)));
    for name in store::file_names() {
        plan.push((format!("data/{name}"), Source::File(copies.join(name))));
    }
    let signing = data_dir.join("audit.key");
    if signing.is_file() {
        plan.push(("data/audit.key".to_owned(), Source::File(signing)));
    }
    for folder in [data_dir.join("tls"), keys::folder(data_dir)] {
        let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for file in files.map(|file| file.path()).filter(|file| file.is_file()) {
            if let Ok(name) = file.strip_prefix(data_dir) {
                plan.push((format!("data/{}", name.display()), Source::File(file.clone())));
            }
        }
    }
    Ok(plan)
}

/// The rows that wait for the log: a restored box chains them in at its first start.
pub(super) fn of_spool(waiting: String) -> Option<(String, Source)> {
    (!waiting.is_empty()).then(|| ("data/audit.spool".to_owned(), Source::Text(waiting)))
}

/// Takes the files that the configuration points to along, and makes its paths those of a restored box. What is too
/// large for a backup (models) or belongs to the machine keeps its place, written out in full.
fn gather(table: &mut Table, dir: &Path, plan: &mut Plan) {
    if let Some(site) = table.get_mut("site").and_then(Value::as_table_mut) {
        site.insert("data_dir".to_owned(), Value::from("data"));
    }
    let upstreams = table.get_mut("upstream").and_then(Value::as_array_mut).into_iter().flatten();
    for (number, upstream) in upstreams.filter_map(Value::as_table_mut).enumerate() {
        for key in ["api_key_file", "ca_file"] {
            take_along(upstream, key, format!("files/upstream-{}-{key}", number + 1), dir, plan);
        }
    }
    if let Some(oidc) = table.get_mut("oidc").and_then(Value::as_table_mut) {
        for key in ["client_secret_file", "ca_file"] {
            take_along(oidc, key, format!("files/oidc-{key}"), dir, plan);
        }
    }
    let directory = table.get_mut("directory").and_then(Value::as_table_mut);
    if let Some(directory) = directory {
        for key in ["bind_password_file", "ca_file"] {
            take_along(directory, key, format!("files/directory-{key}"), dir, plan);
        }
    }
    for (section, key) in [
        ("drill", "cutter"),
        ("backup", "folder"),
        ("audit", "anchor_file"),
        ("audit", "anchor_syslog"),
        ("audit", "spool_folder"),
    ] {
        let section = table.get_mut(section).and_then(Value::as_table_mut);
        if let Some(Value::String(path)) = section.and_then(|section| section.get_mut(key)) {
            *path = dir.join(&*path).display().to_string();
        }
    }
    let locals = table.get_mut("local").and_then(Value::as_array_mut).into_iter().flatten();
    for local in locals.filter_map(Value::as_table_mut) {
        if let Some(Value::String(path)) = local.get_mut("file")
            && dir.join(&*path).is_file()
        {
            *path = dir.join(&*path).display().to_string();
        }
    }
}

/// Takes the file of a key along under a name of the archive, where it is there.
fn take_along(table: &mut Table, key: &str, name: String, dir: &Path, plan: &mut Plan) {
    let Some(Value::String(path)) = table.get_mut(key) else { return };
    let file = dir.join(&*path);
    if file.is_file() {
        path.clone_from(&name);
        plan.push((name, Source::File(file)));
    }
}
