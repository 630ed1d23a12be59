//! What the controllers have answered, as text, a table, JSON, CSV, or for Prometheus.

mod pieces;
mod progress;

use std::borrow::Borrow;
use std::collections::HashSet;

use cli::screen::{Screen, Table};
use serde_json::{Map, Value};

use super::hosts::Host;
use super::prometheus::Page;
use cli_command::format::csv_cell;
use cli_command::{Failure, Keyword};

pub(super) use self::progress::Report;

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Text,
    Table,
    Json,
    Csv,
    Prometheus,
}

impl Keyword for Format {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("table", Self::Table),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("prometheus", Self::Prometheus),
    ];
}

/// Output format of a list without metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListFormat(pub(super) Format);

impl Keyword for ListFormat {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("text", Self(Format::Text)),
        ("table", Self(Format::Table)),
        ("json", Self(Format::Json)),
        ("csv", Self(Format::Csv)),
    ];
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
type Answers = Vec<(Host, Result<Answer, String>)>;

/// In a format that has columns or families which the last answer may add to.
fn whole(answers: &Answers, format: Format) -> String {
    match format {
        Format::Table => table(answers, &Screen::of_this_process()),
        Format::Csv => csv(answers),
        Format::Prometheus => metrics(answers),
        Format::Text | Format::Json => String::new(),
    }
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

/// What went wrong, and the exit status that goes with it.
fn failure(answers: &Answers) -> Option<Failure> {
    failure_of(answers.iter().filter_map(|(host, answer)| match answer {
        Ok(answer) => Some((host, answer.failure.as_ref()?)),
        Err(error) => Some((host, error)),
    }))
}

/// A line for each controller.
pub(super) fn failure_of(
    failed: impl IntoIterator<Item = (impl Borrow<Host>, impl Borrow<String>)>,
) -> Option<Failure> {
    let mut told = HashSet::new();
    let lines: Vec<String> = failed
        .into_iter()
        .map(|(host, error)| {
            // Among a thousand, the way out is told once.
            let error: &String = error.borrow();
            let is_new = told.insert(error.clone());
            let shown = if is_new { error.as_str() } else { error.lines().next().unwrap_or_default() };
            format!("{}: {shown}", host.borrow())
        })
        .collect();
    (!lines.is_empty()).then(|| Failure::Failed(lines.join("\ntelarch: ")))
}

/// Lines, each with the host before it if that is given.
fn text_lines(host: Option<&Host>, text: &str, out: &mut Vec<u8>) {
    let prefix = host.map(|host| format!("{host}: ")).unwrap_or_default();
    for line in text.lines() {
        for part in [&prefix, line, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// The rows of one controller as elements of an array, whose beginning is written before the first of all, unless it
/// `has_begun`; whether there are any.
fn json_rows(host: &Host, answer: &Result<Answer, String>, has_begun: bool, out: &mut Vec<u8>) -> bool {
    let rows: Vec<Value> = match answer {
        Ok(answer) => answer.rows.iter().map(|row| json_object(host, row)).collect(),
        Err(error) => {
            let first = error.lines().next().unwrap_or_default();
            vec![json_object(host, &vec![("error", Value::from(first))])]
        }
    };
    let array = serde_json::to_string_pretty(&rows).unwrap_or_default();
    let Some(elements) = array.strip_prefix('[').and_then(|array| array.strip_suffix("\n]")) else {
        return false;
    };
    out.push(if has_begun { b',' } else { b'[' });
    out.extend_from_slice(elements.as_bytes());
    true
}

/// A row and whose it is.
pub(super) fn json_object(host: &Host, row: &Row) -> Value {
    let host = ("host".to_owned(), Value::from(host.to_string()));
    let fields = row.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Object(std::iter::once(host).chain(fields).collect::<Map<_, _>>())
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

    fn json(answers: &Answers) -> Value {
        let mut text = Vec::new();
        let mut has_begun = false;
        for (host, answer) in answers {
            has_begun |= json_rows(host, answer, has_begun, &mut text);
        }
        text.extend(b"\n]");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn answers() -> Answers {
        let host = |name: &str| crate::hosts::parse(name).expect("a name").remove(0);
        let row = vec![("name", Value::from("a \"b\", c")), ("value", Value::from(7)), ("none", Value::Null)];
        vec![
            (host("one"), Ok(Answer::new("x\ny".to_owned(), vec![row]))),
            (host("two"), Err("no answer\n  is it there?".to_owned())),
        ]
    }

    #[test]
    fn each_format_has_what_was_answered() {
        let (mut named, mut alone) = (Vec::new(), Vec::new());
        text_lines(answers().first().map(|(host, _)| host), "x\ny", &mut named);
        text_lines(None, "x\ny\n", &mut alone);
        assert_eq!((&named[..], &alone[..]), (&b"one: x\none: y\n"[..], &b"x\ny\n"[..]));
        assert_eq!(whole(&answers(), Format::Csv), "host,name,value,none\none,\"a \"\"b\"\", c\",7,\n");
        assert_eq!(table(&answers(), &Screen::none()), "host  name      value\none   a \"b\", c  7\n");
        assert_eq!(table(&answers().split_off(1), &Screen::none()), "", "of nothing there is no heading");
        let page = whole(&answers(), Format::Prometheus);
        assert!(page.ends_with("ipmi_up{bmc=\"one\"} 1\nipmi_up{bmc=\"two\"} 0\n"), "{page}");
        let json = json(&answers());
        assert_eq!(json.pointer("/1/error"), Some(&"no answer".into()));
        assert_eq!(json.pointer("/0/value"), Some(&7.into()));
    }

    #[test]
    fn each_cell_of_csv_stands_below_its_name_also_where_models_answer_otherwise() {
        let host = |name: &str| crate::hosts::parse(name).expect("a name").remove(0);
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
        assert_eq!(whole(&answers, Format::Csv), "host,channel,limit,mode\na,1,,\nb,2,user,shared\nc,1,,\n");
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
        assert_eq!(whole(&answers, Format::Csv), "host,user\none,user 3: the password is wrong\n");
    }
}
