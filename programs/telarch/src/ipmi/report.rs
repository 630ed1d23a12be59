//! What the controllers have answered, as text, a table, JSON, CSV, or for Prometheus.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::str::FromStr;

use cli::screen::{Screen, Table};
use serde_json::{Map, Value};

use super::hosts::Host;
use super::prometheus::Page;
use crate::failure::Failure;
use crate::format::csv_cell;

/// How it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Text,
    Table,
    Json,
    Csv,
    Prometheus,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "prometheus" => Ok(Self::Prometheus),
            other => Err(format!("--format: {other:?} is neither text, table, json, csv nor prometheus")),
        }
    }
}

/// What one controller has answered: for people, and for programs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) text: String,
    /// Each with the same names in the same order.
    pub(super) rows: Vec<Row>,
    /// The same for Prometheus, as far as it is about quantities.
    pub(super) metrics: Page,
    /// Why the exit status is 1, although it was answered.
    pub(super) failure: Option<String>,
}

impl Answer {
    pub(super) fn new(text: String, rows: Vec<Row>) -> Self {
        Self { text, rows, metrics: Page::default(), failure: None }
    }

    /// One thing, of which several are said: a name for programs and a title for people each.
    pub(super) fn fields(fields: impl IntoIterator<Item = (&'static str, &'static str, Value)>) -> Self {
        let fields: Vec<_> = fields.into_iter().collect();
        let width = fields.iter().map(|(_, title, _)| title.len()).max().unwrap_or_default().max(25);
        let text = fields
            .iter()
            .map(|(_, title, value)| format!("{title:<width$} : {}\n", for_people(value)))
            .collect();
        Self::new(text, vec![fields.into_iter().map(|(name, _, value)| (name, value)).collect()])
    }

    /// That something was done.
    pub(super) fn said(name: &'static str, text: &str) -> Self {
        Self::new(format!("{text}\n"), vec![vec![(name, Value::from(text))]])
    }

    /// That something is not as it should be: for people it is told among what went wrong.
    pub(super) fn failed(name: &'static str, text: &str) -> Self {
        let row = vec![(name, Value::from(text))];
        Self { failure: Some(text.to_owned()), ..Self::new(String::new(), vec![row]) }
    }

    pub(super) fn with_metrics(self, metrics: Page) -> Self {
        Self { metrics, ..self }
    }
}

/// A value without the quotation marks of JSON.
pub(super) fn for_people(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// What is said of one thing, by name.
pub(super) type Row = Vec<(&'static str, Value)>;

/// What a row says under a name, for people; nothing where it says nothing.
pub(super) fn cell(row: &Row, wanted: &str) -> String {
    row.iter().find(|(name, _)| *name == wanted).map(|(_, value)| for_people(value)).unwrap_or_default()
}

/// What all have answered, or why they have not.
pub(super) type Answers = Vec<(Host, Result<Answer, String>)>;

/// Prints it.
pub(super) fn print(answers: &Answers, format: Format) -> io::Result<()> {
    // As much at a time as a pipe takes; there may be a hundred thousand lines.
    let mut out = BufWriter::with_capacity(PIPE_OCTETS, io::stdout().lock());
    write(answers, format, &mut out)?;
    out.flush()
}

const PIPE_OCTETS: usize = 1 << 16;

fn write(answers: &Answers, format: Format, out: &mut impl Write) -> io::Result<()> {
    let whole = match format {
        Format::Text => return write_text(answers, out),
        Format::Table => table(answers, &Screen::of_this_process()),
        Format::Json => json(answers),
        Format::Csv => csv(answers),
        Format::Prometheus => metrics(answers),
    };
    out.write_all(whole.as_bytes())
}

/// All rows below each other; those of controllers that answer otherwise, such as another model, among them.
fn table(answers: &Answers, screen: &Screen) -> String {
    let rows = answers
        .iter()
        .filter_map(|(host, answer)| Some((host, answer.as_ref().ok()?)))
        .flat_map(|(host, answer)| answer.rows.iter().map(move |row| (host, row)));
    let names = columns(rows.clone().map(|(_, row)| row));
    if names.is_empty() {
        return String::new();
    }
    let mut table = Table::new(std::iter::once("host").chain(names.iter().copied()));
    for (host, row) in rows {
        let cell = |name: &&str| {
            let value = row.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            value.filter(|value| !value.is_null()).map(for_people).unwrap_or_default()
        };
        table.row(std::iter::once(host.to_string()).chain(names.iter().map(cell)));
    }
    table.print(screen.table_width().unwrap_or(usize::MAX), screen)
}

/// The names of all that is said in any of the rows, each where it came first.
fn columns<'r>(rows: impl Iterator<Item = &'r Row>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for row in rows {
        if !row.iter().map(|(name, _)| name).eq(&names) {
            let more: Vec<_> =
                row.iter().map(|(name, _)| *name).filter(|name| !names.contains(name)).collect();
            names.extend(more);
        }
    }
    names
}

fn metrics(answers: &Answers) -> String {
    let mut page = Page::default();
    for (host, answer) in answers {
        let mut own = answer.as_ref().map(|answer| answer.metrics.clone()).unwrap_or_default();
        own.add("ipmi_up", &[], if answer.is_ok() { 1.0 } else { 0.0 });
        page.append(&host.to_string(), own);
    }
    page.written()
}

/// What went wrong, a line for each controller, and the exit status that goes with it.
pub(super) fn failure(answers: &Answers) -> Option<Failure> {
    let why = |answer: &Result<Answer, String>| match answer {
        Ok(answer) => answer.failure.clone(),
        Err(error) => Some(error.clone()),
    };
    let mut told = HashSet::new();
    let failed: Vec<String> = answers
        .iter()
        .filter_map(|(host, answer)| {
            let error = why(answer)?;
            // Among a thousand, the way out is told once.
            let is_new = told.insert(error.clone());
            let shown = if is_new { error.as_str() } else { error.lines().next().unwrap_or_default() };
            Some(format!("{host}: {shown}"))
        })
        .collect();
    (!failed.is_empty()).then(|| Failure::Failed(failed.join("\ntelarch: ")))
}

fn write_text(answers: &Answers, out: &mut impl Write) -> io::Result<()> {
    let many = answers.len() > 1;
    for (host, answer) in answers {
        let Ok(answer) = answer else { continue };
        let prefix = if many { format!("{host}: ") } else { String::new() };
        for line in answer.text.lines() {
            for part in [&prefix, line, "\n"] {
                out.write_all(part.as_bytes())?;
            }
        }
    }
    Ok(())
}

fn json(answers: &Answers) -> String {
    let all = answers.iter().flat_map(|(host, answer)| {
        let object = |rest: Vec<(&'static str, Value)>| {
            let host = ("host", Value::String(host.to_string()));
            let fields = std::iter::once(host).chain(rest).map(|(name, value)| (name.to_owned(), value));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        match answer {
            Ok(answer) => answer.rows.iter().cloned().map(object).collect(),
            Err(error) => {
                let first = error.lines().next().unwrap_or_default().to_owned();
                vec![object(vec![("error", Value::String(first))])]
            }
        }
    });
    let all = Value::Array(all.collect());
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn csv(answers: &Answers) -> String {
    let rows = answers.iter().filter_map(|(host, answer)| answer.as_ref().ok().map(|answer| (host, answer)));
    let rows = rows.flat_map(|(host, answer)| answer.rows.iter().map(move |row| (host, row)));
    let names = columns(rows.clone().map(|(_, row)| row));
    let mut text = String::new();
    for (host, row) in rows {
        if text.is_empty() {
            text.push_str(&csv_head(&names));
        }
        text.push_str(&csv_line(host, row, &names));
    }
    text
}

/// The first line of CSV.
pub(super) fn csv_head(names: &[&str]) -> String {
    format!("host,{}\n", names.join(","))
}

/// A line of CSV, with a cell for each of these names.
pub(super) fn csv_line(host: &Host, row: &Row, names: &[&str]) -> String {
    let cell = |(_, value): &(&str, Value)| match value {
        Value::String(text) => csv_cell(text),
        Value::Null => String::new(),
        other => csv_cell(&other.to_string()),
    };
    let mut cells = vec![csv_cell(&host.to_string())];
    if row.iter().map(|(name, _)| name).eq(names) {
        cells.extend(row.iter().map(cell));
    } else {
        // Another model may have answered otherwise.
        let under = |wanted: &&str| row.iter().find(|(name, _)| name == wanted).map(cell);
        cells.extend(names.iter().map(|wanted| under(wanted).unwrap_or_default()));
    }
    cells.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answers: &Answers, format: Format) -> String {
        let mut text = Vec::new();
        write(answers, format, &mut text).expect("memory");
        String::from_utf8(text).expect("UTF-8")
    }

    fn answers() -> Answers {
        let host = |name: &str| crate::ipmi::hosts::parse(name).expect("a name").remove(0);
        let row = vec![("name", Value::from("a \"b\", c")), ("value", Value::from(7)), ("none", Value::Null)];
        vec![
            (host("one"), Ok(Answer::new("x\ny".to_owned(), vec![row]))),
            (host("two"), Err("no answer\n  is it there?".to_owned())),
        ]
    }

    #[test]
    fn each_format_has_what_was_answered() {
        assert_eq!(written(&answers(), Format::Text), "one: x\none: y\n");
        assert_eq!(written(&answers(), Format::Csv), "host,name,value,none\none,\"a \"\"b\"\", c\",7,\n");
        assert_eq!(table(&answers(), &Screen::none()), "host  name      value\none   a \"b\", c  7\n");
        assert_eq!(table(&answers().split_off(1), &Screen::none()), "", "of nothing there is no heading");
        let page = written(&answers(), Format::Prometheus);
        assert!(page.ends_with("ipmi_up{bmc=\"one\"} 1\nipmi_up{bmc=\"two\"} 0\n"), "{page}");
        let json: Value = serde_json::from_str(&written(&answers(), Format::Json)).expect("JSON");
        assert_eq!(json.pointer("/1/error"), Some(&"no answer".into()));
        assert_eq!(json.pointer("/0/value"), Some(&7.into()));
    }

    #[test]
    fn each_cell_of_csv_stands_below_its_name_also_where_models_answer_otherwise() {
        let host = |name: &str| crate::ipmi::hosts::parse(name).expect("a name").remove(0);
        let short = vec![("channel", Value::from(1)), ("limit", Value::Null)];
        let long = vec![
            ("channel", Value::from(2)),
            ("mode", Value::from("shared")),
            ("limit", Value::from("user")),
        ];
        let answers: Answers = [("a", short.clone()), ("b", long), ("c", short)]
            .into_iter()
            .map(|(name, row)| (host(name), Ok(Answer::new(String::new(), vec![row]))))
            .collect();
        assert_eq!(
            written(&answers, Format::Csv),
            "host,channel,limit,mode\na,1,,\nb,2,user,shared\nc,1,,\n"
        );
    }

    #[test]
    fn what_failed_is_told_by_host() {
        let mut answers = answers();
        let told = failure(&answers).expect("a failure").to_string();
        assert_eq!(told, "two: no answer\n  is it there?");
        let answered = answers.first_mut().expect("an answer");
        answered.1 = Ok(Answer::failed("user", "user 3: the password is wrong"));
        let told = failure(&answers).expect("a failure").to_string();
        assert_eq!(told, "one: user 3: the password is wrong\ntelarch: two: no answer\n  is it there?");
        answers.push((
            answers.last().expect("an answer").0.clone(),
            Err("no answer\n  is it there?".to_owned()),
        ));
        let told = failure(&answers).expect("a failure").to_string();
        assert_eq!(told.matches("two: no answer").count(), 2, "{told}");
        assert_eq!(told.matches("is it there?").count(), 1, "{told}");
        assert_eq!(written(&answers, Format::Text), "");
        assert_eq!(written(&answers, Format::Csv), "host,user\none,user 3: the password is wrong\n");
    }
}
