use std::fmt;

use crate::{
    Domain, DomainSid, SddlError, Sid,
    cursor::{Cursor, parse_all},
    well_known,
};

/// A user or group named by an ACE or as owner: a SID, or an alias that depends on the machine or its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A SID that does not depend on the machine.
    Sid(Sid),
    /// A relative alias, kept unresolved so that it prints as it was written.
    Relative(RelativeSid),
}

impl Principal {
    /// Parses `S-1-...` or a two-letter alias (MS-DTYP 2.5.1.1).
    ///
    /// # Errors
    /// [`SddlError::UnknownAlias`], [`SddlError::Expected`], [`SddlError::NumberTooLarge`] or
    /// [`SddlError::SubAuthorityCount`], with the offset.
    pub fn parse(text: &str) -> Result<Self, SddlError> {
        parse_all(text, Self::read)
    }

    /// Returns the principal whose name, as in [`Principal::describe`], equals `name`, with or without the
    /// part before the last backslash; case-insensitive. `None` if the name is unknown.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let well_known = well_known::ALIASES.iter().find(|alias| has_name(alias.name, name));
        well_known.map(|alias| alias.sid.into()).or_else(|| {
            let mut all = RelativeSid::ALL.into_iter();
            all.find(|relative| has_name(relative.name(), name)).map(Self::Relative)
        })
    }

    /// Returns a text for display: name and alias (`BUILTIN\Administrators (BA)`), or the numeric SID.
    #[must_use]
    pub fn describe(&self) -> String {
        let name = match self {
            Self::Sid(sid) => sid.name(),
            Self::Relative(relative) => Some(relative.name()),
        };
        match name {
            Some(name) => format!("{name} ({self})"),
            None => self.to_string(),
        }
    }

    /// Parses a SID: `S-1-...`, or exactly two letters, so that `O:NSG:BAD:` needs no delimiter.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, SddlError> {
        if cursor.starts_with("S-") {
            return Sid::read_numeric(cursor).map(Self::Sid);
        }
        let letters =
            cursor.rest().get(..2).filter(|letters| letters.bytes().all(|c| c.is_ascii_uppercase()));
        let Some(letters) = letters else {
            return Err(cursor.expected("a SID such as BA or S-1-5-32-544"));
        };
        let known = well_known::ALIASES.iter().find(|known| known.alias == letters);
        let principal = match (known, RelativeSid::of_alias(letters)) {
            (Some(known), _) => Self::Sid(known.sid),
            (None, Some(relative)) => Self::Relative(relative),
            (None, None) => {
                return Err(SddlError::UnknownAlias { at: cursor.at(), found: letters.to_owned() });
            }
        };
        cursor.eat(letters);
        Ok(principal)
    }
}

impl From<Sid> for Principal {
    fn from(sid: Sid) -> Self {
        Self::Sid(sid)
    }
}

impl From<RelativeSid> for Principal {
    fn from(relative: RelativeSid) -> Self {
        Self::Relative(relative)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sid(sid) => sid.fmt(formatter),
            Self::Relative(relative) => formatter.write_str(relative.alias()),
        }
    }
}

/// An alias whose SID depends on the machine or on the domain it has joined (MS-DTYP 2.5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RelativeSid {
    /// `LA`: user 500 of the machine; on Linux, root.
    LocalAdministrator,
    /// `LG`: user 501 of the machine.
    LocalGuest,
    /// `DA`: group 512 of the domain.
    DomainAdmins,
    /// `DU`: group 513 of the domain.
    DomainUsers,
    /// `DC`: group 515 of the domain.
    DomainComputers,
    /// `DD`: group 516 of the domain.
    DomainControllers,
    /// `EA`: group 519 of the first domain of the forest.
    EnterpriseAdmins,
}

impl RelativeSid {
    pub(crate) const ALL: [Self; 7] = [
        Self::LocalAdministrator,
        Self::LocalGuest,
        Self::DomainAdmins,
        Self::DomainUsers,
        Self::DomainComputers,
        Self::DomainControllers,
        Self::EnterpriseAdmins,
    ];

    /// Returns the two letters of the alias.
    #[must_use]
    pub fn alias(self) -> &'static str {
        match self {
            Self::LocalAdministrator => "LA",
            Self::LocalGuest => "LG",
            Self::DomainAdmins => "DA",
            Self::DomainUsers => "DU",
            Self::DomainComputers => "DC",
            Self::DomainControllers => "DD",
            Self::EnterpriseAdmins => "EA",
        }
    }

    /// Returns the SID of the alias; `None` if it needs a domain and the machine has not joined one.
    #[must_use]
    pub fn resolve(self, machine: DomainSid, domain: Option<Domain>) -> Option<Sid> {
        Some(match self {
            Self::LocalAdministrator => machine.account(500),
            Self::LocalGuest => machine.account(501),
            Self::DomainAdmins => domain?.sid.account(512),
            Self::DomainUsers => domain?.sid.account(513),
            Self::DomainComputers => domain?.sid.account(515),
            Self::DomainControllers => domain?.sid.account(516),
            Self::EnterpriseAdmins => domain?.forest_root.account(519),
        })
    }

    pub(crate) fn of_alias(letters: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relative| relative.alias() == letters)
    }

    fn name(self) -> &'static str {
        match self {
            Self::LocalAdministrator => "Administrator",
            Self::LocalGuest => "Guest",
            Self::DomainAdmins => "Domain Admins",
            Self::DomainUsers => "Domain Users",
            Self::DomainComputers => "Domain Computers",
            Self::DomainControllers => "Domain Controllers",
            Self::EnterpriseAdmins => "Enterprise Admins",
        }
    }
}

/// Returns whether a full name equals a given one, with or without the part before the last backslash.
fn has_name(full: &str, given: &str) -> bool {
    let last = full.rsplit('\\').next().unwrap_or(full);
    full.eq_ignore_ascii_case(given) || last.eq_ignore_ascii_case(given)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);
    const DOMAIN: Domain = Domain { sid: DomainSid::new([4, 5, 6]), forest_root: DomainSid::new([7, 8, 9]) };

    #[test]
    fn every_relative_alias_resolves_to_its_rid() {
        let table = [
            ("LA", Some("S-1-5-21-1-2-3-500"), "S-1-5-21-1-2-3-500"),
            ("LG", Some("S-1-5-21-1-2-3-501"), "S-1-5-21-1-2-3-501"),
            ("DA", None, "S-1-5-21-4-5-6-512"),
            ("DU", None, "S-1-5-21-4-5-6-513"),
            ("DC", None, "S-1-5-21-4-5-6-515"),
            ("DD", None, "S-1-5-21-4-5-6-516"),
            ("EA", None, "S-1-5-21-7-8-9-519"),
        ];
        assert_eq!(table.len(), RelativeSid::ALL.len());
        for (alias, alone, joined) in table {
            let relative = RelativeSid::of_alias(alias).unwrap();
            assert_eq!(Principal::parse(alias), Ok(relative.into()), "{alias}");
            assert_eq!(
                relative.resolve(MACHINE, None).map(|sid| sid.numeric().to_string()).as_deref(),
                alone,
                "{alias}"
            );
            assert_eq!(
                relative.resolve(MACHINE, Some(DOMAIN)).map(|sid| sid.numeric().to_string()).as_deref(),
                Some(joined),
                "{alias}"
            );
            assert_eq!(Principal::Relative(relative).to_string(), alias);
        }
    }

    #[test]
    fn a_principal_without_a_name_describes_itself_by_its_numbers() {
        assert_eq!(Principal::parse("BA").unwrap().describe(), r"BUILTIN\Administrators (BA)");
        assert_eq!(Principal::parse("LA").unwrap().describe(), "Administrator (LA)");
        assert_eq!(Principal::parse("S-1-5-21-1-2-3-1000").unwrap().describe(), "S-1-5-21-1-2-3-1000");
    }

    #[test]
    fn principals_are_found_by_their_names() {
        for (name, alias) in [
            ("BUILTIN\\Administrators", Some("BA")),
            ("remote management users", Some("RM")),
            ("everyone", Some("WD")),
            ("Domain Admins", Some("DA")),
            ("alice", None),
            ("", None),
        ] {
            assert_eq!(Principal::named(name).map(|found| found.to_string()).as_deref(), alias, "{name}");
        }
    }
}
