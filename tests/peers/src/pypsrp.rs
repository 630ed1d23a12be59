//! pypsrp, the other client in Python.

use serde_json::Value;

use crate::holder::Holder;
use crate::python::Login;
use crate::remote::{Peer, Refusal};
use crate::telarchd::Telarchd;
use crate::way_in::WayIn;

/// pypsrp in a Python process of its own for each call.
pub struct Pypsrp(pub(crate) Login);

impl Pypsrp {
    /// Has it read, change or list resources, one `action` of `tests/peers/python/manage_pypsrp.py` after the other;
    /// a refused one does not stop those after it.
    ///
    /// # Panics
    ///
    /// As [`Peer::ask`].
    pub fn manage<const N: usize>(&self, steps: [(&str, Value); N]) -> [Result<Value, Refusal>; N] {
        self.0.ask_in_turn("manage_pypsrp.py", steps)
    }
}

impl Pypsrp {
    /// Has it use a runspace pool: one `action` of `tests/peers/python/run_powershell.py`.
    ///
    /// # Errors
    ///
    /// Its own exception when the service refused it.
    ///
    /// # Panics
    ///
    /// As [`Peer::ask`].
    pub fn use_powershell(&self, action: &str, arguments: Value) -> Result<Value, Refusal> {
        self.0.ask("run_powershell.py", action, arguments)
    }
}

impl Peer for Pypsrp {
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
        self.0.ask("run_pypsrp.py", action, arguments)
    }
}
