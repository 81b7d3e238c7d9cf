//! The two languages of the portal, and how a visitor's is found.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use crate::cookies;
use crate::visit::Transport;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Korean,
}

impl Language {
    pub(crate) const ALL: [Language; 2] = [Language::English, Language::Korean];

    /// The tag of BCP 47, as it stands in the cookie and in `lang`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Korean => "ko",
        }
    }

    /// What its speakers call it.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Korean => "한국어",
        }
    }

    pub(crate) fn from_code(code: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The choice in the cookie, else what the browser prefers, else English.
    pub(crate) fn of_request(headers: &HeaderMap, transport: Transport) -> Language {
        let chosen = cookies::get(headers, transport.language_cookie()).and_then(Language::from_code);
        let preferred = || headers.get(ACCEPT_LANGUAGE)?.to_str().ok().and_then(preferred_language);
        chosen.or_else(preferred).unwrap_or(Language::English)
    }
}

impl From<Language> for continuity::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::English => continuity::Language::English,
            Language::Korean => continuity::Language::Korean,
        }
    }
}

/// The supported language with the highest weight in an `Accept-Language` header; the first of equals.
fn preferred_language(header: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for part in header.split(',') {
        let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight: f32 = weight.trim().strip_prefix("q=").and_then(|q| q.parse().ok()).unwrap_or(0.0);
        let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        let Some(language) = Language::from_code(&primary) else { continue };
        if weight > 0.0 && best.is_none_or(|(heaviest, _)| weight > heaviest) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_supported_language_of_the_browser_is_taken() {
        let table = [
            ("ko-KR,ko;q=0.9,en-US;q=0.8", Some(Language::Korean)),
            ("en;q=0.5, ko;q=0.8", Some(Language::Korean)),
            ("fr, de;q=0.9, en;q=0.2", Some(Language::English)),
            ("KO", Some(Language::Korean)),
            ("ko;q=0, en;q=0.1", Some(Language::English)),
            ("fr", None),
            ("", None),
            (";;;,,q=", None),
        ];
        for (header, expected) in table {
            assert_eq!(preferred_language(header), expected, "{header}");
        }
    }
}
