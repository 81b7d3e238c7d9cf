//! `[directory]`: where the building's directory is, how it is asked, and what its groups give.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use store::{Role, Secret};
use tokio_rustls::TlsConnector;

use super::{Check, ConfigError, raw};
use crate::cloud_keys::{CloudKey, read};
use crate::directory::{DirectorySettings, Encryption, Filter, Groups, Place};

const PLACE: &str = "[directory]";
const DAY: Duration = Duration::from_secs(86_400);

/// Active Directory calls people by the first two, other directories by the last. What a directory does not know fits
/// nothing.
const USER_FILTER: &str = "(&(|(objectClass=person)(objectClass=posixAccount))\
                           (|(sAMAccountName={name})(userPrincipalName={name})(uid={name})))";

impl Check {
    pub(super) fn directory(&mut self, raw: raw::Directory) -> Result<DirectorySettings, ConfigError> {
        let Way { host, port, scheme } =
            way(&raw.url).map_err(|what| self.wrong(PLACE, format!("url = \"{}\" {what}", raw.url)))?;
        let encryption = self.encryption(&raw, &host, scheme)?;
        for (key, given) in [("bind_name", &raw.bind_name), ("base", &raw.base)] {
            if given.trim().is_empty() {
                return Err(self.wrong(PLACE, format!("{key} is empty")));
            }
        }
        if Place::parse(&raw.base).is_none() {
            let what =
                format!("base = \"{}\" is no place in a directory, such as \"dc=example,dc=org\"", raw.base);
            return Err(self.wrong(PLACE, what));
        }
        let user_filter = Filter::parse(raw.user_filter.as_deref().unwrap_or(USER_FILTER))
            .map_err(|what| self.wrong(PLACE, format!("user_filter: {what}")))?;
        let groups = self.groups(&raw)?;
        let cached_days = raw.cached_days.unwrap_or(14);
        if cached_days > 90 {
            return Err(self.wrong(PLACE, format!("cached_days = {cached_days} must be 0 to 90")));
        }
        let time = |key: &str, given: Option<u64>, usual: u64| match given.unwrap_or(usual) {
            ms @ 100..=30_000 => Ok(Duration::from_millis(ms)),
            ms => Err(self.wrong(PLACE, format!("{key} = {ms} must be 100 to 30000 (milliseconds)"))),
        };
        let connect_timeout = time("connect_timeout_ms", raw.connect_timeout_ms, 2000)?;
        let operation_timeout = time("operation_timeout_ms", raw.operation_timeout_ms, 4000)?;
        let bind_password = self.bind_password(&raw);
        Ok(DirectorySettings {
            host,
            port,
            encryption,
            bind_name: raw.bind_name,
            bind_password,
            base: raw.base,
            user_filter,
            nested_groups: raw.nested_groups,
            groups,
            cached_for: DAY * cached_days,
            connect_timeout,
            operation_timeout,
        })
    }

    fn encryption(
        &self,
        raw: &raw::Directory,
        host: &str,
        scheme: Scheme,
    ) -> Result<Encryption, ConfigError> {
        let start_tls = match (scheme, raw.start_tls) {
            (Scheme::Ldaps, None | Some(false)) => false,
            (Scheme::Ldaps, Some(true)) => {
                let what = "start_tls goes with ldap://; ldaps:// is encrypted from the beginning";
                return Err(self.wrong(PLACE, what));
            }
            (Scheme::Ldap, None | Some(true)) => true,
            (Scheme::Ldap, Some(false)) => {
                if host.parse().is_ok_and(|address: IpAddr| address.is_loopback()) {
                    return Ok(Encryption::None);
                }
                let what =
                    "without start_tls passwords are not encrypted: only a loopback address may do without";
                return Err(self.wrong(PLACE, what));
            }
        };
        let tls = self.tls(raw, host)?;
        Ok(if start_tls { Encryption::StartTls(tls) } else { Encryption::Tls(tls) })
    }

    /// Trusts the authorities of `ca_file` alone, where it is given: a building's directory has an authority of its own.
    fn tls(&self, raw: &raw::Directory, host: &str) -> Result<TlsConnector, ConfigError> {
        if ServerName::try_from(host).is_err() {
            return Err(
                self.wrong(PLACE, format!("url: \"{host}\" is no name that a certificate could have"))
            );
        }
        let mut roots = RootCertStore::empty();
        match &raw.ca_file {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                let pem = self.roots(PLACE, path)?;
                let read = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
                let (added, _) = roots.add_parsable_certificates(read.unwrap_or_default());
                if added == 0 {
                    let path = self.dir.join(path);
                    let what = format!("ca_file {}: holds no usable PEM certificate", path.display());
                    return Err(self.wrong(PLACE, what));
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| self.wrong(PLACE, format!("TLS cannot be set up ({error})")))?;
        Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }

    fn groups(&self, raw: &raw::Directory) -> Result<Groups, ConfigError> {
        let place = |section: &str, group: &str| {
            let what = format!(
                "\"{group}\" is no place of a group; write it whole, such as \"cn=ward-3,ou=groups,dc=example,dc=org\""
            );
            Place::parse(group).ok_or_else(|| self.wrong(section, what))
        };
        let mut roles = Vec::new();
        for (group, word) in &raw.roles {
            const SECTION: &str = "[directory.roles]";
            let role = self.role_of_people(SECTION, word)?;
            if role == Role::Owner && !raw.may_make_owners {
                let what = format!(
                    "\"{group}\" would make owners: whoever runs the directory could do everything here. \
                     Say may_make_owners = true in [directory] if that is meant"
                );
                return Err(self.wrong(SECTION, what));
            }
            roles.push((place(SECTION, group)?, role));
        }
        let mut departments = Vec::new();
        for (group, name) in &raw.departments {
            const SECTION: &str = "[directory.departments]";
            let fits = (1..=64).contains(&name.chars().count())
                && !name.contains(char::is_control)
                && name.trim() == name;
            if !fits {
                let what = format!("\"{name}\" is no name of a department: 1 to 64 characters on one line");
                return Err(self.wrong(SECTION, what));
            }
            departments.push((place(SECTION, group)?, name.clone()));
        }
        let default_role = match raw.default_role.as_deref() {
            None | Some("none") => None,
            Some(word) => Some(self.role_of_people(PLACE, word)?),
        };
        if let Some(role @ (Role::Owner | Role::Admin)) = default_role {
            let what = format!("default_role = \"{role}\" would make everybody of the directory {role}");
            return Err(self.wrong(PLACE, what));
        }
        if default_role.is_none() && roles.is_empty() {
            let what = "nobody could get in: give default_role = \"staff\", or groups in [directory.roles]";
            return Err(self.wrong(PLACE, what));
        }
        Ok(Groups { roles, departments, default_role })
    }

    /// A password that cannot be read takes the directory out of reach; the box itself goes on.
    fn bind_password(&mut self, raw: &raw::Directory) -> Option<Secret> {
        let path = self.dir.join(&raw.bind_password_file);
        let usable = |password: &str| !password.is_empty() && !password.contains(char::is_control);
        let what = match read(&path, &self.data_dir) {
            Ok(CloudKey::Sealed(password)) if usable(&password) => return Some(password.as_str().into()),
            Ok(CloudKey::Plain(password)) if usable(&password) => {
                self.plain_keys.push(path);
                return Some(password.as_str().into());
            }
            Ok(_) => "holds no password. Put it there, alone on one line.".to_owned(),
            Err(error) => {
                self.unread_keys.push(path.clone());
                format!("cannot be read ({error}). Put the password there, readable for this user.")
            }
        };
        self.problem(PLACE, &format!("bind_password_file {}: {what}", path.display()));
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Ldap,
    Ldaps,
}

#[derive(Debug, PartialEq, Eq)]
struct Way {
    host: String,
    port: u16,
    scheme: Scheme,
}

fn way(url: &str) -> Result<Way, String> {
    let expected = || "must be \"ldaps://host\" or \"ldap://host\", with a port or without".to_owned();
    let (scheme, rest) = match url.split_once("://") {
        Some(("ldaps", rest)) => (Scheme::Ldaps, rest),
        Some(("ldap", rest)) => (Scheme::Ldap, rest),
        _ => return Err(expected()),
    };
    let authority: http::uri::Authority = rest.trim_end_matches('/').parse().map_err(|_| expected())?;
    if authority.as_str().contains('@') {
        return Err("may have no user in it: that is bind_name".to_owned());
    }
    if authority.port().is_none() && authority.as_str() != authority.host() {
        return Err(expected());
    }
    let port = match (authority.port(), scheme) {
        (Some(port), _) => port.as_u16(),
        (None, Scheme::Ldaps) => 636,
        (None, Scheme::Ldap) => 389,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() { Err(expected()) } else { Ok(Way { host, port, scheme }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_a_host_and_the_usual_port() {
        let table = [
            ("ldaps://dc1.example.org", ("dc1.example.org", 636, Scheme::Ldaps)),
            ("ldaps://dc1.example.org:3269/", ("dc1.example.org", 3269, Scheme::Ldaps)),
            ("ldap://[::1]", ("::1", 389, Scheme::Ldap)),
        ];
        for (url, (host, port, scheme)) in table {
            assert_eq!(way(url), Ok(Way { host: host.to_owned(), port, scheme }), "{url}");
        }
        for wrong in
            ["dc1", "http://dc1", "ldaps://", "ldaps://u@dc1", "ldaps://dc1/dc=x", "ldaps://dc1:99999"]
        {
            assert!(way(wrong).is_err(), "{wrong}");
        }
    }
}
