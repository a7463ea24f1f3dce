//! Requests and their answers, without a network.
use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header, request::Builder},
};
use serde_json::Value;
use tower::ServiceExt;

use super::front_desk::doors;
use crate::{
    http::{Doors, Limits, Trust, router},
    keys::Keys,
};

pub(crate) const HOST: &str = "127.0.0.1:8080";

pub(crate) const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:0123456789abcdef01234567\r\na=fingerprint:sha-256 \
    00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
    a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
    a=rtpmap:0 PCMU/8000\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\n\
    a=fingerprint:sha-256 \
    00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
    a=setup:actpass\r\na=mid:1\r\na=sctp-port:5000\r\n";

pub(crate) fn with(change: impl FnOnce(&mut Doors)) -> Router {
    let mut doors = doors(4);
    change(&mut doors);
    router(Arc::new(doors))
}

pub(crate) fn get(path: &str) -> Builder {
    Request::get(path).header(header::HOST, HOST)
}

pub(crate) fn post(path: &str) -> Builder {
    Request::post(path).header(header::HOST, HOST)
}

pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Response<Body> {
    router.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    String::from_utf8(bytes.into()).unwrap()
}

/// The status and the code of a refusal, whose form is checked.
pub(crate) async fn refused(router: &Router, request: Request<Body>) -> (u16, String) {
    let response = ask(router, request).await;
    let status = response.status();
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let error = body["error"].as_object().unwrap();
    assert_eq!(error.keys().len(), 4, "{error:?}");
    assert!(error["message"].is_string() && error["type"].is_string());
    (status.as_u16(), error["code"].as_str().unwrap().to_owned())
}

pub(crate) fn empty(builder: Builder) -> Request<Body> {
    builder.body(Body::empty()).unwrap()
}

pub(crate) fn header_of<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn other_sites_and_other_names_are_turned_away() {
    let router = with(|_| {});
    for path in ["/", "/v1/models", "/healthz", "/v1/realtime", "/nowhere"] {
        let rebound = Request::get(path).header(header::HOST, "evil.example");
        let refused_as = refused(&router, empty(rebound)).await;
        assert_eq!(refused_as, (403, "host_not_allowed".into()), "{path}");
        let foreign = get(path).header(header::ORIGIN, "https://evil.example");
        let refused_as = refused(&router, empty(foreign)).await;
        assert_eq!(refused_as, (403, "origin_not_allowed".into()), "{path}");
    }
    // A browser's WebSocket is a GET with an origin.
    let socket = get("/v1/realtime")
        .header(header::ORIGIN, "http://127.0.0.1:3000")
        .header(header::UPGRADE, "websocket")
        .header(header::CONNECTION, "upgrade");
    assert_eq!(refused(&router, empty(socket)).await.0, 403);
    let preflight = Request::options("/v1/realtime/calls")
        .header(header::HOST, HOST)
        .header(header::ORIGIN, "https://evil.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let answer = ask(&router, empty(preflight)).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(header_of(&answer, "access-control-allow-origin"), "");
}

#[tokio::test]
async fn allowed_origins_may_call_and_read_the_location() {
    let router = with(|doors| {
        doors.trust = Trust {
            origins: vec!["https://app.example".into()],
            ..doors.trust.clone()
        };
    });
    let preflight = Request::options("/v1/realtime/calls")
        .header(header::HOST, HOST)
        .header(header::ORIGIN, "https://app.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "authorization, content-type, x-openai-agents-sdk",
        );
    let answer = ask(&router, empty(preflight)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        header_of(&answer, "access-control-allow-origin"),
        "https://app.example"
    );
    assert!(header_of(&answer, "access-control-allow-headers").contains("x-openai-agents-sdk"));
    let models = get("/v1/models").header(header::ORIGIN, "https://app.example");
    let models = ask(&router, empty(models)).await;
    assert_eq!(models.status(), StatusCode::OK);
    assert!(header_of(&models, "access-control-expose-headers").contains("location"));
}

#[tokio::test]
async fn keys_are_asked_for_where_there_are_any() {
    let open = with(|_| {});
    let closed = with(|doors| doors.keys = Keys::new(["sesame"]));
    for path in [
        "/v1/models",
        "/v1/console/catalogue",
        "/metrics",
        "/v1/realtime",
    ] {
        let missing = refused(&closed, empty(get(path))).await;
        assert_eq!(missing, (401, "invalid_api_key".into()), "{path}");
        let wrong = get(path).header(header::AUTHORIZATION, "Bearer sesam");
        assert_eq!(refused(&closed, empty(wrong)).await.0, 401, "{path}");
        let right = get(path).header(header::AUTHORIZATION, "bearer sesame");
        assert_ne!(ask(&closed, empty(right)).await.status(), 401, "{path}");
        assert_ne!(ask(&open, empty(get(path))).await.status(), 401, "{path}");
    }
    // A browser's WebSocket gives its token as a protocol. (There is no socket here to upgrade.)
    let protocols = "realtime, openai-insecure-api-key.sesame, openai-agents-sdk.1";
    let browser = get("/v1/realtime").header(header::SEC_WEBSOCKET_PROTOCOL, protocols);
    assert_eq!(refused(&closed, empty(browser)).await.1, "upgrade_required");
    for (method, path) in [
        ("POST", "/v1/realtime/calls"),
        ("POST", "/v1/realtime/client_secrets"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, HOST);
        assert_eq!(refused(&closed, empty(request)).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn health_readiness_and_metrics() {
    let router = with(|_| {});
    assert_eq!(
        text(ask(&router, empty(get("/healthz"))).await).await,
        "ok\n"
    );
    assert_eq!(
        ask(&router, empty(get("/readyz"))).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        text(ask(&router, empty(get("/metrics"))).await).await,
        "voiced_up 1\n"
    );

    let busy = with(|doors| doors.ready = Arc::new(|| Err("the recogniser is gone".into())));
    let answer = ask(&busy, empty(get("/readyz"))).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header_of(&answer, "retry-after"), "5");
    assert!(text(answer).await.contains("the recogniser is gone"));

    let draining = with(|doors| doors.drain.start());
    assert_eq!(ask(&draining, empty(get("/readyz"))).await.status(), 503);
    assert_eq!(ask(&draining, empty(get("/healthz"))).await.status(), 200);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_json() {
    let router = with(|_| {});
    assert_eq!(refused(&router, empty(get("/v2/realtime"))).await.0, 404);
    assert_eq!(
        refused(&router, empty(get("/v1/realtime/calls"))).await.0,
        405
    );
    let catalogue = text(ask(&router, empty(get("/v1/console/catalogue"))).await).await;
    let catalogue: Value = serde_json::from_str(&catalogue).unwrap();
    assert_eq!(catalogue["personas"][1]["name"], "clerk");
    assert_eq!(catalogue["personas"][1].get("instructions"), None);
    assert_eq!(catalogue["voices"][0]["language"], "en-US");
}

pub(crate) fn offer(body: impl Into<Body>) -> Request<Body> {
    post("/v1/realtime/calls?model=m")
        .header(header::CONTENT_TYPE, "application/sdp")
        .body(body.into())
        .unwrap()
}

fn form(session: &str) -> Request<Body> {
    let body = format!(
        "--x\r\nContent-Disposition: form-data; name=\"sdp\"\r\nContent-Type: application/sdp\
         \r\n\r\n{OFFER}\r\n--x\r\nContent-Disposition: form-data; name=\"session\"\r\n\
         Content-Type: application/json\r\n\r\n{session}\r\n--x--\r\n"
    );
    post("/v1/realtime/calls")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
        .body(Body::from(body))
        .unwrap()
}

#[tokio::test]
async fn an_offer_is_answered_and_its_call_can_be_hung_up() {
    let router = with(|_| {});
    let requests = [offer(OFFER), form(r#"{"type":"realtime","model":"mine"}"#)];
    for request in requests {
        let answer = ask(&router, request).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(header_of(&answer, "content-type"), "application/sdp");
        let location = header_of(&answer, "location").to_owned();
        assert!(
            location.starts_with("/v1/realtime/calls/rtc_"),
            "{location}"
        );
        assert!(text(answer).await.contains("m=audio"));
        let hang_up = format!("{location}/hangup");
        assert_eq!(
            ask(&router, empty(post(&hang_up))).await.status(),
            StatusCode::OK
        );
    }
    let nobody = refused(&router, empty(post("/v1/realtime/calls/rtc_x/hangup"))).await;
    assert_eq!(nobody, (404, "call_not_found".into()));
}

#[tokio::test]
async fn offers_that_cannot_be_answered_say_why() {
    let router = with(|doors| {
        doors.limits = Limits {
            body: 20_000,
            ..Limits::default()
        };
    });
    let no_kind = post("/v1/realtime/calls").body(Body::from(OFFER)).unwrap();
    let silent = OFFER.replace("opus/48000", "speex/8000");
    let unknown_key = form(r#"{"type":"realtime","nonsense":1}"#);
    let no_offer = post("/v1/realtime/calls")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
        .body(Body::from("--x--\r\n"))
        .unwrap();
    let no_persona = post("/v1/realtime/calls?persona=nobody")
        .header(header::CONTENT_TYPE, "application/sdp")
        .body(Body::from(OFFER))
        .unwrap();
    for (request, wanted) in [
        (no_kind, (415, "unsupported_media_type")),
        (offer("hello"), (400, "invalid_offer")),
        (offer(vec![0xff, 0xfe]), (400, "invalid_value")),
        (offer(vec![b'v'; 30_000]), (413, "body_too_large")),
        (offer(Body::from_stream(endless())), (413, "body_too_large")),
        (offer(silent), (422, "invalid_offer")),
        (form("{"), (400, "invalid_json")),
        (form(&"[".repeat(10_000)), (400, "invalid_json")),
        (unknown_key, (400, "unknown_parameter")),
        (no_offer, (400, "missing_required_parameter")),
        (no_persona, (404, "persona_not_found")),
    ] {
        let (status, code) = refused(&router, request).await;
        assert_eq!((status, code.as_str()), wanted);
    }
    let switched_off = with(|doors| doors.peers = None);
    assert_eq!(
        refused(&switched_off, offer(OFFER)).await.1,
        "webrtc_disabled"
    );
}

/// A body that never says how long it is, and never ends.
fn endless() -> impl futures::Stream<Item = Result<Vec<u8>, std::io::Error>> {
    futures::stream::repeat_with(|| Ok(vec![b'v'; 1_000]))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let router = with(|doors| doors.peers = None);
    let body = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let (status, code) = refused(&router, offer(Body::from_stream(body))).await;
    assert_eq!((status, code.as_str()), (408, "body_timeout"));
}

#[tokio::test]
async fn a_call_too_many_is_told_when_to_come_back() {
    let mut desk = doors(1);
    desk.keys = Keys::open();
    let router = router(Arc::new(desk));
    assert_eq!(
        ask(&router, offer(OFFER)).await.status(),
        StatusCode::CREATED
    );
    let answer = ask(&router, offer(OFFER)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header_of(&answer, "retry-after"), "5");
    assert_eq!(ask(&router, empty(get("/readyz"))).await.status(), 503);
}
