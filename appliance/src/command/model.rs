//! `genset model`: the library of models, and what each of them takes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use inference::gguf::{self, Gguf, GgufError};
use inference::library::{self, Entry, Library, LibraryError};
use inference::plan::{Plan, Size, plan};
use inference::{ModelSpec, Pooling, kind, worker};
use serde_json::json;

use crate::cli::{Failure, ModelCommand, say, tell};
use crate::config::Config;
use crate::models::{self, Voucher};
use crate::pilot_light;

/// What is said of the pilot light's file in a box that has never run.
const TO_COME: &str = "the box writes it at its start";

pub(crate) async fn run(command: ModelCommand) -> Result<ExitCode, Failure> {
    match command {
        ModelCommand::Import { source, name, config } => {
            import(&super::load(&config.file)?, &source, name).await
        }
        ModelCommand::List(config) => list(&super::load(&config.file)?),
        ModelCommand::Verify { name, config } => verify(&super::load(&config.file)?, name.as_deref()),
        ModelCommand::Accept { name, config } => accept(&super::load(&config.file)?, &name).await,
        ModelCommand::Plan { name, config } => plan_of(&super::load(&config.file)?, &name),
        ModelCommand::Remove { name, config } => remove(&super::load(&config.file)?, &name).await,
    }
}

async fn import(config: &Config, source: &Path, name: Option<String>) -> Result<ExitCode, Failure> {
    let stem = || source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = name.unwrap_or_else(stem);
    let store = super::open_to_change(config).await?;
    let library = library(config);
    let before = library.entry(&name).ok();
    let mut told = Told::default();
    let unusable = |error: LibraryError| match error {
        LibraryError::Disk(path, why) if path == source => {
            failure(&GgufError::Unreadable(path, why.kind()).into())
        }
        error => failure(&error),
    };
    let imported = library.import(source, &name, |share| told.so_far("copied", share)).map_err(unusable)?;
    let (sha256, bytes) = (imported.sha256.clone(), imported.size_bytes);
    tell(&described(&imported.gguf));
    let detail = json!({"name": name, "sha256": sha256, "size_bytes": bytes, "by": super::who()});
    let kept = async { library.keep(imported, &name).map_err(|error| failure(&error)) };
    super::recorded(&store, "model-imported", detail, kept).await?;
    store.close().await;
    tell(&format!("SHA-256 {sha256}"));
    if let Some(before) = before.filter(|before| before.sha256 != sha256) {
        tell(&replaced(config, &name, &before));
    }
    say(&format!("{name}.gguf"));
    Ok(ExitCode::SUCCESS)
}

/// What becomes of the file that had this name before.
fn replaced(config: &Config, name: &str, before: &Entry) -> String {
    let link = config.data_dir.join("models").join(format!("{name}.gguf"));
    let users: Vec<&str> = users(config, &link).map(|spec| spec.name.as_str()).collect();
    let old = format!("sha256-{}", before.sha256);
    let room = format!("`genset model remove {old}` frees the room of the one that had this name before");
    if users.is_empty() {
        return format!("{room}.");
    }
    let users = users.join(", ");
    format!("A running box goes on serving that one as {users}: restart it to serve this one; then {room}.")
}

fn list(config: &Config) -> Result<ExitCode, Failure> {
    for (name, file) in all(config)? {
        let users: Vec<&str> = users(config, &file).map(|spec| spec.name.as_str()).collect();
        let used =
            if users.is_empty() { "not used".to_owned() } else { format!("used by {}", users.join(", ")) };
        let facts = match gguf::inspect(&file) {
            Ok(gguf) => described(&gguf),
            Err(_) if is_to_come(config, &file) => TO_COME.to_owned(),
            Err(error) => error.to_string(),
        };
        let hash = library::by_name(&file);
        let hash = hash.as_deref().map_or("in no library", |hash| &hash[..12]);
        say(&format!("{name}\t{hash}\t{used}\t{facts}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a file says of its model, on one line.
fn described(gguf: &Gguf) -> String {
    let shape = &gguf.shape;
    let made = kind::pooling_of(gguf).map_or(String::new(), |pooling| match pooling {
        Pooling::Rank => ", scores documents".to_owned(),
        pooling => format!(", makes vectors ({})", pooling.name()),
    });
    let window = shape.sliding_window.map_or(String::new(), |window| format!(", window {window}"));
    format!(
        "{} {}, {}, {} layers, {} heads of {} ({} for keys and values), context {}{window}, {} of context a token{made}",
        gguf.architecture,
        gguf.quantisation,
        Size(gguf.size_bytes),
        shape.layers,
        shape.heads,
        shape.key_length,
        shape.kv_heads,
        shape.context,
        Size(shape.kv_bytes_per_token()),
    )
}

fn verify(config: &Config, only: Option<&str>) -> Result<ExitCode, Failure> {
    let store = super::open_store(config)?;
    let mut all_fine = true;
    let wanted = only.map_or_else(|| all(config), |name| named(config, name))?;
    for (name, file) in wanted {
        let spec = users(config, &file).next().cloned();
        let spec = spec.unwrap_or_else(|| ModelSpec::new(&name, &file, ""));
        let expected = models::expected(&spec, &config.data_dir, &store)
            .map_err(|error| Failure::Failed(error.to_string()))?;
        let mut told = Told::default();
        let found = library::sha256_of(&file, |share| told.so_far(&name, share));
        let (word, detail) = match (found, expected) {
            (Ok(found), Some((expected, _))) if found == expected => ("fine", found),
            (Ok(found), None) => ("not seen before", found),
            (Ok(found), Some((expected, _))) => ("WRONG", format!("{found} and must be {expected}")),
            (Err(_), _) if is_to_come(config, &file) => ("not there yet", TO_COME.to_owned()),
            (Err(error), _) => ("WRONG", error.to_string()),
        };
        all_fine &= word != "WRONG";
        say(&format!("{name}\t{word}\t{detail}"));
    }
    Ok(if all_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn accept(config: &Config, name: &str) -> Result<ExitCode, Failure> {
    let spec = local(config, name)?;
    let store = super::open_to_change(config).await?;
    let failed = |error: store::StoreError| Failure::Failed(error.to_string());
    let mend = match models::expected(spec, &config.data_dir, &store).map_err(failed)? {
        Some((_, Voucher::Configuration)) => Some("change its sha256 in the configuration"),
        Some((_, Voucher::Library)) => Some("its file is called by its SHA-256; import the new one"),
        Some((_, Voucher::Program)) => {
            Some("the pilot light is part of the program, which puts it back at its start")
        }
        Some((_, Voucher::FirstSight)) | None => None,
    };
    if let Some(mend) = mend {
        return Err(Failure::Unusable(format!("[[local]] \"{name}\": {mend}")));
    }
    let path = spec.file.display();
    let mut told = Told::default();
    let sha256 = library::sha256_of(&spec.file, |share| told.so_far(name, share))
        .map_err(|error| Failure::Unusable(error.to_string()))?;
    let detail = json!({"name": name, "sha256": sha256, "by": super::who()});
    let by = (store::COMMAND_LINE, "model-accepted");
    models::vouch(&store, by, &spec.file, &sha256, detail).await.map_err(failed)?;
    store.close().await;
    tell(&format!(
        "{path} must have the SHA-256 {sha256} from now on. A running box hears of it at its next start."
    ));
    Ok(ExitCode::SUCCESS)
}

fn plan_of(config: &Config, name: &str) -> Result<ExitCode, Failure> {
    let spec = local(config, name)?;
    let gguf = gguf::inspect(&spec.file).map_err(|error| Failure::Unusable(error.to_string()))?;
    let Some(free) = worker::free_memory(spec) else {
        return Err(Failure::Failed("this machine does not tell how much memory is free".into()));
    };
    let plan = plan(&gguf, spec.wish(), free);
    say(&format!("{name} {plan}"));
    Ok(if matches!(plan, Plan::Fits { .. }) { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

async fn remove(config: &Config, name: &str) -> Result<ExitCode, Failure> {
    let library = library(config);
    let entry = library.entry(name).map_err(|error| failure(&error))?;
    let link = config.data_dir.join("models").join(format!("{name}.gguf"));
    let has_others = library.has_other_names(&entry).map_err(|error| failure(&error))?;
    if let Some(user) = users(config, &link).find(|user| !has_others || user.file == link) {
        let mend = "give it another file, or take it out of the configuration first";
        return Err(Failure::Unusable(format!(
            "\"{name}\" is the model of [[local]] \"{}\": {mend}",
            user.name
        )));
    }
    let store = super::open_to_change(config).await?;
    let detail = json!({"name": name, "sha256": entry.sha256, "by": super::who()});
    let removed = async { library.remove(name).map_err(|error| failure(&error)) };
    super::recorded(&store, "model-removed", detail, removed).await?;
    store.close().await;
    tell(&format!("\"{name}\" is removed."));
    Ok(ExitCode::SUCCESS)
}

fn library(config: &Config) -> Library {
    Library::new(config.data_dir.join("models"))
}

fn local<'a>(config: &'a Config, name: &str) -> Result<&'a ModelSpec, Failure> {
    let found = config.locals.iter().find(|spec| spec.name == name);
    found.ok_or_else(|| Failure::Unusable(format!("there is no [[local]] with the name \"{name}\"")))
}

/// What the library holds, and then the files of the configuration that are not in it.
fn all(config: &Config) -> Result<Vec<(String, PathBuf)>, Failure> {
    let entries = library(config).entries().map_err(|error| failure(&error))?;
    let mut all: Vec<_> = entries.into_iter().map(|entry| (entry.name, entry.file)).collect();
    let known: Vec<_> = all.iter().map(|(_, file)| resolved(file)).collect();
    let own = config.locals.iter().filter(|spec| !known.contains(&resolved(&spec.file)));
    all.extend(own.map(|spec| (spec.name.clone(), spec.file.clone())));
    Ok(all)
}

/// What has this name in the library, in the configuration, or in both.
fn named(config: &Config, name: &str) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut found = all(config)?;
    found.retain(|(known, _)| known == name);
    if let Some(spec) = config.locals.iter().find(|spec| spec.name == name)
        && !found.iter().any(|(_, file)| resolved(file) == resolved(&spec.file))
    {
        found.push((name.to_owned(), spec.file.clone()));
    }
    if found.is_empty() { Err(failure(&LibraryError::Unknown(name.to_owned()))) } else { Ok(found) }
}

/// The local models that are this file, by whatever path.
fn users<'a>(config: &'a Config, file: &Path) -> impl Iterator<Item = &'a ModelSpec> {
    let file = resolved(file);
    config.locals.iter().filter(move |spec| resolved(&spec.file) == file)
}

/// The file that a path leads to; a path that leads to none, as it is written.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The pilot light is part of the program, and its file is there once the box has run.
fn is_to_come(config: &Config, file: &Path) -> bool {
    file == pilot_light::file_in(&config.data_dir) && !file.exists()
}

fn failure(error: &LibraryError) -> Failure {
    match error {
        LibraryError::Disk(..) => Failure::Failed(error.to_string()),
        error => Failure::Unusable(error.to_string()),
    }
}

/// Says how far a long reading is, each tenth once.
#[derive(Default)]
struct Told(u8);

impl Told {
    fn so_far(&mut self, what: &str, share: f32) {
        let tenth = (share * 10.0) as u8;
        if tenth > self.0 && tenth < 10 {
            self.0 = tenth;
            tell(&format!("{what}: {tenth}0 %"));
        }
    }
}

#[cfg(test)]
mod tests;
