//! Vectors of a cloud model, and what answers when it is lost.

use serde_json::json;
use tests::FakeCloud;

use super::*;

const FROM_CLOUD: &str =
    "\n[[alias]]\nname = \"library\"\nkind = \"embedding\"\ncloud = [\"cloud/vectors\"]\n";

#[tokio::test]
async fn vectors_of_a_cloud_pass_through_untouched_under_the_boxs_own_key() {
    let cloud = FakeCloud::start();
    let appliance = described().cloud(&cloud).extra(FROM_CLOUD).start().await;
    let body = json!({"model": "library", "input": ["the ward", "비상"], "user": "ward-3", "dimensions": 3});
    let told = ask(&appliance, "/v1/embeddings", &body).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!((told.served_by(), told.route()), ("cloud/vectors".into(), "cloud".into()));
    let told = told.json();
    assert_eq!(told["data"][1], json!({"object": "embedding", "index": 1, "embedding": [2, 0.5, -0.25]}));
    assert_eq!((&told["model"], &told["usage"]["prompt_tokens"]), (&json!("vectors"), &json!(8)));
    assert_eq!(told["genset"]["served_by"], "cloud/vectors");
    let seen = cloud.seen().into_iter().rfind(|seen| seen.path.ends_with("/embeddings")).unwrap();
    assert!(seen.authorized);
    assert_eq!(
        (&seen.body["model"], &seen.body["user"], &seen.body["dimensions"]),
        (&json!("vectors"), &json!("ward-3"), &json!(3))
    );
    // Whoever cut the tokens sends them to the model whose tokens they are.
    let tokens =
        ask(&appliance, "/v1/embeddings", &json!({"model": "library", "input": [[1, 2], [3]]})).await;
    assert_eq!((tokens.status.as_u16(), tokens.json()["data"].as_array().unwrap().len()), (200, 2));
}

#[tokio::test]
async fn no_other_model_answers_in_the_place_of_a_lost_one() {
    let cloud = FakeCloud::start();
    let appliance = described().cloud(&cloud).extra(FROM_CLOUD).start().await;
    let body = json!({"model": "library", "input": "the ward"});
    assert_eq!(ask(&appliance, "/v1/embeddings", &body).await.status, 200);
    cloud.refuse();
    let lost = ask(&appliance, "/v1/embeddings", &body).await;
    assert_eq!((lost.status.as_u16(), lost.error_code().as_str()), (503, "no_route"), "{}", lost.text());
    assert!(lost.error_message().contains("could not be compared"), "{}", lost.text());
    assert!(!lost.header("retry-after").is_empty());
    appliance.until_state("offline").await;
    let lost = ask(&appliance, "/v1/embeddings", &body).await;
    assert!(lost.error_message().contains("circuit-open"), "{}", lost.text());
    let inside = ask(&appliance, "/v1/embeddings", &json!({"model": "notes", "input": "the ward"})).await;
    assert_eq!(inside.status, 200, "what is in the building goes on");
    cloud.restore();
    appliance.until_state("connected").await;
    assert_eq!(ask(&appliance, "/v1/embeddings", &body).await.status, 200);
}

#[tokio::test]
async fn the_same_model_in_the_building_takes_over_where_the_configuration_says_that_it_is_the_same() {
    let cloud = FakeCloud::start();
    let alias = "\n[[alias]]\nname = \"library\"\ncloud = [\"cloud/vectors\"]\nstandby = [\"embedder\"]\nsame_model = true\n";
    let appliance = described().cloud(&cloud).extra(alias).start().await;
    let body = json!({"model": "library", "input": "the ward"});
    assert_eq!(ask(&appliance, "/v1/embeddings", &body).await.route(), "cloud");
    cloud.refuse();
    let first = ask(&appliance, "/v1/embeddings", &body).await;
    assert_eq!(
        (first.status.as_u16(), first.served_by().as_str()),
        (200, "local/embedder"),
        "{}",
        first.text()
    );
    assert_ne!(first.header("x-genset-reason"), "first-route");
    cloud.restore();
    appliance.until_state("connected").await;
    assert_eq!(ask(&appliance, "/v1/embeddings", &body).await.route(), "cloud");
}

#[tokio::test]
async fn a_request_that_may_not_leave_the_building_does_not() {
    let cloud = FakeCloud::start();
    let appliance = described().cloud(&cloud).extra(FROM_CLOUD).start().await;
    let client = appliance.client().with_header("x-genset-policy", "local-only");
    let refused =
        client.post("/v1/embeddings", json!({"model": "library", "input": "the ward"}).to_string()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.error_code().as_str()),
        (503, "no_local_route"),
        "{}",
        refused.text()
    );
    assert!(cloud.seen().iter().all(|seen| !seen.path.ends_with("/embeddings")), "0 bytes left");
}

#[tokio::test]
async fn what_the_cloud_says_of_the_request_itself_is_passed_on_and_its_trouble_trips_the_model_alone() {
    let cloud = FakeCloud::start();
    let appliance = described().cloud(&cloud).extra(FROM_CLOUD).start().await;
    let body = json!({"model": "library", "input": "the ward"});
    cloud.answer_400("too_many_dimensions");
    let refused = ask(&appliance, "/v1/embeddings", &body).await;
    assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (400, "too_many_dimensions"));
    assert_eq!(appliance.site_state().await, "connected", "the caller's fault is nobody's trouble");
    cloud.answer_status(500, "server_error");
    for _ in 0..4 {
        assert_eq!(ask(&appliance, "/v1/embeddings", &body).await.status, 503);
    }
    let begun = std::time::Instant::now();
    loop {
        let status = appliance.status().await;
        let models = status["upstreams"][0]["models"].as_array().unwrap();
        let breaker = &models.iter().find(|model| model["name"] == "vectors").unwrap()["breaker"];
        if breaker != "closed" {
            break;
        }
        assert!(begun.elapsed().as_secs() < 30, "{status}");
        let _ = ask(&appliance, "/v1/embeddings", &body).await;
    }
    cloud.restore();
    while ask(&appliance, "/v1/embeddings", &body).await.status != 200 {
        assert!(begun.elapsed().as_secs() < 60, "the model is tried with no texts, and comes back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let probes = cloud.seen().into_iter().filter(|seen| seen.body["input"] == json!([]));
    assert!(probes.count() > 0, "it is tried by what it is for, and nothing is billed");
}
