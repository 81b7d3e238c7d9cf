//! How long sessions last and who needs a second factor, as the configuration says.

use std::time::Duration;

use crate::Role;

/// What the configuration says about signing in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInRules {
    pub sessions: SessionRules,
    pub second_factor: SecondFactorRule,
}

/// Who must have a second factor. Everybody may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondFactorRule {
    #[default]
    Nobody,
    OwnersAndAdmins,
    Everybody,
}

impl SecondFactorRule {
    pub(super) fn asks(self, role: Role) -> bool {
        match self {
            SecondFactorRule::Nobody => false,
            SecondFactorRule::OwnersAndAdmins => matches!(role.as_str(), "owner" | "admin"),
            SecondFactorRule::Everybody => true,
        }
    }
}

/// The limits of sessions, by what the role may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// For those who only work with the portal.
    pub staff: SessionLimits,
    /// For everybody else.
    pub in_charge: SessionLimits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without anything that a person did. What a page asks for by itself does not count.
    pub idle: Duration,
    /// From the sign-in.
    pub whole: Duration,
}

/// One shift for staff; OWASP's ranges for applications of low and of high value, at their long ends.
impl Default for SessionRules {
    fn default() -> SessionRules {
        let limits = |minutes: u64, hours: u64| SessionLimits {
            idle: Duration::from_secs(minutes * 60),
            whole: Duration::from_secs(hours * 3600),
        };
        SessionRules { staff: limits(30, 12), in_charge: limits(15, 8) }
    }
}

impl SessionRules {
    pub(super) fn of(&self, role: Role) -> SessionLimits {
        if role == Role::Staff { self.staff } else { self.in_charge }
    }
}

impl SessionLimits {
    /// How far the wall clock may step back before the sessions made ahead of it end.
    const CLOCK_SLACK_MS: i64 = 5 * 60_000;

    /// Whether a session of these limits goes on. All times are unix milliseconds.
    pub(super) fn admit(&self, created_ms: i64, seen_ms: i64, now_ms: i64) -> bool {
        let (idle_ms, whole_ms) = (self.idle.as_millis() as i64, self.whole.as_millis() as i64);
        let age_ms = now_ms - created_ms;
        (-Self::CLOCK_SLACK_MS..whole_ms).contains(&age_ms) && now_ms - seen_ms < idle_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    #[test]
    fn a_session_ends_when_it_was_idle_or_is_old_or_the_clock_goes_back() {
        let staff = SessionRules::default().of(Role::Staff);
        assert!(staff.admit(0, 0, 30 * MINUTE - 1));
        assert!(!staff.admit(0, 0, 30 * MINUTE));
        assert!(staff.admit(0, 12 * HOUR - 1, 12 * HOUR - 1));
        assert!(!staff.admit(0, 12 * HOUR, 12 * HOUR));
        assert!(staff.admit(HOUR, HOUR, HOUR - SessionLimits::CLOCK_SLACK_MS));
        assert!(!staff.admit(24 * HOUR, 24 * HOUR, 0));
    }

    #[test]
    fn those_in_charge_have_the_shorter_limits() {
        let rules = SessionRules::default();
        assert!(rules.of(Role::Owner).idle < rules.of(Role::Staff).idle);
        assert!(rules.of(Role::Owner).whole < rules.of(Role::Staff).whole);
    }
}
