//! `Linux_VolumeGroup` and `Linux_LogicalVolume`: LVM, from the reports of `vgs` and `lvs` (lvmreport(7)).

use std::time::Duration;

use cim::{Status, Value};
use serde_json::Value as Json;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};
use linux::program;

/// Time limit of LVM programs, which scan disks.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) struct VolumeGroup;
pub(super) struct LogicalVolume;

/// Returns the rows of a report.
fn report(program: &str, kind: &str, fields: &str) -> Result<Vec<Json>, ProviderError> {
    let arguments = ["--reportformat", "json", "--units", "b", "--nosuffix", "-o", fields];
    let ended = match program::of_system(program, arguments, LIMIT) {
        // If LVM is not installed, there are no volume groups.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        ended => ended.map_err(failure)?,
    };
    if ended.code != 0 {
        let problem = format!("{program}: {}", ended.stderr.trim());
        return Err(ProviderError::failed(Status::ProviderFailure, problem));
    }
    rows(&ended.stdout, kind).ok_or_else(|| {
        ProviderError::failed(Status::ProviderFailure, format!("what {program} reports cannot be read"))
    })
}

fn rows(report: &str, kind: &str) -> Option<Vec<Json>> {
    let report: Json = serde_json::from_str(report).ok()?;
    report.get("report")?.as_array()?.first()?.get(kind)?.as_array().cloned()
}

fn text(row: &Json, name: &str) -> Value {
    row.get(name).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned).into()
}

/// Numbers are texts in the report.
fn number<N: std::str::FromStr + Into<Value>>(row: &Json, name: &str) -> Value {
    row.get(name).and_then(Json::as_str).and_then(|text| text.parse::<N>().ok()).into()
}

impl Table for VolumeGroup {
    type Row = Json;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_VolumeGroup";

    const COLUMNS: &'static [(&'static str, Fill<Json>)] = &[
        ("Free", |_, row| number::<u64>(row, "vg_free")),
        ("LogicalVolumes", |_, row| number::<u32>(row, "lv_count")),
        ("Name", |_, row| text(row, "vg_name")),
        ("PhysicalVolumes", |_, row| number::<u32>(row, "pv_count")),
        ("Size", |_, row| number::<u64>(row, "vg_size")),
        ("UUID", |_, row| text(row, "vg_uuid")),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Json>, ProviderError> {
        let fields = "vg_name,vg_uuid,vg_size,vg_free,pv_count,lv_count";
        Ok(report("vgs", "vg", fields)?.into_iter())
    }
}

impl Table for LogicalVolume {
    type Row = Json;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_LogicalVolume";

    const COLUMNS: &'static [(&'static str, Fill<Json>)] = &[
        ("Attributes", |_, row| text(row, "lv_attr")),
        ("DevicePath", |_, row| text(row, "lv_path")),
        ("Layout", |_, row| text(row, "lv_layout")),
        ("Name", |_, row| text(row, "lv_name")),
        ("Pool", |_, row| text(row, "pool_lv")),
        ("Size", |_, row| number::<u64>(row, "lv_size")),
        ("UUID", |_, row| text(row, "lv_uuid")),
        ("VolumeGroup", |_, row| text(row, "vg_name")),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Json>, ProviderError> {
        let fields = "vg_name,lv_name,lv_uuid,lv_size,lv_attr,lv_path,lv_layout,pool_lv";
        Ok(report("lvs", "lv", fields)?.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lvm_report_is_parsed_to_rows() {
        let report = r#"{"report": [{"lv": [{"vg_name":"data", "lv_name":"home", "lv_size":"1073741824", "pool_lv":""}]}]}"#;
        let rows = rows(report, "lv").expect("it is one");
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(text(row, "lv_name"), "home".into());
        assert_eq!(number::<u64>(row, "lv_size"), 1_073_741_824_u64.into());
        assert_eq!(text(row, "pool_lv"), Value::Null, "nothing is no name");
        assert!(super::rows("{}", "lv").is_none());
    }
}
