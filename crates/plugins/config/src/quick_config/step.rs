//! Steps of quickconfig, with the result lines of Windows, which scripts parse.

use config::{Thumbprint, Transport};
use quickconfig::{FirewallKind, Opening};
use sddl::Sid;

/// Step of quickconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Starts the service at boot.
    Enable,
    /// Creates a listener on all addresses.
    Listener { transport: Transport, certificate: Option<Thumbprint> },
    /// Enables the existing listener on all addresses.
    EnableListener(Transport),
    /// Permits a port in the firewall.
    Open { opening: Opening, firewall: FirewallKind, places: Vec<String> },
    /// Permits the members of a group to open shells.
    Allow { group: String, sid: Sid },
}

impl Step {
    /// Returns the identifier of the step in requests and responses.
    pub(super) fn token(&self) -> String {
        match self {
            Self::Enable => "Enable".to_owned(),
            Self::Listener { transport, .. } => format!("Listener:{transport}"),
            Self::EnableListener(transport) => format!("EnableListener:{transport}"),
            Self::Open { opening, .. } => format!("Open:{}:{}", opening.transport.scheme(), opening.port),
            Self::Allow { sid, .. } => format!("Allow:{}", sid.numeric()),
        }
    }

    /// Returns whether the step creates or enables an HTTPS listener.
    pub(super) fn needs_certificate(&self) -> bool {
        matches!(
            self,
            Self::Listener { transport: Transport::Https, .. } | Self::EnableListener(Transport::Https)
        )
    }

    /// Returns the line for a step that has to be done.
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
                            "{line}\n  with the certificate of the service, which is created if it does not exist"
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

    /// Returns the line for a completed step; `how` is a description by the machine.
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

    /// Returns the line for a failed step, with the reason.
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

    /// Returns port, sources and location of the firewall rules.
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

/// Converts a transport of the configuration to one of `quickconfig`.
pub(super) fn to_quickconfig(transport: Transport) -> quickconfig::Transport {
    match transport {
        Transport::Http => quickconfig::Transport::Http,
        Transport::Https => quickconfig::Transport::Https,
    }
}

/// Converts a transport of `quickconfig` to one of the configuration.
pub(super) fn to_config(transport: quickconfig::Transport) -> Transport {
    match transport {
        quickconfig::Transport::Http => Transport::Http,
        quickconfig::Transport::Https => Transport::Https,
    }
}
