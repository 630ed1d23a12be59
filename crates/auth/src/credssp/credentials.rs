//! What is handed over (MS-CSSP 2.2.1.2).

use zeroize::{Zeroize as _, Zeroizing};

use crate::der::{Reader, Tag, element, integer, only, unsigned};
use crate::{Account, AuthError, Secret};

/// Name and password, handed over for the service to use in the client's name. They are not shown and not kept.
///
/// ```compile_fail
/// fn show(credentials: telarch_auth::credssp::PasswordCredentials) -> String {
///     format!("{credentials:?}")
/// }
/// ```
pub struct PasswordCredentials {
    domain: Secret,
    user: Secret,
    password: Secret,
}

impl PasswordCredentials {
    /// Takes credentials into custody; a `domain` that is empty is none.
    #[must_use]
    pub fn new(domain: Secret, user: Secret, password: Secret) -> Self {
        Self { domain, user, password }
    }

    /// The domain, or nothing.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.domain.expose()
    }

    /// The name, which may contain a domain instead: `user@REALM`.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.expose()
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// Whether they are those of this account, as far as its name tells: domains are not compared, nor is case.
    #[must_use]
    pub fn belong_to(&self, account: &Account) -> bool {
        let (ours, theirs) = (without_domain(self.user()), without_domain(&account.name));
        !ours.is_empty() && ours.to_lowercase() == theirs.to_lowercase()
    }

    /// Reads credentials that were unsealed.
    ///
    /// # Errors
    /// [`AuthError::Malformed`], and [`AuthError::NoMechanism`] for smart cards and remote guards.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, AuthError> {
        let mut reader = Reader::new(only(octets, Tag::SEQUENCE)?);
        let kind = reader.field(0)?.ok_or(INCOMPLETE)?;
        let credentials = reader.octets_field(1)?.ok_or(INCOMPLETE)?;
        reader.end()?;
        if unsigned(only(kind, Tag::INTEGER)?)? != PASSWORD {
            return Err(AuthError::NoMechanism);
        }
        let mut reader = Reader::new(only(credentials, Tag::SEQUENCE)?);
        let mut text = |number| from_utf16(reader.octets_field(number)?.ok_or(INCOMPLETE)?);
        let credentials = Self::new(text(0)?, text(1)?, text(2)?);
        reader.end()?;
        Ok(credentials)
    }

    /// Writes credentials to be sealed; no copy of them is left in memory that is not overwritten.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let text = |number, text: &Secret| {
            let string = secret_element(Tag::OCTET_STRING, &[&to_utf16(text)]);
            secret_element(Tag::field(number), &[&string])
        };
        let Self { domain, user, password } = self;
        let parts = [text(0, domain), text(1, user), text(2, password)];
        let credentials = secret_element(Tag::SEQUENCE, &parts.each_ref().map(|part| part.as_slice()));
        let string = secret_element(Tag::OCTET_STRING, &[&credentials]);
        let kind = element(Tag::field(0), &[&integer(PASSWORD)]);
        secret_element(Tag::SEQUENCE, &[&kind, &secret_element(Tag::field(1), &[&string])])
    }
}

/// The name in `DOMAIN\name`, `name@REALM` and `name`.
fn without_domain(name: &str) -> &str {
    let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
    name.split_once('@').map_or(name, |(name, _)| name)
}

fn secret_element(tag: Tag, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(element(tag, parts))
}

fn to_utf16(text: &Secret) -> Zeroizing<Vec<u8>> {
    // Reserved at once, so that growing leaves no copy behind: a letter of UTF-8 never doubles twice.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.expose().len() * 2));
    octets.extend(text.expose().encode_utf16().flat_map(u16::to_le_bytes));
    octets
}

fn from_utf16(octets: &[u8]) -> Result<Secret, AuthError> {
    let (units, rest) = octets.as_chunks::<2>();
    // Three octets of UTF-8 are the most that one unit takes.
    let mut text = String::with_capacity(units.len() * 3);
    for letter in char::decode_utf16(units.iter().copied().map(u16::from_le_bytes)) {
        match letter {
            Ok(letter) if rest.is_empty() => text.push(letter),
            _ => {
                text.zeroize();
                return Err(AuthError::Malformed("a text that is not UTF-16"));
            }
        }
    }
    if rest.is_empty() { Ok(Secret::new(text)) } else { Err(AuthError::Malformed("half a letter")) }
}

/// The kind of credentials that are a password (MS-CSSP 2.2.1.2).
const PASSWORD: u32 = 1;

const INCOMPLETE: AuthError = AuthError::Malformed("credentials of which a part is missing");
