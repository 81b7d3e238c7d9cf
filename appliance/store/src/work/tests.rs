//! Conversations and outages, on real files.

use tempfile::TempDir;

use super::*;
use crate::Store;

fn open() -> (TempDir, Work) {
    let dir = TempDir::new().unwrap();
    let work = Store::open(dir.path()).unwrap().work;
    (dir, work)
}

fn said(role: &str, text: &str) -> NewMessage {
    NewMessage { role: role.to_owned(), text: text.to_owned(), complete: true, ..Default::default() }
}

#[tokio::test]
async fn a_conversation_keeps_its_messages_in_order_with_what_served_them() {
    let (_dir, work) = open();
    let conversation = work.create_conversation(1, "Triage").await.unwrap();
    work.add_message(1, &conversation.id, said("user", "안녕하세요")).await.unwrap().unwrap();
    let answer = NewMessage {
        complete: false,
        served_by: Some("local/pilot-light".to_owned()),
        route: Some("local".to_owned()),
        reason: Some("upstream-down".to_owned()),
        seam: Some(12),
        ..said("assistant", "half an ans")
    };
    work.add_message(1, &conversation.id, answer).await.unwrap().unwrap();
    let messages = work.messages(1, &conversation.id).unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].content.text, "안녕하세요");
    assert!(messages[0].content.complete && !messages[1].content.complete);
    assert_eq!(messages[1].content.served_by.as_deref(), Some("local/pilot-light"));
    assert_eq!(messages[1].content.seam, Some(12));
}

#[tokio::test]
async fn nobody_finds_the_conversation_of_another() {
    let (_dir, work) = open();
    let conversation = work.create_conversation(1, "Private").await.unwrap();
    work.add_message(1, &conversation.id, said("user", "secret")).await.unwrap().unwrap();
    assert!(work.conversation(2, &conversation.id).unwrap().is_none());
    assert!(work.messages(2, &conversation.id).unwrap().is_empty());
    assert!(work.conversations(2, 10).unwrap().is_empty());
    assert!(work.add_message(2, &conversation.id, said("user", "x")).await.unwrap().is_none());
    assert!(!work.delete_conversation(2, &conversation.id).await.unwrap());
    assert!(work.conversation(1, &conversation.id).unwrap().is_some());
    assert_eq!(work.messages(1, &conversation.id).unwrap().len(), 1);
}

#[tokio::test]
async fn a_deleted_conversation_takes_its_messages_with_it() {
    let (_dir, work) = open();
    let conversation = work.create_conversation(1, "Old").await.unwrap();
    work.add_message(1, &conversation.id, said("user", "x")).await.unwrap().unwrap();
    assert!(work.delete_conversation(1, &conversation.id).await.unwrap());
    let left: i64 =
        work.read(|work| work.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn removing_an_accounts_conversations_leaves_those_of_others() {
    let (_dir, work) = open();
    for account in [1, 1, 2] {
        work.create_conversation(account, "Shift").await.unwrap();
    }
    assert_eq!(work.delete_conversations(1).await.unwrap(), 2);
    assert!(work.conversations(1, 10).unwrap().is_empty());
    assert_eq!(work.conversations(2, 10).unwrap().len(), 1);
}

#[tokio::test]
async fn an_outage_is_open_until_it_ends() {
    let (_dir, work) = open();
    let mut outage = work.begin_outage(100, None).await.unwrap();
    assert_eq!(work.outages(5).unwrap(), [outage.clone()]);
    outage.end_ms = Some(200);
    outage.verdict = Some("internet-down".to_owned());
    outage.served_local = 7;
    work.update_outage(&outage).await.unwrap();
    let second = work.begin_outage(300, Some("dns-down")).await.unwrap();
    assert_eq!(work.outages(5).unwrap(), [second, outage]);
}
