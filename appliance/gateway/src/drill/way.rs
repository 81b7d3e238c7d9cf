//! Cutting the way to the cloud and giving it free again: by the helper that drops packets, or by the connector.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use http::Uri;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::report::{Cut, Means};
use super::scope::Scope;
use crate::gateway::Gateway;
use crate::upstream::Upstream;

/// The helper answers within this or counts as missing.
const HELPER_PATIENCE: Duration = Duration::from_secs(5);

/// The way as it is cut. Dropping it gives it free.
pub(super) struct Way<'a> {
    gateway: &'a Gateway,
    helper: Option<BufReader<UnixStream>>,
    pub cuts: Vec<Cut>,
    pub softer_because: Option<String>,
}

impl<'a> Way<'a> {
    /// Cuts for so long at most.
    pub(super) async fn cut(gateway: &'a Gateway, scope: &Scope, lasts: Duration) -> Way<'a> {
        let mut way = Way { gateway, helper: None, cuts: Vec::new(), softer_because: None };
        let upstreams = &gateway.board().upstreams;
        if *scope != Scope::Site {
            way.note(upstreams.iter(), Means::Course);
            return way;
        }
        let (near, far): (Vec<_>, Vec<_>) =
            upstreams.iter().partition(|upstream| is_on_this_machine(upstream));
        way.softer_because = match &gateway.settings().drill.cutter {
            _ if far.is_empty() => Some("every upstream is on this machine".into()),
            None => Some("no helper is set up: [drill] cutter".into()),
            Some(path) => match helper(path, lasts).await {
                Ok(helper) => {
                    way.helper = Some(helper);
                    None
                }
                Err(why) => Some(format!("the helper at {}: {why}", path.display())),
            },
        };
        let far_means = if way.helper.is_some() { Means::Nftables } else { Means::Connector };
        let refused =
            near.iter().copied().chain(far.iter().copied().filter(|_| far_means == Means::Connector));
        refused.for_each(|upstream| upstream.gate.cut());
        way.note(far.into_iter(), far_means);
        way.note(near.into_iter(), Means::Connector);
        way
    }

    /// Resolves when the helper has given the way free by itself.
    pub(super) async fn lost(&mut self) {
        match &mut self.helper {
            Some(helper) => drop(helper.read_u8().await),
            None => std::future::pending().await,
        }
    }

    pub(super) async fn restore(mut self) {
        if let Some(mut helper) = self.helper.take()
            && order(&mut helper, "restore\n", "restored").await.is_err()
        {
            tracing::warn!("the helper does not say that the way is free; its rule runs out within 10 s");
        }
    }

    fn note<'u>(&mut self, upstreams: impl Iterator<Item = &'u Upstream>, means: Means) {
        self.cuts.extend(upstreams.map(|upstream| Cut { upstream: upstream.settings.name.clone(), means }));
    }
}

impl Drop for Way<'_> {
    fn drop(&mut self) {
        // The helper's connection closes with it, which it takes as the order to restore.
        self.gateway.board().upstreams.iter().for_each(|upstream| upstream.gate.restore());
    }
}

async fn helper(path: &Path, lasts: Duration) -> Result<BufReader<UnixStream>, String> {
    let connected = tokio::time::timeout(HELPER_PATIENCE, UnixStream::connect(path)).await;
    let stream =
        connected.map_err(|_| "it does not answer".to_owned())?.map_err(|error| error.to_string())?;
    let mut helper = BufReader::new(stream);
    order(&mut helper, &format!("cut {}\n", lasts.as_secs().max(1)), "cut").await?;
    Ok(helper)
}

async fn order(helper: &mut BufReader<UnixStream>, order: &str, done: &str) -> Result<(), String> {
    let exchange = tokio::time::timeout(HELPER_PATIENCE, async {
        helper.write_all(order.as_bytes()).await?;
        let mut answer = String::new();
        helper.take(32).read_line(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    });
    match exchange.await {
        Ok(Ok(answer)) if answer.trim_end() == done => Ok(()),
        Ok(Ok(_)) => Err("it refuses; its own log says why".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it does not answer".into()),
    }
}

/// Packets to this machine itself never leave it, so no packet filter in the way out meets them.
fn is_on_this_machine(upstream: &Upstream) -> bool {
    let host = upstream.settings.base_url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    host.is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}
