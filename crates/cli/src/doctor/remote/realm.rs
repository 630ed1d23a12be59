//! Kerberos checks before the sign-in: clock, realm, KDC, ticket and service principal name.

use std::io;
use std::time::{Duration, SystemTime};

use auth::choice::Ntlm;
use client::{Error, Obstacle, ProbeResponse, Scheme, ServiceTicket, SignInCause, TicketResult};

use super::RemoteTarget;
use super::sign_in::{MAX_CLOCK_SKEW, is_offered};
use crate::connection::{ImplicitScheme, Login, PasswordScheme};
use crate::doctor::finding::Outcome;
use crate::doctor::runner::CheckRunner;
use crate::doctor::{Check, units};
use crate::failure::Kind;
use crate::session::RemoteService;

/// Runs the Kerberos checks. Returns the login with its password read, or `None` if sign-in cannot be tried.
pub(super) async fn check(
    target: &RemoteTarget<'_>,
    greeting: Option<&ProbeResponse>,
    runner: &mut CheckRunner<'_>,
) -> io::Result<Option<Login>> {
    if runner.failed(&[Check::Schemes]).is_some() {
        for check in CHECKS {
            runner.skip(check, &[Check::Schemes], "")?;
        }
        return Ok(None);
    }
    let login = target.with_password();
    let status = match &login {
        Ok(login) => request_ticket(target, login, greeting).await,
        // The failure is reported by the sign-in check.
        Err(_) => KerberosStatus::NotUsed("no credentials would be sent to the service".to_owned()),
    };
    record(target, &status, greeting, runner)?;
    Ok(match (login, status) {
        (Err(failure), _) => {
            runner.record(Check::SignIn, Outcome::from(&failure))?;
            None
        }
        (Ok(_), KerberosStatus::NoTicket) => {
            runner
                .record(Check::SignIn, Outcome::skip("no credentials: add -username:NAME, or run kinit"))?;
            None
        }
        (Ok(login), _) => Some(login),
    })
}

/// Result of requesting a Kerberos ticket for the service.
enum KerberosStatus {
    /// Kerberos is not used, for this reason.
    NotUsed(String),
    /// There is no ticket, and no user name was given.
    NoTicket,
    Ticket(ServiceTicket),
    /// The request failed; the outcome is a warning if NTLM can be used instead.
    Failed {
        cause: SignInCause,
        outcome: Outcome,
    },
    TimedOut,
}

async fn request_ticket(
    target: &RemoteTarget<'_>,
    login: &Login,
    greeting: Option<&ProbeResponse>,
) -> KerberosStatus {
    let not_used = |reason: &str| KerberosStatus::NotUsed(reason.to_owned());
    match login {
        Login::Anonymous => return not_used("no sign-in, because of -authentication:none"),
        Login::Certificate(_) => return not_used("not used with a client certificate"),
        Login::Password { scheme: Some(PasswordScheme::Basic | PasswordScheme::Digest), .. } => {
            return not_used("not used by the authentication scheme");
        }
        _ => {}
    }
    let schemes = [Scheme::Kerberos, Scheme::Negotiate, Scheme::CredSsp];
    if !greeting.is_some_and(|greeting| schemes.iter().any(|scheme| is_offered(greeting, *scheme))) {
        return not_used("not offered by the service");
    }
    let service = match target.service(login.clone()) {
        Ok(service) => service,
        Err(_) => return not_used("no credentials would be sent to the service"),
    };
    match tokio::time::timeout(LONGEST, service.session.request_ticket()).await {
        Err(_) => KerberosStatus::TimedOut,
        Ok(Ok(TicketResult::Ticket(ticket))) => KerberosStatus::Ticket(ticket),
        Ok(Ok(_)) => not_used("the account or the host belongs to no realm"),
        Ok(Err(error)) => failed(&service, login, error),
    }
}

fn failed(service: &RemoteService, login: &Login, error: Error) -> KerberosStatus {
    match &error {
        Error::SignIn { cause: SignInCause::NoTicket | SignInCause::NoKerberos, .. }
            if is_by_default(login) =>
        {
            KerberosStatus::NoTicket
        }
        Error::NoAllowedScheme { refusal, .. } if is_by_default(login) => {
            let needs_name =
                refusal.considered().iter().any(|(_, obstacle)| *obstacle == Obstacle::NeedsName);
            if needs_name {
                KerberosStatus::NotUsed("Kerberos requires a host name".to_owned())
            } else {
                KerberosStatus::NoTicket
            }
        }
        Error::SignIn { cause, ntlm, reason, .. } => {
            let (cause, ntlm) = (*cause, *ntlm);
            let seen = reason.lines().next().unwrap_or_default().to_owned();
            // Do not try credentials again that the realm has rejected: this could lock the account.
            let is_refused = matches!(
                cause,
                SignInCause::WrongPassword | SignInCause::UnknownUser | SignInCause::NotAllowed
            );
            let outcome = Outcome { seen, ..Outcome::from(&service.failure(error)) };
            let is_only_way = is_refused || ntlm == Ntlm::Forbidden;
            KerberosStatus::Failed {
                cause,
                outcome: if is_only_way { outcome } else { outcome.into_warning() },
            }
        }
        _ => KerberosStatus::NotUsed("no credentials would be sent to the service".to_owned()),
    }
}

/// Returns whether neither user nor authentication scheme were given.
fn is_by_default(login: &Login) -> bool {
    matches!(login, Login::Implicit { scheme: ImplicitScheme::Default, .. })
}

/// Records the five Kerberos checks.
fn record(
    target: &RemoteTarget<'_>,
    status: &KerberosStatus,
    greeting: Option<&ProbeResponse>,
    runner: &mut CheckRunner<'_>,
) -> io::Result<()> {
    let failing = match status {
        KerberosStatus::Failed { cause, .. } => Some(check_of(*cause)),
        KerberosStatus::TimedOut => Some(Check::Kdc),
        _ => None,
    };
    let mut has_failed = false;
    for check in CHECKS {
        let outcome = match (status, failing) {
            (_, Some(failing)) if failing == check => {
                has_failed = true;
                failure(status)
            }
            (_, Some(failing)) if has_failed => Outcome::skip(format!("{} failed", failing.name())),
            _ if check == Check::Clock => clock(greeting),
            (KerberosStatus::NotUsed(reason), _) => Outcome::skip(reason.clone()),
            (KerberosStatus::NoTicket, _) => Outcome::skip("no Kerberos ticket and no -username"),
            (_, Some(_)) if check == Check::Kdc && needs_no_kdc(status) => {
                Outcome::skip("no KDC was contacted, because there is no valid ticket")
            }
            _ => passed(target, check, status),
        };
        runner.record(check, outcome)?;
    }
    Ok(())
}

/// Returns the outcome of a check before the failing one, or of any check if there is a ticket.
fn passed(target: &RemoteTarget<'_>, check: Check, status: &KerberosStatus) -> Outcome {
    let ticket = match status {
        KerberosStatus::Ticket(ticket) => Some(ticket),
        _ => None,
    };
    Outcome::pass(match (check, ticket) {
        (Check::Realm, Some(ticket)) => ticket.user.rsplit('@').next().unwrap_or_default().to_owned(),
        (Check::Realm, None) => match &target.connection.login {
            Login::Password { user, .. } => format!("realm of {user}"),
            _ => "realm of the current user".to_owned(),
        },
        (Check::Kdc, _) => "the KDC responds".to_owned(),
        (Check::Ticket, Some(ticket)) => format!("the realm issued a ticket for {}", ticket.user),
        (Check::Spn, Some(ticket)) => format!("the realm knows the service as {}", ticket.service),
        _ => "no problem found".to_owned(),
    })
}

fn failure(status: &KerberosStatus) -> Outcome {
    match status {
        KerberosStatus::Failed { outcome, .. } => outcome.clone(),
        _ => Outcome::fail(Kind::Authentication, "the request to the KDC timed out")
            .fix("list the KDC in krb5.conf ([realms]) or in DNS (_kerberos._udp.REALM), and open port 88"),
    }
}

fn needs_no_kdc(status: &KerberosStatus) -> bool {
    let KerberosStatus::Failed { cause, .. } = status else { return false };
    matches!(cause, SignInCause::NoTicket | SignInCause::TicketExpired)
}

/// Returns the check that reports a failure.
fn check_of(cause: SignInCause) -> Check {
    match cause {
        SignInCause::NoKerberos => Check::Realm,
        SignInCause::KdcUnreachable => Check::Kdc,
        SignInCause::ClockSkew => Check::Clock,
        SignInCause::UnknownService => Check::Spn,
        _ => Check::Ticket,
    }
}

/// Compares the clock of this machine with the Date header of the service.
fn clock(greeting: Option<&ProbeResponse>) -> Outcome {
    let Some(remote) = greeting.and_then(|greeting| greeting.date) else {
        return Outcome::skip("the service sends no Date header");
    };
    let difference = units::difference(remote, SystemTime::now());
    if difference <= MAX_CLOCK_SKEW {
        return Outcome::pass("the clocks of the service and this machine agree");
    }
    Outcome::warn(format!(
        "the clocks differ by {}; time at the service: {}",
        units::duration_text(difference),
        units::time_text(remote)
    ))
    .fix("synchronize both clocks with NTP: Kerberos allows a difference of five minutes, and certificates expire by the clock")
}

const CHECKS: [Check; 5] = [Check::Clock, Check::Realm, Check::Kdc, Check::Ticket, Check::Spn];

/// Time limit of the ticket request; the Kerberos library itself stops after some tens of seconds.
const LONGEST: Duration = Duration::from_secs(60);
