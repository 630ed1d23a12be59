//! Explanations of error numbers: a summary and what to do.

mod protocol;
mod unnumbered;
mod windows;
mod wmi;

use super::Kind;
use crate::codes::Code;

/// Explanation of one or more error numbers.
#[derive(Debug)]
pub struct Hint {
    codes: &'static [u32],
    /// Kind of failure, which decides the exit status.
    pub kind: Kind,
    /// Summary in a few words, without the host: `access denied`.
    pub summary: &'static str,
    /// Advice, one line each; `{host}` stands for the other machine.
    pub way_out: &'static [&'static str],
}

impl Hint {
    /// Returns the explanation of a number, or of the Win32 code inside an HRESULT.
    #[must_use]
    pub fn find(code: Code) -> Option<&'static Self> {
        Self::with_number(code.0).or_else(|| Self::with_number(code.win32()?))
    }

    fn with_number(number: u32) -> Option<&'static Self> {
        all().find(|hint| hint.codes.contains(&number))
    }
}

/// All explanations that have a number, the most frequent first.
fn all() -> impl Iterator<Item = &'static Hint> {
    HINTS.iter().chain(protocol::HINTS).chain(windows::HINTS).chain(wmi::HINTS)
}

const fn hint(
    codes: &'static [u32],
    kind: Kind,
    summary: &'static str,
    way_out: &'static [&'static str],
) -> Hint {
    Hint { codes, kind, summary, way_out }
}

const HINTS: &[Hint] = &[
    // Connecting.
    hint(
        &[2_150_858_770],
        Kind::Connect,
        "cannot connect",
        &[
            "check the host name and the port, and that the service is running: winrm quickconfig on {host}",
            "diagnose step by step: winrm doctor -r:{host}",
        ],
    ),
    hint(
        &[2_150_859_046],
        Kind::Connect,
        "no response",
        &["a firewall may drop the packets: ports 5985 (HTTP) and 5986 (HTTPS) must be open on {host}"],
    ),
    hint(
        &[2_150_859_193],
        Kind::Connect,
        "cannot resolve the host name",
        &["check the spelling, or use the fully qualified name or the IP address"],
    ),
    hint(
        &[12_175, 2_150_859_194],
        Kind::Connect,
        "the service's certificate was rejected",
        &[
            "trust its issuer with -ca:FILE, or use a host name that the certificate contains",
            "for tests only: -skipCAcheck and -skipCNcheck",
        ],
    ),
    hint(
        &[2_150_859_027],
        Kind::Connect,
        "a web server responded, but no service is registered at this URL prefix (HTTP 404)",
        &["omit the port to use 5985 or 5986, and the prefix to use wsman"],
    ),
    hint(
        &[2_150_859_026],
        Kind::Quota,
        "the service is too busy (HTTP 503)",
        &["wait, or increase MaxConnections in winrm/config/service on {host}"],
    ),
    // Authentication and authorization.
    hint(
        &[1326, 2_150_858_806],
        Kind::Authentication,
        "login refused",
        &[
            "the user name or the password is wrong, or the account may not log on over the network",
            "write a domain account as DOMAIN\\USER or USER@DOMAIN, a local account as .\\USER or USER",
        ],
    ),
    hint(
        &[5],
        Kind::Denied,
        "access denied",
        &[
            "the user must be in a group that the security descriptor names, or have an entry of its own",
            "RootSDDL decides unless the plug-in has an entry for the resource: winrm help security",
        ],
    ),
    hint(
        &[2_150_858_974],
        Kind::Denied,
        "unencrypted messages are disabled on this client",
        &["use https:// or an authentication scheme that encrypts messages", "or allow them: -unencrypted"],
    ),
    hint(
        &[2_150_858_975],
        Kind::Denied,
        "Basic authentication is disabled on this client (Client/Auth/Basic)",
        &["or use -authentication:negotiate, which never sends the password"],
    ),
    hint(
        &[2_150_858_976],
        Kind::Denied,
        "Digest authentication is disabled on this client (Client/Auth/Digest)",
        &["or use another scheme: winrm help auth"],
    ),
    hint(
        &[2_150_858_977],
        Kind::Denied,
        "Negotiate authentication is disabled on this client (Client/Auth/Negotiate)",
        &["or use another scheme: winrm help auth"],
    ),
    hint(
        &[2_150_858_978],
        Kind::Denied,
        "Kerberos authentication is disabled on this client (Client/Auth/Kerberos)",
        &["or use another scheme: winrm help auth"],
    ),
    hint(
        &[2_150_858_979],
        Kind::Denied,
        "certificate authentication is disabled on this client (Client/Auth/Certificate)",
        &["or use another scheme: winrm help auth"],
    ),
    hint(
        &[2_150_859_170],
        Kind::Denied,
        "CredSSP authentication is disabled on this client (Client/Auth/CredSSP)",
        &[
            "CredSSP sends your password to {host}, where administrators can read it",
            "to reach one more machine from {host}, winrs -allowdelegate with Kerberos sends no password",
        ],
    ),
    hint(
        &[2_150_858_981, 2_150_859_169],
        Kind::Authentication,
        "the authentication scheme needs a user name and a password",
        &["set the password with -passwordfile or TELARCH_PASSWORD, or enter it when prompted"],
    ),
    hint(
        &[2_150_858_980],
        Kind::Denied,
        "cannot verify the identity of the host; no credentials were sent",
        &["a server impersonating a trusted host can capture your credentials: winrm help config"],
    ),
    hint(
        &[2_150_859_180],
        Kind::Denied,
        "remote shells are disabled",
        &["on {host}: winrm set winrm/config/winrs -set:AllowRemoteShellAccess=true"],
    ),
    hint(
        &[2_150_859_229],
        Kind::Denied,
        "a policy prohibits remote access",
        &["the policy of {host} must enable automatic listener configuration (AllowAutoConfig)"],
    ),
    // Resources.
    hint(
        &[2_150_858_752, 2_150_858_754, 2_150_858_811],
        Kind::Fault,
        "unknown resource URI",
        &["check the spelling; winrm help uris lists the forms, winrm help alias the aliases"],
    ),
    hint(
        &[2_150_858_771],
        Kind::Fault,
        "the resource does not support this operation",
        &[
            "use get and set for settings, enumerate for listeners and shells",
            "for a WMI class, telarch wmi describe CLASS lists the methods",
        ],
    ),
    hint(
        &[2_150_858_842, 2_150_859_002],
        Kind::Fault,
        "selectors are missing from the resource URI",
        &["specify every key: URI?Name=Value+Name2=Value2; winrm enumerate URI lists the instances"],
    ),
    hint(
        &[2_150_858_843, 2_150_859_082, 2_150_859_087],
        Kind::Fault,
        "no instance matches the selectors, or the shell has ended",
        &["winrm enumerate URI lists the instances; an idle shell ends after its IdleTimeout"],
    ),
    hint(
        &[2_150_858_813, 2_150_858_844, 2_150_858_845, 2_150_858_846, 2_150_858_847, 2_150_859_032],
        Kind::Fault,
        "the selectors do not match the keys of the resource",
        &["winrm enumerate URI -returntype:epr lists the selectors of every instance"],
    ),
    hint(
        &[2_150_858_803, 2_150_858_851],
        Kind::Fault,
        "the resource already exists",
        &["change it with winrm set, or delete it first"],
    ),
    hint(
        &[2_150_858_776, 2_150_858_777, 2_150_858_778, 2_150_859_042, 2_150_859_003],
        Kind::Fault,
        "the filter was rejected",
        &[
            "use a WQL filter with wmicimv2/* and -dialect:wql (winrm help filters)",
            "telarch wmi describe CLASS lists the properties that a query can use",
        ],
    ),
    hint(
        &[2_150_858_817, 2_150_858_773, 2_150_858_838, 2_150_858_839],
        Kind::Fault,
        "a property name or value was rejected",
        &["winrm get shows the valid names and values; names are case-sensitive"],
    ),
    hint(
        &[2_150_858_871],
        Kind::Fault,
        "the resource does not support fragments",
        &["omit -fragment and filter the output of -format:json or -format:xml instead"],
    ),
    hint(
        &[267],
        Kind::Fault,
        "the working directory does not exist",
        &["-directory:PATH must be a directory on {host}; the default is the user's home directory"],
    ),
    hint(
        &[2_150_858_890],
        Kind::Fault,
        "the value is controlled by a policy or another setting",
        &[
            "values marked [Source=\"GPO\"] are changed in the policy",
            "a listener with [Source=\"Compatibility\"] is turned off in winrm/config/service:",
            "    winrm set winrm/config/service -set:EnableCompatibilityHttpListener=false",
        ],
    ),
    // Listeners.
    hint(
        &[2_150_858_984],
        Kind::Fault,
        "the port is in use",
        &[
            "by another listener (winrm enumerate winrm/config/listener) or by a program (ss -ltnp)",
            "HTTP and HTTPS need different ports: -set:Port=NUMBER",
        ],
    ),
    hint(
        &[2_150_858_972],
        Kind::Fault,
        "the port cannot be used",
        &["use 1024 to 65535; ports below 1024 need the machine's service, which root starts"],
    ),
    hint(
        &[2_150_858_882],
        Kind::Fault,
        "no certificate has this thumbprint",
        &[
            "put the certificate and its key into the directory certificates beside config.toml on {host}",
            "the thumbprint is the SHA-1 hash: openssl x509 -in FILE -noout -fingerprint -sha1",
        ],
    ),
    hint(
        &[2_150_858_985],
        Kind::Fault,
        "the certificate is for a different name",
        &["set Hostname to a name in the certificate, or use a certificate that contains the host name"],
    ),
    hint(
        &[2_150_858_987],
        Kind::Fault,
        "an HTTP listener cannot have a certificate",
        &["omit CertificateThumbprint, or create the listener with Transport=HTTPS"],
    ),
    hint(
        &[2_150_858_989],
        Kind::Fault,
        "Address and Transport identify the listener and cannot be changed",
        &["delete it and create a new one: winrm delete winrm/config/listener?Address=*+Transport=HTTP"],
    ),
    hint(
        &[2_150_858_990],
        Kind::Fault,
        "the certificate is not valid for server authentication",
        &["use a certificate with the extended key usage serverAuth"],
    ),
    hint(
        &[2_148_204_801],
        Kind::Fault,
        "the certificate has expired or is not yet valid",
        &["replace it, or select another one: -set:CertificateThumbprint=THUMBPRINT"],
    ),
    hint(
        &[2_150_859_071, 2_150_859_182],
        Kind::Fault,
        "the setting is read-only",
        &["winrm help config lists the writable settings"],
    ),
    hint(
        &[2_150_859_113],
        Kind::Fault,
        "a network interface is in a public zone",
        &["move it to a private zone, or run winrm quickconfig -force"],
    ),
    hint(
        &[2_150_859_029],
        Kind::Fault,
        "no suitable certificate for HTTPS",
        &["it must contain the host name, allow server authentication, and not have expired"],
    ),
    hint(
        &[2_150_859_100],
        Kind::Fault,
        "invalid security descriptor",
        &["write it as SDDL: O:NSG:BAD:P(A;;GA;;;BA)"],
    ),
    // Timeouts and quotas.
    hint(
        &[2_150_858_793, 1460],
        Kind::Timeout,
        "the operation timed out",
        &["increase -timeout:MILLISECONDS; the maximum is MaxTimeoutms on {host}"],
    ),
    hint(
        &[2_150_858_790, 2_150_858_823, 2_150_858_824, 2_150_858_825, 2_150_859_025],
        Kind::Quota,
        "a message exceeds the maximum size",
        &["request less at a time, or increase MaxEnvelopeSizekb in winrm/config on {host}"],
    ),
    hint(
        &[2_150_859_173, 2_150_859_236, 2_150_859_238],
        Kind::Quota,
        "too many shells",
        &[
            "list them with winrm enumerate shell and close them with winrm delete shell?ShellId=ID",
            "or increase MaxShellsPerUser in winrm/config/winrs on {host}",
        ],
    ),
    hint(
        &[2_150_859_174, 2_150_859_240, 2_150_859_239],
        Kind::Quota,
        "too many concurrent operations",
        &["wait, or increase MaxConcurrentOperationsPerUser in winrm/config/service on {host}"],
    ),
    hint(
        &[2_150_859_179, 2_150_859_237],
        Kind::Quota,
        "too many users with shells",
        &["wait, or increase MaxConcurrentUsers in winrm/config/winrs on {host}"],
    ),
    hint(
        &[2_150_858_815, 2_150_859_175, 2_150_859_176, 2_150_859_241],
        Kind::Quota,
        "a quota is exceeded",
        &["wait, or show the quotas: winrm get winrm/config -r:{host}"],
    ),
    hint(&[170], Kind::Fault, "the resource is busy", &["try again in a moment"]),
    hint(
        &[995, 2_150_859_212],
        Kind::Fault,
        "the command or its shell was terminated",
        &["a quota of {host} or another session may have terminated it; start it again"],
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
            assert!(Code(*code).symbol().is_some(), "{code} has no symbol");
            seen.push(*code);
        }
    }

    #[test]
    fn hints_are_written_in_house_style() {
        for hint in all().chain(Hint::UNNUMBERED) {
            assert!(!hint.way_out.is_empty(), "{} has no way out", hint.summary);
            for line in hint.way_out.iter().chain([&hint.summary]) {
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
