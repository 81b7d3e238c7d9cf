//! `genset wipe`: carries the log out, then destroys all that the box knows.

use std::fs::File;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::cli::{Failure, WipeArgs, say, tell};
use crate::config::Config;
use crate::wipe::{self, Mark, Wish};

/// A box that was told to stop has so long to finish its answers.
const STOPPING: Duration = Duration::from_secs(10);
const REASON_CHARS: std::ops::RangeInclusive<usize> = 3..=200;

pub(crate) async fn run(args: WipeArgs) -> Result<ExitCode, Failure> {
    let config = super::load(&args.config.file)?;
    let mark = begun(&config)?;
    let reason = checked_reason(&args.reason)?;
    let folder = outside(&args.certificate, &config.data_dir)?;
    let _lock = claim(&config.data_dir).await?;
    confirm(&config.site_name)?;
    let failed = |error: wipe::WipeError| Failure::Failed(error.to_string());
    let mark = match mark {
        Some(mark) => {
            tell(&format!("{} Going on with it.", mark.told()));
            mark
        }
        None => {
            let (backups, models) = (args.backups, args.models);
            let wish = Wish { who: super::who(), reason, folder: folder.clone(), backups, models };
            wipe::begin(&config, wish).await.map_err(failed)?
        }
    };
    let data_dir = config.data_dir.clone();
    let finished = spawn_blocking(move || wipe::finish(&config, mark, &folder));
    let wiped = finished.await.map_err(|error| Failure::Failed(error.to_string()))?.map_err(failed)?;
    // Held until here, so that no box begins to live in the folder meanwhile.
    let _ = std::fs::remove_file(data_dir.join("box.lock"));
    let wiping = &wiped.wiping;
    tell(&format!(
        "The box is wiped: {} files, {} bytes, overwritten and removed.",
        wiping.files, wiping.bytes
    ));
    for left in &wiping.left {
        tell(&format!("Left: {left}"));
    }
    tell(&format!(
        "To check it anywhere: genset-verify {} --certificate {}. The code of the log, for paper: {}",
        wiped.log.display(),
        wiped.certificate.display(),
        wiping.code()
    ));
    say(&wiped.certificate.display().to_string());
    Ok(ExitCode::SUCCESS)
}

/// The mark of a wipe that was interrupted; none where there is a box to wipe.
fn begun(config: &Config) -> Result<Option<Mark>, Failure> {
    let place = config.data_dir.display();
    let mark = Mark::load(&config.data_dir)
        .map_err(|error| Failure::Failed(format!("{place}: the mark of a wipe cannot be read ({error})")))?;
    match mark {
        Some(mark) if mark.ended_ms.is_some() => {
            Err(Failure::Unusable(format!("{place}: {}; there is nothing left to wipe", mark.told())))
        }
        None if !config.data_dir.join("audit.db").is_file() => {
            Err(Failure::Unusable(format!("{place}: there is no box here")))
        }
        mark => Ok(mark),
    }
}

fn checked_reason(reason: &str) -> Result<String, Failure> {
    let reason = reason.trim();
    let fits = REASON_CHARS.contains(&reason.chars().count()) && !reason.contains(char::is_control);
    let what = "--reason: write 3 to 200 characters on one line; the certificate carries them";
    fits.then(|| reason.to_owned()).ok_or_else(|| Failure::Unusable(what.to_owned()))
}

/// The folder for the log and the certificate, which must outlive the data folder.
fn outside(folder: &Path, data_dir: &Path) -> Result<PathBuf, Failure> {
    let unusable = |why: String| Failure::Unusable(format!("--certificate {}: {why}", folder.display()));
    std::fs::create_dir_all(folder).map_err(|error| unusable(format!("cannot be made ({error})")))?;
    let real = |path: &Path| path.canonicalize().map_err(|error| unusable(error.to_string()));
    let (folder_real, data_real) = (real(folder)?, real(data_dir)?);
    if folder_real.starts_with(&data_real) {
        let what = "it lies in the data folder, which is destroyed; give one elsewhere, best on another disk";
        return Err(unusable(what.to_owned()));
    }
    Ok(folder_real)
}

/// The data folder for this command alone.
async fn claim(data_dir: &Path) -> Result<File, Failure> {
    let path = data_dir.join("box.lock");
    let lock = File::create(&path)
        .map_err(|error| Failure::Failed(format!("{}: cannot be written ({error})", path.display())))?;
    let given_up = tokio::time::Instant::now() + STOPPING;
    while lock.try_lock().is_err() {
        if tokio::time::Instant::now() >= given_up {
            let what = "a box runs on this data; stop it, then run the same command again";
            return Err(Failure::Unusable(format!("{}: {what}", data_dir.display())));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(lock)
}

/// The name of the site, typed in: nobody wipes the wrong box with a command out of the history.
fn confirm(site: &str) -> Result<(), Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        tell(&format!(
            "All that this box knows will be destroyed. Type the name of the site ({site}) to go on:"
        ));
    }
    let mut typed = String::new();
    input.lock().read_line(&mut typed).map_err(|error| Failure::Failed(error.to_string()))?;
    if typed.trim() == site {
        return Ok(());
    }
    let what = format!("the name of the site was not typed in; it is \"{site}\". Nothing was destroyed");
    Err(Failure::Unusable(what))
}
