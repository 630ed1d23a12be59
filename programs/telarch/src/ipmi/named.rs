//! Sensors by their names.

use ipmi::proto::sdr::{Body, Record, Sensor};
use ipmi::proto::{Destination, ProtoError};
use ipmi::{Connection, IpmiError};

/// A sensor, and whom to ask about it.
pub(super) struct Named {
    pub(super) sensor: Sensor,
    pub(super) place: Destination,
}

impl Named {
    /// The first sensor of this name that will do; `what` says what there is none of otherwise.
    pub(super) async fn find(
        bmc: &Connection,
        name: &str,
        what: &'static str,
        will_do: impl Fn(&Sensor) -> bool,
    ) -> Result<Self, IpmiError> {
        let records = bmc.records().await?;
        let sensor = records.iter().flat_map(of_record).find(|sensor| sensor.name == name && will_do(sensor));
        let sensor = sensor.ok_or(ProtoError::Absent { what })?.clone();
        Ok(Self { place: sensor.destination()?, sensor })
    }
}

fn of_record(record: &Record) -> &[Sensor] {
    match &record.body {
        Body::Sensors(sensors) => sensors,
        Body::EventOnly(sensor) => std::slice::from_ref(sensor),
        _ => &[],
    }
}
