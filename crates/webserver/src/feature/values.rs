//! Values of the features.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::value::{
    CipherList, DocumentName, Extension, FilePath, HeaderName, InvalidValue, MediaType, PasswordHash,
    PlainText, Template, UrlPath, UserName,
};

/// Documents that are sent for a folder (`index`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultDocuments {
    /// Names in the order in which they are tried; at least one.
    pub files: Vec<DocumentName>,
}

/// Listing of folders (`autoindex`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryBrowsing {
    /// Folders are listed.
    pub enabled: bool,
    /// Sizes are shown in bytes; rounded otherwise.
    #[serde(default)]
    pub exact_size: Option<bool>,
    /// Format of the list.
    #[serde(default)]
    pub format: Option<ListFormat>,
    /// Times are local; UTC otherwise.
    #[serde(default)]
    pub local_time: Option<bool>,
}

/// Format of the list of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListFormat {
    /// HTML page.
    Html,
    /// XML.
    Xml,
    /// JSON.
    Json,
    /// JSON in a function call.
    Jsonp,
}

/// Pages for error responses (`error_page`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPages {
    /// The pages.
    pub pages: Vec<ErrorPage>,
}

/// Page for error responses with some status codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPage {
    /// Status codes, 300 to 599; at least one.
    pub codes: Vec<StatusCode>,
    /// Status code of the response; `None` keeps the original one.
    #[serde(default)]
    pub response: Option<StatusCode>,
    /// Path of the page in the site.
    pub page: UrlPath,
}

/// Status code of an error response or a redirection, 300 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct StatusCode(u16);

impl TryFrom<u16> for StatusCode {
    type Error = InvalidValue;

    fn try_from(code: u16) -> Result<Self, InvalidValue> {
        // 499 is internal to nginx, which rejects it in error_page.
        if (300..=599).contains(&code) && code != 499 {
            Ok(Self(code))
        } else {
            Err(InvalidValue::new("status code", &code.to_string(), "it must be 300 to 599, and not 499"))
        }
    }
}

impl From<StatusCode> for u16 {
    fn from(code: StatusCode) -> Self {
        code.0
    }
}

/// Redirection of all requests (`return`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// Kind of the redirection.
    pub status: RedirectStatus,
    /// URL to which clients are redirected.
    pub target: Template,
}

/// Status code of a redirection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum RedirectStatus {
    /// 301.
    MovedPermanently,
    /// 302.
    Found,
    /// 303.
    SeeOther,
    /// 307.
    Temporary,
    /// 308.
    Permanent,
}

impl TryFrom<u16> for RedirectStatus {
    type Error = InvalidValue;

    fn try_from(code: u16) -> Result<Self, InvalidValue> {
        match code {
            301 => Ok(Self::MovedPermanently),
            302 => Ok(Self::Found),
            303 => Ok(Self::SeeOther),
            307 => Ok(Self::Temporary),
            308 => Ok(Self::Permanent),
            _ => Err(InvalidValue::new(
                "redirection",
                &code.to_string(),
                "it must be 301, 302, 303, 307 or 308",
            )),
        }
    }
}

impl From<RedirectStatus> for u16 {
    fn from(status: RedirectStatus) -> Self {
        match status {
            RedirectStatus::MovedPermanently => 301,
            RedirectStatus::Found => 302,
            RedirectStatus::SeeOther => 303,
            RedirectStatus::Temporary => 307,
            RedirectStatus::Permanent => 308,
        }
    }
}

/// Headers that are added to responses (`add_header`). They replace all inherited ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseHeaders {
    /// The headers.
    pub headers: Vec<ResponseHeader>,
}

/// Header that is added to responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseHeader {
    /// Name.
    pub name: HeaderName,
    /// Value.
    pub value: Template,
    /// The header is also added to error responses.
    #[serde(default)]
    pub always: bool,
}

/// Media types of file name extensions (`types`, `default_type`). They replace all inherited ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MimeTypes {
    /// Types; `None` inherits them.
    #[serde(default)]
    pub types: Option<Vec<MimeType>>,
    /// Type of files with another extension.
    #[serde(default)]
    pub default: Option<MediaType>,
}

/// Media type of some file name extensions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MimeType {
    /// Media type.
    pub media_type: MediaType,
    /// Extensions; at least one.
    pub extensions: Vec<Extension>,
}

/// Compression of responses (`gzip`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compression {
    /// Responses are compressed.
    pub enabled: bool,
    /// Level, 1 (fast) to 9 (small).
    #[serde(default)]
    pub level: Option<CompressionLevel>,
    /// Media types besides `text/html`; `None` inherits them.
    #[serde(default)]
    pub types: Option<Vec<MediaType>>,
    /// Minimum size in bytes.
    #[serde(default)]
    pub minimum_size: Option<u32>,
}

/// Level of compression, 1 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct CompressionLevel(u8);

impl TryFrom<u8> for CompressionLevel {
    type Error = InvalidValue;

    fn try_from(level: u8) -> Result<Self, InvalidValue> {
        if (1..=9).contains(&level) {
            Ok(Self(level))
        } else {
            Err(InvalidValue::new("compression level", &level.to_string(), "it must be 1 to 9"))
        }
    }
}

impl From<CompressionLevel> for u8 {
    fn from(level: CompressionLevel) -> Self {
        level.0
    }
}

/// Addresses of clients that are allowed or denied (`allow`, `deny`). They replace all inherited ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpRestrictions {
    /// Rules; the first match decides. Clients without a match are allowed.
    pub rules: Vec<IpRule>,
}

/// Rule for the addresses of clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpRule {
    /// Matching clients are allowed; denied otherwise.
    pub allow: bool,
    /// Addresses.
    pub clients: Clients,
}

/// Addresses of clients: `all`, `unix:`, an address or a network such as `10.0.0.0/8`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Clients {
    /// All clients.
    All,
    /// Clients of sockets in the file system.
    Unix,
    /// A network, or a single address.
    Network {
        /// Address.
        address: IpAddr,
        /// Number of significant bits; `None` for a single address.
        prefix: Option<u8>,
    },
}

impl FromStr for Clients {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let invalid =
            || InvalidValue::new("client address", text, "it is neither all, an address nor a network");
        match text {
            "all" => return Ok(Self::All),
            "unix:" => return Ok(Self::Unix),
            _ => {}
        }
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(bits.parse().ok().filter(|bits: &u8| *bits <= most).ok_or_else(invalid)?)
            }
            Some(_) => return Err(invalid()),
            None => None,
        };
        Ok(Self::Network { address, prefix })
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Unix => f.write_str("unix:"),
            Self::Network { address, prefix: None } => write!(f, "{address}"),
            Self::Network { address, prefix: Some(bits) } => write!(f, "{address}/{bits}"),
        }
    }
}

impl TryFrom<String> for Clients {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<Clients> for String {
    fn from(clients: Clients) -> Self {
        clients.to_string()
    }
}

/// Basic authentication (`auth_basic`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasicAuthentication {
    /// Text that browsers show; `None` switches authentication off.
    pub realm: Option<PlainText>,
    /// File with users and password hashes.
    #[serde(default)]
    pub user_file: Option<FilePath>,
    /// Users in the configuration itself, for web servers without a file of users; `None` keeps the present ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<BasicUser>>,
}

/// User of Basic authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasicUser {
    /// Name.
    pub name: UserName,
    /// Hash of the password. It is never read from a configuration; `None` keeps the present hash of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<PasswordHash>,
}

/// Certificate and TLS settings (`ssl_*`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssl {
    /// File with the certificate and its chain, in PEM.
    #[serde(default)]
    pub certificate: Option<FilePath>,
    /// File with the private key, in PEM.
    #[serde(default)]
    pub key: Option<FilePath>,
    /// Versions of TLS; `None` inherits them.
    #[serde(default)]
    pub protocols: Option<Vec<TlsVersion>>,
    /// Ciphers.
    #[serde(default)]
    pub ciphers: Option<CipherList>,
    /// The server chooses the cipher; the client otherwise.
    #[serde(default)]
    pub prefer_server_ciphers: Option<bool>,
}

/// Version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.0.
    #[serde(rename = "TLSv1")]
    Tls10,
    /// TLS 1.1.
    #[serde(rename = "TLSv1.1")]
    Tls11,
    /// TLS 1.2.
    #[serde(rename = "TLSv1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "TLSv1.3")]
    Tls13,
}

impl TlsVersion {
    /// All versions, the oldest first.
    pub(crate) const ALL: [Self; 4] = [Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// Returns the name in configurations, such as `TLSv1.2`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tls10 => "TLSv1",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

/// Limits and timeouts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Maximum size of a request body in bytes; 0 for none.
    #[serde(default)]
    pub request_body: Option<u64>,
    /// Time in seconds after which an idle connection is closed.
    #[serde(default)]
    pub keep_alive: Option<u32>,
    /// Time in seconds between two reads of a request body.
    #[serde(default)]
    pub body_timeout: Option<u32>,
    /// Time in seconds for the head of a request; not in a location.
    #[serde(default)]
    pub header_timeout: Option<u32>,
    /// Time in seconds between two writes of a response.
    #[serde(default)]
    pub send_timeout: Option<u32>,
    /// Maximum rate of a response in bytes per second; 0 for none.
    #[serde(default)]
    pub rate: Option<u64>,
}

/// Access log and error log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// Access log.
    #[serde(default)]
    pub access: Option<AccessLog>,
    /// Error log.
    #[serde(default)]
    pub error: Option<ErrorLog>,
}

/// Access log (`access_log`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLog {
    /// File; `None` switches the log off.
    pub file: Option<FilePath>,
    /// Name of a format that the configuration defines; `combined` by default.
    #[serde(default)]
    pub format: Option<PlainText>,
}

/// Error log (`error_log`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorLog {
    /// File.
    pub file: FilePath,
    /// Lowest level that is logged; `error` by default.
    #[serde(default)]
    pub level: Option<LogLevel>,
}

/// Level of the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Debugging.
    Debug,
    /// Information.
    Info,
    /// Notices.
    Notice,
    /// Warnings.
    Warn,
    /// Errors.
    Error,
    /// Critical errors.
    Crit,
    /// Alerts.
    Alert,
    /// The web server is unusable.
    Emerg,
}

impl LogLevel {
    /// All levels, the lowest first.
    pub(crate) const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warn,
        Self::Error,
        Self::Crit,
        Self::Alert,
        Self::Emerg,
    ];

    /// Returns the name in configurations, such as `warn`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Crit => "crit",
            Self::Alert => "alert",
            Self::Emerg => "emerg",
        }
    }
}
