//! Cost of writing rows, relative to copying the same text, and of parsing a query and a schema.
//!
//! Run with `cargo bench -p telarch-cim`.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // A benchmark prints, and its inputs are its own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use telarch_cim::uri::UriForm;
use telarch_cim::wql::{Predicate, Query};
use telarch_cim::wscim::{Selection, Writer};
use telarch_cim::{CimType, DateTime, Instance, Namespace, Origin, Schema, Value, wql};

fn main() {
    let schema = Schema::of(Namespace::cimv2());
    let class = schema.require("Win32_Process").unwrap();
    let origin = Origin { server: "node7".to_owned(), namespace: Namespace::cimv2(), offset: 0 };
    let rows: Vec<Instance> = (0..400_u32).map(|number| filled(&class, number)).collect();
    let writer = Writer::new(UriForm::Wmi, origin.clone());
    let write = || {
        let mut out = xml::Writer::with_capacity(2 << 20);
        let mut layout = writer.rows(Selection::Whole);
        rows.iter().for_each(|row| layout.write(&mut out, row));
        out.finish()
    };
    let text = write();
    let copied = best(|| black_box(black_box(&text).clone()).len());
    let written = best(|| write().len());
    let ratio = written.as_secs_f64() / copied.as_secs_f64();
    println!("write 400 rows    {:>9} bytes {:>9} ns {ratio:6.2} x one copy", text.len(), written.as_nanos());
    let fill = best(|| (0..400).map(|number| filled(&class, number).values().len()).sum());
    println!("fill 400 rows     {:>9}       {:>9} ns", "", fill.as_nanos());
    let query = "SELECT Name, ProcessId FROM Win32_Process WHERE Handle = '42' AND Name LIKE 'ssh%' AND ThreadCount > 5";
    let plan = best(|| {
        let Query::Select(select) = wql::parse(black_box(query)).unwrap() else { unreachable!() };
        let predicate = Predicate::bind(&select, &class, &origin).unwrap();
        predicate.pinned(class.keys()).unwrap().len()
    });
    println!("parse and plan    {:>9} bytes {:>9} ns", query.len(), plan.as_nanos());
    let Query::Select(select) =
        wql::parse("SELECT * FROM Win32_Process WHERE Name LIKE '%d%' AND ThreadCount > 5").unwrap()
    else {
        unreachable!()
    };
    let predicate = Predicate::bind(&select, &class, &origin).unwrap();
    let evaluate = best(|| rows.iter().filter(|row| predicate.evaluate(row)).count());
    println!("evaluate 400 rows {:>9}       {:>9} ns", "", evaluate.as_nanos());
    let open = best(|| usize::from(Schema::of(Namespace::cimv2()).class("Win32_Process").is_some()));
    println!("open a schema     {:>9}       {:>9} ns, once it was indexed", "", open.as_nanos());
}

/// Creates a row with a value in every column.
fn filled(class: &std::sync::Arc<telarch_cim::Class>, number: u32) -> Instance {
    let mut row = Instance::new(class.clone());
    for (column, property) in class.columns().iter().zip(class.properties()) {
        let value = match &property.kind.element {
            CimType::String => Value::text(format!("/usr/sbin/sshd -D {number}")),
            CimType::DateTime => Value::DateTime(DateTime::parse("20130415162843.488171+000").unwrap()),
            kind => kind.integer(number.into()).unwrap(),
        };
        row.set(column, value).unwrap();
    }
    row
}

fn best(mut call: impl FnMut() -> usize) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..50 {
        let start = Instant::now();
        black_box(call());
        best = best.min(start.elapsed());
    }
    best
}
