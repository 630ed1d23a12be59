//! Signing in, as the command line says and by the other schemes that the service offers.
//!
//! A password that was refused once is not sent again: a service counts wrong ones, and locks the account.

use std::io;
use std::time::Duration;

use client::{Error, ProbeResponse, SignInCause};

use super::{Patient, seconds};
use crate::connection::{ImplicitScheme, Login, PasswordScheme, Unencrypted};
use crate::doctor::finding::{Outcome, Scheme};
use crate::doctor::round::Round;
use crate::doctor::{Check, words};
use crate::session::{Proven, Service};

/// Signs in, and by the other schemes too; returns the service that somebody is signed in to.
pub(super) async fn try_all(
    patient: &Patient<'_>,
    login: Option<Login>,
    greeting: Option<&ProbeResponse>,
    round: &mut Round<'_>,
) -> io::Result<Option<Service>> {
    let Some(login) = login else {
        if round.failed(&[Check::Schemes]).is_some() {
            round.skip(Check::SignIn, &[Check::Schemes], "")?;
        }
        return Ok(None);
    };
    if login == Login::Anonymous {
        round.note(Check::SignIn, Outcome::skip("nobody signs in, as -authentication:none says"))?;
        return Ok(None);
    }
    let service = match patient.service(login.clone()) {
        Ok(service) => service,
        Err(failure) => {
            round.note(Check::SignIn, Outcome::from(&failure))?;
            return Ok(None);
        }
    };
    let mut is_refused = false;
    let signing_in = async {
        match sign_in(&service).await {
            Ok(()) => Outcome::pass(said(patient, &login)).alone(),
            Err(error) => {
                is_refused = refuses_the_password(&error);
                (told(patient, &service, error, greeting), None)
            }
        }
    };
    let signed = round.look(Check::SignIn, NEEDS, seconds(60), signing_in).await?;
    let blocked = round.failed(NEEDS).is_some();
    if !blocked {
        others(patient, &login, greeting, is_refused, round).await?;
    }
    Ok(signed.map(|()| service))
}

async fn sign_in(service: &Service) -> Result<(), Error> {
    debug_assert_eq!(service.login, Proven::Yes);
    service.session.identify().await.map(drop)
}

/// Who has signed in.
fn said(patient: &Patient<'_>, login: &Login) -> String {
    match login {
        Login::Password { user, scheme: None, .. } => format!("the service lets {user} in"),
        Login::Password { user, scheme: Some(scheme), .. } => {
            format!("the service lets {user} in by {}", name_of(*scheme))
        }
        Login::Certificate(_) => "the service lets the holder of the certificate in".to_owned(),
        _ => format!("the service lets the owner of the ticket in at {}", patient.host()),
    }
}

/// Why it does not work, with what the usual hint cannot know.
fn told(patient: &Patient<'_>, service: &Service, error: Error, greeting: Option<&ProbeResponse>) -> Outcome {
    let (is_password_refused, is_refused) =
        (refuses_the_password(&error), matches!(error, Error::AuthenticationFailed { .. }));
    let is_kerberos =
        matches!(&error, Error::AuthenticationFailed { tried: Some(client::Scheme::Kerberos), .. });
    let mut outcome = Outcome::from(&service.failure(error));
    let host = patient.host();
    if is_kerberos {
        outcome = outcome.first_fix(format!(
            "the key of the service may have changed: write its keytab anew; on {host}, journalctl -u telarchd tells why a ticket is not taken"
        ));
    } else if is_password_refused && is_refused {
        outcome = outcome.fix(format!(
            "it may be locked after wrong passwords, disabled, or without a rule that lets it in: on {host}, journalctl -u telarchd (Windows: the log Security) tells which"
        ));
        if patient.endpoint().transport() == client::Transport::Https {
            outcome = outcome.fix(format!(
                "a proxy that ends TLS on the way breaks channel bindings: on {host}, winrm get winrm/config/service/auth shows CbtHardeningLevel"
            ));
        }
    }
    if is_refused && let Some(apart) = clocks_apart(greeting) {
        outcome = outcome.fix(format!(
            "the clocks are {} apart, which NTLM may mind as well: set both by NTP",
            words::span(apart)
        ));
    }
    outcome
}

fn clocks_apart(greeting: Option<&ProbeResponse>) -> Option<Duration> {
    let there = greeting?.date?;
    let apart = words::apart(there, std::time::SystemTime::now());
    (apart > Duration::from_secs(300)).then_some(apart)
}

/// Whether somebody has judged the password and did not like it.
fn refuses_the_password(error: &Error) -> bool {
    match error {
        Error::AuthenticationFailed { offered, tried: Some(tried), .. } => {
            offered.iter().any(|name| client::Scheme::from_challenge(name) == Some(*tried))
        }
        Error::SignIn { cause, .. } => matches!(
            cause,
            SignInCause::WrongPassword
                | SignInCause::UnknownUser
                | SignInCause::NotAllowed
                | SignInCause::Refused
        ),
        _ => false,
    }
}

/// The schemes that nobody asked for, each as a line of its own.
async fn others(
    patient: &Patient<'_>,
    login: &Login,
    greeting: Option<&ProbeResponse>,
    is_refused: bool,
    round: &mut Round<'_>,
) -> io::Result<()> {
    let offered = greeting.map(|greeting| greeting.offered.as_slice()).unwrap_or_default();
    let is_offered = |scheme| offered.iter().any(|name| client::Scheme::from_challenge(name) == Some(scheme));
    for (scheme, password) in SCHEMES {
        if !is_offered(known_as(password)) || patient.chosen() == Some(password) {
            continue;
        }
        let Some(other) = by(login, password) else { continue };
        let check = Check::By(scheme);
        if is_refused {
            round.note(
                check,
                Outcome::skip("the password was refused, and another try could lock the account"),
            )?;
            continue;
        }
        if let Some(why) = kept_back(patient, password) {
            round.note(check, Outcome::skip(why))?;
            continue;
        }
        let service = match patient.service(other) {
            Ok(service) => service,
            Err(failure) => {
                round.note(check, Outcome::skip(failure.headline()))?;
                continue;
            }
        };
        if let Err(error) = service.session.check_sign_in() {
            round.note(check, Outcome::skip(service.failure(error).headline()))?;
            continue;
        }
        let trying = async {
            match sign_in(&service).await {
                Ok(()) => Outcome::pass(format!("it works: -authentication:{}", name_of(password))).alone(),
                Err(error) => Outcome::from(&service.failure(error)).only_a_warning().alone(),
            }
        };
        let limit = seconds(30);
        let limit = crate::doctor::round::Limit { late: limit.late.only_a_warning(), ..limit };
        round.look(check, &[], limit, trying).await?;
    }
    Ok(())
}

/// Why a scheme is not tried unless a switch asks for it.
fn kept_back(patient: &Patient<'_>, scheme: PasswordScheme) -> Option<&'static str> {
    match scheme {
        PasswordScheme::CredSsp => {
            Some("it hands the password over to the service: -authentication:credssp tries it")
        }
        PasswordScheme::Basic | PasswordScheme::Digest
            if !patient.is_proven_by_tls() && patient.connection.unencrypted == Unencrypted::Refused =>
        {
            Some(
                "nothing proves who would get the password: it is tried over HTTPS with a certificate that is checked",
            )
        }
        _ => None,
    }
}

/// The same login by another scheme; none where it cannot be.
fn by(login: &Login, scheme: PasswordScheme) -> Option<Login> {
    match (login.clone(), scheme) {
        (Login::Password { user, password, spn, .. }, scheme) => {
            Some(Login::Password { scheme: Some(scheme), user, password, spn })
        }
        (Login::Implicit { scheme: ImplicitScheme::Default, spn }, PasswordScheme::Kerberos) => {
            Some(Login::Implicit { scheme: ImplicitScheme::Kerberos, spn })
        }
        (Login::Implicit { scheme: ImplicitScheme::Default, spn }, PasswordScheme::Negotiate) => {
            Some(Login::Implicit { scheme: ImplicitScheme::Negotiate, spn })
        }
        _ => None,
    }
}

/// As the client knows it.
pub(super) fn known_as(scheme: PasswordScheme) -> client::Scheme {
    match scheme {
        PasswordScheme::Basic => client::Scheme::Basic,
        PasswordScheme::Digest => client::Scheme::Digest,
        PasswordScheme::Negotiate => client::Scheme::Negotiate,
        PasswordScheme::Kerberos => client::Scheme::Kerberos,
        PasswordScheme::CredSsp => client::Scheme::CredSsp,
    }
}

fn name_of(scheme: PasswordScheme) -> &'static str {
    match scheme {
        PasswordScheme::Basic => "basic",
        PasswordScheme::Digest => "digest",
        PasswordScheme::Negotiate => "negotiate",
        PasswordScheme::Kerberos => "kerberos",
        PasswordScheme::CredSsp => "credssp",
    }
}

/// Every scheme that is offered by name, the best first.
const SCHEMES: [(Scheme, PasswordScheme); 5] = [
    (Scheme::Kerberos, PasswordScheme::Kerberos),
    (Scheme::Negotiate, PasswordScheme::Negotiate),
    (Scheme::CredSsp, PasswordScheme::CredSsp),
    (Scheme::Basic, PasswordScheme::Basic),
    (Scheme::Digest, PasswordScheme::Digest),
];

/// What signing in hangs on.
const NEEDS: &[Check] = &[Check::Schemes, Check::Realm, Check::Kdc, Check::Clock, Check::Ticket, Check::Spn];
