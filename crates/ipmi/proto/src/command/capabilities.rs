//! What a controller lets people sign in with; it tells everybody (IPMI 2.0, 22.13 and 22.15).

use super::Command;
use crate::octets::Octets;
use crate::{AuthenticationType, CipherSuite, NetFn, Privilege, ProtoError, Request};

/// Get Channel Authentication Capabilities, of the channel that it arrives on.
#[derive(Clone, Copy, Debug)]
pub struct GetAuthenticationCapabilities {
    /// The level that is going to be asked for.
    pub privilege: Privilege,
    /// Whether what IPMI 2.0 adds is asked for: some controllers of IPMI 1.5 refuse to answer that.
    pub detail: Detail,
}

/// How much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// With what IPMI 2.0 adds.
    Ipmi20,
    /// What IPMI 1.5 knows.
    Ipmi15,
}

/// What a controller lets people sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationCapabilities {
    /// The number of the channel.
    pub channel: u8,
    /// The types for sessions of IPMI 1.5, without those of manufacturers.
    pub lan15: Vec<AuthenticationType>,
    /// Whether sessions of IPMI 2.0 (RMCP+) can be had.
    pub rmcp_plus: bool,
    /// Whether sessions of IPMI 1.5 can be had.
    pub ipmi15: bool,
    /// Whether a key K_g is set, besides the passwords of users.
    pub has_group_key: bool,
    /// Whether packets of an IPMI 1.5 session need no proof after the first ones.
    pub per_message_is_off: bool,
    /// Whether commands of the level of a user need no proof in an IPMI 1.5 session.
    pub user_level_is_off: bool,
    /// Whether there are users with names, with a password but no name, and with neither.
    pub logins: Logins,
}

/// Which kinds of users there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    /// With a name.
    pub named: bool,
    /// With an empty name and a password.
    pub unnamed: bool,
    /// With an empty name and an empty password.
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
        // IPMI 1.5 has nothing there, or something reserved.
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

/// Get Channel Cipher Suites: one piece of the list, of sixteen octets but for the last one.
#[derive(Clone, Copy, Debug)]
pub struct GetCipherSuites(
    /// Which piece, 0 to 63.
    pub u8,
);

impl Command for GetCipherSuites {
    /// A piece of the list; a shorter one than sixteen octets is the last.
    type Reply = Vec<u8>;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x54, &[THIS_CHANNEL, 0, 0x80 | self.0 & 0x3f])
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

/// The suites of a whole list that are known here, in its order (IPMI 2.0, table 22-18).
#[must_use]
pub fn suites(list: &[u8]) -> Vec<CipherSuite> {
    let (mut suites, mut rest) = (Vec::new(), list);
    // Each begins with its number, behind a mark; those of manufacturers have three octets more before them.
    while let Some((mark, after)) = rest.split_first() {
        rest = after;
        if let (0xc0, Some((number, after))) = (*mark, after.split_first()) {
            suites.extend(CipherSuite::new(*number).ok().filter(|suite| !suites.contains(suite)));
            rest = after;
        }
    }
    suites
}

/// The list of suites as a controller gives it.
pub(crate) fn list(suites: &[CipherSuite]) -> Vec<u8> {
    let row = |suite: &CipherSuite| {
        let [authentication, integrity, confidentiality] = suite.algorithms();
        [0xc0, suite.number(), authentication, 0x40 | integrity, 0x80 | confidentiality]
    };
    suites.iter().flat_map(row).collect()
}

/// How long all pieces of the list are, but for the last.
pub(crate) const SUITES_PIECE: usize = 16;
/// The channel that the question arrives on.
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
    fn suites_are_read_whatever_stands_between_them() {
        let all = [CipherSuite::SHA1, CipherSuite::SHA256];
        assert_eq!(suites(&list(&all)), all);
        // One of a manufacturer, one with RC4, and one that is cut off.
        let odd = [0xc1, 0x80, 0x91, 0x12, 0, 1, 0x41, 0x81, 0xc0, 4, 1, 0x41, 0x82, 0xc0, 17, 3, 0x44, 0xc0];
        assert_eq!(suites(&odd), [CipherSuite::SHA256]);
        assert_eq!(suites(&[]), []);
    }
}
