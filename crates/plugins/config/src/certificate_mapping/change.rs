//! What a message wants a mapping to be.

use std::net::IpAddr;

use auth::account_file::Standing;
use auth::certificate_mapping::{CertificateThumbprint, Mapping, MappingKeys, SubjectPattern, UriPattern};
use auth::{Secret, UserName, Whose};
use xml::Element;

use super::fault::MappingFault;
use super::{ELEMENT, ISSUER, Mappings, SUBJECT, URI};

/// What the body says; what it does not say stays, or is as it usually is.
#[derive(Default)]
pub(super) struct Change {
    user: Option<UserName>,
    password: Option<Secret>,
    standing: Option<Standing>,
}

impl Change {
    /// Reads `CertMapping`; keys may be in it as long as they are those of the selectors.
    pub(super) fn read(element: Element<'_>, keys: &MappingKeys) -> Result<Self, MappingFault> {
        if !element.name().eq_ignore_ascii_case(ELEMENT) {
            return Err(MappingFault::Root(excerpt(element.name())));
        }
        let mut change = Self::default();
        let mut seen = Vec::new();
        for child in element.children() {
            let name = child.name();
            if seen.contains(&name) {
                return Err(MappingFault::Repeated(excerpt(name)));
            }
            seen.push(name);
            if child.children().next().is_some() {
                return Err(MappingFault::NotText(excerpt(name)));
            }
            let text = child.text();
            let is_nil = child.attribute(INSTANCE, "nil").is_some_and(|nil| nil.trim() == "true");
            match name {
                _ if is_nil => {}
                ISSUER if CertificateThumbprint::parse(&text) == Ok(keys.issuer) => {}
                SUBJECT if SubjectPattern::parse(&text).is_ok_and(|subject| subject == keys.subject) => {}
                URI if UriPattern::parse(&text).is_ok_and(|uri| uri == keys.uri) => {}
                ISSUER | SUBJECT | URI => return Err(MappingFault::KeyChange(name.to_owned())),
                "UserName" => change.user = Some(local_user(&text)?),
                "Password" => change.password = Some(password(&text)?),
                "Enabled" => change.standing = Some(standing(&text)?),
                other => return Err(MappingFault::Unknown(excerpt(other))),
            }
        }
        Ok(change)
    }

    /// Makes a mapping; its account must exist and have this password.
    pub(super) fn create(self, keys: MappingKeys, all: &Mappings, from: IpAddr) -> Result<(), MappingFault> {
        let (Some(user), Some(password)) = (self.user, self.password) else {
            return Err(MappingFault::Incomplete);
        };
        // Else a second attempt would look like a wrong password.
        if entry(&keys, all)?.is_some() {
            return Err(MappingFault::Exists(keys));
        }
        verify(&user, &password, all, from)?;
        let standing = self.standing.unwrap_or(Standing::Enabled);
        let MappingKeys { issuer, subject, uri } = keys;
        Ok(all.file.create(Mapping { issuer, subject, uri, user, standing }, &password)?)
    }

    /// Changes a mapping; another user comes with a password, and a password must be right.
    pub(super) fn put(self, keys: &MappingKeys, all: &Mappings, from: IpAddr) -> Result<(), MappingFault> {
        let before = entry(keys, all)?.ok_or_else(|| MappingFault::Missing(keys.clone()))?;
        let user = self.user.unwrap_or_else(|| before.user.clone());
        let standing = self.standing.unwrap_or(before.standing);
        if let Some(password) = &self.password {
            verify(&user, password, all, from)?;
        }
        Ok(all.file.replace(Mapping { user, standing, ..before }, self.password.as_ref())?)
    }
}

/// The mapping with these keys, if there is one.
fn entry(keys: &MappingKeys, all: &Mappings) -> Result<Option<Mapping>, MappingFault> {
    all.file.reload().map_err(MappingFault::File)?;
    let known = all.file.known().map_err(MappingFault::Unusable)?;
    Ok(known.mappings.entries().iter().find(|mapping| mapping.keys() == *keys).cloned())
}

fn verify(user: &UserName, password: &Secret, all: &Mappings, from: IpAddr) -> Result<(), MappingFault> {
    let verdict = all.authenticator.password(user.user(), password, from);
    verdict.map(drop).map_err(|_| MappingFault::Credentials(user.to_string()))
}

/// Certificates are for accounts of this machine only.
fn local_user(text: &str) -> Result<UserName, MappingFault> {
    let user = UserName::parse(text.trim()).map_err(MappingFault::User)?;
    match user.whose() {
        Whose::Unsaid | Whose::ThisMachine => Ok(user),
        Whose::Domain(_) | Whose::Realm(_) => Err(MappingFault::Elsewhere(user.to_string())),
    }
}

fn password(text: &str) -> Result<Secret, MappingFault> {
    /// What Windows takes, in characters.
    const LONGEST: usize = 256;
    match text.chars().take(LONGEST + 1).count() {
        0 => Err(MappingFault::Blank),
        1..=LONGEST => Ok(Secret::new(text.to_owned())),
        _ => Err(MappingFault::TooLong),
    }
}

fn standing(text: &str) -> Result<Standing, MappingFault> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(Standing::Enabled),
        "false" | "0" => Ok(Standing::Disabled),
        other => Err(MappingFault::Enabled(excerpt(other))),
    }
}

/// What may be shown of a text that somebody else wrote.
fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
