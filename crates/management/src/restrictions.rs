//! Address rules of the service (`RemoteRestrictions`).

mod blob;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// Treatment of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Accept requests.
    Allow,
    /// Refuse requests.
    Deny,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

impl FromStr for Mode {
    type Err = RestrictionsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(RestrictionsError::Mode(text.to_owned())),
        }
    }
}

/// An IPv4 or IPv6 network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// INVARIANT: bits after the prefix are zero.
    address: IpAddr,
    /// INVARIANT: at most 32 for IPv4 and 128 for IPv6.
    prefix: u8,
}

impl Network {
    /// Returns the network of an address; bits after the prefix are cleared. `None` if the prefix is too long.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(address) => {
                let mask = mask_of(32, prefix)?;
                IpAddr::V4((u32::from(address) & u32::try_from(mask).ok()?).into())
            }
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & mask_of(128, prefix)?).into()),
        };
        Some(Self { address, prefix })
    }

    /// Returns the first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Returns the length of the prefix in bits.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Returns whether the network contains an address. IPv4 addresses that are mapped to IPv6 count as IPv4.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        Self::new(address.to_canonical(), self.prefix).is_some_and(|network| network.address == self.address)
    }

    /// Returns the address and mask of an IPv4 network.
    fn ipv4(self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let IpAddr::V4(address) = self.address else { return None };
        Some((address, u32::try_from(mask_of(32, self.prefix)?).ok()?.into()))
    }
}

/// Returns a number of `bits` whose first `prefix` bits are set.
fn mask_of(bits: u32, prefix: u8) -> Option<u128> {
    let host_bits = bits.checked_sub(u32::from(prefix))?;
    let all = u128::MAX >> (128 - bits);
    Some(all.checked_shr(host_bits).map_or(0, |_| all & all.checked_shl(host_bits).unwrap_or(0)))
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = RestrictionsError;

    /// Parses an address, `ADDRESS/PREFIX` or `ADDRESS/MASK`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| not_a_network(text))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(mask) if mask.contains('.') => {
                let mask: Ipv4Addr = mask.parse().map_err(|_| not_a_network(text))?;
                prefix_of_mask(mask).filter(|_| address.is_ipv4()).ok_or_else(|| not_a_network(text))?
            }
            Some(prefix) => prefix.parse().map_err(|_| not_a_network(text))?,
        };
        Self::new(address, prefix).ok_or_else(|| not_a_network(text))
    }
}

fn not_a_network(text: &str) -> RestrictionsError {
    RestrictionsError::Network(text.to_owned())
}

/// Returns the prefix length of a mask; `None` if its set bits are not at the front.
fn prefix_of_mask(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    (bits.leading_ones() == bits.count_ones()).then(|| u8::try_from(bits.leading_ones()).ok())?
}

/// A rule for clients of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Treatment of these clients.
    pub mode: Mode,
    /// Addresses of the clients.
    pub network: Network,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.mode, self.network)
    }
}

/// Ordered address rules; the first one that contains the client's address decides.
///
/// The text form is the treatment of unlisted clients, then the rules: `deny, allow 10.0.0.0/8, allow fd00::/8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restrictions {
    /// Treatment of clients that no rule contains.
    unlisted: Mode,
    /// INVARIANT: at most [`MAX_RULES`].
    rules: Vec<Rule>,
}

/// Reason why rules are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestrictionsError {
    /// The word is neither `allow` nor `deny`.
    #[error("\"{0}\" is neither allow nor deny")]
    Mode(String),
    /// The network is malformed.
    #[error("\"{0}\" is not a network; expected an address, ADDRESS/PREFIX or ADDRESS/MASK")]
    Network(String),
    /// A rule has no network.
    #[error("\"{0}\" is not a rule; expected allow NETWORK or deny NETWORK")]
    Rule(String),
    /// There are more than 1000 rules.
    #[error("too many rules; at most {MAX_RULES} are possible")]
    TooMany,
    /// The registry value is malformed.
    #[error("not a RemoteRestrictions value: {0}")]
    Blob(&'static str),
    /// The registry value cannot hold IPv6 rules.
    #[error("the registry value holds IPv4 rules only; {0} is an IPv6 rule")]
    NotIpv4(Rule),
}

impl Default for Restrictions {
    /// Every client is allowed.
    fn default() -> Self {
        Self { unlisted: Mode::Allow, rules: Vec::new() }
    }
}

impl Restrictions {
    /// Returns rules without an entry.
    #[must_use]
    pub fn new(unlisted: Mode) -> Self {
        Self { unlisted, rules: Vec::new() }
    }

    /// Treatment of clients that no rule contains.
    #[must_use]
    pub fn unlisted(&self) -> Mode {
        self.unlisted
    }

    /// Sets the treatment of clients that no rule contains.
    pub fn set_unlisted(&mut self, mode: Mode) {
        self.unlisted = mode;
    }

    /// The rules, in the order in which they are applied.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Adds a rule at the end.
    ///
    /// # Errors
    /// [`RestrictionsError::TooMany`] if there are 1000 rules.
    pub fn add(&mut self, rule: Rule) -> Result<(), RestrictionsError> {
        if self.rules.len() >= MAX_RULES {
            return Err(RestrictionsError::TooMany);
        }
        self.rules.push(rule);
        Ok(())
    }

    /// Removes the rules of a network; returns whether there was one.
    pub fn remove(&mut self, network: Network) -> bool {
        let before = self.rules.len();
        self.rules.retain(|rule| rule.network != network);
        self.rules.len() < before
    }

    /// Returns whether a client with this address is accepted.
    #[must_use]
    pub fn admits(&self, client: IpAddr) -> bool {
        let rule = self.rules.iter().find(|rule| rule.network.contains(client));
        rule.map_or(self.unlisted, |rule| rule.mode) == Mode::Allow
    }

    /// Parses the registry value `RemoteRestrictions`.
    ///
    /// # Errors
    /// [`RestrictionsError`] if the value is malformed.
    pub fn from_registry(value: &str) -> Result<Self, RestrictionsError> {
        blob::parse(value)
    }

    /// Returns the registry value `RemoteRestrictions`.
    ///
    /// # Errors
    /// [`RestrictionsError::NotIpv4`] if there is a rule for IPv6, which the value cannot hold.
    pub fn to_registry(&self) -> Result<String, RestrictionsError> {
        blob::write(self)
    }
}

impl fmt::Display for Restrictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.unlisted)?;
        self.rules.iter().try_for_each(|rule| write!(f, ", {rule}"))
    }
}

impl FromStr for Restrictions {
    type Err = RestrictionsError;

    /// Parses the text form, or the registry value if the text has neither spaces nor commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        if first.len() > 5 && !first.contains(' ') {
            return Self::from_registry(text);
        }
        let mut restrictions = Self::new(first.parse()?);
        for part in parts {
            let (mode, network) =
                part.split_once(' ').ok_or_else(|| RestrictionsError::Rule(part.to_owned()))?;
            restrictions.add(Rule { mode: mode.parse()?, network: network.trim().parse()? })?;
        }
        Ok(restrictions)
    }
}

/// Maximum number of rules.
const MAX_RULES: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(rules: &str, client: &str) -> bool {
        rules.parse::<Restrictions>().unwrap().admits(client.parse().unwrap())
    }

    #[test]
    fn the_first_matching_rule_decides() {
        let rules = "deny, deny 10.0.0.7, allow 10.0.0.0/255.0.0.0, allow 2001:db8::/32";
        assert!(admits(rules, "10.1.2.3") && admits(rules, "::ffff:10.1.2.3"));
        assert!(admits(rules, "2001:db8:1::1"));
        assert!(!admits(rules, "10.0.0.7") && !admits(rules, "192.0.2.1") && !admits(rules, "2001:db9::1"));
        assert!(admits("allow, deny 0.0.0.0/0", "::1") && !admits("allow, deny 0.0.0.0/0", "1.2.3.4"));
        assert!(!admits("allow, deny ::/0", "::1"));
    }

    #[test]
    fn the_text_form_is_read_back() {
        let text = "deny, allow 10.0.0.0/8, deny 192.0.2.1/32, allow fd00::/8";
        assert_eq!(text.parse::<Restrictions>().unwrap().to_string(), text);
        assert_eq!(
            "deny, allow 10.9.9.9/8".parse::<Restrictions>().unwrap().to_string(),
            "deny, allow 10.0.0.0/8"
        );
    }

    #[test]
    fn malformed_rules_are_rejected() {
        for text in [
            "",
            "maybe",
            "allow, 10.0.0.0/8",
            "allow, deny 10.0.0.0/33",
            "allow, deny 10.0.0.0/255.0.255.0",
            "allow, deny fd00::/129",
            "allow, deny fd00::/255.0.0.0",
            "allow, deny host",
            "allow,",
        ] {
            assert!(text.parse::<Restrictions>().is_err(), "{text}");
        }
    }
}
