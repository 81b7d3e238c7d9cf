//! The pilot light: the small model that is part of the program, so that a box can always prove that it works.

use std::io;
use std::path::{Path, PathBuf};

use inference::{KnownAnswer, LocalModel, Status};
use store::durable::write_file;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub(crate) const FILE_NAME: &str = "pilot-light.gguf";

const MODEL: &[u8] = include_bytes!("../../provisioning/pilot-light/pilot-light.gguf");
const KNOWN_ANSWERS: &str = include_str!("../../provisioning/pilot-light/known-answers.json");

/// Its place in a data folder.
pub(crate) fn file_in(data_dir: &Path) -> PathBuf {
    data_dir.join("models").join(FILE_NAME)
}

/// Writes the model to its place when it is missing there or is another one, and gives its path.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn place(models: &Path) -> io::Result<PathBuf> {
    let path = models.join(FILE_NAME);
    if std::fs::read(&path).is_ok_and(|there| there == MODEL) {
        return Ok(path);
    }
    write_file(&path, MODEL, 0o644)?;
    Ok(path)
}

/// Puts the model back into its place whenever it can't be loaded from there, until `cancel`: whatever a disk or a person has
/// done to the file, the program has it still. Its keeper tries again by itself.
pub(crate) async fn keep(model: LocalModel, models: PathBuf, cancel: CancellationToken) {
    let mut status = model.status();
    let watch = async {
        loop {
            let failed = status.wait_for(|status| matches!(status, Status::Failed { .. })).await;
            if failed.map(drop).is_err() {
                return;
            }
            let folder = models.clone();
            if let Ok(Err(error)) = spawn_blocking(move || place(&folder)).await {
                let folder = models.display();
                tracing::error!(
                    "{folder}: the pilot light cannot be put back ({error}); look for a full disk"
                );
            }
            let tried_again = status.wait_for(|status| !matches!(status, Status::Failed { .. })).await;
            if tried_again.map(drop).is_err() {
                return;
            }
        }
    };
    cancel.run_until_cancelled(watch).await;
}

/// The SHA-256 of the model.
pub(crate) fn sha256() -> String {
    inference::digest::of_bytes(MODEL)
}

/// The questions that the pilot light answers by heart, with their answers.
pub(crate) fn known_answers() -> Vec<KnownAnswer> {
    serde_json::from_str(KNOWN_ANSWERS).expect("the list is part of the program, and a test reads it")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_known_answers_are_readable_and_in_both_languages() {
        let known = super::known_answers();
        let korean = known.iter().filter(|k| k.answer.chars().any(|c| ('가'..='힣').contains(&c))).count();
        assert!(korean > 5 && known.len() - korean > 5);
    }
}
