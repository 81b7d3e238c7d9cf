//! Describes a box: which clouds, which aliases, how impatient.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use super::{Process, TestAppliance, model_file, repository};
use crate::client::Sent;
use crate::lab::Namespace;
use crate::{FakeCloud, FakeIdp, RawCloud, fake_cloud, fake_idp, places};

/// How a test's box treats each upstream: the defaults of the product, in a hurry.
const TUNING: &str = "\
probe_interval_ms = 200
probe_deadline_ms = 400
connect_timeout_ms = 1000
first_token_timeout_ms = 1500
between_tokens_timeout_ms = 1000
whole_answer_timeout_ms = 30000
suspicion_ms = 300
";
const BREAKER: &str =
    "open_first_ms = 300\nopen_max_ms = 600\nhalf_open_max_age_ms = 2000\nopen_jitter = 0.0\n";
const FAILBACK: &str =
    "first_step_ms = 300\nsecond_step_ms = 300\nhold_down_first_ms = 400\nblind_hold_down_ms = 500\n";

struct Upstream {
    name: String,
    base_url: String,
    ca_file: Option<String>,
    tuning: String,
    /// The alias `assistant` tries it.
    assists: bool,
}

impl Upstream {
    fn new(name: &str, base_url: String, assists: bool) -> Upstream {
        Upstream { name: name.to_owned(), base_url, ca_file: None, tuning: TUNING.to_owned(), assists }
    }
}

/// A box that is not started yet.
pub struct Builder {
    upstreams: Vec<Upstream>,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    namespace: Option<Namespace>,
    model_file: String,
    standbys: Vec<(String, String)>,
    /// Further local models: the name, the file, and the rest of the configuration.
    models: Vec<(String, Vec<u8>, String)>,
    key_file: String,
    /// Further files in the folder of keys.
    secrets: Vec<(&'static str, &'static str)>,
    /// Further files beside the configuration.
    files: Vec<(&'static str, Vec<u8>)>,
    extra: String,
    listen: String,
    breaker: String,
    as_shipped: bool,
    environment: Vec<(String, String)>,
    hangs: bool,
}

/// One client asks in seconds what a busy house asks in hours.
const HURRIED_CALLERS: &str = "\n[limits]\nkey_max_per_minute = 1000000\nperson_max_per_minute = 1000000\n";

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            upstreams: Vec::new(),
            http: None,
            https: None,
            namespace: None,
            model_file: "pilot-light.gguf".to_owned(),
            standbys: Vec::new(),
            models: Vec::new(),
            key_file: "keys/cloud".to_owned(),
            secrets: Vec::new(),
            files: Vec::new(),
            extra: String::new(),
            listen: String::new(),
            breaker: BREAKER.to_owned(),
            as_shipped: false,
            environment: Vec::new(),
            hangs: false,
        }
    }

    /// The upstream `cloud`.
    pub fn cloud(self, cloud: &FakeCloud) -> Builder {
        self.upstream("cloud", cloud)
    }

    /// One more upstream; the alias `assistant` tries them in order.
    pub fn upstream(mut self, name: &str, cloud: &FakeCloud) -> Builder {
        let ca_file = cloud.ca_file().map(|file| file.display().to_string());
        self.upstreams.push(Upstream { ca_file, ..Upstream::new(name, cloud.base_url(), true) });
        self
    }

    /// One more upstream, which is a wire of a bare socket; its model `large` is the alias of its name.
    pub fn wire(mut self, name: &str, cloud: &RawCloud) -> Builder {
        self.upstreams.push(Upstream::new(name, cloud.base_url(name), false));
        let lines = format!(
            "\n[[alias]]\nname = {name:?}\ncloud = [\"{name}/large\"]\nstandby = [\"pilot-light\"]\n"
        );
        self.extra(&lines)
    }

    /// Another value for one of the newest upstream's own keys.
    pub fn tune(mut self, key: &str, value: u64) -> Builder {
        let upstream = self.upstreams.last_mut().expect("an upstream was given before");
        let kept =
            upstream.tuning.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n");
        upstream.tuning = format!("{kept}\n{key} = {value}\n");
        self
    }

    /// Other thresholds for the breakers of all upstreams.
    pub fn breaker(mut self, lines: &str) -> Builder {
        lines.clone_into(&mut self.breaker);
        self
    }

    /// Deadlines, thresholds and ramps as the product ships them, for all upstreams given so far.
    pub fn as_shipped(mut self) -> Builder {
        self.upstreams.iter_mut().for_each(|upstream| upstream.tuning.clear());
        self.as_shipped = true;
        self
    }

    /// An HTTPS listener beside the plain one.
    pub fn https(mut self) -> Builder {
        self.https.get_or_insert_with(places::free_address);
        self
    }

    /// An HTTPS listener at this address.
    pub(crate) fn https_at(mut self, address: SocketAddr) -> Builder {
        self.https = Some(address);
        self
    }

    /// The box runs in this network.
    pub(crate) fn in_namespace(mut self, namespace: Namespace) -> Builder {
        self.namespace = Some(namespace);
        self
    }

    /// Another file for the local model than the pilot light that is part of the program.
    pub fn model_file(mut self, path: &Path) -> Builder {
        self.model_file = path.display().to_string();
        self
    }

    /// One more local model, with a file and a worker of its own. `lines` are the rest of its configuration.
    pub fn standby(mut self, name: &str, lines: &str) -> Builder {
        self.standbys.push((name.to_owned(), lines.to_owned()));
        self
    }

    /// One more local model with this file. `lines` are the rest of its configuration.
    pub fn model(mut self, name: &str, file: Vec<u8>, lines: &str) -> Builder {
        self.models.push((name.to_owned(), file, lines.to_owned()));
        self
    }

    /// Another file for the keys of the upstreams.
    pub fn key_file(mut self, path: &str) -> Builder {
        path.clone_into(&mut self.key_file);
        self
    }

    /// A file beside the configuration.
    pub(crate) fn file(mut self, name: &'static str, bytes: Vec<u8>) -> Builder {
        self.files.push((name, bytes));
        self
    }

    /// People sign in at this provider, too; `lines` are the rest of its section. The portal has HTTPS then.
    pub fn identity_provider(mut self, idp: &FakeIdp, lines: &str) -> Builder {
        let https = *self.https.get_or_insert_with(places::free_address);
        let mut section = format!(
            "\n[oidc]\nissuer = {:?}\nclient_id = {:?}\nclient_secret_file = \"keys/oidc\"\n\
             public_url = \"https://localhost:{}\"\nlabel = \"Harbor ID\"\n",
            idp.issuer(),
            fake_idp::CLIENT_ID,
            https.port()
        );
        if let Some(ca_file) = idp.ca_file() {
            writeln!(section, "ca_file = {:?}", ca_file.display().to_string()).unwrap();
        }
        self.secrets.push(("oidc", fake_idp::CLIENT_SECRET));
        self.extra(&format!("{section}{lines}"))
    }

    /// The plain listener at this address.
    pub fn http(mut self, address: SocketAddr) -> Builder {
        self.http = Some(address);
        self
    }

    /// More lines at the end of the configuration.
    pub fn extra(mut self, lines: &str) -> Builder {
        self.extra.push_str(lines);
        self
    }

    /// More lines for the section of the listeners.
    pub fn listen(mut self, lines: &str) -> Builder {
        self.listen.push_str(lines);
        self
    }

    /// A variable of the box's environment.
    pub fn environment(mut self, name: &str, value: &str) -> Builder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The box's disk hangs on command (`tests/disk`).
    pub fn hanging_disk(self) -> Builder {
        let library = crate::torture::whole::library().display().to_string();
        Builder { hangs: true, ..self }.environment("LD_PRELOAD", &library)
    }

    /// Starts a box that must refuse to start, and gives its exit code and what it says on standard error.
    pub async fn refused(self) -> (i32, String) {
        let mut appliance = self.launch();
        let mut process = appliance.process.take().expect("it was started");
        let code = process.wait(super::PATIENCE).await.expect("a box that cannot start ends by itself");
        (code, appliance.log())
    }

    /// Writes the configuration, starts the box, waits until it and all its models are ready and makes a key.
    pub async fn start(self) -> TestAppliance {
        let mut appliance = self.launch();
        appliance.ready().await;
        appliance.make_key();
        appliance.loaded().await;
        appliance
    }

    /// The same for a box that serves although it cannot be ready: waits until it is alive.
    pub async fn start_unready(self) -> TestAppliance {
        let mut appliance = self.launch();
        appliance.answers("/livez").await;
        appliance.make_key();
        appliance
    }

    /// Writes the configuration and starts the box, which may not get ready.
    pub fn launch(mut self) -> TestAppliance {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if self.hangs {
            let data = folder.path().join("data").display().to_string();
            let hang = folder.path().join("hang").display().to_string();
            self = self.environment("DISK_FOLDER", &data).environment("DISK_HANG", &hang);
        }
        let http = self.http.unwrap_or_else(places::free_address);
        let https = self.https;
        let config = folder.path().join("genset.toml");
        std::fs::create_dir(folder.path().join("keys")).expect("the folder is new");
        std::fs::write(folder.path().join("keys/cloud"), format!("{}\n", fake_cloud::KEY)).expect("writable");
        for (name, secret) in &self.secrets {
            std::fs::write(folder.path().join("keys").join(name), format!("{secret}\n")).expect("writable");
        }
        for (name, bytes) in &self.files {
            std::fs::write(folder.path().join(name), bytes).expect("writable");
        }
        for (name, _) in &self.standbys {
            let file = model_file(folder.path(), name);
            std::fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("the folder is new");
            std::fs::copy(repository().join("provisioning/pilot-light/pilot-light.gguf"), file)
                .expect("writable");
        }
        for (name, file, _) in &self.models {
            let place = model_file(folder.path(), name);
            std::fs::create_dir_all(place.parent().expect("it lies in a folder")).expect("the folder is new");
            std::fs::write(place.with_file_name("model.gguf"), file).expect("writable");
        }
        std::fs::write(&config, self.text(folder.path(), http, https)).expect("writable");
        let process = Process::start(folder.path(), &config, &self.environment, self.namespace.as_ref());
        TestAppliance {
            restored: None,
            folder,
            http,
            https,
            process: Some(process),
            environment: self.environment,
            namespace: self.namespace,
            key: String::new(),
            sent: Sent::default(),
        }
    }

    /// The configuration as TOML.
    fn text(&self, folder: &Path, http: SocketAddr, https: Option<SocketAddr>) -> String {
        let data = folder.join("data").display().to_string();
        let mut text =
            format!("[site]\nname = \"Test Hospital\"\ndata_dir = {data:?}\n\n[listen]\nhttp = \"{http}\"\n");
        if let Some(https) = https {
            writeln!(text, "https = \"{https}\"").unwrap();
        }
        text.push_str(&self.listen);
        for Upstream { name, base_url, ca_file, tuning, .. } in &self.upstreams {
            writeln!(text, "\n[[upstream]]\nname = {name:?}\ndialect = \"openai\"\nbase_url = {base_url:?}")
                .unwrap();
            writeln!(text, "api_key_file = {:?}", self.key_file).unwrap();
            if let Some(ca_file) = ca_file {
                writeln!(text, "ca_file = {ca_file:?}").unwrap();
            }
            writeln!(text, "{tuning}").unwrap();
            if !self.as_shipped {
                writeln!(text, "[upstream.breaker]\n{}\n[upstream.failback]\n{FAILBACK}", self.breaker)
                    .unwrap();
            }
        }
        writeln!(text, "\n[[local]]\nname = \"pilot-light\"\nfile = {:?}", self.model_file).unwrap();
        for (name, lines) in &self.standbys {
            let file = model_file(folder, name).display().to_string();
            writeln!(text, "\n[[local]]\nname = {name:?}\nfile = {file:?}\n{lines}").unwrap();
        }
        for (name, _, lines) in &self.models {
            let file = model_file(folder, name).with_file_name("model.gguf").display().to_string();
            writeln!(text, "\n[[local]]\nname = {name:?}\nfile = {file:?}\n{lines}").unwrap();
        }
        let assists = self.upstreams.iter().filter(|upstream| upstream.assists);
        let cloud: Vec<_> = assists.map(|upstream| format!("{}/large", upstream.name)).collect();
        writeln!(text, "\n[[alias]]\nname = \"assistant\"\ncloud = {cloud:?}\nstandby = [\"pilot-light\"]")
            .unwrap();
        writeln!(text, "\n[[alias]]\nname = \"local-only\"\ncloud = []\nstandby = [\"pilot-light\"]")
            .unwrap();
        if !self.extra.contains("[limits]") {
            text.push_str(HURRIED_CALLERS);
        }
        text.push_str(&self.extra);
        text
    }
}
