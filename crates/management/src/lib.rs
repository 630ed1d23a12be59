//! Engine of the Web Management Service, the counterpart of WMSVC: everything that its server, its console and the
//! command line share.
//!
//! - [`Settings`]: the values of the registry key `SOFTWARE\Microsoft\WebManagement\Server`, by their names.
//! - [`Staging`]: settings for the next start of a running service, until they are confirmed.
//! - [`Restrictions`]: address rules, with import and export of the registry value `RemoteRestrictions`.
//! - [`Users`]: manager users, their passwords and the lock-out.
//! - [`SystemAccounts`]: accounts of the operating system.
//! - [`Sessions`] and [`ApiKeys`]: proofs of an earlier sign-in.
//! - [`Permissions`] and [`Delegation`]: access to sites and to their features.
//! - [`DeploymentRules`] and [`Uploads`]: rights on the files of sites, and archives that replace them.
//! - [`SavedMachines`]: other machines that users administer.
//! - [`PoolUnit`]: units of systemd that run the servers of pools.
//! - [`RequestLog`] and [`Audit`]: the request log of WMSVC, and the record of changes.
//!
//! Not part of this crate: HTTP, which `crates/management/web` serves, and web servers (`crates/webserver`).
//!
//! ```
//! use telarch_management::Restrictions;
//!
//! let rules: Restrictions = "deny, allow 10.0.0.0/8".parse()?;
//! assert!(rules.admits("10.1.2.3".parse()?));
//! assert!(!rules.admits("192.0.2.1".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod api_keys;
mod audit;
mod delegation;
mod deployment_rules;
mod error;
mod machines;
mod permissions;
mod pool_units;
mod request_log;
mod restrictions;
mod server_certificate;
mod sessions;
mod settings;
mod site_certificates;
mod staging;
mod store;
mod system_accounts;
mod timestamp;
mod token;
mod uploads;
mod users;

pub use self::api_keys::{ApiKey, ApiKeyLimits, ApiKeys, KeyPurpose, NewApiKey};
pub use self::audit::{Audit, AuditRecord, AuditResult};
pub use self::delegation::{Delegation, DelegationState, FeatureAccess};
pub use self::deployment_rules::{DeploymentAction, DeploymentRule, DeploymentRules, PathType};
pub use self::error::ManagementError;
pub use self::machines::{SavedMachine, SavedMachines};
pub use self::permissions::{Grant, Permissions, Role, SiteScope};
pub use self::pool_units::{PoolUnit, PoolUnitError};
pub use self::request_log::{LoggedRequest, RequestLog};
pub use self::restrictions::{Mode, Network, Restrictions, RestrictionsError, Rule};
pub use self::server_certificate::{CLOCK_SKEW, server_parameters};
pub use self::sessions::{NewSession, Session, Sessions};
pub use self::settings::{BindAddress, CertificateHash, Settings, SettingsError};
pub use self::site_certificates::{
    CertificatePair, KeyType, NewCertificate, PlannedCertificate, SiteCertificateError, SiteCertificates,
    StoredCertificate, unpack_pkcs12,
};
pub use self::staging::{Staging, StagingState, StagingStep};
pub use self::store::Directory;
pub use self::system_accounts::{SystemAccounts, SystemRole, is_system_user, system_user};
pub use self::timestamp::Timestamp;
pub use self::token::Token;
pub use self::uploads::{MAX_SIZE as MAX_UPLOAD, UploadOwner, Uploads};
pub use self::users::{SignInRefusal, SignInSources, UserChange, UserRecord, Users};
