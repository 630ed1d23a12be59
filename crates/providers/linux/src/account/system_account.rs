//! `Win32_SystemAccount`: well-known accounts (MS-DTYP 2.4.2.4).

use sddl::{Sid, well_known};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Accounts that can have rights without being a user or group of the machine.
pub(crate) struct SystemAccount;

/// Names and SIDs.
pub(super) const ALL: [(&str, Sid); 12] = [
    ("Everyone", well_known::EVERYONE),
    ("CREATOR OWNER", well_known::CREATOR_OWNER),
    ("CREATOR GROUP", well_known::CREATOR_GROUP),
    ("OWNER RIGHTS", well_known::OWNER_RIGHTS),
    ("NETWORK", well_known::NETWORK),
    ("INTERACTIVE", well_known::INTERACTIVE),
    ("SERVICE", well_known::SERVICE),
    ("ANONYMOUS LOGON", well_known::ANONYMOUS),
    ("Authenticated Users", well_known::AUTHENTICATED_USERS),
    ("SYSTEM", well_known::LOCAL_SYSTEM),
    ("LOCAL SERVICE", well_known::LOCAL_SERVICE),
    ("NETWORK SERVICE", well_known::NETWORK_SERVICE),
];

impl Table for SystemAccount {
    type Row = (&'static str, Sid);

    const CLASS: &'static str = "Win32_SystemAccount";

    const COLUMNS: &'static [(&'static str, Fill<Self::Row>)] = &[
        ("Caption", |machine, (name, _)| format!("{}\\{name}", machine.host_name()).into()),
        ("Description", |machine, (name, _)| format!("{}\\{name}", machine.host_name()).into()),
        ("Domain", |machine, _| machine.host_name().into()),
        ("LocalAccount", |_, _| true.into()),
        ("Name", |_, (name, _)| (*name).into()),
        ("SID", |_, (_, sid)| sid.numeric().to_string().into()),
        ("SIDType", |_, _| 5_u8.into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Self::Row>, ProviderError> {
        Ok(ALL.into_iter())
    }
}
