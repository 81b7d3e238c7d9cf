//! The only place that spawns tasks, and the order in which they stop.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long running answers may take to end once the box is told to stop.
const GRACE: Duration = Duration::from_secs(30);

/// The floors of the box, in the order in which they stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Takes new connections; stopping it lets the running ones finish.
    Listeners,
    /// Watches the way to the cloud.
    Monitor,
    /// Keeps the workers.
    Keepers,
    /// Signs what all others have written down.
    Records,
}

const FLOORS: [Floor; 4] = [Floor::Listeners, Floor::Monitor, Floor::Keepers, Floor::Records];

/// Runs the core tasks. One that ends by itself ends the box: the service manager starts it again.
pub(crate) struct Supervisor {
    tokens: [CancellationToken; 4],
    core: JoinSet<(Floor, String)>,
    connections: Connections,
}

/// Where a listener puts its connections: they may end at any time, and are waited for at the end.
#[derive(Clone)]
pub(crate) struct Connections(TaskTracker);

impl Connections {
    #[expect(clippy::disallowed_methods, reason = "this is the supervisor's own place to spawn")]
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.0.track_future(connection));
    }
}

impl Supervisor {
    pub(crate) fn new() -> Self {
        Supervisor {
            tokens: std::array::from_fn(|_| CancellationToken::new()),
            core: JoinSet::new(),
            connections: Connections(TaskTracker::new()),
        }
    }

    pub(crate) fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// The token that stops a floor.
    pub(crate) fn token(&self, floor: Floor) -> CancellationToken {
        self.tokens[floor as usize].clone()
    }

    /// Runs a task that must not end before its floor is stopped.
    pub(crate) fn spawn(
        &mut self,
        floor: Floor,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let name = name.into();
        self.core.spawn(async move {
            task.await;
            (floor, name)
        });
    }

    /// Waits for the order to stop, then stops floor by floor. False when a core task ended by itself.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) -> bool {
        let by_order = tokio::select! {
            () = stop => true,
            ended = self.core.join_next(), if !self.core.is_empty() => {
                match ended {
                    Some(Ok((_, name))) => tracing::error!("core task {name} has ended by itself: the box stops"),
                    Some(Err(error)) => tracing::error!(%error, "a core task has panicked: the box stops"),
                    None => {}
                }
                false
            }
        };
        for floor in FLOORS {
            self.tokens[floor as usize].cancel();
            if floor == Floor::Listeners {
                self.finish_connections().await;
            }
        }
        let all_ended = async { while self.core.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(10), all_ended).await.is_err() {
            tracing::warn!("some core tasks did not stop in time");
        }
        by_order
    }

    async fn finish_connections(&self) {
        self.connections.0.close();
        if !self.connections.0.is_empty() {
            tracing::info!("stopping: {} connections finish first", self.connections.0.len());
        }
        if tokio::time::timeout(GRACE, self.connections.0.wait()).await.is_err() {
            tracing::warn!("{} connections were cut after {} s", self.connections.0.len(), GRACE.as_secs());
        }
    }
}
