//! The command line: what a script may read stands alone on standard output, all else on standard error.

use std::process::{Command, Output};

use serde_json::Value;
use tests::{FakeCloud, TestAppliance};

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(arguments: &[&str]) -> Output {
    Command::new(tests::genset_binary()).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn status_prints_what_the_api_says() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    let output = appliance.cli(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed: Value = serde_json::from_str(&stdout(&output)).expect("JSON alone");
    let served = appliance.status().await;
    for field in ["name", "state", "started_ms", "aliases"] {
        assert_eq!(printed[field], served[field]);
    }
    appliance.stop().await;
    let output = appliance.cli(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(1), "a box that does not run has no status");
    assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{}", stderr(&output));
}

#[tokio::test]
async fn a_key_can_be_made_while_the_box_is_stopped() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    appliance.stop().await;
    let output = appliance.cli(&["key", "create", "made-at-rest"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    appliance.start_again().await;
    let client = appliance.anonymous().with_key(stdout(&output).trim());
    assert_eq!(client.get("/v1/models").await.status, 200);
}

#[tokio::test]
async fn a_key_name_that_is_taken_or_empty_is_refused() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    for name in ["test-client", "", " "] {
        let output = appliance.cli(&["key", "create", name]);
        assert_eq!(output.status.code(), Some(2), "{name:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
}

#[tokio::test]
async fn check_says_yes_to_a_good_configuration_and_touches_nothing() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    appliance.stop().await;
    let output = appliance.cli(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = std::fs::read_to_string(appliance.config_file()).unwrap();
    std::fs::write(appliance.config_file(), format!("{text}\n[nonsense]\n")).unwrap();
    let output = appliance.cli(&["check"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("nonsense"), "{}", stderr(&output));
}

#[tokio::test]
async fn the_setup_code_is_printed_alone_while_there_is_no_owner() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let output = appliance.cli(&["setup-code"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let code = stdout(&output);
    assert_eq!(code.lines().count(), 1);
    assert!(code.trim().len() >= 16, "{code}");
    assert!(!appliance.log().contains(code.trim()), "the code is not in the log");
}

#[test]
fn the_doctor_compares_known_answers_word_for_word() {
    let output = run(&["doctor"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let count = tests::test_appliance::known_answers().len();
    assert!(stdout(&output).contains(&format!("{count} of {count} known answers")), "{}", stdout(&output));
}

#[test]
fn help_names_every_command_and_a_wrong_one_ends_with_2() {
    let run = |arguments: &[&str]| {
        std::process::Command::new(tests::genset_binary()).args(arguments).output().unwrap()
    };
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for command in ["serve", "doctor", "check", "key", "audit", "demo-cloud", "status", "setup-code"] {
        assert!(stdout(&help).contains(command), "{command} is missing:\n{}", stdout(&help));
    }
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["serve"]).status.code(), Some(2));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}
