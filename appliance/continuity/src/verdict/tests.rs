//! Evidence in, verdict out; and the words.

use super::*;

const ALONE: Asked = Asked { asked: 1, failing: 1 };
const ONE_OF_TWO: Asked = Asked { asked: 2, failing: 1 };
const ALL_OF_TWO: Asked = Asked { asked: 2, failing: 2 };
const NONE_OF_THREE: Asked = Asked { asked: 3, failing: 0 };
const ALL_OF_THREE: Asked = Asked { asked: 3, failing: 3 };
const NOBODY: Asked = Asked { asked: 0, failing: 0 };

fn verdict(sign: Sign, upstreams: Asked, witnesses: Asked) -> Option<Verdict> {
    diagnose(&evidence(sign, upstreams, witnesses))
}

fn evidence(sign: Sign, upstreams: Asked, witnesses: Asked) -> Evidence {
    Evidence { sign, link: Link::Unknown, upstreams, witnesses, names: NOBODY, addresses: NOBODY }
}

#[test]
fn what_answered_besides_says_how_wide_a_transport_failure_is() {
    let table = [
        (Sign::Refused, ALONE, NONE_OF_THREE, Verdict::UpstreamDown),
        (Sign::Reset, ALONE, NONE_OF_THREE, Verdict::UpstreamDown),
        (Sign::Silent, ONE_OF_TWO, NONE_OF_THREE, Verdict::UpstreamDown),
        (Sign::Silent, ONE_OF_TWO, ALL_OF_THREE, Verdict::UpstreamDown),
        (Sign::Silent, ALL_OF_TWO, NONE_OF_THREE, Verdict::UpstreamDown),
        (Sign::Silent, ALL_OF_TWO, ALL_OF_THREE, Verdict::InternetDown),
        (Sign::Refused, ALONE, ALL_OF_THREE, Verdict::InternetDown),
        (Sign::Silent, ALL_OF_TWO, NOBODY, Verdict::InternetDown),
        (Sign::Silent, ALONE, NOBODY, Verdict::UpstreamDown),
        (Sign::DnsFailed, ALONE, NONE_OF_THREE, Verdict::DnsDown),
        (Sign::DnsFailed, ALL_OF_TWO, NOBODY, Verdict::DnsDown),
        (Sign::DnsFailed, ALL_OF_TWO, ALL_OF_THREE, Verdict::InternetDown),
        (Sign::NoRoute, ALONE, NONE_OF_THREE, Verdict::LinkDown),
    ];
    for (sign, upstreams, witnesses, expected) in table {
        let found = verdict(sign, upstreams, witnesses);
        assert_eq!(found, Some(expected), "{sign:?}, {upstreams:?}, {witnesses:?}");
    }
}

#[test]
fn without_a_link_every_transport_failure_is_the_link() {
    for sign in [Sign::NoRoute, Sign::DnsFailed, Sign::Refused, Sign::Reset, Sign::Silent] {
        for link in [Link::NoCarrier, Link::NoDefaultRoute] {
            let evidence = Evidence { link, ..evidence(sign, ALL_OF_TWO, ALL_OF_THREE) };
            assert_eq!(diagnose(&evidence), Some(Verdict::LinkDown), "{sign:?}, {link:?}");
        }
    }
}

#[test]
fn with_the_link_up_no_route_is_a_router_s_word() {
    let table = [
        (ALL_OF_TWO, ALL_OF_THREE, Verdict::InternetDown),
        (ALONE, ALL_OF_THREE, Verdict::InternetDown),
        (ALONE, NONE_OF_THREE, Verdict::UpstreamDown),
        (ONE_OF_TWO, NOBODY, Verdict::UpstreamDown),
    ];
    for (upstreams, witnesses, expected) in table {
        let evidence = Evidence { link: Link::Up, ..evidence(Sign::NoRoute, upstreams, witnesses) };
        assert_eq!(diagnose(&evidence), Some(expected), "{upstreams:?}, {witnesses:?}");
    }
}

#[test]
fn a_name_that_alone_is_not_found_is_the_upstream_s_trouble() {
    let one_found = Asked { asked: 2, failing: 1 };
    let evidence = Evidence { names: one_found, ..evidence(Sign::DnsFailed, ALONE, NONE_OF_THREE) };
    assert_eq!(diagnose(&evidence), Some(Verdict::UpstreamDown));
    let none_found = Evidence { names: ALL_OF_TWO, ..evidence };
    assert_eq!(diagnose(&none_found), Some(Verdict::DnsDown));
}

#[test]
fn what_is_reached_by_address_tells_dead_names_from_a_dead_line() {
    let table = [
        (ALL_OF_TWO, NOBODY, ALL_OF_TWO, Verdict::InternetDown),
        (ALL_OF_TWO, NOBODY, ONE_OF_TWO, Verdict::DnsDown),
        (ALL_OF_TWO, NOBODY, NOBODY, Verdict::DnsDown),
        (ALONE, NOBODY, ALONE, Verdict::InternetDown),
        (ALL_OF_TWO, ALL_OF_THREE, ONE_OF_TWO, Verdict::DnsDown),
        (ONE_OF_TWO, NOBODY, ALONE, Verdict::DnsDown),
    ];
    for (upstreams, witnesses, addresses, expected) in table {
        let evidence = Evidence { addresses, ..evidence(Sign::DnsFailed, upstreams, witnesses) };
        assert_eq!(diagnose(&evidence), Some(expected), "{upstreams:?}, {witnesses:?}, {addresses:?}");
    }
}

#[test]
fn a_link_that_is_down_excuses_no_key() {
    let evidence =
        Evidence { link: Link::NoCarrier, ..evidence(Sign::Status(401), ALL_OF_TWO, ALL_OF_THREE) };
    assert_eq!(diagnose(&evidence), Some(Verdict::KeyRejected));
}

#[test]
fn the_evidence_names_all_that_was_asked() {
    let transport = Evidence { link: Link::Up, ..evidence(Sign::Silent, ALL_OF_TWO, ALL_OF_THREE) };
    assert_eq!(
        transport.in_words(Language::English),
        "The upstream did not answer within the deadline. The box's own link is up and has a default route. Of 1 \
         other upstreams none gets through. Of 3 witnesses that are no upstream 0 answer."
    );
    let withdrawn = evidence(Sign::ModelMissing, ALL_OF_TWO, ALL_OF_THREE);
    assert_eq!(withdrawn.in_words(Language::English).matches('.').count(), 1, "witnesses do not matter here");
    for sign in [Sign::CertificateExpired, Sign::CertificateNotYetValid] {
        let text = evidence(sign, ALONE, NOBODY);
        assert!(text.in_words(Language::English).contains("clock of the box"));
        assert!(text.in_words(Language::Korean).contains("시계"));
        assert_eq!(diagnose(&text), Some(Verdict::UpstreamDown));
    }
}

#[test]
fn every_sign_has_its_own_words_in_both_languages() {
    let signs = [
        Sign::NoRoute,
        Sign::DnsFailed,
        Sign::Refused,
        Sign::Reset,
        Sign::TlsFailed,
        Sign::CertificateExpired,
        Sign::CertificateNotYetValid,
        Sign::Silent,
        Sign::NotJson,
        Sign::Malformed,
        Sign::ModelMissing,
        Sign::QuotaSpent,
        Sign::NoKey,
        Sign::Slow,
        Sign::Status(503),
    ];
    for language in [Language::English, Language::Korean] {
        let mut texts: Vec<_> =
            signs.iter().map(|sign| evidence(*sign, ALONE, NOBODY).in_words(language)).collect();
        assert!(texts.iter().all(|text| text.ends_with('.') && !text.contains("  ")), "{texts:?}");
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), signs.len(), "{language:?}");
    }
}

#[test]
fn what_an_upstream_says_itself_needs_no_witness() {
    let table = [
        (Sign::Answered, None),
        (Sign::TlsFailed, Some(Verdict::Intercepted)),
        (Sign::NotJson, Some(Verdict::Intercepted)),
        (Sign::Malformed, Some(Verdict::UpstreamDown)),
        (Sign::ModelMissing, Some(Verdict::ModelWithdrawn)),
        (Sign::QuotaSpent, Some(Verdict::QuotaExhausted)),
        (Sign::NoKey, Some(Verdict::KeyRejected)),
        (Sign::Slow, Some(Verdict::Slow)),
        (Sign::Status(200), None),
        (Sign::Status(302), Some(Verdict::Intercepted)),
        (Sign::Status(400), Some(Verdict::KeyRejected)),
        (Sign::Status(401), Some(Verdict::KeyRejected)),
        (Sign::Status(402), Some(Verdict::QuotaExhausted)),
        (Sign::Status(403), Some(Verdict::KeyRejected)),
        (Sign::Status(404), None),
        (Sign::Status(407), Some(Verdict::Intercepted)),
        (Sign::Status(408), Some(Verdict::Slow)),
        (Sign::Status(409), Some(Verdict::UpstreamDown)),
        (Sign::Status(410), Some(Verdict::ModelWithdrawn)),
        (Sign::Status(413), None),
        (Sign::Status(422), None),
        (Sign::Status(429), Some(Verdict::Throttled)),
        (Sign::Status(500), Some(Verdict::UpstreamDown)),
        (Sign::Status(503), Some(Verdict::UpstreamDown)),
        (Sign::Status(511), Some(Verdict::Intercepted)),
        (Sign::Status(529), Some(Verdict::UpstreamDown)),
    ];
    for (sign, expected) in table {
        for witnesses in [NOBODY, NONE_OF_THREE, ALL_OF_THREE] {
            assert_eq!(verdict(sign, ALL_OF_TWO, witnesses), expected, "{sign:?}");
        }
    }
}

#[test]
fn every_verdict_has_its_own_words_in_both_languages() {
    for language in [Language::English, Language::Korean] {
        let mut texts: Vec<&str> = Verdict::ALL
            .iter()
            .flat_map(|verdict| {
                [
                    verdict.sentence_for_staff(language),
                    verdict.sentence_in_the_past(language),
                    verdict.action_for_administrator(language),
                ]
            })
            .collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 3 * Verdict::ALL.len(), "{language:?}");
    }
}

#[test]
fn the_sentence_for_staff_is_one_plain_sentence() {
    let sentences = [Verdict::sentence_for_staff, Verdict::sentence_in_the_past];
    for (verdict, sentence) in Verdict::ALL.into_iter().flat_map(|v| sentences.map(|sentence| (v, sentence)))
    {
        let english = sentence(verdict, Language::English);
        assert!(english.ends_with('.') && english.matches('.').count() == 1, "{english}");
        let korean = sentence(verdict, Language::Korean);
        assert!(korean.ends_with("니다.") && korean.matches('.').count() == 1, "{korean}");
        for technical in ["DNS", "TLS", "HTTP", "API", "429", "upstream", "업스트림"] {
            assert!(!english.contains(technical) && !korean.contains(technical), "{verdict}: {technical}");
        }
    }
}

#[test]
fn no_text_is_broken_by_its_line_ends() {
    for verdict in Verdict::ALL {
        for language in [Language::English, Language::Korean] {
            for text in [verdict.sentence_for_staff(language), verdict.action_for_administrator(language)] {
                assert!(!text.contains("  ") && !text.contains('\n'), "{text}");
            }
        }
    }
}

#[test]
fn the_word_is_the_same_in_json() {
    for verdict in Verdict::ALL {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
    }
    assert_eq!(serde_json::to_value(Language::Korean).unwrap(), "ko");
}
