//! The steps, and what they are called: scripts match on the lines that Windows has.

use config::{Thumbprint, Transport};
use quickconfig::{FirewallKind, Opening};
use sddl::Sid;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The service is to be started at boot.
    Enable,
    /// A listener on every address is to be made.
    Listener { transport: Transport, certificate: Option<Thumbprint> },
    /// The one that is there is to be switched on.
    EnableListener(Transport),
    /// The firewall is to let a port through.
    Open { opening: Opening, firewall: FirewallKind, places: Vec<String> },
    /// The members of a group are to open shells.
    Allow { group: String, sid: Sid },
}

impl Step {
    /// How the step is named between analyzing and enabling.
    pub(super) fn token(&self) -> String {
        match self {
            Self::Enable => "Enable".to_owned(),
            Self::Listener { transport, .. } => format!("Listener:{transport}"),
            Self::EnableListener(transport) => format!("EnableListener:{transport}"),
            Self::Open { opening, .. } => format!("Open:{}:{}", opening.transport.scheme(), opening.port),
            Self::Allow { sid, .. } => format!("Allow:{}", sid.numeric()),
        }
    }

    /// What has to be done.
    pub(super) fn to_do(&self) -> String {
        match self {
            Self::Enable => "Set the WinRM service type to delayed auto start.".to_owned(),
            Self::Listener { transport, certificate } => {
                let line = format!(
                    "Create a WinRM listener on {transport}://* to accept WS-Man requests to any IP on this machine."
                );
                match (transport, certificate) {
                    (Transport::Http, _) => line,
                    (Transport::Https, Some(thumbprint)) => {
                        format!("{line}\n  with the certificate {thumbprint}")
                    }
                    (Transport::Https, None) => {
                        format!(
                            "{line}\n  with the certificate of the service, which is made if there is none"
                        )
                    }
                }
            }
            Self::EnableListener(transport) => format!("Enable the WinRM listener on {transport}://*."),
            Self::Open { .. } => format!("Enable the WinRM firewall exception.\n  {}", self.detail()),
            Self::Allow { group, .. } => {
                format!("Give the members of the group {group} the right to open shells.")
            }
        }
    }

    /// What was done; `how` is what the machine says of it.
    pub(super) fn done(&self, how: &str) -> String {
        match self {
            Self::Enable => "WinRM service type changed successfully.".to_owned(),
            Self::Listener { transport, .. } => format!(
                "Created a WinRM listener on {transport}://* to accept WS-Man requests to any IP on this machine."
            ),
            Self::EnableListener(transport) => format!("Enabled the WinRM listener on {transport}://*."),
            Self::Open { .. } if how.is_empty() => "WinRM firewall exception enabled.".to_owned(),
            Self::Open { .. } => {
                format!("WinRM firewall exception enabled.\n  {}", how.replace("; ", "\n  "))
            }
            Self::Allow { group, .. } => format!("Members of the group {group} may open shells."),
        }
    }

    /// What was not done, and why.
    pub(super) fn failed(&self, why: &str) -> String {
        let what = match self {
            Self::Enable => "change the WinRM service type".to_owned(),
            Self::Listener { transport, .. } => format!("create a WinRM listener on {transport}://*"),
            Self::EnableListener(transport) => format!("enable the WinRM listener on {transport}://*"),
            Self::Open { .. } => "enable the WinRM firewall exception".to_owned(),
            Self::Allow { group, .. } => {
                format!("give the members of the group {group} the right to open shells")
            }
        };
        format!("Could not {what}: {why}")
    }

    /// Which port, from where, and where the rules go.
    fn detail(&self) -> String {
        let Self::Open { opening, firewall, places } = self else { return String::new() };
        let kind = match firewall {
            FirewallKind::Firewalld => "firewalld, zone ",
            FirewallKind::Nftables => "nftables, chain ",
            _ => "",
        };
        let from = match opening.sources.as_slice() {
            [] if opening.zone.is_none() && places.iter().any(|place| place == "public") => {
                "in the zone public from the networks of this machine".to_owned()
            }
            [] => "from anywhere".to_owned(),
            sources => {
                let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
                format!("from {}", sources.join(", "))
            }
        };
        format!("TCP port {}, {from} ({kind}{})", opening.port, places.join(", "))
    }
}

/// A transport in the words of the machine below.
pub(super) fn below(transport: Transport) -> quickconfig::Transport {
    match transport {
        Transport::Http => quickconfig::Transport::Http,
        Transport::Https => quickconfig::Transport::Https,
    }
}

/// A transport in the words of the settings.
pub(super) fn above(transport: quickconfig::Transport) -> Transport {
    match transport {
        quickconfig::Transport::Http => Transport::Http,
        quickconfig::Transport::Https => Transport::Https,
    }
}
