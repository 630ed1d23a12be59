//! WQL: grammar, errors, matching rows, and push-down.

mod errors;
mod grammar;
mod push_down;

mod rows;
mod schema_queries;

use std::sync::Arc;

use telarch_cim::wql::{self, Predicate, Query, Select};
use telarch_cim::{Class, Error, Instance, mof};

use crate::origin;

/// Parses a SELECT query.
fn select(text: &str) -> Select {
    match wql::parse(text) {
        Ok(Query::Select(select)) => select,
        other => panic!("{text}: {other:?}"),
    }
}

/// Returns a class with a property of each kind, and the class of its embedded instance.
fn classes() -> (Arc<Class>, Arc<Class>) {
    let text = r#"
        class Part { [key] string Name; uint32 Size; datetime Made; };
        class Sample {
            [key] string Handle; [key] uint32 Id; boolean Flag; uint8 Small; sint64 Big; uint64 Huge;
            real32 Half; real64 Whole; char16 Letter; string Text; datetime When; datetime Span;
            Part REF Ref; string Many[]; uint16 Numbers[]; [EmbeddedInstance("Part")] string Inner;
        };"#;
    let derive = |item: &mof::Item| match item {
        mof::Item::Class(declaration) => Arc::new(Class::derive(declaration, None).unwrap()),
        other => panic!("{other:?}"),
    };
    let items = mof::parse(text).unwrap();
    (derive(&items[1]), derive(&items[0]))
}

/// Evaluates a condition for a row.
fn holds(row: &Instance, condition: &str) -> Result<bool, Error> {
    let Query::Select(select) = wql::parse(&format!("SELECT * FROM Sample WHERE {condition}"))? else {
        panic!("the query must begin with SELECT")
    };
    Ok(Predicate::bind(&select, row.class(), &origin())?.evaluate(row))
}
