//! Every call of the disk that a whole program makes, failing: what writes files of its own, beside the databases.

use std::path::Path;

use super::{Faults, Run, Setting, kinds};
use crate::torture::power::{block_on, code_on};
use crate::torture::whole::{Ended, Orders, Site};

/// A command of `genset` that changes something.
struct Program {
    name: &'static str,
    /// What must be there first.
    before: fn(&Site),
    words: &'static [&'static str],
    /// On its standard input.
    typed: fn(&Site) -> String,
    /// Tells the change whole from the change undone; the other site is the one before it.
    state: fn(&Site, &Site) -> Result<String, String>,
    /// The audit event without which the change may not stand.
    event: Option<&'static str>,
    /// That the change is worth something, where it stands.
    proof: fn(&Site, &Ended) -> Result<(), String>,
}

fn nothing(_: &Site) {}

fn store(site: &Site) {
    site.must(&["key", "create", "ward"], "");
}

fn sheet(site: &Site) {
    let code = code_on(&site.must(&["recovery-sheet"], ""));
    std::fs::write(site.path().join("code"), code).expect("writable");
}

/// Named without its time, so that a command can name it.
fn backup(site: &Site) {
    sheet(site);
    site.must(&["backup"], "");
    let made = site.backups().pop().expect("it was made");
    std::fs::rename(made, site.path().join("backups/genset-old.backup")).expect("ours");
}

fn no_words(_: &Site) -> String {
    String::new()
}

fn code(site: &Site) -> String {
    std::fs::read_to_string(site.path().join("code")).expect("it was kept")
}

fn unproven(_: &Site, _: &Ended) -> Result<(), String> {
    Ok(())
}

fn is_as_before(file: &str, before: &Site, now: &Site) -> Result<String, String> {
    let read = |site: &Site| std::fs::read(site.path().join(file)).unwrap_or_default();
    Ok(if read(before) == read(now) { "as before" } else { "another" }.to_owned())
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "a key",
        before: store,
        words: &["key", "create", "icu"],
        typed: no_words,
        state: |_, site| site.ask("core.db", "SELECT count(*) FROM api_keys"),
        event: Some("key-created"),
        proof: unproven,
    },
    Program {
        name: "a key's end",
        before: store,
        words: &["key", "revoke", "ward"],
        typed: no_words,
        state: |_, site| site.ask("core.db", "SELECT count(*) FROM api_keys WHERE revoked_ms IS NULL"),
        event: Some("key-revoked"),
        proof: unproven,
    },
    Program {
        name: "the first setup code, which makes the store",
        before: nothing,
        words: &["setup-code"],
        typed: no_words,
        state: |_, site| {
            Ok(site
                .ask("core.db", "SELECT count(*) FROM setup_code")
                .unwrap_or("none".to_owned())
                .replace("none", "0"))
        },
        event: Some("setup-code-made"),
        proof: unproven,
    },
    Program {
        name: "a person",
        before: store,
        words: &["user", "add", "lee", "--role", "owner"],
        typed: no_words,
        state: |_, site| site.ask("core.db", "SELECT count(*) FROM accounts"),
        event: Some("person-added"),
        proof: unproven,
    },
    Program {
        name: "an order",
        before: store,
        words: &["order", "force-local", "--reason", "a reason", "--for", "30m"],
        typed: no_words,
        state: |_, site| site.ask("core.db", "SELECT count(*) FROM orders WHERE ended_ms IS NULL"),
        event: Some("order-given"),
        proof: unproven,
    },
    Program {
        name: "a new recovery sheet",
        before: sheet,
        words: &["recovery-sheet", "--new"],
        typed: no_words,
        state: |before, site| is_as_before("data/keys/backup.key", before, site),
        event: Some("recovery-sheet-made"),
        proof: |site, ended| site.check(&["recovery-sheet", "--prove"], &code_on(&ended.printed)),
    },
    Program {
        name: "the proof of a sheet",
        before: sheet,
        words: &["recovery-sheet", "--prove"],
        typed: code,
        state: |_, site| {
            let question =
                "SELECT value NOT LIKE '%\"proven_ms\":null%' FROM settings WHERE name = 'recovery-sheet'";
            site.ask("core.db", question)
        },
        event: Some("recovery-sheet-proven"),
        proof: unproven,
    },
    Program {
        name: "the sealing of a cloud key",
        before: store,
        words: &["seal"],
        typed: no_words,
        state: |before, site| is_as_before("cloud.key", before, site),
        event: Some("cloud-key-sealed"),
        proof: |site, _| site.check(&["check"], ""),
    },
    Program {
        name: "a backup",
        before: backup,
        words: &["backup"],
        typed: no_words,
        state: |_, site| Ok(site.backups().len().to_string()),
        event: None,
        proof: |site, _| {
            let backups = site.backups();
            backups.iter().try_for_each(|backup| restores(site, backup))
        },
    },
    Program {
        name: "a restore",
        before: backup,
        words: &["restore", "backups/genset-old.backup", "--to", "blank"],
        typed: code,
        state: |_, site| Ok(site.path().join("blank").exists().to_string()),
        event: None,
        proof: |site, _| {
            let data = site.path().join("blank/data");
            let store = store::Store::open(&data).map_err(|error| error.to_string())?;
            block_on(store.close());
            store::verify_file(&data.join("audit.db")).map(drop).map_err(|error| error.to_string())
        },
    },
    Program {
        name: "an export of the log",
        before: store,
        words: &["audit", "export", "--output", "export"],
        typed: no_words,
        state: |_, site| Ok(site.path().join("export").exists().to_string()),
        event: None,
        proof: |site, _| {
            let verify = crate::genset_binary().with_file_name("genset-verify");
            let verified = std::process::Command::new(verify).arg(site.path().join("export")).output();
            let verified = verified.map_err(|error| error.to_string())?;
            verified.status.success().then_some(()).ok_or("the export is broken".to_owned())
        },
    },
];

fn restores(site: &Site, backup: &Path) -> Result<(), String> {
    let to = tempfile::TempDir::new().expect("a folder");
    let to = to.path().join("blank");
    let (backup, to) = (backup.to_str().expect("text"), to.to_str().expect("text"));
    site.check(&["restore", backup, "--to", to], &code(site))
}

/// Every `step`th call of each program, and of the first start of a box.
pub(super) fn try_all(faults: &mut Faults, step: u64, programs: usize) {
    for program in PROGRAMS.iter().step_by(programs) {
        let before = Site::new();
        (program.before)(&before);
        let walked = before.copy();
        let ended = walked.run(program.words, &(program.typed)(&walked), &Orders::default());
        assert_eq!(ended.code, Some(0), "{}: {}", program.name, ended.said);
        let after = (program.state)(&before, &walked).expect("readable");
        assert_ne!((program.state)(&before, &before).expect("readable"), after, "{}", program.name);
        faults.programs += 1;
        for setting in kinds() {
            faults.try_each(&format!("{}, {:?}", program.name, setting.0), step, |n| {
                fail(program, &before, &after, (setting.0, n, setting.1))
            });
        }
    }
    faults.programs += 1;
    for (fault, stays) in kinds() {
        faults.try_each(&format!("the first start, {fault:?}"), step * 4, |n| first_start((fault, n, stays)));
    }
}

fn fail(
    program: &Program,
    before: &Site,
    after: &str,
    (fault, passes, stays): Setting,
) -> Result<Run, String> {
    let site = before.copy();
    let ended = site.run(program.words, &(program.typed)(&site), &Orders::fails(fault, passes, stays));
    if ended.is_panic() {
        return Err(format!("a panic: {:?}: {}", ended.code, ended.said));
    }
    let found = (program.state)(before, &site)?;
    let stands = found == after;
    if !stands && found != (program.state)(before, before)? {
        return Err(format!("half applied: {found}"));
    }
    if !stands && ended.code == Some(0) {
        return Err(format!("it said that all went well, and the files say {found}"));
    }
    if stands {
        (program.proof)(&site, &ended)
            .map_err(|why| format!("worth nothing ({:?}, {}): {why}", ended.code, ended.said))?;
        is_known_to_the_log(program, &site)?;
    }
    let refused = ended.code != Some(0);
    if refused {
        let again = site.run(program.words, &(program.typed)(&site), &Orders::default());
        if !matches!(again.code, Some(0 | 2)) {
            return Err(format!("stays broken: {}", again.said));
        }
    }
    // What broke off while the store was made is no log yet; it is one after the next try, and a broken one stays so.
    let log = site.data().join("audit.db");
    if log.exists() {
        store::verify_file(&log).map_err(|error| format!("the log: {error}"))?;
    }
    Ok(Run { failed_calls: ended.failed_calls, refused })
}

fn is_known_to_the_log(program: &Program, site: &Site) -> Result<(), String> {
    let Some(event) = program.event else { return Ok(()) };
    let question = format!("SELECT count(*) FROM entries WHERE json_extract(body, '$.what') = '{event}'");
    match site.ask("audit.db", &question)?.as_str() {
        "0" => Err(format!("it stands, and the log has no {event}")),
        _ => Ok(()),
    }
}

/// A box starts for the first time on such a disk: it serves or says why not, and the next start is well.
fn first_start((fault, passes, stays): Setting) -> Result<Run, String> {
    let site = Site::new();
    let ended = block_on(async {
        let mut box_ = site.serve(&Orders::fails(fault, passes, stays));
        box_.answers("/livez").await.map(|_| box_.end())
    })?;
    if ended.is_panic() {
        return Err(format!("a panic: {:?}: {}", ended.code, ended.said));
    }
    block_on(async {
        let mut box_ = site.serve(&Orders::default());
        match box_.answers("/readyz").await? {
            true => Ok(()),
            false => Err(format!("it does not start any more: {}", box_.log())),
        }
    })?;
    store::verify_file(&site.data().join("audit.db")).map_err(|error| format!("the log: {error}"))?;
    Ok(Run { failed_calls: ended.failed_calls, refused: ended.code != Some(0) })
}
