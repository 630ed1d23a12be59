//! Shares of Samba and of the kernel's NFS server.

mod access;
mod change;
mod nfs;
pub(crate) mod oracle;
mod samba;
mod setting;

use std::sync::Arc;

use cim::{Instance, Status, Value};
use wmi::{Lookup, MethodCall, ProviderError, Scan, Target};

use crate::Machine;
use crate::table::{Binding, Fill, Push, Table, bind, reference, returned, text_key};
use access::Entry;

/// Returns the tables of share classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, Shares), bind(machine, ShareToDirectory), bind(machine, setting::ShareSetting)]
}

/// `Win32_Share`.
struct Shares;

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Share {
    /// Name of the share; for NFS its path, which cannot be a name of Samba.
    name: String,
    path: String,
    remark: String,
    kind: Kind,
    /// Maximum number of concurrent users; 0 for no limit.
    limit: u32,
    origin: Origin,
}

/// Type of a share (`Win32_Share.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    Printer,
    /// `IPC$`, which every server has.
    Pipes,
}

impl Kind {
    fn number(self) -> u32 {
        match self {
            Self::Folder => 0,
            Self::Printer => 1,
            Self::Pipes => 0x8000_0003,
        }
    }
}

/// Origin of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// Configuration of Samba.
    Configuration { is_read_only: bool },
    /// User shares of `net usershare`.
    Users(Vec<Entry>),
    /// `/etc/exports`.
    Nfs,
}

impl Share {
    /// Returns all shares of a machine.
    fn all(machine: &Machine) -> Result<Vec<Self>, ProviderError> {
        let mut shares = samba::shares(machine)?;
        shares.extend(nfs::exports(machine));
        Ok(shares)
    }

    fn find(machine: &Machine, name: &str) -> Result<Option<Self>, ProviderError> {
        Ok(Self::all(machine)?.into_iter().find(|share| cim::wql::equal(&share.name, name)))
    }

    /// Returns the share with this name, or an error.
    fn require(machine: &Machine, name: &str) -> Result<Self, ProviderError> {
        let missing = || ProviderError::failed(Status::NotFound, format!("there is no share {name}"));
        Self::find(machine, name)?.ok_or_else(missing)
    }
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
        ("Type", |_, share| share.kind.number().into()),
    ];

    const UNKNOWN: &'static [&'static str] = &["AccessMask"];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Share>,
    ) -> Result<(), ProviderError> {
        Share::all(machine)?.into_iter().try_for_each(push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Share>, ProviderError> {
        Share::find(machine, text_key(lookup.keys))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let method = call.operation.method.name.as_str();
        let Target::Instance(keys) = call.target else {
            return returned(call, change::create(machine, call.input)? as u32);
        };
        let share = Share::require(machine, text_key(keys))?;
        match method {
            "Delete" => returned(call, change::delete(machine, &share)? as u32),
            "SetShareInfo" => returned(call, change::change(machine, share, call.input)? as u32),
            "GetAccessMask" => returned(call, access::most(&share.origin)),
            _ => Err(ProviderError::NotCapable),
        }
    }
}

/// `Win32_ShareToDirectory`.
struct ShareToDirectory;

impl Table for ShareToDirectory {
    type Row = Share;

    const CLASS: &'static str = "Win32_ShareToDirectory";

    const COLUMNS: &'static [(&'static str, Fill<Share>)] = &[
        ("Share", |_, share| reference("Win32_Share", "Name", share.name.clone())),
        ("SharedElement", |_, share| reference("Win32_Directory", "Name", share.path.clone())),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Share>,
    ) -> Result<(), ProviderError> {
        let folders = Share::all(machine)?.into_iter().filter(|share| share.kind == Kind::Folder);
        folders.filter(|share| !share.path.is_empty()).try_for_each(push)
    }
}

/// Returns a text parameter of a method; `None` if it is missing.
fn given<'a>(input: &'a Instance, name: &str) -> Option<&'a str> {
    input.value(name).and_then(Value::as_str)
}
