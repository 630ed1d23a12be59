//! Session affinity: the cookie with which a load balancer routes all requests of a session to the same service.

use http::ResponseHead;
use locks::Mutex;

/// Value of the `Cookie` header, once a load balancer has set one.
#[derive(Debug, Default)]
pub(crate) struct Affinity(Mutex<Option<String>>);

impl Affinity {
    pub(crate) fn cookie(&self) -> Option<String> {
        self.0.lock().clone()
    }

    /// Stores the cookie of a response if its name is `MS-WSMAN`; other cookies are ignored.
    pub(crate) fn note(&self, head: &ResponseHead) {
        let cookies =
            head.headers("Set-Cookie").map(|line| line.split(';').next().unwrap_or_default().trim());
        if let Some(cookie) = cookies.filter(|cookie| is_affinity_cookie(cookie)).last() {
            *self.0.lock() = Some(cookie.to_owned());
        }
    }
}

fn is_affinity_cookie(cookie: &str) -> bool {
    cookie.starts_with("MS-WSMAN=") && cookie.len() <= MAX_COOKIE
}

/// Maximum length of the cookie in bytes.
const MAX_COOKIE: usize = 4_096;
