//! `Win32_LogicalShareSecuritySetting`: security descriptors of shares.

use std::sync::Arc;

use cim::{Instance, Status};
use wmi::{Lookup, MethodCall, ProviderError, Scan, Target};

use linux::share::{Share, access};

use super::require;
use crate::Machine;
use crate::security;
use crate::table::{Fill, Push, Table, failure, push_listing, returned, text_key};

/// Security settings of all shares.
pub(super) struct ShareSetting;

impl Table for ShareSetting {
    type Row = Share;

    const CLASS: &'static str = "Win32_LogicalShareSecuritySetting";

    const COLUMNS: &'static [(&'static str, Fill<Share>)] = &[
        ("Caption", |_, share| format!("Security settings of {}", share.name).into()),
        ("ControlFlags", |machine, share| {
            let descriptor = access::descriptor(machine, &share.origin);
            descriptor.ok().map(|descriptor| u32::from(descriptor.control())).into()
        }),
        ("Description", |_, share| format!("Security settings of {}", share.name).into()),
        ("Name", |_, share| share.name.clone().into()),
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
        let (Target::Instance(keys), "GetSecurityDescriptor") =
            (call.target, call.operation.method.name.as_str())
        else {
            return Err(ProviderError::NotCapable);
        };
        let share = require(machine, text_key(keys))?;
        let descriptor = access::descriptor(machine, &share.origin)
            .map_err(|error| ProviderError::failed(Status::ProviderFailure, error.to_string()))?;
        Ok(returned(call, 0_u32)?.with("Descriptor", security::object(machine, &descriptor)?)?)
    }
}
