//! Users of a controller: names, passwords and access per channel (IPMI 2.0, 22.26 to 22.30).

use std::fmt;
use std::str::FromStr;

use super::Command;
use super::channel_number::ChannelNumber;
use crate::octets::Octets;
use crate::{NetFn, Password, Privilege, ProtoError, Request, UserName};

/// User id, 1 to 63; user 1 has no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId(
    /// INVARIANT: 1 to 63.
    u8,
);

impl UserId {
    /// Returns the user id with this number.
    ///
    /// # Errors
    /// If the number is not 1 to 63.
    pub fn new(number: u8) -> Result<Self, ProtoError> {
        if (1..=63).contains(&number) {
            Ok(Self(number))
        } else {
            Err(ProtoError::Unexpected { what: "the number of a user, 1 to 63,", value: number.into() })
        }
    }

    /// Returns the number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Maximum privilege level of a user on a channel (IPMI 2.0, table 22-31).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessLevel {
    /// No access.
    NoAccess,
    /// May only request a callback.
    Callback,
    /// Level [`Privilege::User`].
    User,
    /// Level [`Privilege::Operator`].
    Operator,
    /// Level [`Privilege::Administrator`].
    Administrator,
    /// Defined by the manufacturer.
    Oem,
    /// A reserved number.
    Unknown,
}

impl AccessLevel {
    /// All defined levels, with their names.
    pub const WORDS: [(&str, Self); 6] = [
        ("none", Self::NoAccess),
        ("callback", Self::Callback),
        ("user", Self::User),
        ("operator", Self::Operator),
        ("administrator", Self::Administrator),
        ("oem", Self::Oem),
    ];

    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, level)| *level == self).map_or("reserved", |(word, _)| word)
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::NoAccess => 15,
            Self::Callback => 1,
            Self::User => 2,
            Self::Operator => 3,
            Self::Administrator => 4,
            Self::Oem => 5,
            Self::Unknown => 0,
        }
    }

    pub(crate) fn of_number(number: u8) -> Self {
        let known = Self::WORDS.into_iter().find(|(_, level)| level.number() == number & 0x0f);
        known.map_or(Self::Unknown, |(_, level)| level)
    }
}

impl FromStr for AccessLevel {
    type Err = ProtoError;

    fn from_str(text: &str) -> Result<Self, ProtoError> {
        let text = if text == "admin" { "administrator" } else { text };
        let known = Self::WORDS.iter().find(|(word, _)| *word == text);
        known.map(|(_, level)| *level).ok_or_else(|| ProtoError::Word {
            what: "a level of access",
            word: text.to_owned(),
            known: Self::WORDS.map(|(word, _)| word).join(", "),
        })
    }
}

/// Get User Access (IPMI 2.0, 22.27).
#[derive(Clone, Copy, Debug)]
pub struct GetUserAccess {
    /// Channel.
    pub channel: ChannelNumber,
    /// User.
    pub user: UserId,
}

/// Access of a user on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserAccess {
    /// Number of user ids of the channel, at most 63.
    pub slots: u8,
    /// Number of enabled users.
    pub enabled: u8,
    /// Number of users, from user 1, whose names cannot be changed.
    pub fixed_names: u8,
    /// Whether the user is enabled; `None` if the controller does not report it, as older ones do.
    pub is_enabled: Option<bool>,
    /// Whether the user may sign in only by callback.
    pub callback_only: bool,
    /// Whether the user may be used for link authentication, such as PPP.
    pub link_authentication: bool,
    /// Whether the user may send IPMI messages.
    pub messaging: bool,
    /// Maximum privilege level.
    pub limit: AccessLevel,
}

impl Command for GetUserAccess {
    type Reply = UserAccess;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x44, &[self.channel.number(), self.user.0])
    }

    fn reply(&self, octets: &[u8]) -> Result<UserAccess, ProtoError> {
        let [slots, enabled, fixed, access] = Octets::new("the answer to Get User Access", octets).array()?;
        Ok(UserAccess {
            slots: slots & 0x3f,
            enabled: enabled & 0x3f,
            fixed_names: fixed & 0x3f,
            is_enabled: match enabled >> 6 {
                1 => Some(true),
                2 => Some(false),
                _ => None,
            },
            callback_only: access & 0x40 != 0,
            link_authentication: access & 0x20 != 0,
            messaging: access & 0x10 != 0,
            limit: AccessLevel::of_number(access),
        })
    }
}

/// Set User Access (IPMI 2.0, 22.26).
#[derive(Clone, Copy, Debug)]
pub struct SetUserAccess {
    /// Channel.
    pub channel: ChannelNumber,
    /// User.
    pub user: UserId,
    /// New access; user counts and `is_enabled` are ignored.
    pub access: UserAccess,
}

impl Command for SetUserAccess {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        let mut first = 0x80 | self.channel.number();
        first |= if self.access.callback_only { 0x40 } else { 0 };
        first |= if self.access.link_authentication { 0x20 } else { 0 };
        first |= if self.access.messaging { 0x10 } else { 0 };
        Request::new(NetFn::APP, 0x43, &[first, self.user.0, self.access.limit.number()])
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Get User Name (IPMI 2.0, 22.29).
#[derive(Clone, Copy, Debug)]
pub struct GetUserName(
    /// User.
    pub UserId,
);

impl Command for GetUserName {
    /// User name; empty for a user without one. Invalid UTF-8 and control characters are replaced.
    type Reply = String;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x46, &[self.0.0])
    }

    fn reply(&self, octets: &[u8]) -> Result<String, ProtoError> {
        let name: [u8; 16] = Octets::new("the answer to Get User Name", octets).array()?;
        let name: Vec<u8> = name.into_iter().take_while(|octet| *octet != 0).collect();
        Ok(UserName::from_octets(&name)?.to_text())
    }
}

/// Set User Name (IPMI 2.0, 22.28).
#[derive(Clone, Debug)]
pub struct SetUserName {
    /// User.
    pub user: UserId,
    /// New name; an empty name frees the user id.
    pub name: UserName,
}

impl Command for SetUserName {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        let mut data = vec![self.user.0];
        data.extend(self.name.octets());
        data.resize(17, 0);
        Request { net_fn: NetFn::APP, command: 0x45, data: data.into() }
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Set User Password (IPMI 2.0, 22.30).
#[derive(Clone, Debug)]
pub struct SetUserPassword {
    /// User.
    pub user: UserId,
    /// Operation.
    pub operation: PasswordOperation,
}

/// Password operation.
#[derive(Clone, Debug)]
pub enum PasswordOperation {
    /// Disables the user.
    Disable,
    /// Enables the user.
    Enable,
    /// Sets a new password.
    Set(Password, PasswordSize),
    /// Tests whether this is the password. Completion code 80h means no; 81h means that it was stored with
    /// the other size.
    Test(Password, PasswordSize),
}

/// Stored password length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordSize {
    /// 16 bytes, required for IPMI 1.5 logins.
    #[default]
    Sixteen,
    /// 20 bytes; IPMI 1.5 logins are then not possible.
    Twenty,
}

impl Command for SetUserPassword {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        let (operation, password) = match &self.operation {
            PasswordOperation::Disable => (0, None),
            PasswordOperation::Enable => (1, None),
            PasswordOperation::Set(password, size) => (2, Some((password, *size))),
            PasswordOperation::Test(password, size) => (3, Some((password, *size))),
        };
        // Allocated at full size: growing would leave a copy of the password behind. The request overwrites
        // it on drop.
        let mut data = Vec::with_capacity(LONGEST_REQUEST);
        data.extend([self.user.0, operation]);
        if let Some((password, size)) = password {
            let stored: &[u8] = password.padded();
            let (sixteen, _) = stored.split_at_checked(16).unwrap_or((stored, &[]));
            match size {
                PasswordSize::Sixteen => data.extend(sixteen),
                PasswordSize::Twenty => {
                    data.extend(stored);
                    if let Some(first) = data.first_mut() {
                        *first |= 0x80;
                    }
                }
            }
        }
        Request { net_fn: NetFn::APP, command: 0x47, data: data.into() }
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Maximum length of the data: user, operation and password.
const LONGEST_REQUEST: usize = 22;

impl PasswordSize {
    /// Returns the smallest size that holds the password.
    #[must_use]
    pub fn of(password: &Password) -> Self {
        let behind = password.padded().iter().skip(16).any(|octet| *octet != 0);
        if behind { Self::Twenty } else { Self::Sixteen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserId {
        UserId::new(3).unwrap()
    }

    #[test]
    fn a_password_uses_the_smallest_size_and_is_never_shown() {
        let short = Password::new(b"secret").unwrap();
        let long = Password::new(b"seventeen octets!").unwrap();
        assert_eq!(PasswordSize::of(&short), PasswordSize::Sixteen);
        assert_eq!(PasswordSize::of(&long), PasswordSize::Twenty);
        let request = |password: &Password| {
            let operation = PasswordOperation::Set(password.clone(), PasswordSize::of(password));
            SetUserPassword { user: user(), operation }.request()
        };
        assert_eq!(request(&short).data, [&[3, 2][..], b"secret", &[0; 10]].concat());
        assert_eq!(request(&long).data, [&[0x83, 2][..], b"seventeen octets!", &[0; 3]].concat());
        assert!(!format!("{:?}", request(&short)).contains("115"), "{:?}", request(&short));
        let off = SetUserPassword { user: user(), operation: PasswordOperation::Disable };
        assert_eq!(off.request().data, [3, 0]);
    }

    #[test]
    fn access_is_encoded_and_decoded() {
        let channel = ChannelNumber::new(1).unwrap();
        let get = GetUserAccess { channel, user: user() };
        let access = get.reply(&[10, 0x45, 1, 0x34]).unwrap();
        assert_eq!((access.slots, access.enabled, access.is_enabled), (10, 5, Some(true)));
        assert_eq!((access.limit, access.messaging), (AccessLevel::Administrator, true));
        assert_eq!(SetUserAccess { channel, user: user(), access }.request().data, [0xb1, 3, 4]);
        assert_eq!(get.reply(&[10, 0x85, 1, 0x0f]).unwrap().limit, AccessLevel::NoAccess);
        assert!(UserId::new(0).is_err() && UserId::new(64).is_err());
    }

    #[test]
    fn names_end_at_the_first_nul_without_control_characters() {
        let mut name = *b"ad\x1bin\0junk......";
        assert_eq!(GetUserName(user()).reply(&name).unwrap(), "ad\u{fffd}in");
        name[0] = 0;
        assert_eq!(GetUserName(user()).reply(&name).unwrap(), "");
        let set = SetUserName { user: user(), name: UserName::new("bob").unwrap() };
        assert_eq!(set.request().data, [&[3][..], b"bob", &[0; 13]].concat());
    }
}
