//! Parsing of certificate mappings in messages.

use auth::account_file::EnabledState;
use auth::certificate_mapping::{
    CertificateThumbprint, MappingFields, MappingKeys, SubjectPattern, UriPattern,
};
use auth::{Secret, UserDomain, UserName};
use xml::Element;

use super::fault::MappingFault;
use super::{ELEMENT, ISSUER, SUBJECT, URI};

/// Parses `CertMapping`. It may contain the keys if they equal those in the selectors.
pub(super) fn read(element: Element<'_>, keys: &MappingKeys) -> Result<MappingFields, MappingFault> {
    if !element.name().eq_ignore_ascii_case(ELEMENT) {
        return Err(MappingFault::Root(excerpt(element.name())));
    }
    let mut fields = MappingFields::default();
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
            "UserName" => fields.user = Some(local_user(&text)?),
            "Password" => fields.password = Some(password(&text)?),
            "Enabled" => fields.state = Some(standing(&text)?),
            other => return Err(MappingFault::Unknown(excerpt(other))),
        }
    }
    Ok(fields)
}

/// Parses the name of a local account; certificates cannot be mapped to other accounts.
fn local_user(text: &str) -> Result<UserName, MappingFault> {
    let user = UserName::parse(text.trim()).map_err(MappingFault::User)?;
    match user.domain() {
        UserDomain::Unspecified | UserDomain::ThisMachine => Ok(user),
        UserDomain::Domain(_) | UserDomain::Realm(_) => Err(MappingFault::NotLocal(user.to_string())),
    }
}

fn password(text: &str) -> Result<Secret, MappingFault> {
    /// Maximum length on Windows, in characters.
    const LONGEST: usize = 256;
    match text.chars().take(LONGEST + 1).count() {
        0 => Err(MappingFault::Blank),
        1..=LONGEST => Ok(Secret::new(text.to_owned())),
        _ => Err(MappingFault::TooLong),
    }
}

fn standing(text: &str) -> Result<EnabledState, MappingFault> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(EnabledState::Enabled),
        "false" | "0" => Ok(EnabledState::Disabled),
        other => Err(MappingFault::Enabled(excerpt(other))),
    }
}

/// Returns the beginning of an untrusted text, at most 60 characters, for error messages.
fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
