//! A verdict that does not flicker while evidence trickles in.

use std::time::{Duration, Instant};

use super::Verdict;

/// What people are told of one upstream. The first verdict is told at once, and its end too; another one in its place
/// only when it has held for a while, or when it is beyond doubt.
#[derive(Debug, Clone, Default)]
pub struct SteadyVerdict {
    told: Option<Verdict>,
    /// What the newest evidence says instead, and since when.
    doubted_by: Option<(Verdict, Instant)>,
}

/// Long enough for a second look at everything that is asked.
const HOLDS: Duration = Duration::from_secs(3);

impl SteadyVerdict {
    /// Takes the verdict of the newest evidence; gives the one to tell.
    pub fn look(&mut self, seen: Option<Verdict>, now: Instant) -> Option<Verdict> {
        let (Some(told), Some(seen)) = (self.told, seen) else {
            return self.tell(seen);
        };
        if told == seen || seen.is_beyond_doubt() {
            return self.tell(Some(seen));
        }
        match self.doubted_by {
            Some((other, since)) if other == seen => {
                if now.saturating_duration_since(since) >= HOLDS {
                    return self.tell(Some(seen));
                }
            }
            _ => self.doubted_by = Some((seen, now)),
        }
        self.told
    }

    /// What was told last, while newer evidence is still being gathered.
    pub fn told(&self) -> Option<Verdict> {
        self.told
    }

    fn tell(&mut self, verdict: Option<Verdict>) -> Option<Verdict> {
        self.told = verdict;
        self.doubted_by = None;
        verdict
    }
}

impl Verdict {
    /// Said by the kernel or by the upstream itself, rather than concluded from what does not answer.
    fn is_beyond_doubt(self) -> bool {
        match self {
            Verdict::LinkDown
            | Verdict::Intercepted
            | Verdict::ModelWithdrawn
            | Verdict::KeyRejected
            | Verdict::QuotaExhausted
            | Verdict::Throttled => true,
            Verdict::DnsDown | Verdict::InternetDown | Verdict::UpstreamDown | Verdict::Slow => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "one arbitrary origin; no test reads the clock again")]
    fn origin() -> Instant {
        Instant::now()
    }

    type Row = (u64, Option<Verdict>, Option<Verdict>);

    /// Millisecond, what is seen, what is told.
    fn check(name: &str, rows: &[Row]) {
        let (origin, mut steady) = (origin(), SteadyVerdict::default());
        for &(ms, seen, told) in rows {
            assert_eq!(steady.look(seen, origin + Duration::from_millis(ms)), told, "{name} at {ms} ms");
        }
    }

    const DNS: Option<Verdict> = Some(Verdict::DnsDown);
    const INTERNET: Option<Verdict> = Some(Verdict::InternetDown);
    const UPSTREAM: Option<Verdict> = Some(Verdict::UpstreamDown);
    const LINK: Option<Verdict> = Some(Verdict::LinkDown);

    #[test]
    fn another_conclusion_must_hold_before_it_is_told() {
        check("flicker", &[(0, INTERNET, INTERNET), (1000, UPSTREAM, INTERNET), (2000, INTERNET, INTERNET)]);
        check(
            "correction",
            &[(0, UPSTREAM, UPSTREAM), (1000, INTERNET, UPSTREAM), (4000, INTERNET, INTERNET)],
        );
        check(
            "each other one for itself",
            &[
                (0, UPSTREAM, UPSTREAM),
                (1000, DNS, UPSTREAM),
                (3000, INTERNET, UPSTREAM),
                (5000, DNS, UPSTREAM),
            ],
        );
    }

    #[test]
    fn what_is_beyond_doubt_is_told_at_once_and_so_is_the_end() {
        check("the kernel's word", &[(0, INTERNET, INTERNET), (1, LINK, LINK), (2, INTERNET, LINK)]);
        check("well again", &[(0, INTERNET, INTERNET), (1, None, None), (2, UPSTREAM, UPSTREAM)]);
    }
}
