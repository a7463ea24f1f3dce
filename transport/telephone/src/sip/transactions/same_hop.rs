//! Requests that belong to another's transaction: CANCEL, and the ACK of a refusal.
use crate::sip::message::{Headers, Method, Request, Response};

/// The ACK of a refusal (RFC 3261, section 17.1.1.3).
pub(super) fn acknowledge(request: &Request, response: &Response) -> Request {
    let mut ack = of_same_hop(request, Method::Ack);
    let mut headers = Headers::default();
    for (name, value) in ack.headers.iter() {
        let value = match name {
            "To" => response.headers.get("To").unwrap_or(value),
            _ => value,
        };
        headers.push(name, value);
    }
    ack.headers = headers;
    ack
}

/// A request of the same transaction: CANCEL, or ACK of a refusal.
pub(super) fn of_same_hop(request: &Request, method: Method) -> Request {
    let mut headers = Headers::default();
    if let Some(via) = request.headers.get("Via") {
        headers.push("Via", via);
    }
    for name in ["Max-Forwards", "From", "To", "Call-ID"] {
        if let Some(value) = request.headers.get(name) {
            headers.push(name, value);
        }
    }
    for route in request.headers.all("Route") {
        headers.push("Route", route);
    }
    let number = request
        .headers
        .get("CSeq")
        .and_then(|cseq| cseq.split(' ').next());
    headers.push(
        "CSeq",
        format!("{} {}", number.unwrap_or("1"), method.name()),
    );
    Request {
        method,
        uri: request.uri.clone(),
        headers,
        body: Vec::new(),
    }
}
