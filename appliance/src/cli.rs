//! The command line: what may be said, and the exit code that belongs to how it went.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::command;

mod model;
mod one_line;
mod rights;

pub(crate) use model::ModelCommand;
use one_line::OneLine;
pub(crate) use rights::{DepartmentCommand, GrantCommand, UserCommand};

/// An emergency generator for a building's AI.
#[derive(Debug, Parser)]
#[command(name = "genset", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArg {
    /// The configuration, a TOML file
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the box: API, portal and local models
    Serve(ConfigArg),
    /// Check a configuration, and all that it points to
    Check(ConfigArg),
    /// Test the box itself: known answers, word for word, on every device
    Doctor,
    /// Say how the running box is
    Status {
        #[command(flatten)]
        config: ConfigArg,
        /// Print what /api/status says
        #[arg(long)]
        json: bool,
    },
    /// Print a new one-time code for making the owner's account
    SetupCode(ConfigArg),
    /// Keys of the API
    #[command(subcommand)]
    Key(KeyCommand),
    /// The people who may sign in
    #[command(subcommand)]
    User(UserCommand),
    /// Departments, and who belongs to them
    #[command(subcommand)]
    Department(DepartmentCommand),
    /// Who may do what beside their roles
    #[command(subcommand)]
    Grant(GrantCommand),
    /// Say why somebody may, or may not, use an alias
    Why {
        /// "person NAME" or "key NAME"
        who: String,
        alias: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// A person's overrides: each has a reason, and ends by itself
    #[command(subcommand)]
    Order(OrderCommand),
    /// Rehearse an outage
    #[command(subcommand)]
    Drill(DrillCommand),
    /// The models on this box's disk
    #[command(subcommand)]
    Model(ModelCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Seal the keys of cloud accounts in their files, so that only this box opens them
    Seal {
        /// One file alone; without it all that the configuration names
        #[arg(value_name = "FILE")]
        key_file: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Make a backup now, read it back and check it
    Backup {
        /// Where to, in place of the configured folder
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Print the sheet whose code opens the backups
    RecoverySheet {
        /// Take the code from standard input: it proves that the sheet was printed
        #[arg(long, conflicts_with = "new")]
        prove: bool,
        /// Make another sheet although there is one that was proven
        #[arg(long)]
        new: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Make a whole box of a backup; the code of its sheet is read from standard input
    Restore {
        backup: PathBuf,
        /// A new folder for the configuration and the data
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Destroy all that the box knows, for its disposal; the site's name is read from standard input
    Wipe(WipeArgs),
    /// A labelled stand-in for a cloud upstream, for evaluation only
    DemoCloud {
        /// Where it speaks the OpenAI dialect
        #[arg(long, default_value = "127.0.0.1:18080")]
        listen: SocketAddr,
        /// Where it is cut and restored
        #[arg(long, default_value = "127.0.0.1:18081")]
        control: SocketAddr,
    },
    /// Cut the way out for drills: a helper with no other right, for an installed box
    Cutter {
        /// Where the box gives its orders
        #[arg(long, value_name = "PATH")]
        socket: PathBuf,
        /// The user that the box runs as; nobody else is obeyed or cut
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// Own one model; started by the box, never by hand
    #[command(hide = true)]
    Worker {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

/// Who goes first when local models are scarce.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum LaneArg {
    Clinical,
    #[default]
    Interactive,
    Batch,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print it, alone, this once
    Create {
        /// Who will use it; the name stands in the audit log
        name: String,
        /// The highest lane that it may ask for, and its own where it asks for none
        #[arg(long, value_enum, default_value_t)]
        lane: LaneArg,
        /// Requests that it may have under way, in the place of `[limits] key_max_requests`
        #[arg(long, value_name = "N")]
        max_requests: Option<u32>,
        /// Requests that it may make in a minute, in the place of `[limits] key_max_per_minute`
        #[arg(long, value_name = "N")]
        max_per_minute: Option<u32>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List the keys
    List(ConfigArg),
    /// Make a key invalid at once
    Revoke {
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// List the orders, the newest first
    List(ConfigArg),
    /// Nothing that users ask goes to any cloud
    ForceLocal(OrderArgs),
    /// Everything goes to the cloud first, whatever its breakers say
    ForceCloud(OrderArgs),
    /// Nothing that users ask goes to one upstream
    Isolate {
        upstream: String,
        #[command(flatten)]
        args: OrderArgs,
    },
    /// Load a local model that is not loaded by itself (`resident = false`)
    Load {
        /// As in the configuration
        model: String,
        #[command(flatten)]
        args: OrderArgs,
    },
    /// Unload a local model, when its answers have ended: its memory is free for others
    Unload {
        /// As in the configuration
        model: String,
        #[command(flatten)]
        args: OrderArgs,
    },
    /// End an order before its time
    Lift {
        /// The number that `order list` shows
        id: i64,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OrderArgs {
    /// Why, in 3 to 200 characters: staff read it, and the audit log keeps it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// For how long: 1m to 24h
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) lasts: String,
    #[command(flatten)]
    pub(crate) config: ConfigArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DrillCommand {
    /// Begin a drill on the running box, and print its number
    Start {
        /// site, "key NAME" or "alias NAME"; what the configuration says where it is left out
        #[arg(long)]
        scope: Option<String>,
        /// 4 hours instead of 30 minutes: due once in 36 months
        #[arg(long)]
        long: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// End the running drill at once
    Abort(ConfigArg),
    /// Say whether a drill is running, and when the last ones were
    Status(ConfigArg),
    /// List the drills, the newest first
    List(ConfigArg),
    /// Print the report of a drill
    Report {
        id: i64,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check the log from its first row to its last
    Verify(VerifyArgs),
    /// Write the log out as JSON lines, signed, for `genset-verify`
    Export {
        /// A file that is not there yet; the standard output without it
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Print a short code to be written down on paper: it proves later that nothing before it was cut off or made anew
    Anchor(ConfigArg),
    /// Print the public half of the key that signs the log
    Key(ConfigArg),
}

#[derive(Debug, Args)]
pub(crate) struct WipeArgs {
    /// Why, in 3 to 200 characters: the log and the certificate keep it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// A folder outside the data folder, for the log and the certificate
    #[arg(long, value_name = "FOLDER")]
    pub(crate) certificate: PathBuf,
    /// Destroy the backups in the configured folder, too
    #[arg(long)]
    pub(crate) backups: bool,
    /// Destroy the model files in the data folder, too
    #[arg(long)]
    pub(crate) models: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArg,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The public key that must have signed; may be given again for an older one
    #[arg(long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<verifier::PublicKey>,
    /// Checkpoints that were written down elsewhere: an anchor file or a syslog
    #[arg(long = "anchor", value_name = "FILE")]
    pub(crate) anchors: Vec<PathBuf>,
    /// A code from paper
    #[arg(long = "code", value_name = "CODE")]
    pub(crate) codes: Vec<String>,
    #[command(flatten)]
    pub(crate) config: ConfigArg,
}

/// How a command went: the line for standard error, and the exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What the user gave is unusable: exit code 2.
    #[error("{0}")]
    Unusable(String),
    /// The box failed: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl From<store::StoreError> for Failure {
    fn from(error: store::StoreError) -> Failure {
        Failure::Failed(error.to_string())
    }
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => {
            // Help goes to standard output with 0; what cannot be understood to standard error with 2.
            let _ = refused.print();
            return ExitCode::from(u8::from(refused.use_stderr()) * 2);
        }
    };
    if let Err(error) = crate::secrecy::guard() {
        tell(&format!(
            "genset: core dumps cannot be switched off ({error}); see to it that the system writes none"
        ));
    }
    match run(cli.command) {
        Ok(code) => code,
        Err(failure) => {
            tell(&format!("genset: {failure}"));
            ExitCode::from(if matches!(failure, Failure::Unusable(_)) { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        // The worker has threads of its own and no runtime.
        Command::Worker { args } => command::worker::run(args),
        other => {
            log_to_stderr();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .map_err(|error| Failure::Failed(format!("the runtime could not be started ({error})")))?;
            runtime.block_on(run_async(other))
        }
    }
}

async fn run_async(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(config) => command::serve::run(&config.file).await,
        Command::Check(config) => command::check::run(&config.file),
        Command::Doctor => command::doctor::run().await,
        Command::Status { config, json } => command::status::run(&config.file, json).await,
        Command::SetupCode(config) => command::setup_code::run(&config.file).await,
        Command::Key(key) => command::key::run(key).await,
        Command::User(user) => command::user::run(user).await,
        Command::Department(department) => command::department::run(department).await,
        Command::Grant(grant) => command::grant::run(grant).await,
        Command::Why { who, alias, config } => command::grant::why(&who, &alias, &config.file),
        Command::Order(order) => command::order::run(order).await,
        Command::Drill(drill) => command::drill::run(drill).await,
        Command::Model(model) => command::model::run(model).await,
        Command::Audit(audit) => command::audit::run(audit).await,
        Command::Seal { key_file, config } => command::seal::run(&config.file, key_file).await,
        Command::Backup { to, config } => command::backup::run(&config.file, to).await,
        Command::RecoverySheet { prove: true, config, .. } => {
            command::recovery_sheet::prove(&config.file).await
        }
        Command::RecoverySheet { new, config, .. } => command::recovery_sheet::print(&config.file, new).await,
        Command::Restore { backup, to } => command::restore::run(&backup, &to).await,
        Command::Wipe(args) => command::wipe::run(args).await,
        Command::Cutter { socket, user } => command::cutter::run(&socket, &user).await,
        Command::DemoCloud { listen, control } => command::demo_cloud::run(listen, control).await,
        Command::Worker { args } => command::worker::run(args),
    }
}

/// Logs go to standard error, so that standard output is for what a script may want to read.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("GENSET_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let on_one_line = || OneLine(std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(on_one_line).with_ansi(colours).init();
}

/// What a person should read: standard error.
#[expect(clippy::print_stderr, reason = "standard error is where a command speaks to a person")]
pub(crate) fn tell(line: &str) {
    eprintln!("{line}");
}

/// What a script may want to read: standard output.
#[expect(clippy::print_stdout, reason = "standard output is the product of a command")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
