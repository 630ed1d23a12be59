//! What anybody on the network can see and try.

use std::net::SocketAddr;

use ipmi::proto::{
    AuthenticationType, CipherSuite, Login, Password, Privilege, ProtoError, Stage, Status, Timing, UserName,
};
use ipmi::{Connection, DiscoveredController, IpmiError};

use super::super::scan;
use super::{Finding, Severity};

/// What the controller tells by itself.
pub(super) fn told(sighting: &DiscoveredController) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |severity, what: String, way_out| findings.push(Finding::new(severity, what, way_out));
    if let Some(told) = &sighting.capabilities {
        if told.logins.anonymous {
            find(
                Severity::Critical,
                "it says that users without name and password can sign in".to_owned(),
                "give user 1 a password and disable it: user password 1, then user disable 1",
            );
        }
        if told.logins.unnamed {
            find(
                Severity::Warning,
                "there is a user without a name, so half of a login is known to everybody".to_owned(),
                "disable it: user disable 1",
            );
        }
        for kind in &told.lan15 {
            let (severity, what) = match kind {
                AuthenticationType::None => (Severity::Critical, "sessions of IPMI 1.5 that prove nothing"),
                AuthenticationType::Password => {
                    (Severity::Critical, "sessions of IPMI 1.5 that send the password as it is")
                }
                _ => (Severity::Warning, "sessions of IPMI 1.5, which hide nothing, with weak hashes"),
            };
            find(
                severity,
                format!("it takes {what} ({})", kind.name()),
                "switch IPMI 1.5 off in the controller's settings (LAN parameter 2)",
            );
        }
        if !told.rmcp_plus {
            find(
                Severity::Critical,
                "it knows no sessions of IPMI 2.0".to_owned(),
                "update its firmware, or take it off the network",
            );
        }
    }
    if let Some(suites) = &sighting.suites {
        let clear: Vec<CipherSuite> =
            suites.iter().copied().filter(|suite| suite.is_in_clear() && suite.number() != 0).collect();
        if !clear.is_empty() {
            find(
                Severity::Warning,
                format!("it takes cipher suites that do not encrypt: {}", scan::numbers(&clear)),
                "switch each of them off: lan set suite NUMBER off",
            );
        }
        if !suites.contains(&CipherSuite::SHA256) {
            find(
                Severity::Warning,
                "it does not know cipher suite 17, so logins rest on SHA-1 or worse".to_owned(),
                "update its firmware",
            );
        }
    }
    findings
}

/// What comes of trying to get in.
pub(super) async fn tried(address: SocketAddr, user: &str, timing: Timing) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names = if user.is_empty() { NAMES.to_vec() } else { vec![user] };
    let (mut exposed, mut is_open) = (Vec::new(), false);
    for name in names {
        if !is_open && is_let_in(address, name, WRONG, Some(0), timing).await == Verdict::In {
            is_open = true;
            findings.push(Finding::new(
                Severity::Critical,
                format!("cipher suite 0 lets anybody in who knows the name of a user, such as {name:?}, without password"),
                "switch it off: lan set suite 0 off",
            ));
        }
        if is_let_in(address, name, WRONG, None, timing).await == Verdict::WrongPassword {
            exposed.push(format!("{name:?}"));
        }
    }
    if !exposed.is_empty() {
        findings.push(Finding::new(
            Severity::Warning,
            format!(
                "it gives a hash of the password to whoever names a user, which can be guessed at leisure: {}",
                exposed.join(", ")
            ),
            "it is in the protocol: use random passwords of 16 letters or more, and a network of its own",
        ));
    }
    if is_let_in(address, NOBODY, WRONG, None, timing).await == Verdict::UnknownName {
        findings.push(Finding::new(
            Severity::Warning,
            "it tells whether a user exists, so names can be tried",
            "use names that nobody guesses, and a network of its own",
        ));
    }
    for (name, password) in DEFAULTS {
        if is_let_in(address, name, password, None, timing).await == Verdict::In {
            findings.push(Finding::new(
                Severity::Critical,
                format!("user {name:?} has a password that everybody knows, as it was delivered"),
                "set another one: user password ID",
            ));
        }
    }
    findings
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    In,
    WrongPassword,
    UnknownName,
    Other,
}

async fn is_let_in(
    address: SocketAddr,
    name: &str,
    password: &str,
    suite: Option<u8>,
    timing: Timing,
) -> Verdict {
    let (Ok(user), Ok(password)) = (UserName::new(name), Password::new(password.as_bytes())) else {
        return Verdict::Other;
    };
    let mut login = Login::new(user, password).privilege(Privilege::User);
    if let Some(Ok(suite)) = suite.map(CipherSuite::new) {
        login = login.suite(suite);
    }
    match Connection::open(address, login, timing).await {
        Ok(bmc) => {
            bmc.close().await;
            Verdict::In
        }
        Err(IpmiError::Proto(ProtoError::WrongPassword)) => Verdict::WrongPassword,
        Err(IpmiError::Proto(ProtoError::Refused { stage: Stage::Rakp2, status: Status(UNKNOWN_NAME) })) => {
            Verdict::UnknownName
        }
        Err(_) => Verdict::Other,
    }
}

/// Of RAKP 2 (IPMI 2.0, table 13-15).
const UNKNOWN_NAME: u8 = 0x0d;
const WRONG: &str = "telarch-audit-tries";
const NOBODY: &str = "telarch-nobody";
/// Names that controllers are delivered with.
const NAMES: [&str; 5] = ["admin", "ADMIN", "root", "Administrator", "USERID"];
/// And the passwords with them; one each, because some lock a user out after a few wrong ones.
const DEFAULTS: [(&str, &str); 6] = [
    ("admin", "admin"),
    ("ADMIN", "ADMIN"),
    ("root", "calvin"),
    ("USERID", "PASSW0RD"),
    ("sysadmin", "superuser"),
    ("", ""),
];
