use std::fs;

use continuity::Share;
use gateway::settings::Limits;

use super::Config;

mod directory;
mod vectors;

fn load(text: &str) -> (tempfile::TempDir, Result<Config, String>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("genset.toml");
    fs::write(&file, text).expect("written");
    fs::create_dir(folder.path().join("keys")).expect("made");
    fs::write(folder.path().join("keys/openai"), "sk-test\n").expect("written");
    let config = Config::load(&file).map_err(|error| error.to_string());
    (folder, config)
}

const GOOD: &str = r#"
[site]
name = "Harbor Hospital"
data_dir = "data"
[listen]
http = "127.0.0.1:8080"
[[upstream]]
name = "openai"
dialect = "openai"
base_url = "https://api.openai.com/v1"
api_key_file = "keys/openai"
[[local]]
name = "pilot-light"
file = "pilot-light.gguf"
[[alias]]
name = "assistant"
cloud = ["openai/gpt-4o"]
standby = ["pilot-light"]
"#;

#[test]
fn the_contracts_example_is_good_and_needs_nothing_else() {
    let (_folder, config) = load(GOOD);
    let config = config.expect("good");
    assert!(config.problems.is_empty(), "{:?}", config.problems);
    assert_eq!(config.gateway.aliases[0].cloud[0].label, "openai/gpt-4o");
}

#[test]
fn the_pilot_light_is_on_the_cpu_and_other_models_where_the_gpus_are_unless_it_is_said() {
    let on_cpu = |file: &str, more: &str| {
        let text = GOOD.replace("file = \"pilot-light.gguf\"", &format!("file = \"{file}\"\n{more}"));
        load(&text).1.expect("good").locals[0].on_cpu
    };
    assert!(on_cpu("pilot-light.gguf", "") && on_cpu("big.gguf", "device = \"cpu\""));
    assert!(!on_cpu("big.gguf", "") && !on_cpu("pilot-light.gguf", "device = \"gpu\""));
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let (_folder, config) = load(&GOOD.replace("name = \"openai\"", "name = \"openai\"\ncolour = \"red\""));
    let error = config.expect_err("refused");
    assert!(error.contains("genset.toml:9:1:") && error.contains("colour"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn each_mistake_names_its_place_and_its_mend() {
    for (wrong, right, words) in [
        ("http = \"0.0.0.0:8080\"", "http = \"127.0.0.1:8080\"", "loopback"),
        ("http = \"nowhere\"", "http = \"127.0.0.1:8080\"", "address with a port"),
        ("base_url = \"http://api.openai.com\"", "base_url = \"https://api.openai.com/v1\"", "not encrypted"),
        ("dialect = \"klingon\"", "dialect = \"openai\"", "unknown"),
        ("standby = [\"big\"]", "standby = [\"pilot-light\"]", "no [[local]]"),
        ("cloud = [\"azure/gpt\"]", "cloud = [\"openai/gpt-4o\"]", "no [[upstream]]"),
        (
            "standby = [\"pilot-light\"]\nshorten = \"all\"",
            "standby = [\"pilot-light\"]",
            "must be \"oldest-turns\"",
        ),
        (
            "file = \"pilot-light.gguf\"\nlanguages = [\"english\"]",
            "file = \"pilot-light.gguf\"",
            "code of two letters",
        ),
        (
            "file = \"pilot-light.gguf\"\ndevice = \"tpu\"",
            "file = \"pilot-light.gguf\"",
            "must be \"cpu\" or \"gpu\"",
        ),
        (
            "file = \"pilot-light.gguf\"\ngpu_layers = 4",
            "file = \"pilot-light.gguf\"",
            "gpu_layers is for a model on a GPU",
        ),
        (
            "file = \"big.gguf\"\ngpu_layers = 0",
            "file = \"pilot-light.gguf\"",
            "gpu_layers = 0 must be 1 to 10000",
        ),
        (
            "file = \"pilot-light.gguf\"\nmax_growth_percent = 5",
            "file = \"pilot-light.gguf\"",
            "max_growth_percent = 5 must be 10 to 1000",
        ),
        (
            "file = \"pilot-light.gguf\"\nthreads = 512",
            "file = \"pilot-light.gguf\"",
            "threads = 512 must be 1 to 256",
        ),
        ("cloud = [\"gpt-4o\"]", "cloud = [\"openai/gpt-4o\"]", "upstream/model"),
        ("dialect = \"openai\"\nprobe_interval_ms = 1", "dialect = \"openai\"", "probe_interval_ms"),
        (
            "dialect = \"openai\"\n[upstream.breaker]\nmax_failures = 0",
            "dialect = \"openai\"",
            "max_failures",
        ),
    ] {
        let mut text = GOOD.replacen(right, wrong, 1);
        if wrong.contains("[upstream.breaker]") {
            // The table must come last within its upstream.
            text = GOOD.replacen(
                "api_key_file = \"keys/openai\"",
                "api_key_file = \"keys/openai\"\n[upstream.breaker]\nmax_failures = 0",
                1,
            );
        }
        let error = load(&text).1.expect_err(wrong);
        assert!(error.contains(words) && !error.contains('\n'), "{wrong}: {error}");
    }
}

fn limits(lines: &str) -> Result<Limits, String> {
    load(&format!("{GOOD}[limits]\n{lines}\n")).1.map(|config| config.gateway.limits)
}

#[test]
fn what_one_caller_may_have_is_a_part_of_the_room_and_never_nothing() {
    let share = |at_once, per_minute| Share { at_once, per_minute };
    let usual = limits("").expect("good");
    assert_eq!((usual.of_a_key, usual.of_a_person), (share(256, 6000), share(8, 120)));
    let small = limits("max_requests = 5").expect("good");
    assert_eq!(
        (small.of_a_key.at_once, small.of_a_person.at_once),
        (3, 3),
        "a smaller box is shared out too"
    );
    let own =
        "key_max_requests = 512\nkey_max_per_minute = 1\nperson_max_requests = 1\nperson_max_per_minute = 2";
    let own = limits(own).expect("good");
    assert_eq!((own.of_a_key, own.of_a_person), (share(512, 1), share(1, 2)));
    for (lines, words) in [
        ("key_max_requests = 0", "key_max_requests = 0 must be 1 to max_requests, which is 512"),
        ("key_max_requests = 513", "key_max_requests = 513 must be 1 to max_requests, which is 512"),
        ("max_requests = 4\nperson_max_requests = 5", "person_max_requests = 5 must be 1 to max_requests"),
        ("key_max_per_minute = 0", "key_max_per_minute = 0 must be 1 to 1000000"),
        ("person_max_per_minute = 1000001", "person_max_per_minute = 1000001 must be 1 to 1000000"),
        ("person_max_per_minute = -1", "-1"),
        ("key_max_per_hour = 1", "key_max_per_hour"),
        ("max_requests = 0", "max_requests 1 to 100000"),
    ] {
        let error = limits(lines).expect_err(lines);
        assert!(error.contains(words) && !error.contains('\n'), "{lines}: {error}");
    }
}

#[test]
fn a_missing_model_or_key_is_a_problem_and_not_the_end() {
    let text = GOOD.replace("pilot-light.gguf", "big.gguf").replace("keys/openai", "keys/none");
    let config = load(&text).1.expect("the box runs without them");
    let problems: Vec<String> = config.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("keys/none") && problems[1].contains("big.gguf"));
}

/// The witnesses of a configuration with these lines at its end.
fn witnesses(text: &str) -> Vec<String> {
    let config = load(text).1.expect("good");
    config.gateway.outside.witnesses.into_iter().map(|witness| witness.name).collect()
}

#[test]
fn witnesses_are_given_or_the_usual_ones_or_none() {
    assert_eq!(witnesses(GOOD), ["cloudflare-dns", "google-dns", "quad9-dns"]);
    let own = "[[witness]]\nname = \"router\"\ntcp = \"192.0.2.1:443\"\n\
               [[witness]]\nname = \"registry\"\ndns = \"example.org\"\n";
    assert_eq!(witnesses(&format!("{GOOD}{own}")), ["router", "registry"]);
    let none = GOOD.replace("data_dir = \"data\"", "data_dir = \"data\"\ndefault_witnesses = false");
    assert!(witnesses(&none).is_empty());
    for inside in ["https://10.0.0.5/v1", "http://127.0.0.1:9/v1"] {
        let inside = GOOD.replace("https://api.openai.com/v1", inside);
        assert!(witnesses(&inside).is_empty(), "nothing is spoken outside for an upstream inside");
    }
    for (wrong, words) in [
        ("tcp = \"example.org:443\"", "no address with a port"),
        ("dns = \"not a name\"", "no host name"),
        ("", "give one of tcp"),
        ("tcp = \"192.0.2.1:443\"\ndns = \"example.org\"", "give one of tcp"),
    ] {
        let error = load(&format!("{GOOD}[[witness]]\nname = \"w\"\n{wrong}\n")).1.expect_err(wrong);
        assert!(error.contains("[[witness]] \"w\"") && error.contains(words), "{wrong}: {error}");
    }
}

#[test]
fn the_facts_of_a_model_belong_to_its_routes_alone() {
    let facts = "[[upstream.model]]\nname = \"gpt-4o\"\ncontext = 128000\nimages = true\n[[local]]";
    let config = load(&GOOD.replace("[[local]]", facts)).1.expect("good");
    let route = &config.gateway.aliases[0].cloud[0];
    assert_eq!(
        (route.facts.context, route.facts.images, route.facts.tools),
        (Some(128_000), Some(true), None)
    );
    let pilot_light = &config.gateway.standby_facts["pilot-light"];
    assert_eq!(pilot_light.languages.as_deref(), Some(&["en".to_owned(), "ko".to_owned()][..]));
    assert_eq!(pilot_light.json, Some(false), "it knows sentences");
    let headers = config.gateway.upstreams[0].deadlines.headers;
    assert_eq!(headers, config.gateway.upstreams[0].deadlines.first_token);
}

/// The section of an identity provider, with one line in another's place.
fn with_provider(wrong: &str, right: &str) -> String {
    const PROVIDER: &str = r#"
[oidc]
issuer = "https://id.example/realms/main"
client_id = "genset"
client_secret_file = "keys/openai"
public_url = "https://genset.example:8443"
[oidc.roles]
it = "admin"
"#;
    assert!(PROVIDER.contains(right), "{right}");
    format!("{GOOD}{}", PROVIDER.replace(right, wrong))
}

#[test]
fn an_identity_provider_needs_few_lines_and_comes_back_to_the_portals_own_address() {
    let (_folder, config) = load(
        &with_provider("it = \"admin\"", "it = \"admin\"")
            .replace("https://genset.example:8443", "https://genset.example:8443/"),
    );
    let oidc = config.expect("good").oidc.expect("there is one");
    assert_eq!(oidc.redirect_uri, "https://genset.example:8443/sign-in/provider/return");
    assert_eq!((oidc.rules.name_claim.as_str(), oidc.rules.default_role), ("preferred_username", None));
    assert!(oidc.client_secret.is_some());
    assert!(!format!("{oidc:?}").contains("sk-test"), "the secret does not print");
}

#[test]
fn each_mistake_of_an_identity_provider_names_its_mend() {
    for (wrong, right, words) in [
        ("issuer = \"http://id.example\"", "issuer = \"https://id.example/realms/main\"", "loopback"),
        ("issuer = \"http://10.0.0.1\"", "issuer = \"https://id.example/realms/main\"", "loopback"),
        ("issuer = \"id.example\"", "issuer = \"https://id.example/realms/main\"", "https://"),
        ("issuer = \"https://id.example?x=1\"", "issuer = \"https://id.example/realms/main\"", "query"),
        ("https://genset.example/portal", "https://genset.example:8443", "host and its port"),
        ("http://genset.example", "https://genset.example:8443", "loopback"),
        ("it = \"king\"", "it = \"admin\"", "they are owner, admin"),
        ("it = \"service\"", "it = \"admin\"", "they are owner, admin"),
        ("", "it = \"admin\"", "nobody could enter"),
        ("client_id = \"\"", "client_id = \"genset\"", "1 to 255"),
        ("scopes = [\"profile\"]\n[oidc.roles]", "[oidc.roles]", "openid"),
        ("default_role = \"owner\"\n[oidc.roles]", "[oidc.roles]", "too much for everybody"),
        ("check_interval_ms = 1\n[oidc.roles]", "[oidc.roles]", "100 to 3600000"),
        ("ca_file = \"keys/openai\"\n[oidc.roles]", "[oidc.roles]", "no usable PEM certificate"),
        ("colour = \"red\"\n[oidc.roles]", "[oidc.roles]", "colour"),
    ] {
        let (_folder, config) = load(&with_provider(wrong, right));
        let error = config.expect_err(wrong);
        assert!(error.contains(words) && !error.contains('\n'), "{wrong}: {error}");
    }
    let (_folder, config) = load(&with_provider("keys/nowhere", "keys/openai"));
    let config = config.expect("the box runs without it");
    assert!(config.problems[0].0.contains("client_secret_file"), "{:?}", config.problems);
    assert!(config.oidc.is_some_and(|oidc| oidc.client_secret.is_none()));
}
