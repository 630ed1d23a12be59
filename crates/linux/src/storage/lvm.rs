//! Volume groups and logical volumes of LVM, from the reports of `vgs` and `lvs` (lvmreport(7)).

use std::io;
use std::time::Duration;

use serde_json::Value as Json;

use crate::{Error, program};

/// Time limit of LVM programs, which scan disks.
const LIMIT: Duration = Duration::from_secs(20);

/// A row of a report; its values are texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Json);

impl Row {
    /// Returns a value; `None` if it is empty.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<String> {
        self.0.get(field).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Returns a value as number.
    #[must_use]
    pub fn number<N: std::str::FromStr>(&self, field: &str) -> Option<N> {
        self.text(field)?.parse().ok()
    }
}

/// Returns all volume groups. Empty if LVM is not installed.
///
/// # Errors
/// If `vgs` fails.
pub fn volume_groups() -> Result<Vec<Row>, Error> {
    report("vgs", "vg", "vg_name,vg_uuid,vg_size,vg_free,pv_count,lv_count,vg_attr")
}

/// Returns all logical volumes. Empty if LVM is not installed.
///
/// # Errors
/// If `lvs` fails.
pub fn logical_volumes() -> Result<Vec<Row>, Error> {
    report("lvs", "lv", "vg_name,lv_name,lv_uuid,lv_size,lv_attr,lv_path,lv_layout,pool_lv")
}

fn report(program: &'static str, kind: &str, fields: &str) -> Result<Vec<Row>, Error> {
    let arguments = ["--reportformat", "json", "--units", "b", "--nosuffix", "-o", fields];
    let ended = match program::of_system(program, arguments, LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        ended => ended?,
    };
    if ended.code != 0 {
        return Err(Error::program(program, ended.stderr.trim()));
    }
    rows(&ended.stdout, kind).ok_or_else(|| Error::program(program, "invalid report"))
}

fn rows(report: &str, kind: &str) -> Option<Vec<Row>> {
    let report: Json = serde_json::from_str(report).ok()?;
    let rows = report.get("report")?.as_array()?.first()?.get(kind)?.as_array()?;
    Some(rows.iter().cloned().map(Row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lvm_report_is_parsed_to_rows() {
        let report = r#"{"report": [{"lv": [{"vg_name":"data", "lv_name":"home", "lv_size":"1073741824", "pool_lv":""}]}]}"#;
        let rows = rows(report, "lv").expect("a report");
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(row.text("lv_name").as_deref(), Some("home"));
        assert_eq!(row.number::<u64>("lv_size"), Some(1_073_741_824));
        assert_eq!(row.text("pool_lv"), None, "an empty value is unknown");
        assert!(super::rows("{}", "lv").is_none());
    }
}
