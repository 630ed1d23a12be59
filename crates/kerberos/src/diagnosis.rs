//! Translation of library errors into [`KerberosError`].

use std::path::Path;

use crate::error::Mismatch;
use crate::library::{ERROR_BITS, Failure};
use crate::{KerberosError, Spn};

/// Operation that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation<'a> {
    /// Opening the keys of the service.
    OpenKeytab(Option<&'a Path>),
    /// Verifying a client's token.
    Accept(Option<&'a Path>),
    /// Obtaining the credentials of this client.
    SignIn(&'a str),
    /// Requesting a ticket of the service for this client, or verifying the service's answer.
    RequestService(&'a Spn, &'a str),
    /// Any other operation.
    Other,
}

/// Translates a failure, depending on the operation.
pub(crate) fn diagnose(failure: Failure, operation: Operation<'_>) -> KerberosError {
    use KerberosError as E;
    let Failure { function, major, minor, text: cause } = failure;
    let client = match operation {
        Operation::SignIn(client) | Operation::RequestService(_, client) => client.to_owned(),
        _ => "the client".to_owned(),
    };
    let keytab = match operation {
        Operation::OpenKeytab(keytab) | Operation::Accept(keytab) => keytab.map(Path::to_owned),
        _ => None,
    };
    match (operation, minor) {
        (Operation::OpenKeytab(_), _) if !is_configuration(minor) => {
            return E::Keytab { keytab, cause };
        }
        (
            Operation::Accept(_),
            KT_NOTFOUND | KT_KVNONOTFOUND | AP_ERR_NOT_US | AP_ERR_BADKEYVER | AP_ERR_NOKEY,
        ) => {
            return E::NoKey { keytab, cause };
        }
        // The key in the keytab differs from the key of the ticket.
        (Operation::Accept(_), AP_ERR_BAD_INTEGRITY | AP_ERR_MODIFIED) => {
            return E::NoKey { keytab, cause };
        }
        (Operation::Accept(_), KT_IOERR | ENOENT | EACCES | KT_FORMAT) => {
            return E::Keytab { keytab, cause };
        }
        (
            Operation::RequestService(spn, _),
            AP_ERR_BAD_INTEGRITY | AP_ERR_MODIFIED | AP_ERR_MUT_FAIL | MUTUAL_FAILED,
        ) => {
            return E::ServiceUnproven { spn: spn.clone(), cause };
        }
        (Operation::RequestService(spn, _), S_PRINCIPAL_UNKNOWN | NO_TKT_IN_RLM) => {
            return E::UnknownServer { spn: spn.clone(), cause };
        }
        _ => {}
    }
    match minor {
        AP_ERR_SKEW | KDCREP_SKEW => E::ClockSkew { cause },
        AP_ERR_TKT_EXPIRED => E::TicketExpired { cause },
        AP_ERR_REPEAT | RC_REPLAY => E::Replayed { cause },
        KDC_UNREACH | REALM_UNKNOWN | REALM_CANT_RESOLVE | HOST_REALM_UNKNOWN => E::KdcUnreachable { cause },
        C_PRINCIPAL_UNKNOWN => E::UnknownClient { principal: client, cause },
        PREAUTH_FAILED | PREAUTH_FAILED_HERE | AP_ERR_BAD_INTEGRITY => {
            E::WrongPassword { principal: client, cause }
        }
        CLIENT_REVOKED | KEY_EXP | NAME_EXP | CLIENT_NOTYET | POLICY | NULL_KEY => {
            E::NotAllowed { principal: client, cause }
        }
        KT_NOTFOUND | KEYTAB_NOMATCH | CC_NOTFOUND | FCC_NOFILE | FCC_PERM | CC_FORMAT | CC_IO
        | CCACHE_NOMATCH | TGT_MISSING | EMPTY_CCACHE => E::NoTicket { cause },
        ETYPE_NOSUPP | BAD_ENCTYPE | PROG_ETYPE_NOSUPP | CONFIG_ETYPE_NOSUPP | NOPERM_ETYPE | WRONG_ETYPE => {
            E::Encryption { cause }
        }
        _ if is_configuration(minor) => E::Configuration { cause },
        AP_ERR_BADVERSION | AP_ERR_MSG_TYPE => E::Malformed { cause },
        _ if (ASN1..ASN1 + 16).contains(&minor) => E::Malformed { cause },
        _ if major & DUPLICATE_TOKEN != 0 => E::Replayed { cause },
        _ => match major & ERROR_BITS {
            BAD_BINDINGS => E::ChannelBinding(Mismatch::Different),
            DEFECTIVE_TOKEN | BAD_MIC | BAD_MECH => E::Malformed { cause },
            CREDENTIALS_EXPIRED | CONTEXT_EXPIRED => E::TicketExpired { cause },
            NO_CRED if matches!(operation, Operation::SignIn(_) | Operation::RequestService(..)) => {
                E::NoTicket { cause }
            }
            // The library gives no minor status for tokens that it cannot parse.
            FAILURE if minor == 0 && matches!(operation, Operation::Accept(_)) => E::Malformed { cause },
            // The service has Kerberos keys, so the token is not a Kerberos token.
            NO_CRED if matches!(operation, Operation::Accept(_)) => E::Malformed { cause },
            _ => E::Other { function, cause },
        },
    }
}

fn is_configuration(minor: i32) -> bool {
    matches!(minor, CONFIG_CANTOPEN | CONFIG_BADFORMAT | CONFIG_NODEFREALM)
        || (PROFILE..PROFILE + 40).contains(&minor)
}

/// First error number of Kerberos (`krb5.h`); up to 127 they are those of the protocol (RFC 4120 7.5.9).
const KRB5: i32 = -1_765_328_384;
const NAME_EXP: i32 = KRB5 + 1;
const C_PRINCIPAL_UNKNOWN: i32 = KRB5 + 6;
const S_PRINCIPAL_UNKNOWN: i32 = KRB5 + 7;
const NULL_KEY: i32 = KRB5 + 9;
const POLICY: i32 = KRB5 + 12;
const ETYPE_NOSUPP: i32 = KRB5 + 14;
const CLIENT_REVOKED: i32 = KRB5 + 18;
const CLIENT_NOTYET: i32 = KRB5 + 21;
const KEY_EXP: i32 = KRB5 + 23;
const PREAUTH_FAILED: i32 = KRB5 + 24;
const AP_ERR_BAD_INTEGRITY: i32 = KRB5 + 31;
const AP_ERR_TKT_EXPIRED: i32 = KRB5 + 32;
const AP_ERR_REPEAT: i32 = KRB5 + 34;
const AP_ERR_NOT_US: i32 = KRB5 + 35;
const AP_ERR_SKEW: i32 = KRB5 + 37;
const AP_ERR_BADVERSION: i32 = KRB5 + 39;
const AP_ERR_MSG_TYPE: i32 = KRB5 + 40;
const AP_ERR_MODIFIED: i32 = KRB5 + 41;
const AP_ERR_BADKEYVER: i32 = KRB5 + 44;
const AP_ERR_NOKEY: i32 = KRB5 + 45;
const AP_ERR_MUT_FAIL: i32 = KRB5 + 46;
const CONFIG_CANTOPEN: i32 = KRB5 + 135;
const CONFIG_BADFORMAT: i32 = KRB5 + 136;
const CC_NOTFOUND: i32 = KRB5 + 141;
const KDCREP_SKEW: i32 = KRB5 + 148;
const PROG_ETYPE_NOSUPP: i32 = KRB5 + 150;
const WRONG_ETYPE: i32 = KRB5 + 152;
const REALM_UNKNOWN: i32 = KRB5 + 154;
const KDC_UNREACH: i32 = KRB5 + 156;
const MUTUAL_FAILED: i32 = KRB5 + 158;
const RC_REPLAY: i32 = KRB5 + 163;
const KT_NOTFOUND: i32 = KRB5 + 181;
const KT_IOERR: i32 = KRB5 + 184;
const NO_TKT_IN_RLM: i32 = KRB5 + 185;
const BAD_ENCTYPE: i32 = KRB5 + 188;
const CC_IO: i32 = KRB5 + 193;
const FCC_PERM: i32 = KRB5 + 194;
const FCC_NOFILE: i32 = KRB5 + 195;
const CC_FORMAT: i32 = KRB5 + 199;
const PREAUTH_FAILED_HERE: i32 = KRB5 + 210;
const HOST_REALM_UNKNOWN: i32 = KRB5 + 217;
const REALM_CANT_RESOLVE: i32 = KRB5 + 220;
const CONFIG_NODEFREALM: i32 = KRB5 + 224;
const KT_KVNONOTFOUND: i32 = KRB5 + 230;
const KT_FORMAT: i32 = KRB5 + 235;
const NOPERM_ETYPE: i32 = KRB5 + 236;
const CONFIG_ETYPE_NOSUPP: i32 = KRB5 + 237;

/// First error number of the parser of `krb5.conf` (`profile.h`).
const PROFILE: i32 = -1_429_577_728;

/// First error number of the ASN.1 parser.
const ASN1: i32 = 1_859_794_432;

/// First error number of the GSS mechanism.
const MECHANISM: i32 = 39_756_032;
const CCACHE_NOMATCH: i32 = MECHANISM;
const KEYTAB_NOMATCH: i32 = MECHANISM + 1;
const TGT_MISSING: i32 = MECHANISM + 2;
const EMPTY_CCACHE: i32 = MECHANISM + 12;

const ENOENT: i32 = 2;
const EACCES: i32 = 13;

/// Routine errors (RFC 2744 3.9.1).
const BAD_MECH: u32 = 1 << 16;
const BAD_BINDINGS: u32 = 4 << 16;
const BAD_MIC: u32 = 6 << 16;
const NO_CRED: u32 = 7 << 16;
const DEFECTIVE_TOKEN: u32 = 9 << 16;
const FAILURE: u32 = 13 << 16;
const CREDENTIALS_EXPIRED: u32 = 11 << 16;
const CONTEXT_EXPIRED: u32 = 12 << 16;
/// Supplementary bit: the token was seen before.
const DUPLICATE_TOKEN: u32 = 2;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use auth::AuthError;

    use super::*;

    fn failure(major: u32, minor: i32) -> Failure {
        Failure { function: "gss_some_function", major, minor, text: "the words of the library".to_owned() }
    }

    #[test]
    fn failures_are_translated_depending_on_the_operation() {
        use AuthError as A;
        let spn = Spn::parse("HTTP/web").unwrap();
        let accept = Operation::Accept(Some(Path::new("/etc/krb5.keytab")));
        let keytab = Operation::OpenKeytab(Some(Path::new("/etc/krb5.keytab")));
        let sign_in = Operation::SignIn("alice@EXAMPLE.COM");
        let reach = Operation::RequestService(&spn, "alice@EXAMPLE.COM");
        let malformed = A::Malformed("not a valid Kerberos token");
        for (operation, major, minor, words, verdict) in [
            (keytab, NO_CRED, KT_NOTFOUND, "cannot use keytab /etc/krb5.keytab", A::Unavailable),
            (keytab, FAILURE, KT_FORMAT, "cannot use keytab /etc/krb5.keytab", A::Unavailable),
            (keytab, FAILURE, CONFIG_BADFORMAT, "configuration", A::Unavailable),
            (accept, FAILURE, EACCES, "cannot use keytab /etc/krb5.keytab", A::Unavailable),
            (accept, FAILURE, KT_KVNONOTFOUND, "export the key to the keytab again", A::Unproven),
            (accept, FAILURE, AP_ERR_NOT_US, "add the requested principal", A::Unproven),
            (accept, FAILURE, AP_ERR_MODIFIED, "export the key to the keytab again", A::Unproven),
            (accept, FAILURE, AP_ERR_SKEW, "NTP", A::ClockSkew),
            (accept, FAILURE, AP_ERR_TKT_EXPIRED, "kinit", A::Unproven),
            (accept, FAILURE, AP_ERR_REPEAT, "used before", A::Unproven),
            (accept, FAILURE | DUPLICATE_TOKEN, 0, "used before", A::Unproven),
            (accept, DUPLICATE_TOKEN, 0, "used before", A::Unproven),
            (accept, FAILURE, ETYPE_NOSUPP, "permitted_enctypes", A::Downgraded("an encryption type")),
            (accept, FAILURE, ASN1 + 6, "malformed", malformed),
            (accept, FAILURE, AP_ERR_MSG_TYPE, "malformed", malformed),
            (accept, FAILURE, 0, "malformed", malformed),
            (accept, DEFECTIVE_TOKEN, 0, "malformed", malformed),
            (accept, NO_CRED, 0, "malformed", malformed),
            (accept, BAD_BINDINGS, 0, "channel binding", A::ChannelBinding),
            (
                sign_in,
                NO_CRED,
                PREAUTH_FAILED,
                "wrong password or key of alice@EXAMPLE.COM",
                A::WrongPassword,
            ),
            (
                sign_in,
                NO_CRED,
                AP_ERR_BAD_INTEGRITY,
                "wrong password or key of alice@EXAMPLE.COM",
                A::WrongPassword,
            ),
            (sign_in, NO_CRED, C_PRINCIPAL_UNKNOWN, "unknown principal alice@EXAMPLE.COM", A::WrongPassword),
            (sign_in, NO_CRED, KEY_EXP, "kpasswd alice@EXAMPLE.COM", A::NotAllowed),
            (sign_in, NO_CRED, CLIENT_REVOKED, "locked", A::NotAllowed),
            (sign_in, NO_CRED, POLICY, "alice@EXAMPLE.COM may not sign in", A::NotAllowed),
            (sign_in, NO_CRED, KDC_UNREACH, "port 88", A::Unavailable),
            (sign_in, NO_CRED, REALM_UNKNOWN, "upper case", A::Unavailable),
            (sign_in, NO_CRED, FCC_NOFILE, "kinit", A::Unavailable),
            (sign_in, NO_CRED, EMPTY_CCACHE, "kinit", A::Unavailable),
            (sign_in, NO_CRED, 0, "kinit", A::Unavailable),
            (sign_in, CREDENTIALS_EXPIRED, 0, "expired", A::Unproven),
            (sign_in, FAILURE, CONFIG_NODEFREALM, "default_realm", A::Unavailable),
            (sign_in, FAILURE, PROFILE + 15, "krb5.conf", A::Unavailable),
            (reach, FAILURE, S_PRINCIPAL_UNKNOWN, "setspn -S HTTP/web", A::Unavailable),
            (reach, FAILURE, NO_TKT_IN_RLM, "[domain_realm]", A::Unavailable),
            (reach, FAILURE, KDC_UNREACH, "port 88", A::Unavailable),
            (reach, FAILURE, KDCREP_SKEW, "NTP", A::ClockSkew),
            (reach, FAILURE, MUTUAL_FAILED, "identity of HTTP/web", A::Unproven),
            (reach, FAILURE, AP_ERR_BAD_INTEGRITY, "identity of HTTP/web", A::Unproven),
            (reach, DEFECTIVE_TOKEN, 0, "malformed", malformed),
            (Operation::Other, FAILURE, 77, "gss_some_function", A::Unavailable),
        ] {
            let shown = format!("{operation:?} {major:x} {minor}");
            let error = diagnose(failure(major, minor), operation);
            assert!(error.to_string().contains(words), "{shown}: {error}");
            assert_eq!(AuthError::from(&error), verdict, "{shown}: {error}");
            let has_cause = error.to_string().contains("the words of the library");
            assert!(has_cause || verdict == A::ChannelBinding, "{shown}: {error}");
        }
    }
}
