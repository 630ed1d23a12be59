//! Numbers of authentication schemes in messages.

use auth::Scheme;

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
    all.into_iter().find(|scheme| scheme_number(*scheme) == number).ok_or(Malformed("unknown scheme"))
}
