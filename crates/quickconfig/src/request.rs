//! Requests to change the machine, and their results.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use auth::SignInReport;

use crate::Error;

/// Maximum number of openings in one request; a service listens on fewer ports.
pub const MAX_OPENINGS: usize = 16;

/// A request to change the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineRequest {
    /// Returns the state of the unit and of the firewall, and whether these openings exist. Changes nothing.
    Survey(Vec<Opening>),
    /// Returns which authentication schemes users can sign in with. Changes nothing; only a running service answers.
    SignIn,
    /// Starts the service at boot.
    Enable,
    /// Permits connections to a port of the service.
    Open(Opening),
    /// Records a change of the service's own settings, so that it can be undone.
    Record(SettingChange),
    /// Undoes the change with this number. A change of the service's own settings is only removed from the
    /// journal.
    Undo(u32),
}

/// Result of a [`MachineRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineResponse {
    /// Result of [`MachineRequest::Survey`].
    Survey(Survey),
    /// Result of [`MachineRequest::SignIn`].
    SignIn(SignInReport),
    /// Result of all other requests.
    Done(Outcome),
}

/// Outcome of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The step was executed; the text describes how.
    Done(String),
    /// There was nothing to do.
    Already,
    /// The step failed; the text is the reason.
    Failed(String),
}

/// Transport of a port, HTTP or HTTPS. firewalld has service names for their default ports, and rules contain
/// it in a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// HTTP, by default port 5985; service `wsman` of firewalld.
    Http,
    /// HTTPS, by default port 5986; service `wsmans` of firewalld.
    Https,
}

impl Transport {
    /// Returns the name for display.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    /// Returns the name in the journal.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns the transport with this name in the journal.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|transport| transport.word() == word)
    }

    /// Returns the comment of firewall rules for this transport.
    pub(crate) fn comment(self) -> &'static str {
        match self {
            Self::Http => "winrm:http",
            Self::Https => "winrm:https",
        }
    }
}

/// A port of the service that the firewall should permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Transport of the port.
    pub transport: Transport,
    /// TCP port.
    pub port: NonZeroU16,
    /// Permitted sources. Empty means any; in a zone named `public` it means the networks of this machine.
    pub sources: Vec<Source>,
    /// Zone of firewalld; `None` means the zones of all interfaces.
    pub zone: Option<Zone>,
}

/// Permitted source of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The networks of this machine.
    LocalSubnet,
    /// A network.
    Network(Network),
}

impl Source {
    /// Maximum number of sources of an opening.
    pub const MAX: usize = 32;

    /// Parses a network such as `10.0.0.0/8` or `2001:db8::1`, or the word `LocalSubnet`.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.eq_ignore_ascii_case("LocalSubnet") {
            return Ok(Self::LocalSubnet);
        }
        Network::parse(text).map(Self::Network)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalSubnet => f.write_str("LocalSubnet"),
            Self::Network(network) => network.fmt(f),
        }
    }
}

/// An IP network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// INVARIANT: the bits after `length` are 0.
    address: IpAddr,
    /// INVARIANT: at most 32, or 128 for IPv6.
    length: u8,
}

impl Network {
    /// Returns the network that contains this address; bits after the length are cleared. `None` if the
    /// length exceeds the number of bits.
    #[must_use]
    pub fn of(address: IpAddr, length: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if length <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::from((u32::from(v4) & mask).to_be_bytes())
            }
            IpAddr::V6(v6) if length <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::from((u128::from(v6) & mask).to_be_bytes())
            }
            _ => return None,
        };
        Some(Self { address, length })
    }

    /// Parses `ADDRESS/LENGTH`, or a single address.
    ///
    /// # Errors
    /// [`Error::Malformed`], also if bits after the length are set, which is probably a typing error.
    pub fn parse(text: &str) -> Result<Self, Error> {
        const EXPECTED: &str = "a network such as 10.0.0.0/8 or 2001:db8::/32, or LocalSubnet";
        Self::parse_exact(text).ok_or_else(|| Error::malformed(text, EXPECTED))
    }

    fn parse_exact(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                (address, Some(length.parse().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let length = length.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
        Self::of(address, length).filter(|network| network.address == address)
    }

    /// Returns the first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Returns the prefix length in bits.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// Name of a firewalld zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(String);

impl Zone {
    /// Parses a zone name.
    ///
    /// # Errors
    /// [`Error::Malformed`] if firewalld does not permit the name.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_valid = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/'));
        if text.is_empty() || text.len() > 40 || !is_valid {
            return Err(Error::malformed(text, "a valid name of a firewalld zone"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A change of the service's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingChange {
    /// Created the listener `Address=*` of a transport.
    Listener(Transport),
    /// Enabled that listener.
    ListenerEnabled(Transport),
    /// Granted a SID the right to open shells.
    Allowed(String),
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(transport) => write!(f, "A listener for {} was created.", transport.scheme()),
            Self::ListenerEnabled(transport) => {
                write!(f, "The listener for {} was enabled.", transport.scheme())
            }
            Self::Allowed(sid) => write!(f, "{sid} was granted the right to open shells."),
        }
    }
}

/// State of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// State of the service's unit.
    pub unit: Unit,
    /// State of the firewall.
    pub firewall: Firewall,
    /// Changes made by quickconfig and not undone, oldest first.
    pub recorded: Vec<ChangeRecord>,
    /// Thumbprints of the certificates that the administrator placed in the certificate directory; filled in
    /// by the owner of that directory.
    pub certificates: Vec<Certificate>,
}

/// Thumbprint of a certificate.
pub type Certificate = [u8; 20];

/// State of the service's unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// systemd is not running, for example in a container.
    NoSystemd,
    /// The unit is not installed.
    NotInstalled,
    /// The unit is installed.
    Known {
        /// Whether it is running.
        active: bool,
        /// Whether it is enabled at boot.
        enabled: bool,
    },
    /// The service belongs to a user and has no system unit.
    Private,
}

/// State of the firewall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// Firewall in use.
    pub kind: FirewallKind,
    /// Zones of firewalld or chains of nftables in which rules would be created.
    pub places: Vec<String>,
    /// Whether one of them is the zone for untrusted networks.
    pub public: bool,
    /// For each requested opening, whether it exists.
    pub open: Vec<bool>,
}

/// Firewall in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirewallKind {
    /// No firewall was found.
    None,
    /// firewalld.
    Firewalld,
    /// ufw.
    Ufw,
    /// nftables chains that filter incoming packets.
    Nftables,
    /// The firewall cannot be inspected; the text is the reason.
    Unseen(String),
}

/// A recorded change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRecord {
    /// Number of the record.
    pub number: u32,
    /// Description for display.
    pub what: String,
    /// Change that the service has to undo itself, if it is one of its own settings.
    pub own: Option<SettingChange>,
    /// Effect on the service when the change is undone.
    pub service: ServiceAfter,
}

/// Effect on the service when a change is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAfter {
    /// The service keeps running.
    Running,
    /// The service is stopped, so it must send its response before.
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_after_the_prefix_length_must_be_zero() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(Network::parse(text).unwrap().to_string(), shown);
        }
        for wrong in
            ["", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "a", "10/8", "1.2.3.4 "]
        {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
        let whole = Network::of([192, 0, 2, 7].into(), 24).unwrap();
        assert_eq!(whole.to_string(), "192.0.2.0/24");
        assert!(matches!(Source::parse("localsubnet"), Ok(Source::LocalSubnet)));
    }

    #[test]
    fn zone_names_with_other_characters_are_rejected() {
        assert_eq!(Zone::parse("FedoraServer").unwrap().as_str(), "FedoraServer");
        for wrong in ["", "a b", "a;b", "a\"b", &"a".repeat(41)] {
            assert!(Zone::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
