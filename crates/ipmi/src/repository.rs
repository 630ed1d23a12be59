//! Reading sensor records in pieces, from controllers that differ in many details (IPMI 2.0, 33 and 35).

mod read_ahead;

use std::net::SocketAddr;
use std::sync::Arc;

use ipmi_proto::device_id::GetDeviceId;
use ipmi_proto::device_sdr::{DeviceSdrInfo, GetDeviceSdrInfo};
use ipmi_proto::sdr::{Body, Record};
use ipmi_proto::storage::{GetSdrRepositoryInfo, RepositoryInfo};
use ipmi_proto::{Command as _, CompletionCode, Data, Destination};
use tracing::debug;

use self::read_ahead::{Reader, Source};
use crate::cache::CachedRecords;
use crate::connection::{Pending, reply};
use crate::{Connection, IpmiError};

/// Change indicators of a controller's records: the records are unchanged as long as these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordVersion {
    /// Address of the controller. Everything else is reported by the controller itself, and a controller that
    /// imitates another must not determine the other's sensors.
    address: Option<SocketAddr>,
    /// Response to Get Device ID, which includes the firmware version.
    identity: Data,
    guid: Option<[u8; 16]>,
    repository: Option<RepositoryInfo>,
    device: Option<DeviceSdrInfo>,
}

impl Connection {
    /// Returns all records of the controller: those of its repository, and its device SDRs. They are read
    /// only if they changed since the last time. A record that cannot be decoded is omitted.
    ///
    /// # Errors
    /// If the controller does not respond, or its records change while they are read. Failure to write the
    /// cache is not an error.
    pub async fn records(&self) -> Result<Arc<Vec<Record>>, IpmiError> {
        let record_version = self.request_record_version();
        self.records_of(self.record_version(record_version).await?).await
    }

    pub(crate) async fn records_of(
        &self,
        record_version: RecordVersion,
    ) -> Result<Arc<Vec<Record>>, IpmiError> {
        let key = record_version.key();
        let known = self.controller_id().and_then(|controller| self.cache().known(controller));
        if let Some(known) = known.filter(|known| key.as_ref() == Some(&known.key)) {
            return Ok(Arc::clone(&known.records));
        }
        let octets = self.read(&record_version).await?;
        let records = self.cache().decoded(&octets);
        // If the records changed while they were read, the result may be a mixture and is not cached.
        if let Some((key, controller)) = key.zip(self.controller_id())
            && self.record_version(self.request_record_version()).await? == record_version
        {
            let request_limit = u8::try_from(self.request_limit()).unwrap_or(u8::MAX);
            self.cache().keep(
                controller,
                CachedRecords { key, request_limit, records: Arc::clone(&records) },
                &octets,
            );
        }
        Ok(records)
    }

    pub(crate) fn request_record_version(&self) -> [Pending; 2] {
        [GetDeviceId.request(), GetSdrRepositoryInfo.request()]
            .map(|request| self.begin(Destination::CONTROLLER, request))
    }

    pub(crate) async fn record_version(
        &self,
        [identity, repository]: [Pending; 2],
    ) -> Result<RecordVersion, IpmiError> {
        let identity = identity.answer().await?;
        let has_own = reply(&GetDeviceId, &identity)?.has_device_sdrs;
        let repository = there(reply(&GetSdrRepositoryInfo, &repository.answer().await?))?;
        let device = if has_own { there(self.run(&GetDeviceSdrInfo).await)? } else { None };
        Ok(RecordVersion {
            address: self.address(),
            identity: identity.data,
            guid: self.guid(),
            repository,
            device,
        })
    }

    async fn read(&self, record_version: &RecordVersion) -> Result<Vec<Vec<u8>>, IpmiError> {
        let mut records = Vec::new();
        if let Some(info) = record_version.repository {
            records = Reader::new(self, Source::Repository).all(info.records.into()).await?;
        }
        if let Some(info) = record_version.device {
            records.extend(Reader::new(self, Source::Device).all(info.records.into()).await?);
        }
        Ok(records)
    }
}

impl RecordVersion {
    /// Returns the cache key of the records; `None` if the controller does not report when they change.
    fn key(&self) -> Option<Vec<u8>> {
        let says_when =
            |(added, erased): (u32, u32)| [added, erased].iter().any(|stamp| !matches!(*stamp, 0 | u32::MAX));
        // A repository with records but without any change time does not maintain its time stamps.
        if self.repository.is_some_and(|info| !says_when(info.stamps) && info.records > 0) {
            return None;
        }
        let mut key = Vec::with_capacity(USUAL_KEY);
        match self.address {
            None => key.push(0),
            Some(SocketAddr::V4(address)) => {
                key.push(4);
                key.extend(address.ip().octets());
                key.extend(address.port().to_le_bytes());
            }
            Some(SocketAddr::V6(address)) => {
                key.push(6);
                key.extend(address.ip().octets());
                key.extend(address.port().to_le_bytes());
                key.extend(address.scope_id().to_le_bytes());
            }
        }
        key.push(u8::from(self.guid.is_some()));
        key.extend(self.guid.iter().flatten());
        key.push(u8::from(self.repository.is_some()));
        if let Some(RepositoryInfo { records, stamps: (added, erased) }) = self.repository {
            key.extend(records.to_le_bytes());
            key.extend([added, erased].map(u32::to_le_bytes).as_flattened());
        }
        // Static device SDRs are part of the firmware.
        key.push(self.device.map_or(0, |device| 1 + u8::from(device.stamp.is_some())));
        if let Some(DeviceSdrInfo { records, stamp }) = self.device {
            key.push(records);
            key.extend(stamp.map(u32::to_le_bytes).iter().flatten());
        }
        // The part of variable length comes last, so that different values never have equal keys.
        key.extend_from_slice(&self.identity);
        Some(key)
    }
}

/// Decodes all readable records. Each sensor appears once: device SDRs may also be in the repository.
pub fn decoded(octets: &[impl AsRef<[u8]>]) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::with_capacity(octets.len());
    let mut known = std::collections::HashSet::new();
    for octets in octets {
        match Record::decode(octets.as_ref()) {
            Ok(Record { id, body: Body::Sensors(mut sensors) }) => {
                sensors.retain(|own| known.insert((own.channel, own.owner, own.unit, own.number)));
                if !sensors.is_empty() {
                    records.push(Record { id, body: Body::Sensors(sensors) });
                }
            }
            Ok(record) if records.contains(&record) => {}
            Ok(record) => records.push(record),
            Err(error) => debug!(%error, "Omitted an undecodable record"),
        }
    }
    records
}

/// Typical length of a key in bytes.
const USUAL_KEY: usize = 64;

/// Returns `None` if the controller does not support the command.
fn there<T>(answer: Result<T, IpmiError>) -> Result<Option<T>, IpmiError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(IpmiError::Completion(CompletionCode(0xc1 | 0xc2 | 0xcb | 0xd4 | 0xd5 | 0xd6))) => Ok(None),
        Err(error) => Err(error),
    }
}
