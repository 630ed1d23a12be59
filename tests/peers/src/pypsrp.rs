//! pypsrp, the other client in Python.

use serde_json::Value;

use crate::python::Login;
use crate::remote::{Peer, Refusal};
use crate::telarchd::Telarchd;
use crate::way_in::WayIn;

/// pypsrp in a Python process of its own for each call.
pub struct Pypsrp(Login);

impl Peer for Pypsrp {
    fn against(service: &Telarchd, way: WayIn) -> Self {
        Self(Login::new(service, way))
    }

    fn with_password(self, password: &str) -> Self {
        Self(self.0.with_password(password))
    }

    fn ask(&self, action: &str, arguments: Value) -> Result<Value, Refusal> {
        self.0.ask("run_pypsrp.py", action, arguments)
    }
}
