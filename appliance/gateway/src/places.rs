//! Who is let in: the places of the box, and what one caller may have of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use continuity::{Share, TurnedAway, Turnstile};
use inference::Lane;
use store::{EventRow, Subject};

use crate::answer::Refusal;
use crate::board::now;
use crate::clock;
use crate::gateway::Gateway;
use crate::settings::Limits;

/// After a refusal for the number of requests at once: one of them may be over by then.
const RETRY_AFTER_S: u32 = 2;

/// Counts who is inside.
pub(crate) struct Places(Mutex<Turnstile<Arc<str>>>);

/// One request's place; it is free again when this is dropped.
pub struct Place {
    places: Arc<Places>,
    caller: Arc<str>,
    is_clinical: bool,
}

impl Places {
    pub(crate) fn new(limits: &Limits) -> Arc<Places> {
        let room = u32::try_from(limits.max_requests).unwrap_or(u32::MAX);
        Arc::new(Places(Mutex::new(Turnstile::new(room, room / Limits::CLINICAL_PART))))
    }

    fn take(self: &Arc<Self>, caller: &str, share: Share, lane: Lane) -> Result<Place, TurnedAway> {
        let (caller, is_clinical): (Arc<str>, bool) = (caller.into(), lane == Lane::Clinical);
        self.turnstile().enter(&caller, share, is_clinical, now())?;
        Ok(Place { places: self.clone(), caller, is_clinical })
    }

    /// The lock guards some additions, so a panic elsewhere leaves nothing half done in it.
    fn turnstile(&self) -> MutexGuard<'_, Turnstile<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.turnstile().leave(&self.caller, self.is_clinical);
    }
}

impl Gateway {
    /// Lets a request of somebody in, before anything is done for it; what is turned away is counted, and the log keeps
    /// one row a minute of it.
    ///
    /// # Errors
    /// 429 with the limit and when to come again.
    pub async fn enter(&self, subject: &Subject<'_>, lane: Lane) -> Result<Place, Refusal> {
        let limits = &self.settings().limits;
        let share = match subject {
            Subject::Person(..) => limits.of_a_person,
            Subject::Key(key, _) => Share {
                at_once: key.share.max_requests.unwrap_or(limits.of_a_key.at_once),
                per_minute: key.share.max_per_minute.unwrap_or(limits.of_a_key.per_minute),
            },
            Subject::Console(_) | Subject::Nobody => limits.of_a_key,
        };
        let who = subject.who();
        let turned_away = match self.places().take(&name(subject, &who), share, lane) {
            Ok(place) => return Ok(place),
            Err(turned_away) => turned_away,
        };
        let refusal = refused(turned_away);
        self.metrics().turned_away(turned_away, &refusal);
        if !matches!(turned_away, TurnedAway::Full { .. }) {
            self.note(who, turned_away).await;
        }
        Err(refusal)
    }

    /// The box's own requests have no limit but the room of all.
    pub(crate) fn enter_for_itself(&self, who: &str, lane: Lane) -> Result<Place, Refusal> {
        self.places().take(who, Share::ALL, lane).map_err(refused)
    }

    async fn note(&self, who: String, turned_away: TurnedAway) {
        let (limit, most) = match turned_away {
            TurnedAway::AtOnce { limit } => ("at-once", limit),
            TurnedAway::PerMinute { limit, .. } => ("per-minute", limit),
            TurnedAway::Full { limit } => ("full", limit),
        };
        let detail = serde_json::json!({"limit": limit, "most": most});
        let row = EventRow { at_ms: clock::unix_ms(), who, what: "caller-limited".to_owned(), detail };
        if let Err(error) = self.store().audit.refusal(row).await {
            tracing::error!(%error, "that a caller is over a limit could not be written down");
        }
    }
}

/// A key and a person of the same name are two.
fn name(subject: &Subject<'_>, who: &str) -> String {
    match subject {
        Subject::Person(account, _) => format!("person {}", account.id),
        _ => who.to_owned(),
    }
}

fn refused(turned_away: TurnedAway) -> Refusal {
    let (code, message, retry_after_s) = match turned_away {
        TurnedAway::AtOnce { limit } => (
            "too_many_at_once",
            format!(
                "This caller has {limit} requests under way already, as many as one may have at once. Wait for one to \
                 end; an administrator can raise the limit under [limits]."
            ),
            RETRY_AFTER_S,
        ),
        TurnedAway::PerMinute { limit, retry_after } => {
            let seconds = crate::admission::wait_s(retry_after);
            let message = format!(
                "This caller has asked {limit} times within a minute, as often as one may. Try again in {seconds} s; an \
                 administrator can raise the limit under [limits]."
            );
            ("too_many_per_minute", message, seconds)
        }
        TurnedAway::Full { limit } => (
            "too_many_requests",
            format!("The box is answering {limit} requests already, as many as it may. Try again soon."),
            RETRY_AFTER_S,
        ),
    };
    Refusal::new(429, "rate_limit_error", code, message).retry_after(retry_after_s)
}
