//! Who sends a request, as far as can be told before anybody signs in: the address, the device, its token.

use gateway::Peer;
use http::header::USER_AGENT;
use http::request::Parts;
use store::Caller;

use crate::cookies;
use crate::visit::Transport;

/// The first word that a browser's name for itself holds decides, because each names those that it descends from.
const BROWSERS: [(&str, &str); 9] = [
    ("Whale/", "Whale"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

pub(crate) fn of(parts: &Parts, transport: Transport) -> Caller {
    let address = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let device_token = cookies::get(&parts.headers, transport.device_cookie()).map(Into::into);
    let session_token = cookies::get(&parts.headers, transport.session_cookie()).map(Into::into);
    Caller { address, device: device(agent), device_token, session_token }
}

/// "Firefox, Windows": two words that the portal knows, and nothing of what the caller wrote.
fn device(agent: &str) -> String {
    let known = |words: &[(&str, &'static str)]| {
        words.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name)
    };
    let found = [known(&BROWSERS), known(&SYSTEMS)];
    found.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn a_browser_is_named_in_two_words_and_an_unknown_one_not_at_all() {
        let mozilla = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
        let table = [
            (format!("{mozilla} Gecko/20100101 Firefox/143.0"), "Firefox, Windows"),
            (format!("{mozilla} Chrome/141.0 Safari/537.36 Edg/141.0"), "Edge, Windows"),
            (format!("{mozilla} Chrome/140.0 Whale/4.33 Safari/537.36"), "Whale, Windows"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Safari/604.1".into(), "Safari, iPhone"),
            ("Mozilla/5.0 (Linux; Android 15) Chrome/141.0 Mobile Safari/537.36".into(), "Chrome, Android"),
            ("curl/8.5".into(), ""),
            ("<script>alert(1)</script>".into(), ""),
        ];
        for (agent, expected) in table {
            assert_eq!(device(&agent), expected, "{agent}");
        }
    }
}
