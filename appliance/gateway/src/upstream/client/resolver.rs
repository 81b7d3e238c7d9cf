//! The system's name service with a deadline of its own, so that a name server that is silent is told from a host.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};

/// Resolves by the system; gives up after `deadline`.
#[derive(Clone)]
pub(crate) struct Resolver {
    system: GaiResolver,
    deadline: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Unresolved {
    #[error("{0}")]
    Refused(std::io::Error),
    #[error("no name server has answered within {} ms", .0.as_millis())]
    Silent(Duration),
}

impl Resolver {
    /// `connect` bounds name, connection and TLS together; a name may take three quarters of it.
    pub(super) fn within(connect: Duration) -> Self {
        Resolver { system: GaiResolver::new(), deadline: connect * 3 / 4 }
    }
}

impl tower::Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, Unresolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (resolving, deadline) = (self.system.call(name), self.deadline);
        Box::pin(async move {
            match tokio::time::timeout(deadline, resolving).await {
                Ok(result) => result.map_err(Unresolved::Refused),
                Err(_) => Err(Unresolved::Silent(deadline)),
            }
        })
    }
}
