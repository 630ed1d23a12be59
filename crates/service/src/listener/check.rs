//! Checks of configured listeners that open no socket.

use std::time::SystemTime;

use config::{ListenerAddress, ListenerKey, ListenerSource, Service, State};

use super::conflict::CertificateChoice;
use super::interfaces::Interfaces;
use super::listeners::Severity;
use super::plan::{Plan, PlannedListener, filters_admit_any};
use crate::certificate::Certificates;
use crate::endpoint::ListenerId;

/// A problem of a configured listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Key of the listener.
    pub listener: ListenerKey,
    /// Origin of the listener. A compatibility listener can have the key of a configured one.
    pub source: ListenerSource,
    /// Severity.
    pub severity: Severity,
    /// Description, with the remedy.
    pub message: String,
}

/// Returns the problems that would keep the listeners of a configuration from working on this machine now.
///
/// Binds no socket and creates no certificate, but reads certificates.
#[must_use]
pub fn check_listeners(state: &State, certificates: &Certificates) -> Vec<Finding> {
    let interfaces = Interfaces::query();
    let is_known = interfaces.is_ok();
    let interfaces = interfaces.unwrap_or_default();
    let plan = Plan::new(state, &interfaces);
    let mut findings = Vec::new();
    for listener in &plan.listeners {
        let mut problems = Vec::new();
        if let Err(error) = &listener.outcome {
            problems.push((Severity::Error, error.to_string()));
        }
        if let ListenerAddress::Ip(ip) = listener.id.key.address
            && is_known
            && !ip.is_unspecified()
            && !interfaces.has(ip)
        {
            let message = format!(
                "this machine does not currently have the address {ip}; the listener starts once it is assigned"
            );
            problems.push((Severity::Warning, message));
        }
        problems.extend(check_certificate(listener, certificates));
        let ListenerId { key, source } = listener.id;
        findings.extend(problems.into_iter().map(|(severity, message)| Finding {
            listener: key,
            source,
            severity,
            message,
        }));
    }
    findings
}

/// Returns whether `IPv4Filter` and `IPv6Filter` admit an address of this machine. If its addresses cannot be listed,
/// they do.
#[must_use]
pub fn filters_admit_this_machine(service: &Service) -> bool {
    Interfaces::query().map_or(true, |interfaces| filters_admit_any(service, &interfaces))
}

fn check_certificate(listener: &PlannedListener, certificates: &Certificates) -> Option<(Severity, String)> {
    let certificate = match listener.certificate {
        CertificateChoice::None => return None,
        // If none exists yet, a suitable one will be created.
        CertificateChoice::Own => certificates.existing_own()?,
        CertificateChoice::Named(thumbprint) => match certificates.find(thumbprint) {
            Ok(certificate) => certificate,
            Err(error) => return Some((Severity::Error, error.to_string())),
        },
    };
    let problem = certificate.check(&listener.hostname, SystemTime::now()).err()?;
    let thumbprint = certificate.thumbprint();
    Some((Severity::Warning, format!("clients will reject the certificate {thumbprint}: {problem}")))
}
