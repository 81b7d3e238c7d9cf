//! What the provider answers, by its mood. What a client asks for wrongly is refused, as a real one would.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::signer::{self, Algorithm, Signer};
use super::{CLIENT_ID, CLIENT_SECRET, Granted, Mood, Shared};
use crate::places;

type Answer = Response<Full<Bytes>>;

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let mood = shared.state().mood;
    let path = request.uri().path().to_owned();
    if mood == Mood::Silent || (mood == Mood::SilentAtTheToken && path == "/token") {
        std::future::pending::<()>().await;
    }
    let query = fields(request.uri().query().unwrap_or_default());
    Ok(match path.as_str() {
        "/realms/main/.well-known/openid-configuration" => json(StatusCode::OK, &description(&shared.issuer)),
        "/keys" => {
            let mut state = shared.state();
            state.key_calls += 1;
            json(StatusCode::OK, &json!({"keys": [state.signer.jwk()]}))
        }
        "/authorize" => authorize(&shared, &query),
        "/token" => {
            let authorization = request.headers().get(header::AUTHORIZATION);
            let authorization = authorization.and_then(|value| value.to_str().ok()).map(str::to_owned);
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            token(&shared, authorization.as_deref(), &fields(&String::from_utf8_lossy(&body)))
        }
        _ => json(StatusCode::NOT_FOUND, &Value::Null),
    })
}

fn description(issuer: &str) -> Value {
    let root = issuer.trim_end_matches("/realms/main");
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{root}/authorize"),
        "token_endpoint": format!("{root}/token"),
        "jwks_uri": format!("{root}/keys"),
        "response_types_supported": ["code"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
    })
}

fn authorize(shared: &Shared, query: &HashMap<String, String>) -> Answer {
    let field = |name: &str| query.get(name).cloned().unwrap_or_default();
    let is_right = field("response_type") == "code"
        && field("client_id") == CLIENT_ID
        && field("scope").split(' ').any(|scope| scope == "openid")
        && field("code_challenge_method") == "S256"
        && field("code_challenge").len() == 43
        && field("state").len() >= 32
        && field("nonce").len() >= 32;
    if !is_right {
        return json(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request"}));
    }
    let mut state = shared.state();
    let outcome = if state.mood == Mood::Denies {
        "error=access_denied&error_description=%3Cb%3Eno%3C%2Fb%3E".to_owned()
    } else {
        let code = places::nonce();
        let granted = Granted {
            nonce: field("nonce"),
            challenge: field("code_challenge"),
            redirect_uri: field("redirect_uri"),
        };
        state.codes.insert(code.clone(), granted);
        format!("code={code}")
    };
    let location = format!("{}?{outcome}&state={}", field("redirect_uri"), field("state"));
    let builder = Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, location);
    builder.body(Full::default()).expect("a redirect")
}

fn token(shared: &Shared, authorization: Option<&str>, form: &HashMap<String, String>) -> Answer {
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let secret =
        format!("Basic {}", BASE64.encode(format!("{CLIENT_ID}:{}", escaped(CLIENT_SECRET)).as_bytes()));
    if authorization != Some(secret.as_str()) {
        return json(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_client"}));
    }
    let mut state = shared.state();
    let verifier = ring::digest::digest(&ring::digest::SHA256, field("code_verifier").as_bytes());
    let challenge = BASE64URL_NOPAD.encode(verifier.as_ref());
    let granted = state.codes.remove(&field("code")).filter(|granted| {
        granted.challenge == challenge
            && granted.redirect_uri == field("redirect_uri")
            && field("grant_type") == "authorization_code"
    });
    let Some(granted) = granted else {
        return json(StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant"}));
    };
    let claims = claims(&shared.issuer, &granted.nonce, &state.person, state.mood);
    let (signer, kid) = (&state.signer, state.signer.kid().to_owned());
    let token = match state.mood {
        Mood::Unsigned => signer::bare(&claims),
        Mood::SharedSecret => signer::shared(CLIENT_SECRET, &kid, &claims),
        Mood::UnknownKey => signer.token("nobody's", &claims),
        Mood::Forged => Signer::new(Algorithm::Es256).token(&kid, &claims),
        _ => signer.token(&kid, &claims),
    };
    state.tokens.push(token.clone());
    let answer = json!({
        "access_token": places::nonce(), "token_type": "Bearer", "expires_in": 300, "id_token": token,
    });
    json(StatusCode::OK, &answer)
}

fn claims(issuer: &str, nonce: &str, person: &Value, mood: Mood) -> Value {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    let mut claims = json!({
        "iss": issuer, "aud": CLIENT_ID, "exp": now + 300, "iat": now, "nonce": nonce, "email_verified": false,
    });
    for (name, value) in person.as_object().expect("claims are an object") {
        claims[name] = value.clone();
    }
    match mood {
        Mood::WrongNonce => claims["nonce"] = places::nonce().into(),
        Mood::WrongAudience => claims["aud"] = "somebody-else".into(),
        Mood::WrongIssuer => claims["iss"] = "https://evil.example".into(),
        Mood::Expired => claims["exp"] = (now - 3600).into(),
        Mood::FromTheFuture => claims["iat"] = (now + 3600).into(),
        _ => {}
    }
    claims
}

fn json(status: StatusCode, value: &Value) -> Answer {
    let builder = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    builder.body(Full::from(value.to_string())).expect("an answer")
}

/// The fields of a query or of a form.
fn fields(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), plain(value))).collect()
}

fn plain(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
