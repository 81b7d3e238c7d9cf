//! Asking, and what is kept of it.

use http::StatusCode;
use http_body_util::BodyExt;
use store::NewMessage;
use tower::ServiceExt;

use super::harness::Box;

const MARKUP: &str = "<script>alert(1)</script> & \"so\" on";

async fn conversation_with(the_box: &Box, account: &str, messages: Vec<NewMessage>) -> String {
    let accounts = the_box.store.core.accounts().unwrap();
    let account = accounts.iter().find(|a| a.name == account).expect("the account is there").id;
    let conversation = the_box.store.work.create_conversation(account, MARKUP).await.unwrap();
    for message in messages {
        the_box.store.work.add_message(account, &conversation.id, message).await.unwrap();
    }
    conversation.id
}

fn question(text: &str) -> NewMessage {
    NewMessage { role: "user".into(), text: text.into(), complete: true, ..NewMessage::default() }
}

fn answer(text: &str, by: &str, route: &str, reason: &str) -> NewMessage {
    NewMessage {
        role: "assistant".into(),
        text: text.into(),
        complete: true,
        served_by: Some(by.into()),
        route: Some(route.into()),
        reason: Some(reason.into()),
        seam: None,
    }
}

#[tokio::test]
async fn the_texts_of_people_and_of_models_are_shown_and_never_run() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let messages = vec![question(MARKUP), answer(MARKUP, "demo/<b>large</b>", "cloud", "first-route")];
    let id = conversation_with(&the_box, "kim", messages).await;
    let page = owner.get(&format!("/c/{id}")).await;
    assert_eq!(page.text(".turn--question .turn-text"), MARKUP);
    assert_eq!(page.text(".turn--answer .turn-text"), MARKUP);
    assert!(page.text(".turn-note").starts_with("Answered by the cloud model <b>large</b> (demo)."));
    assert!(!page.has("script:not([src])") && !page.has(".turn b"));
}

#[tokio::test]
async fn a_seam_is_shown_where_another_model_went_on_and_both_are_named() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let both = "demo/demo-cloud-large, local/pilot-light";
    let seamed = NewMessage { seam: Some(2), ..answer("가나다라", both, "local", "cut") };
    let id = conversation_with(&the_box, "kim", vec![question("q"), seamed]).await;
    let page = owner.get(&format!("/c/{id}")).await;
    assert_eq!(page.text(".turn--answer .turn-text"), "가나");
    assert_eq!(page.text(".seam + .turn-text"), "다라");
    assert!(page.text(".seam").contains("demo-cloud-large broke off here. pilot-light"));
    assert!(
        page.text(".turn-note")
            .starts_with("Begun by demo-cloud-large. Finished inside the building by pilot")
    );
}

#[tokio::test]
async fn nobody_sees_the_conversations_of_another_person() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let mut staff = the_box.staff("lee").await;
    let id = conversation_with(&the_box, "kim", vec![question("mine")]).await;
    assert_eq!(owner.get(&format!("/c/{id}")).await.status, StatusCode::OK);
    assert_eq!(staff.get(&format!("/c/{id}")).await.status, StatusCode::NOT_FOUND);
    assert!(!staff.get("/").await.has(".shelf-list"));
    let asked = staff.submit("/ask", &format!("alias=assistant&conversation={id}&question=hello")).await;
    assert_eq!(asked.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_question_that_nothing_can_answer_is_kept_and_can_be_asked_again() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let asked = owner.submit("/ask", "alias=assistant&question=how+are+you").await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    let address = asked.header("location").split('?').next().unwrap().to_owned();
    let page = owner.get(&address).await;
    assert_eq!(page.text(".turn--question .turn-text"), "how are you");
    assert_eq!(page.attribute(".turn--answer", "data-end"), "failed");
    assert!(page.text(".turn-problem").starts_with("No answer came. Your question is kept."));
    assert!(page.has("form.again"));

    let id = page.attribute("form.again input[name=conversation]", "value");
    owner.submit("/ask", &format!("alias=assistant&conversation={id}&again=yes")).await;
    let page = owner.get(&address).await;
    assert_eq!((page.count(".turn--question"), page.count(".turn--answer")), (1, 2));
}

#[tokio::test]
async fn an_empty_question_is_refused_beside_the_form() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let page = owner.submit("/ask", "alias=assistant&question=++").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text(".notice--bad").starts_with("The question was empty."));
}

#[tokio::test]
async fn the_stream_says_each_step_and_ends_with_what_happened() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let token = owner.get("/").await.attribute("input[name=csrf]", "value");
    owner.headers = vec![("accept", "application/x-ndjson")];
    let page = owner.post("/ask", &format!("csrf={token}&alias=assistant&question=hello")).await;
    assert_eq!(page.header("content-type"), "application/x-ndjson");
    let lines: Vec<serde_json::Value> =
        page.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["kind"], "asked");
    assert_eq!(lines.last().unwrap()["kind"], "failed");
    let sentence = lines.last().unwrap()["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("No answer came."), "{sentence}");
}

#[tokio::test]
async fn an_answer_whose_reader_goes_away_is_kept_as_cut() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let token = owner.get("/").await.attribute("input[name=csrf]", "value");
    let cookie: Vec<String> = owner.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = http::Request::post("/ask")
        .header("cookie", cookie.join("; "))
        .header("accept", "application/x-ndjson")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(format!("csrf={token}&alias=assistant&question=hello")))
        .unwrap();
    let mut response = the_box.router.clone().oneshot(request).await.unwrap();
    let first = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    let first: serde_json::Value = serde_json::from_slice(&first).unwrap();
    drop(response);
    the_box
        .store
        .work
        .create_conversation(0, "a later write, which waits for the earlier ones")
        .await
        .unwrap();
    let page = owner.get(&format!("/c/{}", first["conversation"].as_str().unwrap())).await;
    assert!(page.has(".turn--cut"));
    assert!(page.has("form.again"));
}
