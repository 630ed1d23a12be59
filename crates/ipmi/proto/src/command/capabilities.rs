//! Authentication capabilities, which controllers report without a session (IPMI 2.0, 22.13 and 22.15).

use super::Command;
use super::channel::ChannelNumber;
use crate::octets::Octets;
use crate::{AuthenticationType, CipherSuite, NetFn, Privilege, ProtoError, Request};

/// Get Channel Authentication Capabilities, for the channel on which the request arrives.
#[derive(Clone, Copy, Debug)]
pub struct GetAuthenticationCapabilities {
    /// Privilege level that will be requested.
    pub privilege: Privilege,
    /// Whether IPMI 2.0 data is requested: some IPMI 1.5 controllers reject a request for it.
    pub detail: Detail,
}

/// Version of the requested data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// IPMI 2.0 extended data.
    Ipmi20,
    /// IPMI 1.5 data only.
    Ipmi15,
}

/// Authentication capabilities of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationCapabilities {
    /// Channel number.
    pub channel: u8,
    /// IPMI 1.5 authentication types, without those defined by manufacturers.
    pub lan15: Vec<AuthenticationType>,
    /// Whether IPMI 2.0 (RMCP+) sessions are supported.
    pub rmcp_plus: bool,
    /// Whether IPMI 1.5 sessions are supported.
    pub ipmi15: bool,
    /// Whether a key `K_g` is set in addition to user passwords.
    pub has_group_key: bool,
    /// Whether packets after the first ones need no authentication in an IPMI 1.5 session.
    pub per_message_is_off: bool,
    /// Whether commands of level User need no authentication in an IPMI 1.5 session.
    pub user_level_is_off: bool,
    /// Kinds of enabled users.
    pub logins: Logins,
}

/// Kinds of enabled users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    /// Users with a name.
    pub named: bool,
    /// Users without a name but with a password.
    pub unnamed: bool,
    /// Users with neither name nor password.
    pub anonymous: bool,
}

impl Command for GetAuthenticationCapabilities {
    type Reply = AuthenticationCapabilities;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        let detail = match self.detail {
            Detail::Ipmi20 => 0x80,
            Detail::Ipmi15 => 0,
        };
        Request::new(NetFn::APP, 0x38, &[THIS_CHANNEL | detail, self.privilege.number()])
    }

    fn reply(&self, octets: &[u8]) -> Result<AuthenticationCapabilities, ProtoError> {
        let mut octets = Octets::new("the answer to Get Channel Authentication Capabilities", octets);
        let [channel, types, status] = octets.array()?;
        // In IPMI 1.5 this byte is reserved or missing.
        let versions = if types & 0x80 == 0 { 0x01 } else { octets.u8()? };
        let all = [
            AuthenticationType::Md5,
            AuthenticationType::Md2,
            AuthenticationType::Password,
            AuthenticationType::None,
        ];
        Ok(AuthenticationCapabilities {
            channel: channel & 0x0f,
            lan15: all.into_iter().filter(|kind| types >> kind.number() & 1 == 1).collect(),
            rmcp_plus: versions & 0x02 != 0,
            ipmi15: versions & 0x01 != 0,
            has_group_key: status & 0x20 != 0,
            per_message_is_off: status & 0x10 != 0,
            user_level_is_off: status & 0x08 != 0,
            logins: Logins {
                named: status & 0x04 != 0,
                unnamed: status & 0x02 != 0,
                anonymous: status & 0x01 != 0,
            },
        })
    }
}

/// Get Channel Cipher Suites: one piece of the list. All pieces but the last have sixteen bytes.
#[derive(Clone, Copy, Debug)]
pub struct GetCipherSuites {
    /// Channel.
    pub channel: ChannelNumber,
    /// Index of the piece, 0 to 63.
    pub piece: u8,
}

impl GetCipherSuites {
    /// Returns the request for a piece, for the channel on which the request arrives.
    #[must_use]
    pub fn here(piece: u8) -> Self {
        Self { channel: ChannelNumber::THIS, piece }
    }

    /// Returns whether this response is the last piece of the list.
    #[must_use]
    pub fn is_last(self, octets: &[u8]) -> bool {
        octets.len() < SUITES_PIECE || self.piece >= LAST_PIECE
    }
}

impl Command for GetCipherSuites {
    /// A piece of the list; a piece with less than sixteen bytes is the last.
    type Reply = Vec<u8>;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x54, &[self.channel.number(), 0, 0x80 | self.piece & 0x3f])
    }

    fn reply(&self, octets: &[u8]) -> Result<Vec<u8>, ProtoError> {
        let mut octets = Octets::new("the answer to Get Channel Cipher Suites", octets);
        let _channel = octets.u8()?;
        let piece = octets.rest();
        if piece.len() > SUITES_PIECE {
            let (octets, limit) = (piece.len(), SUITES_PIECE);
            return Err(ProtoError::TooLong { what: "a piece of the list of cipher suites", octets, limit });
        }
        Ok(piece.to_vec())
    }
}

/// Returns the supported suites of a complete list, in order (IPMI 2.0, table 22-18).
#[must_use]
pub fn suites(list: &[u8]) -> Vec<CipherSuite> {
    let (mut suites, mut rest) = (Vec::new(), list);
    // Each entry is a start byte and the suite number. Manufacturer-defined entries have a different start
    // byte and three more bytes.
    while let Some((mark, after)) = rest.split_first() {
        rest = after;
        if let (0xc0, Some((number, after))) = (*mark, after.split_first()) {
            suites.extend(CipherSuite::new(*number).ok().filter(|suite| !suites.contains(suite)));
            rest = after;
        }
    }
    suites
}

/// A suite listed by a controller, supported here or not (IPMI 2.0, table 22-18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedSuite {
    /// Suite number.
    pub number: u8,
    /// IANA enterprise number of the manufacturer, for a manufacturer-defined suite.
    pub manufacturer: Option<u32>,
    /// Names of the authentication, integrity and confidentiality algorithms.
    pub algorithms: [&'static str; 3],
}

/// Returns all suites of a complete list, in order. A truncated entry is omitted.
#[must_use]
pub fn listed_suites(list: &[u8]) -> Vec<ListedSuite> {
    let (mut all, mut rest) = (Vec::new(), Octets::new("the list of cipher suites", list));
    while let Ok(mark) = rest.u8() {
        let (manufacturer, number) = match mark {
            0xc0 => (None, rest.u8()),
            0xc1 => match (rest.u24(), rest.u8()) {
                // The suite number precedes the three bytes of the manufacturer number.
                (Ok(after), Ok(last)) => {
                    let [number, low, middle, _] = after.to_le_bytes();
                    (Some(u32::from_le_bytes([low, middle, last, 0])), Ok(number))
                }
                _ => break,
            },
            algorithm => {
                let (kind, number) = (usize::from(algorithm >> 6), usize::from(algorithm & 0x3f));
                let name = ALGORITHMS.get(kind).and_then(|names| names.get(number)).copied();
                let last: Option<&mut ListedSuite> = all.last_mut();
                if let Some(slot) = last.and_then(|suite| suite.algorithms.get_mut(kind)) {
                    *slot = name.unwrap_or("other");
                }
                continue;
            }
        };
        let Ok(number) = number else { break };
        all.push(ListedSuite { number, manufacturer, algorithms: ["none"; 3] });
    }
    all
}

/// Names of authentication, integrity and confidentiality algorithms by number (IPMI 2.0, tables 13-17 to
/// 13-19).
const ALGORITHMS: [&[&str]; 3] = [
    &["none", "hmac_sha1", "hmac_md5", "hmac_sha256"],
    &["none", "hmac_sha1_96", "hmac_md5_128", "md5_128", "sha256_128"],
    &["none", "aes_cbc_128", "xrc4_128", "xrc4_40"],
];

/// Encodes a list of suites as a controller does.
pub(crate) fn list(suites: &[CipherSuite]) -> Vec<u8> {
    let records = suites.iter().flat_map(|suite| {
        let [authentication, integrity, confidentiality] = suite.algorithms();
        [0xc0, suite.number(), authentication, 0x40 | integrity, 0x80 | confidentiality]
    });
    records.collect()
}

/// Length in bytes of all pieces but the last.
pub(crate) const SUITES_PIECE: usize = 16;
/// Index of the last possible piece.
const LAST_PIECE: u8 = 0x3f;
/// Number that means the channel on which the request arrives.
const THIS_CHANNEL: u8 = 0x0e;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_of_both_versions_are_read() {
        let ask =
            GetAuthenticationCapabilities { privilege: Privilege::Administrator, detail: Detail::Ipmi20 };
        assert_eq!(ask.request().data, [0x8e, 4]);
        let both = ask.reply(&[1, 0x94, 0x26, 3, 0, 0, 0, 0]).unwrap();
        assert_eq!(both.lan15, [AuthenticationType::Md5, AuthenticationType::Password]);
        assert!(both.rmcp_plus && both.ipmi15 && both.has_group_key && !both.per_message_is_off);
        assert_eq!(both.logins, Logins { named: true, unnamed: true, anonymous: false });
        let old = ask.reply(&[1, 0x15, 0x1c, 0xff, 0, 0, 0, 0]).unwrap();
        assert!(!old.rmcp_plus && old.ipmi15 && old.per_message_is_off && old.user_level_is_off);
        assert!(ask.reply(&[1, 0x94, 6]).is_err() && ask.reply(&[1, 2]).is_err());
    }

    #[test]
    fn suites_are_decoded_among_unknown_records() {
        let all = [CipherSuite::SHA1, CipherSuite::SHA256];
        assert_eq!(suites(&list(&all)), all);
        // A suite of a manufacturer, a suite with RC4, and an incomplete one.
        let odd = [0xc1, 0x80, 0x91, 0x12, 0, 1, 0x41, 0x81, 0xc0, 4, 1, 0x41, 0x82, 0xc0, 17, 3, 0x44, 0xc0];
        assert_eq!(suites(&odd), [CipherSuite::SHA256]);
        assert_eq!(suites(&[]), []);
        let all: Vec<_> = listed_suites(&odd)
            .iter()
            .map(|suite| (suite.number, suite.manufacturer, suite.algorithms))
            .collect();
        assert_eq!(
            all,
            [
                (0x80, Some(0x1291), ["hmac_sha1", "hmac_sha1_96", "aes_cbc_128"]),
                (4, None, ["hmac_sha1", "hmac_sha1_96", "xrc4_128"]),
                (17, None, ["hmac_sha256", "sha256_128", "none"]),
            ]
        );
        assert!(listed_suites(&[0xc1, 1, 2]).is_empty() && listed_suites(&[0x41, 0xc0]).is_empty());
    }
}
