//! Configuration of the service and of clients: the tree `winrm/config`, its settings, listeners and plug-ins.
//!
//! - [`Config`] is a snapshot with one typed field per setting.
//! - [`Setting`] describes a setting; parsers, defaults, ranges, XML and documentation are derived from it.
//! - [`Listener`] is an instance of `winrm/config/listener`, [`Plugin`] an instance of `winrm/config/plugin`.
//! - [`Access`] finds the security descriptor of a resource.
//! - [`Store`] reads and writes all of it in one TOML file and notifies subscribers of changes.
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
//! Not part of this crate: fault codes (the plug-in for `winrm/config` maps each [`Reason`] to one), certificates,
//! and the addresses on which a listener listens.

#[macro_use]
mod sections;

mod change;
mod client_files;
mod draft;
mod error;
pub mod file;
mod file_error;
mod filter_error;
mod groups;
mod listener;
mod paths;
mod plugin;
mod policy;
mod preset;
mod proxies;
mod representation;
mod schema;
mod section;
mod store;
mod toml_text;
mod tree;
mod value;

pub use client_files::{ClientFiles, ClientFilesError};
pub use draft::Draft;
pub use error::{PutError, Reason, SettingError};
pub use file_error::FileError;
pub use filter_error::FilterError;
pub use groups::{Groups, Membership};
pub use listener::{
    LISTENER_RESOURCE, Listener, ListenerAddress, ListenerError, ListenerKey, ListenerSource, Listeners,
    Serving, Transport,
};
pub use paths::{MACHINE_SOCKET, Paths, client_certificates, local_sockets};
pub use plugin::{
    Access, DescriptorOrigin, EffectiveDescriptor, EndpointName, EndpointSettings, PLUGIN_NAMESPACE,
    PLUGIN_RESOURCE, Plugin, PluginError, PluginKind, PluginResource, Plugins, RunAsUser, SecurityDefaults,
    SecurityEntry,
};
pub use policy::{
    FilePosition, LocatedPolicyError, Origin, Policies, Policy, PolicyError, PolicyKind, PolicyTarget,
    PolicyValue, RegistryPol, RegistryPolError, RegistryRecord, RegistryType, SerializedPoliciesError,
    SubscriptionManager, UnknownValue,
};
pub use preset::Preset;
pub use proxies::{Proxies, Tls};
pub use schema::{Mutability, Setting, Source};
pub use section::Section;
pub use store::{AtomicFile, FileTexts, FileVersion, Sources, State, Store, StoreError, ValueOrigin};
pub use tree::{
    Client, ClientAuth, ClientDefaultPorts, Config, EventCollector, EventForwarding, Identify, PowerShell,
    Service, ServiceAuth, ServiceDefaultPorts, Shell, Winrs, Wmi,
};
pub use value::{
    Address, AddressFilter, CbtHardeningLevel, Count, Descriptor, Hostname, HttpUrl, IPv4Filter, IPv6Filter,
    IdentityCheck, Kilobytes, Kind, LogFiles, Megabytes, Milliseconds, Number, OptionalHttpUrl, OptionalPath,
    Port, PortOrAny, ProductVendor, Profiles, Quota, Seconds, Thumbprint, TrustedBalancers, TrustedHosts,
    UrlPrefix, unit,
};
