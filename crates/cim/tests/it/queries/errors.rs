//! Invalid queries: error, WMI status and position.

use telarch_cim::{Status, wql};

use super::{classes, holds};
use telarch_cim::Instance;

fn assert_rejected(cases: &[(&str, usize)]) {
    for (text, at) in cases {
        let error = wql::parse(text).expect_err(text);
        assert_eq!(error.status(), Status::InvalidQuery, "{text}: {error}");
        assert!(error.to_string().contains(&format!("at byte {at} ")), "{text}: {error}");
    }
}

#[test]
fn syntax_errors_report_their_position() {
    assert_rejected(&[
        ("", 0),
        ("SELECT", 6),
        ("SELECT *", 8),
        ("SELECT * FROM", 13),
        ("SELECT FROM X", 12),
        ("SELECT *, a FROM X", 8),
        ("SELECT a, FROM X", 15),
        ("SELECT COUNT(*) FROM X", 7),
        ("SELECT DISTINCT a FROM X", 7),
        ("SELECT * FROM X, Y", 15),
        ("SELECT * FROM X ORDER BY a", 16),
        ("SELECT * FROM X WHERE", 21),
        ("SELECT * FROM X WHERE a", 23),
        ("SELECT * FROM X WHERE a =", 25),
        ("SELECT * FROM X WHERE a = 1 b = 2", 28),
        ("SELECT * FROM X WHERE (a = 1", 28),
        ("SELECT * FROM X WHERE a = 1)", 27),
        ("SELECT * FROM X WHERE a NOT = 1", 28),
        ("SELECT * FROM X WHERE a IS 1", 27),
        ("SELECT * FROM X WHERE a LIKE 1", 29),
        ("SELECT * FROM X WHERE a ISA 1", 28),
        ("SELECT * FROM X WHERE a + 1 = 2", 24),
        ("SELECT * FROM X WHERE a = 1a", 26),
        ("SELECT * FROM X WHERE a[b] = 1", 24),
        ("SELECT * FROM X WHERE a[-1] = 1", 24),
        ("SELECT * FROM X; SELECT * FROM Y", 17),
        ("SELECT * FROM X WITHIN", 22),
        ("SELECT * FROM X WITHIN -1", 23),
        ("SELECT * FROM X WHERE a = 1 WITHIN 5", 28),
        ("SELECT * FROM X GROUP WITHIN 5 HAVING a > 1", 38),
        ("UPDATE X SET a = 1", 0),
        ("SELECT * FROM X WHERE a = é", 26),
        ("SELECT * FROM X-Y", 15),
    ]);
}

#[test]
fn constructs_of_sql_are_named_with_what_to_do_instead() {
    for (text, start, name, advice) in [
        ("SELECT DISTINCT a FROM X", 7, "no DISTINCT", "Sort-Object -Unique"),
        ("SELECT distinct * FROM X", 7, "no DISTINCT", "Sort-Object -Unique"),
        ("SELECT COUNT(*) FROM X", 7, "no functions", "Measure-Object"),
        ("SELECT a, MAX(b) FROM X", 10, "no functions", "Measure-Object"),
        ("SELECT TOP 5 a FROM X", 7, "no TOP", "Select-Object -First"),
        ("SELECT * FROM X ORDER BY a", 16, "no ORDER BY", "Sort-Object"),
        ("SELECT * FROM X WHERE a = 1 order by a DESC", 28, "no ORDER BY", "Sort-Object"),
        ("SELECT * FROM X LIMIT 5", 16, "no LIMIT", "Select-Object -First"),
        ("SELECT * FROM X WHERE a IN (1, 2)", 24, "no IN", "write Name = 'a' OR Name = 'b'"),
        ("SELECT * FROM X WHERE a NOT IN (1)", 28, "no IN", "write Name = 'a' OR Name = 'b'"),
        ("SELECT * FROM X WHERE a BETWEEN 1 AND 5", 24, "no BETWEEN", "write Size >= 1 AND Size <= 5"),
        ("SELECT * FROM X GROUP BY a", 22, "BY requires GROUP WITHIN", "Group-Object"),
    ] {
        let reported = wql::parse(text).expect_err(text).to_string();
        assert!(reported.contains(&format!("at byte {start} ")), "{text}: {reported}");
        assert!(reported.contains(name) && reported.contains(advice), "{text}: {reported}");
    }
}

#[test]
fn properties_may_have_the_names_of_constructs_of_sql() {
    for text in [
        "SELECT Distinct, Top FROM X",
        "SELECT Count FROM Order WHERE Limit = 1 AND In = 2",
        "SELECT Top FROM Limit",
        "SELECT * FROM X WHERE Between IS NULL OR Order LIKE 'a'",
    ] {
        wql::parse(text).expect(text);
    }
}

#[test]
fn incomplete_groups_have_their_own_status() {
    for (text, status, start) in [
        ("SELECT * FROM X GROUP BY a", Status::MissingGroupWithin, 22),
        ("SELECT * FROM X WHERE a = 1 HAVING NumberOfEvents > 1", Status::MissingGroupWithin, 28),
        ("SELECT * FROM X GROUP WITHIN 5 BY", Status::MissingAggregationList, 33),
        ("SELECT * FROM X GROUP WITHIN 5 BY HAVING NumberOfEvents > 1", Status::MissingAggregationList, 34),
    ] {
        let error = wql::parse(text).expect_err(text);
        assert_eq!(error.status(), status, "{text}: {error}");
        assert!(error.to_string().contains(&format!("at byte {start} ")), "{text}: {error}");
    }
}

#[test]
fn invalid_strings_are_rejected() {
    assert_rejected(&[
        ("SELECT * FROM X WHERE a = \"b", 26),
        ("SELECT * FROM X WHERE a = 'b\"", 26),
        ("SELECT * FROM X WHERE a = \"b\\\"", 26),
        ("SELECT * FROM X WHERE a = \"C:\\Windows\"", 26),
    ]);
}

#[test]
fn two_properties_cannot_be_compared() {
    assert_rejected(&[
        ("SELECT * FROM X WHERE a > b", 26),
        ("SELECT * FROM X WHERE a = b.c", 26),
        ("SELECT * FROM X WHERE a.b <> c AND d = 1", 29),
    ]);
}

#[test]
fn null_has_no_order() {
    assert_rejected(&[
        ("SELECT * FROM X WHERE a < NULL", 26),
        ("SELECT * FROM X WHERE a >= NULL", 27),
        ("SELECT * FROM X WHERE NULL > a", 22),
        ("SELECT * FROM X WHERE NULL = NULL", 29),
        ("SELECT * FROM X WHERE TRUE = NOT", 29),
    ]);
}

#[test]
fn association_words_are_not_joined_by_operators() {
    assert_rejected(&[
        ("ASSOCIATORS OF {X=1} WHERE ResultClass=Y AND Role=z", 41),
        ("ASSOCIATORS OF {X=1} WHERE ResultClass=Y OR KeysOnly", 41),
        ("ASSOCIATORS OF {X=1} WHERE ResultClass<>Y", 38),
        ("ASSOCIATORS OF {X=1} WHERE", 26),
        ("ASSOCIATORS OF {X=1} WHERE Name=Y", 27),
        ("ASSOCIATORS OF {X=1} WHERE ResultClass=Y ClassDefsOnly", 27),
        ("ASSOCIATORS OF {X=1} WHERE ClassDefsOnly ResultClass=Y", 27),
        ("ASSOCIATORS OF {X=1} WHERE Role=a Role=b", 34),
        ("ASSOCIATORS OF {X=1} WHERE KeysOnly KeysOnly", 36),
        ("REFERENCES OF {X=1} WHERE AssocClass=Y", 26),
        ("REFERENCES OF {X=1} WHERE ResultRole=Y", 26),
        ("REFERENCES {X=1}", 11),
        ("ASSOCIATORS OF X", 15),
        ("ASSOCIATORS OF {X=1", 15),
    ]);
}

#[test]
fn an_invalid_path_has_its_own_status() {
    for text in ["ASSOCIATORS OF {}", "ASSOCIATORS OF {X.A}", "REFERENCES OF {X.A=b}"] {
        assert_eq!(wql::parse(text).expect_err(text).status(), Status::InvalidObjectPath);
    }
}

#[test]
fn exceeded_limits_have_their_own_status() {
    let long = format!("SELECT * FROM X WHERE a = '{}'", "b".repeat(wql::MAX_TEXT));
    let deep = format!("SELECT * FROM X WHERE {}a = 1{}", "(".repeat(65), ")".repeat(65));
    let negated = format!("SELECT * FROM X WHERE {} a = 1", "NOT ".repeat(65));
    let mixed = format!("SELECT * FROM X WHERE {}a = 1{}", "NOT (".repeat(33), ")".repeat(33));
    for text in [long, deep, negated, mixed] {
        assert_eq!(wql::parse(&text).expect_err("too large").status(), Status::QuotaViolation);
    }
    let just = format!("SELECT * FROM X WHERE {}a = 1{}", "(".repeat(64), ")".repeat(64));
    wql::parse(&just).unwrap();
    let many = vec!["a = 1"; 1_500].join(" OR ");
    wql::parse(&format!("SELECT * FROM X WHERE {many}")).unwrap();
}

#[test]
fn conditions_invalid_for_the_class_are_rejected() {
    let (class, _) = classes();
    let row = Instance::new(class);
    for condition in [
        // Properties that do not exist.
        "Missing = 1",
        "Missing IS NULL",
        "Missing LIKE 'a'",
        "__Missing = 1",
        // Comparisons of order for booleans.
        "Flag < TRUE",
        "Flag >= 1",
        "TRUE > Flag",
        "Flag = 2",
        "Flag = 'yes'",
        // Constants that are not of the type of the property.
        "Id = 'abc'",
        "Id = TRUE",
        "Id = ''",
        "Half = 'abc'",
        "When = 'tomorrow'",
        "When = 5",
        "Letter = 'ab'",
        "Text = TRUE",
        "Ref = 'not a path'",
        "Ref < 'Part=\"a\"'",
        // LIKE for types other than strings.
        "Id LIKE '1%'",
        "When LIKE '2013%'",
        "Flag LIKE 'T%'",
        "Numbers[0] LIKE '1'",
        // Comparisons of whole arrays.
        "Many = 'a'",
        "Many LIKE 'a'",
        "Numbers > 1",
        "Text[0] = 'a'",
        "Id[1] = 1",
        // Members of properties other than instances.
        "Text.Name = 'a'",
        "Many.Name = 'a'",
        "Text ISA 'Part'",
        "Inner = 'a'",
    ] {
        let error = holds(&row, condition).expect_err(condition);
        assert_eq!(error.status(), Status::InvalidQuery, "{condition}: {error}");
    }
}
