//! `MSFT_SmbShare` of `root/microsoft/windows/smb`: shares of Samba.

use linux::share::{Kind, Origin, Share};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};

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

    const NAMESPACE: &'static str = "root/microsoft/windows/smb";

    const CLASS: &'static str = "MSFT_SmbShare";

    const COLUMNS: &'static [(&'static str, Fill<Share>)] = &[
        ("ConcurrentUserLimit", |_, share| share.limit.into()),
        ("Description", |_, share| share.remark.clone().into()),
        ("Name", |_, share| share.name.clone().into()),
        ("Path", |_, share| share.path.clone().into()),
        ("Scoped", |_, _| false.into()),
        // The scope of servers without clusters.
        ("ScopeName", |_, _| "*".into()),
        // 1 is "Online".
        ("ShareState", |_, _| 1_u32.into()),
        ("ShareType", |_, share| number(share.kind).into()),
        ("SmbInstance", |_, _| 0_u32.into()),
        ("Special", |_, share| (share.kind == Kind::Pipes).into()),
        ("Temporary", |_, _| false.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Share>, ProviderError> {
        let shares = Share::all(machine).map_err(failure)?.into_iter();
        Ok(shares.filter(|share| share.origin != Origin::Nfs))
    }
}
