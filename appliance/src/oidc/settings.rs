//! What the configuration says about the identity provider.

use std::collections::BTreeMap;

use store::Role;
use zeroize::Zeroizing;

/// An identity provider, checked as far as that goes without asking it.
#[derive(Clone)]
pub struct OidcSettings {
    /// As the provider writes it, to the letter.
    pub issuer: String,
    pub client_id: String,
    /// `None`: it cannot be read, and nobody signs in there.
    pub client_secret: Option<Zeroizing<String>>,
    pub extra_roots_pem: Option<Vec<u8>>,
    /// What people call it.
    pub label: Option<String>,
    pub scopes: Vec<String>,
    /// Where the provider sends browsers back to.
    pub redirect_uri: String,
    pub rules: ClaimRules,
    pub check_interval: std::time::Duration,
}

impl std::fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// How a person is made of claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimRules {
    pub name_claim: String,
    pub groups_claim: String,
    pub roles: BTreeMap<String, Role>,
    pub departments: BTreeMap<String, String>,
    /// For persons of no group that has a role; `None` keeps them out.
    pub default_role: Option<Role>,
}
