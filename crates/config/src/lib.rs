//! The configuration tree of `winrm/config`: what can be set, to what, and what it is now.
//!
//! [`Config`] is a snapshot with one typed field for each setting; reading it costs a field access.
//! [`Setting`] describes a setting: parsers, defaults, ranges, XML and documentation come from there.
//! [`Listener`] is an element of `winrm/config/listener`, and [`Plugin`] one of `winrm/config/plugin`.
//! [`Access`] says which security descriptor decides about a resource.
//! [`Store`] keeps both in one TOML file and tells subscribers about changes.
//!
//! ```
//! use telarch_config::{Config, Section};
//!
//! let mut config = Config::default();
//! config.set("Service.Auth.Basic", "true")?;
//! assert!(config.service.auth.basic);
//!
//! let error = config.set("Service/MaxConcurrentOperationsPerUser", "0").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "Service/MaxConcurrentOperationsPerUser: 0 is outside 1 to 4294967295"
//! );
//!
//! let mut writer = xml::Writer::new();
//! config.write(Section::ServiceAuth, &mut writer);
//! assert!(writer.finish().contains("<cfg:Basic>true</cfg:Basic>"));
//! # Ok::<(), telarch_config::SettingError>(())
//! ```
//!
//! Left out on purpose: fault codes (the plug-in for `winrm/config` maps [`Reason`] to them), certificates
//! themselves, and the addresses a listener has found; callers bring those.

#[macro_use]
mod sections;

mod change;
mod client_files;
mod error;
mod file;
mod groups;
mod listener;
pub mod oracle;
mod paths;
mod plugin;
mod policy;
mod preset;
mod proxies;
mod representation;
mod schema;
mod section;
mod store;
mod tree;
mod value;

pub use client_files::{ClientFiles, ClientFilesError};
pub use error::{PutError, Reason, SettingError};
pub use file::FileError;
pub use groups::Groups;
pub use listener::{
    LISTENER_RESOURCE, Listener, ListenerAddress, ListenerError, ListenerKey, ListenerSource, Listeners,
    Transport,
};
pub use paths::{MACHINE_SOCKET, Paths, client_certificates, local_sockets};
pub use plugin::{
    Access, Decider, Deciding, PLUGIN_NAMESPACE, PLUGIN_RESOURCE, Plugin, PluginError, PluginKind,
    PluginResource, Plugins, SecurityEntry, Surroundings,
};
pub use policy::{
    Demand, NotHandedOver, Origin, Place, Policies, Policy, PolicyError, Reads, RegistryPol,
    RegistryPolError, RegistryRecord, RegistryType, Subject, SubscriptionManager, Unknown,
};
pub use preset::Preset;
pub use proxies::{Proxies, Tls};
pub use schema::{Mutability, Setting, Source};
pub use section::Section;
pub use store::{Draft, FileState, Sources, State, Store, StoreError, WholeFile, Written};
pub use tree::{
    Client, ClientAuth, ClientDefaultPorts, Config, Identify, Service, ServiceAuth, ServiceDefaultPorts,
    Shell, Winrs, Wmi,
};
pub use value::{
    Address, AddressFilter, CbtHardeningLevel, Count, Descriptor, FilterError, Hostname, IPv4Filter,
    IPv6Filter, Kilobytes, Kind, LoginShell, Megabytes, Milliseconds, Number, Port, ProductVendor, Profiles,
    Quota, Seconds, Thumbprint, TrustedHosts, UrlPrefix, unit,
};
