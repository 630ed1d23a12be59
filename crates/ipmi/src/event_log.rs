//! Reading and clearing the system event log (IPMI 2.0, 31).

use std::collections::HashSet;
use std::time::Duration;

use ipmi_proto::CompletionCode;
use ipmi_proto::sel::SelRecord;
use ipmi_proto::storage::{ClearSel, ClearStep, GetSelEntry, GetSelInfo, ReserveSel, SelInfo};

use crate::{Connection, IpmiError};

/// Read position in the log of one controller. The default is the start of the log.
#[derive(Clone, Debug, Default)]
pub struct LogPosition {
    info: Option<SelInfo>,
    /// Id and bytes of the last record read.
    last: Option<(u16, Vec<u8>)>,
}

/// New records of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvents {
    /// New records, oldest first.
    pub records: Vec<SelRecord>,
    /// Whether `records` is the whole log, because the log was cleared or has overwritten the records read
    /// before.
    pub begins_anew: bool,
}

impl Connection {
    /// Returns all records of the event log, oldest first.
    ///
    /// # Errors
    /// If the controller does not respond, or the log changes inconsistently while it is read.
    pub async fn events(&self) -> Result<Vec<SelRecord>, IpmiError> {
        Ok(self.events_since(&mut LogPosition::default()).await?.records)
    }

    /// Returns the records after the position, and moves the position behind them. If there are no new
    /// records, this takes one request.
    ///
    /// # Errors
    /// If the controller does not respond; the position is then unchanged.
    pub async fn events_since(&self, position: &mut LogPosition) -> Result<NewEvents, IpmiError> {
        let info = self.run(&GetSelInfo).await?;
        if position.info == Some(info) {
            return Ok(NewEvents { records: Vec::new(), begins_anew: false });
        }
        let (mut last, mut next) = match &position.last {
            Some((id, record)) => match self.entry(*id).await? {
                // Record ids are reused, so the content is compared as well.
                Some((after, same)) if same == *record => (position.last.clone(), after),
                _ => (None, FIRST),
            },
            None => (None, FIRST),
        };
        let begins_anew = position.last.is_some() && last.is_none();
        if info.records == 0 {
            (last, next) = (None, LAST);
        }
        let mut records = Vec::new();
        // Some controllers report too small a count. The limit and the set of ids prevent endless loops and
        // duplicates.
        let most = usize::from(info.records) + MOST_UNCOUNTED;
        let mut met = HashSet::new();
        while next != LAST && records.len() < most && met.insert(next) {
            let Some((after, octets)) = self.entry(next).await? else { break };
            let record = SelRecord::read(next, &octets);
            // The first record is requested as id 0, which is not its own id.
            last = Some((record.id, octets));
            met.insert(record.id);
            records.push(record);
            next = after;
        }
        *position = LogPosition { info: Some(info), last };
        Ok(NewEvents { records, begins_anew })
    }

    /// Returns the id of the next record and the bytes of this one; `None` if the record does not exist.
    async fn entry(&self, id: u16) -> Result<Option<(u16, Vec<u8>)>, IpmiError> {
        match self.run(&GetSelEntry(id)).await {
            Err(IpmiError::Completion(CompletionCode::NOT_PRESENT)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Clears the event log, and waits until that is complete.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the request; also [`CompletionCode::TIMEOUT`] if
    /// clearing is not complete after 30 seconds.
    pub async fn clear_events(&self) -> Result<(), IpmiError> {
        for _ in 0..RESERVATIONS {
            match self.clear_reserved().await {
                // A record was added in between.
                Err(IpmiError::Completion(CompletionCode::RESERVATION)) => {}
                other => return other,
            }
        }
        Err(IpmiError::Completion(CompletionCode::RESERVATION))
    }

    async fn clear_reserved(&self) -> Result<(), IpmiError> {
        let reservation = match self.run(&ReserveSel).await {
            // A controller without reservations accepts 0.
            Err(IpmiError::Completion(CompletionCode::UNKNOWN_COMMAND)) => 0,
            other => other?,
        };
        let mut step = ClearStep::Start;
        for _ in 0..MOST_POLLS {
            if self.run(&ClearSel { reservation, step }).await? {
                return Ok(());
            }
            step = ClearStep::Poll;
            tokio::time::sleep(PAUSE).await;
        }
        // The controller does respond, so this is not reported as missing response.
        Err(IpmiError::Completion(CompletionCode::TIMEOUT))
    }
}

const FIRST: u16 = 0;
const LAST: u16 = 0xffff;
const MOST_UNCOUNTED: usize = 256;
const RESERVATIONS: u32 = 3;
const MOST_POLLS: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);
