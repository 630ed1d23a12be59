//! pywinrm, the client under most Python automation.

use serde_json::Value;

use crate::holder::Holder;
use crate::python::Login;
use crate::remote::{Peer, Refusal};
use crate::telarchd::{Telarchd, USER};
use crate::way_in::WayIn;

/// pywinrm in a Python process of its own for each call.
pub struct Pywinrm(pub(crate) Login);

impl Pywinrm {
    /// Signs in at another URL than that of a test service, as the user that every service knows.
    #[must_use]
    pub fn to(url: &str, way: WayIn) -> Self {
        Self(Login::of(USER, url, way))
    }

    /// Subscribes to events, over its transport, by `action` of `tests/peers/python/subscribe_pywinrm.py`.
    ///
    /// # Errors
    /// The refusal as the client told it.
    pub fn subscribe(&self, action: &str, arguments: Value) -> Result<Value, Refusal> {
        self.0.ask("subscribe_pywinrm.py", action, arguments)
    }
}

impl Peer for Pywinrm {
    fn against(service: &Telarchd, way: WayIn) -> Self {
        Self(Login::new(service, way))
    }

    fn with_password(self, password: &str) -> Self {
        Self(self.0.with_password(password))
    }

    fn with_certificate(self, holder: &Holder) -> Self {
        Self(self.0.with_certificate(holder))
    }

    fn ask(&self, action: &str, arguments: Value) -> Result<Value, Refusal> {
        self.0.ask("run_pywinrm.py", action, arguments)
    }
}
