//! What `[directory]` may say, and how each mistake is told.

use std::time::Duration;

use super::{GOOD, load};
use crate::directory::Encryption;

const DIRECTORY: &str = r#"
[directory]
url = "ldaps://dc1.example.org"
bind_name = "cn=genset,dc=example,dc=org"
bind_password_file = "keys/openai"
base = "dc=example,dc=org"
default_role = "staff"
"#;

#[test]
fn the_short_form_is_good_and_its_defaults_are_careful() {
    let config = load(&format!("{GOOD}{DIRECTORY}")).1.expect("good");
    assert!(config.problems.is_empty(), "{:?}", config.problems);
    assert_eq!(config.plain_keys.len(), 2, "the password is told to be unsealed");
    let directory = config.directory.expect("there is one");
    assert_eq!((directory.host.as_str(), directory.port), ("dc1.example.org", 636));
    assert!(matches!(directory.encryption, Encryption::Tls(_)));
    assert_eq!(directory.cached_for, Duration::from_secs(14 * 86_400));
    assert_eq!(
        (directory.connect_timeout, directory.operation_timeout),
        (Duration::from_secs(2), Duration::from_secs(4))
    );
    assert!(!format!("{directory:?}").contains("sk-test"));
    let start_tls = DIRECTORY.replace("ldaps://", "ldap://");
    let directory = load(&format!("{GOOD}{start_tls}")).1.expect("good").directory.expect("there is one");
    assert!(matches!(directory.encryption, Encryption::StartTls(_)));
}

#[test]
fn each_mistake_names_its_place_and_its_mend() {
    let url = "url = \"ldaps://dc1.example.org\"";
    let role = "default_role = \"staff\"";
    for (wrong, right, words) in [
        ("url = \"https://dc1.example.org\"", url, "ldaps://host"),
        ("url = \"ldap://dc1.example.org\"\nstart_tls = false", url, "only a loopback address"),
        ("url = \"ldap://localhost\"\nstart_tls = false", url, "only a loopback address"),
        ("url = \"ldaps://dc1.example.org\"\nstart_tls = true", url, "goes with ldap://"),
        ("url = \"ldaps://dc1.example.org\"\nca_file = \"none.pem\"", url, "none.pem: cannot be read"),
        ("url = \"ldaps://dc1.example.org\"\nca_file = \"keys/openai\"", url, "no usable PEM"),
        ("base = \"example.org\"", "base = \"dc=example,dc=org\"", "no place in a directory"),
        ("bind_name = \"\"", "bind_name = \"cn=genset,dc=example,dc=org\"", "bind_name is empty"),
        ("default_role = \"staff\"\nuser_filter = \"(uid=kim)\"", role, "write {name}"),
        ("default_role = \"staff\"\ncached_days = 91", role, "must be 0 to 90"),
        ("default_role = \"staff\"\nconnect_timeout_ms = 99", role, "must be 100 to 30000"),
        ("default_role = \"admin\"", role, "would make everybody"),
        ("default_role = \"boss\"", role, "is no role of people"),
        ("default_role = \"none\"", role, "nobody could get in"),
        ("[directory.roles]\n\"cn=a,dc=b\" = \"owner\"", role, "may_make_owners"),
        ("[directory.roles]\n\"cn=a,dc=b\" = \"service\"", role, "is no role of people"),
        ("[directory.roles]\n\"admins\" = \"admin\"", role, "no place of a group"),
        ("[directory.departments]\n\"cn=a,dc=b\" = \" \"", role, "no name of a department"),
        ("default_role = \"staff\"\ncolour = \"red\"", role, "colour"),
    ] {
        let text = format!("{GOOD}{}", DIRECTORY.replacen(right, wrong, 1));
        let error = load(&text).1.expect_err(wrong);
        assert!(error.contains(words) && !error.contains('\n'), "{wrong}: {error}");
    }
    let owners = "may_make_owners = true\n[directory.roles]\n\"cn=a,dc=b\" = \"owner\"";
    assert!(load(&format!("{GOOD}{}", DIRECTORY.replacen(role, owners, 1))).1.is_ok());
}

#[test]
fn a_missing_password_is_a_problem_and_not_the_end() {
    let text = format!("{GOOD}{}", DIRECTORY.replacen("keys/openai", "keys/directory", 1));
    let config = load(&text).1.expect("the box runs without it");
    assert!(
        config.problems[0].to_string().contains("keys/directory: cannot be read"),
        "{:?}",
        config.problems
    );
    assert!(config.directory.expect("there is one").bind_password.is_none());
}
