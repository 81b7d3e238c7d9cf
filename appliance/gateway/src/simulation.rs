//! The world outside of a simulated box: a network in memory, in the runtime's time. Only for `tests/simulation`.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where a simulated box's connections go.
pub trait Network: Send + Sync {
    /// Connects to an address, or fails as the network does.
    fn connect(&self, address: &Uri) -> Connecting;
}

/// Bytes both ways.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

pub type Connecting = Pin<Box<dyn Future<Output = Result<Box<dyn Line>, ConnectError>> + Send>>;
pub type ConnectError = Box<dyn Error + Send + Sync>;

thread_local! {
    static NETWORK: RefCell<Option<Arc<dyn Network>>> = const { RefCell::new(None) };
}

/// Puts the gateways that are built in this thread on a network.
pub fn join(network: Arc<dyn Network>) {
    NETWORK.with_borrow_mut(|current| *current = Some(network));
}

/// # Panics
/// When [`join`] was not called: a simulated gateway has no way out by itself.
pub(crate) fn network() -> Arc<dyn Network> {
    NETWORK.with_borrow(|network| network.clone()).expect("a simulation joins its network first")
}
