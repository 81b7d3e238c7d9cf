//! Takes Korean syllables apart into their letters, for vocabularies that know only letters.
//!
//! A tokenizer that strips accents first takes every character apart into what it is made of, by Unicode's canonical
//! decomposition. llama.cpp keeps one piece of each: of `é` the `e`, which is right, and of `각` the `ᄀ`, which makes
//! `가`, `각` and `고` the same word. What is taken apart beforehand stays whole.

const FIRST_SYLLABLE: u32 = 0xac00;
const SYLLABLES: u32 = 11_172;
const LEADS: u32 = 0x1100;
const VOWELS: u32 = 0x1161;
const TAILS: u32 = 0x11a7;
/// Vowels with their tails, and tails, where none counts as one.
const PER_LEAD: u32 = 588;
const PER_VOWEL: u32 = 28;

/// The text with each syllable in its two or three letters, as section 3.12 of the Unicode Standard has it.
pub(super) fn in_letters(text: &str) -> String {
    let mut letters = String::with_capacity(text.len());
    for char in text.chars() {
        match u32::from(char).checked_sub(FIRST_SYLLABLE).filter(|index| *index < SYLLABLES) {
            Some(index) => {
                let (lead, vowel) = (LEADS + index / PER_LEAD, VOWELS + index % PER_LEAD / PER_VOWEL);
                let tail = Some(index % PER_VOWEL).filter(|tail| *tail > 0).map(|tail| TAILS + tail);
                letters
                    .extend([Some(lead), Some(vowel), tail].into_iter().flatten().filter_map(char::from_u32));
            }
            None => letters.push(char),
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables_become_their_letters_and_the_rest_stays() {
        assert_eq!(in_letters("가"), "\u{1100}\u{1161}");
        assert_eq!(in_letters("각"), "\u{1100}\u{1161}\u{11a8}");
        assert_eq!(in_letters("힣"), "\u{1112}\u{1175}\u{11c2}");
        assert_eq!(
            in_letters("한국 Ward 3, é 漢 ㄱ"),
            "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8} Ward 3, é 漢 ㄱ"
        );
    }

    #[test]
    fn no_two_syllables_have_the_same_letters() {
        let syllables = (FIRST_SYLLABLE..FIRST_SYLLABLE + SYLLABLES).filter_map(char::from_u32);
        let apart: std::collections::HashSet<String> =
            syllables.map(|syllable| in_letters(&syllable.to_string())).collect();
        assert_eq!(apart.len(), 11_172);
        assert!(apart.iter().all(|letters| matches!(letters.chars().count(), 2 | 3)));
    }
}
