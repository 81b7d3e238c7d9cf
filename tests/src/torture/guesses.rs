//! Passwords are guessed at one account and sprayed over a thousand, while the owner goes on signing in.

#![allow(clippy::print_stdout, reason = "its product is a table")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use crate::portal::{NAME, PASSWORD, pairs};
use crate::{Client, FakeCloud, TestAppliance};

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// At the owner's account, from [`Plan::sources`] addresses in turn.
    pub guesses: usize,
    pub sources: u32,
    /// The guesses are spread over this time.
    pub lasts: Duration,
    /// Accounts that exist and are sprayed from one address, one guess each.
    pub sprayed: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Found {
    /// The most guesses at the owner's account that were looked at within any 60 s.
    pub looked_at_a_minute: usize,
    pub refused: usize,
    /// Anything that is neither a wrong password nor too many tries.
    pub unexpected: usize,
    /// Sign-ins of the owner on a known device meanwhile: tried, succeeded, the slowest.
    pub owner: (usize, usize, Duration),
    pub sprayed_looked_at: usize,
    /// Lines that all this left in the log of who did what.
    pub audit_rows: usize,
}

impl Found {
    /// Whether all is as promised.
    pub fn is_fine(&self) -> bool {
        let (tried, succeeded, _) = self.owner;
        self.looked_at_a_minute <= 10
            && self.unexpected == 0
            && tried > 0
            && succeeded == tried
            && self.sprayed_looked_at <= 30
    }
}

/// The long form.
pub async fn run(guesses: usize) -> bool {
    let plan = Plan { guesses, sources: 250, lasts: Duration::from_secs(150), sprayed: 1000 };
    let found = attack(&plan).await;
    let (tried, succeeded, slowest) = found.owner;
    println!("guesses at one account          {} from {} addresses", plan.guesses, plan.sources);
    println!("  looked at, in any 60 s        {} (10 at most)", found.looked_at_a_minute);
    println!("  refused unseen                {}", found.refused);
    println!("  answered in another way       {} (0)", found.unexpected);
    println!(
        "owner, known device, meanwhile  {succeeded} of {tried}, the slowest {} ms",
        slowest.as_millis()
    );
    println!("accounts sprayed                {} from one address", plan.sprayed);
    println!("  looked at                     {} (30 a minute at most)", found.sprayed_looked_at);
    println!("rows in the audit log           {}", found.audit_rows);
    println!("{}", if found.is_fine() { "as promised" } else { "NOT as promised" });
    found.is_fine()
}

/// Attacks a box of its own.
pub async fn attack(plan: &Plan) -> Found {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let printed = appliance.cli(&["setup-code"]);
    let code = String::from_utf8(printed.stdout).expect("a code is text");
    let device = first_visit(&appliance.anonymous(), code.trim()).await;
    hire(&appliance, plan.sprayed);
    let started = Instant::now();
    let (guesses, owner) =
        tokio::join!(guess(&appliance, plan, started), come_and_go(&appliance, &device, plan, started));
    let sprayed_looked_at = spray(&appliance, plan.sprayed).await;
    let mut found = Found { owner, sprayed_looked_at, ..Found::default() };
    let mut looked_at = Vec::new();
    for (at, status) in guesses {
        match status {
            422 => looked_at.push(at),
            429 => found.refused += 1,
            _ => found.unexpected += 1,
        }
    }
    found.looked_at_a_minute = busiest_minute(&mut looked_at);
    found.audit_rows = audit_rows(&appliance);
    found
}

/// Makes the owner's account, and gives the cookies of the device that it was made on.
async fn first_visit(visitor: &Client, code: &str) -> String {
    let fields = [("code", code), ("name", NAME), ("password", PASSWORD), ("again", PASSWORD)];
    let entered = visitor.post_form("/setup", &fields).await;
    assert_eq!(entered.status, 303, "{}", entered.text());
    let cookies: Vec<_> = entered.cookies().into_iter().filter(|cookie| cookie.contains("device")).collect();
    assert_eq!(cookies.len(), 1, "the device is known from now on");
    pairs(&cookies)
}

/// Puts accounts into the store behind the box's back, each with the owner's own verifier.
fn hire(appliance: &TestAppliance, count: usize) {
    let core = rusqlite::Connection::open(appliance.data_dir().join("core.db")).expect("the store is there");
    core.busy_timeout(Duration::from_secs(10)).expect("settable");
    let hired = core.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO accounts (id, name, role, password_hash, created_ms)
         SELECT abs(random() >> 12), 'staff-' || i, 'staff', password_hash, created_ms FROM n, accounts WHERE name = ?2",
        rusqlite::params![count, NAME],
    );
    assert_eq!(hired.expect("the accounts can be made"), count);
}

async fn guess(appliance: &TestAppliance, plan: &Plan, started: Instant) -> Vec<(Instant, u16)> {
    let pause = plan.lasts / plan.guesses.max(1) as u32;
    let tries = (0..plan.guesses as u32).map(|number| {
        let source = address(number % plan.sources);
        let client = appliance.anonymous().from_address(source);
        async move {
            tokio::time::sleep_until((started + pause * number).into()).await;
            let wrong = format!("wrong words number {number}");
            let at = Instant::now();
            let reply = client.post_form("/sign-in", &[("name", NAME), ("password", &wrong)]).await;
            (at, reply.status.as_u16())
        }
    });
    stream::iter(tries).buffer_unordered(64).collect().await
}

/// The owner signs in again and again on a known device.
async fn come_and_go(
    appliance: &TestAppliance,
    device: &str,
    plan: &Plan,
    started: Instant,
) -> (usize, usize, Duration) {
    let (mut tried, mut succeeded, mut slowest) = (0, 0, Duration::ZERO);
    while tried == 0 || started.elapsed() < plan.lasts {
        let begun = Instant::now();
        let client = appliance.anonymous().with_header("cookie", device);
        let reply = client.post_form("/sign-in", &[("name", NAME), ("password", PASSWORD)]).await;
        tried += 1;
        succeeded += usize::from(reply.status == 303);
        slowest = slowest.max(begun.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    (tried, succeeded, slowest)
}

/// One guess at each of many accounts, from one address that has not tried before.
async fn spray(appliance: &TestAppliance, count: usize) -> usize {
    let source = IpAddr::from(Ipv4Addr::new(127, 2, 0, 1));
    let tries = (1..=count).map(|number| {
        let client = appliance.anonymous().from_address(source);
        async move {
            let name = format!("staff-{number}");
            client
                .post_form("/sign-in", &[("name", &name), ("password", "Spring2026 Spring2026")])
                .await
                .status
        }
    });
    let statuses: Vec<_> = stream::iter(tries).buffer_unordered(64).collect().await;
    statuses.into_iter().filter(|status| *status == 422).count()
}

fn address(number: u32) -> IpAddr {
    let [_, _, third, fourth] = (number + 1).to_be_bytes();
    Ipv4Addr::new(127, 1, third, fourth).into()
}

/// The most of these moments that lie within a minute, less a second for the way from here into the box.
fn busiest_minute(moments: &mut [Instant]) -> usize {
    moments.sort();
    let within = |from: &Instant| {
        moments.iter().filter(|at| *at >= from && at.duration_since(*from) < Duration::from_secs(59)).count()
    };
    moments.iter().map(within).max().unwrap_or(0)
}

fn audit_rows(appliance: &TestAppliance) -> usize {
    let audit = rusqlite::Connection::open(appliance.data_dir().join("audit.db")).expect("the log is there");
    audit
        .query_row("SELECT count(*) FROM entries WHERE body LIKE '%sign-in-%'", [], |row| row.get(0))
        .expect("it counts")
}
