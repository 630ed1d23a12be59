//! Tests of the meaning of WQL, rule by rule, from the text of a query to the rows or the error code.
//!
//! Each rule has at least three cases; the test counts them.

use cim::{Namespace, Schema, Value};
use telarch_repository::{ReloadingEngine, Repository};
use wmi::{Context, Engine, Outcome, Rows};

use crate::{compile, default};

/// Expected result of a query.
enum Expected {
    /// The `Id`s of the rows, or the names of the classes, in order.
    Found(&'static str),
    /// The number of an error.
    Refused(u32),
}

use Expected::{Found, Refused};

const INVALID_CLASS: u32 = 0x8004_1010;
const INVALID_QUERY: u32 = 0x8004_1017;
const INVALID_OBJECT_PATH: u32 = 0x8004_103A;
const QUOTA_VIOLATION: u32 = 0x8004_106C;

/// Four instances and their associations; `c` is of a subclass, and `n` has no value except its key.
const THINGS: &str = r#"
class Part { [Key] string Name; uint32 Size; };
class Site { [Key] string Id; };
class Thing : Site {
    uint32 Number; uint64 Huge; boolean Flag; string Text; datetime When; string Many[]; real64 Share;
    [EmbeddedInstance("Part")] string Inner;
};
class Special : Thing { };
[Association] class Link { [Key] Site ref Left; [Key] Site ref Right; };
[Association] class Tie { [Key] Thing ref Upper; [Key] Thing ref Lower; };

instance of Thing as $a {
    Id = "a"; Number = 4; Huge = 18446744073709551615; Flag = TRUE; Text = "Größe 100%"; Share = 2.5;
    When = "20130415162843.488171+000"; Many = {"x", "y"};
    Inner = instance of Part { Name = "Wheel"; Size = 7; };
};
instance of Thing as $b {
    Id = "b"; Number = 40; Huge = 5; Flag = FALSE; Text = "C:\\Windows"; When = "20130416182843.000000+120";
};
instance of Special as $c {
    Id = "c"; Number = 7; Huge = 9223372036854775808; Flag = TRUE; Text = "[d]_e";
    When = "2013041516****.******+000";
};
instance of Thing { Id = "n"; };
instance of Link { Left = $a; Right = $b; };
instance of Link { Left = $a; Right = $c; };
instance of Tie { Upper = $a; Lower = $b; };
"#;

/// A rule, and queries that it decides. A condition alone stands for a query of all things.
const RULES: &[(&str, &[(&str, Expected)])] = &[
    (
        "words are known in any case, between any white space, and a semicolon may end it",
        &[
            ("select * from THING where flag = true", Found("a c")),
            ("SELECT\tid\r\nFROM\nthing\r\nWHERE\tNumber=4", Found("a")),
            ("Select Id From Thing Where Flag = False;", Found("b")),
        ],
    ),
    (
        "NOT binds closer than AND, and that than OR",
        &[
            ("Number = 4 OR Number = 7 AND Flag = FALSE", Found("a")),
            ("Flag = FALSE AND Number = 4 OR Number = 7", Found("c")),
            ("NOT Number = 4 AND Flag = TRUE", Found("c")),
            ("NOT Number = 4 OR Flag = TRUE", Found("a b c n")),
        ],
    ),
    (
        "parentheses decide what belongs together",
        &[
            ("(Number = 4 OR Number = 7) AND Flag = TRUE", Found("a c")),
            ("NOT (Number = 4 OR Flag = FALSE)", Found("c n")),
            ("((Number = 40))", Found("b")),
            ("(Number = 40", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "a constant may stand on either side, and an operator turns with it",
        &[("40 = Number", Found("b")), ("7 < Number", Found("b")), ("'A' >= Id", Found("a"))],
    ),
    (
        "two properties are not compared",
        &[
            ("Number > Huge", Refused(INVALID_QUERY)),
            ("Text = Id", Refused(INVALID_QUERY)),
            ("Inner.Name <> Text", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "texts are compared without regard to case",
        &[
            ("Text = 'GRÖßE 100%'", Found("a")),
            ("Id < 'C'", Found("a b")),
            ("Id LIKE '[A-B]'", Found("a b")),
            ("Text <> 'c:\\\\windows'", Found("a c")),
        ],
    ),
    (
        "texts are quoted in two ways, and a backslash escapes",
        &[
            (r#"Text = "C:\\Windows""#, Found("b")),
            (r"Id = 'a\'' OR Id = 'b'", Found("b")),
            (r#"Id = "a\"" OR Id = "c""#, Found("c")),
            (r"Text = 'C:\Windows'", Refused(INVALID_QUERY)),
            ("Text = 'C:", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "a constant becomes a value of the property's type",
        &[
            ("Number = '40'", Found("b")),
            ("Id = 4", Found("")),
            ("Share = '2.5'", Found("a")),
            ("Number < 5.5", Found("a")),
            ("Huge > 9223372036854775807", Found("a c")),
            ("Huge > 40", Found("a c")),
        ],
    ),
    (
        "what cannot become one is refused",
        &[
            ("Number = 'four'", Refused(INVALID_QUERY)),
            ("Number = TRUE", Refused(INVALID_QUERY)),
            ("When = 'tomorrow'", Refused(INVALID_QUERY)),
            ("Text = TRUE", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "booleans are written in three ways",
        &[
            ("Flag = TRUE", Found("a c")),
            ("Flag = 0", Found("b")),
            ("Flag <> 'true'", Found("b")),
            ("Flag != 1", Found("b")),
        ],
    ),
    (
        "and have no order",
        &[
            ("Flag > FALSE", Refused(INVALID_QUERY)),
            ("Flag <= 1", Refused(INVALID_QUERY)),
            ("TRUE >= Flag", Refused(INVALID_QUERY)),
            ("Flag = 2", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "NULL is asked for in four ways",
        &[
            ("Number IS NULL", Found("n")),
            ("Number = NULL", Found("n")),
            ("Many is not null", Found("a")),
            ("NULL <> Many", Found("a")),
        ],
    ),
    (
        "and has no order",
        &[
            ("Number < NULL", Refused(INVALID_QUERY)),
            ("NULL >= Number", Refused(INVALID_QUERY)),
            ("Text LIKE NULL", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "what has no value is unequal to nothing, and NOT turns that round",
        &[
            ("Number <> 4", Found("b c")),
            ("NOT Number <> 4", Found("a n")),
            ("Text NOT LIKE '%'", Found("n")),
            ("NOT Flag = TRUE", Found("b n")),
        ],
    ),
    (
        "arrays are compared by element only",
        &[
            ("Many = 'x'", Refused(INVALID_QUERY)),
            ("Many LIKE 'x'", Refused(INVALID_QUERY)),
            ("Many[1] = 'Y'", Found("a")),
            ("Many[2] IS NULL", Found("a b c n")),
            ("Text[0] = 'x'", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "a property that there is not is refused",
        &[
            ("Missing = 1", Refused(INVALID_QUERY)),
            ("Missing IS NULL", Refused(INVALID_QUERY)),
            ("SELECT Missing FROM Thing", Refused(INVALID_QUERY)),
            ("__Missing = 1", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "of an embedded instance it wants no row",
        &[
            ("Inner.Missing = 1", Found("")),
            ("Inner.Missing IS NULL", Found("")),
            ("Inner.Name.Deeper = 1", Found("")),
            ("Inner.Name = 'wheel'", Found("a")),
            ("Inner.Size > 6", Found("a")),
        ],
    ),
    (
        "times are instants, however they are written",
        &[
            ("When = '20130415162843.488171+000'", Found("a")),
            ("When = '20130415182843.488171+120'", Found("a")),
            ("When = '2013-04-16T16:28:43Z'", Found("b")),
            ("When = '2013-04-16 16:28:43'", Found("b")),
            ("When > '4/16/2013'", Found("b")),
            ("When > '4/16/2013 16:28:43'", Found("")),
        ],
    ),
    (
        "a time with unknown fields equals only its own letters",
        &[
            ("When = '2013041516****.******+000'", Found("c")),
            ("When = '2013041517****.******+000'", Found("")),
            ("When >= '20000101000000.000000+000'", Found("a b")),
        ],
    ),
    (
        "LIKE knows runs, characters and sets",
        &[
            ("Text LIKE '%windows'", Found("b")),
            ("Text LIKE '_r__e%'", Found("a")),
            ("Id LIKE '[a-b]'", Found("a b")),
            ("Id LIKE '[^ab]'", Found("c n")),
            ("Id LIKE '[cn]'", Found("c n")),
            ("Text LIKE 'Größe'", Found("")),
        ],
    ),
    (
        "and takes what stands in a set for itself",
        &[
            ("Text LIKE '%100[%]'", Found("a")),
            ("Text LIKE '%[_]e'", Found("c")),
            ("Text LIKE '[[]d]%'", Found("c")),
            ("Text LIKE '[c'", Found("")),
            (r"Text LIKE 'C:\\%'", Found("b")),
        ],
    ),
    (
        "and is for texts",
        &[
            ("Number LIKE '4%'", Refused(INVALID_QUERY)),
            ("Flag LIKE 'T%'", Refused(INVALID_QUERY)),
            ("When LIKE '2013%'", Refused(INVALID_QUERY)),
            ("Text LIKE 5", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "__CLASS leaves subclasses out",
        &[
            ("__CLASS = 'Thing'", Found("a b n")),
            ("__CLASS = 'special'", Found("c")),
            ("__CLASS <> 'Special' AND Flag = TRUE", Found("a")),
            ("SELECT * FROM Special WHERE __CLASS = 'Thing'", Found("")),
        ],
    ),
    (
        "ISA takes them in",
        &[
            ("__this ISA 'Thing'", Found("a b c n")),
            ("__this ISA Special", Found("c")),
            ("__this ISA 'Link'", Found("")),
            ("Inner ISA 'Part'", Found("a")),
        ],
    ),
    (
        "the other properties of the system are texts and numbers",
        &[
            ("__DYNASTY = 'Site' AND __SUPERCLASS = 'Thing'", Found("c")),
            ("__RELPATH = 'Thing.Id=\"a\"'", Found("a")),
            ("__GENUS = 2 AND __SERVER = 'NODE7' AND Number = 7", Found("c")),
            ("__NAMESPACE = 'root\\\\default' AND __PATH LIKE '%:Special.Id=%'", Found("c")),
        ],
    ),
    (
        "a selection is of one class and its subclasses",
        &[
            ("SELECT * FROM Site", Found("a b c n")),
            ("SELECT Id FROM Special", Found("c")),
            ("SELECT * FROM Missing", Refused(INVALID_CLASS)),
            ("SELECT * FROM Thing, Special", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "what SQL has and WQL has not is refused",
        &[
            ("SELECT COUNT(*) FROM Thing", Refused(INVALID_QUERY)),
            ("SELECT DISTINCT Id FROM Thing", Refused(INVALID_QUERY)),
            ("SELECT * FROM Thing ORDER BY Id", Refused(INVALID_QUERY)),
            ("Number + 1 = 5", Refused(INVALID_QUERY)),
            ("Number IN (4, 7)", Refused(INVALID_QUERY)),
            ("DELETE FROM Thing", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "associators are told once for each way to them",
        &[
            ("ASSOCIATORS OF {Thing.Id='a'}", Found("b b c")),
            ("ASSOCIATORS OF {Thing='A'} WHERE AssocClass = Tie", Found("b")),
            ("associators of {Special='c'}", Found("a")),
            ("ASSOCIATORS OF {Thing='n'}", Found("")),
        ],
    ),
    (
        "roles, classes and qualifiers leave ways out",
        &[
            ("ASSOCIATORS OF {Thing='a'} WHERE ResultClass = Special", Found("c")),
            ("ASSOCIATORS OF {Thing='a'} WHERE Role = Right", Found("")),
            ("ASSOCIATORS OF {Thing='a'} WHERE Role = Left ResultRole = 'Right'", Found("b c")),
            ("ASSOCIATORS OF {Thing='a'} WHERE RequiredAssocQualifier = Missing", Found("")),
            ("ASSOCIATORS OF {Thing='a'} WHERE KeysOnly AssocClass=Link", Found("b c")),
        ],
    ),
    (
        "references are the associations",
        &[
            ("REFERENCES OF {Thing='a'} WHERE ClassDefsOnly", Found("Link Tie")),
            ("REFERENCES OF {Thing='n'}", Found("")),
            ("REFERENCES OF {Thing='a'} WHERE ResultClass = Thing", Found("")),
            ("REFERENCES OF {Thing='a'} WHERE AssocClass = Link", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "their words stand between blanks and do not contradict each other",
        &[
            ("ASSOCIATORS OF {Thing='a'} WHERE Role=Left AND ResultClass=Thing", Refused(INVALID_QUERY)),
            ("ASSOCIATORS OF {Thing='a'} WHERE ResultClass<>Thing", Refused(INVALID_QUERY)),
            ("ASSOCIATORS OF {Thing='a'} WHERE ClassDefsOnly ResultClass=Thing", Refused(INVALID_QUERY)),
            ("ASSOCIATORS OF {Thing='a'} WHERE", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "and what they start from is a path",
        &[
            ("ASSOCIATORS OF {}", Refused(INVALID_OBJECT_PATH)),
            ("ASSOCIATORS OF {Thing.Id}", Refused(INVALID_OBJECT_PATH)),
            ("REFERENCES OF {Thing.Id=a}", Refused(INVALID_OBJECT_PATH)),
        ],
    ),
    (
        "classes are found by what they are",
        &[
            ("SELECT * FROM meta_class WHERE __this ISA 'Site'", Found("Site Special Thing")),
            ("SELECT * FROM meta_class WHERE __Class = 'tie'", Found("Tie")),
            ("SELECT * FROM meta_class WHERE __Superclass = 'Thing'", Found("Special")),
            ("SELECT * FROM meta_class WHERE Id = 'a'", Refused(INVALID_QUERY)),
        ],
    ),
    (
        "events are subscribed to, not listed",
        &[
            ("SELECT * FROM __InstanceCreationEvent WITHIN 5", Refused(INVALID_QUERY)),
            ("SELECT * FROM Thing WITHIN 5", Refused(INVALID_QUERY)),
            ("SELECT * FROM Thing GROUP WITHIN 5", Refused(INVALID_QUERY)),
        ],
    ),
];

#[tokio::test]
async fn each_rule_of_wql_holds_in_at_least_three_cases() {
    let reloading = things();
    let engine = reloading.engine();
    for (rule, cases) in RULES {
        assert!(cases.len() >= 3, "{rule}: {} cases", cases.len());
        for (text, wanted) in *cases {
            let reported = result_of(&engine, &whole(text)).await;
            match wanted {
                Found(names) => assert_eq!(reported.as_deref(), Ok(*names), "{rule}: {text}"),
                Refused(code) => assert_eq!(reported, Err(*code), "{rule}: {text}"),
            }
        }
    }
}

#[tokio::test]
async fn queries_at_the_limits_are_accepted_and_larger_ones_refused() {
    let reloading = things();
    let engine = reloading.engine();
    let nested = |depth: usize| format!("{}Number = 4{}", "(".repeat(depth), ")".repeat(depth));
    let longer = |length: usize| format!("Id = 'a' OR Text = '{}'", "x".repeat(length));
    for (condition, wanted) in [
        (nested(64), Ok("a")),
        (nested(65), Err(QUOTA_VIOLATION)),
        (format!("{} Number = 4", "NOT ".repeat(64)), Ok("a")),
        (format!("{} Number = 4", "NOT ".repeat(65)), Err(QUOTA_VIOLATION)),
        (longer(16_000), Ok("a")),
        (longer(16_384), Err(QUOTA_VIOLATION)),
    ] {
        let reported = result_of(&engine, &whole(&condition)).await;
        assert_eq!(reported.as_deref().map_err(|code| *code), wanted, "{condition:.60}");
    }
}

/// A pattern for which a backtracking matcher would take unreasonably long.
#[tokio::test]
async fn a_pattern_of_thousands_of_wildcards_is_evaluated() {
    let reloading = things();
    let engine = reloading.engine();
    let pattern = format!("Text LIKE '{}'", "%_".repeat(4_000));
    assert_eq!(result_of(&engine, &whole(&pattern)).await, Ok(String::new()));
}

fn things() -> ReloadingEngine {
    let begin = || Engine::builder("node7", 0).namespace(Schema::of(Namespace::cimv2()));
    let reloading = ReloadingEngine::new(Repository::in_memory().into(), begin).unwrap();
    reloading.repository().update(|contents| compile(contents, THINGS)).unwrap();
    reloading
}

fn whole(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match first.as_str() {
        "SELECT" | "ASSOCIATORS" | "REFERENCES" | "DELETE" => text.to_owned(),
        _ => format!("SELECT * FROM Thing WHERE {text}"),
    }
}

/// Returns the names of the results in order, or the number of the error.
async fn result_of(engine: &Engine, query: &str) -> Result<String, u32> {
    let outcome = engine.run(&Context::of_this_process("alice"), &default(), query);
    let mut names = match outcome.map_err(|error| error.status().code())? {
        Outcome::Rows(rows, _) => ids(rows).await?,
        Outcome::Classes(classes) => classes.iter().map(|class| class.name().to_string()).collect(),
    };
    names.sort();
    Ok(names.join(" "))
}

async fn ids(mut rows: Rows) -> Result<Vec<String>, u32> {
    let mut ids = Vec::new();
    while let Some(row) = rows.next().await {
        let row = row.map_err(|error| error.status().code())?;
        match row.value("Id") {
            Some(Value::String(id)) => ids.push(id.to_string()),
            other => panic!("{other:?}"),
        }
    }
    Ok(ids)
}
