//! The library by its commands: what is in use stays, and what is missing is said.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A box that has never run, with the library's model `ok`, and a [[local]] `own` of this file.
fn a_box(file: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("data/models");
    fs::create_dir_all(&models).unwrap();
    let kept = kept();
    fs::write(models.join(&kept), "weights").unwrap();
    symlink(&kept, models.join("ok.gguf")).unwrap();
    let text = format!(
        "[site]\nname = \"Harbor Hospital\"\ndata_dir = \"data\"\n[listen]\nhttp = \"127.0.0.1:8080\"\n\
         [[local]]\nname = \"own\"\nfile = \"{file}\"\n[[alias]]\nname = \"assistant\"\nstandby = [\"own\"]\n"
    );
    let path = folder.path().join("genset.toml");
    fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap();
    (folder, config)
}

/// What the model is called by in the library.
fn kept() -> String {
    format!("sha256-{}.gguf", inference::digest::of_bytes(b"weights"))
}

fn unusable(result: Result<ExitCode, Failure>) -> String {
    match result {
        Err(Failure::Unusable(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_model_in_use_is_not_removed_by_whatever_path_it_is_used() {
    for file in ["ok.gguf", "data/../data/models/ok.gguf", &kept()] {
        let (_folder, config) = a_box(file);
        let refused = unusable(remove(&config, "ok").await);
        assert!(refused.contains("[[local]] \"own\""), "{file}: {refused}");
        assert!(library(&config).entry("ok").is_ok_and(|entry| entry.file.exists()), "{file}");
    }
}

#[tokio::test]
async fn a_file_that_is_missing_is_wrong_and_found_by_the_name_that_uses_it() {
    let (_folder, config) = a_box("missing.gguf");
    assert_eq!(verify(&config, None).unwrap(), ExitCode::FAILURE);
    assert_eq!(verify(&config, Some("own")).unwrap(), ExitCode::FAILURE);
    assert_eq!(verify(&config, Some("ok")).unwrap(), ExitCode::SUCCESS);
    assert!(unusable(verify(&config, Some("other"))).contains("genset model list"));
}

#[tokio::test]
async fn a_model_of_the_library_is_verified_by_the_name_that_uses_it() {
    let (_folder, config) = a_box("ok.gguf");
    assert_eq!(all(&config).unwrap().len(), 1, "one file is read once");
    assert_eq!(verify(&config, Some("own")).unwrap(), ExitCode::SUCCESS);
}

#[tokio::test]
async fn the_pilot_light_of_a_box_that_has_never_run_is_not_missing() {
    let (_folder, config) = a_box(pilot_light::FILE_NAME);
    assert_eq!(verify(&config, Some("own")).unwrap(), ExitCode::SUCCESS);
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_the_users_to_mend() {
    let (_folder, config) = a_box("ok.gguf");
    let refused = unusable(import(&config, Path::new("/nowhere/x.gguf"), None).await);
    assert!(refused.contains("/nowhere/x.gguf") && refused.contains("check the path"), "{refused}");
}
