//! The cookie by which a load balancer leads all requests of a session to the same service.

use std::sync::{Mutex, PoisonError};

use http::ResponseHead;

/// The value of the `Cookie` header, once a load balancer has set one.
#[derive(Debug, Default)]
pub(crate) struct Affinity(Mutex<Option<String>>);

impl Affinity {
    pub(crate) fn cookie(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the cookie of a response, if it is the one of WS-Management; others are nobody's business.
    pub(crate) fn note(&self, head: &ResponseHead) {
        let ours = |cookie: &&str| cookie.starts_with("MS-WSMAN=") && cookie.len() <= LONGEST;
        let cookies =
            head.headers("Set-Cookie").map(|line| line.split(';').next().unwrap_or_default().trim());
        if let Some(cookie) = cookies.filter(ours).last() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(cookie.to_owned());
        }
    }
}

const LONGEST: usize = 4_096;
