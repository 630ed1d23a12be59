//! `Win32_NTLogEvent`: journal records.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use cim::{Class, Instance, Value};
use eventlog::channel::{FACILITIES, WindowsLog};
use linux::journal::{Record, folder};
use wmi::{Changes, EventSource, ProviderError, Scan, Watch};

use super::follow::NewRecords;
use super::log_of;
use super::records::Records;
use crate::Machine;
use crate::table::{DataSource, Fill, Push, Table, failure, whole};

/// Records of all logs, newest first.
pub(super) struct NtLogEvent;

/// A record.
pub(super) struct Row {
    record: Record,
    users: Rc<Users>,
}

/// Names of users already looked up.
type Users = RefCell<HashMap<u32, Option<String>>>;

impl Row {
    /// Returns the row of a single record.
    pub(super) fn of(record: Record) -> Self {
        Self { record, users: Rc::default() }
    }

    fn user(&self, machine: &Machine) -> Option<String> {
        let number = self.record.number("_UID")?;
        self.users
            .borrow_mut()
            .entry(number)
            .or_insert_with(|| machine.user(number).map(|user| user.name))
            .clone()
    }
}

/// Event type as on Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
    Information,
    AuditSuccess,
    AuditFailure,
}

impl Severity {
    pub(super) fn of(record: &Record) -> Self {
        let priority = record.number::<u8>("PRIORITY").unwrap_or(6);
        match (log_of(record), priority) {
            (WindowsLog::Security, 0..=4) => Self::AuditFailure,
            (WindowsLog::Security, _) => Self::AuditSuccess,
            (_, 0..=3) => Self::Error,
            (_, 4) => Self::Warning,
            _ => Self::Information,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Error => 1,
            Self::Warning => 2,
            Self::Information => 3,
            Self::AuditSuccess => 4,
            Self::AuditFailure => 5,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Information => "Information",
            Self::AuditSuccess => "Audit Success",
            Self::AuditFailure => "Audit Failure",
        }
    }

    /// Returns the severity bits of an event identifier (MS-ERREF 2.3).
    fn bits(self) -> u32 {
        match self {
            Self::Error => 0xC000_0000,
            Self::Warning => 0x8000_0000,
            Self::Information => 0x4000_0000,
            Self::AuditSuccess | Self::AuditFailure => 0,
        }
    }
}

fn time(machine: &Machine, row: &Row) -> Value {
    row.record.number::<i64>("__REALTIME_TIMESTAMP").and_then(|micros| machine.timestamp(micros)).into()
}

impl Table for NtLogEvent {
    type Row = Row;

    const CLASS: &'static str = "Win32_NTLogEvent";

    const SOURCE: Option<DataSource> = Some(super::JOURNAL);

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Category", |_, _| 0_u16.into()),
        ("CategoryString", |_, row| {
            let facility = row.record.number::<usize>("SYSLOG_FACILITY");
            facility.and_then(|facility| FACILITIES.get(facility).copied()).into()
        }),
        ("ComputerName", |_, row| row.record.text("_HOSTNAME").into()),
        ("EventCode", |_, row| row.record.message_code().into()),
        ("EventIdentifier", |_, row| {
            (Severity::of(&row.record).bits() | u32::from(row.record.message_code())).into()
        }),
        ("EventType", |_, row| Severity::of(&row.record).number().into()),
        ("InsertionStrings", |_, row| row.record.text("MESSAGE").map(|message| vec![message]).into()),
        ("Logfile", |_, row| log_of(&row.record).name().into()),
        ("Message", |_, row| row.record.text("MESSAGE").into()),
        ("RecordNumber", |_, row| {
            // The number wraps around at 32 bits.
            row.record
                .sequence()
                .map(|number| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default())
                .into()
        }),
        ("SourceName", |_, row| {
            row.record.text("SYSLOG_IDENTIFIER").or_else(|| row.record.text("_COMM")).into()
        }),
        ("TimeGenerated", time),
        ("TimeWritten", time),
        ("Type", |_, row| Severity::of(&row.record).name().into()),
        ("User", |machine, row| row.user(machine).into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        let Some(folder) = folder(machine) else { return Ok(()) };
        let not_before = scan.not_before("TimeGenerated").max(scan.not_before("TimeWritten"));
        let mut records = Records::open(&folder, not_before).map_err(failure)?;
        let users = Rc::default();
        while let Some(record) = records.next_record().map_err(failure)? {
            push(Row { record, users: Rc::clone(&users) })?;
        }
        Ok(())
    }
    fn watch(
        &self,
        machine: &Arc<Machine>,
        watch: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        // Records never change, and the removal of old ones is not reported.
        if watch.changes != Changes::CREATION || folder(machine).is_none() {
            return Ok(None);
        }
        let source = NewRecords::open(machine, watch.class, instance_of).map_err(failure)?;
        Ok(Some(Box::new(source)))
    }
}

fn instance_of(machine: &Machine, class: &Arc<Class>, record: Record) -> Result<Instance, ProviderError> {
    whole::<NtLogEvent>(machine, class, &Row::of(record))
}
