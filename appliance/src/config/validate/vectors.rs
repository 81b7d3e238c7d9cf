//! What models and aliases are for, and which of them may stand for each other.

use inference::{Kind, ModelSpec, Pooling};

use super::{Check, raw};
use crate::config::ConfigError;

impl Check {
    /// What a local model is for, and how it makes vectors.
    pub(super) fn purpose(
        &self,
        place: &str,
        raw: &raw::Local,
    ) -> Result<(Kind, Option<Pooling>), ConfigError> {
        let kind = self.kind(place, raw.kind.as_deref())?.unwrap_or_default();
        let pooling = raw.pooling.as_deref().map(|name| {
            Pooling::named(name).ok_or_else(|| {
                let what = format!("pooling = \"{name}\" must be \"mean\", \"cls\", \"last\" or \"rank\"");
                self.wrong(place, what)
            })
        });
        let pooling = pooling.transpose()?;
        match (kind, pooling) {
            (Kind::Chat, Some(_)) => {
                Err(self.wrong(place, "pooling is for kind = \"embedding\" and \"rerank\" alone"))
            }
            (Kind::Embedding, Some(Pooling::Rank)) => {
                Err(self.wrong(place, "pooling = \"rank\" is for kind = \"rerank\" alone"))
            }
            (Kind::Rerank, Some(Pooling::Mean | Pooling::Cls | Pooling::Last)) => {
                Err(self.wrong(place, "pooling must be \"rank\" for kind = \"rerank\", or be left out"))
            }
            fitting => Ok(fitting),
        }
    }

    fn kind(&self, place: &str, given: Option<&str>) -> Result<Option<Kind>, ConfigError> {
        given
            .map(|name| {
                Kind::named(name).ok_or_else(|| {
                    let what = format!("kind = \"{name}\" must be \"chat\", \"embedding\" or \"rerank\"");
                    self.wrong(place, what)
                })
            })
            .transpose()
    }

    /// What an alias is for: what its local models are for, or what it says.
    pub(super) fn alias_kind(
        &self,
        place: &str,
        raw: &raw::Alias,
        locals: &[ModelSpec],
    ) -> Result<Kind, ConfigError> {
        let said = self.kind(place, raw.kind.as_deref())?;
        let mut standby = locals.iter().filter(|local| raw.standby.contains(&local.name));
        let first = standby.next();
        let kind = said.or(first.map(|local| local.kind)).unwrap_or_default();
        if let Some(other) = first.into_iter().chain(standby).find(|local| local.kind != kind) {
            let (name, other) = (&other.name, other.kind.name());
            let what = format!(
                "standby \"{name}\" has kind = \"{other}\", and the alias is one of kind \"{}\": all that may answer \
                 for each other must be of one kind",
                kind.name()
            );
            return Err(self.wrong(place, what));
        }
        self.fits_kind(place, raw, kind)?;
        Ok(kind)
    }

    fn fits_kind(&self, place: &str, raw: &raw::Alias, kind: Kind) -> Result<(), ConfigError> {
        if kind == Kind::Rerank && !raw.cloud.is_empty() {
            return Err(self.wrong(place, "an alias of kind \"rerank\" is served by local models alone"));
        }
        if kind != Kind::Chat && (raw.shorten.is_some() || raw.warm_share_percent.is_some()) {
            return Err(self.wrong(place, "shorten and warm_share_percent are for conversations alone"));
        }
        if kind != Kind::Embedding && raw.same_model {
            return Err(self.wrong(place, "same_model is for an alias of kind \"embedding\" alone"));
        }
        let routes = raw.cloud.len() + raw.standby.len();
        if kind == Kind::Embedding && routes > 1 && !raw.same_model {
            let what = format!(
                "it has {routes} routes, and vectors of different models cannot be compared: an index that holds both \
                 finds the wrong things without a word. Give it one route, or say same_model = true if all of them \
                 are the same model, down to its quantisation"
            );
            return Err(self.wrong(place, what));
        }
        Ok(())
    }

    /// A cloud model is asked for one kind of thing alone: its breaker tries it by that.
    pub(super) fn one_kind_each(
        &self,
        aliases: &[gateway::settings::AliasSettings],
    ) -> Result<(), ConfigError> {
        let routes = || aliases.iter().flat_map(|alias| alias.cloud.iter().map(move |route| (alias, route)));
        for (alias, route) in routes() {
            let other = routes().find(|(other, same)| same.label == route.label && other.kind != alias.kind);
            if let Some((other, _)) = other {
                let what = format!(
                    "cloud route \"{}\" is asked for \"{}\" here, and for \"{}\" by the alias \"{}\"",
                    route.label,
                    alias.kind.name(),
                    other.kind.name(),
                    other.name
                );
                return Err(self.wrong(&format!("[[alias]] \"{}\"", alias.name), what));
            }
        }
        Ok(())
    }
}
