//! An event: all records with one time and serial number.

use super::record::AuditRecord;

/// Event of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Machine of the event (`node=`).
    pub node: Option<String>,
    /// Time in milliseconds since 1970.
    pub milliseconds: u64,
    /// Serial number, which begins again with each boot.
    pub serial: u64,
    /// Records in the order of the log.
    pub records: Vec<AuditRecord>,
}

/// Number of bits of the serial number in a record number.
const SERIAL_BITS: u32 = 20;
/// Value of user IDs that are not set.
const UNSET: u32 = u32::MAX;

impl AuditEvent {
    /// Returns the number of an event: time, then the low bits of the serial number. Numbers increase as long as the
    /// clock does not go back.
    #[must_use]
    pub fn number(milliseconds: u64, serial: u64) -> u64 {
        let time = milliseconds.min(u64::MAX >> SERIAL_BITS);
        (time << SERIAL_BITS) | (serial & ((1 << SERIAL_BITS) - 1))
    }

    /// Returns the number of this event.
    #[must_use]
    pub fn record_id(&self) -> u64 {
        Self::number(self.milliseconds, self.serial)
    }

    /// Returns the type of the first record; 0 if it is unknown.
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.records.first().map_or(0, AuditRecord::number)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.records.iter().find_map(|record| record.text(name))
    }

    /// Returns whether the event reports a failure.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.text("success") == Some("no") || matches!(self.text("res"), Some("failed" | "0" | "no"))
    }

    /// Returns the process.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.text("pid")?.parse().ok()
    }

    /// Returns the user who signed in, or else the user of the process.
    #[must_use]
    pub fn user(&self) -> Option<u32> {
        self.user_id("auid").or_else(|| self.user_id("uid"))
    }

    fn user_id(&self, name: &str) -> Option<u32> {
        self.text(name)?.parse().ok().filter(|id| *id != UNSET)
    }

    /// Returns one line for people: type, program, account and result.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut out = self.records.first().map_or_else(String::new, |record| record.kind.clone());
        for name in ["op", "exe", "comm", "acct", "key", "res", "success"] {
            if let Some(value) = self.text(name) {
                out.push_str(&format!(" {name}={value}"));
            }
        }
        out
    }

    /// Returns the fields of all records as `TYPE.NAME`, and those of paths as `PATH.ITEM.NAME`.
    #[must_use]
    pub fn into_fields(self) -> Vec<(String, Vec<u8>)> {
        let mut all = vec![("serial".to_owned(), self.serial.to_string().into_bytes())];
        for record in self.records {
            let item = match record.kind.as_str() {
                "PATH" => record.text("item").map(|item| format!("PATH.{item}")),
                _ => None,
            };
            let prefix = item.unwrap_or(record.kind);
            all.extend(record.fields.into_iter().map(|(name, value)| (format!("{prefix}.{name}"), value)));
        }
        all
    }
}
