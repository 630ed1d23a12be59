//! dracclient, the library of OpenStack for Dell's management controllers, which asks any service of WS-Management.

use serde_json::Value;

use crate::python::Login;
use crate::remote::Refusal;
use crate::telarchd::Telarchd;
use crate::way_in::WayIn;

/// dracclient in a Python process of its own for each call.
pub struct Dracclient(Login);

impl Dracclient {
    /// Returns a client that signs in to a service.
    #[must_use]
    pub fn against(service: &Telarchd, way: WayIn) -> Self {
        Self(Login::new(service, way))
    }

    /// Has it do one `action` of `tests/peers/python/manage_dracclient.py` after the other; a refused one does not stop
    /// those after it.
    ///
    /// # Panics
    ///
    /// When it is not installed, or answers nothing.
    pub fn manage<const N: usize>(&self, steps: [(&str, Value); N]) -> [Result<Value, Refusal>; N] {
        self.0.ask_in_turn("manage_dracclient.py", steps)
    }
}
