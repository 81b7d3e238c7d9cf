//! SIGKILLs of the whole box while programs and people write through it: nothing that was answered is lost, and the box
//! is soon ready again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{READY_P99, percentile};
use crate::torture::life;
use crate::{Chat, Client, Dice, FakeCloud, Portal, TestAppliance};

const PROGRAMS: usize = 4;

/// What came of the kills.
#[derive(Debug, Default)]
pub(in crate::torture) struct WholeKills {
    count: usize,
    answered: usize,
    conversations: usize,
    /// From the start of the process to `/readyz`.
    ready: Vec<Duration>,
    lost: Vec<String>,
}

impl WholeKills {
    pub(in crate::torture) fn told(&self) -> (String, bool) {
        let (p50, p99) = (percentile(&self.ready, 50), percentile(&self.ready, 99));
        let line = format!(
            "kill: {} SIGKILLs of the whole box under load of the API and the portal, {} requests and {} \
             conversations answered, {} lives with a loss or an integrity error, ready again p50 {} ms, p99 {} ms",
            self.count,
            self.answered,
            self.conversations,
            self.lost.len(),
            p50.as_millis(),
            p99.as_millis(),
        );
        let first = self.lost.first().map(|lost| format!("\n  the first: {lost}")).unwrap_or_default();
        (line + &first, self.lost.is_empty() && self.answered > 0)
    }

    /// The promise of a box on a machine that has nothing else to do.
    pub(in crate::torture) fn is_soon_ready(&self) -> bool {
        percentile(&self.ready, 99) <= READY_P99
    }
}

/// Answers that came whole, counted by whoever got them.
#[derive(Default)]
struct Answers {
    requests: AtomicUsize,
    conversations: AtomicUsize,
}

impl Answers {
    fn now(&self) -> (usize, usize) {
        (self.requests.load(Ordering::Relaxed), self.conversations.load(Ordering::Relaxed))
    }

    /// Waits until a program and a person were answered once more.
    async fn more_than(&self, (requests, conversations): (usize, usize)) {
        let begun = Instant::now();
        while self.requests.load(Ordering::Relaxed) == requests
            || self.conversations.load(Ordering::Relaxed) == conversations
        {
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody is answered");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// So many kills of one box, at any moment of its work.
pub(in crate::torture) async fn kills(count: usize) -> WholeKills {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    let portal = appliance.portal().await;
    let answers = std::sync::Arc::new(Answers::default());
    let mut dice = Dice::new(13);
    let mut kills = WholeKills { count, ..WholeKills::default() };
    for number in 0..count {
        let mut load = JoinSet::new();
        for _ in 0..PROGRAMS {
            load.spawn(program(appliance.client(), answers.clone()));
        }
        load.spawn(person(portal.clone(), answers.clone()));
        // Every tenth dies at its first request, the others in the midst of their work.
        if number % 10 != 9 {
            answers.more_than(answers.now()).await;
        }
        tokio::time::sleep(Duration::from_micros(dice.between(0, 400_000) as u64)).await;
        appliance.kill().await;
        load.shutdown().await;
        if let Err(lost) = audit(&appliance, &answers) {
            kills.lost.push(format!("kill {number}: {lost}"));
        }
        let begun = Instant::now();
        appliance.start_again().await;
        kills.ready.push(begun.elapsed());
    }
    kills.answered = answers.requests.load(Ordering::Relaxed);
    kills.conversations = answers.conversations.load(Ordering::Relaxed);
    kills
}

async fn program(client: Client, answers: std::sync::Arc<Answers>) {
    let chat = Chat::new("assistant", "Please be written down");
    while let Ok(reply) = client.try_ask(&chat).await {
        if reply.status == 200 {
            answers.requests.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn person(portal: Portal, answers: std::sync::Arc<Answers>) {
    while let Ok(true) = portal.try_ask("assistant", "Please keep this conversation").await {
        answers.conversations.fetch_add(1, Ordering::Relaxed);
    }
}

/// Every answered request stands in the log, every conversation in its file, and all files are whole.
fn audit(appliance: &TestAppliance, answers: &Answers) -> Result<(), String> {
    let dir = appliance.data_dir();
    life::audit_of(&dir, life::Book::default())?;
    let count = |file: &str, question: &str| -> Result<usize, String> {
        let found: i64 = life::ask(&life::open(&dir.join(file))?, question)?;
        Ok(usize::try_from(found).unwrap_or(0))
    };
    let requests = count("audit.db", "SELECT count(*) FROM entries WHERE kind = 'request'")?;
    let answered = answers.requests.load(Ordering::Relaxed) + answers.conversations.load(Ordering::Relaxed);
    if requests < answered {
        return Err(format!("{answered} requests were answered, {requests} stand in the log"));
    }
    let kept = count("work.db", "SELECT count(*) FROM conversations")?;
    let conversations = answers.conversations.load(Ordering::Relaxed);
    if kept < conversations {
        return Err(format!("{conversations} conversations were shown, {kept} are kept"));
    }
    Ok(())
}
