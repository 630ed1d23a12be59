//! Values of a configuration: text without characters that could end a directive or start a variable.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Text that is not a valid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {kind}: {reason}")]
pub struct InvalidValue {
    /// Kind of the value, such as `host name`.
    pub kind: &'static str,
    /// Beginning of the rejected text.
    pub value: String,
    /// Reason of the rejection.
    pub reason: &'static str,
}

impl InvalidValue {
    pub(crate) fn new(kind: &'static str, value: &str, reason: &'static str) -> Self {
        Self { kind, value: value.chars().take(QUOTED).collect(), reason }
    }
}

/// Maximum number of characters of a rejected text that an error quotes.
const QUOTED: usize = 80;

/// Maximum length of a value in bytes.
const MAX_VALUE: usize = 2_048;

/// Variables of nginx that a [`Template`] may contain.
pub const VARIABLES: &[&str] = &[
    "args",
    "document_uri",
    "host",
    "http_host",
    "https",
    "is_args",
    "query_string",
    "remote_addr",
    "request_id",
    "request_method",
    "request_uri",
    "scheme",
    "server_addr",
    "server_name",
    "server_port",
    "status",
    "uri",
];

/// Defines a value type around a string that a function checks.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the value.
            ///
            /// # Errors
            /// [`InvalidValue`] with the reason.
            pub fn parse(text: &str) -> Result<Self, InvalidValue> {
                no_control_characters(text)
                    .and_then(|()| $check(text))
                    .map(|()| Self(text.to_owned()))
                    .map_err(|reason| InvalidValue::new($kind, text, reason))
            }

            /// Returns the text of the value.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_value!(
    /// Identifier of a site: 1 to 64 letters, digits, `-`, `_` and `.`.
    ///
    /// A site keeps its identifier when it is changed. A site that was never changed has one derived from its file, first
    /// address and first name.
    SiteId, "site identifier", identifier
);
text_value!(
    /// Name of a pool: 1 to 64 letters, digits, `-`, `_` and `.`.
    PoolName, "pool name", identifier
);
text_value!(
    /// Name of a certificate and of its files: 1 to 64 letters, digits, `-`, `_` and `.`.
    CertificateName, "name of a certificate", identifier
);
text_value!(
    /// Name of a service unit of systemd, such as `php8.2-fpm.service` (systemd.unit(5)).
    UnitName, "service unit", unit_name
);
text_value!(
    /// Host name of a site, with an optional wildcard label at one end (`*.example.com`, `www.*`), a leading dot, a regular
    /// expression of nginx (`~^www\d+\.example\.com$`), or `_`.
    HostPattern, "host name", host_pattern
);
text_value!(
    /// Path of a URL: begins with `/`, without query and fragment, decoded.
    UrlPath, "URL path", url_path
);
text_value!(
    /// Absolute path of a file or folder, without `.`, `..`, empty components and variables.
    FilePath, "file path", file_path
);
text_value!(
    /// Name of a file in the folder of a site, such as `index.html`.
    DocumentName, "document name", document_name
);
text_value!(
    /// Text without variables, such as the realm of Basic authentication.
    PlainText, "text", plain_text
);
text_value!(
    /// Text that may contain the [variables](VARIABLES) `$host`, `$request_uri` and similar ones.
    Template, "template", template
);
text_value!(
    /// Name of an HTTP header (RFC 9110, section 5.6.2).
    HeaderName, "header name", header_name
);
text_value!(
    /// Media type such as `text/html`, without parameters.
    MediaType, "media type", media_type
);
text_value!(
    /// File name extension without the dot, such as `html`.
    Extension, "file name extension", extension
);
text_value!(
    /// List of ciphers in the format of OpenSSL.
    CipherList, "cipher list", cipher_list
);
text_value!(
    /// Name of a user of Basic authentication, without colons (RFC 7617, section 2).
    UserName, "user name", user_name
);
text_value!(
    /// Hash of a password in the format of bcrypt, such as `$2a$14$…`.
    PasswordHash, "password hash", password_hash
);
text_value!(
    /// Name and e-mail address, or account, of the person who makes a change.
    Author, "author", plain_text
);

impl FilePath {
    /// Returns the form of a path of Windows that the engine writes: `/C:/inetpub/shop` for `C:\inetpub\shop`. Any other
    /// text is returned as it is.
    #[must_use]
    pub fn form_of_windows(text: &str) -> String {
        match text.as_bytes() {
            [drive, b':', ..] if drive.is_ascii_alphabetic() => format!("/{}", text.replace('\\', "/")),
            [b'%', ..] => format!("/{}", text.replace('\\', "/")),
            _ => text.to_owned(),
        }
    }

    /// Returns the value as a path.
    #[must_use]
    pub fn as_path(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

impl UrlPath {
    /// Returns whether this is the root path `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }
}

impl HostPattern {
    /// Returns whether the pattern names exactly one host.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.starts_with(['~', '.', '_']) && !self.0.contains('*')
    }
}

/// Message of a change: up to 2000 characters, in which line breaks are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitMessage(String);

impl CommitMessage {
    /// Parses a message.
    ///
    /// # Errors
    /// [`InvalidValue`] if the text is too long or has control characters other than line feeds.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        if text.len() > MAX_VALUE {
            return Err(InvalidValue::new("message", text, "the text is longer than 2048 bytes"));
        }
        if text.chars().any(|character| character.is_control() && character != '\n') {
            return Err(InvalidValue::new("message", text, "the text contains a control character"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text of the message.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CommitMessage {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Self::parse(&text)
    }
}

impl From<CommitMessage> for String {
    fn from(message: CommitMessage) -> Self {
        message.0
    }
}

/// Result of a check: the reason of a rejection.
type Checked = Result<(), &'static str>;

fn require(condition: bool, reason: &'static str) -> Checked {
    if condition { Ok(()) } else { Err(reason) }
}

/// Returns whether a text consists of letters, digits and some other characters of ASCII.
fn has_only(text: &str, others: &str) -> bool {
    text.chars().all(|character| character.is_ascii_alphanumeric() || others.contains(character))
}

fn is_media_token(part: &str) -> bool {
    !part.is_empty() && has_only(part, "!#&-^_.+")
}

fn no_control_characters(text: &str) -> Checked {
    require(text.len() <= MAX_VALUE, "it is longer than 2048 bytes")?;
    require(!text.chars().any(char::is_control), "it contains a control character or a line break")
}

/// Maximum number of characters of an identifier.
pub(crate) const MAX_IDENTIFIER: usize = 64;

/// Replaces a character that identifiers cannot have.
pub(crate) fn identifier_character(found: char) -> char {
    if found.is_ascii_alphanumeric() || "-_.".contains(found) { found } else { '_' }
}

fn identifier(text: &str) -> Checked {
    require((1..=MAX_IDENTIFIER).contains(&text.len()), "it must have 1 to 64 characters")?;
    require(!text.starts_with(['.', '-']), "it begins with a dot or a hyphen")?;
    require(has_only(text, "-_."), "only letters, digits, -, _ and . are allowed")
}

fn unit_name(text: &str) -> Checked {
    require(text.len() <= 255, "it must have at most 255 characters")?;
    let name = text.strip_suffix(".service").ok_or("it must end with .service")?;
    require(!name.is_empty() && !name.starts_with(['.', '-']), "the name before .service is missing")?;
    require(!name.ends_with('@'), "it is a template; add the name of an instance behind @")?;
    require(has_only(name, ":_.\\@-"), "only letters, digits, :, _, ., \\, @ and - are allowed")
}

fn host_pattern(text: &str) -> Checked {
    if let Some(expression) = text.strip_prefix('~') {
        require(!expression.is_empty(), "the regular expression is empty")?;
        return require(!expression.contains(char::is_whitespace), "it contains a space");
    }
    require((1..=255).contains(&text.len()), "it must have 1 to 255 characters")?;
    require(
        has_only(text, "-_.*"),
        "only letters, digits, -, _ and . are allowed; use the ASCII form of the name",
    )?;
    let inner = text.strip_prefix("*.").or_else(|| text.strip_suffix(".*")).unwrap_or(text);
    require(!inner.contains('*'), "a wildcard must be the first or the last label")?;
    require(!inner.is_empty() && !inner.contains(".."), "it has an empty label")
}

fn url_path(text: &str) -> Checked {
    require(text.starts_with('/'), "it must begin with /")?;
    require(!text.contains(['?', '#', '$']), "it contains ?, # or $")?;
    require(!text.split('/').any(|part| part == ".." || part == "."), "it contains a . or .. component")
}

fn file_path(text: &str) -> Checked {
    require(text.starts_with('/'), "it must be absolute")?;
    require(!text.contains('$'), "it contains $, which nginx would read as a variable")?;
    let inner = text.strip_suffix('/').unwrap_or(text).trim_start_matches('/');
    let has_dots = inner.split('/').any(|part| part == ".." || part == ".");
    require(!has_dots, "it contains a . or .. component")?;
    require(text == "/" || !text.contains("//"), "it contains an empty component")
}

fn document_name(text: &str) -> Checked {
    require(!text.is_empty(), "it is empty")?;
    require(!text.contains(['$', '?', '#']), "it contains $, ? or #")?;
    require(!text.split('/').any(|part| part == ".."), "it contains a .. component")
}

fn plain_text(text: &str) -> Checked {
    require(!text.is_empty(), "it is empty")?;
    require(!text.contains('$'), "it contains $, which nginx would read as a variable")
}

fn template(text: &str) -> Checked {
    require(!text.is_empty(), "it is empty")?;
    for after in text.split('$').skip(1) {
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}')).map(|(name, _)| name);
        let end = after.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let name = braced.unwrap_or_else(|| end.and_then(|end| after.get(..end)).unwrap_or(after));
        require(VARIABLES.contains(&name), "it contains $ without the name of an allowed variable")?;
    }
    Ok(())
}

fn header_name(text: &str) -> Checked {
    require(!text.is_empty(), "it is empty")?;
    require(has_only(text, "!#%&'*+-.^_`|~"), "it contains a character that header names cannot have")
}

fn media_type(text: &str) -> Checked {
    let parts = text.split_once('/');
    require(
        text == "*" || parts.is_some_and(|(kind, name)| is_media_token(kind) && is_media_token(name)),
        "the form is type/subtype",
    )
}

fn extension(text: &str) -> Checked {
    require(!text.is_empty(), "it is empty")?;
    require(has_only(text, "-_+."), "only letters, digits, -, _, + and . are allowed")
}

fn user_name(text: &str) -> Checked {
    require(!text.is_empty(), "it is empty")?;
    require(!text.contains(':'), "it contains a colon")
}

fn password_hash(text: &str) -> Checked {
    let hash = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| text.strip_prefix(prefix));
    let parts = hash.and_then(|hash| hash.split_once('$'));
    let is_bcrypt = parts.is_some_and(|(cost, rest)| {
        cost.len() == 2
            && cost.bytes().all(|digit| digit.is_ascii_digit())
            && rest.len() == 53
            && has_only(rest, "./")
    });
    require(is_bcrypt, "it is no bcrypt hash; create one with caddy hash-password or htpasswd -B")
}

fn cipher_list(text: &str) -> Checked {
    require(!text.is_empty(), "it is empty")?;
    require(has_only(text, "-_+:!@=,. "), "it contains a character that cipher lists cannot have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_could_change_a_directive_is_rejected() {
        for text in ["a\nb", "a\rb", "a\0b", "a\u{85}b"] {
            assert!(PlainText::parse(text).is_err() && Template::parse(text).is_err(), "{text:?}");
            assert!(FilePath::parse(&format!("/{text}")).is_err() && HostPattern::parse(text).is_err());
        }
        assert!(PlainText::parse("$document_root").is_err());
        assert!(FilePath::parse("/srv/$host").is_err());
        assert!(PlainText::parse("a; \"b\" {c} 'd' \\").is_ok(), "quoting is the writer's duty");
    }

    #[test]
    fn templates_contain_only_listed_variables() {
        assert!(Template::parse("https://$host$request_uri").is_ok());
        assert!(Template::parse("${scheme}://x").is_ok());
        for text in ["$document_root", "a$", "$", "${host", "$hosts", "$ssl_client_raw_cert"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_cannot_leave_their_folder() {
        for text in ["srv", "/srv/../etc", "/srv/./a", "/srv//a", "/..", "/srv/.."] {
            assert!(FilePath::parse(text).is_err(), "{text}");
        }
        for text in ["/", "/srv/www/", "/srv/a b", "/srv/..a"] {
            assert!(FilePath::parse(text).is_ok(), "{text}");
        }
        assert!(UrlPath::parse("/a/../b").is_err() && UrlPath::parse("/a?b").is_err());
    }

    #[test]
    fn host_patterns_are_those_of_nginx() {
        for text in [
            "example.com",
            "*.example.com",
            "www.*",
            ".example.com",
            "_",
            r"~^www\d+\.com$",
            "xn--caf-dma.fr",
        ] {
            assert!(HostPattern::parse(text).is_ok(), "{text}");
        }
        for text in ["", "~", "a b", "w*w.example.com", "*.*", "café.fr", "a;b", "a..b"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
