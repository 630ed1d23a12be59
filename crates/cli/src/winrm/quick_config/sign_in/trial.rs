//! Sign-ins at the listeners of this machine: with a password that was just entered, or with a Kerberos ticket.

use std::time::Duration;

use auth::{Scheme, SchemeReport, SchemeState, ServicePrincipalName};
use client::{SignInCause, TicketResult};

use super::account::PasswordLogin;
use crate::connection::{
    Connection, Delegation, ImplicitScheme, Login, PasswordScheme, ServiceName, SpnPort, Target, Trust,
    Verification,
};
use crate::endpoint::{Endpoint, Transport};
use crate::failure::Failure;
use crate::secret::PasswordSource;
use crate::session::RemoteService;
use crate::settings::ClientSettings;
use crate::sign_in_analysis::SignInAnalysis;

/// Results at the listeners.
#[derive(Default)]
pub(super) struct Trials {
    /// Listeners that responded, each with the schemes that it offers.
    offers: Vec<(Endpoint, Vec<String>)>,
    /// Sign-ins that were tried.
    pub(super) sign_ins: Vec<SignIn>,
    /// Listeners that did not respond, each with the reason.
    pub(super) silent: Vec<(Endpoint, String)>,
    /// Whether a password was given.
    has_password: bool,
}

/// A sign-in that was tried.
pub(super) struct SignIn {
    pub(super) scheme: Scheme,
    pub(super) listener: Endpoint,
    /// Account name or principal.
    pub(super) user: String,
    /// The reason of a failure, in one line.
    pub(super) result: Result<(), String>,
}

/// Credentials for sign-ins.
enum Proof<'a> {
    Password(&'a PasswordLogin),
    /// The Kerberos ticket of the user who runs quickconfig, with its principal.
    Ticket(String),
    /// The realm issued no ticket for the service, with the reason.
    TicketRefused(String),
    None,
}

impl Trials {
    /// Signs in at each listener with each usable scheme for which the password or a ticket suffices. Without a
    /// password, a Kerberos ticket of the user who runs quickconfig is used if there is one.
    pub(super) async fn run(
        analysis: &SignInAnalysis,
        login: Option<&PasswordLogin>,
        awaited: Option<Scheme>,
    ) -> Self {
        let mut trials = Self { has_password: login.is_some(), ..Self::default() };
        for listener in &analysis.listeners {
            match offers(listener, awaited).await {
                Ok(schemes) => trials.offers.push((listener.clone(), schemes)),
                Err(reason) => trials.silent.push((listener.clone(), reason)),
            }
        }
        let proof = match (login, trials.offers.first()) {
            (Some(login), _) => Proof::Password(login),
            (None, Some((listener, _))) if uses_kerberos(analysis) => ticket(listener).await,
            _ => Proof::None,
        };
        for (listener, offered) in trials.offers.clone() {
            for own in &analysis.report.schemes {
                if matches!(own.state, SchemeState::Usable(_)) && is_offered(own.scheme, &listener, &offered)
                {
                    trials.sign_ins.extend(proof.sign_in(own, &listener).await);
                }
            }
        }
        trials
    }

    /// Returns whether users can sign in, as far as that was tried: with a password that was given, a sign-in succeeded;
    /// without one, a listener offers a scheme that did not fail for the ticket of the user who runs quickconfig.
    pub(super) fn has_success(&self, analysis: &SignInAnalysis) -> bool {
        let has_signed_in = self.sign_ins.iter().any(|own| own.result.is_ok());
        let can_sign_in =
            |own: &SchemeReport| !self.offering(own.scheme).is_empty() && !self.has_only_failed(own);
        has_signed_in || (!self.has_password && usable(&analysis.report.schemes).any(can_sign_in))
    }

    /// Returns whether every sign-in with a scheme failed. A ticket proves nothing about NTLM, which is part of the
    /// same scheme.
    fn has_only_failed(&self, own: &SchemeReport) -> bool {
        let has_other_proof = matches!(&own.state, SchemeState::Usable(by) if by.contains("NTLM: "));
        let mut tried = self.sign_ins.iter().filter(|tried| tried.scheme == own.scheme).peekable();
        !has_other_proof && tried.peek().is_some() && tried.all(|tried| tried.result.is_err())
    }

    /// Returns the listeners that offer a scheme.
    pub(super) fn offering(&self, scheme: Scheme) -> Vec<String> {
        let offering = self.offers.iter().filter(|(listener, offered)| is_offered(scheme, listener, offered));
        offering.map(|(listener, _)| listener.to_string()).collect()
    }
}

impl Proof<'_> {
    /// Signs in at a listener; `None` if a scheme needs something else.
    async fn sign_in(&self, own: &SchemeReport, listener: &Endpoint) -> Option<SignIn> {
        let result = |user: &str, result| SignIn {
            scheme: own.scheme,
            listener: listener.clone(),
            user: user.to_owned(),
            result,
        };
        let (user, login) = match self {
            Self::Password(login) => {
                let scheme = password_scheme(own.scheme, &login.user)?;
                let password = PasswordSource::Argument(login.password.clone());
                let user = login.user.clone();
                let login = Login::Password { scheme: Some(scheme), user, password, spn: SpnPort::Left };
                (self.user(), login)
            }
            Self::Ticket(user) if is_kerberos(own) => {
                let scheme = match own.scheme {
                    Scheme::Kerberos => ImplicitScheme::Kerberos,
                    _ => ImplicitScheme::Negotiate,
                };
                (user.as_str(), Login::Implicit { scheme, spn: SpnPort::Left })
            }
            Self::TicketRefused(reason) if is_kerberos(own) => return Some(result("", Err(reason.clone()))),
            _ => return None,
        };
        let signed_in = match connect(listener, login) {
            Ok(service) => {
                let identified = service.session.identify().await;
                identified.map(drop).map_err(|error| service.failure(error).headline())
            }
            Err(failure) => Err(failure.headline()),
        };
        Some(result(user, signed_in))
    }

    fn user(&self) -> &str {
        match self {
            Self::Password(login) => &login.user,
            Self::Ticket(user) => user,
            Self::TicketRefused(_) | Self::None => "",
        }
    }
}

/// Returns how a password is used with a scheme. Kerberos needs a user of a realm.
fn password_scheme(scheme: Scheme, user: &str) -> Option<PasswordScheme> {
    match scheme {
        Scheme::Negotiate => Some(PasswordScheme::Negotiate),
        Scheme::Kerberos if user.contains('@') => Some(PasswordScheme::Kerberos),
        Scheme::CredSsp => Some(PasswordScheme::CredSsp),
        Scheme::Basic => Some(PasswordScheme::Basic),
        _ => None,
    }
}

fn usable(schemes: &[SchemeReport]) -> impl Iterator<Item = &SchemeReport> {
    schemes.iter().filter(|own| matches!(own.state, SchemeState::Usable(_)))
}

/// Returns whether a ticket suffices for a scheme. CredSSP needs a password.
fn is_kerberos(own: &SchemeReport) -> bool {
    match &own.state {
        SchemeState::Usable(_) if own.scheme == Scheme::Kerberos => true,
        SchemeState::Usable(by) => own.scheme == Scheme::Negotiate && by.starts_with("Kerberos: "),
        _ => false,
    }
}

/// Returns whether the service has keys for Kerberos and a scheme that uses them.
pub(super) fn uses_kerberos(analysis: &SignInAnalysis) -> bool {
    analysis.report.schemes.iter().any(is_kerberos)
}

/// Returns whether a listener offers a scheme. A client certificate is offered in the TLS handshake, not in a header.
/// Basic is tried over HTTPS only.
fn is_offered(scheme: Scheme, listener: &Endpoint, offered: &[String]) -> bool {
    let is_https = listener.transport() == Transport::Https;
    match scheme {
        Scheme::Certificate => is_https,
        Scheme::Basic if !is_https => false,
        _ => offered.iter().any(|name| name.eq_ignore_ascii_case(scheme.name())),
    }
}

/// Returns the schemes that a listener offers. Waits for one that has just become available.
async fn offers(listener: &Endpoint, awaited: Option<Scheme>) -> Result<Vec<String>, String> {
    let service = connect(listener, Login::Anonymous).map_err(|failure| failure.headline())?;
    let mut attempts = 0;
    loop {
        let offered = service.session.probe().await;
        let offered = offered.map_err(|error| service.failure(error).headline())?.offered;
        let is_complete =
            awaited.is_none_or(|scheme| offered.iter().any(|name| name.eq_ignore_ascii_case(scheme.name())));
        attempts += 1;
        if is_complete || attempts >= MOST_PROBES {
            return Ok(offered);
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

/// Requests a ticket for the service with the ticket of the user who runs quickconfig.
async fn ticket(listener: &Endpoint) -> Proof<'static> {
    let login = Login::Implicit { scheme: ImplicitScheme::Kerberos, spn: SpnPort::Left };
    let Ok(service) = connect(listener, login) else { return Proof::None };
    match tokio::time::timeout(REQUEST, service.session.request_ticket()).await {
        Ok(Ok(TicketResult::Ticket(ticket))) => Proof::Ticket(ticket.user),
        Ok(Err(client::Error::SignIn { cause, reason, .. })) => match cause {
            SignInCause::NoTicket | SignInCause::TicketExpired | SignInCause::NoKerberos => Proof::None,
            _ => Proof::TicketRefused(reason.lines().next().unwrap_or_default().to_owned()),
        },
        Err(_) => Proof::TicketRefused("the KDC does not respond".to_owned()),
        Ok(_) => Proof::None,
    }
}

/// Connects to a listener of this machine. Its certificate is not verified: the address is the service's own.
///
/// Kerberos knows the service by the name of the machine.
fn connect(listener: &Endpoint, login: Login) -> Result<RemoteService, Failure> {
    let trust = Trust { issuer: Verification::Skipped, name: Verification::Skipped, ..Trust::default() };
    let host = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let service_name = match ServicePrincipalName::new(auth::ServiceClass::Http, &host, None) {
        Ok(name) => ServiceName::Explicit(name),
        Err(_) => ServiceName::default(),
    };
    let target = Target::Remote(listener.clone());
    let timeout = Some(REQUEST);
    let connection = Connection { target, login, service_name, trust, timeout, ..Connection::default() };
    let settings = ClientSettings::new(config::Client::default());
    RemoteService::new(connection, &settings, Delegation::Refused)
}

/// Time limit of a request to a listener or to a KDC.
const REQUEST: Duration = Duration::from_secs(20);
/// Number of attempts until a new account makes a scheme available.
const MOST_PROBES: u32 = 60;
/// Time between two attempts.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Address;

    fn report(scheme: Scheme, by: &str) -> SchemeReport {
        SchemeReport { scheme, state: SchemeState::Usable(by.to_owned()) }
    }

    #[test]
    fn tickets_suffice_for_schemes_with_kerberos() {
        assert!(is_kerberos(&report(Scheme::Kerberos, "principals of the realm")));
        assert!(is_kerberos(&report(Scheme::Negotiate, "Kerberos: principals; NTLM: accounts")));
        assert!(!is_kerberos(&report(Scheme::Negotiate, "NTLM: accounts of the service")));
        assert!(!is_kerberos(&report(Scheme::CredSsp, "Kerberos: principals")));
        let off = SchemeReport { scheme: Scheme::Kerberos, state: SchemeState::Disabled };
        assert!(!is_kerberos(&off));
    }

    #[test]
    fn a_scheme_has_failed_if_every_sign_in_with_its_only_proof_failed() {
        let listener = Address::parse("http://127.0.0.1:5985/wsman").unwrap();
        let listener = listener.complete(Transport::Http, None);
        let tried = |result: Result<(), String>| SignIn {
            scheme: Scheme::Negotiate,
            listener: listener.clone(),
            user: "ann@LAB".to_owned(),
            result,
        };
        let trials = |sign_ins| Trials { sign_ins, ..Trials::default() };
        let refused = || tried(Err("no account".to_owned()));
        let kerberos = report(Scheme::Negotiate, "Kerberos: principals");
        let both = report(Scheme::Negotiate, "Kerberos: principals; NTLM: accounts");
        assert!(trials(vec![refused(), refused()]).has_only_failed(&kerberos));
        assert!(!trials(vec![refused(), tried(Ok(()))]).has_only_failed(&kerberos));
        assert!(!trials(vec![refused()]).has_only_failed(&both));
        assert!(!trials(vec![refused()]).has_only_failed(&report(Scheme::Basic, "users")));
        assert!(!trials(Vec::new()).has_only_failed(&kerberos));
    }

    #[test]
    fn a_password_of_a_local_account_is_not_sent_to_a_realm() {
        assert_eq!(password_scheme(Scheme::Kerberos, "ann"), None);
        assert_eq!(password_scheme(Scheme::Kerberos, "ann@LAB"), Some(PasswordScheme::Kerberos));
        assert_eq!(password_scheme(Scheme::Negotiate, "ann"), Some(PasswordScheme::Negotiate));
        assert_eq!(password_scheme(Scheme::Certificate, "ann"), None);
    }
}
