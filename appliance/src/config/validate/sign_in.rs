//! What the configuration says about signing in.

use std::time::Duration;

use store::{Role, SecondFactorRule, SessionLimits, SessionRules, SignInRules};

use super::{Check, ConfigError, raw};

const PLACE: &str = "[sign_in]";

impl Check {
    pub(super) fn sign_in(&self, raw: &raw::SignIn) -> Result<SignInRules, ConfigError> {
        let usual = SessionRules::default();
        let staff = self.limits_of_sessions(
            ("idle_minutes", raw.idle_minutes),
            ("session_hours", raw.session_hours),
            usual.staff,
        )?;
        let in_charge = self.limits_of_sessions(
            ("idle_minutes_in_charge", raw.idle_minutes_in_charge),
            ("session_hours_in_charge", raw.session_hours_in_charge),
            usual.in_charge,
        )?;
        let second_factor = match raw.second_factor.as_deref() {
            None | Some("optional") => SecondFactorRule::Nobody,
            Some("owners-and-admins") => SecondFactorRule::OwnersAndAdmins,
            Some("everybody") => SecondFactorRule::Everybody,
            Some(other) => {
                let known = "\"optional\", \"owners-and-admins\" or \"everybody\"";
                return Err(self.wrong(PLACE, format!("second_factor = \"{other}\" must be {known}")));
            }
        };
        Ok(SignInRules { sessions: SessionRules { staff, in_charge }, second_factor })
    }

    /// A role that a person may have, wherever it is given.
    pub(super) fn role_of_people(&self, place: &str, word: &str) -> Result<Role, ConfigError> {
        Role::of_word(word).filter(|role| Role::OF_PEOPLE.contains(role)).ok_or_else(|| {
            let known = Role::OF_PEOPLE.map(Role::as_str).join(", ");
            self.wrong(place, format!("\"{word}\" is no role of people; they are {known}"))
        })
    }

    fn limits_of_sessions(
        &self,
        (idle_key, idle_minutes): (&str, Option<u64>),
        (whole_key, whole_hours): (&str, Option<u64>),
        usual: SessionLimits,
    ) -> Result<SessionLimits, ConfigError> {
        let within = |key: &str, given: Option<u64>, max: u64, unit_s: u64, usual: Duration| match given {
            None => Ok(usual),
            Some(n) if (1..=max).contains(&n) => Ok(Duration::from_secs(n * unit_s)),
            Some(n) => Err(self.wrong(PLACE, format!("{key} = {n} must be 1 to {max}"))),
        };
        Ok(SessionLimits {
            idle: within(idle_key, idle_minutes, 24 * 60, 60, usual.idle)?,
            whole: within(whole_key, whole_hours, 7 * 24, 3600, usual.whole)?,
        })
    }
}
