//! Conversion of IPMI units to CIM units (CIM_NumericSensor.BaseUnits), with a power of ten where CIM lacks
//! the exact unit.

use ipmi::proto::sdr::Units;

/// Returns the number of the unit and the exponent, base 10, by which readings are scaled.
pub(crate) fn of(units: &Units) -> (u16, i32) {
    if units.is_percentage {
        return (PERCENTAGE, 0);
    }
    if units.second.is_some() {
        return (OTHER, 0);
    }
    match units.base {
        0 => (UNKNOWN, 0),
        same @ 1..=19 => (u16::from(same) + 1, 0),
        20 => (21, -6),
        21 => (21, -3),
        same @ 22..=31 => (u16::from(same) - 1, 0),
        32 => (31, -3),
        33 => (31, -2),
        34 => (31, 0),
        same @ 35..=50 => (u16::from(same) - 3, 0),
        51 => (47, -3),
        52 => (48, 0),
        53 => (48, -6),
        same @ 54..=58 => (u16::from(same) - 5, 0),
        same @ 60..=66 => (u16::from(same) - 6, 0),
        67 => (60, 3),
        68 => (60, 6),
        69 => (60, 9),
        70 => (61, 0),
        71 => (61, 3),
        72 => (61, 6),
        73 => (61, 9),
        same @ 74..=76 => (u16::from(same) - 12, 0),
        _ => (OTHER, 0),
    }
}

const UNKNOWN: u16 = 0;
const OTHER: u16 = 1;
const PERCENTAGE: u16 = 65;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_agree_with_both_tables() {
        let units = |base| Units { is_percentage: false, rate: 0, base, second: None };
        // From IPMI 2.0, table 43-15, and the ValueMap of CIM_NumericSensor.BaseUnits.
        for (base, expected) in [
            (1, (2, 0)),    // degrees C
            (4, (5, 0)),    // V
            (18, (19, 0)),  // RPM
            (19, (20, 0)),  // Hz
            (21, (21, -3)), // ms
            (22, (21, 0)),  // s
            (26, (25, 0)),  // week
            (27, (26, 0)),  // mil
            (31, (30, 0)),  // cubic feet
            (34, (31, 0)),  // m
            (35, (32, 0)),  // cubic cm
            (37, (34, 0)),  // l
            (43, (40, 0)),  // gravities
            (49, (46, 0)),  // gilbert
            (50, (47, 0)),  // H
            (53, (48, -6)), // uF
            (54, (49, 0)),  // ohm
            (58, (53, 0)),  // ppm
            (60, (54, 0)),  // dB
            (65, (59, 0)),  // colour temperature
            (66, (60, 0)),  // bit
            (76, (64, 0)),  // quad word
            (89, (1, 0)),
        ] {
            assert_eq!(of(&units(base)), expected, "unit {base}");
        }
        assert_eq!(of(&Units { is_percentage: true, ..units(0) }), (65, 0));
    }
}
