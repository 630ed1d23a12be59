//! `Win32_LogicalFileSecuritySetting`: security descriptors of files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cim::{Instance, Status};
use wmi::{Lookup, MethodCall, ProviderError, Scan, Target};

use super::acl;
use crate::Machine;
use crate::table::{Fill, Push, Table, returned, text_key};

/// Files of the machine; queries must name each file.
pub(super) struct FileSetting;

/// A file.
pub(super) struct Row {
    /// Name as the client gives it.
    name: String,
    /// Path on this machine.
    path: PathBuf,
}

impl Row {
    fn find(machine: &Machine, name: &str) -> Option<Self> {
        let path = machine.path(Path::new(name).strip_prefix("/").ok()?);
        rustix::fs::stat(&path).ok()?;
        Some(Self { name: name.to_owned(), path })
    }
}

impl Table for FileSetting {
    type Row = Row;

    const CLASS: &'static str = "Win32_LogicalFileSecuritySetting";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, row| format!("Security settings of {}", row.name).into()),
        ("ControlFlags", |machine, row| {
            acl::descriptor(machine, &row.path).ok().map(|descriptor| u32::from(descriptor.control())).into()
        }),
        ("Description", |_, row| format!("Security settings of {}", row.name).into()),
        // Whether the caller may read the descriptor; everyone who can reach the file may.
        ("OwnerPermissions", |machine, row| acl::descriptor(machine, &row.path).is_ok().into()),
        ("Path", |_, row| row.name.clone().into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        if let Some(paths) = scan.pinned(&["Path"]) {
            let names = paths.iter().filter_map(|values| values.first()?.as_str());
            return names.filter_map(|name| Row::find(machine, name)).try_for_each(push);
        }
        if *scan.requested_class() == *Self::CLASS {
            let message = "cannot list all files of the machine\n  add WHERE Path = '/etc/fstab'";
            return Err(ProviderError::failed(Status::QuotaViolation, message));
        }
        Ok(())
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        Ok(Row::find(machine, text_key(lookup.keys)))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let (Target::Instance(keys), "GetSecurityDescriptor") =
            (call.target, call.operation.method.name.as_str())
        else {
            return Err(ProviderError::NotCapable);
        };
        let name = text_key(keys);
        let row = Row::find(machine, name)
            .ok_or_else(|| ProviderError::failed(Status::NotFound, format!("{name} not found")))?;
        match acl::descriptor(machine, &row.path) {
            Ok(descriptor) => {
                Ok(returned(call, 0_u32)?.with("Descriptor", super::object(machine, &descriptor)?)?)
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                returned(call, ACCESS_DENIED)
            }
            Err(_) => returned(call, UNKNOWN_FAILURE),
        }
    }
}

const ACCESS_DENIED: u32 = 2;
const UNKNOWN_FAILURE: u32 = 8;
