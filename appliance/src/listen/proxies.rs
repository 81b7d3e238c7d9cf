//! Reverse proxies: whose word is taken for where a request comes from.
//!
//! A proxy adds the address of its own caller at the end of `X-Forwarded-For` or of `Forwarded`. What stands before it,
//! and what anybody else sends, is a claim of strangers and counts for nothing.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// No honest header is longer.
const LONGEST: usize = 4096;

/// The addresses of the proxies that are believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<IpAddr>);

impl Proxies {
    pub(crate) fn new(addresses: Vec<IpAddr>) -> Proxies {
        Proxies(addresses)
    }

    /// Who sends a request that came over a connection from `peer`.
    ///
    /// A proxy sets one of the two headers and passes the other on as it came; where both stand there and differ, one of
    /// them is a lie, and the request counts as the proxy's own.
    pub(super) fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.0.contains(&peer) {
            return peer;
        }
        let last = |name: &str| {
            let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
            (value.len() <= LONGEST).then(|| value.rsplit(',').next().unwrap_or(value).trim())
        };
        let told = match (last("x-forwarded-for"), last("forwarded")) {
            (Some(hop), None) => address(hop),
            (None, Some(element)) => forwarded_for(element),
            (Some(hop), Some(element)) => address(hop).filter(|hop| forwarded_for(element) == Some(*hop)),
            (None, None) => None,
        };
        // Whoever sits at the box itself is asked for less; nobody gets there by the word of another machine.
        told.filter(|told| !told.is_loopback() || peer.is_loopback()).unwrap_or(peer)
    }
}

/// The parameter `for` of an element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(node.trim().trim_matches('"'))
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn caller(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let proxies = Proxies::new(vec!["10.0.0.5".parse().unwrap(), "127.0.0.1".parse().unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        proxies.caller(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn the_last_hop_of_a_known_proxy_is_believed_and_nobody_elses_word() {
        let (xff, forwarded) = ("x-forwarded-for", "forwarded");
        for (peer, headers, expected) in [
            ("10.0.0.5", &[(xff, "192.0.2.7")][..], "192.0.2.7"),
            ("::ffff:10.0.0.5", &[(xff, "192.0.2.7")], "192.0.2.7"),
            ("10.0.0.5", &[(xff, "1.1.1.1, 192.0.2.7")], "192.0.2.7"),
            ("10.0.0.5", &[(xff, "192.0.2.7"), (xff, "192.0.2.8:4711")], "192.0.2.8"),
            ("10.0.0.5", &[(xff, "[2001:db8::1]:4711")], "2001:db8::1"),
            ("10.0.0.5", &[(forwarded, "for=1.1.1.1, proto=https; For=\"[2001:db8::1]\"")], "2001:db8::1"),
            ("10.0.0.5", &[(forwarded, "for=192.0.2.7;by=10.0.0.5")], "192.0.2.7"),
            ("10.0.0.5", &[(xff, "192.0.2.7"), (forwarded, "for=192.0.2.7")], "192.0.2.7"),
            ("10.0.0.5", &[(xff, "192.0.2.7"), (forwarded, "for=1.1.1.1")], "10.0.0.5"),
            ("10.0.0.5", &[(xff, "192.0.2.7, somewhere")], "10.0.0.5"),
            ("10.0.0.5", &[(xff, "")], "10.0.0.5"),
            ("10.0.0.5", &[(forwarded, "for=_hidden")], "10.0.0.5"),
            ("10.0.0.5", &[(xff, "127.0.0.1")], "10.0.0.5"),
            ("127.0.0.1", &[(xff, "127.0.0.1")], "127.0.0.1"),
            ("127.0.0.1", &[(xff, "192.0.2.7")], "192.0.2.7"),
            ("10.0.0.6", &[(xff, "192.0.2.7")], "10.0.0.6"),
            ("10.0.0.5", &[], "10.0.0.5"),
        ] {
            assert_eq!(caller(peer, headers), expected, "{peer} {headers:?}");
        }
        let endless = format!("{}192.0.2.7", "1.1.1.1, ".repeat(1000));
        assert_eq!(caller("10.0.0.5", &[(xff, &endless)]), "10.0.0.5");
    }
}
