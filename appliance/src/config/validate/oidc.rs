//! `[oidc]`: the identity provider outside, and what the box makes of its people.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use store::Role;

use super::{Check, ConfigError, raw};
use crate::oidc::{ClaimRules, OidcSettings, check_roots};

const PLACE: &str = "[oidc]";
const USUAL_CHECK_MS: u64 = 15_000;

impl Check {
    pub(super) fn oidc(&mut self, raw: raw::Oidc) -> Result<OidcSettings, ConfigError> {
        self.safe_url("issuer", &raw.issuer)?;
        let public_url = self.safe_url("public_url", &raw.public_url)?;
        if public_url.path() != "/" {
            let what = format!("public_url \"{}\" must end with the host and its port", raw.public_url);
            return Err(self.wrong(PLACE, what));
        }
        let line = |key: &str, text: &str, max: usize| {
            let fits = (1..=max).contains(&text.chars().count()) && !text.contains(char::is_control);
            if fits {
                Ok(())
            } else {
                Err(self.wrong(PLACE, format!("{key} must have 1 to {max} characters")))
            }
        };
        line("client_id", &raw.client_id, 255)?;
        raw.label.as_deref().map_or(Ok(()), |label| line("label", label, 40))?;
        let scopes = raw.scopes.unwrap_or_else(|| ["openid", "profile", "email"].map(str::to_owned).into());
        let is_scope =
            |scope: &String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
        if !scopes.iter().any(|scope| scope == "openid") || !scopes.iter().all(is_scope) {
            return Err(self.wrong(PLACE, "scopes must be words, and \"openid\" one of them"));
        }
        let check_ms = raw.check_interval_ms.unwrap_or(USUAL_CHECK_MS);
        if !(100..=3_600_000).contains(&check_ms) {
            let what = format!("check_interval_ms = {check_ms} must be 100 to 3600000 (milliseconds)");
            return Err(self.wrong(PLACE, what));
        }
        let rules = ClaimRules {
            name_claim: raw.name_claim.unwrap_or_else(|| "preferred_username".to_owned()),
            groups_claim: raw.groups_claim.unwrap_or_else(|| "groups".to_owned()),
            roles: self.roles_of_groups(&raw.roles)?,
            default_role: raw.default_role.as_deref().map(|word| self.default_role(word)).transpose()?,
            departments: raw.departments,
        };
        if rules.roles.is_empty() && rules.default_role.is_none() {
            let what = "nobody could enter: give roles to groups under [oidc.roles], or a default_role";
            return Err(self.wrong(PLACE, what));
        }
        for department in rules.departments.values() {
            line("a department", department.trim(), 64)?;
        }
        let extra_roots_pem = raw.ca_file.as_ref().map(|path| self.roots(PLACE, path)).transpose()?;
        if let (Some(Err(error)), Some(path)) = (extra_roots_pem.as_deref().map(check_roots), &raw.ca_file) {
            return Err(self.wrong(PLACE, format!("ca_file {}: {error}", self.dir.join(path).display())));
        }
        let client_secret = self.secret_file(PLACE, "client_secret_file", &raw.client_secret_file);
        Ok(OidcSettings {
            issuer: raw.issuer,
            client_id: raw.client_id,
            client_secret,
            extra_roots_pem,
            label: raw.label,
            scopes,
            redirect_uri: format!("{}/sign-in/provider/return", raw.public_url.trim_end_matches('/')),
            rules,
            check_interval: Duration::from_millis(check_ms),
        })
    }

    /// https anywhere, plain http to this machine alone: whoever listens on the way could be anybody here.
    fn safe_url(&self, key: &str, text: &str) -> Result<Uri, ConfigError> {
        let wrong = |why: &str| self.wrong(PLACE, format!("{key} \"{text}\" {why}"));
        let uri: Uri = text.parse().map_err(|_| wrong("is no address, such as \"https://id.example\""))?;
        let host = uri.host().ok_or_else(|| wrong("names no host, such as \"https://id.example\""))?;
        let has_more = uri.query().is_some() || text.contains(['@', '#']);
        if has_more {
            return Err(wrong("may have neither a query nor a user in it"));
        }
        match uri.scheme_str() {
            Some("https") => Ok(uri),
            Some("http") if is_this_machine(host) => Ok(uri),
            _ => Err(wrong("must begin with https://; plain http is for loopback addresses only")),
        }
    }

    fn roles_of_groups(&self, raw: &BTreeMap<String, String>) -> Result<BTreeMap<String, Role>, ConfigError> {
        let role = |(group, word): (&String, &String)| Ok((group.clone(), self.role_of_people(PLACE, word)?));
        raw.iter().map(role).collect()
    }

    /// Whom no group speaks for answers for nothing.
    fn default_role(&self, word: &str) -> Result<Role, ConfigError> {
        match self.role_of_people(PLACE, word)? {
            Role::Owner | Role::Admin => {
                let what = format!("default_role = \"{word}\" is too much for everybody: give it to a group");
                Err(self.wrong(PLACE, what))
            }
            role => Ok(role),
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().map_or(host == "localhost", |address| address.is_loopback())
}
