//! Passwords that are guessed first, however long they are: leaked ones, names that everybody here knows, and patterns.

use sha2::{Digest, Sha256};

/// The first bytes of the hashes of leaked passwords, sorted; the README beside it says whose.
static LEAKED: &[u8] = include_bytes!("leaked.bin");
const PREFIX: usize = 5;

/// Words of this box that are no secret. SECURITY.md lists them.
const KNOWN_WORDS: [&str; 16] = [
    "genset",
    "generator",
    "password",
    "welcome",
    "admin",
    "administrator",
    "owner",
    "operator",
    "auditor",
    "manager",
    "staff",
    "service",
    "hospital",
    "비밀번호",
    "관리자",
    "병원",
];
/// What stands beside such words must be a password by itself, if a short one.
const MIN_BESIDE_WORDS: usize = 8;
/// A unit that is repeated is as easy to guess as the unit.
const MAX_UNIT: usize = 4;

/// Whether somebody who knows the building and the person tries it among the first. `names` are the person's and the
/// site's.
pub(super) fn is_guessable(password: &str, names: &[&str]) -> bool {
    let lower = password.to_lowercase();
    let bare = lower.trim_matches(|symbol: char| !symbol.is_alphabetic());
    is_leaked(&lower) || is_leaked(bare) || is_pattern(&lower) || is_made_of_words(&lower, names)
}

fn is_leaked(lower: &str) -> bool {
    let digest = Sha256::digest(lower);
    let (entries, _) = LEAKED.as_chunks::<PREFIX>();
    entries.binary_search_by(|entry| entry.as_slice().cmp(&digest[..PREFIX])).is_ok()
}

/// One short unit again and again, or the alphabet or the digits in a row.
fn is_pattern(lower: &str) -> bool {
    let symbols: Vec<u32> = lower.chars().map(u32::from).collect();
    let repeats = |unit: usize| symbols.iter().zip(&symbols[unit..]).all(|(one, other)| one == other);
    let rises = symbols.windows(2).all(|pair| is_next(pair[0], pair[1]));
    let falls = symbols.windows(2).all(|pair| is_next(pair[1], pair[0]));
    (1..=MAX_UNIT.min(symbols.len())).any(repeats) || rises || falls
}

/// The one is followed by the other; after 9 comes 0.
fn is_next(one: u32, other: u32) -> bool {
    other == one + 1 || one == u32::from('9') && other == u32::from('0')
}

/// Known words, and next to nothing beside them.
fn is_made_of_words(lower: &str, names: &[&str]) -> bool {
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let parts = names.iter().flat_map(|name| name.split(|symbol: char| !symbol.is_alphanumeric()));
    let mut words: Vec<&str> = parts.filter(|part| is_word(part)).chain(KNOWN_WORDS).collect();
    // The longest first, for a word may be a part of another.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let left = words.iter().fold(lower.to_owned(), |left, word| left.replace(word, ""));
    left != lower && left.chars().filter(|symbol| symbol.is_alphanumeric()).count() < MIN_BESIDE_WORDS
}

/// Three letters, or two syllables of a script that writes syllables.
fn is_word(part: &str) -> bool {
    part.chars().count() >= if part.is_ascii() { 3 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["kim minji", "Harbor Hospital", "부산 항구병원"];

    #[test]
    fn what_is_guessed_first_is_refused_however_it_is_dressed() {
        let table = [
            "1qaz2wsx3edc",
            "Unbelievable",
            "unbelievable1!",
            "123456789012",
            "aaaaaaaaaaaaaa",
            "abcabcabcabc",
            "abcdefghijklmn",
            "98765432109876",
            "genset-admin-2026",
            "Harbor Hospital 1",
            "KimMinji2026!!",
            "항구병원항구병원항구병원",
            "관리자 비밀번호 1234567",
        ];
        for password in table {
            assert!(is_guessable(password, &NAMES), "{password}");
        }
    }

    #[test]
    fn any_other_password_passes_whatever_signs_it_is_made_of() {
        let table = [
            "four plain words here",
            "가나 다라 마바 사아자차",
            "481516234208151623",
            "????!!!!++++ssss",
            "genset has 3 quiet cats",
            "correct horse battery",
            "🦊🐢🐙🦉🐌🦋🐝🦎🐿🦔🦩🐍",
        ];
        for password in table {
            assert!(!is_guessable(password, &NAMES), "{password}");
        }
    }

    #[test]
    fn the_list_is_sorted_and_holds_more_than_the_three_thousand_commonest() {
        let (entries, rest) = LEAKED.as_chunks::<PREFIX>();
        assert!(rest.is_empty() && entries.len() > 40_000);
        assert!(entries.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
