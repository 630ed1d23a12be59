//! Sensor and NumericSensor: sensors of a controller with their readings.

use std::sync::Arc;

use cim::{ColumnSet, Instance, Status, Value};
use ipmi::Measured;
use ipmi::proto::codes;
use ipmi::proto::sdr::{Body, Exactness, Record, Sensor, ThresholdAccess};
use ipmi::proto::threshold::{SetThresholds, Threshold, Thresholds};
use tracing::warn;
use wmi::ProviderError;

use crate::controller::Controller;
use crate::health::Health;
use crate::query::Query;
use crate::scale::Scale;
use crate::{HardwareError, names, unit};

/// Returns the sensors with discrete states.
pub(super) async fn discrete(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let measured = measure(controller, query, |sensor| !is_numeric(sensor)).await?;
    measured
        .iter()
        .map(|measured| {
            let sensor = &measured.sensor;
            let row = common(controller, query, "Sensor", measured)?;
            let possible: Vec<String> = (0..15)
                .filter(|offset| sensor.possible_states >> offset & 1 == 1)
                .map(|offset| state_name(sensor, offset))
                .collect();
            let is_available = measured.reading.is_some_and(|reading| reading.value.is_some());
            let states = measured.states();
            let current = match (is_available, states.as_slice()) {
                (false, _) => "Unknown".to_owned(),
                (true, []) => "Normal".to_owned(),
                (true, states) => states.join(", "),
            };
            Ok(row.with("CurrentState", current)?.with("PossibleStates", possible)?)
        })
        .collect()
}

/// Returns the sensors with readings and thresholds.
pub(super) async fn numeric(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let mut measured = measure(controller, query, is_numeric).await?;
    let wants_thresholds =
        query.wants(&THRESHOLDS.map(|(_, property, _)| property)) || query.wants(&["EnabledThresholds"]);
    let thresholds = if wants_thresholds {
        let sensors: Vec<Arc<Sensor>> = measured.iter().map(|one| Arc::clone(&one.sensor)).collect();
        controller
            .run(|bmc| {
                let sensors = sensors.clone();
                async move { bmc.thresholds_in_force(sensors.iter().map(|sensor| &**sensor)).await }
            })
            .await?
    } else {
        vec![Thresholds::default(); measured.len()]
    };
    if query.wants(&SCALED) || wants_thresholds {
        for (Measured { sensor, reading }, found) in measured.iter_mut().zip(&thresholds) {
            let reading = reading.and_then(|reading| reading.value);
            let found = THRESHOLDS.iter().filter_map(|(one, ..)| found.of(*one));
            let analog = sensor.analog.into_iter();
            let analog =
                analog.flat_map(|of| [of.nominal, of.normal_max, of.normal_min, Some(of.max), Some(of.min)]);
            let raws = reading.into_iter().chain(found).chain(analog.flatten()).collect();
            learn(controller, sensor, raws).await?;
        }
    }
    let rows = measured.iter().zip(&thresholds);
    rows.map(|(measured, thresholds)| numeric_row(controller, query, measured, thresholds)).collect()
}

fn numeric_row(
    controller: &Controller,
    query: &Query,
    measured: &Measured,
    thresholds: &Thresholds,
) -> Result<Instance, HardwareError> {
    let sensor = &measured.sensor;
    let supported: Vec<_> =
        THRESHOLDS.into_iter().filter(|(one, ..)| one.in_record(sensor).is_some()).collect();
    let mut possible = vec!["Unknown", "Normal"];
    possible.extend(supported.iter().map(|(.., state)| *state));
    let (base, power) = unit::of(&sensor.units);
    let scale = Scale::of(sensor);
    let number = |raw: Option<u8>| scale.as_ref()?.number(raw?);
    let reading = measured.reading.and_then(|reading| reading.value);
    let mut row = common(controller, query, "NumericSensor", measured)?
        .with("CurrentState", current_state(measured))?
        .with("PossibleStates", possible.into_iter().map(str::to_owned).collect::<Vec<_>>())?
        .with("BaseUnits", base)?
        .with("UnitModifier", scale.as_ref().map_or(0, Scale::exponent) + power)?
        .with("RateUnits", u16::from(sensor.units.rate))?
        .with("CurrentReading", number(reading))?
        .with("IsLinear", scale.as_ref().is_some_and(Scale::is_linear))?
        .with(
            "SupportedThresholds",
            threshold_numbers(|threshold| threshold.in_record(sensor).is_some())
                .iter()
                .map(u16::to_string)
                .collect::<Vec<_>>(),
        )?
        .with("EnabledThresholds", threshold_numbers(|threshold| thresholds.of(threshold).is_some()))?
        .with("SettableThresholds", threshold_numbers(|threshold| is_settable(sensor, threshold)))?;
    for (threshold, property, _) in THRESHOLDS {
        row = row.with(property, number(thresholds.of(threshold)))?;
    }
    let Some(analog) = sensor.analog else { return Ok(row) };
    // A negative factor reverses minimum and maximum.
    let (one, other) = (number(Some(analog.max)), number(Some(analog.min)));
    let row = row
        .with("NominalReading", number(analog.nominal))?
        .with("NormalMax", number(analog.normal_max))?
        .with("NormalMin", number(analog.normal_min))?
        .with("MaxReadable", one.max(other))?
        .with("MinReadable", one.min(other).or(one).or(other))?;
    match Characteristics::of(sensor, reading) {
        Some(characteristics) => Ok(characteristics.fill(row)?),
        None => Ok(row),
    }
}

/// Returns the indices in [`THRESHOLDS`] of the thresholds that satisfy a condition.
fn threshold_numbers(condition: impl Fn(Threshold) -> bool) -> Vec<u16> {
    let all = (0_u16..).zip(THRESHOLDS).filter(|(_, (threshold, ..))| condition(*threshold));
    all.map(|(number, _)| number).collect()
}

/// Accuracy, hysteresis and scale of the readings of a sensor.
#[derive(Clone, Debug)]
pub(crate) struct Characteristics {
    exactness: Exactness,
    hysteresis: Option<u8>,
    scale: Scale,
}

impl Characteristics {
    /// Returns the characteristics of a linear sensor, which apply to all readings, or those of one reading
    /// of another sensor.
    fn of(sensor: &Sensor, raw: Option<u8>) -> Option<Self> {
        let (analog, scale) = (sensor.analog?, Scale::of(sensor)?);
        let Some(by_reading) = &sensor.by_reading else {
            return Some(Self { exactness: analog.exactness, hysteresis: analog.hysteresis, scale });
        };
        let (_, exactness) = by_reading.factors.get(&raw?)?;
        Some(Self { exactness: *exactness, hysteresis: analog.hysteresis, scale: scale.around(raw?)? })
    }

    /// Sets the properties of a NumericSensor, or the parameters of GetNonLinearFactors.
    pub(crate) fn fill(&self, row: Instance) -> Result<Instance, cim::Error> {
        let Self { exactness: Exactness { tolerance, accuracy }, hysteresis, scale } = self;
        let tolerance = scale.half_counts((*tolerance).into()).and_then(|halves| i32::try_from(halves).ok());
        let (digits, exponent) = *accuracy;
        let accuracy = 10_i32.checked_pow(exponent.into()).and_then(|power| power.checked_mul(digits.into()));
        row.with("Accuracy", accuracy)?
            .with("Resolution", scale.counts(1))?
            .with("Tolerance", tolerance)?
            .with("Hysteresis", hysteresis.and_then(|count| scale.counts(count)))
    }
}

/// Implements GetNonLinearFactors: returns the characteristics of a reading in the unit of CurrentReading;
/// for a linear sensor those of its record. `None` if the sensor does not exist or cannot have this reading.
pub(crate) async fn factors(
    controller: &Arc<Controller>,
    device: &str,
    reading: Option<i32>,
) -> Result<Option<Characteristics>, HardwareError> {
    let Some(mut sensor) = find(controller, device).await? else { return Ok(None) };
    if sensor.by_reading.is_none() {
        return Ok(Characteristics::of(&sensor, None));
    }
    learn(controller, &mut sensor, (0..=u8::MAX).collect()).await?;
    let raw = reading.and_then(|reading| Scale::of(&sensor)?.raw(reading));
    Ok(raw.and_then(|raw| Characteristics::of(&sensor, Some(raw))))
}

/// Requests the factors for these raw values, if the sensor is not linear.
async fn learn(
    controller: &Arc<Controller>,
    sensor: &mut Arc<Sensor>,
    raws: Vec<u8>,
) -> Result<(), HardwareError> {
    if sensor.by_reading.is_some() {
        let before = Arc::clone(sensor);
        *sensor = controller
            .run(|bmc| {
                let (mut sensor, raws) = (Arc::clone(&before), raws.clone());
                async move { bmc.learn_factors(Arc::make_mut(&mut sensor), raws).await.map(|()| sensor) }
            })
            .await?;
    }
    Ok(())
}

/// Sets the changed thresholds of an instance, and verifies them.
pub(crate) async fn set_thresholds(
    controller: &Arc<Controller>,
    instance: &Instance,
    changed: &ColumnSet,
) -> Result<(), ProviderError> {
    let device = instance.value("DeviceID").and_then(Value::as_str).unwrap_or_default();
    let Some(mut sensor) = find(controller, device).await? else {
        return Err(ProviderError::failed(Status::NotFound, format!("unknown sensor {device}")));
    };
    let destination = sensor.destination().map_err(|error| {
        let problem = format!("cannot address the owner of the sensor {device}: {error}");
        ProviderError::failed(Status::NotSupported, problem)
    })?;
    learn(controller, &mut sensor, (0..=u8::MAX).collect()).await?;
    let mut wanted = Thresholds::default();
    for column in changed.iter() {
        let name =
            instance.class().property(column).map(|property| property.name.to_string()).unwrap_or_default();
        let known = THRESHOLDS.iter().find(|(_, property, _)| property.eq_ignore_ascii_case(&name));
        let Some((threshold, ..)) = known else {
            let problem = format!("{name} is read-only: only thresholds can be changed");
            return Err(ProviderError::failed(Status::NotSupported, problem));
        };
        if !is_settable(&sensor, *threshold) {
            let problem = format!("{name} of the sensor {device} is read-only");
            return Err(ProviderError::failed(Status::NotSupported, problem));
        }
        let number = instance.at(column).as_integer().and_then(|number| i32::try_from(number).ok());
        let scale = Scale::of(&sensor);
        let raw = number.zip(scale).and_then(|(number, scale)| scale.raw(number)).ok_or_else(|| {
            let problem = format!("{name}: value out of the range of the sensor {device}");
            ProviderError::failed(Status::ValueOutOfRange, problem)
        })?;
        wanted = wanted.with(*threshold, raw);
    }
    let set = SetThresholds { sensor: sensor.number, thresholds: wanted };
    controller.run_once(|bmc| async move { bmc.run_at(destination, &set).await }).await?;
    let number = sensor.number;
    let now = controller.run(|bmc| async move { bmc.thresholds(destination, number).await }).await?;
    for (threshold, property, _) in THRESHOLDS {
        let (wanted, found) = (wanted.of(threshold), now.of(threshold));
        if wanted.is_none() || wanted == found {
            continue;
        }
        // On Windows, events 1000 and 1001 report this.
        warn!(controller = %controller.name(), sensor = device, property, "Threshold not changed");
        let shown = |raw: Option<u8>| {
            let number = raw.and_then(|raw| Scale::of(&sensor)?.number(raw));
            number.map_or_else(|| "no value".to_owned(), |number| number.to_string())
        };
        let problem = format!(
            "the controller {} accepted {property} {} of the sensor {device}, but reading it back returns {}",
            controller.name(),
            shown(wanted),
            shown(found),
        );
        return Err(ProviderError::failed(Status::Failed, problem));
    }
    Ok(())
}

/// Returns the properties that both kinds of sensors have.
fn common(
    controller: &Controller,
    query: &Query,
    class: &'static str,
    measured: &Measured,
) -> Result<Instance, HardwareError> {
    let sensor = &measured.sensor;
    let kind = codes::sensor_type(sensor.kind);
    let described = kind.unwrap_or("manufacturer's own");
    let (sensor_type, other) = match sensor.kind {
        0x01 => (2_u16, None),
        0x02 => (3, None),
        0x03 => (4, None),
        0x04 => (5, None),
        0x05 => (7, None),
        0x25 => (11, None),
        number => (1, Some(kind.map_or_else(|| format!("type {number:#04x}"), str::to_owned))),
    };
    let is_available = measured.reading.is_some_and(|reading| reading.value.is_some());
    let row = query
        .row()
        .with("SystemCreationClassName", "ComputerSystem")?
        .with("SystemName", controller.name().to_string())?
        .with("CreationClassName", class)?
        .with("DeviceID", names::device_id(sensor.key()))?
        .with("Name", sensor.name.clone())?
        .with("ElementName", sensor.name.clone())?
        .with("Caption", sensor.name.clone())?
        .with("Description", format!("{} ({described}) of {}", sensor.name, controller.name()))?
        .with("SensorType", sensor_type)?
        .with("OtherSensorTypeDescription", other)?
        .with("EnabledState", if is_available { 2_u16 } else { 5 })?;
    Ok(Health::from(measured.status()).fill(row, None)?)
}

/// Returns the matching sensors, with readings if they are needed.
async fn measure(
    controller: &Arc<Controller>,
    query: &Query,
    is_wanted: impl Fn(&Sensor) -> bool,
) -> Result<Vec<Measured>, HardwareError> {
    let records = controller.records().await?;
    let wanted: Vec<Record> = sensors(&records)
        .filter(|(_, sensor)| is_wanted(sensor) && query.wants_device(&names::device_id(sensor.key())))
        .map(|(id, sensor)| Record { id, body: Body::Sensors(vec![sensor.clone()]) })
        .collect();
    if !query.wants(&READ) {
        let sensors = sensors(&wanted).map(|(_, sensor)| sensor.clone());
        return Ok(sensors.map(|sensor| Measured { sensor, reading: None }).collect());
    }
    let wanted = Arc::new(wanted);
    controller
        .run(|bmc| {
            let wanted = wanted.clone();
            async move { bmc.measure(&wanted).await }
        })
        .await
}

/// Returns class and DeviceID of each sensor of a controller.
pub(super) async fn devices(
    controller: &Arc<Controller>,
) -> Result<Vec<(&'static str, String)>, HardwareError> {
    let records = controller.records().await?;
    let named = sensors(&records).map(|(_, sensor)| {
        (if is_numeric(sensor) { "NumericSensor" } else { "Sensor" }, names::device_id(sensor.key()))
    });
    Ok(named.collect())
}

async fn find(controller: &Arc<Controller>, device: &str) -> Result<Option<Arc<Sensor>>, HardwareError> {
    let records = controller.records().await?;
    let found =
        sensors(&records).find(|(_, sensor)| is_numeric(sensor) && names::device_id(sensor.key()) == device);
    Ok(found.map(|(_, sensor)| sensor.clone()))
}

/// Returns each sensor once: duplicate records would give two rows with the same key.
fn sensors(records: &[Record]) -> impl Iterator<Item = (u16, &Arc<Sensor>)> {
    let mut seen = std::collections::HashSet::new();
    records
        .iter()
        .filter_map(|record| match &record.body {
            Body::Sensors(sensors) => Some((record.id, sensors)),
            _ => None,
        })
        .flat_map(|(id, sensors)| sensors.iter().map(move |sensor| (id, sensor)))
        .filter(move |(_, sensor)| seen.insert(sensor.key()))
}

fn is_numeric(sensor: &Sensor) -> bool {
    sensor.is_threshold() && sensor.analog.is_some()
}

/// Returns whether a threshold can be set. Sensors of system software cannot be addressed.
fn is_settable(sensor: &Sensor, threshold: Threshold) -> bool {
    let is_settable =
        sensor.threshold_access == ThresholdAccess::Settable && sensor.settable >> threshold.bit() & 1 == 1;
    is_settable && sensor.destination().is_ok()
}

fn current_state(measured: &Measured) -> &'static str {
    let Some(reading) = measured.reading.filter(|reading| reading.value.is_some()) else { return "Unknown" };
    // The most severe state first.
    let mut states = THRESHOLDS.iter().rev();
    let state = states.find(|(threshold, ..)| reading.states >> threshold.bit() & 1 == 1);
    state.map_or("Normal", |(.., state)| state)
}

fn state_name(sensor: &Sensor, offset: u8) -> String {
    let named = codes::state(sensor.kind, sensor.event_kind, offset);
    named.map_or_else(|| format!("state {offset}"), |(name, _)| name.to_owned())
}

/// Thresholds in the order of SupportedThresholds, each with its property and the state of a sensor beyond
/// it.
const THRESHOLDS: [(Threshold, &str, &str); 6] = [
    (Threshold::LowerNonCritical, "LowerThresholdNonCritical", "Lower Non-Critical"),
    (Threshold::UpperNonCritical, "UpperThresholdNonCritical", "Upper Non-Critical"),
    (Threshold::LowerCritical, "LowerThresholdCritical", "Lower Critical"),
    (Threshold::UpperCritical, "UpperThresholdCritical", "Upper Critical"),
    (Threshold::LowerNonRecoverable, "LowerThresholdFatal", "Lower Fatal"),
    (Threshold::UpperNonRecoverable, "UpperThresholdFatal", "Upper Fatal"),
];
/// Properties that require a reading. Accuracy is among them, because it depends on the reading if a sensor
/// is not linear.
const READ: [&str; 10] = [
    "CurrentReading",
    "CurrentState",
    "EnabledState",
    "HealthState",
    "OperationalStatus",
    "Status",
    "Accuracy",
    "Resolution",
    "Tolerance",
    "Hysteresis",
];
/// Properties in the unit of the sensor, besides thresholds.
const SCALED: [&str; 11] = [
    "CurrentReading",
    "UnitModifier",
    "NominalReading",
    "NormalMax",
    "NormalMin",
    "MaxReadable",
    "MinReadable",
    "Accuracy",
    "Resolution",
    "Tolerance",
    "Hysteresis",
];
