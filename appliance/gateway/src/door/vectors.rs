//! `/v1/embeddings` and `/v1/rerank`: from the body to an ask, and back to one JSON body.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use dialect::openai::EmbeddingRequest;
use dialect::rerank::RerankRequest;
use http::{HeaderMap, HeaderValue};

use super::chat::{Wish, check_kind, name_who_served, read_body};
use super::identity::KeyHolder;
use super::refusal::{Refused, json_bytes};
use crate::answer::Refusal;
use crate::gateway::Gateway;
use crate::vectors::{VectorAsk, Wanted};

pub(super) async fn embeddings(
    State(gateway): State<Gateway>,
    holder: KeyHolder,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    answer(&gateway, &holder, &headers, body, |body| EmbeddingRequest::parse(body).map(Wanted::Embeddings))
        .await
}

pub(super) async fn rerank(
    State(gateway): State<Gateway>,
    holder: KeyHolder,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    answer(&gateway, &holder, &headers, body, |body| RerankRequest::parse(body).map(Wanted::Rerank)).await
}

async fn answer(
    gateway: &Gateway,
    holder: &KeyHolder,
    headers: &HeaderMap,
    body: Body,
    parse: impl FnOnce(&[u8]) -> Result<Wanted, Refusal>,
) -> Result<Response, Refused> {
    check_kind(headers)?;
    let wish = Wish::read(headers)?;
    let lane = wish.lane_within(holder.highest_lane());
    let place = gateway.enter(&holder.subject(), lane).await?;
    let body = read_body(body, gateway.settings().limits.max_body_bytes).await?;
    let wanted = parse(&body)?;
    let ask = VectorAsk { caller: holder.caller(), wanted, lane, local_only: wish.local_only };
    let answer = gateway.vectors_as(&holder.subject(), ask, place).await?;
    let mut response = json_bytes(200, answer.body);
    name_who_served(&mut response, &answer.served);
    response.headers_mut().insert("x-genset-lane", HeaderValue::from_static(lane.as_str()));
    Ok(response)
}
