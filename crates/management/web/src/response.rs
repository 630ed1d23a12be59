//! Conversion of responses into those of the HTTP library, with the headers that every response has.

use std::sync::LazyLock;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

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
        Content::Encoded(kind, bytes) => (Some(*kind), bytes.clone()),
        Content::Asset(kind, bytes) => (Some(*kind), Bytes::from_static(bytes)),
        Content::Stream(_) => (Some("text/event-stream"), Bytes::new()),
    };
    let mut response = Response::new(Full::new(bytes).boxed());
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.reserve(SECURITY.len() + 3 + reply.headers.len());
    for (name, value) in SECURITY {
        headers.insert(name, value);
    }
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    if !matches!(reply.content, Content::Asset(..)) {
        headers.insert(CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    }
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Headers of every response.
const SECURITY: [(HeaderName, HeaderValue); 6] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ),
];

/// Value of `Content-Security-Policy`. Without a valid one, nothing is allowed.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    HeaderValue::from_str(assets::content_security_policy())
        .unwrap_or(const { HeaderValue::from_static("default-src 'none'") })
});
