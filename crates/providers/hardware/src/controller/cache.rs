//! Cached data of a controller, read again only if the controller reports a change.

use std::sync::Arc;

use ipmi::proto::CompletionCode;
use ipmi::proto::device_id::{DeviceId, GetDeviceId};
use ipmi::proto::fru::Inventory;
use ipmi::proto::sdr::Record;
use ipmi::proto::sel::SelRecord;
use ipmi::proto::storage::{GetSelEntry, GetSelInfo, SelInfo};
use ipmi::{Connection, IpmiError};
use tokio::sync::Mutex;

use super::Controller;
use crate::HardwareError;

/// Cached data, each item with the change indicator it was read with.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// Held while records are read, so that concurrent callers share the result.
    reading: Mutex<()>,
    inventory: Read<DeviceId, Inventory>,
    log: Read<SelInfo, Vec<LogEntry>>,
}

/// Change indicator and content; `None` before the first reading.
type Read<Said, Content> = Mutex<Option<(Said, Arc<Content>)>>;

/// A record of the event log, as received and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) octets: Vec<u8>,
    pub(crate) record: SelRecord,
}

impl Controller {
    /// Returns the identification of the controller.
    pub(crate) async fn device_id(self: &Arc<Self>) -> Result<DeviceId, HardwareError> {
        self.run(|bmc| async move { bmc.run(&GetDeviceId).await }).await
    }

    /// Returns the sensor records.
    pub(crate) async fn records(self: &Arc<Self>) -> Result<Arc<Vec<Record>>, HardwareError> {
        let _turn = self.cache.reading.lock().await;
        self.run(|bmc| async move { bmc.records().await }).await
    }

    /// Returns the inventory of the machine; empty if it has none.
    pub(crate) async fn inventory(self: &Arc<Self>) -> Result<Arc<Inventory>, HardwareError> {
        let mut known = self.cache.inventory.lock().await;
        let now = self.device_id().await?;
        if let Some((then, inventory)) = known.as_ref()
            && *then == now
        {
            return Ok(inventory.clone());
        }
        let inventory = match self.run(|bmc| async move { bmc.inventory(0).await }).await {
            Ok(inventory) => inventory,
            Err(HardwareError::Refused { .. } | HardwareError::Broken { .. }) => Inventory::default(),
            Err(error) => return Err(error),
        };
        let inventory = Arc::new(inventory);
        *known = Some((now, inventory.clone()));
        Ok(inventory)
    }

    /// Returns the event log information.
    pub(crate) async fn log_info(self: &Arc<Self>) -> Result<SelInfo, HardwareError> {
        self.run(|bmc| async move { bmc.run(&GetSelInfo).await }).await
    }

    /// Returns all records of the event log, oldest first. Takes one request if nothing has changed, and one
    /// more for each new record.
    pub(crate) async fn log(self: &Arc<Self>) -> Result<Arc<Vec<LogEntry>>, HardwareError> {
        let mut known = self.cache.log.lock().await;
        let now = self.log_info().await?;
        let before = match known.take() {
            Some((then, records)) if then == now => {
                *known = Some((then, records.clone()));
                return Ok(records);
            }
            // No record was deleted, so the records read before are still valid.
            Some((then, records)) if then.stamps.1 == now.stamps.1 => records,
            _ => Arc::default(),
        };
        let records = self.run(|bmc| follow(bmc, now.records, before.clone())).await?;
        *known = Some((now, records.clone()));
        Ok(records)
    }
}

/// Reads the records after those already known.
async fn follow(
    bmc: Connection,
    count: u16,
    before: Arc<Vec<LogEntry>>,
) -> Result<Arc<Vec<LogEntry>>, IpmiError> {
    let mut records = Vec::new();
    let mut next = FIRST;
    if let Some(last) = before.last() {
        match bmc.run(&GetSelEntry(last.record.id)).await {
            // The record id alone is not sufficient, because ids are reused.
            Ok((after, octets)) if octets == last.octets => {
                if after == LAST {
                    return Ok(before);
                }
                records.clone_from(&before);
                next = after;
            }
            Ok(_) | Err(IpmiError::Completion(CompletionCode::NOT_PRESENT)) => {}
            Err(error) => return Err(error),
        }
    }
    // There are no more ids than that; the limit also ends a loop of wrong next ids.
    while count > 0 && records.len() < usize::from(u16::MAX) {
        let (after, octets) = match bmc.run(&GetSelEntry(next)).await {
            // The log was cleared meanwhile.
            Err(IpmiError::Completion(CompletionCode::NOT_PRESENT)) => break,
            other => other?,
        };
        let record = SelRecord::read(next, &octets);
        let has_come_back = records.last().is_some_and(|last: &LogEntry| last.octets == octets);
        records.push(LogEntry { octets, record });
        if after == LAST || after == next || has_come_back {
            break;
        }
        next = after;
    }
    Ok(Arc::new(records))
}

const FIRST: u16 = 0;
const LAST: u16 = 0xffff;
