//! The signed-in user of a request.

use management::Role;

/// Proof by which a request was admitted.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// Session cookie.
    Session {
        /// Secret of the cookie.
        token: String,
        /// Public identifier.
        id: String,
        /// Secret for changing requests.
        csrf: String,
        is_elevated: bool,
        /// Identifier that elevation does not change.
        lasting_id: String,
    },
    /// API key.
    Key {
        /// Public identifier.
        id: String,
        is_read_only: bool,
    },
}

/// A signed-in user.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) credential: Credential,
}

impl Caller {
    /// Returns the public identifier of the session or key.
    pub(crate) fn credential_id(&self) -> &str {
        match &self.credential {
            Credential::Session { id, .. } | Credential::Key { id, .. } => id,
        }
    }
}
