//! Shares of Samba and of the kernel's NFS server.

mod change;
mod client;
mod setting;
mod smb;

use std::sync::Arc;

use cim::{Instance, Status};
use linux::share::{Kind, Share};
use wmi::{Lookup, MethodCall, ProviderError, Scan, Target};

use crate::Machine;
use crate::table::association::Association;
use crate::table::association::relate;
use crate::table::{Binding, Fill, Push, Table, bind, failure, push_listing, reference, returned, text_key};

/// Returns the tables of share classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    let mut bindings = vec![
        bind(machine, Shares),
        relate(machine, &SHARE_TO_DIRECTORY),
        bind(machine, setting::ShareSetting),
        bind(machine, smb::SmbShare),
    ];
    bindings.extend(client::bindings(machine));
    bindings
}

/// `Win32_Share`.
struct Shares;

/// Returns the number of a share's type (`Win32_Share.Type`).
fn number(kind: Kind) -> u32 {
    match kind {
        Kind::Folder => 0,
        Kind::Printer => 1,
        Kind::Pipes => 0x8000_0003,
    }
}

/// Returns the share with this name.
///
/// # Errors
/// If the share does not exist, or the shares cannot be read.
fn require(machine: &Machine, name: &str) -> Result<Share, ProviderError> {
    let share = Share::find(machine, name).map_err(failure)?;
    share.ok_or_else(|| ProviderError::failed(Status::NotFound, format!("share {name} not found")))
}

impl Table for Shares {
    type Row = Share;

    const CLASS: &'static str = "Win32_Share";

    const COLUMNS: &'static [(&'static str, Fill<Share>)] = &[
        ("AllowMaximum", |_, share| (share.limit == 0).into()),
        ("Caption", |_, share| share.remark.clone().into()),
        ("Description", |_, share| share.remark.clone().into()),
        ("MaximumAllowed", |_, share| (share.limit != 0).then_some(share.limit).into()),
        ("Name", |_, share| share.name.clone().into()),
        ("Path", |_, share| share.path.clone().into()),
        ("Status", |_, _| "OK".into()),
        ("Type", |_, share| number(share.kind).into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Share>,
    ) -> Result<(), ProviderError> {
        push_listing(Share::all(machine), push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Share>, ProviderError> {
        Share::find(machine, text_key(lookup.keys)).map_err(failure)
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let method = call.operation.method.name.as_str();
        let Target::Instance(keys) = call.target else {
            return returned(call, change::create(machine, call.input)? as u32);
        };
        let share = require(machine, text_key(keys))?;
        match method {
            "Delete" => returned(call, change::delete(machine, &share)? as u32),
            "SetShareInfo" => returned(call, change::change(machine, share, call.input)? as u32),
            "GetAccessMask" => returned(call, linux::share::access::most(&share.origin)),
            _ => Err(ProviderError::NotCapable),
        }
    }
}

static SHARE_TO_DIRECTORY: Association<Share> = Association {
    namespace: "root/cimv2",
    class: "Win32_ShareToDirectory",
    columns: &[
        ("Share", |_, share| reference("Win32_Share", "Name", share.name.clone())),
        ("SharedElement", |_, share| reference("Win32_Directory", "Name", share.path.clone())),
    ],
    rows: rows_of_share_to_directory,
    subsystems: &[],
};

fn rows_of_share_to_directory(machine: &Machine) -> Result<Vec<Share>, ProviderError> {
    let shares = Share::all(machine).complete().map_err(failure)?;
    let folders = shares.into_iter().filter(|share| share.kind == Kind::Folder);
    Ok(folders.filter(|share| !share.path.is_empty()).collect())
}
