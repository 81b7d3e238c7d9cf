//! The library of models, and files that are not what they were.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use tests::{FakeCloud, TestAppliance, repository};

const PATIENCE: Duration = Duration::from_secs(30);

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Changes the last byte, which is a weight: the file is as whole as before.
fn alter(file: &Path) {
    let file = fs::canonicalize(file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
}

#[tokio::test]
async fn a_model_is_imported_listed_verified_and_removed_by_name() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let source = repository().join("provisioning/pilot-light/pilot-light.gguf");
    let source = source.to_str().unwrap();
    let imported = appliance.cli(&["model", "import", source, "--name", "small"]);
    assert_eq!(
        (imported.status.code(), out(&imported).as_str()),
        (Some(0), "small.gguf\n"),
        "{}",
        told(&imported)
    );
    let list = out(&appliance.cli(&["model", "list"]));
    let small = list.lines().find(|line| line.starts_with("small\t")).expect("it is listed");
    assert!(
        small.contains("not used")
            && small.contains("llama F16")
            && small.contains("1.0 kB of context a token"),
        "{small}"
    );
    let fine = appliance.cli(&["model", "verify"]);
    assert!(fine.status.success() && out(&fine).contains("small\tfine"), "{}", out(&fine));
    alter(&appliance.data_dir().join("models/small.gguf"));
    let wrong = appliance.cli(&["model", "verify", "small"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(out(&wrong).starts_with("small\tWRONG"), "{}", out(&wrong));
    assert!(appliance.cli(&["model", "remove", "small"]).status.success());
    let gone = appliance.cli(&["model", "remove", "small"]);
    assert_eq!(gone.status.code(), Some(2), "{}", told(&gone));
    let log = out(&appliance.cli(&["audit", "export"]));
    assert!(log.contains("model-imported") && log.contains("model-removed"));
}

#[tokio::test]
async fn a_file_that_has_changed_since_it_was_first_seen_is_refused_until_somebody_accepts_it() {
    let cloud = FakeCloud::start();
    let alias = "\n[[alias]]\nname = \"own\"\ncloud = []\nstandby = [\"own\"]\n";
    let mut appliance = TestAppliance::builder().cloud(&cloud).standby("own", "").extra(alias).start().await;
    let first = appliance.until_local_is("own", "ready").await;
    let seen = first["facts"]["sha256"].as_str().unwrap().to_owned();
    assert_eq!(seen.len(), 64);
    let plan = appliance.cli(&["model", "plan", "own"]);
    assert!(plan.status.success() && out(&plan).contains("it fits"), "{}{}", out(&plan), told(&plan));
    // It is written down beside the first answers, so the log may have it a moment later.
    let begun = Instant::now();
    while !out(&appliance.cli(&["model", "verify", "own"])).contains("own\tfine") {
        assert!(begun.elapsed() < PATIENCE);
    }
    appliance.stop().await;
    alter(&appliance.model_file("own"));
    appliance.start_again().await;
    let refused = appliance.until_local_is("own", "failed").await;
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("is not the file that is expected") && detail.contains(&seen), "{detail}");
    let accepted = appliance.cli(&["model", "accept", "own"]);
    assert!(accepted.status.success(), "{}", told(&accepted));
    appliance.stop().await;
    appliance.start_again().await;
    let now = appliance.until_local_is("own", "ready").await;
    assert_ne!(now["facts"]["sha256"], seen.as_str());
    let log = out(&appliance.cli(&["audit", "export"]));
    assert!(log.contains("model-first-seen") && log.contains("model-accepted"));
}

#[tokio::test]
async fn the_pilot_light_is_put_back_whatever_happens_to_its_file() {
    let appliance = TestAppliance::builder().start().await;
    appliance.until_local_is("pilot-light", "ready").await;
    let first = appliance.workers();
    alter(&appliance.data_dir().join("models/pilot-light.gguf"));
    let begun = Instant::now();
    while appliance.workers() == first {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    appliance.until_local_is("pilot-light", "ready").await;
    assert!(appliance.log().contains("was written into"), "{}", appliance.log());
}

#[tokio::test]
async fn a_name_that_comes_to_lead_to_another_file_means_it_from_the_next_start_on() {
    let served = "\n[[local]]\nname = \"served\"\nfile = \"served.gguf\"\n\
                  [[alias]]\nname = \"served\"\ncloud = []\nstandby = [\"served\"]\n";
    let mut appliance = TestAppliance::builder().extra(served).start().await;
    let source = repository().join("provisioning/pilot-light/pilot-light.gguf");
    let newer = appliance.data_dir().join("newer.gguf");
    fs::copy(&source, &newer).unwrap();
    alter(&newer);
    let import = |appliance: &TestAppliance, file: &Path| {
        let imported = appliance.cli(&["model", "import", file.to_str().unwrap(), "--name", "served"]);
        assert!(imported.status.success(), "{}", told(&imported));
        told(&imported)
    };
    let said = import(&appliance, &source);
    assert!(!said.contains("restart"), "it had no file before: {said}");
    appliance.stop().await;
    appliance.start_again().await;
    let first = appliance.until_local_is("served", "ready").await;
    let sha256 = first["facts"]["sha256"].as_str().unwrap().to_owned();
    let said = import(&appliance, &newer);
    assert!(said.contains("restart it to serve this one"), "{said}");
    let before = appliance.workers();
    appliance.kill_worker();
    let begun = Instant::now();
    while appliance.workers().len() < before.len()
        || appliance.workers().iter().any(|pid| before.contains(pid))
    {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let again = appliance.until_local_is("served", "ready").await;
    assert_eq!(again["facts"]["sha256"], sha256.as_str(), "the next worker has the same file");
    let nameless = format!("sha256-{sha256}");
    assert!(out(&appliance.cli(&["model", "list"])).contains(&nameless));
    appliance.stop().await;
    appliance.start_again().await;
    let newest = appliance.until_local_is("served", "ready").await;
    assert_ne!(newest["facts"]["sha256"], sha256.as_str());
    let removed = appliance.cli(&["model", "remove", &nameless]);
    assert!(removed.status.success(), "{}", told(&removed));
}
