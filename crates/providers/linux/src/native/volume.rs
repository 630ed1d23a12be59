//! `Linux_VolumeGroup` and `Linux_LogicalVolume`: volume groups and logical volumes of LVM.

use linux::storage::lvm::{Row, logical_volumes, volume_groups};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};

pub(super) struct VolumeGroup;
pub(super) struct LogicalVolume;

impl Table for VolumeGroup {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_VolumeGroup";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Free", |_, row| row.number::<u64>("vg_free").into()),
        ("LogicalVolumes", |_, row| row.number::<u32>("lv_count").into()),
        ("Name", |_, row| row.text("vg_name").into()),
        ("PhysicalVolumes", |_, row| row.number::<u32>("pv_count").into()),
        ("Size", |_, row| row.number::<u64>("vg_size").into()),
        ("UUID", |_, row| row.text("vg_uuid").into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(volume_groups().map_err(failure)?.into_iter())
    }
}

impl Table for LogicalVolume {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_LogicalVolume";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Attributes", |_, row| row.text("lv_attr").into()),
        ("DevicePath", |_, row| row.text("lv_path").into()),
        ("Layout", |_, row| row.text("lv_layout").into()),
        ("Name", |_, row| row.text("lv_name").into()),
        ("Pool", |_, row| row.text("pool_lv").into()),
        ("Size", |_, row| row.number::<u64>("lv_size").into()),
        ("UUID", |_, row| row.text("lv_uuid").into()),
        ("VolumeGroup", |_, row| row.text("vg_name").into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(logical_volumes().map_err(failure)?.into_iter())
    }
}
