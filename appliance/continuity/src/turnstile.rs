//! How many requests there is room for, and how many of them one caller may have: at once, and in a minute.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// So many callers are remembered before the idle ones are looked for.
const FEW: usize = 64;

/// What one caller may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub at_once: u32,
    /// Also what a caller who has been quiet for a minute may ask in one go.
    pub per_minute: u32,
}

impl Share {
    /// For the box's own work, which is bounded by what it is made of.
    pub const ALL: Share = Share { at_once: u32::MAX, per_minute: u32::MAX };
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// The caller has so many under way already.
    AtOnce { limit: u32 },
    /// The caller has asked so often within a minute; the next one is let in after this time.
    PerMinute { limit: u32, retry_after: Duration },
    /// So many are under way in all.
    Full { limit: u32 },
}

/// Lets requests in, and knows who has how many.
///
/// A part of the room is the clinical lane's alone, so that nobody else keeps it out. What a caller may ask in a minute is
/// a bucket: each request takes one out, and it fills up again evenly. A caller with nothing under way and a full bucket is
/// as good as a new one and is forgotten, so what is remembered is bounded by who has asked within the last minute.
#[derive(Debug)]
pub struct Turnstile<C> {
    room: u32,
    kept_for_clinical: u32,
    inside: u32,
    inside_common: u32,
    callers: HashMap<C, Own>,
    /// The idle ones are looked for when so many are remembered.
    tidy_at: usize,
}

#[derive(Debug)]
struct Own {
    inside: u32,
    share: Share,
    left: f64,
    at: Instant,
}

impl Own {
    fn new(share: Share, now: Instant) -> Own {
        Own { inside: 0, share, left: f64::from(share.per_minute), at: now }
    }

    fn fill(&mut self, now: Instant) {
        let most = f64::from(self.share.per_minute);
        let gained = most * now.saturating_duration_since(self.at).as_secs_f64() / MINUTE.as_secs_f64();
        self.left = (self.left + gained).min(most);
        self.at = self.at.max(now);
    }

    fn refusal(&self) -> Option<TurnedAway> {
        let Share { at_once, per_minute } = self.share;
        if self.inside >= at_once {
            return Some(TurnedAway::AtOnce { limit: at_once });
        }
        if self.left >= 1.0 {
            return None;
        }
        let retry_after = MINUTE.mul_f64((1.0 - self.left) / f64::from(per_minute.max(1)));
        Some(TurnedAway::PerMinute { limit: per_minute, retry_after })
    }

    fn is_idle(&self) -> bool {
        self.inside == 0 && self.left >= f64::from(self.share.per_minute)
    }
}

impl<C: Eq + Hash + Clone> Turnstile<C> {
    /// Room for so many requests; the last ones of it are for the clinical lane alone.
    pub fn new(room: u32, kept_for_clinical: u32) -> Turnstile<C> {
        Turnstile {
            room,
            kept_for_clinical: kept_for_clinical.min(room),
            inside: 0,
            inside_common: 0,
            callers: HashMap::new(),
            tidy_at: FEW,
        }
    }

    /// Lets a request in; each one that is let in [leaves](Turnstile::leave) once. What is turned away takes nothing.
    ///
    /// # Errors
    /// Which limit it is over. The caller's own come first: who is over one is told so also when the box is full.
    pub fn enter(
        &mut self,
        caller: &C,
        share: Share,
        is_clinical: bool,
        now: Instant,
    ) -> Result<(), TurnedAway> {
        self.tidy(now);
        let common_room = self.room - self.kept_for_clinical;
        let is_full = self.inside >= self.room || (!is_clinical && self.inside_common >= common_room);
        let own = self.callers.entry(caller.clone()).or_insert_with(|| Own::new(share, now));
        own.share = share;
        own.fill(now);
        if let Some(refusal) = own.refusal() {
            return Err(refusal);
        }
        if is_full {
            return Err(TurnedAway::Full { limit: if is_clinical { self.room } else { common_room } });
        }
        own.inside += 1;
        own.left -= 1.0;
        self.inside += 1;
        self.inside_common += u32::from(!is_clinical);
        Ok(())
    }

    /// A request that was let in is over.
    pub fn leave(&mut self, caller: &C, is_clinical: bool) {
        if let Some(own) = self.callers.get_mut(caller) {
            own.inside = own.inside.saturating_sub(1);
        }
        self.inside = self.inside.saturating_sub(1);
        self.inside_common = self.inside_common.saturating_sub(u32::from(!is_clinical));
    }

    /// Requests under way.
    pub fn inside(&self) -> u32 {
        self.inside
    }

    /// Callers that are remembered.
    pub fn remembered(&self) -> usize {
        self.callers.len()
    }

    fn tidy(&mut self, now: Instant) {
        if self.callers.len() < self.tidy_at {
            return;
        }
        self.callers.retain(|_, own| {
            own.fill(now);
            !own.is_idle()
        });
        self.tidy_at = FEW.max(2 * self.callers.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Share = Share { at_once: 3, per_minute: 6 };

    #[allow(clippy::disallowed_methods, reason = "one arbitrary origin; no test reads the clock again")]
    fn origin() -> Instant {
        Instant::now()
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_caller_has_so_many_at_once_and_no_say_in_what_others_have() {
        let (mut turnstile, now) = (Turnstile::new(100, 10), origin());
        for _ in 0..3 {
            turnstile.enter(&"a", SHARE, false, now).unwrap();
        }
        assert_eq!(turnstile.enter(&"a", SHARE, false, now), Err(TurnedAway::AtOnce { limit: 3 }));
        turnstile.enter(&"b", SHARE, false, now).unwrap();
        turnstile.leave(&"a", false);
        turnstile.enter(&"a", SHARE, false, now).unwrap();
        assert_eq!(turnstile.inside(), 4);
    }

    #[test]
    fn so_many_in_a_minute_and_the_refusal_says_when_the_next_is_let_in() {
        let (mut turnstile, start) = (Turnstile::new(100, 10), origin());
        let once = |turnstile: &mut Turnstile<&str>, now| {
            turnstile.enter(&"a", SHARE, false, now).map(|()| turnstile.leave(&"a", false))
        };
        for _ in 0..6 {
            once(&mut turnstile, start).unwrap();
        }
        let refused = once(&mut turnstile, start);
        assert_eq!(refused, Err(TurnedAway::PerMinute { limit: 6, retry_after: s(10) }));
        let refused = once(&mut turnstile, start + s(4));
        assert_eq!(
            refused,
            Err(TurnedAway::PerMinute { limit: 6, retry_after: s(6) }),
            "a refusal costs nothing"
        );
        once(&mut turnstile, start + s(10)).unwrap();
        assert!(once(&mut turnstile, start + s(11)).is_err());
        for _ in 0..6 {
            once(&mut turnstile, start + s(600)).unwrap();
        }
        assert!(once(&mut turnstile, start + s(600)).is_err(), "what was not asked is not saved up");
        assert!(once(&mut turnstile, start).is_err(), "a clock that goes back gives nothing");
    }

    #[test]
    fn a_full_box_still_has_room_for_the_clinical_lane() {
        let (mut turnstile, now) = (Turnstile::new(8, 2), origin());
        for caller in ["a", "b"] {
            for _ in 0..3 {
                turnstile.enter(&caller, SHARE, false, now).unwrap();
            }
        }
        assert_eq!(turnstile.enter(&"c", SHARE, false, now), Err(TurnedAway::Full { limit: 6 }));
        assert_eq!(turnstile.enter(&"a", SHARE, false, now), Err(TurnedAway::AtOnce { limit: 3 }));
        turnstile.enter(&"ward", SHARE, true, now).unwrap();
        turnstile.enter(&"ward", SHARE, true, now).unwrap();
        assert_eq!(turnstile.enter(&"ward", SHARE, true, now), Err(TurnedAway::Full { limit: 8 }));
        turnstile.leave(&"ward", true);
        assert!(turnstile.enter(&"c", SHARE, false, now).is_err(), "its room is nobody else's");
        turnstile.leave(&"a", false);
        turnstile.enter(&"c", SHARE, false, now).unwrap();
    }

    #[test]
    fn the_clinical_lane_may_have_all_of_the_room() {
        let (mut turnstile, now) = (Turnstile::new(4, 1), origin());
        for caller in 0..4 {
            turnstile.enter(&caller, SHARE, true, now).unwrap();
        }
        assert!(turnstile.enter(&4, SHARE, false, now).is_err());
        (0..4).for_each(|caller| turnstile.leave(&caller, true));
        assert_eq!(turnstile.inside(), 0);
    }

    #[test]
    fn callers_are_forgotten_once_they_have_been_quiet() {
        let (mut turnstile, start) = (Turnstile::new(1_000_000, 0), origin());
        for caller in 0..100_000_u64 {
            let now = start + Duration::from_millis(caller * 100);
            turnstile.enter(&caller, SHARE, false, now).unwrap();
            turnstile.leave(&caller, false);
            assert!(turnstile.remembered() <= 2 * 100 + FEW, "{}", turnstile.remembered());
        }
        turnstile.enter(&7, SHARE, false, start).unwrap();
        turnstile.enter(&100_001, SHARE, false, start + s(100_000)).unwrap();
        for caller in 0..1_000 {
            turnstile.enter(&(200_000 + caller), SHARE, false, start + s(100_000)).unwrap();
        }
        assert_eq!(
            turnstile.enter(&7, Share { at_once: 1, ..SHARE }, false, start + s(200_000)),
            Err(TurnedAway::AtOnce { limit: 1 }),
            "who is inside is not forgotten"
        );
    }

    #[test]
    fn the_boxs_own_work_is_counted_and_has_no_limit_of_its_own() {
        let (mut turnstile, now) = (Turnstile::new(1_000, 0), origin());
        for _ in 0..1_000 {
            turnstile.enter(&"bank", Share::ALL, false, now).unwrap();
        }
        assert_eq!(turnstile.enter(&"bank", Share::ALL, false, now), Err(TurnedAway::Full { limit: 1_000 }));
    }
}
