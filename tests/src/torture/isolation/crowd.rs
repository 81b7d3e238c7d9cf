//! Programs and people who ask one box at the same time, while its workers are killed.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::found::{Answer, Found};
use super::judge::Judge;
use super::talk::{Manner, Request, Talk};
use super::{Plan, echo};
use crate::portal::between;
use crate::{Client, FakeCloud, Portal, TestAppliance};

/// Users of the API: the first of them belong to two departments, two in each.
const PROGRAMS: usize = 20;
const IN_DEPARTMENTS: usize = 4;
/// Users of the portal, after those of the API.
const PEOPLE: usize = 3;

/// A user, who is somebody else to the box than all others.
enum User {
    Program(Client),
    /// Who does one thing after another.
    Person(Mutex<Portal>),
}

/// Asks a box of its own all that the plan says.
pub(super) async fn run(plan: &Plan) -> Found {
    let cloud = FakeCloud::start();
    let described = TestAppliance::builder().cloud(&cloud).file("echo.gguf", echo::file());
    let appliance = described.extra(&configuration(plan)).start().await;
    let users = users(&appliance).await;
    let talk = Talk::new(plan, PROGRAMS, PEOPLE);
    let judge = Judge::new(&talk.cases);
    let mut found = Found::new(plan, PROGRAMS, PEOPLE, talk.cases.len());
    begin(&users, &talk, &judge, &mut found).await;
    let asking = talk.requests.iter().map(async |request| {
        let user = &users[talk.cases[request.case].user];
        (request, user.ask(&talk, request).await)
    });
    let mut answers = stream::iter(asking).buffer_unordered(plan.at_once).enumerate();
    while let Some((number, (request, answer))) = answers.next().await {
        found.take(&judge, request, &answer);
        if plan.kill_every.is_some_and(|every| number % every == every - 1) {
            // That of the pilot light, and that of the model that is asked.
            found.killed += usize::from(appliance.kill_worker() == 2);
        }
    }
    found.left_the_building = cloud.chats().len();
    found
}

/// A local model under an alias that no cloud serves, on a box that gives up nothing for being busy.
fn configuration(plan: &Plan) -> String {
    let Plan { sequences, cells, .. } = plan;
    format!(
        "\n[brown_out]\nenabled = false\n\n[[local]]\nname = \"echo\"\nfile = \"echo.gguf\"\nsequences = {sequences}\n\
         context_cells = {cells}\n\n[[alias]]\nname = \"echo\"\ncloud = []\nstandby = [\"echo\"]\n"
    )
}

/// Each program asks for two codes, one after the other, and after the same words as all others.
async fn begin(users: &[User], talk: &Talk, judge: &Judge<'_>, found: &mut Found) {
    for (user, [first, second]) in talk.firsts.iter().enumerate().take(PROGRAMS) {
        let answer = users[user].ask(talk, first).await;
        // Of a department only the one who asks first begins with nothing.
        found.note_first(&answer, user >= IN_DEPARTMENTS || user.is_multiple_of(2));
        found.take(judge, first, &answer);
        found.take(judge, second, &users[user].ask(talk, second).await);
    }
}

async fn users(appliance: &TestAppliance) -> Vec<User> {
    let mut users = Vec::new();
    for number in 0..PROGRAMS {
        let name = format!("program-{number}");
        let key = done(appliance, &["key", "create", &name, "--lane", "clinical"]);
        users.push(User::Program(appliance.anonymous().with_key(key.trim())));
        if number < IN_DEPARTMENTS {
            let ward = format!("ward-{}", number / 2);
            if number.is_multiple_of(2) {
                done(appliance, &["department", "add", &ward]);
            }
            done(appliance, &["department", "join", &ward, &format!("key {name}")]);
        }
    }
    let code = done(appliance, &["setup-code"]);
    Portal::first_visit(appliance.anonymous(), code.trim()).await;
    for number in 0..PEOPLE {
        let portal = appliance.person(&format!("person-{number}"), &["--role", "staff"]).await;
        users.push(User::Person(Mutex::new(portal)));
    }
    users
}

fn done(appliance: &TestAppliance, arguments: &[&str]) -> String {
    let output = appliance.cli(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("what a command prints is text")
}

impl User {
    async fn ask(&self, talk: &Talk, request: &Request) -> Answer {
        match (self, request.manner) {
            (User::Person(portal), _) => {
                let portal = portal.lock().await;
                read_page(&portal.ask("echo", &talk.question(request)).await.text())
            }
            (User::Program(client), Manner::Whole) => {
                let reply = client.ask(&talk.chat(request)).await;
                match reply.status.as_u16() {
                    200 => Answer::whole(reply.said(), &reply.json()["usage"]),
                    status => Answer::Failed(format!("{status} {}", reply.error_code())),
                }
            }
            (User::Program(client), Manner::Streamed) => {
                let chat = talk.chat(request).with("stream_options", json!({"include_usage": true}));
                let streamed = client.stream_whole(&chat).await;
                let usage =
                    streamed.chunks.iter().map(|chunk| &chunk["usage"]).find(|usage| usage.is_object());
                match streamed.is_whole() {
                    true => Answer::whole(streamed.said(), usage.unwrap_or(&Value::Null)),
                    false => Answer::Failed(format!("a stream of {} ended badly", streamed.status)),
                }
            }
            (User::Program(client), Manner::Dropped(letters)) => {
                let mut stream = client.stream(&talk.chat(request)).await;
                match stream.until(letters).await {
                    true => Answer::Dropped(stream.said()),
                    false => Answer::Failed(format!("a stream of {} ended before {letters}", stream.status)),
                }
            }
        }
    }
}

/// The answer on a conversation's page, which shows the question too.
fn read_page(page: &str) -> Answer {
    let turn = page.split_once("turn--answer").map_or("", |(_, turn)| turn);
    match between(turn, "<p class=\"turn-text\">", "</p>") {
        Some(said) if turn.contains("data-end=\"finished\"") => Answer::whole(said.to_owned(), &Value::Null),
        _ => Answer::Failed("a page without a whole answer".to_owned()),
    }
}
