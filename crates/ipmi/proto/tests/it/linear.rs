//! Compares sensor readings with floating-point computations (IPMI 2.0, 36.3).

use telarch_ipmi_proto::{AnalogFormat, Factors, Linearization};

#[test]
fn every_function_of_any_factors_agrees_with_floating_point() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut known, mut unknown) = (0, 0);
    for number in 0..12 {
        let linearization = Linearization::new(number).unwrap();
        for _ in 0..400 {
            let format = [AnalogFormat::Unsigned, AnalogFormat::OnesComplement, AnalogFormat::TwosComplement]
                [random.below(3)];
            let factors = Factors {
                m: random.between(-512, 511),
                b: random.between(-512, 511),
                b_exponent: random.between(-8, 7) as i8,
                result_exponent: random.between(-8, 7) as i8,
                linearization,
                format,
            };
            for raw in 0..=u8::MAX {
                let expected = function(number, linear(&factors, raw));
                match factors.quantity(raw).map(telarch_ipmi_proto::Quantity::to_f64) {
                    Some(found) => {
                        let near = 1e-11 * expected.abs() + 1e-12;
                        assert!(
                            (found - expected).abs() <= near,
                            "{factors:?} {raw}: {found}, not {expected}"
                        );
                        known += 1;
                    }
                    None => {
                        // Near the largest representable number, only one of the two may overflow.
                        let is_none = !expected.is_finite() || expected.abs() > 1e307;
                        assert!(is_none, "{factors:?} {raw}: nothing, not {expected}");
                        unknown += 1;
                    }
                }
            }
        }
    }
    assert!(known > 500_000 && unknown > 50_000, "{known} and {unknown}");
}

/// Computes the value before linearization from integers, scaled by 10^16, so that nothing is rounded.
fn linear(factors: &Factors, raw: u8) -> f64 {
    let x = match factors.format {
        AnalogFormat::Unsigned => i128::from(raw),
        AnalogFormat::OnesComplement if raw > 127 => i128::from(raw) - 255,
        AnalogFormat::TwosComplement if raw > 127 => i128::from(raw) - 256,
        AnalogFormat::OnesComplement | AnalogFormat::TwosComplement => i128::from(raw),
    };
    let power = |exponent: i8| 10_i128.pow(u32::try_from(i32::from(exponent) + 8).unwrap());
    let sum = i128::from(factors.m) * x * power(0) + i128::from(factors.b) * power(factors.b_exponent);
    (sum * power(factors.result_exponent)) as f64 / 1e16
}

fn function(number: u8, x: f64) -> f64 {
    match number {
        0 => x,
        1 => x.ln(),
        2 => x.log10(),
        3 => x.log2(),
        4 => x.exp(),
        5 => 10_f64.powf(x),
        6 => x.exp2(),
        7 => 1.0 / x,
        8 => x.powi(2),
        9 => x.powi(3),
        10 => x.sqrt(),
        _ => 1.0 / x.powi(3),
    }
}

/// Pseudo-random numbers, the same in every run (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, count: u64) -> usize {
        usize::try_from(self.next() % count).unwrap()
    }

    fn between(&mut self, least: i16, most: i16) -> i16 {
        let count = u64::try_from(i32::from(most) - i32::from(least) + 1).unwrap();
        least + i16::try_from(self.below(count)).unwrap()
    }
}
