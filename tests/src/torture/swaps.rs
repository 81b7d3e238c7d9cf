//! People of one ward ask for, and act on, the numbers of what belongs to the other; so do those who run the box.

#![allow(clippy::print_stdout, reason = "its product is a table")]

use futures_util::{StreamExt, stream};
use rusqlite::{Connection, OpenFlags};

use crate::dice::Dice;
use crate::{FakeCloud, Portal, TestAppliance};

const WARDS: [&str; 2] = ["east", "west"];
/// Those who run the box, and who may see people but no conversation.
const RUNNERS: [&str; 3] = ["admin", "operator", "auditor"];

/// What came of it.
#[derive(Debug, Default)]
pub struct Found {
    pub tried: usize,
    /// Answers with something that is not the reader's, and answers that are no refusal.
    pub leaks: Vec<String>,
    /// Rows of people, members, grants or conversations that are not as they were.
    pub changed: bool,
}

impl Found {
    /// Whether all is as promised.
    pub fn is_fine(&self) -> bool {
        self.leaks.is_empty() && !self.changed && self.tried > 0
    }
}

/// The long form.
pub async fn run(count: usize) -> bool {
    let found = swap(count, 1).await;
    println!("swapped numbers   {}", found.tried);
    println!("leaks             {} (0)", found.leaks.len());
    println!("changes           {} (none)", if found.changed { "some" } else { "none" });
    found.leaks.iter().take(10).for_each(|leak| println!("  {leak}"));
    println!("{}", if found.is_fine() { "as promised" } else { "NOT as promised" });
    found.is_fine()
}

/// Somebody who tries, with the token of the session.
struct Reader {
    portal: Portal,
    token: String,
    /// The index of the own ward; nobody's own for those who run the box.
    ward: Option<usize>,
}

/// What belongs to a ward.
#[derive(Default)]
struct Ward {
    department: i64,
    people: Vec<i64>,
    conversations: Vec<String>,
    grants: Vec<i64>,
}

/// Tries so many swapped numbers at a box of its own.
pub async fn swap(count: usize, seed: u64) -> Found {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).start().await;
    let readers = fill(&appliance).await;
    let wards = [ward_of(&appliance, 0), ward_of(&appliance, 1)];
    let before = everything(&appliance);
    let mut dice = Dice::new(seed);
    let tries: Vec<_> = (0..count).map(|_| draw(&mut dice, &readers, &wards)).collect();
    let leaks = stream::iter(tries).map(Try::judge).buffer_unordered(8).filter_map(std::future::ready);
    let leaks: Vec<String> = leaks.collect().await;
    Found { tried: count, leaks, changed: everything(&appliance) != before }
}

/// Two wards with a manager, two nurses, a conversation each and a grant each; and those who run the box.
async fn fill(appliance: &TestAppliance) -> Vec<Reader> {
    let printed = appliance.cli(&["setup-code"]);
    let code = String::from_utf8(printed.stdout).expect("a code is text");
    Portal::first_visit(appliance.anonymous(), code.trim()).await;
    let mut readers = Vec::new();
    for (index, ward) in WARDS.into_iter().enumerate() {
        done(appliance, &["department", "add", &format!("ward-{ward}")]);
        for (name, role) in [("manager", "department-manager"), ("nurse-1", "staff"), ("nurse-2", "staff")] {
            let name = format!("{name}-{ward}");
            let words = ["--role", role, "--department", &format!("ward-{ward}")];
            let portal = appliance.person(&name, &words).await;
            portal.ask("assistant", &format!("Private to {ward}: what about {name}?")).await;
            done(appliance, &["grant", "give", &format!("person {name}"), "use", "alias assistant"]);
            readers.push(Reader { token: portal.token().await, portal, ward: Some(index) });
        }
    }
    for role in RUNNERS {
        let portal = appliance.person(role, &["--role", role]).await;
        readers.push(Reader { token: portal.token().await, portal, ward: None });
    }
    readers
}

fn done(appliance: &TestAppliance, arguments: &[&str]) {
    let output = appliance.cli(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

fn open(appliance: &TestAppliance, file: &str) -> Connection {
    let path = appliance.data_dir().join(file);
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store is there")
}

fn ward_of(appliance: &TestAppliance, index: usize) -> Ward {
    let (core, work) = (open(appliance, "core.db"), open(appliance, "work.db"));
    let numbers = |sql: &str, value: &dyn rusqlite::ToSql| -> Vec<i64> {
        let mut query = core.prepare(sql).unwrap();
        query.query_map([value], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let name = format!("ward-{}", WARDS[index]);
    let department = numbers("SELECT id FROM departments WHERE name = ?1", &name)[0];
    let people = numbers("SELECT member FROM members WHERE department = ?1", &department);
    let mut ward = Ward { department, people, ..Ward::default() };
    for person in &ward.people {
        ward.grants.extend(numbers("SELECT id FROM grants WHERE grantee = CAST(?1 AS TEXT)", person));
        let mut query = work.prepare("SELECT id FROM conversations WHERE account = ?1").unwrap();
        let own = query.query_map([person], |row| row.get(0)).unwrap().map(Result::unwrap);
        ward.conversations.extend(own);
    }
    assert_eq!((ward.people.len(), ward.grants.len(), ward.conversations.len()), (3, 3, 3));
    ward
}

/// All that nobody may change by a swapped number.
fn everything(appliance: &TestAppliance) -> Vec<String> {
    let rows = |file: &str, sql: &str| -> Vec<String> {
        let database = open(appliance, file);
        let mut query = database.prepare(sql).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut all = rows("core.db", "SELECT id || name || role FROM accounts ORDER BY id");
    all.extend(rows("core.db", "SELECT id || name || coalesce(keep_days, '') FROM departments ORDER BY id"));
    all.extend(rows("core.db", "SELECT department || '/' || member FROM members ORDER BY 1"));
    all.extend(rows("core.db", "SELECT id || coalesce(ended_ms, '') FROM grants ORDER BY id"));
    all.extend(rows("work.db", "SELECT conversation || text FROM messages ORDER BY id"));
    all
}

/// One request for something that is not the reader's.
struct Try<'a> {
    reader: &'a Reader,
    path: String,
    /// The fields of a form; nothing asks for a page.
    form: Option<Vec<(&'static str, String)>>,
    /// Words that the answer must not have.
    private: String,
}

fn draw<'a>(dice: &mut Dice, readers: &'a [Reader], wards: &[Ward; 2]) -> Try<'a> {
    let reader = dice.pick(readers);
    let other = reader.ward.map_or_else(|| dice.between(0, 1), |own| 1 - own);
    let (ward, name) = (&wards[other], WARDS[other]);
    let conversation = dice.pick(&ward.conversations).clone();
    let (person, grant, department) = (*dice.pick(&ward.people), *dice.pick(&ward.grants), ward.department);
    let private = format!("Private to {name}");
    let page = |path: String| Try { reader, path, form: None, private: private.clone() };
    let form = |path: String, fields: Vec<(&'static str, String)>| Try {
        reader,
        path,
        form: Some(fields),
        private: private.clone(),
    };
    let text = str::to_owned;
    let of_conversations = if dice.one_in(2) {
        page(format!("/c/{conversation}"))
    } else {
        let fields =
            vec![("conversation", conversation), ("alias", text("assistant")), ("question", text("?"))];
        form("/ask".to_owned(), fields)
    };
    if reader.ward.is_none() {
        return of_conversations;
    }
    match dice.between(0, 10) {
        0..=2 => of_conversations,
        3 => Try { private: format!("-{name}"), ..page(format!("/people/{person}")) },
        4 => Try { private: format!("-{name}"), ..page(format!("/departments/{department}")) },
        5 => form(format!("/people/{person}/role"), vec![("role", text("staff"))]),
        6 => form(format!("/people/{person}/remove"), Vec::new()),
        7 => form(format!("/departments/{department}/leave"), vec![("member", format!("person {person}"))]),
        8 => form(
            format!("/departments/{department}/join"),
            vec![("kind", text("person")), ("name", text("kim"))],
        ),
        9 => form(format!("/departments/{department}/keep"), vec![("days", text("1"))]),
        _ => form(format!("/rights/{grant}/end"), Vec::new()),
    }
}

impl Try<'_> {
    /// What is wrong with the answer, if anything is.
    async fn judge(self) -> Option<String> {
        let Try { reader, path, form, private } = self;
        let reply = match &form {
            None => reader.portal.page(&path).await,
            Some(fields) => {
                let mut all = vec![("csrf", reader.token.as_str())];
                all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
                reader.portal.post(&path, &all).await
            }
        };
        let refused = reply.status == 403 || reply.status == 404;
        let told = reply.text().contains(&private);
        (!refused || told).then(|| format!("{path}: {}, private words: {told}", reply.status))
    }
}
