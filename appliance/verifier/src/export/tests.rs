//! Exports as they are, and changed by somebody with an editor, with or without a key.

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::*;
use crate::checkpoint::{CHECKPOINT_ROWS, Signing};
use crate::{Anchor, Code, GENESIS, Hash, Hex, PublicKey, anchors};

struct Key(Ed25519KeyPair);

impl Key {
    fn new() -> Key {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Key(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }
}

impl Signing for Key {
    fn public(&self) -> PublicKey {
        Hex(self.0.public_key().as_ref().try_into().unwrap())
    }

    fn sign(&self, statement: &[u8]) -> Hex<64> {
        Hex(self.0.sign(statement).as_ref().try_into().unwrap())
    }
}

/// An export of so many rows as a box makes it, with a body of its own for each row.
fn export(rows: u64, key: &Key, body: impl Fn(i64) -> String) -> Vec<String> {
    let header = Header { genset_audit_export: 1, site: "병원".to_owned(), made_ms: 1, key: key.public() };
    let mut lines = vec![serde_json::to_string(&header).unwrap()];
    let (mut head, mut checkpoints, mut signed) = (GENESIS, 0, 0);
    for seq in 1..=rows {
        let number = i64::try_from(seq).unwrap();
        let (at_ms, kind, body) = (1000 + number, "event", body(number));
        head = Link { seq: number, at_ms, kind, body: &body }.hash(&head);
        let row = RowLine::new(number, at_ms, kind.to_owned(), &body, Hex(head));
        lines.push(serde_json::to_string(&row).unwrap());
        if seq - signed == CHECKPOINT_ROWS || seq == rows {
            (checkpoints, signed) = (checkpoints + 1, seq);
            lines.push(Checkpoint::sign(checkpoints, seq, head, at_ms, key).to_line());
        }
    }
    let end = End::sign(&lines[0], rows, Hex(head), checkpoints, key);
    lines.push(serde_json::to_string(&end).unwrap());
    lines
}

fn plain(number: i64) -> String {
    format!(r#"{{"what":"counted","detail":{{"number":{number}}}}}"#)
}

fn check(lines: &[String], trust: Trust) -> Result<Checked, CheckError> {
    let mut text = lines.join("\n");
    text.push('\n');
    check_export(text.as_bytes(), trust)
}

fn broken(lines: &[String], trust: Trust) -> Broken {
    match check(lines, trust) {
        Err(CheckError::Broken(broken)) => broken,
        other => panic!("not found: {other:?}"),
    }
}

fn head_after(lines: &[String], row: usize) -> Hash {
    let line = lines.iter().find(|line| line.starts_with(&format!("{{\"seq\":{row},"))).unwrap();
    serde_json::from_str::<RowLine>(line).unwrap().hash.0
}

#[test]
fn a_clean_export_is_whole_whatever_its_length() {
    let key = Key::new();
    for rows in [0, 1, 2, 999, 1000, 1001, 2500] {
        let lines = export(rows, &key, plain);
        let checked = check(&lines, Trust { keys: vec![key.public()], anchors: Vec::new() }).unwrap();
        assert_eq!((checked.log.rows, checked.log.signed_rows), (rows, rows));
        assert_eq!(checked.log.checkpoints, rows.div_ceil(1000));
        assert_eq!(checked.header.site, "병원");
    }
}

#[test]
fn bodies_that_no_box_writes_come_through_as_they_are() {
    let key = Key::new();
    for body in
        ["", "x", "\"text\"", "{\"a\":1}\n", "{\n}", " {}", "{not json}", "[1]", "null", "{\"a\" : 1}"]
    {
        let lines = export(3, &key, |_| body.to_owned());
        assert_eq!(check(&lines, Trust::default()).unwrap().log.rows, 3, "{body:?}");
    }
}

/// What somebody does to the lines.
type Edit = fn(&mut Vec<String>);

#[test]
fn a_changed_missing_added_or_moved_line_is_found_at_its_row() {
    let key = Key::new();
    let clean = export(1500, &key, plain);
    // Line 0 is the header, 1 to 1000 are rows, 1001 is a checkpoint, and row 1200 is line 1201.
    let edits: [(&str, i64, Edit); 14] = [
        ("edit", 50, |lines| lines[50] = lines[50].replace("counted", "discounted")),
        ("time", 50, |lines| lines[50] = lines[50].replace("1050", "1051")),
        ("kind", 50, |lines| lines[50] = lines[50].replace("event", "outcome")),
        ("hash", 50, |lines| lines[50] = lines[51].replace("\"seq\":51", "\"seq\":50")),
        ("delete", 51, |lines| drop(lines.remove(50))),
        ("delete the first", 2, |lines| drop(lines.remove(1))),
        ("insert", 50, |lines| lines.insert(51, lines[50].clone())),
        ("swap", 51, |lines| lines.swap(50, 51)),
        ("no JSON", 50, |lines| lines[50].truncate(30)),
        ("delete a checkpoint", 1500, |lines| drop(lines.remove(1001))),
        ("edit a checkpoint", 1000, |lines| {
            lines[1001] = lines[1001].replace("\"at_ms\":2000", "\"at_ms\":2001");
        }),
        ("double a checkpoint", 1000, |lines| lines.insert(1002, lines[1001].clone())),
        ("move a checkpoint", 1000, |lines| lines.swap(1000, 1001)),
        ("cut rows off", 1201, |lines| drop(lines.drain(1202..1503))),
    ];
    for (name, row, edit) in edits {
        let mut lines = clean.clone();
        edit(&mut lines);
        assert_ne!(lines, clean, "{name}");
        let found = broken(&lines, Trust::default());
        assert_eq!(found.seq, row, "{name}: {found}");
    }
}

#[test]
fn the_header_and_the_end_are_covered_too() {
    let key = Key::new();
    let clean = export(10, &key, plain);
    let last = clean.len() - 1;
    for (at, from, to) in [
        (0, "병원", "다른 병원"),
        (0, "\"made_ms\":1", "\"made_ms\":2"),
        (last, "\"end\":10", "\"end\":11"),
        (last, "\"checkpoints\":1", "\"checkpoints\":2"),
    ] {
        let mut lines = clean.clone();
        lines[at] = lines[at].replace(from, to);
        assert_ne!(lines, clean);
        assert_eq!(broken(&lines, Trust::default()).seq, 11);
    }
    assert_eq!(
        broken(&clean[..last], Trust::default()).what,
        "the export is cut off here: its end is missing"
    );
    let mut longer = clean.clone();
    longer.push(clean[last].clone());
    assert!(broken(&longer, Trust::default()).what.contains("behind the end"));
    for missing in [1, 2, 40] {
        let text = clean.join("\n") + "\n";
        let cut = check_export(&text.as_bytes()[..text.len() - missing], Trust::default());
        assert!(matches!(cut, Err(CheckError::Broken(_))), "{missing} bytes are missing");
    }
    for text in ["", "\n", "{}\n", "a letter\n", "{\"genset_audit_export\":2,\"site\":\"\"}\n"] {
        assert!(
            matches!(check_export(text.as_bytes(), Trust::default()), Err(CheckError::NoExport)),
            "{text:?}"
        );
    }
}

#[test]
fn a_log_signed_by_somebody_else_is_found_with_the_key_alone() {
    let (key, other) = (Key::new(), Key::new());
    let forged = export(1500, &other, plain);
    assert!(check(&forged, Trust::default()).is_ok(), "nothing in it says whose key it is");
    let found = broken(&forged, Trust { keys: vec![key.public()], anchors: Vec::new() });
    assert!(found.what.contains("not the key that was given"), "{found}");
    let trust = Trust { keys: vec![key.public(), other.public()], anchors: Vec::new() };
    assert!(check(&forged, trust).is_ok(), "an older key of the same box is given beside the new one");
}

#[test]
fn a_tail_that_goes_on_under_another_key_is_found_without_any() {
    let (key, other) = (Key::new(), Key::new());
    let mut lines = export(1500, &key, plain);
    let forged = export(1500, &other, plain);
    let tail = lines.len() - 2;
    lines.splice(tail.., forged[tail..].iter().cloned());
    assert!(broken(&lines, Trust::default()).what.contains("another key"));
}

#[test]
fn a_log_made_anew_with_the_boxs_own_key_is_found_by_what_was_written_down_elsewhere() {
    let key = Key::new();
    let genuine = export(2500, &key, plain);
    let forged = export(2500, &key, |row| plain(if row == 1700 { 7 } else { row }));
    assert!(check(&forged, Trust { keys: vec![key.public()], anchors: Vec::new() }).is_ok());
    let elsewhere: Vec<_> = genuine.iter().filter(|line| line.contains("checkpoint\":")).cloned().collect();
    let syslog: Vec<_> = elsewhere.iter().map(|line| format!("Nov 21 box genset[7]: audit {line}")).collect();
    let code = Code::of(2000, &head_after(&genuine, 2000)).to_string();
    for known in [
        anchors(&elsewhere.join("\n")).unwrap(),
        anchors(&syslog.join("\n")).unwrap(),
        vec![Anchor::Code(code.parse().unwrap())],
    ] {
        let first_unproven = if known.len() > 1 { 1001 } else { 1 };
        let trust = Trust { keys: Vec::new(), anchors: known };
        assert!(check(&genuine, trust.clone()).is_ok());
        let found = broken(&forged, trust);
        assert_eq!(found.seq, first_unproven, "{found}");
        assert!(found.what.contains("up to row 2000"), "{found}");
    }
}

#[test]
fn rows_cut_off_by_the_owner_of_the_key_are_missed() {
    let key = Key::new();
    let genuine = export(2500, &key, plain);
    let short = export(2300, &key, plain);
    let newest = genuine[genuine.len() - 2].clone();
    let found = broken(&short, Trust { keys: Vec::new(), anchors: anchors(&newest).unwrap() });
    assert_eq!(found.seq, 2301, "{found}");
}

#[test]
fn a_file_of_anchors_that_was_changed_proves_nothing_and_says_so() {
    let key = Key::new();
    let line = Checkpoint::sign(1, 10, [7; 32], 1, &key).to_line();
    let text = format!("noise\n{line}\n{}", &line[..40]);
    assert_eq!(anchors(&text).unwrap().len(), 1, "a line that was cut off is passed over");
    let changed = text.replace("\"rows\":10", "\"rows\":11");
    assert_eq!(anchors(&changed), Err(crate::AnchorError::Signature(2)));
    assert_eq!(anchors("noise"), Err(crate::AnchorError::Empty));
}
