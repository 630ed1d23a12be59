//! Tests in a realm of Kerberos.

use telarch_peers::{KerberosPeer, Keys, in_realm};

/// Runs `body` in a process of a new realm with a ticket, if the peers of Kerberos are installed. `name` is that of
/// the test, with its modules.
pub(crate) fn with_ticket(name: &str, body: impl FnOnce()) {
    if !KerberosPeer::is_installed() {
        return;
    }
    in_realm(name, Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        body();
    });
}
