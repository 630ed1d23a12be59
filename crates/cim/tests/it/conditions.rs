//! Random conditions compared with a naive evaluation without types, pins and bounds.

use telarch_cim::wql::{self, Predicate, Query, Select};
use telarch_cim::{Class, Column, DateTime, Instance, Timestamp, Value};

use super::{declaration, origin};

#[test]
fn conditions_match_the_same_rows_as_naive_evaluation() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let class = class();
    let rows = rows(&class);
    let (mut wanted, mut pinned, mut bounded) = (0, 0, 0);
    for _ in 0..1_000 {
        let condition = Naive::random(&mut random, 4);
        let text = format!("SELECT * FROM Row WHERE {}", condition.text());
        let select = select(&text);
        let predicate =
            Predicate::bind(&select, &class, &origin()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let printed = select.to_string();
        let again = Predicate::bind(&self::select(&printed), &class, &origin()).unwrap();
        let column = |name: &str| class.column(name).unwrap();
        let key = [column("Name"), column("Id")];
        let sets: [&[Column]; 4] = [&key, &key[..1], &key[1..], &[column("Flag"), column("Id")]];
        let pins = sets.map(|columns| (columns, predicate.pinned(columns)));
        let not_before = predicate.not_before(column("When"));
        for row in &rows {
            let expected = condition.holds(row);
            assert_eq!(predicate.evaluate(row), expected, "{text} of {row:?}");
            assert_eq!(again.evaluate(row), expected, "{text} is printed as {printed}");
            assert!(predicate.constant().is_none_or(|constant| constant == expected), "{text}");
            if !expected {
                continue;
            }
            wanted += 1;
            for (columns, pins) in &pins {
                let Some(pins) = pins else { continue };
                let has = |set: &Vec<Value>| {
                    set.iter().zip(*columns).all(|(pin, column)| same(pin, row.at(*column)))
                };
                assert!(
                    pins.iter().any(has),
                    "{text} matches a row whose {columns:?} it does not pin: {row:?}"
                );
                pinned += 1;
            }
            if let Some(not_before) = not_before {
                let Value::DateTime(DateTime::Timestamp(when)) = row.at(column("When")) else {
                    panic!("{text} matches a row without a date, but has an earliest date: {row:?}")
                };
                assert!(
                    when.unix_micros() >= not_before,
                    "{text} matches a row before {not_before}: {row:?}"
                );
                bounded += 1;
            }
        }
    }
    assert!(wanted > 50_000 && pinned > 1_000 && bounded > 1_000, "{wanted}, {pinned}, {bounded}");
}

/// A condition with naive evaluation.
enum Naive {
    And(Vec<Naive>),
    Or(Vec<Naive>),
    Not(Box<Naive>),
    Compare { name: &'static str, operator: &'static str, constant: Constant, is_mirrored: bool },
    Null { name: &'static str, is_not: bool },
    Like(&'static str),
}

#[derive(Clone, Copy)]
enum Constant {
    Text(&'static str),
    Number(i64),
    Boolean(bool),
    /// Hours after the first time.
    When(i64),
}

impl Naive {
    fn random(random: &mut Random, depth: usize) -> Self {
        let several = |random: &mut Random| {
            let count = 1 + random.below(3);
            (0..count).map(|_| Self::random(random, depth - 1)).collect::<Vec<_>>()
        };
        match random.below(if depth == 0 { 5 } else { 9 }) {
            0 => Self::Null { name: NAMES[random.below(NAMES.len())], is_not: random.below(2) == 0 },
            1 => Self::Like(["%", "a%", "_", "[a-b]", "%B"][random.below(5)]),
            2..5 => {
                let constants = [
                    ("Name", Constant::Text(TEXTS[random.below(3)])),
                    ("Id", Constant::Number(random.below(5) as i64 - 1)),
                    ("Flag", Constant::Boolean(random.below(2) == 0)),
                    ("Big", Constant::Number(random.below(5) as i64 - 2)),
                    ("When", Constant::When(random.below(4) as i64 - 1)),
                ];
                let (name, constant) = constants[random.below(constants.len())];
                let operators = ["=", "<>", "!=", "<", "<=", ">", ">="];
                let count = if name == "Flag" { 3 } else { operators.len() };
                let operator = operators[random.below(count)];
                Self::Compare { name, operator, constant, is_mirrored: random.below(4) == 0 }
            }
            5 | 6 => Self::And(several(random)),
            7 => Self::Or(several(random)),
            _ => Self::Not(Box::new(Self::random(random, depth - 1))),
        }
    }

    fn text(&self) -> String {
        let joined = |all: &[Self], word: &str| {
            let all: Vec<_> = all.iter().map(|part| format!("({})", part.text())).collect();
            all.join(word)
        };
        match self {
            Self::And(all) => joined(all, " AND "),
            Self::Or(all) => joined(all, " or "),
            Self::Not(inner) => format!("NOT ({})", inner.text()),
            Self::Compare { name, operator, constant, is_mirrored } => {
                let constant = match constant {
                    Constant::Text(text) => format!("'{text}'"),
                    Constant::Number(number) => number.to_string(),
                    Constant::Boolean(value) => value.to_string(),
                    Constant::When(hours) => format!("\"{}\"", when(*hours)),
                };
                let mirrored = match *operator {
                    "<" => ">",
                    "<=" => ">=",
                    ">" => "<",
                    ">=" => "<=",
                    same => same,
                };
                if *is_mirrored {
                    format!("{constant} {mirrored} {name}")
                } else {
                    format!("{name}{operator}{constant}")
                }
            }
            Self::Null { name, is_not } => format!("{name} IS {}NULL", if *is_not { "NOT " } else { "" }),
            Self::Like(pattern) => format!("Name LIKE '{pattern}'"),
        }
    }

    /// Evaluates with two truth values: a missing value is neither equal nor unequal, and NOT inverts that.
    fn holds(&self, row: &Instance) -> bool {
        match self {
            Self::And(all) => all.iter().all(|part| part.holds(row)),
            Self::Or(all) => all.iter().any(|part| part.holds(row)),
            Self::Not(inner) => !inner.holds(row),
            Self::Null { name, is_not } => row.value(name).unwrap().is_null() != *is_not,
            Self::Like(pattern) => {
                match row.value("Name").unwrap().as_str().map(str::to_lowercase).as_deref() {
                    Some("a") => ["%", "a%", "_", "[a-b]"].contains(pattern),
                    Some("b") => ["%", "_", "[a-b]", "%B"].contains(pattern),
                    Some("") => *pattern == "%",
                    _ => false,
                }
            }
            Self::Compare { name, operator, constant, .. } => {
                let order = match (row.value(name).unwrap(), constant) {
                    (Value::Null, _) => return false,
                    (Value::Boolean(value), Constant::Boolean(wanted)) => value.cmp(wanted),
                    (Value::DateTime(DateTime::Timestamp(value)), Constant::When(hours)) => {
                        value.unix_micros().cmp(&(hours * HOUR))
                    }
                    (value, Constant::Number(wanted)) => {
                        value.as_integer().unwrap().cmp(&i128::from(*wanted))
                    }
                    (value, Constant::Text(wanted)) => {
                        value.as_str().unwrap().to_lowercase().as_str().cmp(wanted.to_lowercase().as_str())
                    }
                    (value, _) => panic!("{value:?}"),
                };
                match *operator {
                    "=" => order.is_eq(),
                    "<>" | "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
        }
    }
}

fn class() -> std::sync::Arc<Class> {
    let text = "class Row { [key] string Name; [key] uint32 Id; boolean Flag; sint64 Big; datetime When; };";
    Class::derive(&declaration(text), None).unwrap().into()
}

/// Returns every combination of a few values, and of no value, in each property.
fn rows(class: &std::sync::Arc<Class>) -> Vec<Instance> {
    let mut rows = vec![Instance::new(class.clone())];
    let values: [(&str, Vec<Value>); 5] = [
        ("Name", [Value::Null].into_iter().chain(["a", "B", ""].map(Value::text)).collect()),
        ("Id", vec![Value::Null, 0_u32.into(), 1_u32.into(), 3_u32.into()]),
        ("Flag", vec![Value::Null, true.into(), false.into()]),
        ("Big", vec![Value::Null, (-1_i64).into(), 2_i64.into()]),
        ("When", vec![Value::Null, when(0).into(), when(1).into()]),
    ];
    for (name, values) in values {
        let with = |row: &Instance| -> Vec<Instance> {
            values.iter().map(|value| row.clone().with(name, value.clone()).unwrap()).collect()
        };
        rows = rows.iter().flat_map(with).collect();
    }
    rows
}

fn when(hours: i64) -> DateTime {
    DateTime::Timestamp(Timestamp::from_unix_micros(hours * HOUR, 60).unwrap())
}

fn select(text: &str) -> Select {
    match wql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
        Query::Select(select) => select,
        other => panic!("{other:?}"),
    }
}

fn same(pin: &Value, value: &Value) -> bool {
    match (pin.as_str(), value.as_str()) {
        (Some(pin), Some(value)) => wql::equal(pin, value),
        _ => pin == value,
    }
}

const NAMES: [&str; 5] = ["Name", "Id", "Flag", "Big", "When"];
const TEXTS: [&str; 3] = ["A", "b", ""];
const HOUR: i64 = 3_600_000_000;

/// Pseudorandom numbers, the same in every run (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }
}
