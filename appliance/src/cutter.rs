//! The helper that cuts the way out for a drill: a process of its own whose only right is to set packet filters.
//!
//! Its rule drops what the box's user sends out in connections that it began, so that replies to the building's own
//! clients pass and the box still reaches itself. The rule holds for 10 s only and is renewed while the box holds its
//! connection open: when the box dies, or this helper does, the kernel itself gives the way free.

mod filter;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

pub(crate) use filter::Filter;

/// The longest drill is 4 hours; nothing is cut for longer.
const MAX_CUT: Duration = Duration::from_secs(4 * 60 * 60 + 5 * 60);

const RENEW_EVERY: Duration = Duration::from_secs(3);

/// No order is longer.
const MAX_LINE_BYTES: u64 = 32;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CutterError {
    #[error("--socket {}: cannot be listened on ({source}). Give a path in a folder that this user may write.", path.display())]
    Socket { path: PathBuf, source: std::io::Error },
    #[error("the packet filter cannot be set: {0}. Give the helper CAP_NET_ADMIN, and install nftables.")]
    Filter(String),
}

/// What the box may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Cut(Duration),
    Restore,
}

/// Serves one box until `stop` resolves; then nothing is cut any more.
///
/// # Errors
/// When the socket or the packet filter cannot be used.
pub(crate) async fn serve(
    path: &Path,
    filter: &Filter,
    stop: impl Future<Output = ()>,
) -> Result<(), CutterError> {
    // What a helper that was killed has left behind must not outlive it.
    filter.remove().await.map_err(CutterError::Filter)?;
    filter.track().await.map_err(CutterError::Filter)?;
    let listener = listen(path).map_err(|source| CutterError::Socket { path: path.to_owned(), source })?;
    tracing::info!("waiting for the box at {}", path.display());
    tokio::pin!(stop);
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => attend(stream, filter).await,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = &mut stop => {}
    }
    filter.remove().await.map_err(CutterError::Filter)?;
    filter.untrack().await.map_err(CutterError::Filter)
}

fn listen(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // Who may give orders is decided by the kernel's word on the peer, not by the file's mode.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// One connection from its first order to its end. Whatever its end is, nothing is cut after it.
async fn attend(stream: UnixStream, filter: &Filter) {
    let peer = stream.peer_cred().map(|peer| peer.uid());
    if !peer.as_ref().is_ok_and(|uid| *uid == filter.uid()) {
        tracing::warn!(?peer, "a stranger was turned away: only uid {} gives orders here", filter.uid());
        return;
    }
    if let Err(why) = obey(stream, filter).await {
        tracing::warn!("{why}");
    }
    if let Err(error) = filter.remove().await {
        tracing::error!("the packet filter cannot be removed: {error}; it runs out by itself within 10 s");
    }
}

async fn obey(stream: UnixStream, filter: &Filter) -> Result<(), String> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut until: Option<Instant> = None;
    let mut renew = interval(RENEW_EVERY);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut line = Vec::new();
    loop {
        let over = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let mut bounded = (&mut reader).take(MAX_LINE_BYTES - line.len() as u64);
        tokio::select! {
            () = over => return Err("the longest time of a cut is over: the way is free again".into()),
            _ = renew.tick(), if until.is_some() => filter.renew().await?,
            read = bounded.read_until(b'\n', &mut line) => {
                if read.map_err(|error| error.to_string())? == 0 && line.is_empty() {
                    return if until.is_some() { Err("the box is gone: the way is free again".into()) } else { Ok(()) };
                }
                let answer = match parse(&line) {
                    Some(Order::Cut(lasts)) => {
                        filter.cut().await?;
                        renew.reset();
                        until = Some(Instant::now() + lasts);
                        tracing::warn!("the way out of uid {} is cut for {} s at most", filter.uid(), lasts.as_secs());
                        "cut\n"
                    }
                    Some(Order::Restore) => {
                        filter.remove().await?;
                        until = None;
                        tracing::warn!("the way out of uid {} is free again", filter.uid());
                        "restored\n"
                    }
                    None => return Err("what came is no order: the connection is closed".into()),
                };
                line.clear();
                writer.write_all(answer.as_bytes()).await.map_err(|error| error.to_string())?;
            }
        }
    }
}

/// `cut SECONDS` or `restore`, and a newline; anything else is no order.
fn parse(line: &[u8]) -> Option<Order> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    if text == "restore" {
        return Some(Order::Restore);
    }
    let seconds = text.strip_prefix("cut ")?;
    let plain = (1..=5).contains(&seconds.len()) && seconds.bytes().all(|byte| byte.is_ascii_digit());
    let lasts = Duration::from_secs(plain.then(|| seconds.parse().ok()).flatten()?);
    (!lasts.is_zero() && lasts <= MAX_CUT).then_some(Order::Cut(lasts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_orders_are_understood() {
        assert_eq!(parse(b"restore\n"), Some(Order::Restore));
        assert_eq!(parse(b"cut 1\n"), Some(Order::Cut(Duration::from_secs(1))));
        assert_eq!(parse(b"cut 14700\n"), Some(Order::Cut(Duration::from_secs(14_700))));
        let nonsense: [&[u8]; 14] = [
            b"",
            b"\n",
            b"cut\n",
            b"cut \n",
            b"cut 0\n",
            b"cut -1\n",
            b"cut 14701\n",
            b"cut 99999\n",
            b"cut 184467440737095\n",
            b"cut 1 \n",
            b"cut 1; flush ruleset\n",
            b"restore",
            b"RESTORE\n",
            b"\xff\n",
        ];
        for line in nonsense {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
