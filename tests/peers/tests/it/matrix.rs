//! Every client, every scheme, HTTP and HTTPS, every level of channel bindings: each cell is either run or in
//! [`ABSENT`] with the reason.
//!
//! A test walks many cells with few services, and names each that is not as it should be.

use telarch_peers::{
    Curl, KerberosPeer, Keys, PASSWORD, REALM, Relay, SignIn, Signed, Telarchd, USER, in_realm, walk,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Pywinrm,
    Pypsrp,
    Curl,
    RequestsCredSsp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Basic,
    Ntlm,
    NegotiateNtlm,
    NegotiateKerberos,
    Kerberos,
    CredSspNegotiate,
    CredSspNtlm,
    CredSspKerberos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Http,
    Https,
}

/// `CbtHardeningLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    None,
    Relaxed,
    Strict,
}

/// Whether a client that can bind to its TLS connection is left to do so, which all do by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binding {
    ByDefault,
    SwitchedOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    client: Client,
    scheme: Scheme,
    transport: Transport,
    level: Level,
    binding: Binding,
}

/// What is to become of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    LetIn(Protection),
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    Sealed,
    Tls,
    /// The sign-in is good, but the client cannot seal, so that no message of it is taken.
    NoMessages,
}

use Scheme::{
    Basic, CredSspKerberos, CredSspNegotiate, CredSspNtlm, Kerberos, NegotiateKerberos, NegotiateNtlm, Ntlm,
};

/// What cannot be tried, because the client has nothing of the kind.
const ABSENT: &[(Client, &[Scheme], &str)] = &[
    (
        Client::Pywinrm,
        &[NegotiateNtlm, NegotiateKerberos],
        "it has no SPNEGO: under Negotiate it sends the tokens of NTLM or Kerberos as they are",
    ),
    (Client::Curl, &[NegotiateNtlm], "its SPNEGO is that of MIT Kerberos, which has no NTLM"),
    (Client::Curl, &[Kerberos], "it has no scheme of this name: its Negotiate is Kerberos"),
    (Client::Curl, &[CredSspNegotiate, CredSspNtlm, CredSspKerberos], "it has no CredSSP"),
    (
        Client::RequestsCredSsp,
        &[Basic, Ntlm, NegotiateNtlm, NegotiateKerberos, Kerberos],
        "CredSSP is all it has",
    ),
];

const BY_PASSWORD: [Scheme; 5] = [Basic, Ntlm, NegotiateNtlm, CredSspNegotiate, CredSspNtlm];
const BY_TICKET: [Scheme; 3] = [NegotiateKerberos, Kerberos, CredSspKerberos];

#[test]
fn every_client_signs_in_by_each_scheme_with_a_password() {
    assert_as_expected(&cells(&BY_PASSWORD));
}

#[test]
fn every_client_signs_in_by_each_scheme_with_kerberos() {
    if !KerberosPeer::is_installed() {
        return;
    }
    let name = "matrix::every_client_signs_in_by_each_scheme_with_kerberos";
    in_realm(name, Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        assert_as_expected(&cells(&BY_TICKET));
    });
}

#[test]
fn a_wrong_password_is_refused_for_every_client_and_scheme() {
    let cells = cells(&BY_PASSWORD).into_iter().filter(|cell| cell.level == Level::Relaxed);
    let outcomes = outcomes(&cells.collect::<Vec<_>>(), "not the password");
    let let_in: Vec<_> = outcomes.iter().filter(|(_, verdict, _)| *verdict != Verdict::Refused).collect();
    assert!(let_in.is_empty(), "{let_in:#?}");
}

/// Clients that find no other scheme say `Kerberos`, and then call what they seal by that name.
#[test]
fn clients_that_support_kerberos_sign_in_if_it_is_the_only_scheme() {
    if !KerberosPeer::is_installed() {
        return;
    }
    let name = "matrix::clients_that_support_kerberos_sign_in_if_it_is_the_only_scheme";
    in_realm(name, Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        let service = Telarchd::start(&[("Service.Auth.Negotiate", "false")]);
        let cell = |transport| Cell {
            client: Client::Pypsrp,
            scheme: Kerberos,
            transport,
            level: Level::Relaxed,
            binding: Binding::ByDefault,
        };
        let [http, https] =
            [Transport::Http, Transport::Https].map(|at| cell(at).sign_in(&service, PASSWORD));
        assert_eq!(walk(&[http.clone(), https]), [Signed::Sealed, Signed::Open]);
        let ntlm = SignIn { client: "pywinrm", scheme: "ntlm", user: USER.to_owned(), ..http };
        assert!(matches!(walk(&[ntlm]).as_slice(), [Signed::Refused(_)]), "NTLM is no Kerberos");
    });
}

/// What a client has bound itself to is the certificate of who stands in between.
#[test]
fn a_relay_of_passwords_succeeds_only_without_channel_bindings() {
    assert_relayed_as_expected(&[Ntlm, NegotiateNtlm], PASSWORD);
}

#[test]
fn a_relay_of_tickets_succeeds_only_without_channel_bindings() {
    if !KerberosPeer::is_installed() {
        return;
    }
    let name = "matrix::a_relay_of_tickets_succeeds_only_without_channel_bindings";
    in_realm(name, Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        assert_relayed_as_expected(&[NegotiateKerberos, Kerberos], PASSWORD);
    });
}

fn assert_relayed_as_expected(schemes: &[Scheme], password: &str) {
    for level in LEVELS {
        let service = Telarchd::start(&[("Service.Auth.CbtHardeningLevel", &format!("{level:?}"))]);
        let relay = Relay::to(service.https());
        let cells = cells(schemes).into_iter().filter(|cell| {
            let is_bound = cell.binding == Binding::ByDefault && cell.client != Client::Curl;
            cell.transport == Transport::Https && cell.level == level && is_bound
        });
        let cells: Vec<Cell> = cells.collect();
        assert!(!cells.is_empty(), "nobody binds");
        let sign_ins = cells
            .iter()
            .map(|cell| SignIn { url: relay.url().to_owned(), ..cell.sign_in(&service, password) });
        for (cell, signed) in cells.iter().zip(walk(&sign_ins.collect::<Vec<_>>())) {
            let gets_in = match (level, cell.client, cell.scheme) {
                // Its first token, with which it does not wait to be asked, is bound to nothing.
                (Level::Relaxed, Client::Pywinrm, Kerberos) => true,
                _ => level == Level::None,
            };
            assert_eq!(signed == Signed::Open, gets_in, "{cell:?}: {signed:?}");
        }
    }
}

#[test]
fn each_absent_cell_is_listed_once_with_a_reason() {
    for (client, schemes, reason) in ABSENT {
        assert!(!reason.is_empty() && !schemes.is_empty(), "{client:?}");
        for scheme in *schemes {
            assert_eq!(reasons(*client, *scheme).count(), 1, "{client:?} {scheme:?}");
        }
    }
}

fn assert_as_expected(cells: &[Cell]) {
    let outcomes = outcomes(cells, PASSWORD);
    let wrong: Vec<_> = outcomes.iter().filter(|(cell, verdict, _)| *verdict != cell.expected()).collect();
    assert!(wrong.is_empty(), "{} of {} cells are not as expected: {wrong:#?}", wrong.len(), cells.len());
}

/// Lets everybody sign in to one service for each level; with what the client says.
fn outcomes(cells: &[Cell], password: &str) -> Vec<(Cell, Verdict, String)> {
    let [none, relaxed, strict] = LEVELS.map(|level| {
        let level = format!("{level:?}");
        let needed = cells.iter().any(|cell| format!("{:?}", cell.level) == level);
        needed.then(|| {
            Telarchd::start(&[("Service.Auth.CredSSP", "true"), ("Service.Auth.CbtHardeningLevel", &level)])
        })
    });
    let service = |cell: &Cell| match cell.level {
        Level::None => none.as_ref().expect("it was needed"),
        Level::Relaxed => relaxed.as_ref().expect("it was needed"),
        Level::Strict => strict.as_ref().expect("it was needed"),
    };
    let (with_curl, in_python): (Vec<Cell>, Vec<Cell>) =
        cells.iter().partition(|cell| cell.client == Client::Curl);
    let sign_ins: Vec<SignIn> = in_python.iter().map(|cell| cell.sign_in(service(cell), password)).collect();
    let in_python = in_python.into_iter().zip(walk(&sign_ins)).map(|(cell, signed)| {
        let verdict = match signed {
            Signed::Sealed => Verdict::LetIn(Protection::Sealed),
            Signed::Open => Verdict::LetIn(Protection::Tls),
            Signed::Refused(_) => Verdict::Refused,
        };
        (cell, verdict, format!("{signed:?}"))
    });
    let with_curl = with_curl.into_iter().map(|cell| {
        let (verdict, statuses) = cell.by_curl(service(&cell), password);
        (cell, verdict, format!("curl: without and with a message: {statuses:?}"))
    });
    let outcomes = in_python.chain(with_curl).collect();
    if cells.iter().any(|cell| cell.level == Level::Strict && !cell.is_bound()) && password == PASSWORD {
        let refused = strict.as_ref().expect("it was needed");
        refused.logged(&["Sign-in failed", "reason=channel binding does not match this connection"]);
    }
    outcomes
}

/// All that can be tried of these schemes.
fn cells(schemes: &[Scheme]) -> Vec<Cell> {
    let clients = [Client::Pywinrm, Client::Pypsrp, Client::Curl, Client::RequestsCredSsp];
    let mut cells = Vec::new();
    for client in clients {
        for scheme in schemes.iter().copied().filter(|scheme| reasons(client, *scheme).next().is_none()) {
            for transport in [Transport::Http, Transport::Https] {
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

fn reasons(client: Client, scheme: Scheme) -> impl Iterator<Item = &'static str> {
    let of = move |(absent, schemes, _): &&(Client, &[Scheme], &str)| {
        *absent == client && schemes.contains(&scheme)
    };
    ABSENT.iter().filter(of).map(|(_, _, reason)| *reason)
}

impl Cell {
    fn expected(self) -> Verdict {
        match (self.transport, self.client, self.scheme) {
            // It seals nothing, so it is not even offered.
            (Transport::Http, _, Basic) => Verdict::Refused,
            // Services offer Negotiate, under which others send NTLM; curl wants it offered by its own name.
            (_, Client::Curl, Ntlm) => Verdict::Refused,
            (Transport::Http, Client::Curl, _) => Verdict::LetIn(Protection::NoMessages),
            (Transport::Http, _, _) => Verdict::LetIn(Protection::Sealed),
            (Transport::Https, _, _) if self.level == Level::Strict && !self.is_bound() => Verdict::Refused,
            (Transport::Https, _, _) => Verdict::LetIn(Protection::Tls),
        }
    }

    /// Whether the token fits this TLS connection alone, or the scheme has nothing that could be relayed.
    fn is_bound(self) -> bool {
        match (self.client, self.scheme) {
            // Without tokens, there is nothing to bind; and CredSSP binds to the connection inside it.
            (_, Basic | CredSspNegotiate | CredSspNtlm | CredSspKerberos) => true,
            // curl has learned to bind in later versions only.
            (Client::Curl, _) => false,
            _ => self.binding == Binding::ByDefault,
        }
    }

    fn can_switch_binding_off(self) -> bool {
        let has_switch = match self.client {
            Client::Pywinrm | Client::Pypsrp => {
                matches!(self.scheme, Ntlm | NegotiateNtlm | NegotiateKerberos | Kerberos)
            }
            Client::Curl | Client::RequestsCredSsp => false,
        };
        has_switch && self.transport == Transport::Https
    }

    fn url(self, service: &Telarchd) -> String {
        let url = match self.transport {
            Transport::Http => service.http(),
            Transport::Https => service.https(),
        };
        // No address has a ticket.
        url.replace("127.0.0.1", "localhost")
    }

    fn sign_in(self, service: &Telarchd, password: &str) -> SignIn {
        let (scheme, inner) = match self.scheme {
            Basic => ("basic", None),
            Ntlm => ("ntlm", None),
            NegotiateNtlm | NegotiateKerberos => ("negotiate", None),
            Kerberos => ("kerberos", None),
            CredSspNegotiate => ("credssp", None),
            CredSspNtlm => ("credssp", Some("ntlm")),
            CredSspKerberos => ("credssp", Some("kerberos")),
        };
        SignIn {
            client: match self.client {
                Client::Pywinrm => "pywinrm",
                Client::Pypsrp => "pypsrp",
                Client::RequestsCredSsp => "requests_credssp",
                Client::Curl => panic!("curl is not in Python"),
            },
            scheme,
            inner,
            spn: "HTTP",
            sends_binding: self.binding == Binding::ByDefault,
            url: self.url(service),
            user: if BY_TICKET.contains(&self.scheme) { format!("{USER}@{REALM}") } else { USER.to_owned() },
            password: password.to_owned(),
        }
    }

    /// One request without a message and one with it.
    fn by_curl(self, service: &Telarchd, password: &str) -> (Verdict, [u16; 2]) {
        let (scheme, user) = match self.scheme {
            Basic => ("--basic", format!("{USER}:{password}")),
            Ntlm => ("--ntlm", format!("{USER}:{password}")),
            // Whoever has a ticket.
            NegotiateKerberos => ("--negotiate", ":".to_owned()),
            other => panic!("curl has no {other:?}"),
        };
        let curl = || Curl::to(&self.url(service)).scheme(scheme, &user);
        let statuses = [curl().last_status(), curl().body(IDENTIFY).last_status()];
        let verdict = match statuses {
            [200, 200] if self.transport == Transport::Https => Verdict::LetIn(Protection::Tls),
            [200, 500] => Verdict::LetIn(Protection::NoMessages),
            [401, 401] => Verdict::Refused,
            other => panic!("{self:?}: {other:?}"),
        };
        (verdict, statuses)
    }
}

const LEVELS: [Level; 3] = [Level::None, Level::Relaxed, Level::Strict];

const IDENTIFY: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body><i:Identify xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"/></s:Body></s:Envelope>"#;
