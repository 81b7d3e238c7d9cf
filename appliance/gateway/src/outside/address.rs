//! The addresses that the names of upstreams last had: reached or not, they tell dead names from a dead line.

use std::net::SocketAddr;
use std::time::Duration;

use continuity::Asked;
use futures_util::future::join_all;
use tokio::net::{TcpStream, lookup_host};

use super::Board;
use crate::settings::UpstreamSettings;

/// One upstream outside that is reached by a name.
pub(super) struct Known {
    host: String,
    /// None before the name was found a first time.
    address: Option<SocketAddr>,
}

/// The upstreams whose addresses are worth remembering, each host once.
pub(super) fn worth_knowing(board: &Board) -> Vec<Known> {
    if !board.outside.remembers_addresses {
        return Vec::new();
    }
    let outside = board.upstreams.iter().map(|upstream| &upstream.settings).filter(|s| s.is_outside());
    let mut hosts: Vec<String> = outside.map(with_port).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts.into_iter().map(|host| Known { host, address: None }).collect()
}

/// Host and port as a name service takes them.
fn with_port(settings: &UpstreamSettings) -> String {
    let authority = settings.authority();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match has_port {
        true => authority.to_owned(),
        false if settings.base_url.starts_with("http://") => format!("{authority}:80"),
        false => format!("{authority}:443"),
    }
}

/// Looks all names up again; one that is not found now keeps the address that it had.
pub(super) async fn refresh(known: &mut [Known], deadline: Duration) {
    let refreshed = known.iter_mut().map(|known| async move {
        if let Ok(Ok(mut found)) = tokio::time::timeout(deadline, lookup_host(known.host.as_str())).await {
            known.address = found.next().or(known.address);
        }
    });
    join_all(refreshed).await;
}

/// Tries all addresses that are known.
pub(super) async fn try_all(known: &[Known], deadline: Duration) -> Asked {
    let addresses = known.iter().filter_map(|known| known.address);
    let tried =
        join_all(addresses.map(|address| tokio::time::timeout(deadline, TcpStream::connect(address))));
    let tried = tried.await;
    let answering = tried.iter().filter(|connected| matches!(connected, Ok(Ok(_)))).count();
    Asked { asked: tried.len() as u32, failing: (tried.len() - answering) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_not_written_is_that_of_the_scheme() {
        for (base_url, expected) in [
            ("https://api.example/v1", "api.example:443"),
            ("https://api.example:8443", "api.example:8443"),
            ("https://[2001:db8::1]/v1", "[2001:db8::1]:443"),
        ] {
            let settings = UpstreamSettings { base_url: base_url.into(), ..UpstreamSettings::for_tests("u") };
            assert_eq!(with_port(&settings), expected);
        }
    }

    #[tokio::test]
    async fn an_address_outlives_its_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut known = [Known { host: format!("localhost:{}", address.port()), address: Some(address) }];
        known[0].host = "not a name:1".into();
        refresh(&mut known, Duration::from_secs(5)).await;
        assert_eq!(try_all(&known, Duration::from_secs(5)).await, Asked { asked: 1, failing: 0 });
        drop(listener);
        assert_eq!(try_all(&known, Duration::from_secs(5)).await, Asked { asked: 1, failing: 1 });
    }
}
