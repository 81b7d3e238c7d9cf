//! The disposal of a box: its log is carried out and checked elsewhere, and nothing of what it knew is left.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tests::{FakeCloud, TestAppliance};

const SECRET: &str = "what the patient in bed nine told me in confidence";

fn run(program: &Path, arguments: &[&str], typed: &str) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses before it reads has closed its input.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn a_box_that_is_wiped_leaves_its_log_a_certificate_and_nothing_else() {
    let cloud = FakeCloud::start();
    let elsewhere = tempfile::tempdir().unwrap();
    let backups = elsewhere.path().join("backups");
    let extra = format!("\n[backup]\nfolder = {backups:?}\n");
    let mut appliance = TestAppliance::builder().cloud(&cloud).https().extra(&extra).start().await;
    appliance.portal().await.ask("assistant", SECRET).await;
    assert_eq!(appliance.cli(&["recovery-sheet"]).status.code(), Some(0));
    assert_eq!(appliance.cli(&["backup"]).status.code(), Some(0));
    let key = String::from_utf8(appliance.cli(&["audit", "key"]).stdout).unwrap();
    let key = key.trim();
    assert!(holds(&appliance.data_dir(), SECRET), "the test looks in the right place");

    let config = appliance.config_file().display().to_string();
    let out = elsewhere.path().join("out").display().to_string();
    let genset = tests::genset_binary();
    let wipe = |reason: &str, folder: &str, typed: &str| {
        let asked = [
            "wipe",
            "--backups",
            "--models",
            "--reason",
            reason,
            "--certificate",
            folder,
            "--config",
            &config,
        ];
        run(&genset, &asked, typed)
    };
    let running = wipe("sold", &out, "Test Hospital\n");
    assert_eq!(running.status.code(), Some(2), "{}", told(&running));
    assert!(told(&running).contains("a box runs on this data"), "{}", told(&running));
    appliance.stop().await;
    let inside = appliance.data_dir().join("out").display().to_string();
    for (reason, folder, typed, words) in [
        ("sold", out.as_str(), "Test Hospice\n", "the name of the site was not typed in"),
        ("sold", &out, "", "the name of the site was not typed in"),
        ("x", &out, "Test Hospital\n", "3 to 200 characters"),
        ("sold", &inside, "Test Hospital\n", "lies in the data folder"),
    ] {
        let refused = wipe(reason, folder, typed);
        assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
        assert!(told(&refused).contains(words), "{}", told(&refused));
    }
    assert!(holds(&appliance.data_dir(), SECRET), "nothing was destroyed yet");

    let wiped = wipe("end of the lease", &out, "Test Hospital\n");
    assert_eq!(wiped.status.code(), Some(0), "{}", told(&wiped));
    let certificate = String::from_utf8(wiped.stdout).unwrap();
    let certificate = certificate.trim();
    let root = appliance.config_file().parent().unwrap().to_owned();
    let marker = [SECRET, tests::fake_cloud::KEY, appliance.key()];
    let files = [appliance.data_dir(), root.join("keys"), backups];
    for (text, folder) in marker.iter().flat_map(|text| files.iter().map(move |folder| (text, folder))) {
        assert!(!holds(folder, text), "{text} is left in {}", folder.display());
    }
    let left: Vec<_> =
        std::fs::read_dir(appliance.data_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["box.wiped"]);

    let log = certificate.replace(".certificate", ".log");
    let verify = genset.with_file_name("genset-verify");
    let checked = run(&verify, &[&log, "--key", key, "--certificate", certificate], "");
    assert_eq!(checked.status.code(), Some(0), "{}", told(&checked));
    let words = String::from_utf8(checked.stdout).unwrap();
    assert!(words.contains("the box was wiped") && words.contains("end of the lease"), "{words}");
    assert!(std::fs::read_to_string(&log).unwrap().contains("\"what\":\"wiped\""));
    let text = std::fs::read_to_string(certificate).unwrap();
    let forged = elsewhere.path().join("forged");
    std::fs::write(&forged, text.replace("end of the lease", "END of the lease")).unwrap();
    let caught = run(&verify, &[&log, "--certificate", forged.to_str().unwrap()], "");
    assert_eq!(caught.status.code(), Some(1), "{}", told(&caught));
    assert!(told(&caught).contains("the signature is wrong"), "{}", told(&caught));

    let again = wipe("once more", &out, "Test Hospital\n");
    assert_eq!(again.status.code(), Some(2), "{}", told(&again));
    assert!(told(&again).contains("there is nothing left to wipe"), "{}", told(&again));
    for command in [&["serve"][..], &["user", "list"], &["setup-code"]] {
        let refused = run(&genset, &[command, &["--config", &config]].concat(), "");
        assert_eq!(refused.status.code(), Some(2), "{command:?}: {}", told(&refused));
        assert!(told(&refused).contains("this box was wiped on"), "{command:?}: {}", told(&refused));
    }
}
