//! The box as a whole: built from its configuration, then run until it is told to stop.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use gateway::{BuildError, Door, Gateway, Monitor};
use inference::gpus::GpuWatch;
use inference::{LoadLine, LocalModel, Replicas};
use prometheus_client::registry::Registry;
use store::{DirectoryRules, Store};
use web::{IdentityProvider, Portal, PortalOptions};

use crate::audit_keeper::{self, AuditKeeper};
use crate::cli::Failure;
use crate::config::Config;
use crate::directory::{DirectoryClient, DirectoryKeeper, DirectorySettings};
use crate::keeping::{self, Keeping};
use crate::listen::{Listener, Proxies};
use crate::models::{self, FirstSight};
use crate::oidc::{Oidc, OidcSettings};
use crate::supervisor::{Floor, Supervisor};
use crate::{host, pilot_light, tls};

/// Everything built and bound; nothing runs yet.
pub(crate) struct App {
    store: Store,
    models: Vec<(String, Replicas)>,
    gpu_watch: GpuWatch,
    first_sight: FirstSight,
    pilot_light: Option<LocalModel>,
    monitor: Monitor,
    audit_keeper: AuditKeeper,
    keeping: Keeping,
    directory: Option<DirectoryKeeper>,
    oidc: Option<Arc<Oidc>>,
    data_dir: PathBuf,
    spool_folder: PathBuf,
    listeners: Vec<Listener>,
    router: Router,
    proxies: Arc<Proxies>,
    /// Held as long as the box lives: two boxes on one data folder would each keep breakers and outages of their own.
    _data_lock: File,
}

impl App {
    /// Opens the store, makes the parts, binds the addresses.
    ///
    /// # Errors
    /// One line with the place and the mend.
    pub(crate) async fn build(config: Config) -> Result<App, Failure> {
        if let Some(wiped) = crate::wipe::refusal(&config.data_dir) {
            return Err(Failure::Unusable(wiped));
        }
        let whole = config.clone();
        let store = Store::open(&config.data_dir).map_err(|error| Failure::Failed(error.to_string()))?;
        let store = store
            .with_sign_in_rules(config.sign_in)
            .with_site_name(&config.site_name)
            .with_keep_days(config.retention.conversation_days);
        let (store, directory) = with_directory(store, config.directory.clone());
        let data_lock = claim(&config)?;
        let listeners = bind(&config).await?;
        place_pilot_light(&config);
        let mut registry = Registry::with_prefix("genset");
        host::register(&mut registry, config.data_dir.clone());
        keeping::register(&mut registry, store.clone());
        audit_keeper::register(&mut registry, store.audit.clone());
        let (gpu_watch, gpus) = GpuWatch::new();
        let (mut locals, mut models, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
        let mut pilot_light = None;
        let line = LoadLine::default();
        for mut spec in config.locals {
            let expected = models::expected(&spec, &config.data_dir, &store)
                .map_err(|error| Failure::Failed(error.to_string()))?;
            spec.sha256 = expected.map(|(sha256, _)| sha256);
            let (name, file, is_new) = (spec.name.clone(), spec.file.clone(), spec.sha256.is_none());
            let (model, replicas) = LocalModel::new(spec);
            if file == pilot_light::file_in(&config.data_dir) {
                pilot_light = Some(model.clone());
            }
            if is_new {
                unseen.push((model.clone(), file));
            }
            locals.push(model);
            models.push((name, replicas.with_gpus(gpus.clone()).in_line(&line)));
        }
        let first_sight = FirstSight { store: store.clone(), models: unseen };
        let (gateway, monitor) = Gateway::build(config.gateway, locals, store.clone(), &mut registry)
            .map_err(|error| unbuilt(&error, &config.file, &config.data_dir))?;
        let monitor = monitor.with_gpus(gpus);
        let oidc = build_oidc(config.oidc, &config.file)?;
        let options = PortalOptions {
            site_name: config.site_name.clone(),
            identity_provider: oidc.clone().map(|oidc| oidc as Arc<dyn IdentityProvider>),
        };
        let portal = Portal::new(gateway.clone(), store.clone(), options);
        let router = Door::new(gateway, Arc::new(registry)).router().merge(portal.router());
        tell_first_steps(&store, &config.file);
        let audit_keeper = AuditKeeper::new(store.clone(), config.anchors);
        let keeping = Keeping::new(store.clone(), whole);
        let (data_dir, spool_folder) = (config.data_dir, config.spool_folder);
        Ok(App {
            store,
            models,
            gpu_watch,
            first_sight,
            pilot_light,
            monitor,
            audit_keeper,
            keeping,
            directory,
            oidc,
            data_dir,
            spool_folder,
            listeners,
            router,
            proxies: Arc::new(config.proxies),
            _data_lock: data_lock,
        })
    }

    /// Runs until `stop` resolves; true when the box stopped by that order.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) -> bool {
        keeping::begin_life(&self.store);
        keep_spool(&self.store, &self.data_dir, &self.spool_folder).await;
        let mut supervisor = Supervisor::new();
        for (name, replicas) in self.models {
            let cancel = supervisor.token(Floor::Keepers);
            supervisor.spawn(Floor::Keepers, format!("workers of {name}"), replicas.run(cancel));
        }
        let cancel = supervisor.token(Floor::Monitor);
        supervisor.spawn(Floor::Monitor, "monitor", self.monitor.run(cancel));
        let cancel = supervisor.token(Floor::Monitor);
        supervisor.spawn(Floor::Monitor, "watch of the GPUs", self.gpu_watch.run(cancel));
        let cancel = supervisor.token(Floor::Monitor);
        supervisor.spawn(Floor::Monitor, "first sight of models", self.first_sight.run(cancel));
        if let Some(model) = self.pilot_light {
            let cancel = supervisor.token(Floor::Monitor);
            let task = pilot_light::keep(model, self.data_dir.join("models"), cancel);
            supervisor.spawn(Floor::Monitor, "watch of the pilot light", task);
        }
        let cancel = supervisor.token(Floor::Monitor);
        supervisor.spawn(Floor::Monitor, "keeping", self.keeping.run(cancel));
        if let Some(keeper) = self.directory {
            let cancel = supervisor.token(Floor::Monitor);
            supervisor.spawn(Floor::Monitor, "directory keeper", keeper.run(cancel));
        }
        if let Some(oidc) = self.oidc {
            let cancel = supervisor.token(Floor::Monitor);
            supervisor.spawn(Floor::Monitor, "watch of the identity provider", oidc.watch(cancel));
        }
        let cancel = supervisor.token(Floor::Records);
        supervisor.spawn(Floor::Records, "audit keeper", self.audit_keeper.run(cancel));
        for listener in self.listeners {
            let cancel = supervisor.token(Floor::Listeners);
            let (router, proxies) = (self.router.clone(), self.proxies.clone());
            let task = listener.run(router, proxies, supervisor.connections(), cancel);
            supervisor.spawn(Floor::Listeners, "listener", task);
        }
        let by_order = supervisor.run(stop).await;
        // What the last floors wrote is signed as well; a disk that fails here has been told of already.
        let _ = self.store.audit.checkpoint().await;
        self.store.close().await;
        tracing::info!("stopped");
        by_order
    }
}

/// What an earlier configuration, or a restored backup, has left in the data folder is chained in before the spool of
/// another folder takes its place.
async fn keep_spool(store: &Store, data_dir: &Path, folder: &Path) {
    let failed = |folder: &Path, error: std::io::Error| {
        let folder = folder.display();
        tracing::error!(
            "{folder}: the spool of the audit log cannot be kept ({error}); look for a full disk"
        );
    };
    if folder != data_dir && store::spooled(data_dir).is_ok_and(|waiting| !waiting.is_empty()) {
        match store.audit.keep_spool(data_dir) {
            // Where the log cannot be written now, the old spool goes on, and the new one follows at the next start.
            Ok(()) if store.audit.prove_writable().await.is_err() => return,
            Ok(()) => {}
            Err(error) => failed(data_dir, error),
        }
    }
    if let Err(error) = store.audit.keep_spool(folder) {
        failed(folder, error);
    }
}

/// The store that asks the directory, where one is configured, and who looks after the way to it.
fn with_directory(store: Store, settings: Option<DirectorySettings>) -> (Store, Option<DirectoryKeeper>) {
    let Some(settings) = settings else { return (store, None) };
    let rules = DirectoryRules { cached_for: settings.cached_for, departments: settings.departments() };
    let client = DirectoryClient::new(settings);
    let store = store.with_directory(Arc::new(client.clone()), rules);
    (store.clone(), Some(DirectoryKeeper::new(client, store)))
}

/// Takes the data folder for this box alone; the commands of `genset` may still read and write the store beside it.
fn claim(config: &Config) -> Result<File, Failure> {
    let path = config.data_dir.join("box.lock");
    let file = File::create(&path).map_err(|error| {
        Failure::Failed(format!("{}: cannot be written ({error}). Check the folder's owner.", path.display()))
    })?;
    file.try_lock().map_err(|_| {
        let folder = config.data_dir.display();
        let mend = "Stop that one, or give this one a data_dir of its own.";
        Failure::Unusable(format!("[site] data_dir {folder}: another box runs on this data. {mend}"))
    })?;
    Ok(file)
}

fn unbuilt(error: &BuildError, file: &Path, data_dir: &Path) -> Failure {
    match error {
        BuildError::Client(error) => Failure::Unusable(format!("{}: {error}", file.display())),
        BuildError::Orders(error) => {
            let (core, why) = (data_dir.join("core.db"), sources(error));
            let mend = "Without them the box does not start; restore the file from a backup.";
            Failure::Failed(format!("{}: the standing orders cannot be read ({why}). {mend}", core.display()))
        }
    }
}

/// An error and what it came from, on one line.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    match sources(error) {
        causes if causes.is_empty() => error.to_string(),
        causes => format!("{error}: {causes}"),
    }
}

/// What an error came from, on one line.
fn sources(error: &dyn Error) -> String {
    let mut said = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push(error.to_string());
        cause = error.source();
    }
    said.join(": ")
}

fn build_oidc(settings: Option<OidcSettings>, file: &Path) -> Result<Option<Arc<Oidc>>, Failure> {
    let built = settings.map(Oidc::new).transpose();
    let unusable = |error| Failure::Unusable(format!("{}: [oidc] ca_file {error}", file.display()));
    Ok(built.map_err(unusable)?.flatten())
}

async fn bind(config: &Config) -> Result<Vec<Listener>, Failure> {
    let unusable =
        |error: crate::listen::ListenError| Failure::Unusable(format!("{}: {error}", config.file.display()));
    let mut listeners = Vec::new();
    if let Some(address) = config.https {
        let (names, addresses) = host::names_and_addresses();
        let tls = tls::server_config(&config.data_dir, &names, &addresses)
            .map_err(|error| Failure::Failed(error.to_string()))?;
        listeners.push(Listener::bind("https", address, Some(Arc::new(tls))).await.map_err(unusable)?);
        tracing::info!("portal and API at https://{address}");
    }
    if let Some(address) = config.http {
        listeners.push(Listener::bind("http", address, None).await.map_err(unusable)?);
        tracing::info!("portal and API at http://{address}, for this machine alone");
    }
    Ok(listeners)
}

/// The pilot light is put in place where the configuration asks for it by its own name and has no other file there.
fn place_pilot_light(config: &Config) {
    let wanted = pilot_light::file_in(&config.data_dir);
    if config.locals.iter().any(|spec| spec.file == wanted) {
        match pilot_light::place(&config.data_dir.join("models")) {
            Ok(path) => tracing::info!("the pilot light is in place at {}", path.display()),
            Err(error) => {
                tracing::error!("{}: the pilot light cannot be put in place ({error})", wanted.display());
            }
        }
    }
}

fn tell_first_steps(store: &Store, file: &Path) {
    if store.core.needs_setup().unwrap_or(false) {
        tracing::warn!(
            "this box has no owner yet: `genset setup-code --config {}` prints the code for the first visit",
            file.display()
        );
    }
}
