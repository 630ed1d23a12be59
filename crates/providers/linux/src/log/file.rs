//! `Win32_NTEventlogFile`: logs.

use std::io;

use eventlog::channel::WindowsLog;
use linux::journal::folder;
use wmi::ProviderError;

use super::log_of;
use super::records::Records;
use crate::Machine;
use crate::table::{DataSource, Fill, Table, failure, host_name};

/// The three logs.
pub(super) struct NtEventlogFile;

/// A log.
pub(super) struct Row {
    log: WindowsLog,
    folder: String,
}

impl Row {
    /// Returns the number of records; reads the whole journal.
    fn count(&self) -> Option<u32> {
        let mut records = Records::open(self.folder.as_ref(), None).ok()?;
        let mut count = 0_u32;
        while let Some(record) = records.next_record().ok()? {
            if log_of(&record) == self.log {
                count = count.saturating_add(1);
            }
        }
        Some(count)
    }

    /// Returns the size of the journal on disk; all logs share its files.
    fn size(&self) -> Option<u64> {
        let folders = std::fs::read_dir(&self.folder).ok()?.flatten();
        let files = folders.filter_map(|folder| std::fs::read_dir(folder.path()).ok()).flatten().flatten();
        Some(files.filter_map(|file| Some(file.metadata().ok()?.len())).sum())
    }
}

impl Table for NtEventlogFile {
    type Row = Row;

    const CLASS: &'static str = "Win32_NTEventlogFile";

    const SOURCE: Option<DataSource> = Some(super::JOURNAL);

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, row| format!("{}/{}", row.folder, row.log.name()).into()),
        ("CSName", host_name),
        ("Description", |_, row| format!("{}/{}", row.folder, row.log.name()).into()),
        ("FileName", |_, row| row.log.name().into()),
        ("FileSize", |_, row| row.size().into()),
        ("LogfileName", |_, row| row.log.name().into()),
        ("Name", |_, row| format!("{}/{}", row.folder, row.log.name()).into()),
        ("NumberOfRecords", |_, row| row.count().into()),
        // Old records are removed if there is no space for new ones.
        ("OverwriteOutDated", |_, _| 0_u32.into()),
        ("OverWritePolicy", |_, _| "WhenNeeded".into()),
        ("Path", |_, row| format!("{}/", row.folder).into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let logs: &[WindowsLog] = if folder(machine).is_some() { &WindowsLog::ALL } else { &[] };
        let folder = folder(machine).unwrap_or_default().into_os_string().into_string();
        let folder = folder.map_err(|_| failure(io::Error::from(io::ErrorKind::InvalidFilename)))?;
        Ok(logs.iter().map(move |log| Row { log: *log, folder: folder.clone() }))
    }
}
