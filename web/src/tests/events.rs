//! The list of the latest events: each in the reader's words, and what persons did for owners alone.

use serde_json::{Value, json};
use store::EventRow;

use super::harness::Box;

async fn happened(the_box: &Box, who: &str, what: &str, detail: Value) {
    let row = EventRow { at_ms: 1, who: who.into(), what: what.into(), detail };
    the_box.store.audit.event(row).await.unwrap();
}

#[tokio::test]
async fn orders_and_the_brown_out_are_told_in_the_readers_language() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    let mut staff = the_box.staff("lee").await;
    let lifted = json!({"kind": "force-cloud", "upstream": null});
    happened(&the_box, "root (command line)", "order-lifted", lifted).await;
    happened(&the_box, "kim", "order-given", json!({"kind": "isolate", "upstream": "<i>demo</i>"})).await;
    happened(&the_box, "genset", "order-expired", json!({"kind": "force-local", "upstream": null})).await;
    happened(&the_box, "genset", "brown-out", json!({"from": 1, "to": 2})).await;
    happened(&the_box, "genset", "brown-out", json!({"from": 1, "to": 0})).await;
    happened(&the_box, "schedule", "drill-began", json!({"drill": 1, "scope": "site"})).await;
    let english = [
        "kim gave the order “The cloud account <i>demo</i> is not used”.",
        "The order “Nothing goes to the cloud” ran out.",
        "step 2 of the brown-out",
        "The brown-out ended",
        "The scheduled drill began.",
        "root (command line) lifted the order “Everything goes to the cloud first”.",
    ];
    let korean = [
        "kim 님이",
        "지시의 기한이 끝났습니다.",
        "부하 조절 2단계",
        "부하 조절이 끝나",
        "예정된 훈련이",
        "root(명령줄) 님이",
    ];
    for (language, words) in [("en", english), ("ko", korean)] {
        owner.post("/language", &format!("language={language}&back=/")).await;
        let page = owner.get("/status").await;
        let told = page.text("#events");
        for words in words {
            assert!(told.contains(words), "{words} in {told}");
        }
        assert!(!page.body.contains("<i>demo"), "what a person wrote is escaped");
        for word in ["order-", "isolate", "force-local", "brown-out:"] {
            assert!(!told.contains(word), "{word} is a word for programs: {told}");
        }
    }
    let told = staff.get("/status").await.text("#events");
    assert!(told.contains("The brown-out ended") && !told.contains("order"), "{told}");
}
