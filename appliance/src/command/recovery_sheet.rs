//! `genset recovery-sheet`: prints the sheet whose code opens the backups, and takes its proof.

use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::backup::{self, Sheet};
use crate::cli::{Failure, say, tell};
use crate::keys;
use crate::recovery::{RecoveryCode, sheet};

/// Prints a new sheet. One that was proven is replaced only with `anew`.
pub(crate) async fn print(file: &Path, anew: bool) -> Result<ExitCode, Failure> {
    let config = super::load(file)?;
    let store = super::open_store(&config)?;
    let known = backup::sheet(&store);
    if known.proven_ms.is_some() && !anew {
        let what = "the recovery sheet is printed and proven; --new makes another one, and the backups until now \
                    keep needing the old one";
        return Err(Failure::Unusable(what.to_owned()));
    }
    let code = RecoveryCode::random().map_err(|error| Failure::Failed(error.to_string()))?;
    let now = Timestamp::now();
    let made = async {
        let sheet_state = Sheet { made_ms: Some(now.as_millisecond()), proven_ms: None };
        backup::note_sheet(&store, &sheet_state).await?;
        // Printed before it counts: a key whose code nobody has seen would seal backups that nobody can open.
        say(sheet(&config.site_name, &code.printed(), now).trim_end());
        let key_file = keys::of_backups(&config.data_dir);
        keys::save(&key_file, &code.key()).map_err(|error| {
            let file = key_file.display();
            Failure::Failed(format!(
                "{file}: cannot be written ({error}). Throw this sheet away, and make another"
            ))
        })
    };
    super::recorded(&store, "recovery-sheet-made", json!({"by": super::who()}), made).await?;
    store.close().await;
    tell(
        "Print this page now: it is shown this once. Then prove the print with `genset recovery-sheet --prove`.",
    );
    Ok(ExitCode::SUCCESS)
}

/// Takes the code from the print, which proves that there is one.
pub(crate) async fn prove(file: &Path) -> Result<ExitCode, Failure> {
    let config = super::load(file)?;
    let key_file = keys::of_backups(&config.data_dir);
    let key = keys::load(&key_file)
        .map_err(|error| Failure::Failed(format!("{}: {error}", key_file.display())))?
        .ok_or_else(|| Failure::Unusable("there is no recovery sheet yet; print one first".to_owned()))?;
    let typed = typed_code()?;
    if !bool::from(typed.key().bytes().ct_eq(key.bytes())) {
        let what = "this is the code of another sheet; look for the newest one, or print a new one";
        return Err(Failure::Unusable(what.to_owned()));
    }
    let store = super::open_store(&config)?;
    let proven_ms = Some(Timestamp::now().as_millisecond());
    let sheet = Sheet { proven_ms, ..backup::sheet(&store) };
    let proven = async { Ok(backup::note_sheet(&store, &sheet).await?) };
    super::recorded(&store, "recovery-sheet-proven", json!({"by": super::who()}), proven).await?;
    store.close().await;
    tell("The recovery sheet is proven: its code opens the backups.");
    Ok(ExitCode::SUCCESS)
}

/// One line from standard input, so that the code stands in no list of processes and in no history.
pub(super) fn typed_code() -> Result<RecoveryCode, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        tell("Type the recovery code from the sheet:");
    }
    let mut line = Zeroizing::new(String::new());
    input.lock().read_line(&mut line).map_err(|error| Failure::Failed(error.to_string()))?;
    RecoveryCode::parse(&line).map_err(|error| Failure::Unusable(error.to_string()))
}
