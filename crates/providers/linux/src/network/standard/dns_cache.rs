//! `MSFT_DNSClientCache`: the cache of systemd-resolved.

use std::sync::Arc;

use cim::Instance;
use linux::network::dns_cache::{Outcome, Record, flush, is_available, records};
use wmi::{MethodCall, ProviderError};

use crate::Machine;
use crate::table::{DataSource, Fill, Table, failure, returned};

/// Cached records.
pub(super) struct Cache;

const RESOLVED: DataSource = DataSource { name: "resolved", is_present: |machine| is_available(machine) };

impl Table for Cache {
    type Row = Record;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_DNSClientCache";

    const SOURCE: Option<DataSource> = Some(RESOLVED);

    const COLUMNS: &'static [(&'static str, Fill<Record>)] = &[
        ("Caption", |_, record| record.entry.clone().into()),
        ("Data", |_, record| record.data.clone().into()),
        ("DataLength", |_, record| record.length.into()),
        ("ElementName", |_, record| record.entry.clone().into()),
        ("Entry", |_, record| record.entry.clone().into()),
        ("Name", |_, record| record.name.clone().into()),
        // DNS_ERROR_RCODE_NAME_ERROR and DNS_INFO_NO_RECORDS (winerror.h).
        ("Status", |_, record| {
            record
                .outcome
                .map(|outcome| match outcome {
                    Outcome::Found => 0_u32,
                    Outcome::NoName => 9_003,
                    Outcome::NoRecords => 9_701,
                })
                .into()
        }),
        ("TimeToLive", |_, record| record.time_to_live.into()),
        ("Type", |_, record| record.kind.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Record>, ProviderError> {
        Ok(records(machine).map_err(failure)?.into_iter())
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        if !is_available(machine) {
            return Err(ProviderError::NotCapable);
        }
        flush().map_err(failure)?;
        returned(call, 0_u32)
    }
}
