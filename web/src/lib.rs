//! The portal: what staff see of the box. Server-rendered pages that work without JavaScript and need nothing from
//! outside.
//!
//! Architecture invariant: no page calls an upstream. Pages render from the newest [`gateway::Site`] and from the
//! store, so a dead cloud never makes a page slow.

mod answers;
mod asking;
mod assets;
mod band;
mod caller;
mod confirmed;
mod cookies;
mod csrf;
mod error_page;
mod frame;
mod guard;
mod headers;
mod language;
mod line;
mod moment;
mod notices;
mod pages;
mod posted;
mod provider;
mod qr;
mod routes;
mod text;
mod visit;
mod why;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use gateway::{Gateway, Site};
use serde_json::Value;
use store::{EventRow, Store, StoreError};

use crate::moment::Clock;
pub use crate::provider::{Arrival, Departure, IdentityProvider, ProviderError, Returned};
pub use crate::visit::Transport;

/// What the configuration says about the portal.
#[derive(Clone)]
pub struct PortalOptions {
    /// The name of the building, as it stands in the masthead.
    pub site_name: String,
    /// Who signs people in outside the box, where there is one.
    pub identity_provider: Option<Arc<dyn IdentityProvider>>,
}

/// The portal. A clone is cheap and means the same one.
#[derive(Clone)]
pub struct Portal(Arc<Parts>);

struct Parts {
    gateway: Gateway,
    store: Store,
    options: PortalOptions,
    clock: Clock,
    /// Once there is an owner there always is one, so the store is not asked again.
    is_set_up: AtomicBool,
}

impl Portal {
    pub fn new(gateway: Gateway, store: Store, options: PortalOptions) -> Portal {
        let (clock, is_set_up) = (Clock::of_the_box(), AtomicBool::new(false));
        Portal(Arc::new(Parts { gateway, store, options, clock, is_set_up }))
    }

    /// All routes of the portal, with a fallback that says "not found". The listener marks each request with its
    /// [`Transport`].
    pub fn router(&self) -> Router {
        routes::router(self)
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn site_name(&self) -> &str {
        &self.0.options.site_name
    }

    pub(crate) fn provider(&self) -> Option<&dyn IdentityProvider> {
        self.0.options.identity_provider.as_deref()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The newest facts of the site.
    pub(crate) fn site(&self) -> Arc<Site> {
        self.0.gateway.site().borrow().clone()
    }

    pub(crate) fn needs_setup(&self) -> Result<bool, StoreError> {
        if self.0.is_set_up.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let needs_setup = self.0.store.core.needs_setup()?;
        self.0.is_set_up.store(!needs_setup, Ordering::Relaxed);
        Ok(needs_setup)
    }

    /// Puts what a person did into the audit log. A failure is logged and stops nobody: the log's own page shows it.
    pub(crate) async fn note(&self, who: &str, what: &str) {
        self.note_with(who, what, Value::Null).await;
    }

    /// The same, with what else is to be known; never a secret.
    pub(crate) async fn note_with(&self, who: &str, what: &str, detail: Value) {
        let (who, what) = (who.to_owned(), what.to_owned());
        let row = EventRow { at_ms: Clock::now_ms(), who, what, detail };
        if let Err(error) = self.0.store.audit.event(row).await {
            error_page::log(&error);
        }
    }
}
