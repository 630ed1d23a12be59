//! Delegated credentials (MS-CSSP 2.2.1.2).

use zeroize::{Zeroize as _, Zeroizing};

use crate::der::{Reader, Tag, element, integer, only, unsigned};
use crate::{Account, AuthError, Secret};

/// User name and password, delegated to the service for use on behalf of the client. They are neither printed nor
/// stored.
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
    /// Wraps credentials; an empty `domain` means none.
    #[must_use]
    pub fn new(domain: Secret, user: Secret, password: Secret) -> Self {
        Self { domain, user, password }
    }

    /// Returns the domain, which may be empty.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.domain.expose()
    }

    /// User name, which may contain a domain: `user@REALM`.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.expose()
    }

    /// Password.
    #[must_use]
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// Returns `true` if the credentials are for this account. Only the user names are compared, without domains and
    /// without case.
    #[must_use]
    pub fn belong_to(&self, account: &Account) -> bool {
        let (ours, theirs) = (without_domain(self.user()), without_domain(&account.name));
        !ours.is_empty() && ours.to_lowercase() == theirs.to_lowercase()
    }

    /// Parses unsealed credentials.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for invalid data, [`AuthError::NoMechanism`] for smart cards and Remote Credential
    /// Guard.
    pub fn decode(octets: &[u8]) -> Result<Self, AuthError> {
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

    /// Encodes the credentials for sealing. All buffers are zeroed when dropped.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self { domain, user, password } = self;
        let parts = [secret_field(0, domain), secret_field(1, user), secret_field(2, password)];
        let credentials = secret_element(Tag::SEQUENCE, &parts.each_ref().map(|part| part.as_slice()));
        let string = secret_element(Tag::OCTET_STRING, &[&credentials]);
        let kind = element(Tag::field(0), &[&integer(PASSWORD)]);
        secret_element(Tag::SEQUENCE, &[&kind, &secret_element(Tag::field(1), &[&string])])
    }
}

/// Returns the user name in `DOMAIN\\name`, `name@REALM` or `name`.
fn without_domain(name: &str) -> &str {
    let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
    name.split_once('@').map_or(name, |(name, _)| name)
}

fn secret_element(tag: Tag, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(element(tag, parts))
}

fn secret_field(number: u8, text: &Secret) -> Zeroizing<Vec<u8>> {
    let string = secret_element(Tag::OCTET_STRING, &[&to_utf16(text)]);
    secret_element(Tag::field(number), &[&string])
}

fn to_utf16(text: &Secret) -> Zeroizing<Vec<u8>> {
    // Full capacity from the start, so that growing leaves no copy of the secret: a UTF-8 byte becomes at most two
    // bytes.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.expose().len() * 2));
    octets.extend(text.expose().encode_utf16().flat_map(u16::to_le_bytes));
    octets
}

fn from_utf16(octets: &[u8]) -> Result<Secret, AuthError> {
    let (units, rest) = octets.as_chunks::<2>();
    // A UTF-16 unit becomes at most three bytes of UTF-8.
    let mut text = String::with_capacity(units.len() * 3);
    for letter in char::decode_utf16(units.iter().copied().map(u16::from_le_bytes)) {
        match letter {
            Ok(letter) if rest.is_empty() => text.push(letter),
            _ => {
                text.zeroize();
                return Err(AuthError::Malformed("text is not UTF-16"));
            }
        }
    }
    if rest.is_empty() {
        Ok(Secret::new(text))
    } else {
        Err(AuthError::Malformed("text has an odd number of bytes"))
    }
}

/// `credType` of a password (MS-CSSP 2.2.1.2).
const PASSWORD: u32 = 1;

const INCOMPLETE: AuthError = AuthError::Malformed("incomplete credentials");
