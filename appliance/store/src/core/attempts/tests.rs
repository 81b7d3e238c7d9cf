//! Guessers and the persons they guess at, on a clock that stands.

use super::*;

const WINDOW: Duration = Duration::from_secs(60);
const DEVICE: [u8; 32] = [7; 32];

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([10, 0, 0, last]))
}

fn stranger(name: &str, last: u8) -> Try {
    Try::new(name, address(last), None)
}

fn admitted(attempts: &Attempts, new: &Try, now: Instant) -> usize {
    (0..100).filter(|_| attempts.admit(new, now).is_ok()).count()
}

#[test]
fn three_tries_are_free_then_the_delay_grows_and_the_eleventh_is_refused() {
    let (attempts, now) = (Attempts::within(WINDOW), start());
    let known = Try::new("kim", address(1), Some(DEVICE));
    let delays: Vec<u64> = (0..10).map(|_| attempts.admit(&known, now).unwrap().as_secs()).collect();
    assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 8, 8, 8]);
    assert_eq!(attempts.admit(&known, now).unwrap_err().retry_after, WINDOW);
}

#[test]
fn strangers_have_ten_tries_a_minute_at_an_account_and_five_from_one_address() {
    let (attempts, now) = (Attempts::within(WINDOW), start());
    assert_eq!(admitted(&attempts, &stranger("kim", 1), now), 5);
    assert_eq!(admitted(&attempts, &stranger("KIM", 2), now), 5);
    assert_eq!(admitted(&attempts, &stranger("kim", 3), now), 0);
    assert_eq!(attempts.admit(&stranger("lee", 3), now), Ok(Duration::ZERO));
}

#[test]
fn a_known_device_has_its_own_tries_while_strangers_guess() {
    let (attempts, now) = (Attempts::within(WINDOW), start());
    for last in 1..=200 {
        admitted(&attempts, &stranger("kim", last), now);
    }
    let owner = Try::new("kim", address(1), Some(DEVICE));
    assert_eq!(attempts.admit(&owner, now), Ok(Duration::ZERO));
}

#[test]
fn one_address_has_thirty_wrong_tries_a_minute_whatever_accounts_it_names() {
    let (attempts, now) = (Attempts::within(WINDOW), start());
    let sprayed = (0..1000).filter(|n| attempts.admit(&stranger(&n.to_string(), 1), now).is_ok()).count();
    assert_eq!(sprayed, 30);
}

#[test]
fn a_try_that_succeeds_is_given_back_so_a_ward_behind_one_address_gets_in() {
    let (attempts, now) = (Attempts::within(WINDOW), start());
    for number in 0..1000 {
        let person = stranger(&number.to_string(), 1);
        assert!(attempts.admit(&person, now).is_ok(), "{number}");
        attempts.give_back(&person);
    }
}

#[test]
fn a_minute_later_all_is_forgotten() {
    let (attempts, now) = (Attempts::within(WINDOW), start());
    let new = stranger("kim", 1);
    while attempts.admit(&new, now).is_ok() {}
    let after = |seconds| attempts.admit(&new, now + Duration::from_secs(seconds));
    assert_eq!(after(59).unwrap_err().retry_after, Duration::from_secs(1));
    assert_eq!(after(60), Ok(Duration::ZERO));
}

#[test]
fn a_refusal_is_news_once_a_minute() {
    let (attempts, now) = (Attempts::within(WINDOW), start());
    let new = stranger("kim", 1);
    let news_at = |now| (0..1000).filter(|_| attempts.admit(&new, now).is_err_and(|r| r.is_news)).count();
    assert_eq!(news_at(now), 1);
    assert_eq!(news_at(now + WINDOW), 1);
}

#[test]
fn the_addresses_of_one_network_are_one_source() {
    let of = |text: &str| source(Some(text.parse().unwrap()));
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_ne!(of("10.0.0.2"), of("10.0.0.1"));
}

#[test]
fn a_spray_of_names_from_everywhere_does_not_grow_the_memory() {
    let (attempts, now) = (Attempts::within(WINDOW), start());
    for number in 0..2 * MAX_COUNTS as u32 {
        let from = IpAddr::from(number.to_be_bytes());
        let _ = attempts.admit(&Try::new(&number.to_string(), Some(from), None), now);
    }
    assert!(attempts.counts().len() <= MAX_COUNTS + 3);
}
