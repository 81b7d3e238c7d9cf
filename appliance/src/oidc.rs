//! The identity provider outside (OpenID Connect): the authorization code flow with PKCE, for the portal.
//!
//! Nothing here is needed to sign in with an account of the box. Whether the provider answers is looked at beside the
//! work and once more at each departure, so that no browser is led to a page that is not there.

mod claims;
mod departures;
mod discovery;
mod exchange;
mod http;
mod id_token;
mod keys;
mod settings;

use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use store::{Caller, Secret};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use web::{Arrival, Departure, IdentityProvider, ProviderError, Returned};
use zeroize::Zeroizing;

use departures::{Departed, Departures};
use discovery::Metadata;
pub(crate) use http::NoRoots;
use http::{CallError, Http};
use keys::Keys;
pub(crate) use settings::{ClaimRules, OidcSettings};

/// The provider as the box knows it.
pub(crate) struct Oidc {
    settings: OidcSettings,
    client_secret: Zeroizing<String>,
    http: Http,
    departures: Departures,
    /// Whether it answered when it was last asked for all that a sign-in needs; `None` before the first time.
    answers: watch::Sender<Option<bool>>,
    /// The last time that it was asked for its description.
    asked: Mutex<Option<Asked>>,
    metadata: StdMutex<Option<Arc<Metadata>>>,
    ring: Mutex<Ring>,
}

struct Asked {
    began: Instant,
    told: Result<Arc<Metadata>, ProviderError>,
}

/// The provider's keys.
#[derive(Default)]
struct Ring {
    keys: Arc<Keys>,
    /// When an unknown key last made the box ask.
    asked_again: Option<Instant>,
}

/// Whether these are roots to trust, before anything is built.
pub(crate) fn check_roots(pem: &[u8]) -> Result<(), NoRoots> {
    Http::new(Some(pem)).map(drop)
}

impl Oidc {
    /// `None` where the client's secret cannot be read, which was told before.
    ///
    /// # Errors
    /// When the extra roots are none.
    pub(crate) fn new(settings: OidcSettings) -> Result<Option<Arc<Oidc>>, NoRoots> {
        let Some(client_secret) = settings.client_secret.clone() else { return Ok(None) };
        let http = Http::new(settings.extra_roots_pem.as_deref())?;
        Ok(Some(Arc::new(Oidc {
            settings,
            client_secret,
            http,
            departures: Departures::default(),
            answers: watch::Sender::new(None),
            asked: Mutex::new(None),
            metadata: StdMutex::default(),
            ring: Mutex::default(),
        })))
    }

    /// Looks again and again whether the provider answers, and keeps its description and its keys fresh.
    pub(crate) async fn watch(self: Arc<Self>, cancel: CancellationToken) {
        let looking = async {
            loop {
                if let Ok(metadata) = self.describe().await {
                    match self.fetch_keys(&metadata).await {
                        Ok(_) => self.here(),
                        Err(error) => drop(self.away("for its keys", &error)),
                    }
                }
                tokio::time::sleep(self.settings.check_interval).await;
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = looking => {}
        }
    }

    /// The provider's description, asked for now. Whoever comes while another asks shares the next answer, so that a
    /// crowd at the button makes one call at a time, and nobody waits for more than two.
    async fn describe(&self) -> Result<Arc<Metadata>, ProviderError> {
        let came = Instant::now();
        let mut asked = self.asked.lock().await;
        if let Some(asked) = asked.as_ref().filter(|asked| asked.began >= came) {
            return asked.told.clone();
        }
        let began = Instant::now();
        let answered = self.http.get(&discovery::address(&self.settings.issuer)).await;
        let read = answered.and_then(|json| Metadata::parse(&json, &self.settings.issuer));
        let told = read.map(Arc::new).map_err(|error| self.away("for its description", &error));
        if let Ok(metadata) = &told {
            *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) = Some(metadata.clone());
        }
        *asked = Some(Asked { began, told: told.clone() });
        told
    }

    /// One line when it comes and one when it goes; not one for each call.
    fn here(&self) {
        if self.answers.send_replace(Some(true)) != Some(true) {
            tracing::info!("the identity provider {} answers", self.settings.issuer);
        }
    }

    fn away(&self, what: &str, error: &CallError) -> ProviderError {
        if self.answers.send_replace(Some(false)) != Some(false) {
            let issuer = &self.settings.issuer;
            tracing::warn!("the identity provider {issuer} is away: asked {what}, it gave {error}");
        }
        ProviderError::Away
    }

    async fn fetch_keys(&self, metadata: &Metadata) -> Result<Arc<Keys>, CallError> {
        let json = self.http.get(&metadata.jwks_uri).await?;
        let keys = Keys::parse(&json).filter(|keys| !keys.is_empty());
        let keys = Arc::new(keys.ok_or(CallError::Nonsense("no usable key, or something"))?);
        self.ring.lock().await.keys = keys.clone();
        Ok(keys)
    }

    async fn begin(&self, caller: Caller, back: String) -> Result<Departure, ProviderError> {
        let metadata = self.describe().await?;
        let departed = Departed::new(caller.address, &back).map_err(|_| ProviderError::Away)?;
        let challenge = ring::digest::digest(&ring::digest::SHA256, departed.verifier.as_bytes());
        let query = pairs(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.settings.redirect_uri),
            ("scope", &self.settings.scopes.join(" ")),
            ("state", &departed.state),
            ("nonce", &departed.nonce),
            ("code_challenge", &BASE64URL_NOPAD.encode(challenge.as_ref())),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &metadata.authorization_endpoint;
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        let ticket = Secret::from(departed.ticket());
        self.departures.insert(departed);
        Ok(Departure { address: format!("{endpoint}{joint}{}", *query), ticket })
    }
}

impl IdentityProvider for Oidc {
    fn label(&self) -> Option<&str> {
        self.settings.label.as_deref()
    }

    fn answers(&self) -> bool {
        *self.answers.borrow() == Some(true)
    }

    fn depart(&self, caller: &Caller, back: &str) -> BoxFuture<'_, Result<Departure, ProviderError>> {
        Box::pin(self.begin(caller.clone(), back.to_owned()))
    }

    fn arrive(&self, ticket: Secret, returned: Returned) -> BoxFuture<'_, Result<Arrival, ProviderError>> {
        Box::pin(async move { self.finish(&ticket, returned).await })
    }
}

/// Fields of a form or of a query.
fn pairs(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    Zeroizing::new(pairs.join("&"))
}
