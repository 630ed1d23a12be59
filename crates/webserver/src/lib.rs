//! Administration of web servers through their own configuration files.
//!
//! [`WebServer`] is the interface, and [`Nginx`], [`Apache`], [`Caddy`] and [`Iis`] implement it. The types of this crate cannot hold a value that
//! would change the structure of a configuration file: text without control characters, parsed addresses, paths without
//! `..` and variables.
//!
//! A change never takes effect without a fresh base revision, a plan, the verdict of the web server's own validator, an
//! atomic write and the result of the reload. See [`WebServer::commit`].

mod apache_server;
mod application_pool;
mod caddy_server;
mod certificate;
mod change;
mod control;
mod engine;
mod error;
mod feature;
mod history;
mod iis_server;
mod listen;
mod log;
mod model;
mod nginx_server;
mod plan;
mod position;
mod revision;
mod value;
mod web_server;

pub use apache_server::{Apache, ApacheOptions};
pub use application_pool::{ApplicationPool, PoolOperation, PoolState};
pub use caddy_server::{Caddy, CaddyAdmin, CaddyDocument, CaddyOptions};
pub use certificate::{Certificate, CertificateFile};
pub use change::{Change, MAX_CHANGES, NewSite};
pub use control::{Operation, Status, Worker};
pub use engine::{parse_certificate, read_certificate};
pub use error::WebServerError;
pub use feature::{
    AccessLog, BasicAuthentication, BasicUser, Clients, Compression, CompressionLevel, DefaultDocuments,
    DirectoryBrowsing, ErrorLog, ErrorPage, ErrorPages, Feature, FeatureState, FeatureValue, IpRestrictions,
    IpRule, Limits, ListFormat, LogLevel, Logging, MimeType, MimeTypes, Redirect, RedirectStatus,
    ResponseHeader, ResponseHeaders, Scope, Setting, Ssl, StatusCode, TlsVersion,
};
pub use history::{Commit, CommitDetails, CommitKind, CommitRequest, Verdict};
pub use iis_server::{
    CimCall, CimFailure, CimObject, CimOperation, CimValue, Iis, IisControl, IisOverview, MAX_INSTANCES,
    MAX_PROPERTIES, WEB_ADMINISTRATION, WebAdministration,
};
pub use listen::{ListenAddress, ListenHost};
pub use log::{LogFile, LogKind, LogLines, LogPosition, LogStart, RequestRate};
pub use model::{
    Binding, Capabilities, ConfigurationFile, Info, Listener, Location, LocationContent, NewLocation, Pool,
    PoolMember, ProxyProtocol, Site, SiteState, Snapshot,
};
pub use nginx_server::{Nginx, NginxOptions};
pub use plan::{FileChange, FileDiff, Plan, Problem, Severity, Validation};
pub use position::Position;
pub use revision::Revision;
pub use value::{
    Author, CertificateName, CipherList, CommitMessage, DocumentName, Extension, FilePath, HeaderName,
    HostPattern, InvalidValue, MediaType, PasswordHash, PlainText, PoolName, SiteId, Template, UnitName,
    UrlPath, UserName, VARIABLES,
};
pub use web_server::WebServer;
