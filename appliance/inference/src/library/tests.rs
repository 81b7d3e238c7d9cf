//! Imports that go well, that are refused, and that are cut short.

use super::*;

fn pilot_light() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../provisioning/pilot-light/pilot-light.gguf")
}

fn import(library: &Library, source: &Path, name: &str) -> Result<Entry, LibraryError> {
    let imported = library.import(source, name, |_| {})?;
    library.keep(imported, name)
}

#[test]
fn a_model_lies_under_its_hash_and_its_name_points_there() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::new(folder.path().join("models"));
    assert_eq!(library.entries().unwrap(), []);
    let entry = import(&library, &pilot_light(), "small").unwrap();
    assert_eq!(entry.sha256, sha256_of(&pilot_light(), |_| {}).unwrap());
    let link = folder.path().join("models/small.gguf");
    assert_eq!(by_name(&link), Some(entry.sha256.clone()));
    assert_eq!(fs::read(&link).unwrap(), fs::read(pilot_light()).unwrap());
    assert_eq!(fs::metadata(&entry.file).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(library.entries().unwrap(), [entry]);
}

#[test]
fn two_names_share_a_file_and_the_last_takes_it_along() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::new(folder.path());
    let one = import(&library, &pilot_light(), "one").unwrap();
    let two = import(&library, &pilot_light(), "two").unwrap();
    assert_eq!(one.file, two.file);
    library.remove("one").unwrap();
    assert!(two.file.exists());
    library.remove("two").unwrap();
    assert!(!two.file.exists());
    assert!(matches!(library.remove("two"), Err(LibraryError::Unknown(_))));
}

#[test]
fn a_name_is_moved_to_a_newer_model_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::new(folder.path().join("models"));
    let old = import(&library, &pilot_light(), "small").unwrap();
    let newer = folder.path().join("newer.gguf");
    let mut bytes = fs::read(pilot_light()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&newer, bytes).unwrap();
    let new = import(&library, &newer, "small").unwrap();
    assert_ne!(old.sha256, new.sha256);
    let nameless = Entry { name: format!("sha256-{}", old.sha256), ..old };
    assert_eq!(
        library.entries().unwrap(),
        [nameless.clone(), new.clone()],
        "a box may serve the old one still"
    );
    assert_eq!(library.remove(&nameless.name).unwrap(), nameless);
    assert_eq!(library.entries().unwrap(), std::slice::from_ref(&new));
    assert!(!nameless.file.exists() && new.file.exists());
    let has_a_name = format!("sha256-{}", new.sha256);
    assert!(matches!(library.remove(&has_a_name), Err(LibraryError::Unknown(_))), "it has a name");
}

#[test]
fn what_is_no_model_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::new(folder.path().join("models"));
    let half = folder.path().join("half.gguf");
    fs::write(&half, &fs::read(pilot_light()).unwrap()[..1 << 20]).unwrap();
    assert!(matches!(import(&library, &half, "half"), Err(LibraryError::Gguf(_))));
    assert!(matches!(import(&library, Path::new("/nowhere"), "a"), Err(LibraryError::Gguf(_))));
    for name in ["", "../up", ".hidden", "a/b", "sha256-00", &"a".repeat(65)] {
        assert!(matches!(import(&library, &pilot_light(), name), Err(LibraryError::Name(_))), "{name}");
    }
    assert_eq!(library.entries().unwrap(), []);
}

#[test]
fn an_import_that_was_cut_short_is_cleared_away_by_the_next_and_two_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::new(folder.path());
    fs::write(folder.path().join(".import.part"), "half a model").unwrap();
    let running = library.import(&pilot_light(), "one", |_| {}).unwrap();
    assert!(matches!(library.import(&pilot_light(), "two", |_| {}), Err(LibraryError::Busy)));
    drop(running);
    assert!(!folder.path().join(".import.part").exists(), "an import that is given up leaves nothing");
    import(&library, &pilot_light(), "two").unwrap();
}

#[test]
fn a_file_that_somebody_put_there_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::new(folder.path());
    fs::copy(pilot_light(), folder.path().join("own.gguf")).unwrap();
    assert!(matches!(import(&library, &pilot_light(), "own"), Err(LibraryError::Taken(_))));
    assert_eq!(by_name(&folder.path().join("own.gguf")), None);
    assert!(matches!(library.entry("own"), Err(LibraryError::Unknown(_))));
}
