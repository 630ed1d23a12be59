//! What is known of a controller, and read again only when it says that it has changed.

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

/// Each with what tells whether it still holds.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Whoever comes while records are read waits for the same.
    reading: Mutex<()>,
    inventory: Read<DeviceId, Inventory>,
    log: Read<SelInfo, Vec<Logged>>,
}

/// What the controller said when something was read, and what that was; none before.
type Read<Said, Content> = Mutex<Option<(Said, Arc<Content>)>>;

/// A record of the event log, as it was sent and as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) octets: Vec<u8>,
    pub(crate) record: SelRecord,
}

impl Controller {
    /// What the controller is.
    pub(crate) async fn device_id(self: &Arc<Self>) -> Result<DeviceId, HardwareError> {
        self.ask(|bmc| async move { bmc.run(&GetDeviceId).await }).await
    }

    /// The records of its sensors.
    pub(crate) async fn records(self: &Arc<Self>) -> Result<Arc<Vec<Record>>, HardwareError> {
        let _turn = self.known.reading.lock().await;
        self.ask(|bmc| async move { bmc.records().await }).await
    }

    /// The machine's inventory; an empty one if it has none.
    pub(crate) async fn inventory(self: &Arc<Self>) -> Result<Arc<Inventory>, HardwareError> {
        let mut known = self.known.inventory.lock().await;
        let now = self.device_id().await?;
        if let Some((then, inventory)) = known.as_ref()
            && *then == now
        {
            return Ok(inventory.clone());
        }
        let inventory = match self.ask(|bmc| async move { bmc.inventory(0).await }).await {
            Ok(inventory) => inventory,
            Err(HardwareError::Refused { .. } | HardwareError::Broken { .. }) => Inventory::default(),
            Err(error) => return Err(error),
        };
        let inventory = Arc::new(inventory);
        *known = Some((now, inventory.clone()));
        Ok(inventory)
    }

    /// What is known of its event log.
    pub(crate) async fn log_info(self: &Arc<Self>) -> Result<SelInfo, HardwareError> {
        self.ask(|bmc| async move { bmc.run(&GetSelInfo).await }).await
    }

    /// All records of its event log, oldest first; one answer if nothing has changed, and as many more as are new.
    pub(crate) async fn log(self: &Arc<Self>) -> Result<Arc<Vec<Logged>>, HardwareError> {
        let mut known = self.known.log.lock().await;
        let now = self.log_info().await?;
        let before = match known.take() {
            Some((then, records)) if then == now => {
                *known = Some((then, records.clone()));
                return Ok(records);
            }
            // Nothing was erased, so what was there still is.
            Some((then, records)) if then.stamps.1 == now.stamps.1 => records,
            _ => Arc::default(),
        };
        let records = self.ask(|bmc| follow(bmc, now.records, before.clone())).await?;
        *known = Some((now, records.clone()));
        Ok(records)
    }
}

/// Reads on behind the records that are known.
async fn follow(
    bmc: Connection,
    count: u16,
    before: Arc<Vec<Logged>>,
) -> Result<Arc<Vec<Logged>>, IpmiError> {
    let mut records = Vec::new();
    let mut next = FIRST;
    if let Some(last) = before.last() {
        match bmc.run(&GetSelEntry(last.record.id)).await {
            // The number alone proves nothing: it is used again.
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
    // There are no more numbers than that; who lies about what is next ends here, too.
    while count > 0 && records.len() < usize::from(u16::MAX) {
        let (after, octets) = match bmc.run(&GetSelEntry(next)).await {
            // It was cleared meanwhile.
            Err(IpmiError::Completion(CompletionCode::NOT_PRESENT)) => break,
            other => other?,
        };
        let record = SelRecord::read(next, &octets);
        let has_come_back = records.last().is_some_and(|last: &Logged| last.octets == octets);
        records.push(Logged { octets, record });
        if after == LAST || after == next || has_come_back {
            break;
        }
        next = after;
    }
    Ok(Arc::new(records))
}

const FIRST: u16 = 0;
const LAST: u16 = 0xffff;
