//! The pilot light: the small model that is part of the program, so that a box can always prove that it works.

use std::io;
use std::path::{Path, PathBuf};

use inference::KnownAnswer;
use store::durable::write_file;

pub(crate) const FILE_NAME: &str = "pilot-light.gguf";

const MODEL: &[u8] = include_bytes!("../../provisioning/pilot-light/pilot-light.gguf");
const KNOWN_ANSWERS: &str = include_str!("../../provisioning/pilot-light/known-answers.json");

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
