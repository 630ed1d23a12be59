//! Compares RecordLog and LogRecord with the bytes that ipmitool reads.

use telarch_simulated_bmc::SimulatedBmc;

use crate::house::{House, number, text};

const LOG: &str = "RecordLog.InstanceID=\"IPMI:node7\"";

#[tokio::test(flavor = "multi_thread")]
async fn log_records_equal_those_of_ipmitool_in_the_format_of_windows() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let rows = house.rows("SELECT * FROM LogRecord").await.unwrap();
    let log = house.get(LOG).await.unwrap();
    assert_eq!(number(&log, "CurrentNumberOfRecords"), i128::try_from(rows.len()).ok());
    assert!(number(&log, "MaxNumberOfRecords") > number(&log, "CurrentNumberOfRecords"));
    for row in &rows {
        let (format, data) = (text(row, "RecordFormat"), text(row, "RecordData"));
        assert!(format.starts_with('*') && data.starts_with('*'), "{format} {data}");
        assert!(house.get(&row.path().unwrap().to_string()).await.is_ok(), "{:?}", row.path());
    }
    assert!(
        rows.iter().any(|row| text(row, "RecordData").ends_with("*20 00*04*10*72*true*6F*02*FF*FF*")),
        "{:?}",
        rows.iter().map(|row| text(row, "RecordData")).collect::<Vec<_>>()
    );
    assert!(rows.iter().any(|row| text(row, "RecordData").ends_with("*37 01 00*00 00 00 00 C0 00")));
    // NetFn Storage, Get SEL Entry: the first record as a whole.
    let Some(raw) = bmc.ipmitool(&["raw", "0x0a", "0x43", "0", "0", "0", "0", "0", "0xff"]) else { return };
    let octets: String = raw.split_whitespace().skip(2).collect();
    let ours = text(&rows[0], "RecordData");
    let without_device = ours.split('*').skip(2).collect::<String>().to_lowercase().replace(' ', "");
    assert!(octets.starts_with(&without_device[..24]), "{octets} {ours}");
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_log_clears_the_log_and_new_records_appear() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let count = async || house.rows("SELECT * FROM LogRecord").await.unwrap().len();
    let before = count().await;
    let add = [
        "raw", "0x0a", "0x44", "0", "0", "2", "0", "0", "0", "0", "0x20", "0", "4", "1", "1", "1", "0x59",
        "1", "2",
    ];
    if bmc.ipmitool(&add).is_none() {
        return;
    }
    assert_eq!(count().await, before + 1);
    assert_eq!(house.returned(LOG, "ClearLog", &[]).await, 0);
    assert_eq!(count().await, 0);
    assert!(bmc.ipmitool(&add).is_some());
    assert_eq!(count().await, 1);
    let paths =
        "ASSOCIATORS OF {RecordLog.InstanceID=\"IPMI:node7\"} WHERE AssocClass = CIM_LogManagesRecord";
    assert_eq!(house.rows(paths).await.unwrap().len(), 1);
    assert_eq!(house.returned(LOG, "RequestStateChange", &[]).await, 1);
    house.hardware.close().await;
}
