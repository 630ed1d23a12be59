//! Sites, locations and pools of a web server.

use serde::{Deserialize, Serialize};

use crate::listen::ListenAddress;
use crate::plan::Problem;
use crate::position::Position;
use crate::revision::Revision;
use crate::value::{FilePath, HostPattern, PoolName, SiteId, UnitName, UrlPath};

/// Product, version and capabilities of a web server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Info {
    /// Product, such as `nginx`.
    pub product: String,
    /// Version, such as `1.22.1`.
    pub version: String,
    /// Main configuration file.
    pub configuration: String,
    /// Operations and features of this product and build.
    pub capabilities: Capabilities,
}

/// Operations and features that a web server supports. Others are hidden by user interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Control operations.
    pub operations: Vec<crate::control::Operation>,
    /// Features whose values can be read and set.
    pub features: Vec<crate::feature::Feature>,
    /// Fields of features that this product has no setting for, such as `directory-browsing.format`.
    pub unsupported_fields: Vec<&'static str>,
    /// Features can be set for all sites; otherwise for a site or a location only.
    pub server_scope: bool,
    /// Sites can be stopped without losing their configuration.
    pub stop_sites: bool,
    /// Pools of back-end servers exist.
    pub pools: bool,
    /// A pool can name the unit of systemd that runs its servers.
    pub pool_units: bool,
    /// Protocols between the web server and the pools of applications.
    pub application_protocols: Vec<ProxyProtocol>,
    /// Files can be edited as text.
    pub raw_edit: bool,
    /// HTTP/2 is available.
    pub http2: bool,
    /// TLS is available.
    pub tls: bool,
    /// The default site of an address can be chosen. Otherwise, the first site is the default.
    pub default_site: bool,
}

/// Configuration of a web server at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Revision of the files.
    pub revision: Revision,
    /// Sites in the order of the configuration; stopped ones at the end.
    pub sites: Vec<Site>,
    /// Pools in the order of the configuration.
    pub pools: Vec<Pool>,
    /// Files of the configuration, sorted by path.
    pub files: Vec<ConfigurationFile>,
    /// Syntax errors and files that cannot be read. Sites and pools in such files are missing.
    pub problems: Vec<Problem>,
}

/// A file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigurationFile {
    /// Path as the web server opens it.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
}

/// A site: a `server` block of nginx, or a `<VirtualHost>` section of Apache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// Identifier.
    pub id: SiteId,
    /// Position of the block.
    pub position: Position,
    /// State.
    pub state: SiteState,
    /// Addresses on which the site listens.
    pub listeners: Vec<Listener>,
    /// Host names. Empty if the site answers only requests that match no other site.
    pub names: Vec<HostPattern>,
    /// Addresses and names in the file that these types cannot represent, as text.
    pub unsupported: Vec<String>,
    /// Folder of the content, as written in the file: the virtual directory `/`.
    pub root: Option<String>,
    /// Virtual directories and applications.
    pub locations: Vec<Location>,
}

/// State of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteState {
    /// The site is part of the configuration.
    Started,
    /// The site is not part of the configuration. Requests for its names reach the default site of the address.
    Stopped,
}

/// Listening address of a site, with its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Address.
    pub address: ListenAddress,
    /// The connection uses TLS.
    #[serde(default)]
    pub tls: bool,
    /// HTTP/2 is offered.
    #[serde(default)]
    pub http2: bool,
    /// The site answers requests on this address that match the names of no other site.
    #[serde(default)]
    pub default_site: bool,
}

impl Site {
    /// Returns the bindings in the sense of IIS: each address with each name.
    pub fn bindings(&self) -> impl Iterator<Item = Binding<'_>> {
        self.listeners.iter().flat_map(|listener| {
            let names = self.names.iter().map(Some).chain(self.names.is_empty().then_some(None));
            names.map(move |name| Binding { listener, name })
        })
    }
}

/// Address and host name of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Address.
    pub listener: &'a Listener,
    /// Host name; `None` for any host.
    pub name: Option<&'a HostPattern>,
}

/// A `location` block of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// Modifier of nginx: empty, `=`, `^~`, `~` or `~*`.
    pub modifier: String,
    /// Path or regular expression.
    pub path: String,
    /// Position of the block.
    pub position: Position,
    /// Source of the responses.
    pub content: LocationContent,
}

/// Source of the responses of a location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LocationContent {
    /// Files in a folder (`root`): the path of the URL is appended.
    Root {
        /// Folder as written in the file.
        folder: String,
    },
    /// Files in a folder (`alias`): it replaces the path of the location.
    Alias {
        /// Folder as written in the file.
        folder: String,
    },
    /// Application behind the web server.
    Application {
        /// Protocol: `http`, `https`, `fastcgi`, `uwsgi`, `scgi`, `grpc` or `grpcs`.
        protocol: String,
        /// Server or pool, as written in the file, without the protocol.
        target: String,
        /// Pool, if the target names one.
        pool: Option<PoolName>,
    },
    /// Neither a folder nor an application of its own.
    Inherited,
}

/// New content of a location, as requested by a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NewLocation {
    /// Virtual directory: files below the path of the location come from this folder.
    Directory {
        /// The folder.
        folder: FilePath,
    },
    /// Application: requests are passed to a pool.
    Application {
        /// Protocol.
        protocol: ProxyProtocol,
        /// The pool.
        pool: PoolName,
        /// Path that replaces the path of the location; `None` keeps the path. Only with HTTP.
        #[serde(default)]
        path: Option<UrlPath>,
    },
}

/// Protocol between web server and application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyProtocol {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// FastCGI.
    Fastcgi,
    /// uwsgi.
    Uwsgi,
    /// SCGI.
    Scgi,
    /// gRPC.
    Grpc,
}

impl ProxyProtocol {
    /// All protocols.
    pub(crate) const ALL: [Self; 6] =
        [Self::Http, Self::Https, Self::Fastcgi, Self::Uwsgi, Self::Scgi, Self::Grpc];
}

/// A pool of back-end servers: an `upstream` block of nginx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// Name.
    pub name: PoolName,
    /// Position of the block.
    pub position: Position,
    /// Servers.
    pub members: Vec<PoolMember>,
    /// Servers in the file that these types cannot represent, as text.
    pub unsupported: Vec<String>,
    /// Unit of systemd that runs the servers.
    pub unit: Option<UnitName>,
}

/// A server of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolMember {
    /// Address.
    pub address: ListenAddress,
    /// Share of the requests, 1 to 65535; 1 by default.
    #[serde(default)]
    pub weight: Option<std::num::NonZeroU16>,
    /// The server receives requests only while the others are unavailable.
    #[serde(default)]
    pub backup: bool,
    /// The server receives no requests.
    #[serde(default)]
    pub down: bool,
}
