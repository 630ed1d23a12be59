//! Every production of the grammar, in the spellings of real clients.

use telarch_cim::wql;

/// Checks the printed form of parsed queries.
fn assert_printed(cases: &[(&str, &str)]) {
    for (text, printed) in cases {
        let query = wql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(query.to_string(), *printed, "{text}");
        let again = wql::parse(printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again.to_string(), *printed);
    }
}

#[test]
fn select_names_columns_and_a_class() {
    assert_printed(&[
        ("select * from Win32_Process", "SELECT * FROM Win32_Process"),
        ("SELECT Name, ProcessId FROM Win32_Process", "SELECT Name, ProcessId FROM Win32_Process"),
        ("Select\tName\r\nFrom\nWin32_Process ;", "SELECT Name FROM Win32_Process"),
        ("SELECT TargetInstance.Name,a.b[3] FROM X", "SELECT TargetInstance.Name, a.b[3] FROM X"),
        ("SELECT __PATH, __CLASS FROM X", "SELECT __PATH, __CLASS FROM X"),
        ("SELECT Group, Like FROM X", "SELECT Group, Like FROM X"),
    ]);
}

#[test]
fn comparisons_may_have_the_constant_on_either_side() {
    assert_printed(&[
        ("SELECT * FROM X WHERE a=1", "SELECT * FROM X WHERE a = 1"),
        ("SELECT * FROM X WHERE a != 'b'", "SELECT * FROM X WHERE a <> \"b\""),
        ("SELECT * FROM X WHERE 1 < a", "SELECT * FROM X WHERE a > 1"),
        ("SELECT * FROM X WHERE 1 >= a", "SELECT * FROM X WHERE a <= 1"),
        ("SELECT * FROM X WHERE 'b' = a", "SELECT * FROM X WHERE a = \"b\""),
        ("SELECT * FROM X WHERE a>=-5 AND b<=+6", "SELECT * FROM X WHERE a >= -5 AND b <= 6"),
        ("SELECT * FROM X WHERE a<>1.5e3", "SELECT * FROM X WHERE a <> 1.5e3"),
    ]);
}

#[test]
fn null_can_be_tested_in_four_ways() {
    assert_printed(&[
        ("SELECT * FROM X WHERE a IS NULL", "SELECT * FROM X WHERE a IS NULL"),
        ("SELECT * FROM X WHERE a is not null", "SELECT * FROM X WHERE NOT a IS NULL"),
        ("SELECT * FROM X WHERE a = NULL", "SELECT * FROM X WHERE a IS NULL"),
        ("SELECT * FROM X WHERE NULL <> a", "SELECT * FROM X WHERE NOT a IS NULL"),
    ]);
}

#[test]
fn not_binds_tighter_than_and_which_binds_tighter_than_or() {
    assert_printed(&[
        (
            "SELECT * FROM X WHERE NOT a=1 AND b=2 OR c=3",
            "SELECT * FROM X WHERE (NOT a = 1 AND b = 2) OR c = 3",
        ),
        ("SELECT * FROM X WHERE a=1 AND (b=2 OR c=3)", "SELECT * FROM X WHERE a = 1 AND (b = 2 OR c = 3)"),
        ("SELECT * FROM X WHERE a=1 or b=2 and c=3", "SELECT * FROM X WHERE a = 1 OR (b = 2 AND c = 3)"),
        ("SELECT * FROM X WHERE NOT (a=1 OR b=2)", "SELECT * FROM X WHERE NOT (a = 1 OR b = 2)"),
        ("SELECT * FROM X WHERE ((a=1))", "SELECT * FROM X WHERE a = 1"),
    ]);
}

#[test]
fn strings_have_two_quotes_and_three_escapes() {
    assert_printed(&[
        (r#"SELECT * FROM X WHERE a="it's""#, r#"SELECT * FROM X WHERE a = "it's""#),
        (r#"SELECT * FROM X WHERE a='say "x"'"#, r#"SELECT * FROM X WHERE a = "say \"x\"""#),
        (r#"SELECT * FROM X WHERE a='it\'s'"#, r#"SELECT * FROM X WHERE a = "it's""#),
        (r#"SELECT * FROM X WHERE a="C:\\Windows""#, r#"SELECT * FROM X WHERE a = "C:\\Windows""#),
        (r#"SELECT * FROM X WHERE a="""#, r#"SELECT * FROM X WHERE a = """#),
    ]);
}

#[test]
fn like_and_isa_are_operators() {
    assert_printed(&[
        ("SELECT * FROM X WHERE a LIKE '%b_'", "SELECT * FROM X WHERE a LIKE \"%b_\""),
        ("SELECT * FROM X WHERE a not like '[a-f]%'", "SELECT * FROM X WHERE NOT a LIKE \"[a-f]%\""),
        ("SELECT * FROM X WHERE NOT a LIKE ''", "SELECT * FROM X WHERE NOT a LIKE \"\""),
        ("SELECT * FROM X WHERE T ISA 'Y'", "SELECT * FROM X WHERE T ISA \"Y\""),
        ("SELECT * FROM X WHERE T ISA Y", "SELECT * FROM X WHERE T ISA \"Y\""),
        ("SELECT * FROM meta_class WHERE __this ISA 'Y'", "SELECT * FROM meta_class WHERE __this ISA \"Y\""),
    ]);
}

#[test]
fn event_queries_have_intervals_and_groups() {
    assert_printed(&[
        (
            "SELECT * FROM __InstanceCreationEvent WITHIN 5 WHERE TargetInstance ISA 'Win32_Process'",
            "SELECT * FROM __InstanceCreationEvent WITHIN 5 WHERE TargetInstance ISA \"Win32_Process\"",
        ),
        ("SELECT * FROM E WITHIN 0.5", "SELECT * FROM E WITHIN 0.500000000"),
        (
            "SELECT * FROM E WHERE a=1 GROUP WITHIN 600 BY TargetInstance.SourceName HAVING NumberOfEvents > 25",
            "SELECT * FROM E WHERE a = 1 GROUP WITHIN 600 BY TargetInstance.SourceName HAVING NumberOfEvents > 25",
        ),
        ("SELECT * FROM E GROUP WITHIN 10", "SELECT * FROM E GROUP WITHIN 10"),
        ("SELECT * FROM E GROUP WITHIN 10 BY a, b", "SELECT * FROM E GROUP WITHIN 10 BY a, b"),
    ]);
}

#[test]
fn associators_take_words_separated_by_blanks() {
    assert_printed(&[
        (
            "ASSOCIATORS of {Win32_NetworkAdapter.DeviceID='1'} WHERE ResultClass=Win32_PnPEntity",
            "ASSOCIATORS OF {Win32_NetworkAdapter.DeviceID=\"1\"} WHERE ResultClass = Win32_PnPEntity",
        ),
        (
            "associators of {X=\"}\"} where role=\"a\" AssocClass = B  KeysOnly resultrole=c",
            "ASSOCIATORS OF {X=\"}\"} WHERE KeysOnly AssocClass = B ResultRole = c Role = a",
        ),
        (
            "ASSOCIATORS OF {X=@} WHERE RequiredQualifier=q RequiredAssocQualifier=r ClassDefsOnly",
            "ASSOCIATORS OF {X=@} WHERE ClassDefsOnly RequiredAssocQualifier = r RequiredQualifier = q",
        ),
        ("ASSOCIATORS OF {root\\cimv2:X.A=1,B=2}", "ASSOCIATORS OF {root\\cimv2:X.A=1,B=2}"),
        ("ASSOCIATORS OF {X} WHERE SchemaOnly", "ASSOCIATORS OF {X} WHERE SchemaOnly"),
    ]);
}

#[test]
fn references_take_fewer_words() {
    assert_printed(&[
        ("REFERENCES OF {X.A='b'}", "REFERENCES OF {X.A=\"b\"}"),
        (
            "references of {X=1} where ResultClass=Y Role=z",
            "REFERENCES OF {X=1} WHERE ResultClass = Y Role = z",
        ),
        ("REFERENCES OF {X=1} WHERE ClassDefsOnly", "REFERENCES OF {X=1} WHERE ClassDefsOnly"),
        (
            "REFERENCES OF {X=1} WHERE KeysOnly RequiredQualifier=q;",
            "REFERENCES OF {X=1} WHERE KeysOnly RequiredQualifier = q",
        ),
    ]);
}
