use dialect::openai::ChatRequest;

use super::{Candidate, CloudRoute, Draft, RouteFacts, Say, Wants, first_word};

fn route(label: &str) -> Candidate {
    Candidate::Cloud(CloudRoute {
        upstream: 0,
        model: "m".into(),
        label: label.into(),
        facts: RouteFacts::default(),
    })
}

type Row = (&'static [(&'static str, Say)], &'static [&'static str], &'static str);

/// The routes in the order in which they are tried, and the reason.
fn planned(said: &[(&str, Say)]) -> (Vec<String>, &'static str) {
    let mut draft = Draft::default();
    for (label, say) in said {
        draft.take(route(label), *say);
    }
    let course = draft.course(Wants::of(&ChatRequest::from_messages("a", Vec::new(), false)));
    (course.candidates.iter().map(Candidate::label).collect(), course.reason)
}

#[test]
fn routes_keep_their_order_and_those_for_later_come_last() {
    let table: &[Row] = &[
        (&[("a", Say::Pass), ("b", Say::Pass)], &["a", "b"], "first-route"),
        (&[("a", Say::Never("circuit-open")), ("b", Say::Pass)], &["b"], "circuit-open"),
        (&[("a", Say::Last("recovering")), ("b", Say::Pass)], &["b", "a"], "recovering"),
        (&[("a", Say::Never("local-only")), ("b", Say::Never("standby-unready"))], &[], "local-only"),
        (&[("a", Say::Pass), ("b", Say::Never("circuit-open"))], &["a"], "first-route"),
        (&[("a", Say::Ordered("forced-cloud")), ("b", Say::Pass)], &["a", "b"], "forced-cloud"),
        (&[("a", Say::Never("isolated")), ("b", Say::Pass)], &["b"], "isolated"),
    ];
    for (said, order, reason) in table {
        let (labels, word) = planned(said);
        assert_eq!((labels, word), (order.iter().map(ToString::to_string).collect(), *reason), "{said:?}");
    }
}

#[test]
fn the_first_filter_that_speaks_decides() {
    let say = first_word([Say::Pass, Say::Last("recovering"), Say::Never("circuit-open")].into_iter());
    assert_eq!(say, Say::Last("recovering"));
    assert_eq!(first_word([Say::Pass].into_iter()), Say::Pass);
}
