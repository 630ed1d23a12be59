//! Matching rows: at least three cases for each rule.

use telarch_cim::{DateTime, Instance, ObjectPath, Value};

use super::{classes, holds};

fn row() -> Instance {
    let (class, part) = classes();
    let time = |text: &str| DateTime::parse(text).unwrap();
    let inner = Instance::new(part)
        .with("Name", "wheel")
        .and_then(|part| part.with("Size", 7_u32))
        .and_then(|part| part.with("Made", time("20130415162843.000000+000")))
        .unwrap();
    Instance::new(class)
        .with("Handle", "4")
        .and_then(|row| row.with("Id", 4_u32))
        .and_then(|row| row.with("Flag", true))
        .and_then(|row| row.with("Small", 255_u8))
        .and_then(|row| row.with("Big", -5_i64))
        .and_then(|row| row.with("Huge", u64::MAX))
        .and_then(|row| row.with("Half", 0.1_f32))
        .and_then(|row| row.with("Whole", 2.5_f64))
        .and_then(|row| row.with("Letter", Value::Char16(65)))
        .and_then(|row| row.with("Text", "Größe 100%"))
        .and_then(|row| row.with("When", time("20130415162843.488171+000")))
        .and_then(|row| row.with("Span", time("00000001000000.000000:000")))
        .and_then(|row| row.with("Ref", ObjectPath::parse("Part.Name=\"Wheel\"").unwrap()))
        .and_then(|row| row.with("Many", vec!["a", "b"]))
        .and_then(|row| row.with("Numbers", vec![1_u16, 2]))
        .and_then(|row| row.with("Inner", inner))
        .unwrap()
}

fn all(row: &Instance, cases: &[(&str, bool)]) {
    for (condition, wanted) in cases {
        assert_eq!(
            holds(row, condition).unwrap_or_else(|error| panic!("{condition}: {error}")),
            *wanted,
            "{condition}"
        );
        let negated = format!("NOT ({condition})");
        assert_eq!(holds(row, &negated).unwrap(), !wanted, "{negated}");
    }
}

#[test]
fn strings_are_compared_ignoring_case() {
    all(
        &row(),
        &[
            ("Text = 'GRÖßE 100%'", true),
            ("Text <> 'größe 100%'", false),
            ("Text < 'h'", true),
            ("Text > 'G'", true),
            ("Text >= 'Größe 100%'", true),
            ("Text = 'Größe'", false),
        ],
    );
}

#[test]
fn constants_are_converted_to_the_type_of_the_property() {
    all(
        &row(),
        &[
            ("Handle = 4", true),
            ("Handle = '4'", true),
            ("Handle = 40", false),
            ("Id = '4'", true),
            ("Id = ' 4 '", true),
            ("Id = 4.0", true),
            ("Letter = 'a'", false),
            ("Letter = 'A'", true),
            ("Letter = 65", true),
            ("Half = '0.1'", true),
        ],
    );
}

#[test]
fn numbers_are_compared_as_numbers() {
    all(
        &row(),
        &[
            ("Id < 10", true),
            ("Huge > 9223372036854775807", true),
            ("Huge = 18446744073709551615", true),
            ("Huge > 5.5", true),
            ("Huge < 1e30", true),
            ("Big > -1e30", true),
            ("Big < 0", true),
            ("Big < -4.5", true),
            ("Big > -5.5", true),
            ("Big = -5", true),
            ("Small < 300", true),
            ("Small = 300", false),
            ("Small > -1", true),
            ("Half = 0.1", true),
            ("Half < 0.2", true),
            ("Whole >= 2.5", true),
            ("Whole > 2", true),
            ("Whole = 3", false),
        ],
    );
}

#[test]
fn booleans_have_three_spellings() {
    all(
        &row(),
        &[
            ("Flag = TRUE", true),
            ("Flag = 1", true),
            ("Flag = 'true'", true),
            ("Flag <> false", true),
            ("Flag = 0", false),
            ("Flag != 'TRUE'", false),
        ],
    );
}

#[test]
fn a_missing_value_matches_only_null() {
    let (class, _) = classes();
    all(
        &Instance::new(class),
        &[
            ("Text IS NULL", true),
            ("Text = NULL", true),
            ("Text IS NOT NULL", false),
            ("Text <> NULL", false),
            ("Text = ''", false),
            ("Text <> ''", false),
            ("Id < 5", false),
            ("Id >= 5", false),
            ("Text LIKE '%'", false),
            ("Many IS NULL", true),
            ("Many[0] IS NULL", true),
            ("Inner ISA 'Part'", false),
            ("Flag = FALSE", false),
        ],
    );
    all(&row(), &[("Text IS NULL", false), ("Many IS NULL", false), ("Many[5] IS NULL", true)]);
}

#[test]
fn times_are_compared_as_instants() {
    all(
        &row(),
        &[
            ("When = '20130415182843.488171+120'", true),
            ("When = '20130415162843.488171+000'", true),
            ("When = '2013-04-15T16:28:43.488171Z'", true),
            // A time without an offset is local, here one hour ahead of UTC.
            ("When = '2013-04-15 17:28:43.488171'", true),
            ("When > '4/15/2013'", true),
            ("When < '4/15/2013 17:28'", false),
            ("When < '2013-04-16'", true),
            ("When >= '20130415162843.488172+000'", false),
            ("Span = '00000001000000.000000:000'", true),
            ("Span < 'P1DT1S'", true),
            ("Span < '20130415162843.488172+000'", false),
        ],
    );
    let partial = row().with("When", DateTime::parse("2013041516****.******+000").unwrap()).unwrap();
    all(
        &partial,
        &[
            ("When = '2013041516****.******+000'", true),
            ("When = '20130415162843.488171+000'", false),
            ("When < '20140101000000.000000+000'", false),
            ("When <> '2013041517****.******+000'", false),
        ],
    );
}

#[test]
fn like_supports_runs_characters_and_sets() {
    all(
        &row(),
        &[
            ("Text LIKE 'größe%'", true),
            ("Text LIKE '%100[%]'", true),
            ("Text LIKE '_r%'", true),
            ("Text LIKE '[a-f]%'", false),
            ("Text LIKE '[^a-f]%'", true),
            ("Text LIKE 'Größe'", false),
            ("Text LIKE '[g'", false),
            ("Text NOT LIKE 'x%'", true),
        ],
    );
    let path = row().with("Text", r"C:\Windows\x").unwrap();
    all(&path, &[(r"Text LIKE 'c:\\windows\\%'", true), (r"Text LIKE '%\\'", false)]);
}

#[test]
fn arrays_are_compared_by_element() {
    all(
        &row(),
        &[
            ("Many[0] = 'A'", true),
            ("Many[1] LIKE 'b%'", true),
            ("Many[2] = 'c'", false),
            ("Numbers[1] > 1", true),
            ("Numbers[0] = '1'", true),
        ],
    );
}

#[test]
fn references_are_compared_as_paths() {
    all(
        &row(),
        &[
            (r#"Ref = 'Part.Name="wheel"'"#, true),
            (r#"Ref = 'PART="WHEEL"'"#, true),
            (r#"Ref = 'root\\cimv2:Part.Name="wheel"'"#, true),
            (r#"Ref <> 'Part.Name="axle"'"#, true),
            (r#"Ref = 'Other.Name="wheel"'"#, false),
        ],
    );
}

#[test]
fn members_of_embedded_instances_are_accessed_with_points() {
    let row = row();
    all(
        &row,
        &[
            ("Inner.Name = 'WHEEL'", true),
            ("Inner.Size > 5", true),
            ("Inner.Size = '7'", true),
            ("Inner.Made < '2014-01-01'", true),
            ("Inner.Name LIKE 'wh%'", true),
            ("Inner ISA 'Part'", true),
            ("Inner ISA Sample", false),
            ("Sample.Text LIKE 'g%'", true),
            ("Sample.Inner.Name = 'wheel'", true),
        ],
    );
    // A member that does not exist is not an error and matches no row.
    for condition in
        ["Inner.Missing = 1", "Inner.Missing IS NULL", "Inner.Name.Deeper = 1", "Inner.Size < 'x'"]
    {
        assert_eq!(holds(&row, condition), Ok(false), "{condition}");
    }
}

#[test]
fn system_properties_are_compared_as_strings() {
    all(
        &row(),
        &[
            ("__CLASS = 'sample'", true),
            ("__CLASS <> 'Sample'", false),
            ("__SUPERCLASS IS NULL", true),
            ("__DYNASTY = 'Sample'", true),
            ("__GENUS = 2", true),
            ("__PROPERTY_COUNT > 10", true),
            ("__SERVER = 'NODE7'", true),
            (r"__NAMESPACE = 'root\\cimv2'", true),
            (r#"__RELPATH = 'Sample.Handle="4",Id=4'"#, true),
            (r#"__PATH LIKE '\\\\node7\\root\\cimv2:Sample.%'"#, true),
            ("__this ISA 'Sample'", true),
            ("__this ISA 'Part'", false),
        ],
    );
}
