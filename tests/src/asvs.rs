//! `tests/asvs.csv`: each requirement of OWASP ASVS 5.0.0 up to level 2, its state, and the tests that show it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::repository;

/// The sections of the standard. A digit is the level of the requirement at its place: the second of `1.5` is V1.5.2.
const SECTIONS: [(&str, &str); 80] = [
    ("1.1", "22"),
    ("1.2", "1111122223"),
    ("1.3", "112222222223"),
    ("1.4", "222"),
    ("1.5", "123"),
    ("2.1", "122"),
    ("2.2", "112"),
    ("2.3", "12223"),
    ("2.4", "23"),
    ("3.1", "3"),
    ("3.2", "113"),
    ("3.3", "12223"),
    ("3.4", "11222233"),
    ("3.5", "11122333"),
    ("3.6", "3"),
    ("3.7", "22333"),
    ("4.1", "12233"),
    ("4.2", "23333"),
    ("4.3", "22"),
    ("4.4", "1222"),
    ("5.1", "2"),
    ("5.2", "112333"),
    ("5.3", "113"),
    ("5.4", "222"),
    ("6.1", "122"),
    ("6.2", "111111112222"),
    ("6.3", "11223333"),
    ("6.4", "112233"),
    ("6.5", "22222333"),
    ("6.6", "2223"),
    ("6.7", "33"),
    ("6.8", "2222"),
    ("7.1", "222"),
    ("7.2", "1111"),
    ("7.3", "22"),
    ("7.4", "11222"),
    ("7.5", "223"),
    ("7.6", "22"),
    ("8.1", "1233"),
    ("8.2", "1123"),
    ("8.3", "133"),
    ("8.4", "23"),
    ("9.1", "111"),
    ("9.2", "1222"),
    ("10.1", "22"),
    ("10.2", "223"),
    ("10.3", "22223"),
    ("10.4", "1111122222233333"),
    ("10.5", "22222"),
    ("10.6", "22"),
    ("10.7", "222"),
    ("11.1", "2233"),
    ("11.2", "22233"),
    ("11.3", "11233"),
    ("11.4", "1222"),
    ("11.5", "23"),
    ("11.6", "23"),
    ("11.7", "33"),
    ("12.1", "12233"),
    ("12.2", "11"),
    ("12.3", "22223"),
    ("13.1", "2333"),
    ("13.2", "222223"),
    ("13.3", "2233"),
    ("13.4", "1222233"),
    ("14.1", "22"),
    ("14.2", "12223333"),
    ("14.3", "122"),
    ("15.1", "12233"),
    ("15.2", "12233"),
    ("15.3", "1222222"),
    ("15.4", "3333"),
    ("16.1", "2"),
    ("16.2", "22222"),
    ("16.3", "2222"),
    ("16.4", "222"),
    ("16.5", "2223"),
    ("17.1", "23"),
    ("17.2", "22223333"),
    ("17.3", "22"),
];

/// What is looked for up to here.
const LEVEL: char = '2';
const HEADER: &str = "number,level,topic,applies,state,where,test,note";
const STATES: [&str; 3] = ["met", "open", "not applicable"];

/// A requirement as the table has it.
#[derive(Debug, Clone)]
struct Row {
    number: String,
    state: String,
    topic: String,
    note: String,
}

/// What a repository has to show.
struct Evidence {
    /// The names of all tests.
    tests: BTreeSet<String>,
    root: PathBuf,
}

impl Evidence {
    /// That of this repository.
    fn gathered() -> Evidence {
        let root = repository().to_path_buf();
        let mut tests = BTreeSet::new();
        for folder in ["appliance", "web", "tests"] {
            gather(&root.join(folder), &mut tests);
        }
        Evidence { tests, root }
    }
}

fn gather(folder: &Path, tests: &mut BTreeSet<String>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" {
            gather(&path, tests);
        } else if name.ends_with(".rs") || name.ends_with(".py") {
            tests.extend(tests_of(&std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The names of the functions that are tests: behind an attribute of Rust, or by their name in Python.
fn tests_of(text: &str) -> Vec<String> {
    let (mut found, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        let name_after = |word: &str| {
            let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix(word)?;
            rest.split('(').next().map(str::to_owned)
        };
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(name) = name_after("fn ") {
            found.extend(is_test.then_some(name));
            is_test = false;
        } else if let Some(name) = name_after("def ").filter(|name| name.starts_with("test_")) {
            found.push(name);
        }
    }
    found
}

/// Every requirement of the standard, with its level.
fn standard() -> BTreeMap<String, char> {
    let numbered = SECTIONS.iter().flat_map(|(section, levels)| {
        levels.chars().enumerate().map(move |(at, level)| (format!("V{section}.{}", at + 1), level))
    });
    numbered.collect()
}

/// Reads the table.
///
/// # Errors
/// All that is wrong with it, a sentence each.
fn read(csv: &str, evidence: &Evidence) -> Result<Vec<Row>, Vec<String>> {
    let (mut rows, mut wrong) = (Vec::<Row>::new(), Vec::new());
    let mut missing: BTreeMap<_, _> = standard().into_iter().filter(|(_, level)| *level <= LEVEL).collect();
    let mut lines = csv.lines();
    if lines.next() != Some(HEADER) {
        wrong.push(format!("the first line is not {HEADER}"));
    }
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let [number, level, topic, applies, state, place, tests, note] = fields[..] else {
            wrong.push(format!("{line:?} has {} fields and not 8: none may hold a comma", fields.len()));
            continue;
        };
        let problem = match missing.remove(number) {
            Some(known) if level == known.to_string() => None,
            Some(known) => Some(format!("{number} is of level {known} and not {level}")),
            None if rows.iter().any(|row| row.number == number) => Some(format!("{number} is there twice")),
            None => Some(format!("{number} is no requirement of level 1 or 2")),
        };
        wrong.extend(problem);
        wrong.extend(doubts(state, applies, topic, note, tests).map(|doubt| format!("{number}: {doubt}")));
        for test in tests.split_whitespace() {
            let name = test.rsplit("::").next().unwrap_or_default();
            if !evidence.tests.contains(name) {
                wrong.push(format!("{number}: there is no test {test}"));
            }
        }
        for place in place.split_whitespace().filter(|place| !evidence.root.join(place).exists()) {
            wrong.push(format!("{number}: there is no {place}"));
        }
        let [number, state, topic, note] = [number, state, topic, note].map(str::to_owned);
        rows.push(Row { number, state, topic, note });
    }
    wrong.extend(missing.into_keys().map(|number| format!("{number} is missing")));
    if wrong.is_empty() { Ok(rows) } else { Err(wrong) }
}

/// What is wrong with one row by itself.
fn doubts(
    state: &str,
    applies: &str,
    topic: &str,
    note: &str,
    tests: &str,
) -> impl Iterator<Item = String> + use<> {
    let expected = if state == "not applicable" { "no" } else { "yes" };
    let found = [
        (!STATES.contains(&state)).then(|| format!("{state:?} is no state")),
        (applies != expected).then(|| format!("applies is {applies:?} where the state is {state:?}")),
        topic.is_empty().then(|| "it has no topic".to_owned()),
        (state != "met" && note.len() < 5).then(|| "it has no reason".to_owned()),
        (state == "met" && tests.is_empty()).then(|| "no test shows that it is met".to_owned()),
    ];
    found.into_iter().flatten()
}

/// The totals by chapter, and what is open with its reason.
fn told(rows: &[Row]) -> String {
    let mut chapters: BTreeMap<u32, [usize; 3]> = BTreeMap::new();
    let mut total = [0; 3];
    for row in rows {
        let chapter = row.number[1..].split('.').next().and_then(|n| n.parse().ok()).unwrap_or_default();
        let state = STATES.iter().position(|state| *state == row.state).unwrap_or_default();
        chapters.entry(chapter).or_default()[state] += 1;
        total[state] += 1;
    }
    let mut told = "chapter   met  open  not applicable\n".to_owned();
    for (chapter, [met, open, not]) in &chapters {
        let _ = writeln!(told, "V{chapter:<8}{met:>4}{open:>6}{not:>16}");
    }
    let [met, open, not] = total;
    let _ = writeln!(told, "all      {met:>4}{open:>6}{not:>16}\n");
    for row in rows.iter().filter(|row| row.state == "open") {
        let _ = writeln!(told, "{} {}: {}", row.number, row.topic, row.note);
    }
    told
}

/// The table of this repository, in words; false when something is wrong with it.
pub(crate) fn run() -> (String, bool) {
    let csv = std::fs::read_to_string(repository().join("tests/asvs.csv")).unwrap();
    match read(&csv, &Evidence::gathered()) {
        Ok(rows) => (told(&rows), true),
        Err(wrong) => (wrong.join("\n"), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_requirement_of_level_two_has_its_state_its_reason_and_a_test_that_is_there() {
        let (told, is_fine) = run();
        assert!(is_fine, "{told}");
        eprintln!("{told}");
    }

    #[test]
    fn the_standard_is_counted_as_it_is_published() {
        let levels: Vec<char> = standard().into_values().collect();
        let count = |level| levels.iter().filter(|known| **known == level).count();
        assert_eq!([count('1'), count('2'), count('3')], [70, 183, 92]);
    }

    #[test]
    fn every_fault_of_the_table_is_found() {
        let csv = std::fs::read_to_string(repository().join("tests/asvs.csv")).unwrap();
        let evidence = Evidence::gathered();
        let wrong = |csv: &str| read(csv, &evidence).err().unwrap_or_default().join("\n");
        let first = csv.lines().nth(1).unwrap();
        let test = first.split(',').nth(6).unwrap();
        let changed = |from: &str, to: &str| wrong(&csv.replacen(from, to, 1));
        assert_eq!(wrong(&format!("{csv}{first}\n")), "V1.1.1 is there twice");
        assert_eq!(wrong(&csv.replacen(&format!("{first}\n"), "", 1)), "V1.1.1 is missing");
        assert!(changed("V1.1.1,", "V1.1.9,").contains("V1.1.9 is no requirement of level 1 or 2"));
        assert!(changed("V1.1.1,", "1.1.1,").contains("1.1.1 is no requirement"));
        assert!(changed("V1.1.1,2", "V1.1.1,1").contains("V1.1.1 is of level 2 and not 1"));
        assert!(changed(",met,", ",nearly,").contains("\"nearly\" is no state"));
        assert!(
            changed(test, "web::tests::no_such_test").contains("there is no test web::tests::no_such_test")
        );
        assert!(changed(test, "").contains("no test shows that it is met"));
        assert!(changed("web/src/posted.rs", "web/src/gone.rs").contains("there is no web/src/gone.rs"));
        assert!(changed("no XML is read", "").contains("it has no reason"));
        assert!(changed("decode once", "decode, once").contains("has 9 fields"));
    }
}
