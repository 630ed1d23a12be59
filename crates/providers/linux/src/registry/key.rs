//! Keys and values of a registry (MS-RRP 3.1.1.1).

use std::fmt;

/// Root keys, numbered as in the methods (winreg.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hive {
    /// `HKEY_LOCAL_MACHINE`
    LocalMachine,
    /// `HKEY_CURRENT_USER`
    CurrentUser,
    /// `HKEY_USERS`: the keys of users, by SID.
    Users,
}

/// Path of a key; names are compared without regard to case.
#[derive(Clone, Debug)]
pub struct Key {
    /// Root key.
    pub hive: Hive,
    /// Names below the root key.
    pub path: Vec<String>,
}

/// Names and data of values.
pub(super) type Values = Vec<(&'static str, Data)>;

/// Returns a value of type `REG_SZ`, if there is a text.
pub(super) fn text_value(name: &'static str, value: Option<&str>) -> Option<(&'static str, Data)> {
    value.map(|value| (name, Data::Text(value.to_owned())))
}

/// Typed data of a value (MS-RRP 2.2.9).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Data {
    /// `REG_SZ`
    Text(String),
    /// `REG_EXPAND_SZ`
    ExpandedText(String),
    /// `REG_BINARY`
    Binary(Vec<u8>),
    /// `REG_DWORD`
    Number(u32),
    /// `REG_MULTI_SZ`
    Texts(Vec<String>),
    /// `REG_QWORD`
    LongNumber(u64),
}

impl Data {
    /// Returns the number of the type.
    pub(crate) fn kind(&self) -> i32 {
        match self {
            Self::Text(_) => 1,
            Self::ExpandedText(_) => 2,
            Self::Binary(_) => 3,
            Self::Number(_) => 4,
            Self::Texts(_) => 7,
            Self::LongNumber(_) => 11,
        }
    }
}

impl Key {
    /// Maximum depth of a key.
    pub(crate) const MAX_DEPTH: usize = 64;

    /// Maximum length of a name in characters.
    pub(crate) const MAX_NAME: usize = 255;

    /// Parses a path below the root key with this number; `None` for unsupported root keys and invalid names.
    pub fn parse(hive: u32, path: &str) -> Option<Self> {
        let (hive, above): (Hive, &[&str]) = match hive {
            0x8000_0000 => (Hive::LocalMachine, &["SOFTWARE", "Classes"]),
            0x8000_0001 => (Hive::CurrentUser, &[]),
            0x8000_0002 => (Hive::LocalMachine, &[]),
            0x8000_0003 => (Hive::Users, &[]),
            // HKEY_CURRENT_CONFIG
            0x8000_0005 => (Hive::LocalMachine, CURRENT_CONFIG),
            _ => return None,
        };
        let names = path.split('\\').filter(|name| !name.is_empty());
        let path: Vec<String> = above.iter().copied().chain(names).map(str::to_owned).collect();
        (path.len() <= Self::MAX_DEPTH
            && path.iter().all(|name| name.chars().count() <= Self::MAX_NAME && !name.contains('\0')))
        .then_some(Self { hive, path })
    }

    /// Returns the names below a path; `None` if the key is neither at the path nor below it.
    pub(crate) fn below(&self, above: &[&str]) -> Option<&[String]> {
        let (first, rest) = self.path.split_at_checked(above.len())?;
        first.iter().zip(above).all(|(own, other)| is_same(own, other)).then_some(rest)
    }

    /// Returns the next name of a longer path that begins with this key.
    pub(crate) fn next<'a>(&self, path: &'a [&'a str]) -> Option<&'a str> {
        let (first, rest) = path.split_at_checked(self.path.len())?;
        first.iter().zip(&self.path).all(|(other, own)| is_same(own, other)).then(|| rest.first().copied())?
    }
}

/// Path that `HKEY_CURRENT_CONFIG` refers to, below `HKEY_LOCAL_MACHINE`.
pub(super) const CURRENT_CONFIG: &[&str] = &["SYSTEM", "CurrentControlSet", "Hardware Profiles", "Current"];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("\\"))
    }
}

/// Returns whether two names denote the same key or value.
pub fn is_same(one: &str, other: &str) -> bool {
    cim::wql::equal(one, other)
}
