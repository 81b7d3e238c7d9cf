//! What a person or a key may ask of the gateway: the alias decides, and an emergency is told at once.

use inference::Kind;
use store::{ChangeError, Denied, EventRow, Grant, Need, Object, ObjectKind, Subject, authorize};

use crate::announcer::AnnouncementKind;
use crate::answer::{Answer, Ask, Refusal};
use crate::clock;
use crate::gateway::Gateway;
use crate::places::Place;
use crate::settings::AliasSettings;

impl Gateway {
    /// Serves one request of somebody who is [let in](Gateway::enter) and may use its alias.
    ///
    /// # Errors
    /// As [`Gateway::ask`], and `alias_not_allowed`, which the audit log keeps.
    pub async fn ask_as(&self, subject: &Subject<'_>, ask: Ask, place: Place) -> Result<Answer, Refusal> {
        let alias = self.alias(&ask.request.model)?;
        self.may_use(subject, alias).await?;
        self.ask(ask, place).await
    }

    /// # Errors
    /// `alias_not_allowed`, which the audit log keeps.
    pub(crate) async fn may_use(&self, subject: &Subject<'_>, alias: &AliasSettings) -> Result<(), Refusal> {
        let need = Need::Alias { name: &alias.name, restricted: alias.restricted };
        if let Err(denied) = authorize(subject, need) {
            let detail = serde_json::json!({"alias": alias.name, "why": denied.to_string()});
            let row = EventRow {
                at_ms: clock::unix_ms(),
                who: subject.who(),
                what: "alias-refused".to_owned(),
                detail,
            };
            if let Err(error) = self.store().audit.event(row).await {
                tracing::error!(%error, "that an alias was refused could not be written down");
            }
            return Err(not_allowed(&alias.name, &denied));
        }
        Ok(())
    }

    /// The aliases that somebody may ask, in the order of the configuration.
    pub fn aliases_for(&self, subject: &Subject<'_>) -> impl Iterator<Item = &str> {
        self.usable(subject).map(|alias| alias.name.as_str())
    }

    /// Those of them that answer in words.
    pub fn chats_for(&self, subject: &Subject<'_>) -> impl Iterator<Item = &str> {
        self.usable(subject).filter(|alias| alias.kind == Kind::Chat).map(|alias| alias.name.as_str())
    }

    fn usable(&self, subject: &Subject<'_>) -> impl Iterator<Item = &AliasSettings> {
        let may = |name, restricted| authorize(subject, Need::Alias { name, restricted }).is_ok();
        self.settings().aliases.iter().filter(move |alias| may(&alias.name, alias.restricted))
    }

    /// Opens for an hour what was not granted, and tells the building that it was done.
    ///
    /// # Errors
    /// See [`store::Store::break_glass`]; what can be opened is a restricted alias, or the giving of orders.
    pub async fn break_glass(
        &self,
        by: &Subject<'_>,
        object: Object,
        reason: &str,
    ) -> Result<Grant, ChangeError> {
        let is_there = match object.kind {
            ObjectKind::Alias => {
                self.settings().aliases.iter().any(|alias| alias.restricted && alias.name == object.name)
            }
            ObjectKind::Route => object.is_every(),
            ObjectKind::DocumentSet | ObjectKind::Department => false,
        };
        if !is_there {
            return Err(Denied::NotHeld(store::Verb::Use, object).into());
        }
        let grant = self.store().break_glass(by, object, reason).await?;
        tracing::warn!(grant = grant.id, "{} broke the glass: {grant}", by.who());
        self.announcer().tell(AnnouncementKind::GlassBroken);
        Ok(grant)
    }
}

fn not_allowed(alias: &str, denied: &Denied) -> Refusal {
    let message = format!(
        "The caller may not use \"{alias}\": {denied}. An administrator grants it, and \"genset why\" says more."
    );
    Refusal {
        param: Some("model".into()),
        ..Refusal::new(403, "permission_error", "alias_not_allowed", message)
    }
}
