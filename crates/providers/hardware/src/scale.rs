//! Readings as CIM integers, scaled by a power of ten (CIM_NumericSensor.UnitModifier).

use std::collections::BTreeMap;

use ipmi::proto::sdr::Sensor;
use ipmi::proto::{Factors, Linearization, Quantity};

/// Conversion of the raw values of a sensor to integers with a common power of ten.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    curve: Curve,
    /// Exponent, base 10, of the unit of the integers.
    exponent: i32,
}

/// Conversion factors of raw values.
#[derive(Clone, Debug)]
enum Curve {
    /// Constant factors for all values.
    Same(Factors),
    /// Separate factors for each value, as far as they are known.
    ByReading(BTreeMap<u8, Factors>),
}

impl Curve {
    fn quantity(&self, raw: u8) -> Option<Quantity> {
        match self {
            Self::Same(factors) => factors.quantity(raw),
            Self::ByReading(factors) => factors.get(&raw)?.quantity(raw),
        }
    }
}

impl Scale {
    /// Returns the scale of a sensor; `None` if no conversion factors are known.
    ///
    /// The exponent is the one with which a linear sensor is exact, and −3 for other sensors; it is larger
    /// only if the largest number would not fit into 32 bits.
    pub(crate) fn of(sensor: &Sensor) -> Option<Self> {
        let curve = match (sensor.factors, &sensor.by_reading) {
            (Some(factors), _) => Curve::Same(factors),
            (None, by_reading) => {
                let known = by_reading.as_ref()?.factors.iter();
                Curve::ByReading(known.map(|(raw, (factors, _))| (*raw, *factors)).collect())
            }
        };
        let quantities: Vec<Quantity> = (0..=u8::MAX).filter_map(|raw| curve.quantity(raw)).collect();
        let exponent = match (&curve, quantities.first()?) {
            (Curve::Same(_), Quantity::Exact { exponent, .. }) => i32::from(*exponent),
            _ => -3,
        };
        let mut exponents = exponent..exponent.saturating_add(MAX_POWERS);
        let exponent = exponents
            .find(|exponent| quantities.iter().all(|quantity| whole(*quantity, *exponent).is_some()))?;
        Some(Self { curve, exponent })
    }

    /// Returns the scale for one reading of a sensor, around which the sensor is treated as linear.
    pub(crate) fn around(&self, raw: u8) -> Option<Self> {
        let factors = match &self.curve {
            Curve::Same(factors) => *factors,
            Curve::ByReading(factors) => *factors.get(&raw)?,
        };
        Some(Self { curve: Curve::Same(factors), exponent: self.exponent })
    }

    pub(crate) fn exponent(&self) -> i32 {
        self.exponent
    }

    pub(crate) fn is_linear(&self) -> bool {
        matches!(&self.curve, Curve::Same(factors) if factors.linearization == Linearization::Linear)
    }

    /// Returns the scaled integer of a raw value.
    pub(crate) fn number(&self, raw: u8) -> Option<i32> {
        whole(self.curve.quantity(raw)?, self.exponent)
    }

    /// Returns the difference that corresponds to this number of half counts; `None` if it depends on the
    /// value.
    pub(crate) fn half_counts(&self, count: u32) -> Option<u32> {
        let Curve::Same(factors) = &self.curve else { return None };
        let Quantity::Exact { digits, exponent } = factors.span(1)? else { return None };
        let digits = digits.checked_mul(i64::from(count))?;
        let halves = whole(
            Quantity::Exact { digits: digits.checked_mul(5)?, exponent: exponent.checked_sub(1)? },
            self.exponent,
        )?;
        u32::try_from(halves).ok()
    }

    /// Returns the difference that corresponds to this number of counts; `None` if it depends on the value.
    pub(crate) fn counts(&self, count: u8) -> Option<u32> {
        self.half_counts(u32::from(count) * 2)
    }

    /// Returns the raw value nearest to a number; `None` if the number is outside the range of the sensor.
    pub(crate) fn raw(&self, number: i32) -> Option<u8> {
        let numbers = (0..=u8::MAX).filter_map(|raw| Some((raw, self.number(raw)?)));
        let numbers: Vec<(u8, i32)> = numbers.collect();
        let (min, max) = (numbers.iter().map(|(_, n)| *n).min()?, numbers.iter().map(|(_, n)| *n).max()?);
        if !(min..=max).contains(&number) {
            return None;
        }
        numbers.into_iter().min_by_key(|(_, n)| n.abs_diff(number)).map(|(raw, _)| raw)
    }
}

/// Returns a quantity in units of a power of ten, rounded to the nearest integer; `None` if it does not fit
/// into 32 bits.
fn whole(quantity: Quantity, exponent: i32) -> Option<i32> {
    match quantity {
        Quantity::Exact { digits, exponent: from } => {
            let drop = exponent - i32::from(from);
            let power = 10_i64.checked_pow(drop.unsigned_abs())?;
            let scaled = if drop < 0 {
                digits.checked_mul(power)?
            } else {
                let half = if digits < 0 { -(power / 2) } else { power / 2 };
                digits.checked_add(half)? / power
            };
            i32::try_from(scaled).ok()
        }
        Quantity::Rounded(value) => {
            let scaled = (value / 10_f64.powi(exponent)).round();
            let holds = scaled.abs() <= f64::from(i32::MAX);
            #[allow(clippy::cast_possible_truncation)] // The value is rounded and fits into 32 bits.
            holds.then_some(scaled as i32)
        }
    }
}

/// Maximum exponent that is tried, base 10; no sensor needs more.
const MAX_POWERS: i32 = 40;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ipmi::proto::AnalogFormat;

    use super::*;

    fn scale(m: i16, b: i16, b_exponent: i8, result_exponent: i8) -> Scale {
        let (linearization, format) = (Linearization::Linear, AnalogFormat::Unsigned);
        let factors = Factors { m, b, b_exponent, result_exponent, linearization, format };
        of(factors)
    }

    fn of(factors: Factors) -> Scale {
        let mut rest: &[u8] = include_bytes!("../../../ipmi/proto/tests/sdr.bin");
        loop {
            let (record, more) = rest.split_at(ipmi::proto::sdr::octets_of(rest).unwrap());
            rest = more;
            let record = ipmi::proto::sdr::Record::decode(record).unwrap();
            if let ipmi::proto::sdr::Body::Sensors(sensors) = record.body {
                let sensor = sensors.into_iter().next().unwrap();
                return Scale::of(&Sensor { factors: Some(factors), ..(*sensor).clone() }).unwrap();
            }
        }
    }

    #[test]
    fn linear_readings_are_exact() {
        let battery = scale(10, 120, 1, -3);
        assert_eq!((battery.number(180), battery.exponent()), (Some(3_000), -3));
        assert_eq!((battery.half_counts(2), battery.half_counts(1)), (Some(10), Some(5)));
        let shifted = scale(1, 5, -1, 0);
        assert_eq!((shifted.number(2), shifted.exponent(), shifted.half_counts(4)), (Some(25), -1, Some(20)));
        let falling = scale(-2, 0, 0, 0);
        assert_eq!((falling.number(9), falling.half_counts(2)), (Some(-18), Some(2)));
    }

    #[test]
    fn numbers_beyond_32_bits_lose_precision() {
        let large = scale(511, 511, 7, 0);
        assert_eq!((large.exponent(), large.number(0)), (1, Some(511_000_000)));
        assert_eq!(whole(Quantity::Exact { digits: -15, exponent: 0 }, 1), Some(-2));
    }

    #[test]
    fn numbers_are_converted_to_the_nearest_raw_value() {
        let battery = scale(10, 120, 1, -3);
        for raw in 0..=u8::MAX {
            assert_eq!(battery.raw(battery.number(raw).unwrap()), Some(raw));
        }
        assert_eq!(battery.raw(3_004), Some(180));
        assert_eq!((battery.raw(1_199), battery.raw(3_751)), (None, None));
    }

    #[test]
    fn readings_of_non_linear_sensors_have_three_decimals() {
        let (linearization, format) = (Linearization::SquareRoot, AnalogFormat::Unsigned);
        let root = of(Factors { m: 1, b: 0, b_exponent: 0, result_exponent: 0, linearization, format });
        assert_eq!((root.number(2), root.exponent(), root.half_counts(2)), (Some(1_414), -3, None));
    }
}
