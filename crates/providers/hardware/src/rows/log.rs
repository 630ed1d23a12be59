//! RecordLog and LogRecord: the event log of a controller.

use std::fmt::Write as _;
use std::sync::Arc;

use cim::{DateTime, Instance, Interval, ObjectPath, Timestamp};
use ipmi::proto::sel::{Entry, SelTime};

use crate::controller::{Controller, LogEntry};
use crate::health::Health;
use crate::query::Query;
use crate::{HardwareError, names, results};

/// Returns the log; empty if the controller has none.
pub(super) async fn logs(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let info = match controller.log_info().await {
        Ok(info) => info,
        Err(HardwareError::Refused { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let records = u64::from(info.records);
    // ffffh means 65,535 bytes or more, from which no number of records follows.
    let most = if info.free == u16::MAX { 0 } else { records + u64::from(info.free / RECORD_OCTETS) };
    let name = names::instance_id(controller.name());
    let row = query
        .row()
        .with("InstanceID", name.clone())?
        .with("Name", name)?
        .with("Caption", format!("event log of {}", controller.name()))?
        .with("ElementName", format!("event log of {}", controller.name()))?
        .with("EnabledState", 2_u16)?
        .with("MaxNumberOfRecords", most)?
        .with("CurrentNumberOfRecords", records)?;
    let (health, said) = match info.has_overflowed {
        true => (Health::Warning, Some("the log is full: events were lost".to_owned())),
        false => (Health::Ok, None),
    };
    Ok(vec![health.fill(row, said)?])
}

/// Returns the records, oldest first.
pub(super) async fn records(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let log = controller.log().await?;
    log.iter().map(|logged| record(controller.name(), query, logged)).collect()
}

/// Returns a record as an instance.
pub(crate) fn record(controller: &str, query: &Query, logged: &LogEntry) -> Result<Instance, HardwareError> {
    let (format, data) = text_form(logged);
    Ok(query
        .row()
        .with("LogCreationClassName", "RecordLog")?
        .with("LogName", names::instance_id(controller))?
        .with("CreationClassName", "LogRecord")?
        .with("RecordID", logged.record.id.to_string())?
        .with("MessageTimestamp", time(logged))?
        .with("Caption", format!("record {} of {controller}", logged.record.id))?
        .with("ElementName", format!("record {} of {controller}", logged.record.id))?
        .with("RecordFormat", format)?
        .with("RecordData", data)?)
}

/// Returns the path of a record.
pub(super) fn record_path(controller: &str, logged: &LogEntry) -> Result<ObjectPath, cim::Error> {
    names::path(
        "LogRecord",
        &[
            ("LogCreationClassName", "RecordLog"),
            ("LogName", &names::instance_id(controller)),
            ("CreationClassName", "LogRecord"),
            ("RecordID", &logged.record.id.to_string()),
            ("MessageTimestamp", &time(logged).map(|time| time.to_string()).unwrap_or_default()),
        ],
    )
}

pub(super) fn log_path(controller: &str) -> Result<ObjectPath, cim::Error> {
    names::path("RecordLog", &[("InstanceID", &names::instance_id(controller))])
}

/// Clears the log, and returns the method's return value.
pub(crate) async fn clear(controller: &Arc<Controller>) -> Result<u32, HardwareError> {
    match controller.run_once(|bmc| async move { bmc.clear_events().await }).await {
        Ok(()) => Ok(results::DONE),
        Err(HardwareError::Silent(_) | HardwareError::Slow(..)) => Ok(results::TIMED_OUT),
        Err(HardwareError::Refused { code, .. }) if code.0 != 0xd4 => Ok(results::of_refusal(code)),
        Err(error) => Err(error),
    }
}

/// Returns the time of a record: an interval since the start of the controller if its clock was not set, and
/// a zero interval if there is no time.
pub(super) fn time(logged: &LogEntry) -> Option<DateTime> {
    match logged.record.time {
        Some(SelTime::Since1970(seconds)) => {
            Timestamp::from_unix_micros(i64::from(seconds) * 1_000_000, 0).map(DateTime::Timestamp)
        }
        Some(SelTime::SinceStart(seconds)) => {
            Interval::from_micros(u64::from(seconds) * 1_000_000).map(DateTime::Interval)
        }
        None => Interval::from_micros(0).map(DateTime::Interval),
    }
}

/// Returns RecordFormat and RecordData, exactly as on Windows (IPMI provider, LogRecord).
pub(super) fn text_form(logged: &LogEntry) -> (&'static str, String) {
    let octets = &logged.octets;
    // A truncated record has fewer bytes.
    let part = |from: usize, count: usize| {
        let rest = octets.get(from..).unwrap_or_default();
        hex(rest.get(..count).unwrap_or(rest))
    };
    match &logged.record.entry {
        Entry::Event(event) => {
            let device = names::device_id(event.sensor_key());
            let is_asserted = event.direction == ipmi::proto::sel::Direction::Asserted;
            let data = format!(
                "*SEL({device})*{}*{}*{}*{}*{}*{}*{}*{is_asserted}*{:02X}*{}*{}*{}*",
                part(0, 2),
                part(2, 1),
                part(3, 4),
                part(7, 2),
                part(9, 1),
                part(10, 1),
                part(11, 1),
                event.event_kind,
                part(13, 1),
                part(14, 1),
                part(15, 1),
            );
            (EVENT, data)
        }
        Entry::Manufacturer { .. } => (
            MANUFACTURER,
            format!("*{}*{}*{}*{}*{}", part(0, 2), part(2, 1), part(3, 4), part(7, 3), part(10, 6)),
        ),
        Entry::Other { .. } | Entry::CutOff { .. } => {
            (OTHER, format!("*{}*{}*{}", part(0, 2), part(2, 1), part(3, 13)))
        }
    }
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::new();
    for (at, octet) in octets.iter().enumerate() {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{}{octet:02X}", if at == 0 { "" } else { " " });
    }
    text
}

const EVENT: &str = "*string CIM_Sensor.DeviceID*uint8[2] IPMI_RecordID*uint8 IPMI_RecordType*uint8[4] IPMI_Timestamp\
    *uint8[2] IPMI_GeneratorID*uint8 IPMI_EvMRev*uint8 IPMI_SensorType*uint8 IPMI_SensorNumber\
    *boolean IPMI_AssertionEvent*uint8 IPMI_EventType*uint8 IPMI_EventData1*uint8 IPMI_EventData2\
    *uint8 IPMI_EventData3*";
const MANUFACTURER: &str = "*uint8[2] IPMI_RecordID*uint8 IPMI_RecordType*uint8[4] IPMI_Timestamp\
    *uint8[3] IPMI_ManufacturerID*uint8[6] IPMI_OEMDefinedData*";
/// The Windows documentation has no example of these; the names follow the other two formats.
const OTHER: &str = "*uint8[2] IPMI_RecordID*uint8 IPMI_RecordType*uint8[13] IPMI_OEMDefinedData*";
const RECORD_OCTETS: u16 = 16;

#[cfg(test)]
mod tests {
    use ipmi::proto::sel::SelRecord;

    use super::*;

    fn logged(octets: [u8; 16]) -> LogEntry {
        LogEntry { octets: octets.to_vec(), record: SelRecord::decode(&octets).unwrap() }
    }

    #[test]
    fn records_have_the_format_of_the_windows_documentation() {
        let event = [1, 0, 2, 0x0f, 0xac, 0xc1, 0x49, 0x20, 0, 4, 0x10, 0x72, 0x6f, 2, 0xff, 0xff];
        let (format, data) = text_form(&logged(event));
        assert_eq!(data, "*SEL(114.0.32)*01 00*02*0F AC C1 49*20 00*04*10*72*true*6F*02*FF*FF*");
        assert_eq!(format.matches('*').count(), data.matches('*').count());
        assert_eq!(time(&logged(event)).unwrap().to_string(), "20090319022103.000000+000");
        let shutdown = [3, 0, 0xdd, 0x7b, 0xfe, 0xc4, 0x49, 0x37, 1, 0, 0, 0, 0, 0, 0xc0, 0];
        let (format, data) = text_form(&logged(shutdown));
        assert_eq!(data, "*03 00*DD*7B FE C4 49*37 01 00*00 00 00 00 C0 00");
        assert_eq!(
            format,
            "*uint8[2] IPMI_RecordID*uint8 IPMI_RecordType*uint8[4] IPMI_Timestamp*uint8[3] IPMI_ManufacturerID\
             *uint8[6] IPMI_OEMDefinedData*"
        );
    }

    #[test]
    fn a_record_without_a_clock_has_an_interval() {
        let early = [1, 0, 2, 5, 0, 0, 0, 0x21, 0x32, 4, 1, 1, 0x81, 2, 0xff, 0xff];
        assert_eq!(time(&logged(early)).unwrap().to_string(), "00000000000005.000000:000");
        let (_, data) = text_form(&logged(early));
        assert!(data.starts_with("*SEL(1.2.33.3)*") && data.contains("*false*01*"), "{data}");
        let own = [9, 0, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
        assert_eq!(time(&logged(own)).unwrap().to_string(), "00000000000000.000000:000");
        assert_eq!(text_form(&logged(own)).1, "*09 00*E0*01 02 03 04 05 06 07 08 09 0A 0B 0C 0D");
        let octets = vec![9, 0, 2, 1, 2];
        let cut_off = LogEntry { record: SelRecord::read(9, &octets), octets };
        assert_eq!(text_form(&cut_off).1, "*09 00*02*01 02");
    }
}
