//! Reading and clearing the event log (IPMI 2.0, 31).

use std::time::Duration;

use ipmi_proto::sel::SelRecord;
use ipmi_proto::storage::{ClearSel, ClearStep, GetSelEntry, GetSelInfo, ReserveSel};
use ipmi_proto::{CompletionCode, ProtoError};

use crate::{Connection, IpmiError};

impl Connection {
    /// All records of the event log, oldest first.
    ///
    /// # Errors
    /// When the controller does not answer, or the log changes in a way that leads nowhere.
    pub async fn events(&self) -> Result<Vec<SelRecord>, IpmiError> {
        let mut records = Vec::new();
        if self.run(&GetSelInfo).await?.records == 0 {
            return Ok(records);
        }
        let mut next = FIRST;
        // There are no more numbers than that; who lies about what is next ends here, too.
        while records.len() < usize::from(u16::MAX) {
            let (after, record) = match self.run(&GetSelEntry(next)).await {
                // It was cleared meanwhile.
                Err(IpmiError::Completion(CompletionCode::NOT_PRESENT)) => break,
                other => other?,
            };
            records.push(SelRecord::decode(&record)?);
            if after == LAST || after == next {
                break;
            }
            next = after;
        }
        Ok(records)
    }

    /// Clears the event log, and waits until that is done.
    ///
    /// # Errors
    /// When the controller refuses, or is not done after half a minute.
    pub async fn clear_events(&self) -> Result<(), IpmiError> {
        let reservation = self.run(&ReserveSel).await?;
        let mut step = ClearStep::Start;
        for _ in 0..MOST_POLLS {
            if self.run(&ClearSel { reservation, step }).await? {
                return Ok(());
            }
            step = ClearStep::Poll;
            tokio::time::sleep(PAUSE).await;
        }
        Err(ProtoError::NoAnswer.into())
    }
}

const FIRST: u16 = 0;
const LAST: u16 = 0xffff;
const MOST_POLLS: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);
