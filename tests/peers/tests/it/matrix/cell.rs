//! Cells of the matrix, and the expected result of each.

/// Client program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Pywinrm,
    Pypsrp,
    Curl,
    RequestsCredSsp,
    /// Our own client.
    Winrs,
}

/// Authentication scheme, with the protocol inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Basic,
    Certificate,
    Ntlm,
    NegotiateNtlm,
    NegotiateKerberos,
    Kerberos,
    CredSspNegotiate,
    CredSspNtlm,
    CredSspKerberos,
}

/// Listener of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Http,
    Https,
}

/// `CbtHardeningLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    None,
    Relaxed,
    Strict,
}

/// Channel bindings of a client that supports them: sent, as is the default of all, or switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    ByDefault,
    SwitchedOff,
}

/// Sign-in of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) client: Client,
    pub(crate) scheme: Scheme,
    pub(crate) transport: Transport,
    pub(crate) level: Level,
    pub(crate) binding: Binding,
}

/// Result of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    LetIn(Protection),
    Refused,
}

/// Protection of the messages after a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    Sealed,
    Tls,
    /// The sign-in succeeds, but the client cannot seal, so the service accepts no message from it.
    NoMessages,
}

/// Cells that cannot be run.
pub(crate) struct Absent {
    pub(crate) clients: &'static [Client],
    pub(crate) schemes: &'static [Scheme],
    pub(crate) transports: &'static [Transport],
    pub(crate) reason: &'static str,
}

use Client::{Curl, Pypsrp, Pywinrm, RequestsCredSsp, Winrs};
use Scheme::{
    Basic, Certificate, CredSspKerberos, CredSspNegotiate, CredSspNtlm, Kerberos, NegotiateKerberos,
    NegotiateNtlm, Ntlm,
};

pub(crate) const CLIENTS: [Client; 5] = [Pywinrm, Pypsrp, Curl, RequestsCredSsp, Winrs];
pub(crate) const LEVELS: [Level; 3] = [Level::None, Level::Relaxed, Level::Strict];
pub(crate) const BY_PASSWORD: [Scheme; 5] = [Basic, Ntlm, NegotiateNtlm, CredSspNegotiate, CredSspNtlm];
pub(crate) const BY_TICKET: [Scheme; 3] = [NegotiateKerberos, Kerberos, CredSspKerberos];
pub(crate) const BY_CERTIFICATE: [Scheme; 1] = [Certificate];

const BOTH: &[Transport] = &[Transport::Http, Transport::Https];

/// Every absent cell, with the reason.
pub(crate) const ABSENT: &[Absent] = &[
    Absent {
        clients: &[Pywinrm, Pypsrp, Curl, Winrs],
        schemes: &[Certificate],
        transports: &[Transport::Http],
        reason: "a client presents its certificate in the TLS handshake, which HTTP does not have",
    },
    Absent {
        clients: &[Pywinrm],
        schemes: &[NegotiateNtlm, NegotiateKerberos],
        transports: BOTH,
        reason: "it has no SPNEGO: under Negotiate it sends tokens of NTLM or Kerberos without it",
    },
    Absent {
        clients: &[Curl],
        schemes: &[NegotiateNtlm],
        transports: BOTH,
        reason: "its SPNEGO is that of MIT Kerberos, which has no NTLM",
    },
    Absent {
        clients: &[Curl],
        schemes: &[Kerberos],
        transports: BOTH,
        reason: "it has no scheme of this name: its Negotiate is Kerberos",
    },
    Absent {
        clients: &[Curl],
        schemes: &[CredSspNegotiate, CredSspNtlm, CredSspKerberos],
        transports: BOTH,
        reason: "it has no CredSSP",
    },
    Absent {
        clients: &[RequestsCredSsp],
        schemes: &[Basic, Certificate, Ntlm, NegotiateNtlm, NegotiateKerberos, Kerberos],
        transports: BOTH,
        reason: "it supports CredSSP only",
    },
    Absent {
        clients: &[Winrs],
        schemes: &[Ntlm],
        transports: BOTH,
        reason: "it sends NTLM inside SPNEGO only, as Windows does",
    },
    Absent {
        clients: &[Winrs],
        schemes: &[CredSspNtlm],
        transports: BOTH,
        reason: "it has no switch for the protocol inside CredSSP: outside of a realm it is NTLM",
    },
];

/// Returns the reasons why a cell is absent; none if it is run.
pub(crate) fn reasons(
    client: Client,
    scheme: Scheme,
    transport: Transport,
) -> impl Iterator<Item = &'static str> {
    let of = move |absent: &&Absent| {
        absent.clients.contains(&client)
            && absent.schemes.contains(&scheme)
            && absent.transports.contains(&transport)
    };
    ABSENT.iter().filter(of).map(|absent| absent.reason)
}

/// Returns all cells of these schemes that can be run.
pub(crate) fn cells(schemes: &[Scheme]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for client in CLIENTS {
        for scheme in schemes.iter().copied() {
            for transport in BOTH.iter().copied() {
                if reasons(client, scheme, transport).next().is_some() {
                    continue;
                }
                for level in LEVELS {
                    let cell = Cell { client, scheme, transport, level, binding: Binding::ByDefault };
                    cells.push(cell);
                    let without = Cell { binding: Binding::SwitchedOff, ..cell };
                    cells.extend(without.can_switch_binding_off().then_some(without));
                }
            }
        }
    }
    cells
}

impl Cell {
    pub(crate) fn expected(self) -> Verdict {
        match (self.transport, self.client, self.scheme) {
            // It seals nothing, so it is not even offered.
            (Transport::Http, _, Basic) => Verdict::Refused,
            // Services offer Negotiate, under which others send NTLM; curl wants it offered by its own name.
            (_, Curl, Ntlm) => Verdict::Refused,
            (Transport::Http, Curl, _) => Verdict::LetIn(Protection::NoMessages),
            (Transport::Http, _, _) => Verdict::LetIn(Protection::Sealed),
            (Transport::Https, _, _) if self.level == Level::Strict && !self.is_bound() => Verdict::Refused,
            (Transport::Https, _, _) => Verdict::LetIn(Protection::Tls),
        }
    }

    /// Returns whether the sign-in is valid for this TLS connection alone, or has nothing that could be relayed.
    pub(crate) fn is_bound(self) -> bool {
        match (self.client, self.scheme) {
            // The client signs the handshake of this connection with the key of its certificate.
            (_, Certificate) => true,
            // Without tokens, there is nothing to bind; and CredSSP binds to the connection inside it.
            (_, Basic | CredSspNegotiate | CredSspNtlm | CredSspKerberos) => true,
            // curl has learned to bind in later versions only.
            (Curl, _) => false,
            _ => self.binding == Binding::ByDefault,
        }
    }

    fn can_switch_binding_off(self) -> bool {
        let has_switch = match self.client {
            Pywinrm | Pypsrp => {
                matches!(self.scheme, Ntlm | NegotiateNtlm | NegotiateKerberos | Kerberos)
            }
            Curl | RequestsCredSsp | Winrs => false,
        };
        has_switch && self.transport == Transport::Https
    }
}
