use super::*;

#[test]
fn texts_become_values_of_their_type() {
    for (kind, text, value) in [
        (CimType::Boolean, "TRUE", Value::Boolean(true)),
        (CimType::Boolean, " 0 ", Value::Boolean(false)),
        (CimType::Uint8, "255", Value::Uint8(255)),
        (CimType::Sint8, "-128", Value::Sint8(-128)),
        (CimType::Uint64, "18446744073709551615", Value::Uint64(u64::MAX)),
        (CimType::Sint64, "-9223372036854775808", Value::Sint64(i64::MIN)),
        (CimType::Real64, "1.5e3", Value::Real64(1_500.0)),
        (CimType::Real32, "-INF", Value::Real32(f32::NEG_INFINITY)),
        (CimType::Char16, "A", Value::Char16(65)),
        (CimType::Char16, "66", Value::Char16(66)),
        (CimType::Char16, " ", Value::Char16(32)),
        (CimType::String, " a ", Value::text(" a ")),
    ] {
        // NaN is not tested, because it is not equal to itself.
        assert_eq!(kind.parse(text).map_err(|error| error.to_string()), Ok(value), "{text}");
    }
}

#[test]
fn numbers_outside_their_type_are_out_of_range() {
    use crate::Status;
    for (kind, text, status) in [
        (CimType::Uint8, "256", Status::ValueOutOfRange),
        (CimType::Uint32, "-1", Status::ValueOutOfRange),
        (CimType::Sint64, "9223372036854775808", Status::ValueOutOfRange),
        (CimType::Real32, "1e39", Status::ValueOutOfRange),
        (CimType::Real64, "-1e309", Status::ValueOutOfRange),
        (CimType::Uint8, "", Status::TypeMismatch),
        (CimType::Uint8, "1.0", Status::TypeMismatch),
        (CimType::Uint8, "0x10", Status::TypeMismatch),
        (CimType::Uint8, "--1", Status::TypeMismatch),
        (CimType::Uint64, &"9".repeat(40), Status::TypeMismatch),
        (CimType::Boolean, "yes", Status::TypeMismatch),
        (CimType::Real64, "infinity", Status::TypeMismatch),
        (CimType::Char16, "ab", Status::TypeMismatch),
        (CimType::Char16, "", Status::TypeMismatch),
        (CimType::Object(None), "x", Status::TypeMismatch),
    ] {
        assert_eq!(kind.parse(text).expect_err(text).status(), status, "{text}");
    }
}

fn written(value: Value) -> String {
    let mut text = String::new();
    value.write_text(&mut text);
    text
}

#[test]
fn integers_are_written_in_full() {
    for number in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX - 1, u64::MAX] {
        assert_eq!(written(Value::Uint64(number)), number.to_string());
    }
    for number in [i64::MIN, -10, -1, 0, 7, i64::MAX] {
        assert_eq!(written(Value::Sint64(number)), number.to_string());
    }
}

#[test]
fn real_numbers_have_the_shortest_form() {
    assert_eq!(written(Value::Real32(0.1)), "0.1");
    assert_eq!(written(Value::Real64(1e300)), "1e300");
    assert_eq!(written(Value::Real64(100.0)), "100");
    assert_eq!(written(Value::Real64(f64::NAN)), "NaN");
    assert_eq!(written(Value::Real32(f32::NEG_INFINITY)), "-INF");
}

#[test]
fn a_type_holds_only_its_own_values() {
    let numbers = Type::array(CimType::Uint16);
    assert!(numbers.holds(&vec![1_u16, 2].into()));
    assert!(numbers.holds(&Value::Null));
    assert!(!numbers.holds(&1_u16.into()));
    assert!(!numbers.holds(&vec![1_u32].into()));
    assert!(!Type::scalar(CimType::Uint16).holds(&vec![1_u16].into()));
    let nested = Value::Array(vec![vec![1_u16].into()].into());
    assert!(!numbers.holds(&nested), "an array of arrays was accepted");
    let fixed = Type { element: CimType::Uint8, shape: Shape::FixedArray(2) };
    assert!(fixed.holds(&vec![1_u8, 2].into()) && !fixed.holds(&vec![1_u8, 2, 3].into()));
}
