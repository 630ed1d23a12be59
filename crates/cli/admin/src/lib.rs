//! The commands of `telarch` that manage the service of this machine: accounts, access, settings, policies, and the
//! explanation of error codes.

mod access;
mod account;
mod configuration;
mod explain;
mod policy;

pub use self::access::ACCESS;
pub use self::account::ACCOUNT;
pub use self::configuration::CONFIG;
pub use self::explain::EXPLAIN;
pub use self::policy::POLICY;
