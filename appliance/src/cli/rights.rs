//! The command line of people, departments and grants.

use clap::Subcommand;

use super::ConfigArg;

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a person, and print the one-time code for the first password, alone
    Add {
        /// The name to sign in with
        name: String,
        /// owner, admin, operator, auditor, department-manager or staff
        #[arg(long, default_value = "staff")]
        role: String,
        /// The department that the person belongs to
        #[arg(long)]
        department: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List the people
    List(ConfigArg),
    /// Give a person another role
    Role {
        name: String,
        role: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Print a one-time code for choosing a password, for somebody who has none yet or has forgotten it
    Code {
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Let somebody in who has lost the second factor: the password alone is enough again
    ResetSecondFactor {
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// End all sessions of a person, or everybody's
    EndSessions {
        #[arg(required_unless_present = "everybody", conflicts_with = "everybody")]
        name: Option<String>,
        #[arg(long)]
        everybody: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Remove a person for good, and end their sessions
    Remove {
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DepartmentCommand {
    /// Add a department
    Add {
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List the departments, each with its people and keys
    List(ConfigArg),
    /// Remove a department; its people stay, what was granted to it ends
    Remove {
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Set for how long conversations of a department's people are kept
    Keep {
        name: String,
        /// Days after the last message, 1 to 3650; "default" for what the configuration says
        days: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Put somebody into a department
    Join {
        name: String,
        /// "person NAME" or "key NAME"
        who: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Take somebody out of a department
    Leave {
        name: String,
        /// "person NAME" or "key NAME"
        who: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Grant something, and print the grant's number, alone
    Give {
        /// "person NAME", "key NAME", "department NAME" or "role ROLE"
        to: String,
        /// view, use or manage; each carries those before it
        verb: String,
        /// "alias NAME", "route UPSTREAM", "department NAME" or "document-set NAME"; the name * means all
        object: String,
        /// For how long, such as 8h; until somebody ends it where this is left out
        #[arg(long = "for", value_name = "TIME")]
        lasts: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List the grants, the newest first
    List(ConfigArg),
    /// End a grant
    End {
        /// The number that `grant list` shows
        id: i64,
        #[command(flatten)]
        config: ConfigArg,
    },
}
