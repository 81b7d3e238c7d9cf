use prometheus_client::registry::Registry;
use store::Store;

use super::*;
use crate::fault::Fault;
use crate::monitor::view::{Told, site};
use crate::settings::{OutsideSettings, Settings, WitnessSettings};

#[tokio::test]
async fn a_record_of_an_earlier_life_stays_open_while_the_first_probes_of_this_one_fail() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    // Nobody has asked the witnesses yet, so that there is no verdict to go by.
    let outside = OutsideSettings { witnesses: WitnessSettings::usual(), ..OutsideSettings::default() };
    let settings = Settings { outside, ..Settings::for_tests() };
    let (gateway, _monitor) = Gateway::build(settings, Vec::new(), store, &mut Registry::default()).unwrap();
    let orphan = Outage { upstreams: "a".into(), ..Outage::default() };
    let is_behind = |orphan: &Outage| {
        let site = site(&gateway, 0, &mut Told::default());
        assert!(site.upstreams[0].verdict.is_none() && !is_out(&site.upstreams[0]));
        is_behind_us(orphan, &gateway, &site)
    };
    assert!(!is_behind(&orphan), "nobody has looked yet");
    gateway.board().record_probe(0, &Err(Fault::Refused));
    assert!(!is_behind(&orphan), "the way is not free");
    let drill = Outage { is_drill: true, ..orphan.clone() };
    let unknown = Outage { scope: OutageScope::Upstream, upstreams: "gone".into(), ..orphan.clone() };
    assert!(is_behind(&drill) && is_behind(&unknown), "nothing will ever end these");
    gateway.board().record_probe(0, &Ok(None));
    assert!(is_behind(&orphan));
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_up() {
    let table = [
        (1000, 1999, false),
        (1000, 2000, true),
        (1000, 1000, false),
        (1000, 999, true),
        (i64::MAX, 0, true),
    ];
    for (since_ms, now_ms, expected) in table {
        assert_eq!(have_passed(1000, since_ms, now_ms), expected, "{since_ms} {now_ms}");
    }
}
