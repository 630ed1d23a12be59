//! Conversion of raw readings to quantities, in integers as long as the sensor is linear (IPMI 2.0, 36.3).

use std::fmt;

/// Conversion factors of a sensor: `y = L[(M x + B 10^Kb) 10^Kr]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// `M`, −512 to 511.
    pub m: i16,
    /// `B`, −512 to 511.
    pub b: i16,
    /// `Kb`, −8 to 7.
    pub b_exponent: i8,
    /// `Kr`, −8 to 7.
    pub result_exponent: i8,
    /// `L`, the function applied to the linear result.
    pub linearization: Linearization,
    /// Format of the raw byte.
    pub format: AnalogFormat,
}

/// Format of the raw byte of a reading (IPMI 2.0, table 43-1, Sensor Units 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnalogFormat {
    /// 0 to 255.
    Unsigned,
    /// Ones' complement: −127 to 127, with two zeros.
    OnesComplement,
    /// Two's complement: −128 to 127.
    TwosComplement,
}

/// Function applied to the linear result (IPMI 2.0, table 43-1, Linearization).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linearization {
    /// No function.
    Linear,
    /// Natural logarithm.
    Ln,
    /// Base-10 logarithm.
    Log10,
    /// Base-2 logarithm.
    Log2,
    /// `e^x`.
    Exp,
    /// `10^x`.
    Exp10,
    /// `2^x`.
    Exp2,
    /// `1/x`.
    Reciprocal,
    /// `x²`.
    Square,
    /// `x³`.
    Cube,
    /// Square root.
    SquareRoot,
    /// `1/x³`.
    ReciprocalCube,
}

impl Linearization {
    /// Returns the function with this number; `None` if each reading has its own factors (70h to 7Fh) or the
    /// number is not defined.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        use Linearization::{
            Cube, Exp, Exp2, Exp10, Linear, Ln, Log2, Log10, Reciprocal, ReciprocalCube, Square, SquareRoot,
        };
        let all =
            [Linear, Ln, Log10, Log2, Exp, Exp10, Exp2, Reciprocal, Square, Cube, SquareRoot, ReciprocalCube];
        all.get(usize::from(number & 0x7f)).copied()
    }

    fn apply(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Ln => value.ln(),
            Self::Log10 => value.log10(),
            Self::Log2 => value.log2(),
            Self::Exp => value.exp(),
            Self::Exp10 => 10_f64.powf(value),
            Self::Exp2 => value.exp2(),
            Self::Reciprocal => value.recip(),
            Self::Square => value * value,
            Self::Cube => value * value * value,
            Self::SquareRoot => value.sqrt(),
            Self::ReciprocalCube => (value * value * value).recip(),
        }
    }
}

/// A quantity, exact if possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// `digits * 10^exponent`.
    Exact {
        /// The digits.
        digits: i64,
        /// Exponent, base 10.
        exponent: i8,
    },
    /// Result of a function without exact result; always finite.
    Rounded(f64),
}

impl Factors {
    /// Returns the quantity of a raw value; `None` where the function is undefined, such as the logarithm of
    /// zero.
    #[must_use]
    pub fn quantity(&self, raw: u8) -> Option<Quantity> {
        let x = i64::from(self.format.read(raw));
        let (m, b) = (i64::from(self.m) * x, i64::from(self.b));
        let Self { b_exponent, result_exponent, .. } = *self;
        // At most 512 * 255 * 10^8, so no operation overflows.
        let power = 10_i64.pow(u32::from(b_exponent.unsigned_abs().min(8)));
        let (digits, exponent) = if b_exponent >= 0 {
            (m + b * power, result_exponent)
        } else {
            (m * power + b, result_exponent.saturating_add(b_exponent))
        };
        let linear = Quantity::Exact { digits, exponent };
        if self.linearization == Linearization::Linear {
            return Some(linear);
        }
        let value = self.linearization.apply(linear.to_f64());
        value.is_finite().then_some(Quantity::Rounded(value))
    }
}

impl Factors {
    /// Returns the difference of quantities whose raw values differ by `counts`; `None` if the sensor is not
    /// linear.
    #[must_use]
    pub fn span(&self, counts: u8) -> Option<Quantity> {
        let digits = i64::from(self.m.unsigned_abs()) * i64::from(counts);
        (self.linearization == Linearization::Linear)
            .then_some(Quantity::Exact { digits, exponent: self.result_exponent })
    }

    /// Returns the number of counts nearest to a difference of quantities; `None` if it exceeds the range, or
    /// the sensor is not linear.
    #[must_use]
    pub fn counts(&self, span: f64) -> Option<u8> {
        let counts = (span / self.span(1)?.to_f64()).round();
        (0..=u8::MAX).find(|count| f64::from(*count) == counts)
    }
}

/// Returns the raw value whose quantity is nearest to `quantity`; `None` if `quantity` is outside the range
/// of all values.
pub(crate) fn nearest(known: impl Iterator<Item = (u8, f64)>, quantity: f64) -> Option<u8> {
    let known: Vec<(u8, f64)> = known.collect();
    let is_within = known.iter().any(|(_, value)| *value <= quantity)
        && known.iter().any(|(_, value)| *value >= quantity);
    let distances = known.into_iter().map(|(raw, value)| (raw, (value - quantity).abs()));
    let found = distances.min_by(|(_, one), (_, other)| one.total_cmp(other));
    found.filter(|_| is_within).map(|(raw, _)| raw)
}

impl AnalogFormat {
    fn read(self, raw: u8) -> i16 {
        let signed = i16::from(i8::from_le_bytes([raw]));
        match self {
            Self::Unsigned => raw.into(),
            Self::OnesComplement if signed < 0 => signed + 1,
            Self::OnesComplement | Self::TwosComplement => signed,
        }
    }
}

impl Quantity {
    /// Returns the quantity as a floating-point number.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        match self {
            // Parsing decimal text rounds correctly; a product of powers does not.
            Self::Exact { digits, exponent } => format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN),
            Self::Rounded(value) => value,
        }
    }
}

/// Prints all decimal digits of an exact quantity and three decimals of a rounded one. A format precision
/// sets the number of decimals.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(precision) = f.precision() {
            return write!(f, "{:.precision$}", self.to_f64());
        }
        let Self::Exact { digits, exponent } = *self else { return write!(f, "{:.3}", self.to_f64()) };
        // Written piece by piece, because there may be a hundred thousand readings to print.
        let mut all = [0; MOST_DIGITS];
        let all = decimal(digits.unsigned_abs(), &mut all);
        if digits < 0 {
            f.write_str("-")?;
        }
        if exponent >= 0 || digits == 0 {
            f.write_str(all)?;
            return zeros(f, if digits == 0 { 0 } else { exponent.unsigned_abs().into() });
        }
        let places = usize::from(exponent.unsigned_abs());
        let (whole, part) = all.split_at(all.len().saturating_sub(places));
        f.write_str(if whole.is_empty() { "0" } else { whole })?;
        let missing = places - part.len();
        let part = part.trim_end_matches('0');
        if part.is_empty() {
            return Ok(());
        }
        f.write_str(".")?;
        zeros(f, missing)?;
        f.write_str(part)
    }
}

fn zeros(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    (0..count).try_for_each(|_| f.write_str("0"))
}

/// Maximum number of decimal digits of a 64-bit number.
const MOST_DIGITS: usize = 20;

fn decimal(mut number: u64, room: &mut [u8; MOST_DIGITS]) -> &str {
    let mut count = 0;
    for place in room.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        (number, count) = (number / 10, count + 1);
        if number == 0 {
            break;
        }
    }
    let digits = room.get(MOST_DIGITS - count..).unwrap_or_default();
    std::str::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(m: i16, b: i16, b_exponent: i8, result_exponent: i8) -> Factors {
        let (linearization, format) = (Linearization::Linear, AnalogFormat::Unsigned);
        Factors { m, b, b_exponent, result_exponent, linearization, format }
    }

    #[test]
    fn a_battery_of_three_volts_is_exact() {
        let volts = factors(10, 120, 1, -3).quantity(180).unwrap();
        assert_eq!(
            (volts, volts.to_string()),
            (Quantity::Exact { digits: 3_000, exponent: -3 }, "3".to_owned())
        );
        assert_eq!(format!("{volts:.3}"), "3.000");
        assert_eq!(factors(100, 0, 0, 0).quantity(71).unwrap().to_string(), "7100");
        assert_eq!(factors(-1, 5, -1, 0).quantity(2).unwrap().to_string(), "-1.5");
        assert_eq!(factors(1, 0, 0, 3).quantity(0).unwrap().to_string(), "0");
        assert_eq!(factors(1, 0, 0, -3).quantity(7).unwrap().to_string(), "0.007");
    }

    #[test]
    fn exact_quantities_are_printed_without_extra_zeros() {
        for (digits, exponent, written) in [
            (-1_200, -3, "-1.2"),
            (-7, 3, "-7000"),
            (1_000, -3, "1"),
            (10_050, -4, "1.005"),
            (0, -3, "0"),
            (0, 3, "0"),
            (99, 0, "99"),
            (-5, -1, "-0.5"),
            (7, -21, "0.000000000000000000007"),
            (i64::MIN, -18, "-9.223372036854775808"),
        ] {
            assert_eq!(Quantity::Exact { digits, exponent }.to_string(), written);
        }
    }

    #[test]
    fn a_span_has_neither_offset_nor_sign() {
        let battery = factors(10, 120, 1, -3);
        assert_eq!(battery.span(2).unwrap().to_string(), "0.02");
        assert_eq!(
            (battery.counts(0.02), battery.counts(0.0), battery.counts(2.55)),
            (Some(2), Some(0), Some(255))
        );
        assert_eq!(
            (battery.counts(2.56), battery.counts(-0.02), battery.counts(f64::NAN)),
            (None, None, None)
        );
        assert_eq!(factors(-2, 9, 0, 0).span(3).unwrap().to_string(), "6");
        assert_eq!(factors(0, 9, 0, 0).counts(1.0), None);
        let root = Factors { linearization: Linearization::SquareRoot, ..battery };
        assert_eq!((root.span(1), root.counts(1.0)), (None, None));
    }

    #[test]
    fn exact_and_floating_results_agree_for_all_exponents_and_many_factors() {
        for b_exponent in -8..=7 {
            for result_exponent in -8..=7 {
                for m in [-512, -511, -37, -1, 0, 1, 3, 100, 511] {
                    for b in [-512, -99, -1, 0, 1, 120, 511] {
                        for raw in [0, 1, 2, 127, 128, 254, 255] {
                            let exact =
                                factors(m, b, b_exponent, result_exponent).quantity(raw).unwrap().to_f64();
                            let sum =
                                f64::from(m) * f64::from(raw) + f64::from(b) * 10_f64.powi(b_exponent.into());
                            let floating = sum * 10_f64.powi(result_exponent.into());
                            let near = 1e-9 * (floating.abs() + 10_f64.powi(result_exponent.into()) * 1e5);
                            assert!(
                                (exact - floating).abs() <= near,
                                "{m} {b} {b_exponent} {result_exponent} {raw}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn printed_quantities_are_parsed_as_the_same_number() {
        for exponent in -16..=7 {
            for digits in [0, 1, -1, 10, -250, 12_345, i64::from(i32::MAX)] {
                let quantity = Quantity::Exact { digits, exponent };
                assert_eq!(quantity.to_string().parse::<f64>().unwrap(), quantity.to_f64(), "{quantity:?}");
            }
        }
    }

    #[test]
    fn raw_values_are_decoded_in_each_signed_format() {
        assert_eq!(AnalogFormat::TwosComplement.read(0xfb), -5);
        assert_eq!(AnalogFormat::OnesComplement.read(0xfb), -4);
        assert_eq!(AnalogFormat::OnesComplement.read(0xff), 0);
        assert_eq!(AnalogFormat::Unsigned.read(0xfb), 251);
    }

    #[test]
    fn the_nearest_raw_value_of_a_quantity_is_its_origin() {
        let near = |factors: &Factors, quantity: f64| {
            let known = (0..=u8::MAX).filter_map(|raw| Some((raw, factors.quantity(raw)?.to_f64())));
            nearest(known, quantity)
        };
        for factors in [factors(10, 120, 1, -3), factors(-3, 7, -1, 2), factors(1, 0, 0, 0)] {
            for raw in 0..=u8::MAX {
                assert_eq!(near(&factors, factors.quantity(raw).unwrap().to_f64()), Some(raw));
            }
        }
        let volts = factors(10, 120, 1, -3);
        assert_eq!((near(&volts, 3.004), near(&volts, 9.0), near(&volts, f64::NAN)), (Some(180), None, None));
    }

    #[test]
    fn every_function_of_every_raw_value_agrees_with_floating_point() {
        type Function = fn(f64) -> f64;
        let functions: [Function; 12] = [
            |x| x,
            f64::ln,
            f64::log10,
            f64::log2,
            f64::exp,
            |x| 10_f64.powf(x),
            f64::exp2,
            |x| 1.0 / x,
            |x| x.powi(2),
            |x| x.powi(3),
            f64::sqrt,
            |x| 1.0 / x.powi(3),
        ];
        type Reading = fn(u8) -> f64;
        let formats: [(AnalogFormat, Reading); 3] = [
            (AnalogFormat::Unsigned, f64::from),
            (AnalogFormat::OnesComplement, |raw| if raw < 128 { raw.into() } else { f64::from(raw) - 255.0 }),
            (AnalogFormat::TwosComplement, |raw| if raw < 128 { raw.into() } else { f64::from(raw) - 256.0 }),
        ];
        let mut values = 0;
        for (number, function) in (0..).zip(functions) {
            let linearization = Linearization::new(number).unwrap();
            for (format, read) in formats {
                for (m, b, b_exponent, result_exponent) in
                    [(1, 0, 0, 0), (7, -3, 1, -2), (-5, 12, -2, -1), (511, 511, 2, -4)]
                {
                    let factors = Factors { m, b, b_exponent, result_exponent, linearization, format };
                    for raw in 0..=u8::MAX {
                        let sum = f64::from(m) * read(raw) + f64::from(b) * 10_f64.powi(b_exponent.into());
                        let floating = function(sum * 10_f64.powi(result_exponent.into()));
                        let Some(quantity) = factors.quantity(raw) else {
                            // Powers and quotients of values near zero may overflow in only one of the two
                            // computations.
                            assert!(!floating.is_finite() || floating.abs() > 1e15, "{factors:?} {raw}");
                            continue;
                        };
                        let exact = quantity.to_f64();
                        let near = 1e-9 * (floating.abs() + 1.0);
                        let is_huge = floating.abs() > 1e15 || !floating.is_finite();
                        assert!(is_huge || (exact - floating).abs() <= near, "{factors:?} {raw}");
                        values += 1;
                    }
                }
            }
        }
        assert!(values > 20_000, "{values}");
    }

    #[test]
    fn a_function_without_a_value_has_none() {
        let mut factors = factors(1, 0, 0, 0);
        factors.linearization = Linearization::Ln;
        assert_eq!(factors.quantity(0), None);
        factors.linearization = Linearization::Exp10;
        assert_eq!(factors.quantity(2), Some(Quantity::Rounded(100.0)));
        assert_eq!((Linearization::new(0x0c), Linearization::new(0x70)), (None, None));
    }
}
