//! What a number means in practice, and what to do about it.

mod beyond;
mod protocol;
mod windows;
mod wmi;

use super::Kind;
use crate::codes::Code;

/// What is known about one or more error numbers.
#[derive(Debug)]
pub struct Hint {
    codes: &'static [u32],
    /// The sort of failure.
    pub kind: Kind,
    /// What it is, in a few words.
    pub what: &'static str,
    /// What to do, a line each; `{host}` stands for the other machine.
    pub way_out: &'static [&'static str],
}

impl Hint {
    /// What is known about a number, or about the Win32 code inside it.
    #[must_use]
    pub fn find(code: Code) -> Option<&'static Self> {
        let known = |number: u32| all().find(|hint| hint.codes.contains(&number));
        known(code.0).or_else(|| known(code.win32()?))
    }
}

/// The usual ones first.
fn all() -> impl Iterator<Item = &'static Hint> {
    HINTS.iter().chain(protocol::HINTS).chain(windows::HINTS).chain(wmi::HINTS)
}

const fn hint(
    codes: &'static [u32],
    kind: Kind,
    what: &'static str,
    way_out: &'static [&'static str],
) -> Hint {
    Hint { codes, kind, what, way_out }
}

const HINTS: &[Hint] = &[
    // Getting there.
    hint(
        &[2_150_858_770],
        Kind::Connect,
        "cannot connect",
        &[
            "check the name and the port, and that the service runs: winrm quickconfig on {host}",
            "what is in the way, step by step: winrm doctor -r:{host}",
        ],
    ),
    hint(
        &[2_150_859_046],
        Kind::Connect,
        "no answer",
        &["a firewall may drop the packets: ports 5985 (HTTP) and 5986 (HTTPS) must be open on {host}"],
    ),
    hint(
        &[2_150_859_193],
        Kind::Connect,
        "the name of the host is not known",
        &["check the spelling, use the full name with its domain, or the address"],
    ),
    hint(
        &[12_175, 2_150_859_194],
        Kind::Connect,
        "the certificate of the service was not accepted",
        &[
            "trust its issuer with -ca:FILE, or use the name that stands in the certificate",
            "for a test only: -skipCAcheck and -skipCNcheck",
        ],
    ),
    hint(
        &[2_150_859_027],
        Kind::Connect,
        "a web server answered, but nothing listens at this prefix (HTTP 404)",
        &["leave the port away for 5985 or 5986, and the prefix for wsman"],
    ),
    hint(
        &[2_150_859_026],
        Kind::Quota,
        "the service is too busy (HTTP 503)",
        &["wait, or raise MaxConnections in winrm/config/service on {host}"],
    ),
    // Who asks.
    hint(
        &[1326, 2_150_858_806],
        Kind::Authentication,
        "login refused",
        &[
            "user name or password are wrong, or the account may not log in over the network",
            "write a domain account as DOMAIN\\USER or USER@DOMAIN, a local one as .\\USER or USER",
        ],
    ),
    hint(
        &[5],
        Kind::Denied,
        "access denied",
        &["it needs the Administrators group, or an entry for the user in RootSDDL on {host}"],
    ),
    hint(
        &[2_150_858_974],
        Kind::Denied,
        "unencrypted messages are not allowed on this side",
        &["use https://, or a scheme that seals messages", "or allow it: -unencrypted"],
    ),
    hint(
        &[2_150_858_975],
        Kind::Denied,
        "Basic authentication is not allowed on this side (Client/Auth/Basic)",
        &["or use -authentication:negotiate, which never sends the password"],
    ),
    hint(
        &[2_150_858_976],
        Kind::Denied,
        "Digest authentication is not allowed on this side (Client/Auth/Digest)",
        &["or use another: winrm help auth"],
    ),
    hint(
        &[2_150_858_977],
        Kind::Denied,
        "Negotiate authentication is not allowed on this side (Client/Auth/Negotiate)",
        &["or use another: winrm help auth"],
    ),
    hint(
        &[2_150_858_978],
        Kind::Denied,
        "Kerberos authentication is not allowed on this side (Client/Auth/Kerberos)",
        &["or use another: winrm help auth"],
    ),
    hint(
        &[2_150_858_979],
        Kind::Denied,
        "certificates are not allowed to log in on this side (Client/Auth/Certificate)",
        &["or use another scheme: winrm help auth"],
    ),
    hint(
        &[2_150_859_170],
        Kind::Denied,
        "CredSSP authentication is not allowed on this side (Client/Auth/CredSSP)",
        &[
            "it hands the password over: whoever rules {host} then has it",
            "for one more machine behind {host}, winrs -allowdelegate with Kerberos shows it to nobody",
        ],
    ),
    hint(
        &[2_150_858_981, 2_150_859_169],
        Kind::Authentication,
        "the scheme takes a name and a password",
        &["the password is asked for unless -passwordfile or the variable TELARCH_PASSWORD gives it"],
    ),
    hint(
        &[2_150_858_980],
        Kind::Denied,
        "nothing proves who the host is, so nothing was sent to it",
        &["whoever answers in the name of a trusted host learns what is sent: winrm help config"],
    ),
    hint(
        &[2_150_859_180],
        Kind::Denied,
        "remote shells are not allowed",
        &["on {host}: winrm set winrm/config/winrs -set:AllowRemoteShellAccess=true"],
    ),
    hint(
        &[2_150_859_229],
        Kind::Denied,
        "a policy forbids remote access",
        &["the policy of {host} must allow automatic configuration of listeners (AllowAutoConfig)"],
    ),
    // What is asked for.
    hint(
        &[2_150_858_752, 2_150_858_754, 2_150_858_811],
        Kind::Fault,
        "the resource URI is not known",
        &["check the spelling; winrm help uris shows the forms, winrm help alias what is expanded"],
    ),
    hint(
        &[2_150_858_771],
        Kind::Fault,
        "the resource does not have this operation",
        &[
            "settings are read with get and written with set; listeners and shells are enumerated",
            "of a class of WMI, telarch wmi describe CLASS lists the methods",
        ],
    ),
    hint(
        &[2_150_858_842, 2_150_859_002],
        Kind::Fault,
        "the resource URI lacks selectors",
        &["name every key: URI?Name=Value+Name2=Value2; winrm enumerate URI shows the instances"],
    ),
    hint(
        &[2_150_858_843, 2_150_859_082, 2_150_859_087],
        Kind::Fault,
        "the selectors name nothing there, or the shell has ended",
        &["winrm enumerate URI shows what there is; idle shells end after their IdleTimeout"],
    ),
    hint(
        &[2_150_858_813, 2_150_858_844, 2_150_858_845, 2_150_858_846, 2_150_858_847, 2_150_859_032],
        Kind::Fault,
        "the selectors do not fit the resource",
        &["winrm enumerate URI -returntype:epr shows the selectors of every instance"],
    ),
    hint(
        &[2_150_858_803, 2_150_858_851],
        Kind::Fault,
        "it exists already",
        &["change it with winrm set, or delete it first"],
    ),
    hint(
        &[2_150_858_776, 2_150_858_777, 2_150_858_778, 2_150_859_042, 2_150_859_003],
        Kind::Fault,
        "the filter was not accepted",
        &[
            "a WQL filter goes with wmicimv2/* and -dialect:wql (winrm help filters)",
            "telarch wmi describe CLASS lists what a query can ask for",
        ],
    ),
    hint(
        &[2_150_858_817, 2_150_858_773, 2_150_858_838, 2_150_858_839],
        Kind::Fault,
        "a value or a property was not accepted",
        &["names and values are shown by winrm get; names keep their case"],
    ),
    hint(
        &[2_150_858_871],
        Kind::Fault,
        "the resource cannot be had in parts",
        &["leave -fragment away; -format:json or -format:xml and a filter of your own give a part as well"],
    ),
    hint(
        &[267],
        Kind::Fault,
        "the folder to start in is not there",
        &["-directory:PATH must be a folder on {host}; without it a command starts in the user's own"],
    ),
    hint(
        &[2_150_858_890],
        Kind::Fault,
        "this is not decided here, but by a policy or by another setting",
        &[
            "values marked [Source=\"GPO\"] are changed in the policy",
            "a listener of [Source=\"Compatibility\"] is switched in winrm/config/service:",
            "    winrm set winrm/config/service -set:EnableCompatibilityHttpListener=false",
        ],
    ),
    // Listeners.
    hint(
        &[2_150_858_984],
        Kind::Fault,
        "the port is taken",
        &[
            "by another listener: winrm enumerate winrm/config/listener; or a program: ss -ltnp",
            "HTTP and HTTPS need ports of their own: -set:Port=NUMBER",
        ],
    ),
    hint(
        &[2_150_858_972],
        Kind::Fault,
        "the port cannot be used",
        &["below 1024 it takes the service of the machine, which root starts: use 1024 to 65535"],
    ),
    hint(
        &[2_150_858_882],
        Kind::Fault,
        "there is no certificate of this thumbprint",
        &[
            "certificate and key belong into the folder certificates beside config.toml on {host}",
            "the thumbprint is SHA-1: openssl x509 -in FILE -noout -fingerprint -sha1",
        ],
    ),
    hint(
        &[2_150_858_985],
        Kind::Fault,
        "the certificate is for another name",
        &["set Hostname to a name in the certificate, or choose a certificate with the name of the host"],
    ),
    hint(
        &[2_150_858_987],
        Kind::Fault,
        "a listener of HTTP has no certificate",
        &["leave CertificateThumbprint away, or make the listener one of Transport=HTTPS"],
    ),
    hint(
        &[2_150_858_989],
        Kind::Fault,
        "Address and Transport are the name of the listener and stay as they are",
        &["delete it and create another: winrm delete winrm/config/listener?Address=*+Transport=HTTP"],
    ),
    hint(
        &[2_150_858_990],
        Kind::Fault,
        "the certificate is not made for servers",
        &["it needs the purpose server authentication (extendedKeyUsage = serverAuth)"],
    ),
    hint(
        &[2_148_204_801],
        Kind::Fault,
        "the certificate has expired, or is not valid yet",
        &["put a new one into its place, or name another: -set:CertificateThumbprint=THUMBPRINT"],
    ),
    hint(
        &[2_150_859_071, 2_150_859_182],
        Kind::Fault,
        "this setting cannot be written",
        &["winrm help config lists what can"],
    ),
    hint(
        &[2_150_859_113],
        Kind::Fault,
        "a network interface is in a public zone",
        &["put it into a private zone, or say that it is meant: winrm quickconfig -force"],
    ),
    hint(
        &[2_150_859_029],
        Kind::Fault,
        "there is no certificate that fits HTTPS",
        &["it needs the name of the host, the purpose server authentication, and must not have expired"],
    ),
    hint(
        &[2_150_859_100],
        Kind::Fault,
        "the security descriptor is not well-formed",
        &["write it as SDDL: O:NSG:BAD:P(A;;GA;;;BA)"],
    ),
    // How long and how much.
    hint(
        &[2_150_858_793, 1460],
        Kind::Timeout,
        "the operation took too long",
        &["allow more with -timeout:MILLISECONDS; MaxTimeoutms on {host} is the upper bound"],
    ),
    hint(
        &[2_150_858_790, 2_150_858_823, 2_150_858_824, 2_150_858_825, 2_150_859_025],
        Kind::Quota,
        "a message is larger than allowed",
        &["ask for less at a time, or raise MaxEnvelopeSizekb in winrm/config on {host}"],
    ),
    hint(
        &[2_150_859_173, 2_150_859_236, 2_150_859_238],
        Kind::Quota,
        "there are too many shells",
        &[
            "list them with winrm enumerate shell and end them with winrm delete shell?ShellId=ID",
            "or raise MaxShellsPerUser in winrm/config/winrs on {host}",
        ],
    ),
    hint(
        &[2_150_859_174, 2_150_859_240, 2_150_859_239],
        Kind::Quota,
        "there are too many operations at the same time",
        &["wait, or raise MaxConcurrentOperationsPerUser in winrm/config/service on {host}"],
    ),
    hint(
        &[2_150_859_179, 2_150_859_237],
        Kind::Quota,
        "there are too many users with shells",
        &["wait, or raise MaxConcurrentUsers in winrm/config/winrs on {host}"],
    ),
    hint(
        &[2_150_858_815, 2_150_859_175, 2_150_859_176, 2_150_859_241],
        Kind::Quota,
        "a quota is used up",
        &["wait, or see the quotas with winrm get winrm/config -r:{host}"],
    ),
    hint(&[170], Kind::Fault, "the resource is busy", &["try again in a moment"]),
    hint(
        &[995, 2_150_859_212],
        Kind::Fault,
        "the command or its shell was ended",
        &["a quota of {host} or another session may have ended it; start it again"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_hint_and_a_name() {
        let mut seen = Vec::new();
        for code in all().flat_map(|hint| hint.codes) {
            assert!(!seen.contains(code), "{code} has two hints");
            assert!(Code(*code).symbol().is_some(), "{code} is no known number");
            seen.push(*code);
        }
    }

    #[test]
    fn hints_are_written_in_house_style() {
        for hint in all().chain(Hint::BEYOND) {
            assert!(!hint.way_out.is_empty(), "{} has no way out", hint.what);
            for line in hint.way_out.iter().chain([&hint.what]) {
                assert!(!line.ends_with('.'), "{line}");
                assert!(line.len() <= 100, "{line}");
            }
        }
    }

    #[test]
    fn a_win32_code_is_found_inside_an_hresult() {
        assert_eq!(Kind::of_code(Code(5)), Kind::Denied);
        assert_eq!(Kind::of_code(Code(0x8007_0005)), Kind::Denied);
        assert_eq!(Kind::of_code(Code(0x8007_05B4)), Kind::Timeout);
        assert_eq!(Kind::of_code(Code(0)), Kind::Fault);
    }
}
