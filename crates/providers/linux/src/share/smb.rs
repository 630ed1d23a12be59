//! `MSFT_SmbShare` of `root/microsoft/windows/smb`: shares of Samba.

use std::sync::Arc;

use linux::share::{Kind, Share, samba};
use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::table::{Fill, Push, Table, failure, push_listing};

/// Namespace of the classes.
pub(super) const NAMESPACE: &str = "root/microsoft/windows/smb";

/// Scope of servers without clusters.
pub(super) const SCOPE: &str = "*";

/// Shares of Samba; those of NFS are in `Win32_Share` only.
pub(super) struct SmbShare;

/// Returns the value of `ShareType`.
fn number(kind: Kind) -> u32 {
    match kind {
        Kind::Folder => 0,
        Kind::Printer => 1,
        Kind::Pipes => 3,
    }
}

impl Table for SmbShare {
    type Row = Share;

    const NAMESPACE: &'static str = NAMESPACE;

    const CLASS: &'static str = "MSFT_SmbShare";

    const COLUMNS: &'static [(&'static str, Fill<Share>)] = &[
        ("ConcurrentUserLimit", |_, share| share.limit.into()),
        ("Description", |_, share| share.remark.clone().into()),
        ("Name", |_, share| share.name.clone().into()),
        ("Path", |_, share| share.path.clone().into()),
        ("Scoped", |_, _| false.into()),
        ("ScopeName", |_, _| SCOPE.into()),
        // 1 is "Online".
        ("ShareState", |_, _| 1_u32.into()),
        ("ShareType", |_, share| number(share.kind).into()),
        ("SmbInstance", |_, _| 0_u32.into()),
        ("Special", |_, share| (share.kind == Kind::Pipes).into()),
        ("Temporary", |_, _| false.into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Share>,
    ) -> Result<(), ProviderError> {
        push_listing(samba::shares(machine).map_err(failure)?, push)
    }
}
