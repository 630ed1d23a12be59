//! Sign-in with the requested scheme and with the other schemes that the service offers.
//!
//! A rejected password is not sent again, because repeated failures can lock the account.

use std::io;
use std::time::Duration;

use client::{Error, ProbeResponse, SignInCause};

use super::{RemoteTarget, seconds};
use crate::connection::{ImplicitScheme, Login, PasswordScheme, Unencrypted};
use crate::doctor::finding::{Outcome, Scheme};
use crate::doctor::runner::CheckRunner;
use crate::doctor::{Check, units};
use crate::session::{Authenticated, RemoteService};

/// Default of the clock difference that Kerberos allows (RFC 4120, 1.6; `clockskew` in krb5.conf).
pub(super) const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Runs the sign-in checks. Returns the service with an authenticated session, or `None` if the sign-in failed.
pub(super) async fn check(
    target: &RemoteTarget<'_>,
    login: Option<Login>,
    greeting: Option<&ProbeResponse>,
    runner: &mut CheckRunner<'_>,
) -> io::Result<Option<RemoteService>> {
    let Some(login) = login else {
        if runner.failed(&[Check::Schemes]).is_some() {
            runner.skip(Check::SignIn, &[Check::Schemes], "")?;
        }
        return Ok(None);
    };
    if login == Login::Anonymous {
        runner.record(Check::SignIn, Outcome::skip("no sign-in, because of -authentication:none"))?;
        return Ok(None);
    }
    let service = match target.service(login.clone()) {
        Ok(service) => service,
        Err(failure) => {
            runner.record(Check::SignIn, Outcome::from(&failure))?;
            return Ok(None);
        }
    };
    let mut is_rejected = false;
    let signing_in = async {
        match sign_in(&service).await {
            Ok(()) => Outcome::pass(success_text(target, &service, &login)).without_data(),
            Err(error) => {
                is_rejected = rejects_password(&error);
                (failure(target, &service, error, greeting), None)
            }
        }
    };
    let signed_in = runner.run(Check::SignIn, NEEDS, seconds(60), signing_in).await?;
    let blocked = runner.failed(NEEDS).is_some();
    if !blocked {
        check_other_schemes(target, &login, greeting, is_rejected, runner).await?;
    }
    Ok(signed_in.map(|()| service))
}

async fn sign_in(service: &RemoteService) -> Result<(), Error> {
    debug_assert_eq!(service.authenticated, Authenticated::Yes);
    service.session.identify().await.map(drop)
}

/// Returns the text for a successful sign-in.
fn success_text(target: &RemoteTarget<'_>, service: &RemoteService, login: &Login) -> String {
    match login {
        Login::Password { user, scheme: None, .. }
            if service.session.scheme() == Some(client::Scheme::Basic) =>
        {
            format!("signed in as {user} with basic, because no other scheme works")
        }
        Login::Password { user, scheme: None, .. } => format!("signed in as {user}"),
        Login::Password { user, scheme: Some(scheme), .. } => {
            format!("signed in as {user} with {}", name_of(*scheme))
        }
        Login::Certificate(_) => "signed in with the client certificate".to_owned(),
        _ => format!("signed in to {} with the Kerberos ticket", target.host()),
    }
}

/// Returns the outcome of a failed sign-in, with advice that depends on the other checks.
fn failure(
    target: &RemoteTarget<'_>,
    service: &RemoteService,
    error: Error,
    greeting: Option<&ProbeResponse>,
) -> Outcome {
    let password_rejected = rejects_password(&error);
    let rejected_by_service = matches!(error, Error::AuthenticationFailed { .. });
    let is_kerberos =
        matches!(&error, Error::AuthenticationFailed { tried: Some(client::Scheme::Kerberos), .. });
    let mut outcome = Outcome::from(&service.failure(error));
    let host = target.host();
    if is_kerberos {
        outcome = outcome.first_fix(format!(
            "the key of the service may have changed: recreate its keytab; on {host}, journalctl -u telarchd shows why the ticket was rejected"
        ));
    } else if password_rejected && rejected_by_service {
        outcome = outcome.fix(format!(
            "the account may be locked, disabled or not permitted to sign in: on {host}, see journalctl -u telarchd (Windows: the Security log)"
        ));
        if target.endpoint().transport() == client::Transport::Https {
            outcome = outcome.fix(format!(
                "a proxy that terminates TLS breaks channel bindings: on {host}, check CbtHardeningLevel with winrm get winrm/config/service/auth"
            ));
        }
    }
    if rejected_by_service && let Some(difference) = clock_skew(greeting) {
        outcome = outcome.fix(format!(
            "the clocks differ by {}, which NTLM may reject as well: synchronize both with NTP",
            units::duration_text(difference)
        ));
    }
    outcome
}

/// Returns the clock difference to the service if it is larger than allowed.
fn clock_skew(greeting: Option<&ProbeResponse>) -> Option<Duration> {
    let remote = greeting?.date?;
    let difference = units::difference(remote, std::time::SystemTime::now());
    (difference > MAX_CLOCK_SKEW).then_some(difference)
}

/// Returns whether the service or the realm has checked and rejected the password.
fn rejects_password(error: &Error) -> bool {
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

/// Tries the offered schemes that were not requested, each as a separate check.
async fn check_other_schemes(
    target: &RemoteTarget<'_>,
    login: &Login,
    greeting: Option<&ProbeResponse>,
    is_rejected: bool,
    runner: &mut CheckRunner<'_>,
) -> io::Result<()> {
    for (scheme, password) in SCHEMES {
        let is_offered = greeting.is_some_and(|greeting| is_offered(greeting, client_scheme(password)));
        if !is_offered || target.requested_scheme() == Some(password) {
            continue;
        }
        let Some(other) = with_scheme(login, password) else { continue };
        let check = Check::By(scheme);
        if is_rejected {
            runner.record(
                check,
                Outcome::skip("the password was rejected; another attempt could lock the account"),
            )?;
            continue;
        }
        if let Some(reason) = reason_to_skip(target, password) {
            runner.record(check, Outcome::skip(reason))?;
            continue;
        }
        let service = match target.service(other) {
            Ok(service) => service,
            Err(failure) => {
                runner.record(check, Outcome::skip(failure.headline()))?;
                continue;
            }
        };
        if let Err(error) = service.session.check_sign_in() {
            runner.record(check, Outcome::skip(service.failure(error).headline()))?;
            continue;
        }
        let trying = async {
            match sign_in(&service).await {
                Ok(()) => {
                    Outcome::pass(format!("works with -authentication:{}", name_of(password))).without_data()
                }
                Err(error) => Outcome::from(&service.failure(error)).into_warning().without_data(),
            }
        };
        let limit = seconds(30);
        let limit = crate::doctor::runner::Limit { late: limit.late.into_warning(), ..limit };
        runner.run(check, &[], limit, trying).await?;
    }
    Ok(())
}

/// Returns the reason why a scheme is tried only if a switch requests it.
fn reason_to_skip(target: &RemoteTarget<'_>, scheme: PasswordScheme) -> Option<&'static str> {
    match scheme {
        PasswordScheme::CredSsp => {
            Some("delegates the password to the service; use -authentication:credssp to try it")
        }
        PasswordScheme::Basic | PasswordScheme::Digest
            if !target.is_proven_by_tls() && target.connection.unencrypted == Unencrypted::Refused =>
        {
            Some(
                "the identity of the service is not verified; this scheme is tried only over HTTPS with a verified certificate",
            )
        }
        _ => None,
    }
}

/// Returns the login with another scheme, or `None` if the scheme cannot use these credentials.
fn with_scheme(login: &Login, scheme: PasswordScheme) -> Option<Login> {
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

/// Returns whether the service offers a scheme.
pub(super) fn is_offered(greeting: &ProbeResponse, scheme: client::Scheme) -> bool {
    greeting.offered.iter().any(|name| client::Scheme::from_challenge(name) == Some(scheme))
}

/// Returns the scheme as a value of the client.
pub(super) fn client_scheme(scheme: PasswordScheme) -> client::Scheme {
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

/// Schemes in order of preference.
const SCHEMES: [(Scheme, PasswordScheme); 5] = [
    (Scheme::Kerberos, PasswordScheme::Kerberos),
    (Scheme::Negotiate, PasswordScheme::Negotiate),
    (Scheme::CredSsp, PasswordScheme::CredSsp),
    (Scheme::Basic, PasswordScheme::Basic),
    (Scheme::Digest, PasswordScheme::Digest),
];

/// Checks that the sign-in depends on.
const NEEDS: &[Check] = &[Check::Schemes, Check::Realm, Check::Kdc, Check::Clock, Check::Ticket, Check::Spn];
