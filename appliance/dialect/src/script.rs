//! The script that a text is written in, and the languages that are written in it.

/// A script that says something of the language. Latin does not: too many languages share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    Hangul,
    Kana,
    Han,
    Cyrillic,
    Arabic,
    Hebrew,
    Thai,
    Devanagari,
    Bengali,
    Tamil,
    Greek,
    Georgian,
    Armenian,
}

const ALL: [Script; 13] = [
    Script::Hangul,
    Script::Kana,
    Script::Han,
    Script::Cyrillic,
    Script::Arabic,
    Script::Hebrew,
    Script::Thai,
    Script::Devanagari,
    Script::Bengali,
    Script::Tamil,
    Script::Greek,
    Script::Georgian,
    Script::Armenian,
];

/// So much of a text is enough to know its script.
const MAX_LETTERS: usize = 4096;

/// A script claims a text when at least one letter in so many is of it: a Korean question full of Latin names of
/// medicines is still Korean.
const SHARE: usize = 5;

impl Script {
    /// The script of a text, if it says anything of the language.
    pub fn of(text: &str) -> Option<Script> {
        let mut counts = [0_usize; ALL.len()];
        let mut letters = 0;
        for letter in text.chars().filter(|letter| letter.is_alphabetic()).take(MAX_LETTERS) {
            letters += 1;
            if let Some(script) = Script::of_letter(letter) {
                counts[script as usize] += 1;
            }
        }
        // Japanese mixes both: where there is kana, the Han beside it is Japanese too.
        if counts[Script::Kana as usize] > 0 {
            counts[Script::Kana as usize] += std::mem::take(&mut counts[Script::Han as usize]);
        }
        let most = ALL.into_iter().max_by_key(|script| counts[*script as usize])?;
        let count = counts[most as usize];
        (count > 0 && count * SHARE >= letters).then_some(most)
    }

    /// Codes of ISO 639-1 of the languages that are written in it.
    pub fn languages(self) -> &'static [&'static str] {
        match self {
            Script::Hangul => &["ko"],
            Script::Kana => &["ja"],
            Script::Han => &["zh"],
            Script::Cyrillic => &["ru", "uk", "bg", "sr", "mk", "be", "kk", "ky", "mn", "tg"],
            Script::Arabic => &["ar", "fa", "ur", "ps", "ku"],
            Script::Hebrew => &["he", "yi"],
            Script::Thai => &["th"],
            Script::Devanagari => &["hi", "mr", "ne"],
            Script::Bengali => &["bn", "as"],
            Script::Tamil => &["ta"],
            Script::Greek => &["el"],
            Script::Georgian => &["ka"],
            Script::Armenian => &["hy"],
        }
    }

    /// What an answer has to be in, for a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Script::Hangul => "Korean",
            Script::Kana => "Japanese",
            Script::Han => "Chinese",
            Script::Cyrillic => "a language in Cyrillic script",
            Script::Arabic => "a language in Arabic script",
            Script::Hebrew => "Hebrew",
            Script::Thai => "Thai",
            Script::Devanagari => "a language in Devanagari script",
            Script::Bengali => "Bengali",
            Script::Tamil => "Tamil",
            Script::Greek => "Greek",
            Script::Georgian => "Georgian",
            Script::Armenian => "Armenian",
        }
    }

    fn of_letter(letter: char) -> Option<Script> {
        Some(match letter {
            '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7ff}' => Script::Hangul,
            '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => Script::Kana,
            '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}' => Script::Han,
            '\u{0400}'..='\u{052f}' => Script::Cyrillic,
            '\u{0600}'..='\u{06ff}' | '\u{0750}'..='\u{077f}' | '\u{fb50}'..='\u{fdff}' => Script::Arabic,
            '\u{0590}'..='\u{05ff}' => Script::Hebrew,
            '\u{0e00}'..='\u{0e7f}' => Script::Thai,
            '\u{0900}'..='\u{097f}' => Script::Devanagari,
            '\u{0980}'..='\u{09ff}' => Script::Bengali,
            '\u{0b80}'..='\u{0bff}' => Script::Tamil,
            '\u{0370}'..='\u{03ff}' | '\u{1f00}'..='\u{1fff}' => Script::Greek,
            '\u{10a0}'..='\u{10ff}' => Script::Georgian,
            '\u{0530}'..='\u{058f}' => Script::Armenian,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_a_question_says_its_language() {
        let table = [
            ("What is the dose of ibuprofen?", None),
            ("Quelle est la posologie?", None),
            ("환자에게 ibuprofen 400 mg 을 줘도 되나요?", Some(Script::Hangul)),
            ("この薬の用量は何ですか", Some(Script::Kana)),
            ("漢字かな交じり文", Some(Script::Kana)),
            ("这个药的剂量是多少？", Some(Script::Han)),
            ("Какая доза?", Some(Script::Cyrillic)),
            ("ما هي الجرعة؟", Some(Script::Arabic)),
            ("מה המינון?", Some(Script::Hebrew)),
            ("ขนาดยาเท่าไร", Some(Script::Thai)),
            ("खुराक क्या है?", Some(Script::Devanagari)),
            ("Ποια είναι η δόση;", Some(Script::Greek)),
            ("Use the α-blocker and the β-blocker as usual please", None),
            ("12345 + 67 = ?", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(Script::of(text), expected, "{text}");
        }
    }

    #[test]
    fn scripts_are_counted_in_their_own_places() {
        for (place, script) in ALL.into_iter().enumerate() {
            assert_eq!(script as usize, place);
        }
    }
}
