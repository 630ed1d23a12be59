//! Reading the records of sensors, piece by piece, from controllers that are not all alike (IPMI 2.0, 33 and 35).

mod ahead;

use std::net::SocketAddr;
use std::sync::Arc;

use ipmi_proto::device_id::GetDeviceId;
use ipmi_proto::device_sdr::{DeviceSdrInfo, GetDeviceSdrInfo};
use ipmi_proto::sdr::{Body, Record, Sensor};
use ipmi_proto::storage::{GetSdrRepositoryInfo, RepositoryInfo};
use ipmi_proto::{Command as _, CompletionCode, Data, Destination};
use tracing::debug;

use self::ahead::{Reader, Source};
use crate::cache::Known;
use crate::connection::{Pending, reply};
use crate::{Connection, IpmiError};

/// Where a controller has records, and when they have changed: as long as this stays the same, so do they.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// Where it is. All else is its own word, and one that says what another one says must not decide what the other's
    /// sensors are.
    address: Option<SocketAddr>,
    /// The answer to Get Device ID, in which the firmware is.
    identity: Data,
    guid: Option<[u8; 16]>,
    repository: Option<RepositoryInfo>,
    device: Option<DeviceSdrInfo>,
}

impl Connection {
    /// All records of the controller: those of its repository, and those that it has of its own sensors. They are
    /// read only if they have changed since they were last read. One that cannot be read as what it says it is, is
    /// left out.
    ///
    /// # Errors
    /// When the controller does not answer, or its records change faster than they can be read; that something
    /// cannot be kept is no error.
    pub async fn records(&self) -> Result<Arc<Vec<Record>>, IpmiError> {
        let holdings = self.ask_for_holdings();
        self.records_of(self.holdings(holdings).await?).await
    }

    pub(crate) async fn records_of(&self, holdings: Holdings) -> Result<Arc<Vec<Record>>, IpmiError> {
        let key = holdings.key();
        let known = self.place().and_then(|place| self.cache().known(place));
        if let Some(known) = known.filter(|known| key.as_ref() == Some(&known.key)) {
            return Ok(Arc::clone(&known.records));
        }
        let octets = self.read(&holdings).await?;
        let records = self.cache().decoded(&octets);
        // If they have changed while they were read, what was read may be half of each.
        if let Some((key, place)) = key.zip(self.place())
            && self.holdings(self.ask_for_holdings()).await? == holdings
        {
            let pace = u8::try_from(self.pace()).unwrap_or(u8::MAX);
            self.cache().keep(place, Known { key, pace, records: Arc::clone(&records) }, &octets);
        }
        Ok(records)
    }

    pub(crate) fn ask_for_holdings(&self) -> [Pending; 2] {
        [GetDeviceId.request(), GetSdrRepositoryInfo.request()]
            .map(|request| self.begin(Destination::CONTROLLER, request))
    }

    pub(crate) async fn holdings(&self, [identity, repository]: [Pending; 2]) -> Result<Holdings, IpmiError> {
        let identity = identity.answer().await?;
        let has_own = reply(&GetDeviceId, &identity)?.has_device_sdrs;
        let repository = there(reply(&GetSdrRepositoryInfo, &repository.answer().await?))?;
        let device = if has_own { there(self.run(&GetDeviceSdrInfo).await)? } else { None };
        Ok(Holdings {
            address: self.address(),
            identity: identity.data,
            guid: self.guid(),
            repository,
            device,
        })
    }

    async fn read(&self, holdings: &Holdings) -> Result<Vec<Vec<u8>>, IpmiError> {
        let mut records = Vec::new();
        if let Some(info) = holdings.repository {
            records = Reader::new(self, Source::Repository).all(info.records.into()).await?;
        }
        if let Some(info) = holdings.device {
            records.extend(Reader::new(self, Source::Device).all(info.records.into()).await?);
        }
        Ok(records)
    }
}

impl Holdings {
    /// What tells these records from all others; none if the controller does not say when they change.
    fn key(&self) -> Option<Vec<u8>> {
        let says_when =
            |(added, erased): (u32, u32)| [added, erased].iter().any(|stamp| !matches!(*stamp, 0 | u32::MAX));
        // A repository that has never changed, by its own words, says nothing.
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
        // What the device has of its own and never changes is part of its firmware.
        key.push(self.device.map_or(0, |device| 1 + u8::from(device.stamp.is_some())));
        if let Some(DeviceSdrInfo { records, stamp }) = self.device {
            key.push(records);
            key.extend(stamp.map(u32::to_le_bytes).iter().flatten());
        }
        // What has any length is last, so that no two keys are the same whose parts are not.
        key.extend_from_slice(&self.identity);
        Some(key)
    }
}

/// Those that can be read, each sensor once: what a device says of its own sensors may be in the repository as well.
pub(crate) fn decoded(octets: &[impl AsRef<[u8]>]) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::with_capacity(octets.len());
    let mut known = std::collections::HashSet::new();
    let key = |sensor: &Sensor| (sensor.channel, sensor.owner, sensor.unit, sensor.number);
    for octets in octets {
        match Record::decode(octets.as_ref()) {
            Ok(Record { id, body: Body::Sensors(mut sensors) }) => {
                sensors.retain(|sensor| known.insert(key(sensor)));
                if !sensors.is_empty() {
                    records.push(Record { id, body: Body::Sensors(sensors) });
                }
            }
            Ok(record) if records.contains(&record) => {}
            Ok(record) => records.push(record),
            Err(error) => debug!(%error, "Record left out"),
        }
    }
    records
}

/// Octets of a key, mostly.
const USUAL_KEY: usize = 64;

/// What a controller that does not know the command has none of.
fn there<T>(answer: Result<T, IpmiError>) -> Result<Option<T>, IpmiError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(IpmiError::Completion(CompletionCode(0xc1 | 0xc2 | 0xcb | 0xd4 | 0xd5 | 0xd6))) => Ok(None),
        Err(error) => Err(error),
    }
}
