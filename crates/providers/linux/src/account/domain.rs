//! `Win32_NTDomain` and `Win32_UserInDomain`: the domains of accounts.
//!
//! As on Windows, the machine itself is the domain of its accounts.

use cim::Value;
use linux::account::User;
use wmi::ProviderError;

use super::path::path;
use crate::Machine;
use crate::system::domain::Membership;
use crate::table::association::Association;
use crate::table::{Fill, Table, failure, reference};

/// The machine as a domain, and the domain that it is a member of.
pub(crate) struct NtDomain;

/// A domain.
pub(crate) enum Domain {
    /// The machine, as the domain of its own accounts.
    OwnAccounts,
    /// The domain with this name.
    Joined(String),
}

impl Domain {
    fn name(&self, machine: &Machine) -> String {
        match self {
            Self::OwnAccounts => machine.host_name(),
            Self::Joined(name) => name.clone(),
        }
    }
}

/// Returns the key of a domain as on Windows.
fn key(name: &str) -> String {
    format!("Domain: {name}")
}

impl Table for NtDomain {
    type Row = Domain;

    const CLASS: &'static str = "Win32_NTDomain";

    const COLUMNS: &'static [(&'static str, Fill<Domain>)] = &[
        ("Caption", |machine, domain| domain.name(machine).into()),
        ("Description", |machine, domain| domain.name(machine).into()),
        ("DomainName", |_, domain| match domain {
            Domain::OwnAccounts => Value::Null,
            Domain::Joined(name) => name.clone().into(),
        }),
        ("Name", |machine, domain| key(&domain.name(machine)).into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Domain>, ProviderError> {
        let joined = match Membership::of(machine) {
            Membership::Domain(name) => Some(Domain::Joined(name)),
            Membership::Workgroup(_) => None,
        };
        Ok(std::iter::once(Domain::OwnAccounts).chain(joined))
    }
}

/// Accounts of the machine in its own domain.
pub(crate) static USER_IN_DOMAIN: Association<User> = Association {
    namespace: "root/cimv2",
    class: "Win32_UserInDomain",
    columns: &[
        ("GroupComponent", |machine, _| reference("Win32_NTDomain", "Name", key(&machine.host_name()))),
        ("PartComponent", |machine, user| path("Win32_UserAccount", machine, &user.name)),
    ],
    rows: |machine| machine.users().complete().map_err(failure),
    subsystems: &[],
};
