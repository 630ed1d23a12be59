//! What can be asked of the machine, and what it answers.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::Error;

/// The most openings that one question may be about: more ports than anybody listens on for one transport.
pub const MAX_OPENINGS: usize = 16;

/// What is to be done or looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To look, and to change nothing: the unit, the firewall, and whether it has these openings.
    Survey(Vec<Opening>),
    /// To have the service started at boot.
    Enable,
    /// To let connections through to a port of the service.
    Open(Opening),
    /// To remember what the service has changed in its own settings, so that it can be taken back.
    Note(Noted),
    /// To take back what is recorded under a number, or to forget it where it is the service's own.
    TakeBack(u32),
}

/// What the machine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Wish::Survey`].
    Survey(Survey),
    /// To everything else.
    Done(Outcome),
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; how, for people.
    Done(String),
    /// There was nothing to do.
    Already,
    /// It was not done: why, for people.
    Failed(String),
}

/// HTTP or HTTPS: firewalld knows their usual ports by name, and rules bear it in a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// Usually port 5985, firewalld's service `wsman`.
    Http,
    /// Usually port 5986, firewalld's service `wsmans`.
    Https,
}

impl Transport {
    /// As texts for people have it.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    /// As it stands in the journal.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The transport that a word of the journal stands for.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|transport| transport.word() == word)
    }

    /// What rules of ours have in their comment.
    pub(crate) fn comment(self) -> &'static str {
        match self {
            Self::Http => "winrm:http",
            Self::Https => "winrm:https",
        }
    }
}

/// A port of the service that the firewall is to let connections through to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// What is spoken there.
    pub transport: Transport,
    /// The TCP port.
    pub port: NonZeroU16,
    /// From where; empty means anywhere, and in a zone named `public` the networks that this machine is in.
    pub sources: Vec<Source>,
    /// The zone of firewalld; none means those that interfaces are in.
    pub zone: Option<Zone>,
}

/// From where connections are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the networks that this machine is in.
    LocalSubnet,
    /// From a network.
    Network(Network),
}

impl Source {
    /// The most sources of one opening.
    pub const MAX: usize = 32;

    /// Reads a network as `10.0.0.0/8` or `2001:db8::1`, or the word `LocalSubnet`.
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
    /// INVARIANT: the bits behind `length` are 0.
    address: IpAddr,
    /// INVARIANT: at most 32, or 128 for IPv6.
    length: u8,
}

impl Network {
    /// The network that has this address; bits behind the length do not count. None if there are fewer bits than that.
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

    /// Reads `ADDRESS/LENGTH`, or one address alone.
    ///
    /// # Errors
    /// [`Error::Malformed`], also if the address has bits behind the length: that is a slip of the pen.
    pub fn parse(text: &str) -> Result<Self, Error> {
        const EXPECTED: &str = "a network such as 10.0.0.0/8 or 2001:db8::/32, or LocalSubnet";
        let wrong = || Error::malformed(text, EXPECTED);
        let (address, length) = match text.split_once('/') {
            Some((address, length)) if length.bytes().all(|octet| octet.is_ascii_digit()) => {
                (address, Some(length.parse().map_err(|_| wrong())?))
            }
            Some(_) => return Err(wrong()),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let length = length.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
        Self::of(address, length).filter(|network| network.address == address).ok_or_else(wrong)
    }

    /// Its first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits all of its addresses have in common.
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

/// The name of a zone of firewalld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(String);

impl Zone {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what firewalld takes as the name of no zone.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
        if text.is_empty() || text.len() > 40 || !text.chars().all(fits) {
            return Err(Error::malformed(text, "the name of a zone of firewalld"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the service has changed in its own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It made the listener `Address=*` of a transport.
    Listener(Transport),
    /// It switched that listener on.
    ListenerEnabled(Transport),
    /// It gave a SID the right to open shells.
    Allowed(String),
}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(transport) => write!(f, "A listener for {} was made.", transport.scheme()),
            Self::ListenerEnabled(transport) => {
                write!(f, "The listener for {} was switched on.", transport.scheme())
            }
            Self::Allowed(sid) => write!(f, "{sid} was given the right to open shells."),
        }
    }
}

/// How the machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The unit of the service.
    pub unit: Unit,
    /// The firewall.
    pub firewall: Firewall,
    /// What quickconfig has done and not taken back, in the order it was done.
    pub recorded: Vec<Recorded>,
    /// The certificates that the administrator has put into their directory, by thumbprint. Whoever keeps the
    /// directory fills it in.
    pub certificates: Vec<Certificate>,
}

/// The thumbprint of a certificate.
pub type Certificate = [u8; 20];

/// The unit of the service, as systemd knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// There is no systemd here, as in a container.
    NoSystemd,
    /// systemd does not know the unit.
    NotInstalled,
    /// It knows the unit.
    Known {
        /// Whether it runs.
        active: bool,
        /// Whether it is started at boot.
        enabled: bool,
    },
    /// The service is a user's own, and no unit of the machine.
    Private,
}

/// The firewall of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// What it is.
    pub kind: FirewallKind,
    /// Where rules would go: zones of firewalld, chains of nftables.
    pub places: Vec<String>,
    /// Whether one of them is the zone for networks that are not trusted.
    pub public: bool,
    /// For each opening that was asked about whether it is there.
    pub open: Vec<bool>,
}

/// What there is to keep connections out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirewallKind {
    /// Nothing, as far as can be seen.
    None,
    /// firewalld runs.
    Firewalld,
    /// ufw is active.
    Ufw,
    /// Chains of nftables look at what comes in.
    Nftables,
    /// It cannot be seen: why, for people.
    Unseen(String),
}

/// Something that quickconfig has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number.
    pub number: u32,
    /// What it was, for people.
    pub what: String,
    /// What the service has to take back itself, if it does.
    pub own: Option<Noted>,
    /// What becomes of the service when it is taken back.
    pub service: ServiceAfter,
}

/// What becomes of the service when something is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAfter {
    /// It goes on.
    Running,
    /// It is stopped, so that it should have said everything before.
    Stopped,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_with_nothing_behind_its_length() {
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
    fn the_name_of_a_zone_is_nothing_but_a_name() {
        assert_eq!(Zone::parse("FedoraServer").unwrap().as_str(), "FedoraServer");
        for wrong in ["", "a b", "a;b", "a\"b", &"a".repeat(41)] {
            assert!(Zone::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
