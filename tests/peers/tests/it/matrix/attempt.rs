//! Sign-ins of the cells by real clients.

use telarch_peers::{Curl, Holder, PASSWORD, Password, REALM, SignIn, Signed, Telarchd, USER, Winrs, walk};

use super::cell::{BY_TICKET, Binding, Cell, Client, Protection, Scheme, Transport, Verdict};

/// Sign-in of one cell at an address.
pub(crate) struct Attempt<'a> {
    cell: Cell,
    url: String,
    password: &'a str,
    holder: Option<&'a Holder>,
}

/// Result of an attempt, with the words of the client.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) cell: Cell,
    pub(crate) verdict: Verdict,
    #[expect(dead_code, reason = "shown if a test fails")]
    words: String,
}

/// Runs all attempts, those of Python in one process.
pub(crate) fn run_all(attempts: &[Attempt<'_>]) -> Vec<Outcome> {
    let is_python = |attempt: &&Attempt<'_>| !matches!(attempt.cell.client, Client::Curl | Client::Winrs);
    let (in_python, others): (Vec<_>, Vec<_>) = attempts.iter().partition(is_python);
    let sign_ins: Vec<SignIn> = in_python.iter().map(|attempt| attempt.in_python()).collect();
    let in_python = in_python.iter().zip(walk(&sign_ins)).map(|(attempt, signed)| {
        let verdict = match signed {
            Signed::Sealed => Verdict::LetIn(Protection::Sealed),
            Signed::Open => Verdict::LetIn(Protection::Tls),
            Signed::Refused(_) => Verdict::Refused,
        };
        Outcome { cell: attempt.cell, verdict, words: format!("{signed:?}") }
    });
    let others = others.iter().map(|attempt| match attempt.cell.client {
        Client::Curl => attempt.by_curl(),
        _ => attempt.by_winrs(),
    });
    in_python.chain(others).collect()
}

impl<'a> Attempt<'a> {
    /// Creates the attempt at a service, by the name that the realm knows.
    pub(crate) fn at(service: &Telarchd, cell: Cell) -> Self {
        let url = match cell.transport {
            Transport::Http => service.http(),
            Transport::Https => service.https(),
        };
        let url = url.replace("127.0.0.1", "localhost");
        Self { cell, url, password: PASSWORD, holder: None }
    }

    pub(crate) fn through(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    pub(crate) fn with_password(self, password: &'a str) -> Self {
        Self { password, ..self }
    }

    pub(crate) fn with_holder(self, holder: Option<&'a Holder>) -> Self {
        Self { holder, ..self }
    }

    fn holder(&self) -> &'a Holder {
        self.holder.expect("cells of Certificate have a certificate")
    }

    fn in_python(&self) -> SignIn {
        let (scheme, inner) = match self.cell.scheme {
            Scheme::Basic => ("basic", None),
            Scheme::Certificate => ("certificate", None),
            Scheme::Ntlm => ("ntlm", None),
            Scheme::NegotiateNtlm | Scheme::NegotiateKerberos => ("negotiate", None),
            Scheme::Kerberos => ("kerberos", None),
            Scheme::CredSspNegotiate => ("credssp", None),
            Scheme::CredSspNtlm => ("credssp", Some("ntlm")),
            Scheme::CredSspKerberos => ("credssp", Some("kerberos")),
        };
        SignIn {
            client: match self.cell.client {
                Client::Pywinrm => "pywinrm",
                Client::Pypsrp => "pypsrp",
                Client::RequestsCredSsp => "requests_credssp",
                other => panic!("{other:?} is not in Python"),
            },
            scheme,
            inner,
            spn: "HTTP",
            sends_binding: self.cell.binding == Binding::ByDefault,
            url: self.url.clone(),
            user: if BY_TICKET.contains(&self.cell.scheme) { principal() } else { USER.to_owned() },
            password: self.password.to_owned(),
            certificate: (self.cell.scheme == Scheme::Certificate)
                .then(|| [self.holder().certificate(), self.holder().key()]),
        }
    }

    /// Sends a request without a message and one with it.
    fn by_curl(&self) -> Outcome {
        let user = format!("{USER}:{}", self.password);
        let curl = || {
            let curl = Curl::to(&self.url);
            match self.cell.scheme {
                Scheme::Basic => curl.scheme("--basic", &user),
                Scheme::Certificate => curl.certificate(self.holder(), "1.3"),
                Scheme::Ntlm => curl.scheme("--ntlm", &user),
                // The name comes from the ticket.
                Scheme::NegotiateKerberos => curl.scheme("--negotiate", ":"),
                other => panic!("curl has no {other:?}"),
            }
        };
        let statuses = [curl().last_status(), curl().body(IDENTIFY).last_status()];
        let verdict = match statuses {
            [200, 200] if self.cell.transport == Transport::Https => Verdict::LetIn(Protection::Tls),
            [200, 500] => Verdict::LetIn(Protection::NoMessages),
            [401, 401] => Verdict::Refused,
            other => panic!("{:?}: {other:?}", self.cell),
        };
        let words = format!("curl: without and with a message: {statuses:?}");
        Outcome { cell: self.cell, verdict, words }
    }

    /// Sends a large input to a command and reads it back.
    fn by_winrs(&self) -> Outcome {
        let input: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let run = self.winrs().run(&["cat"], &input);
        let verdict = match (run.code, self.cell.transport) {
            // The client sends no open message over HTTP unless `-unencrypted` allows it.
            (0, Transport::Http) => Verdict::LetIn(Protection::Sealed),
            (0, Transport::Https) => Verdict::LetIn(Protection::Tls),
            (CREDENTIALS_REJECTED, _) => Verdict::Refused,
            // The client does not send a password over HTTP in plain text.
            (DENIED, Transport::Http) if self.cell.scheme == Scheme::Basic => Verdict::Refused,
            _ => panic!("{:?}: {run:?}", self.cell),
        };
        assert!(verdict == Verdict::Refused || run.stdout == input, "{:?}: {run:?}", self.cell);
        Outcome { cell: self.cell, verdict, words: format!("{run:?}") }
    }

    fn winrs(&self) -> Winrs {
        let winrs = Winrs::to(&self.url).switch("-exitcode:detailed");
        let winrs = match self.cell.transport {
            Transport::Http => winrs,
            Transport::Https => winrs.switch("-skipCAcheck").switch("-skipCNcheck"),
        };
        // NTLM does not prove the identity of the service, so the client sends it to trusted hosts only.
        let winrs = winrs.setting(r#"Client.TrustedHosts = "localhost""#);
        let winrs = winrs.password(Password::Environment(self.password));
        // With a password, a realm is asked only for hosts with a name, and `localhost` is every host.
        let by_principal = |winrs: Winrs| winrs.user(Some(&principal())).switch("-spn:HTTP/localhost");
        match self.cell.scheme {
            Scheme::Basic => winrs.switch("-authentication:basic"),
            Scheme::Certificate => winrs.certificate(self.holder()),
            Scheme::NegotiateNtlm => winrs.switch("-authentication:negotiate"),
            // With the password of the principal; `Kerberos` uses the ticket.
            Scheme::NegotiateKerberos => by_principal(winrs.switch("-authentication:negotiate")),
            Scheme::Kerberos => winrs.switch("-authentication:kerberos").user(None),
            Scheme::CredSspNegotiate => winrs.switch("-authentication:credssp").setting(CREDSSP),
            Scheme::CredSspKerberos => by_principal(winrs.switch("-authentication:credssp").setting(CREDSSP)),
            other => panic!("winrs has no {other:?}"),
        }
    }
}

fn principal() -> String {
    format!("{USER}@{REALM}")
}

/// Clients do not delegate passwords by default.
const CREDSSP: &str = "Client.Auth.CredSSP = true";

/// Exit status of `-exitcode:detailed` for rejected credentials.
const CREDENTIALS_REJECTED: i32 = 4;
/// Exit status of `-exitcode:detailed` for a denied operation.
const DENIED: i32 = 5;

const IDENTIFY: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body><i:Identify xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"/></s:Body></s:Envelope>"#;
