//! The command line of the model library.

use std::path::PathBuf;

use clap::Subcommand;

use super::ConfigArg;

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Copy a GGUF file into the library, and print what `file` in the configuration names it by
    Import {
        source: PathBuf,
        /// The file's own name without its ending, where it is left out
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List the models, with what their files say of them
    List(ConfigArg),
    /// Read every model again, and compare it with its SHA-256
    Verify {
        /// One alone
        name: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Say that the file of a [[local]] was changed on purpose
    Accept {
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Say what a [[local]] takes of the memory, and what to give up where it does not fit
    Plan {
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Remove a name from the library, and its file where no other name points to it
    Remove {
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}
