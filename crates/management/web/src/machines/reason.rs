//! Errors of the client in words for the console. They quote nothing but faults of WS-Management.

use client::{Error, SignInCause, TlsError, Waiting};

/// Returns why a machine cannot be used, and what to do.
pub(super) fn reason(error: &Error) -> String {
    let text = match error {
        Error::NotResolved { host, .. } => format!("the name {host} cannot be resolved"),
        Error::Connect { address, source } => format!("cannot connect to {address}: {source}"),
        Error::ConnectTimedOut { address, .. } => {
            format!("{address} does not answer; the machine may be down, or a firewall drops the packets")
        }
        Error::TimedOut { what: Waiting::Silence | Waiting::Total, .. } => {
            "the machine did not answer in time".to_owned()
        }
        Error::Disconnected { address, .. } => format!("{address} closed the connection"),
        Error::Tls { reason, .. } => tls(reason),
        Error::AuthenticationFailed { tried: None, .. } => {
            "the machine offers no authentication scheme that this console can use".to_owned()
        }
        Error::AuthenticationFailed { .. } => "the machine rejects the user name or the password".to_owned(),
        Error::SignIn { cause, .. } => sign_in(*cause).to_owned(),
        Error::Refused { .. } | Error::NoAllowedScheme { .. } => {
            "credentials are sent over HTTP only if Kerberos proves the identity of the machine; use https"
                .to_owned()
        }
        Error::Http { status } | Error::NoMessage { status, .. } => {
            format!("the server answers HTTP {status}, and not with WS-Management")
        }
        Error::Protocol { .. } => "the response is no valid HTTP or WS-Management".to_owned(),
        Error::Fault(fault) => fault.to_string().lines().next().unwrap_or_default().to_owned(),
        Error::OutputTooLarge { .. } => "the response is too long".to_owned(),
        error => error.to_string(),
    };
    text.chars().filter(|one| !one.is_control() || *one == '\n').take(MAX_REASON).collect()
}

fn tls(error: &TlsError) -> String {
    match error {
        TlsError::Untrusted => "no trusted authority has signed the certificate of the machine".to_owned(),
        TlsError::WrongName { .. } => "the certificate of the machine is for another name".to_owned(),
        TlsError::WrongPin { .. } => {
            "the machine presents another certificate than the trusted one".to_owned()
        }
        TlsError::Expired => "the certificate of the machine has expired".to_owned(),
        TlsError::NotYetValid => {
            "the certificate of the machine is not yet valid; compare the clocks of both machines".to_owned()
        }
        TlsError::WrongPurpose => "the certificate of the machine is not for servers".to_owned(),
        TlsError::NotTls => "the server does not speak TLS; the port may be for http".to_owned(),
        _ => "the TLS handshake failed".to_owned(),
    }
}

fn sign_in(cause: SignInCause) -> &'static str {
    match cause {
        SignInCause::WrongPassword | SignInCause::UnknownUser | SignInCause::Refused => {
            "the machine rejects the user name or the password"
        }
        SignInCause::NotAllowed => "the account is locked, disabled or expired",
        SignInCause::ClockSkew => "the clocks of both machines differ too much",
        SignInCause::KdcUnreachable => "no Kerberos key distribution center answers",
        SignInCause::ServiceUnproven => "the machine did not prove its identity",
        _ => "the sign-in failed",
    }
}

/// Returns whether another certificate would help: the user may trust the presented one.
pub(super) fn is_about_trust(error: &Error) -> bool {
    let Error::Tls { reason, .. } = error else { return false };
    matches!(reason, TlsError::Untrusted | TlsError::WrongName { .. } | TlsError::WrongPin { .. })
}

/// Returns whether the machine answered the request itself with a fault.
pub(super) fn is_fault(error: &Error) -> bool {
    matches!(error, Error::Fault(_))
}

const MAX_REASON: usize = 500;
