//! What schemes, errors and channel bindings are called in messages.

use auth::{AuthError, ChannelBinding, Scheme};

use crate::wire::Malformed;

pub(crate) fn scheme_number(scheme: Scheme) -> u8 {
    match scheme {
        Scheme::Negotiate => 1,
        Scheme::Kerberos => 2,
        Scheme::CredSsp => 3,
        Scheme::Basic => 4,
        Scheme::Certificate => 5,
        _ => 6,
    }
}

pub(crate) fn scheme(number: u8) -> Result<Scheme, Malformed> {
    let all = [
        Scheme::Negotiate,
        Scheme::Kerberos,
        Scheme::CredSsp,
        Scheme::Basic,
        Scheme::Certificate,
        Scheme::Local,
    ];
    all.into_iter().find(|scheme| scheme_number(*scheme) == number).ok_or(Malformed("no scheme"))
}

/// The binding that application data stand for.
pub(crate) fn binding(application_data: &[u8]) -> Result<ChannelBinding, Malformed> {
    let hash = application_data.strip_prefix(b"tls-server-end-point:");
    let hash = hash.filter(|hash| hash.len() <= 64).ok_or(Malformed("no channel binding"))?;
    Ok(ChannelBinding::tls_server_end_point(hash))
}

/// What a refusal is called on the wire; words stay in the log of the broker.
pub(crate) fn error_number(error: AuthError) -> (u8, u32) {
    match error {
        AuthError::WrongPassword => (1, 0),
        AuthError::NotAllowed => (2, 0),
        AuthError::Malformed(_) => (4, 0),
        AuthError::Downgraded(_) => (5, 0),
        AuthError::ChannelBinding => (6, 0),
        AuthError::OtherService => (7, 0),
        AuthError::Unproven => (8, 0),
        AuthError::NoMechanism => (9, 0),
        AuthError::ClockSkew => (10, 0),
        AuthError::Refused(status) => (11, status),
        _ => (3, 0),
    }
}

pub(crate) fn error(number: u8, status: u32) -> Result<AuthError, Malformed> {
    Ok(match number {
        1 => AuthError::WrongPassword,
        2 => AuthError::NotAllowed,
        3 => AuthError::Unavailable,
        4 => AuthError::Malformed("the broker's log says how"),
        5 => AuthError::Downgraded("the broker's log says which"),
        6 => AuthError::ChannelBinding,
        7 => AuthError::OtherService,
        8 => AuthError::Unproven,
        9 => AuthError::NoMechanism,
        10 => AuthError::ClockSkew,
        11 => AuthError::Refused(status),
        _ => return Err(Malformed("an error that nobody knows")),
    })
}
