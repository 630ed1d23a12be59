//! Kerberos, before the service is asked: realm, KDC, clocks, ticket, and the name of the service.

use std::io;
use std::time::{Duration, SystemTime};

use auth::choice::Ntlm;
use client::{Error, Obstacle, ProbeResponse, Scheme, ServiceTicket, SignInCause, TicketResult};

use super::Patient;
use crate::connection::{ImplicitScheme, Login, PasswordScheme};
use crate::doctor::finding::Outcome;
use crate::doctor::round::Round;
use crate::doctor::{Check, words};
use crate::failure::Kind;
use crate::session::Service;

/// What the realm says, told as five checks; returns the login with its password, where there is one to try.
pub(super) async fn ask(
    patient: &Patient<'_>,
    greeting: Option<&ProbeResponse>,
    round: &mut Round<'_>,
) -> io::Result<Option<Login>> {
    if round.failed(&[Check::Schemes]).is_some() {
        for check in CHECKS {
            round.skip(check, &[Check::Schemes], "")?;
        }
        return Ok(None);
    }
    let login = patient.with_password();
    let standing = match &login {
        Ok(login) => standing(patient, login, greeting).await,
        // Signing in is where that is told.
        Err(_) => Standing::NotNeeded("nothing would be sent to the service".to_owned()),
    };
    tell(patient, &standing, greeting, round)?;
    Ok(match (login, standing) {
        (Err(failure), _) => {
            round.note(Check::SignIn, Outcome::from(&failure))?;
            None
        }
        (Ok(_), Standing::NoTicket) => {
            round.note(
                Check::SignIn,
                Outcome::skip("there is nobody to sign in as: add -username:NAME, or kinit"),
            )?;
            None
        }
        (Ok(login), _) => Some(login),
    })
}

/// How it stands with Kerberos.
enum Standing {
    /// It has no part in signing in, and why.
    NotNeeded(String),
    /// Nobody said who asks, and no ticket says it.
    NoTicket,
    Ticket(ServiceTicket),
    /// What failed; whether something else takes its place.
    Failed {
        cause: SignInCause,
        outcome: Outcome,
    },
    Late,
}

async fn standing(patient: &Patient<'_>, login: &Login, greeting: Option<&ProbeResponse>) -> Standing {
    let no_part = |why: &str| Standing::NotNeeded(why.to_owned());
    match login {
        Login::Anonymous => return no_part("nobody signs in, as -authentication:none says"),
        Login::Certificate(_) => return no_part("a certificate signs in without it"),
        Login::Password { scheme: Some(PasswordScheme::Basic | PasswordScheme::Digest), .. } => {
            return no_part("the scheme does without it");
        }
        _ => {}
    }
    let offers = |scheme: Scheme| {
        let offered = greeting.into_iter().flat_map(|greeting| &greeting.offered);
        offered.into_iter().any(|name| Scheme::from_challenge(name) == Some(scheme))
    };
    if ![Scheme::Kerberos, Scheme::Negotiate, Scheme::CredSsp].into_iter().any(offers) {
        return no_part("the service does not offer it");
    }
    let service = match patient.service(login.clone()) {
        Ok(service) => service,
        Err(_) => return no_part("nothing would be sent to the service"),
    };
    match tokio::time::timeout(LONGEST, service.session.request_ticket()).await {
        Err(_) => Standing::Late,
        Ok(Ok(TicketResult::Ticket(ticket))) => Standing::Ticket(ticket),
        Ok(Ok(_)) => no_part("the account or the host is of no realm"),
        Ok(Err(error)) => failed(&service, login, error),
    }
}

fn failed(service: &Service, login: &Login, error: Error) -> Standing {
    match &error {
        Error::SignIn { cause: SignInCause::NoTicket | SignInCause::NoKerberos, .. }
            if is_by_default(login) =>
        {
            Standing::NoTicket
        }
        Error::NoAllowedScheme { refusal, .. } if is_by_default(login) => {
            let needs_name =
                refusal.considered().iter().any(|(_, obstacle)| *obstacle == Obstacle::NeedsName);
            if needs_name {
                Standing::NotNeeded("Kerberos knows hosts by name only".to_owned())
            } else {
                Standing::NoTicket
            }
        }
        Error::SignIn { cause, ntlm, reason, .. } => {
            let (cause, ntlm) = (*cause, *ntlm);
            let seen = reason.lines().next().unwrap_or_default().to_owned();
            // What the realm has refused once is not tried again elsewhere: it could lock the account.
            let is_refused = matches!(
                cause,
                SignInCause::WrongPassword | SignInCause::UnknownUser | SignInCause::NotAllowed
            );
            let outcome = Outcome { seen, ..Outcome::from(&service.failure(error)) };
            let is_only_way = is_refused || ntlm == Ntlm::Forbidden;
            Standing::Failed { cause, outcome: if is_only_way { outcome } else { outcome.only_a_warning() } }
        }
        _ => Standing::NotNeeded("nothing would be sent to the service".to_owned()),
    }
}

/// Whether it was not said who asks, nor how.
fn is_by_default(login: &Login) -> bool {
    matches!(login, Login::Implicit { scheme: ImplicitScheme::Default, .. })
}

fn tell(
    patient: &Patient<'_>,
    standing: &Standing,
    greeting: Option<&ProbeResponse>,
    round: &mut Round<'_>,
) -> io::Result<()> {
    let failing = match standing {
        Standing::Failed { cause, .. } => Some(place_of(*cause)),
        Standing::Late => Some(Check::Kdc),
        _ => None,
    };
    let mut is_behind = false;
    for check in CHECKS {
        let outcome = match (standing, failing) {
            (_, Some(failing)) if failing == check => {
                is_behind = true;
                failure(standing)
            }
            (_, Some(failing)) if is_behind => Outcome::skip(format!("{} has failed", failing.name())),
            _ if check == Check::Clock => clock(greeting),
            (Standing::NotNeeded(why), _) => Outcome::skip(why.clone()),
            (Standing::NoTicket, _) => Outcome::skip("there is no ticket of Kerberos, and no -username"),
            (_, Some(_)) if check == Check::Kdc && needs_no_kdc(standing) => {
                Outcome::skip("none was asked: there is no ticket to ask with")
            }
            _ => passed(patient, check, standing),
        };
        round.note(check, outcome)?;
    }
    Ok(())
}

/// What is known of it where nothing failed before.
fn passed(patient: &Patient<'_>, check: Check, standing: &Standing) -> Outcome {
    let ticket = match standing {
        Standing::Ticket(ticket) => Some(ticket),
        _ => None,
    };
    Outcome::pass(match (check, ticket) {
        (Check::Realm, Some(ticket)) => ticket.user.rsplit('@').next().unwrap_or_default().to_owned(),
        (Check::Realm, None) => match &patient.connection.login {
            Login::Password { user, .. } => format!("that of {user}"),
            _ => "that of the user of this process".to_owned(),
        },
        (Check::Kdc, _) => "it answers".to_owned(),
        (Check::Ticket, Some(ticket)) => format!("the realm lets {} in", ticket.user),
        (Check::Spn, Some(ticket)) => format!("the realm knows the service as {}", ticket.service),
        _ => "nothing is wrong so far".to_owned(),
    })
}

fn failure(standing: &Standing) -> Outcome {
    match standing {
        Standing::Failed { outcome, .. } => outcome.clone(),
        _ => Outcome::fail(Kind::Authentication, "no KDC answers in time").fix(
            "the KDC must be in krb5.conf ([realms]) or in DNS (_kerberos._udp.REALM), and port 88 be open",
        ),
    }
}

fn needs_no_kdc(standing: &Standing) -> bool {
    let Standing::Failed { cause, .. } = standing else { return false };
    matches!(cause, SignInCause::NoTicket | SignInCause::TicketExpired)
}

/// The check that a failure belongs to.
fn place_of(cause: SignInCause) -> Check {
    match cause {
        SignInCause::NoKerberos => Check::Realm,
        SignInCause::KdcUnreachable => Check::Kdc,
        SignInCause::ClockSkew => Check::Clock,
        SignInCause::UnknownService => Check::Spn,
        _ => Check::Ticket,
    }
}

/// The clock of the service, by its answers.
fn clock(greeting: Option<&ProbeResponse>) -> Outcome {
    let Some(there) = greeting.and_then(|greeting| greeting.date) else {
        return Outcome::skip("the service does not say what the time is");
    };
    let apart = words::apart(there, SystemTime::now());
    if apart <= ALLOWED {
        return Outcome::pass("the clock of the service agrees with that of this machine");
    }
    Outcome::warn(format!(
        "the clocks are {} apart: at the service it is {}",
        words::span(apart),
        words::moment(there)
    ))
    .fix("set both by NTP: Kerberos allows five minutes, and certificates go by the clock, too")
}

const CHECKS: [Check; 5] = [Check::Clock, Check::Realm, Check::Kdc, Check::Ticket, Check::Spn];

/// What Kerberos allows (RFC 4120 1.6, `clockskew` of krb5.conf).
const ALLOWED: Duration = Duration::from_secs(300);

/// The library of Kerberos gives up after some tens of seconds.
const LONGEST: Duration = Duration::from_secs(60);
