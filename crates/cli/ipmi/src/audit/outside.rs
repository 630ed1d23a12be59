//! Checks that require no session, which any attacker on the network can make.

use std::net::SocketAddr;

use ipmi::proto::{
    AuthenticationType, CipherSuite, Login, Password, Privilege, ProtoError, Stage, Status, Timing, UserName,
};
use ipmi::{Connection, DiscoveredController, IpmiError};

use super::super::scan;
use super::{Finding, Severity};

/// Checks the capabilities that the controller reports without authentication.
pub(super) fn check_capabilities(sighting: &DiscoveredController) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |severity, description: String, remedy| {
        findings.push(Finding::new(severity, description, remedy));
    };
    if let Some(capabilities) = &sighting.capabilities {
        if capabilities.logins.anonymous {
            find(
                Severity::Critical,
                "anonymous login without a password is enabled".to_owned(),
                "set a password for user 1 and disable the user: user password 1, then user disable 1",
            );
        }
        if capabilities.logins.unnamed {
            find(
                Severity::Warning,
                "a user without a name exists; an attacker has to guess the password only".to_owned(),
                "disable it: user disable 1",
            );
        }
        for kind in &capabilities.lan15 {
            let (severity, description) = match kind {
                AuthenticationType::None => (Severity::Critical, "IPMI 1.5 sessions without authentication"),
                AuthenticationType::Password => {
                    (Severity::Critical, "IPMI 1.5 sessions with an unencrypted password")
                }
                _ => (Severity::Warning, "unencrypted IPMI 1.5 sessions with weak hashes"),
            };
            find(
                severity,
                format!("accepts {description} ({})", kind.name()),
                "disable IPMI 1.5 in the settings of the controller (LAN parameter 2)",
            );
        }
        if !capabilities.rmcp_plus {
            find(
                Severity::Critical,
                "does not support IPMI 2.0 sessions".to_owned(),
                "update the firmware, or disconnect the controller from the network",
            );
        }
    }
    if let Some(suites) = &sighting.suites {
        let clear: Vec<CipherSuite> =
            suites.iter().copied().filter(|suite| suite.is_in_clear() && suite.number() != 0).collect();
        if !clear.is_empty() {
            find(
                Severity::Warning,
                format!("accepts cipher suites without encryption: {}", scan::numbers(&clear)),
                "disable each of them: lan set suite NUMBER off",
            );
        }
        if !suites.contains(&CipherSuite::SHA256) {
            find(
                Severity::Warning,
                "does not support cipher suite 17; logins use SHA-1 or weaker hashes".to_owned(),
                "update the firmware",
            );
        }
    }
    findings
}

/// Tries logins with wrong and with default passwords.
pub(super) async fn try_logins(address: SocketAddr, user: &str, timing: Timing) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names = if user.is_empty() { NAMES.to_vec() } else { vec![user] };
    let (mut exposed, mut is_open) = (Vec::new(), false);
    for name in names {
        if !is_open && try_login(address, name, WRONG, Some(0), timing).await == LoginResult::Success {
            is_open = true;
            findings.push(Finding::new(
                Severity::Critical,
                format!(
                    "cipher suite 0 allows login without a password as any known user, such as \"{name}\""
                ),
                "disable it: lan set suite 0 off",
            ));
        }
        if try_login(address, name, WRONG, None, timing).await == LoginResult::WrongPassword {
            exposed.push(format!("\"{name}\""));
        }
    }
    if !exposed.is_empty() {
        findings.push(Finding::new(
            Severity::Warning,
            format!(
                "discloses password hashes to unauthenticated clients (RAKP), allowing offline cracking: {}",
                exposed.join(", ")
            ),
            "this is part of the protocol: use random passwords of 16 or more characters, and a separate network",
        ));
    }
    if try_login(address, UNKNOWN_USER, WRONG, None, timing).await == LoginResult::UnknownName {
        findings.push(Finding::new(
            Severity::Warning,
            "reveals whether a user name exists",
            "use user names that are hard to guess, and a separate network",
        ));
    }
    for (name, password) in DEFAULTS {
        if try_login(address, name, password, None, timing).await == LoginResult::Success {
            findings.push(Finding::new(
                Severity::Critical,
                format!("user \"{name}\" has the default password"),
                "change it: user password ID",
            ));
        }
    }
    findings
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoginResult {
    Success,
    WrongPassword,
    UnknownName,
    Other,
}

async fn try_login(
    address: SocketAddr,
    name: &str,
    password: &str,
    suite: Option<u8>,
    timing: Timing,
) -> LoginResult {
    let (Ok(user), Ok(password)) = (UserName::new(name), Password::new(password.as_bytes())) else {
        return LoginResult::Other;
    };
    let mut login = Login::new(user, password).privilege(Privilege::User);
    if let Some(Ok(suite)) = suite.map(CipherSuite::new) {
        login = login.suite(suite);
    }
    match Connection::open(address, login, timing).await {
        Ok(bmc) => {
            bmc.close().await;
            LoginResult::Success
        }
        Err(IpmiError::Proto(ProtoError::WrongPassword)) => LoginResult::WrongPassword,
        Err(IpmiError::Proto(ProtoError::Refused { stage: Stage::Rakp2, status: Status(UNKNOWN_NAME) })) => {
            LoginResult::UnknownName
        }
        Err(_) => LoginResult::Other,
    }
}

/// Status code of RAKP 2 for an unknown user name (IPMI 2.0, table 13-15).
const UNKNOWN_NAME: u8 = 0x0d;
/// A password that no user has.
const WRONG: &str = "telarch-audit-tries";
/// A name that no user has.
const UNKNOWN_USER: &str = "telarch-nobody";
/// Default user names of controllers.
const NAMES: [&str; 5] = ["admin", "ADMIN", "root", "Administrator", "USERID"];
/// Default credentials, one password for each name, because some controllers lock a user after a few failures.
const DEFAULTS: [(&str, &str); 6] = [
    ("admin", "admin"),
    ("ADMIN", "ADMIN"),
    ("root", "calvin"),
    ("USERID", "PASSW0RD"),
    ("sysadmin", "superuser"),
    ("", ""),
];
