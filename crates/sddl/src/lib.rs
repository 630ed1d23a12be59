//! Access control: SIDs, security descriptors in SDDL, access checks, SIDs in Kerberos tickets.
//!
//! For code that protects resources of the service, or displays and edits their security descriptors.
//!
//! ```
//! use telarch_sddl::{AccessMask, DomainSid, Guard, ROOT_SDDL, Token, linux, well_known};
//!
//! # fn main() -> Result<(), telarch_sddl::SddlError> {
//! let machine = DomainSid::new([11, 22, 33]);
//! let administrator = Token::new(linux::user_sid(1000, machine), [well_known::ADMINISTRATORS], machine);
//! let stranger = Token::new(linux::user_sid(1001, machine), [well_known::EVERYONE], machine);
//!
//! let guard = Guard::parse(ROOT_SDDL)?;
//! assert!(guard.access_check(&administrator, AccessMask::GENERIC_EXECUTE).is_granted());
//! assert!(!guard.access_check(&stranger, AccessMask::GENERIC_EXECUTE).is_granted());
//! # Ok(())
//! # }
//! ```
//!
//! Supported is the part of SDDL that the service needs (MS-DTYP 2.5.1): ACE types `A`, `D`, `AU` and `AL`.
//! Object, conditional, callback and label ACEs are rejected, never ignored: an unsupported rule must not be
//! treated as if it did not exist.
//!
//! Deliberately not supported: inheritance (resources with children, such as WMI namespaces, implement it
//! themselves), account names (looking them up is I/O), and users who bypass the check.

#![forbid(unsafe_code)]
#![deny(clippy::as_conversions, clippy::expect_used, clippy::panic)]

mod access;
mod access_mask;
mod ace;
mod acl;
mod audit;
mod binary;
mod bits;
mod cursor;
mod descriptor;
mod error;
mod explain;
mod guard;
pub mod linux;
mod logon_info;
mod principal;
mod sid;
mod token;

pub use access::Verdict;
pub use access_mask::AccessMask;
pub use ace::{AccessKind, Ace, AceFlags, AuditKind};
pub use acl::{Acl, AclFlags, Dacl, Sacl};
pub use audit::Outcome;
pub use descriptor::{MAX_ACES, MAX_TEXT, SecurityDescriptor};
pub use error::SddlError;
pub use explain::Explanation;
pub use guard::{Guard, ROOT_SDDL, SHELL_SDDL};
pub use logon_info::{LogonInfo, LogonInfoError};
pub use principal::{Principal, RelativeSid};
pub use sid::{DomainSid, MAX_SUB_AUTHORITIES, Sid, well_known};
pub use token::{Domain, Token};
