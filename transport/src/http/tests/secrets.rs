//! Secrets: made with a key, opening what they were made with, and nothing else.
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};

use super::routes::{OFFER, ask, offer, post, refused, text, with};
use crate::keys::Keys;

fn secret(token: &str, body: &Value) -> Request<Body> {
    post("/v1/realtime/client_secrets")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn a_secret_is_made_with_a_session_and_opens_it() {
    let router = with(|doors| doors.keys = Keys::new(["sesame"]));
    let session = json!({"type": "realtime", "instructions": "Be brief."});
    let asked = json!({"expires_after": {"anchor": "created_at", "seconds": 60},
        "session": session});
    let made = ask(&router, secret("sesame", &asked)).await;
    assert_eq!(made.status(), StatusCode::OK);
    let made: Value = serde_json::from_str(&text(made).await).unwrap();
    assert_eq!(made["session"]["instructions"], "Be brief.");
    assert_eq!(made["session"]["object"], "realtime.session");
    assert_eq!(made["session"]["expires_at"], made["expires_at"]);
    let value = made["value"].as_str().unwrap();
    let mut call = offer(OFFER);
    let bearer = format!("Bearer {value}").parse().unwrap();
    call.headers_mut().insert(header::AUTHORIZATION, bearer);
    assert_eq!(ask(&router, call).await.status(), StatusCode::CREATED);

    // It cannot make another, nor can what only looks like one do anything.
    assert_eq!(refused(&router, secret(value, &json!({}))).await.0, 403);
    assert_eq!(
        refused(&router, secret("ek_forged", &json!({}))).await.0,
        401
    );
    for (body, code) in [
        (json!({"expires_after": {"seconds": 5}}), "invalid_value"),
        (
            json!({"expires_after": {"seconds": 7_201}}),
            "invalid_value",
        ),
        (json!({"expires_after": 7}), "invalid_type"),
        (json!({"session": {"type": "translation"}}), "invalid_value"),
        (
            json!({"session": {"type": "realtime", "x": 1}}),
            "unknown_parameter",
        ),
        (json!([]), "invalid_type"),
    ] {
        assert_eq!(
            refused(&router, secret("sesame", &body)).await,
            (400, code.into()),
            "{body}"
        );
    }
}
