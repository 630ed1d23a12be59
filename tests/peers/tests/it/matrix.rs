//! Every client, every scheme, HTTP and HTTPS, every level of channel bindings: each cell is either run or in
//! [`cell::ABSENT`] with the reason.
//!
//! A test runs many cells with few services, and names each that is not as expected.

mod attempt;
mod cell;

use telarch_peers::{Holder, PASSWORD, Relay, Telarchd, map_certificates};

use crate::realm::with_ticket;
use attempt::{Attempt, Outcome, run_all};
use cell::{
    ABSENT, BY_CERTIFICATE, BY_PASSWORD, BY_TICKET, Binding, Cell, Client, LEVELS, Level, Protection, Scheme,
    Transport, Verdict, cells, reasons,
};

#[test]
fn every_client_signs_in_by_each_scheme_with_a_password() {
    assert_as_expected(&cells(&BY_PASSWORD));
}

#[test]
fn every_client_signs_in_by_each_scheme_with_kerberos() {
    with_ticket("matrix::every_client_signs_in_by_each_scheme_with_kerberos", || {
        assert_as_expected(&cells(&BY_TICKET));
    });
}

#[test]
fn every_client_signs_in_with_a_certificate() {
    let cells = cells(&BY_CERTIFICATE);
    let clients = [Client::Pywinrm, Client::Pypsrp, Client::Curl, Client::Winrs];
    let levels = clients.map(|client| cells.iter().filter(|cell| cell.client == client).count());
    assert_eq!(levels, [3; 4], "each client runs at each level");
    assert_as_expected(&cells);
}

#[test]
fn a_wrong_password_is_refused_for_every_client_and_scheme() {
    let cells = cells(&BY_PASSWORD).into_iter().filter(|cell| cell.level == Level::Relaxed);
    let services = Services::start(None);
    assert_refused(&services.run(&cells.collect::<Vec<_>>(), "not the password", None));
}

#[test]
fn a_certificate_without_a_mapping_is_refused_for_every_client_and_level() {
    let [ada, eve] = ["ada@corp.example"; 2].map(Holder::self_signed);
    let services = Services::start(Some(&ada));
    assert_refused(&services.run(&cells(&BY_CERTIFICATE), PASSWORD, Some(&eve)));
}

/// Clients that find no other scheme say `Kerberos`, and then call what they seal by that name.
#[test]
fn clients_that_support_kerberos_sign_in_if_it_is_the_only_scheme() {
    with_ticket("matrix::clients_that_support_kerberos_sign_in_if_it_is_the_only_scheme", || {
        let service = Telarchd::start(&[("Service.Auth.Negotiate", "false")]);
        let attempt = |client, scheme, transport| {
            let (level, binding) = (Level::Relaxed, Binding::ByDefault);
            Attempt::at(&service, Cell { client, scheme, transport, level, binding })
        };
        let both = [Transport::Http, Transport::Https];
        let clients = [Client::Pypsrp, Client::Winrs];
        let attempts =
            clients.map(|client| both.map(|transport| attempt(client, Scheme::Kerberos, transport)));
        for outcome in run_all(&attempts.into_iter().flatten().collect::<Vec<_>>()) {
            assert_eq!(outcome.verdict, outcome.cell.expected(), "{outcome:?}");
        }
        // NTLM is not Kerberos.
        assert_refused(&run_all(&[attempt(Client::Pywinrm, Scheme::Ntlm, Transport::Http)]));
    });
}

/// A client that is connected to a relay binds its sign-in to the certificate of the relay.
#[test]
fn a_relay_of_passwords_succeeds_only_without_channel_bindings() {
    assert_relayed_as_expected(&[Scheme::Ntlm, Scheme::NegotiateNtlm]);
}

#[test]
fn a_relay_of_tickets_succeeds_only_without_channel_bindings() {
    with_ticket("matrix::a_relay_of_tickets_succeeds_only_without_channel_bindings", || {
        assert_relayed_as_expected(&[Scheme::NegotiateKerberos, Scheme::Kerberos]);
    });
}

/// A relay does not have the key that signs the handshake with the service.
#[test]
fn a_relay_of_certificates_never_succeeds() {
    let ada = Holder::self_signed("ada@corp.example");
    let services = Services::start(Some(&ada));
    for level in LEVELS {
        let service = services.of(level);
        let relay = Relay::to(service.https());
        let cells = cells(&BY_CERTIFICATE).into_iter().filter(|cell| cell.level == level);
        let attempts =
            cells.map(|cell| Attempt::at(service, cell).with_holder(Some(&ada)).through(relay.url()));
        assert_refused(&run_all(&attempts.collect::<Vec<_>>()));
    }
}

fn assert_relayed_as_expected(schemes: &[Scheme]) {
    let services = Services::start(None);
    for level in LEVELS {
        let service = services.of(level);
        let relay = Relay::to(service.https());
        let cells = cells(schemes).into_iter().filter(|cell| {
            let is_bound = cell.binding == Binding::ByDefault && cell.client != Client::Curl;
            cell.transport == Transport::Https && cell.level == level && is_bound
        });
        let attempts: Vec<_> = cells.map(|cell| Attempt::at(service, cell).through(relay.url())).collect();
        assert!(!attempts.is_empty(), "no client binds");
        for outcome in run_all(&attempts) {
            let gets_in = match (level, outcome.cell.client, outcome.cell.scheme) {
                // It sends its first token without being asked, and binds it to nothing.
                (Level::Relaxed, Client::Pywinrm, Scheme::Kerberos) => true,
                _ => level == Level::None,
            };
            assert_eq!(outcome.verdict == Verdict::LetIn(Protection::Tls), gets_in, "{outcome:?}");
        }
    }
}

#[test]
fn each_absent_cell_is_listed_once_with_a_reason() {
    for absent in ABSENT {
        assert!(!absent.reason.is_empty(), "{:?} {:?}", absent.clients, absent.schemes);
        for client in absent.clients {
            for scheme in absent.schemes {
                for transport in absent.transports {
                    let count = reasons(*client, *scheme, *transport).count();
                    assert_eq!(count, 1, "{client:?} {scheme:?} {transport:?}");
                }
            }
        }
    }
}

fn assert_as_expected(cells: &[Cell]) {
    let needs_certificate = cells.iter().any(|cell| cell.scheme == Scheme::Certificate);
    let ada = needs_certificate.then(|| Holder::self_signed("ada@corp.example"));
    let services = Services::start(ada.as_ref());
    let outcomes = services.run(cells, PASSWORD, ada.as_ref());
    let wrong: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.verdict != outcome.cell.expected()).collect();
    assert!(wrong.is_empty(), "{} of {} cells are not as expected: {wrong:#?}", wrong.len(), cells.len());
    if cells.iter().any(|cell| cell.level == Level::Strict && !cell.is_bound()) {
        let reason = "reason=channel binding does not match this connection";
        services.of(Level::Strict).logged(&["Sign-in failed", reason]);
    }
}

fn assert_refused(outcomes: &[Outcome]) {
    let let_in: Vec<_> = outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Refused).collect();
    assert!(!outcomes.is_empty() && let_in.is_empty(), "{let_in:#?}");
}

/// One service for each level, each with every scheme enabled.
struct Services([(Level, Telarchd); 3]);

impl Services {
    /// Starts the services and maps the certificate of a holder to the account.
    fn start(holder: Option<&Holder>) -> Self {
        Self(LEVELS.map(|level| {
            let name = format!("{level:?}");
            let service = Telarchd::start(&[
                ("Service.Auth.CredSSP", "true"),
                ("Service.Auth.Certificate", "true"),
                ("Service.Auth.CbtHardeningLevel", &name),
            ]);
            if let Some(holder) = holder {
                map_certificates(&service, &holder.thumbprint(), "*");
            }
            (level, service)
        }))
    }

    fn of(&self, level: Level) -> &Telarchd {
        let service = self.0.iter().find(|(own, _)| *own == level);
        &service.expect("there is one for each level").1
    }

    fn run(&self, cells: &[Cell], password: &str, holder: Option<&Holder>) -> Vec<Outcome> {
        let attempts = cells
            .iter()
            .map(|cell| Attempt::at(self.of(cell.level), *cell).with_password(password).with_holder(holder));
        run_all(&attempts.collect::<Vec<_>>())
    }
}
