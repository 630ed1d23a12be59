//! What can be said about listeners without opening a socket.

use std::time::SystemTime;

use config::{ListenerAddress, ListenerKey, ListenerSource, State};

use super::conflict::CertificateChoice;
use super::interfaces::Interfaces;
use super::listeners::Severity;
use super::plan::{Plan, Planned};
use crate::certificate::Certificates;

/// Something about a listener that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Which listener.
    pub listener: ListenerKey,
    /// Who made it: one of compatibility has the key of another.
    pub source: ListenerSource,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, and what to do.
    pub what: String,
}

/// Looks for what would keep the listeners of a configuration from working on this machine now.
///
/// Nothing is bound and no certificate is made; certificates are read.
#[must_use]
pub fn examine(state: &State, certificates: &Certificates) -> Vec<Finding> {
    let interfaces = Interfaces::ask();
    let is_known = interfaces.is_ok();
    let interfaces = interfaces.unwrap_or_default();
    let plan = Plan::new(state, &interfaces);
    let mut findings = Vec::new();
    for listener in &plan.listeners {
        let mut found = |severity, what: String| {
            let (key, source) = (listener.id.key, listener.id.source);
            findings.push(Finding { listener: key, source, severity, what });
        };
        if let Err(error) = &listener.outcome {
            found(Severity::Error, error.to_string());
        }
        if let ListenerAddress::Ip(ip) = listener.id.key.address
            && is_known
            && !ip.is_unspecified()
            && !interfaces.has(ip)
        {
            found(Severity::Warning, format!("this machine has no address {ip} now: it listens once it has"));
        }
        if let Some((severity, what)) = judge_certificate(listener, certificates) {
            found(severity, what);
        }
    }
    findings
}

fn judge_certificate(listener: &Planned, certificates: &Certificates) -> Option<(Severity, String)> {
    let certificate = match listener.certificate {
        CertificateChoice::None => return None,
        // If there is none yet, a fitting one will be made.
        CertificateChoice::Own => certificates.made_before()?,
        CertificateChoice::Named(thumbprint) => match certificates.find(thumbprint) {
            Ok(certificate) => certificate,
            Err(error) => return Some((Severity::Error, error.to_string())),
        },
    };
    let unfit = certificate.fits(&listener.hostname, SystemTime::now()).err()?;
    let thumbprint = certificate.name();
    Some((Severity::Warning, format!("clients will not accept the certificate {thumbprint}: {unfit}")))
}
