//! Conversion of responses into those of the HTTP library, with the headers that every response has.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper::header::{HeaderName, HeaderValue};

use crate::assets;
use crate::reply::{Content, Reply};

/// Body of a response.
pub(crate) type ResponseBody = BoxBody<Bytes, std::convert::Infallible>;

/// Returns the response with a complete body. The body of a stream is replaced by the server.
pub(crate) fn of_reply(reply: &Reply) -> Response<ResponseBody> {
    let (kind, bytes) = match &reply.content {
        Content::Empty | Content::Terminal(_) => (None, Bytes::new()),
        Content::Json(value) => (Some("application/json"), Bytes::from(value.to_string())),
        Content::Problem(value) => (Some("application/problem+json"), Bytes::from(value.to_string())),
        Content::Encoded(kind, bytes) => (Some(*kind), Bytes::copy_from_slice(bytes)),
        Content::Asset(kind, bytes) => (Some(*kind), Bytes::from_static(bytes)),
        Content::Stream(_) => (Some("text/event-stream"), Bytes::new()),
    };
    let mut response = Response::new(Full::new(bytes).boxed());
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(assets::content_security_policy()) {
        headers.insert("content-security-policy", policy);
    }
    if !matches!(reply.content, Content::Asset(..)) {
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
    }
    if let Some(kind) = kind {
        headers.insert("content-type", HeaderValue::from_static(kind));
    }
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Headers of every response.
const SECURITY: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];
