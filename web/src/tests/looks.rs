//! What each page looks like, in both languages, and what the band says.

use askama::Template;
use continuity::{SiteState, Verdict};
use gateway::{
    AliasView, Announcement, AnnouncementKind, GpuReading, GpuState, IdleGpu, Layers, LocalView, MachineView,
    Site, UpstreamView, Vendor, Why,
};
use store::{AnchorCondition, AnchorTrouble, Condition, FileCondition, Trouble};

use super::harness::{Box, Browser, Page};
use crate::band::{Band, BandPartial, Tone};
use crate::language::Language;
use crate::line::Line;
use crate::moment::Clock;
use crate::notices;
use crate::pages::status::{alarms, keeping, machine};
use crate::text::Text;

const SINCE_MS: i64 = 1_700_000_000_000;

fn local(name: &str, status: &'static str) -> LocalView {
    LocalView {
        resident: true,
        name: name.into(),
        kind: "chat",
        status,
        percent: None,
        detail: String::new(),
        proven_age_s: Some(3),
        proven: status == "ready",
        in_flight: 0,
        device: None,
        confined: (status == "ready").then_some(true),
        facts: None,
        layers: None,
        memory: None,
    }
}

fn upstream(breaker: &'static str, share_percent: u8) -> UpstreamView {
    UpstreamView {
        name: "openai".into(),
        breaker,
        verdict: (breaker == "open").then_some(Verdict::UpstreamDown),
        evidence: String::new(),
        evidence_ko: String::new(),
        models: Vec::new(),
        share_percent,
        last_probe_ms: None,
        since_ms: SINCE_MS,
        demo: false,
    }
}

fn site(state: SiteState, upstreams: Vec<UpstreamView>, locals: Vec<LocalView>) -> Site {
    let aliases =
        vec![AliasView { name: "assistant".into(), kind: "chat", cloud: Vec::new(), standby: Vec::new() }];
    let name = "Harbor Hospital".to_owned();
    let (since_ms, started_ms) = (SINCE_MS, SINCE_MS);
    let (outage, orders, announcements) = (None, Vec::new(), Vec::new());
    let drill = gateway::DrillView::default();
    Site {
        name,
        state,
        since_ms,
        started_ms,
        upstreams,
        locals,
        aliases,
        outage,
        drill,
        partial_outages: Vec::new(),
        local_answers_24h: 1,
        brown_out_step: 0,
        orders,
        announcements,
        store: Condition::default(),
        machine: MachineView::default(),
    }
}

fn out() -> Vec<UpstreamView> {
    vec![upstream("open", 0)]
}

#[test]
fn the_band_is_calm_when_connected_and_speaks_up_for_everything_else() {
    let pilot = || vec![local("pilot-light", "ready")];
    let large = || vec![local("large", "ready"), local("pilot-light", "ready")];
    let table = [
        (site(SiteState::Connected, vec![upstream("closed", 100)], pilot()), Tone::Calm, "cloud"),
        (site(SiteState::Offline, Vec::new(), large()), Tone::Calm, "local"),
        (
            site(SiteState::Degraded, vec![upstream("closed", 100), upstream("open", 0)], large()),
            Tone::Changed,
            "cloud",
        ),
        (site(SiteState::Offline, out(), large()), Tone::Changed, "local"),
        (site(SiteState::Offline, out(), pilot()), Tone::Changed, "local"),
        (site(SiteState::Offline, out(), vec![local("large", "loading")]), Tone::Stopped, "none"),
        (site(SiteState::Recovering, vec![upstream("closed", 50)], large()), Tone::Returning, "both"),
        (site(SiteState::Recovering, vec![upstream("closed", 0)], large()), Tone::Returning, "local"),
        (site(SiteState::ForcedLocal, vec![upstream("closed", 100)], large()), Tone::Ordered, "local"),
        (site(SiteState::ForcedCloud, out(), large()), Tone::Ordered, "cloud"),
        (site(SiteState::Drill, vec![upstream("closed", 100)], large()), Tone::Ordered, "local"),
    ];
    let mut shown = String::new();
    for (site, tone, carries) in table {
        for language in Language::ALL {
            let band = Band::of(&site, language, &Clock::utc());
            assert_eq!(band.tone, tone, "{}", band.title);
            shown += &format!(
                "{} {}: {} | {} | {}\n",
                band.state,
                tone.as_str(),
                band.title,
                band.changed,
                band.todo
            );
        }
        assert_eq!(Line::of(&site, &Text::of(Language::English).line).carries.as_str(), carries);
    }
    insta::assert_snapshot!("band_words", shown);
}

#[test]
fn the_band_of_an_outage_has_an_icon_and_its_state_besides_its_colour() {
    let site = site(SiteState::Offline, out(), vec![local("large", "ready")]);
    let html = BandPartial { band: Band::of(&site, Language::Korean, &Clock::utc()) }.render().unwrap();
    insta::assert_snapshot!("band_offline", html);
}

#[test]
fn the_end_of_an_outage_is_told_beside_a_calm_band_and_changes_its_fingerprint() {
    let mut site = site(SiteState::Connected, vec![upstream("closed", 100)], Vec::new());
    let quiet = Band::of(&site, Language::English, &Clock::utc());
    assert!(quiet.notices.is_empty());
    let kind = AnnouncementKind::CloudBack { out_since_ms: SINCE_MS };
    site.announcements = vec![Announcement { at_ms: Clock::now_ms(), kind }];
    for language in Language::ALL {
        let band = Band::of(&site, language, &Clock::utc());
        assert_eq!((band.tone, band.notices.len()), (Tone::Calm, 1));
        assert!(band.notices[0].contains("2023-11-14 22:13"), "{:?}", band.notices);
        assert_ne!(band.fingerprint, quiet.fingerprint);
    }
    let band = Band::of(&site, Language::English, &Clock::utc());
    let html = BandPartial { band }.render().unwrap();
    assert!(html.contains("<li>The cloud models are back since"), "{html}");
}

#[test]
fn every_announcement_has_its_sentence_in_both_languages() {
    let (upstream, model) = (|| Some("openai".to_owned()), || Some("large".to_owned()));
    let kinds = [
        AnnouncementKind::OutageBegan,
        AnnouncementKind::CloudBack { out_since_ms: SINCE_MS },
        AnnouncementKind::BrownOut { step: 1, was: 0 },
        AnnouncementKind::BrownOut { step: 5, was: 4 },
        AnnouncementKind::BrownOut { step: 0, was: 1 },
        AnnouncementKind::DrillBegan,
        AnnouncementKind::DrillEnded { passed: true },
        AnnouncementKind::DrillEnded { passed: false },
        AnnouncementKind::OrderBegan {
            order: "force-local",
            upstream: None,
            model: None,
            until_ms: SINCE_MS,
        },
        AnnouncementKind::OrderBegan {
            order: "force-cloud",
            upstream: None,
            model: None,
            until_ms: SINCE_MS,
        },
        AnnouncementKind::OrderBegan {
            order: "isolate",
            upstream: upstream(),
            model: None,
            until_ms: SINCE_MS,
        },
        AnnouncementKind::OrderEnded { order: "isolate", upstream: upstream(), model: None },
        AnnouncementKind::OrderEnded { order: "force-local", upstream: None, model: None },
        AnnouncementKind::OrderBegan { order: "load", upstream: None, model: model(), until_ms: SINCE_MS },
        AnnouncementKind::OrderBegan { order: "unload", upstream: None, model: model(), until_ms: SINCE_MS },
        AnnouncementKind::OrderEnded { order: "unload", upstream: None, model: model() },
    ];
    let mut shown = String::new();
    for kind in kinds {
        let announcement = Announcement { at_ms: SINCE_MS, kind };
        for language in Language::ALL {
            shown += &notices::sentence(&announcement, &Text::of(language).notice, &Clock::utc());
            shown.push('\n');
        }
    }
    insta::assert_snapshot!("notices", shown);
}

#[test]
fn a_standby_that_is_not_proven_is_an_alarm_before_any_outage_and_so_is_an_alias_without_another() {
    let stuck = LocalView { proven: false, ..local("large", "ready") };
    let alarms = |locals: Vec<LocalView>, language| {
        let mut site = site(SiteState::Connected, vec![upstream("closed", 100)], locals);
        site.aliases[0].standby = vec!["large".into(), "small".into()];
        alarms::of(&site, &Text::of(language).status)
    };
    for language in Language::ALL {
        assert!(alarms(vec![local("large", "ready"), local("small", "ready")], language).is_empty());
        let one = alarms(vec![stuck.clone(), local("small", "ready")], language);
        assert!(one.len() == 1 && one[0].contains("large"), "another one stands by: {one:?}");
        for status in ["starting", "loading", "failed"] {
            let all = alarms(vec![stuck.clone(), local("small", status)], language);
            assert_eq!(all.len(), 3, "{status}: {all:?}");
            assert!(all[1].contains("small") && all[2].contains("assistant"), "{status}: {all:?}");
        }
        let meant = alarms(vec![local("large", "ready"), local("small", "unloaded")], language);
        assert!(meant.is_empty(), "an order or the configuration says so: {meant:?}");
    }
}

#[test]
fn a_model_that_the_kernel_does_not_confine_is_an_alarm() {
    let open = LocalView { confined: Some(false), ..local("large", "ready") };
    for language in Language::ALL {
        let site = site(SiteState::Connected, Vec::new(), vec![open.clone(), local("small", "ready")]);
        let alarms = alarms::of(&site, &Text::of(language).status);
        assert!(alarms.len() == 1 && alarms[0].contains("large"), "{alarms:?}");
    }
}

#[test]
fn layers_on_the_wrong_processor_and_gpus_that_nobody_uses_or_should_trust_are_alarms() {
    let layers = Layers { all: 33, on_gpu: 12, is_short: true };
    let slow = LocalView { layers: Some(layers), ..local("large", "ready") };
    let hot = GpuReading { name: "H100".into(), index: 1, temperature_c: Some(95), ..GpuReading::default() };
    let gpus = vec![GpuState { worries: hot.worries(), reading: hot }];
    let idle = |vendor, why| IdleGpu { vendor, why };
    let unused = vec![
        idle(Vendor::Nvidia, Why::NotBuilt),
        idle(Vendor::Nvidia, Why::NoNode("/dev/nvidia0")),
        idle(Vendor::Amd, Why::Closed("/dev/kfd".into())),
        idle(Vendor::Intel, Why::NotListed),
    ];
    for language in Language::ALL {
        let text = &Text::of(language).machine;
        let mut site = site(SiteState::Connected, Vec::new(), vec![slow.clone(), local("small", "ready")]);
        site.machine =
            MachineView { gpus: gpus.clone(), is_fresh: true, idle: unused.clone(), ..site.machine };
        let told = machine::alarms(&site, text);
        let wanted = [
            &["large", "12", "33"][..],
            &["NVIDIA"],
            &["/dev/nvidia0"],
            &["/dev/kfd"],
            &["Intel"],
            &["H100", "95", "90"],
        ];
        assert_eq!(told.len(), wanted.len(), "{told:#?}");
        for (told, wanted) in told.iter().zip(wanted) {
            assert!(wanted.iter().all(|word| told.contains(word)), "{told}");
            assert_eq!(
                told.chars().any(|letter| ('가'..='힣').contains(&letter)),
                language == Language::Korean
            );
        }
        let row = &machine::table(&site.machine, text).expect("a table").rows[0];
        assert_eq!((row.lamp, row.temperature.as_str(), row.load.as_str()), ("bad", "95 °C", "–"));
        site.machine = MachineView {
            is_fresh: false,
            trouble: Some("mismatch".into()),
            gpus: gpus.clone(),
            ..MachineView::default()
        };
        site.locals.clear();
        let told = machine::alarms(&site, text);
        assert!(told.len() == 3 && told[0].contains("mismatch"), "{told:#?}");
        assert!(machine::table(&MachineView::default(), text).is_none(), "no GPUs, no table");
    }
}

fn file(name: &'static str) -> FileCondition {
    let (trouble, since_ms, damage, slow_commit_ms) = (None, None, None, None);
    FileCondition { file: name, trouble, since_ms, damage, wal_bytes: 0, slow_commit_ms }
}

#[test]
fn what_is_wrong_with_a_file_or_its_disk_is_an_alarm_that_names_the_mend() {
    let full = FileCondition { trouble: Some(Trouble::DiskFull), ..file("audit.db") };
    let damaged = FileCondition { damage: Some("row 25 missing from index".into()), ..file("core.db") };
    let slow = FileCondition { slow_commit_ms: Some(2500), wal_bytes: 100 << 20, ..file("work.db") };
    for (language, words) in [
        (Language::English, ["Make room", "Restore", "Stop the box", "2.5 s", "100 MiB", "5 MiB are left"]),
        (Language::Korean, ["여유 공간", "복원", "장비를 멈추고", "2.5초", "100 MiB", "5 MiB 남았"]),
    ] {
        let text = &Text::of(language).keeping;
        let well = Condition { files: vec![file("core.db")], ..Condition::default() };
        assert!(keeping::alarms(&well, text).is_empty());
        let files = vec![full.clone(), damaged.clone(), slow.clone()];
        let ill = Condition { files, free_bytes: Some(5 << 20), ..Condition::default() };
        let alarms = keeping::alarms(&ill, text).join("\n").to_lowercase();
        for word in words {
            assert!(alarms.contains(&word.to_lowercase()), "{word}: {alarms}");
        }
        let (lamp, _) = keeping::checks(&ill, text, &Clock::utc());
        assert_eq!(lamp, "bad");
        for (trouble, hours, told) in [
            (AnchorTrouble::Away, 23, false),
            (AnchorTrouble::Away, 25, true),
            (AnchorTrouble::Failing, 0, true),
            (AnchorTrouble::KnowsMore, 0, true),
        ] {
            let since_ms = Some(Clock::now_ms() - hours * 3_600_000);
            let place = "/media/stick/anchors".to_owned();
            let anchor = AnchorCondition { kind: "file", place, trouble: Some(trouble), since_ms };
            let alarms = keeping::alarms(&Condition { anchors: vec![anchor], ..well.clone() }, text);
            assert_eq!(
                alarms.iter().any(|alarm| alarm.contains("/media/stick/anchors")),
                told,
                "{trouble:?}"
            );
        }
        let checked = Condition { unclean_stop: true, checked_ms: Some(1_700_000_000_000), ..well };
        let (lamp, words) = keeping::checks(&checked, text, &Clock::utc());
        assert!(lamp == "good" && words.contains("2023-11-14"), "{words}");
    }
}

/// Without what differs from run to run: tokens, codes, identifiers, hashes, times.
fn settled(page: &Page) -> String {
    let mut text = page.body.clone();
    for selector in ["input[name=csrf]", "input[name=seen]", "input[name=conversation]"] {
        if page.has(selector) {
            let value = page.attribute(selector, "value");
            if !value.is_empty() {
                text = text.replace(&value, "[value]");
            }
        }
    }
    let words = text.split_inclusive([' ', '<', '>', '"', '\n', '/', '.', ';']);
    words.map(settled_word).collect()
}

fn settled_word(word: &str) -> String {
    let (bare, end) = match word.char_indices().next_back() {
        Some((at, c)) if !c.is_alphanumeric() => word.split_at(at),
        _ => (word, ""),
    };
    let has_shape = |shape: &str| {
        bare.len() == shape.len()
            && bare
                .bytes()
                .zip(shape.bytes())
                .all(|(b, s)| if s == b'0' { b.is_ascii_digit() } else { b == s })
    };
    let is_hash = bare.len() == 16 && bare.bytes().all(|b| b.is_ascii_hexdigit());
    let is_time = ["00:00", "00:00:00", "0000-00-00"].iter().any(|shape| has_shape(shape));
    if is_hash || is_time { format!("[…]{end}") } else { word.to_owned() }
}

async fn in_korean(browser: &mut Browser) {
    browser.post("/language", "language=ko&back=/").await;
}

#[tokio::test]
async fn each_page_is_as_it_was() {
    let the_box = Box::with_a_refusing_cloud();
    let mut visitor = the_box.browser();
    insta::assert_snapshot!("setup", settled(&visitor.get("/setup").await));
    let mut owner = the_box.owner().await;
    insta::assert_snapshot!("sign_in", settled(&visitor.get("/sign-in").await));
    insta::assert_snapshot!("chat_new", settled(&owner.get("/").await));
    insta::assert_snapshot!("second_look", settled(&owner.get("/second-look").await));
    in_korean(&mut owner).await;
    insta::assert_snapshot!("outages_korean", settled(&owner.get("/outages").await));
    insta::assert_snapshot!("chat_new_korean", settled(&owner.get("/").await));
    insta::assert_snapshot!("not_found_korean", settled(&owner.get("/nowhere").await));
    let mut staff = the_box.staff("lee").await;
    insta::assert_snapshot!("status_of_staff", settled(&staff.get("/status").await));
}

#[tokio::test]
async fn the_language_follows_the_browser_until_somebody_chooses() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let mut visitor = the_box.browser();
    visitor.headers = vec![("accept-language", "ko-KR,ko;q=0.9,en;q=0.8")];
    assert_eq!(visitor.get("/sign-in").await.attribute("html", "lang"), "ko");
    let chosen = visitor.post("/language", "language=en&back=/sign-in").await;
    assert_eq!(chosen.header("location"), "/sign-in");
    assert_eq!(visitor.get("/sign-in").await.attribute("html", "lang"), "en");
}

#[tokio::test]
async fn the_band_is_sent_again_only_when_it_has_changed() {
    let the_box = Box::fresh();
    let mut visitor = the_box.browser();
    let seen = visitor.get("/setup").await.attribute("#band-seen", "value");
    assert_eq!(visitor.get(&format!("/band?seen={seen}")).await.status, http::StatusCode::NO_CONTENT);
    assert!(visitor.get("/band?seen=other").await.has(".band"));
}

#[tokio::test]
async fn an_outage_turns_the_band_and_the_line_and_is_recorded_for_all_to_see() {
    let mut the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    assert!(owner.get("/status").await.has(".band--calm"));
    let cancel = tokio_util::sync::CancellationToken::new();
    let mut site = the_box.portal.gateway().site();
    let monitor = the_box.monitor.take().expect("the monitor runs once").run(cancel.clone());
    let outage = async {
        for _ in 0..3 {
            owner.submit("/ask", "alias=assistant&question=hello").await;
        }
        site.wait_for(|site| site.state == SiteState::Offline && site.outage.is_some()).await.unwrap();
        // The row of the event follows the site: it has a writer of its own.
        let page = loop {
            let page = owner.get("/status").await;
            if page.text("#events").contains("cloud out of reach") {
                break page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        cancel.cancel();
        page
    };
    let ((), page) = futures_util::future::join(monitor, outage).await;
    assert!(page.has(".band--stopped"));
    assert_eq!(page.attribute(".line", "data-carries"), "none");
    assert!(page.has("#upstreams [data-breaker=open]"));
    assert!(page.has("#outages td") && page.has("#announcements td"));
    assert!(page.text(".band-notices").starts_with("The cloud models went out of reach at"));
    assert!(
        page.text("#events").contains("went from “connected” to “cloud out of reach”"),
        "{}",
        page.text("#events")
    );
    assert!(owner.get("/").await.has("#demo .notice--bad"));
}
