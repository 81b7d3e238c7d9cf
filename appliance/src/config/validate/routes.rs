//! What routes can do, as the file says it: the models of upstreams, and the languages of local models.

use std::collections::HashMap;

use gateway::settings::{RouteFacts, Shorten, UpstreamSettings};

use super::{Check, raw};
use crate::config::ConfigError;
use crate::pilot_light;

/// The facts of an upstream's models, by their names.
pub(super) type Models = HashMap<String, RouteFacts>;

/// What the pilot light has learned to speak.
const PILOT_LIGHT_SPEAKS: [&str; 2] = ["en", "ko"];

impl Check {
    pub(super) fn models(
        &self,
        upstream: &UpstreamSettings,
        models: Vec<raw::UpstreamModel>,
    ) -> Result<Models, ConfigError> {
        let mut known = Models::new();
        for model in models {
            let place = format!("[[upstream.model]] \"{}\" of \"{}\"", model.name, upstream.name);
            if model.context.is_some_and(|tokens| !(256..=100_000_000).contains(&tokens)) {
                return Err(self.wrong(&place, "context must be 256 to 100000000 (tokens)"));
            }
            let languages = model.languages.map(|codes| self.languages(&place, codes)).transpose()?;
            let facts = RouteFacts {
                context: model.context,
                images: model.images,
                tools: model.tools,
                json: model.json,
                languages,
                ..RouteFacts::default()
            };
            if known.insert(model.name.clone(), facts).is_some() {
                return Err(self.wrong(&place, "this model is given twice"));
            }
        }
        Ok(known)
    }

    /// What is known of one local model beforehand, with its name.
    pub(super) fn standby_facts(&self, local: &raw::Local) -> Result<(String, RouteFacts), ConfigError> {
        let place = format!("[[local]] \"{}\"", local.name);
        let is_pilot_light = local.file.file_name() == Some(pilot_light::FILE_NAME.as_ref());
        let languages = match &local.languages {
            Some(codes) => Some(self.languages(&place, codes.clone())?),
            None if is_pilot_light => Some(PILOT_LIGHT_SPEAKS.map(str::to_owned).to_vec()),
            None => None,
        };
        // The pilot light knows sentences. Held to JSON it would say something, and a program would believe it.
        let json = local.json.or(is_pilot_light.then_some(false));
        Ok((local.name.clone(), RouteFacts { json, languages, ..RouteFacts::default() }))
    }

    pub(super) fn shorten(&self, place: &str, given: Option<&str>) -> Result<Option<Shorten>, ConfigError> {
        match given {
            None => Ok(None),
            Some("oldest-turns") => Ok(Some(Shorten::OldestTurns)),
            Some(other) => Err(self.wrong(place, format!("shorten = \"{other}\" must be \"oldest-turns\""))),
        }
    }

    fn languages(&self, place: &str, codes: Vec<String>) -> Result<Vec<String>, ConfigError> {
        let is_code = |code: &String| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_lowercase());
        match codes.iter().find(|code| !is_code(code)) {
            None => Ok(codes),
            Some(wrong) => {
                let what =
                    format!("languages: \"{wrong}\" is no code of two letters such as \"en\" or \"ko\"");
                Err(self.wrong(place, what))
            }
        }
    }
}
