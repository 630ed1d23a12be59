//! Reading and clearing the event log (IPMI 2.0, 31).

use std::collections::HashSet;
use std::time::Duration;

use ipmi_proto::CompletionCode;
use ipmi_proto::sel::SelRecord;
use ipmi_proto::storage::{ClearSel, ClearStep, GetSelEntry, GetSelInfo, ReserveSel, SelInfo};

use crate::{Connection, IpmiError};

/// How far somebody has read the log of one controller. The default is: not at all.
#[derive(Clone, Debug, Default)]
pub struct LogPosition {
    info: Option<SelInfo>,
    /// The last record that was read, with its number.
    last: Option<(u16, Vec<u8>)>,
}

/// What is new in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvents {
    /// The records, oldest first.
    pub records: Vec<SelRecord>,
    /// Whether the log was cleared, or has overwritten what was read before, so that these are all there are.
    pub begins_anew: bool,
}

impl Connection {
    /// All records of the event log, oldest first.
    ///
    /// # Errors
    /// When the controller does not answer, or the log changes in a way that leads nowhere.
    pub async fn events(&self) -> Result<Vec<SelRecord>, IpmiError> {
        Ok(self.events_since(&mut LogPosition::default()).await?.records)
    }

    /// The records that have come since the position, which moves behind them. It takes one question where there are
    /// none.
    ///
    /// # Errors
    /// When the controller does not answer; the position is where it was then.
    pub async fn events_since(&self, position: &mut LogPosition) -> Result<NewEvents, IpmiError> {
        let info = self.run(&GetSelInfo).await?;
        if position.info == Some(info) {
            return Ok(NewEvents { records: Vec::new(), begins_anew: false });
        }
        let (mut last, mut next) = match &position.last {
            Some((id, record)) => match self.entry(*id).await? {
                // Numbers are used again, so the record itself decides.
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
        // Some count too few; one that lies about what is next must neither keep us for ever nor tell anything twice.
        let most = usize::from(info.records) + MOST_UNCOUNTED;
        let mut met = HashSet::new();
        while next != LAST && records.len() < most && met.insert(next) {
            let Some((after, octets)) = self.entry(next).await? else { break };
            let record = SelRecord::read(next, &octets);
            // The first is asked for by a number that is not its own.
            last = Some((record.id, octets));
            met.insert(record.id);
            records.push(record);
            next = after;
        }
        *position = LogPosition { info: Some(info), last };
        Ok(NewEvents { records, begins_anew })
    }

    /// The next record's number, and this one; none if it is not there.
    async fn entry(&self, id: u16) -> Result<Option<(u16, Vec<u8>)>, IpmiError> {
        match self.run(&GetSelEntry(id)).await {
            Err(IpmiError::Completion(CompletionCode::NOT_PRESENT)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Clears the event log, and waits until that is done.
    ///
    /// # Errors
    /// When the controller does not answer or refuses; [`CompletionCode::TIMEOUT`] also if it is not done after half a
    /// minute.
    pub async fn clear_events(&self) -> Result<(), IpmiError> {
        for _ in 0..RESERVATIONS {
            match self.clear_reserved().await {
                // Something was logged in between.
                Err(IpmiError::Completion(CompletionCode::RESERVATION)) => {}
                other => return other,
            }
        }
        Err(IpmiError::Completion(CompletionCode::RESERVATION))
    }

    async fn clear_reserved(&self) -> Result<(), IpmiError> {
        let reservation = match self.run(&ReserveSel).await {
            // Whoever knows no reservations needs none.
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
        // It answers, so nobody need look for it.
        Err(IpmiError::Completion(CompletionCode::TIMEOUT))
    }
}

const FIRST: u16 = 0;
const LAST: u16 = 0xffff;
const MOST_UNCOUNTED: usize = 256;
const RESERVATIONS: u32 = 3;
const MOST_POLLS: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);
