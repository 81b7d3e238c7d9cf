//! The recovery sheet: a code on paper that gives the key of all backups.

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::sealing::Key;

/// Crockford's base 32: no I, L, O or U, so nothing looks like something else.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 bits, and 10 more that tell a slip of the hand.
const SYMBOLS: usize = 28;
const SECRET: usize = 16;

/// What stands on the sheet. Whoever has it can open every backup; without it nobody can.
pub(crate) struct RecoveryCode(Zeroizing<[u8; SECRET]>);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCode {
    #[error("the code has {SYMBOLS} letters and digits in seven groups; {0} were given")]
    Length(usize),
    #[error("a letter or digit of the code is mistyped; compare it with the sheet")]
    Mistyped,
}

impl RecoveryCode {
    pub(crate) fn random() -> std::io::Result<RecoveryCode> {
        let key = Key::random()?;
        let mut secret = Zeroizing::new([0; SECRET]);
        secret.copy_from_slice(&key.bytes()[..SECRET]);
        Ok(RecoveryCode(secret))
    }

    /// The code as somebody types it: in either case, with dashes, spaces or neither.
    ///
    /// # Errors
    /// When it cannot be the code of any sheet.
    pub(crate) fn parse(typed: &str) -> Result<RecoveryCode, BadCode> {
        let symbols = typed.chars().filter(|symbol| !symbol.is_whitespace() && *symbol != '-');
        let values: Vec<Option<u8>> = symbols.map(value).collect();
        if values.len() != SYMBOLS {
            return Err(BadCode::Length(values.len()));
        }
        let mut bits = Bits::default();
        let mut bytes = Zeroizing::new(Vec::new());
        for value in &values[..SYMBOLS - 2] {
            bits.put(u32::from(value.ok_or(BadCode::Mistyped)?), 5, &mut bytes);
        }
        let mut secret = Zeroizing::new([0; SECRET]);
        secret.copy_from_slice(&bytes[..SECRET]);
        let code = RecoveryCode(secret);
        let given = values[SYMBOLS - 2..].iter().copied().collect::<Option<Vec<u8>>>();
        let whole = bits.is_empty() && given.is_some_and(|given| given == code.check());
        if whole { Ok(code) } else { Err(BadCode::Mistyped) }
    }

    /// The key of the backups.
    pub(crate) fn key(&self) -> Key {
        Key::derived(self.0.as_slice(), b"genset recovery code", "backup key")
    }

    /// Seven groups of four.
    pub(crate) fn printed(&self) -> Zeroizing<String> {
        let mut values = Zeroizing::new(Vec::new());
        let mut bits = Bits::default();
        for byte in self.0.iter() {
            bits.left = bits.left << 8 | u32::from(*byte);
            bits.count += 8;
            while bits.count >= 5 {
                values.push(bits.take(5));
            }
        }
        // 128 bits are 25 symbols and 3 bits, which are made a whole symbol.
        bits.left <<= 2;
        bits.count += 2;
        values.push(bits.take(5));
        values.extend(self.check());
        let symbols = values.iter().map(|value| char::from(ALPHABET[usize::from(*value)]));
        let mut printed = Zeroizing::new(String::new());
        for (place, symbol) in symbols.enumerate() {
            if place > 0 && place % 4 == 0 {
                printed.push('-');
            }
            printed.push(symbol);
        }
        printed
    }

    fn check(&self) -> [u8; 2] {
        let hash = digest(&SHA256, self.0.as_slice());
        let hash = hash.as_ref();
        [hash[0] & 31, hash[1] & 31]
    }
}

/// What people type for a symbol.
fn value(symbol: char) -> Option<u8> {
    let meant = match symbol.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    ALPHABET.iter().position(|known| char::from(*known) == meant).and_then(|place| u8::try_from(place).ok())
}

#[derive(Default)]
struct Bits {
    left: u32,
    count: u32,
}

impl Bits {
    fn take(&mut self, count: u32) -> u8 {
        self.count -= count;
        (self.left >> self.count & 31) as u8
    }

    fn put(&mut self, value: u32, count: u32, bytes: &mut Vec<u8>) {
        self.left = self.left << count | value;
        self.count += count;
        if self.count >= 8 {
            self.count -= 8;
            bytes.push((self.left >> self.count & 255) as u8);
        }
    }

    /// No bit is left over that is not 0.
    fn is_empty(&self) -> bool {
        self.left & ((1 << self.count) - 1) == 0
    }
}

/// The sheet, for paper: in English and in Korean.
pub(crate) fn sheet(site: &str, code: &str, made: Timestamp) -> Zeroizing<String> {
    let date = made.strftime("%Y-%m-%d");
    Zeroizing::new(format!(
        "\
GENSET RECOVERY SHEET / GENSET 복구 용지

  Site / 사이트: {site}
  Made / 작성일: {date}

  Recovery code / 복구 코드:

      {code}

Whoever holds this code and a backup file can read everything that this box has stored. Without the code
nobody can open the backups, the makers of the box included. Keep two printed copies in two locked places
outside the machine room, and no copy on any computer.

이 코드와 백업 파일을 가진 사람은 장비에 저장된 모든 내용을 읽을 수 있습니다. 코드가 없으면 제조사를 포함해
아무도 백업을 열 수 없습니다. 인쇄본 두 장을 기계실 밖의 잠긴 장소 두 곳에 보관하고, 컴퓨터에는 저장하지
마십시오.

To prove this print / 인쇄본 확인:
      genset recovery-sheet --prove --config FILE          (type the code / 코드를 입력)

To restore to a blank box / 빈 장비에 복원:
      genset restore BACKUP --to FOLDER                    (type the code / 코드를 입력)
      genset serve --config FOLDER/genset.toml
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_however_it_is_typed() {
        for _ in 0..200 {
            let code = RecoveryCode::random().unwrap();
            let printed = code.printed();
            assert_eq!(printed.len(), SYMBOLS + 6);
            let typed = printed.replace('-', " ").to_lowercase().replace('0', "o").replace('1', "l");
            for typed in [printed.as_str(), &typed, &format!("  {}\n", printed.replace('-', ""))] {
                assert_eq!(RecoveryCode::parse(typed).unwrap().key().bytes(), code.key().bytes());
            }
        }
    }

    #[test]
    fn a_slip_of_the_hand_is_told_from_another_code() {
        let printed = RecoveryCode::random().unwrap().printed();
        assert!(matches!(RecoveryCode::parse(&printed[1..]), Err(BadCode::Length(27))));
        let mut found = 0;
        for place in 0..printed.len() {
            let mut typed: Vec<char> = printed.chars().collect();
            if typed[place] != '-' {
                typed[place] = if typed[place] == 'Z' { 'Y' } else { 'Z' };
                let typed: String = typed.into_iter().collect();
                found += usize::from(matches!(RecoveryCode::parse(&typed), Err(BadCode::Mistyped)));
            }
        }
        assert!(found >= SYMBOLS - 1, "{found} of {SYMBOLS} slips were found");
        assert!(matches!(RecoveryCode::parse(&"U".repeat(SYMBOLS)), Err(BadCode::Mistyped)));
    }

    #[test]
    fn the_sheet_says_in_both_languages_what_the_code_is_for() {
        let code = RecoveryCode::random().unwrap().printed();
        let sheet = sheet("Harbor Hospital", &code, Timestamp::from_second(1_700_000_000).unwrap());
        for words in
            ["Harbor Hospital", "2023-11-14", &*code, "nobody can open", "아무도 백업을 열 수 없습니다"]
        {
            assert!(sheet.contains(words), "{words}");
        }
    }
}
