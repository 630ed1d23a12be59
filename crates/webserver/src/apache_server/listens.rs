//! Addresses on which Apache listens (`Listen`).

use apache::Visited;

use super::configuration::ApacheConfiguration;
use crate::listen::{ListenAddress, ListenHost};

/// A `Listen` directive with its address.
pub(super) struct Listen<'a> {
    pub(super) visited: Visited<'a>,
    pub(super) address: ListenAddress,
}

/// Returns the active `Listen` directives whose address can be parsed.
pub(super) fn listens(configuration: &ApacheConfiguration) -> Vec<Listen<'_>> {
    let mut found = Vec::new();
    configuration.visit(&mut |parents, visited, environment| {
        if let Some(word) = visited.directive.word(1)
            && visited.directive.is("Listen")
            && parents.is_empty()
            && let Ok(address) = ListenAddress::parse(&environment.expand(word))
        {
            found.push(Listen { visited, address });
        }
    });
    found
}

/// Returns the addresses of all active `Listen` directives.
pub(super) fn addresses(configuration: &ApacheConfiguration) -> Vec<ListenAddress> {
    listens(configuration).into_iter().map(|listen| listen.address).collect()
}

/// Returns whether a socket with the address `listen` accepts connections to `address`.
pub(super) fn covers(listen: &ListenAddress, address: &ListenAddress) -> bool {
    let (ListenAddress::Tcp { host, port }, ListenAddress::Tcp { host: wanted, port: wanted_port }) =
        (listen, address)
    else {
        return false;
    };
    let is_covered = match (host, wanted) {
        (ListenHost::Any, _) => true,
        (ListenHost::V6(any), ListenHost::V6(_)) if any.is_unspecified() => true,
        (ListenHost::V4(any), ListenHost::Any | ListenHost::V4(_)) if any.is_unspecified() => true,
        _ => host == wanted,
    };
    port == wanted_port && is_covered
}
