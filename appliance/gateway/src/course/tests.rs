use dialect::openai::ChatRequest;

use super::{Candidate, CloudRoute, Draft, Reason, RouteFacts, Say, Wants, first_word};

fn route(label: &str) -> Candidate {
    Candidate::Cloud(CloudRoute {
        upstream: 0,
        model: "m".into(),
        label: label.into(),
        facts: RouteFacts::default(),
    })
}

type Row = (&'static [(&'static str, Say)], &'static [&'static str], Reason);

/// The routes in the order in which they are tried, and the reason.
fn planned(said: &[(&str, Say)]) -> (Vec<String>, Reason) {
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
        (&[("a", Say::Pass), ("b", Say::Pass)], &["a", "b"], Reason::FirstRoute),
        (&[("a", Say::Never(Reason::CircuitOpen)), ("b", Say::Pass)], &["b"], Reason::CircuitOpen),
        (&[("a", Say::Last(Reason::Recovering)), ("b", Say::Pass)], &["b", "a"], Reason::Recovering),
        (
            &[("a", Say::Never(Reason::LocalOnly)), ("b", Say::Never(Reason::StandbyUnready))],
            &[],
            Reason::LocalOnly,
        ),
        (&[("a", Say::Pass), ("b", Say::Never(Reason::CircuitOpen))], &["a"], Reason::FirstRoute),
        (&[("a", Say::Ordered(Reason::ForcedCloud)), ("b", Say::Pass)], &["a", "b"], Reason::ForcedCloud),
        (&[("a", Say::Never(Reason::Isolated)), ("b", Say::Pass)], &["b"], Reason::Isolated),
    ];
    for (said, order, reason) in table {
        let (labels, seen) = planned(said);
        assert_eq!((labels, seen), (order.iter().map(ToString::to_string).collect(), *reason), "{said:?}");
    }
}

#[test]
fn the_first_filter_that_speaks_decides() {
    let say =
        first_word([Say::Pass, Say::Last(Reason::Recovering), Say::Never(Reason::CircuitOpen)].into_iter());
    assert_eq!(say, Say::Last(Reason::Recovering));
    assert_eq!(first_word([Say::Pass].into_iter()), Say::Pass);
}
