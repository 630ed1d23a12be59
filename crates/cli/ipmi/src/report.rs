//! Results of an operation on many controllers, as text, a table, JSON, CSV or Prometheus metrics.

mod buffered_output;
mod progress;

use std::borrow::Borrow;
use std::collections::HashSet;

use cli::screen::{Screen, Table};
use serde_json::{Map, Value};

use super::hosts::Host;
use super::prometheus::Page;
use cli_command::Failure;
use cli_command::format::{Format, csv_cell};

pub(super) use self::progress::Report;

/// The result of an operation on one controller.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// The result for people.
    pub(super) text: String,
    /// The result for programs; all rows have the same names in the same order.
    pub(super) rows: Vec<Row>,
    /// The quantities of the result for Prometheus.
    pub(super) metrics: Page,
    /// The reason why the exit status is 1 although the controller responded.
    pub(super) failure: Option<String>,
}

impl Answer {
    pub(super) fn new(text: String, rows: Vec<Row>) -> Self {
        Self { text, rows, metrics: Page::default(), failure: None }
    }

    /// An answer of one row, from the name for programs, the title for people, and the value of each field.
    pub(super) fn fields(fields: impl IntoIterator<Item = (&'static str, &'static str, Value)>) -> Self {
        let fields: Vec<_> = fields.into_iter().collect();
        let width = fields.iter().map(|(_, title, _)| title.len()).max().unwrap_or_default().max(25);
        let text = fields
            .iter()
            .map(|(_, title, value)| format!("{title:<width$} : {}\n", plain_text(value)))
            .collect();
        Self::new(text, vec![fields.into_iter().map(|(name, _, value)| (name, value)).collect()])
    }

    /// A message about a completed change.
    pub(super) fn message(name: &'static str, text: &str) -> Self {
        Self::new(format!("{text}\n"), vec![vec![(name, Value::from(text))]])
    }

    /// A response that counts as a failure; people see it among the errors.
    pub(super) fn failed(name: &'static str, text: &str) -> Self {
        let row = vec![(name, Value::from(text))];
        Self { failure: Some(text.to_owned()), ..Self::new(String::new(), vec![row]) }
    }

    pub(super) fn with_metrics(self, metrics: Page) -> Self {
        Self { metrics, ..self }
    }
}

/// Formats a value without the quotation marks of JSON.
pub(super) fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// Values by name.
pub(super) type Row = Vec<(&'static str, Value)>;

/// Returns the value with this name as text; empty if the row has none.
pub(super) fn cell(row: &Row, name: &str) -> String {
    row.iter().find(|(other, _)| *other == name).map(|(_, value)| plain_text(value)).unwrap_or_default()
}

/// The result of each controller, or its error.
type Answers = Vec<(Host, Result<Answer, String>)>;

/// Formats all results in a format whose columns or metrics may depend on the last result.
fn format_all(answers: &Answers, format: Format) -> String {
    match format {
        Format::Table => table(answers, &Screen::of_this_process()),
        Format::Csv => csv(answers),
        Format::Text | Format::List | Format::Json | Format::Prometheus => String::new(),
    }
}

/// Formats all rows as one table, whose columns are those of all controllers.
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
        let cells = names.iter().map(|name| {
            let value = row.iter().find(|(other, _)| other == name).map(|(_, value)| value);
            value.filter(|value| !value.is_null()).map(plain_text).unwrap_or_default()
        });
        table.row(std::iter::once(host.to_string()).chain(cells));
    }
    table.print(screen.table_width().unwrap_or(usize::MAX), screen)
}

/// Returns the names in all rows, in the order in which they first occur.
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

/// Formats the metrics of all controllers, which are those of one collector of `ipmi_exporter`.
fn metrics(answers: &Answers, collector: &str) -> String {
    let mut page = Page::default();
    for (host, answer) in answers {
        let mut own = answer.as_ref().map(|answer| answer.metrics.clone()).unwrap_or_default();
        own.add_up(collector, answer.is_ok());
        page.append(&host.to_string(), own);
    }
    page.to_text()
}

/// Returns the failures of the controllers; `None` if all succeeded.
fn failure(answers: &Answers) -> Option<Failure> {
    failure_of(answers.iter().filter_map(|(host, answer)| match answer {
        Ok(answer) => Some((host, answer.failure.as_ref()?)),
        Err(error) => Some((host, error)),
    }))
}

/// Combines the errors of controllers into one failure, one line for each.
pub(super) fn failure_of(
    failed: impl IntoIterator<Item = (impl Borrow<Host>, impl Borrow<String>)>,
) -> Option<Failure> {
    let mut seen = HashSet::new();
    let lines: Vec<String> = failed
        .into_iter()
        .map(|(host, error)| {
            // The remedy of an error is printed once, not for each controller.
            let error: &String = error.borrow();
            let is_new = seen.insert(error.clone());
            let shown = if is_new { error.as_str() } else { error.lines().next().unwrap_or_default() };
            format!("{}: {shown}", host.borrow())
        })
        .collect();
    (!lines.is_empty()).then(|| Failure::Failed(lines.join("\ntelarch: ")))
}

/// Appends lines of text, each prefixed with the host if one is given.
fn text_lines(host: Option<&Host>, text: &str, out: &mut Vec<u8>) {
    let prefix = host.map(|host| format!("{host}: ")).unwrap_or_default();
    for line in text.lines() {
        for part in [&prefix, line, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// Appends the rows of one controller as elements of a JSON array, which is opened unless it `has_begun`. Returns whether
/// there were any.
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

/// Returns a row with its host as a JSON object.
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

/// Returns the header line of CSV.
pub(super) fn csv_head(names: &[&str]) -> String {
    format!("host,{}\n", names.join(","))
}

/// Returns a line of CSV with a field for each name.
pub(super) fn csv_line(host: &Host, row: &Row, names: &[&str]) -> String {
    let mut cells = vec![csv_cell(&host.to_string())];
    if row.iter().map(|(name, _)| name).eq(names) {
        cells.extend(row.iter().map(|(_, value)| csv_value(value)));
    } else {
        // Controllers of different models may return different names.
        cells.extend(names.iter().map(|wanted| {
            let found = row.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| csv_value(value)).unwrap_or_default()
        }));
    }
    cells.join(",") + "\n"
}

fn csv_value(value: &Value) -> String {
    match value {
        Value::String(text) => csv_cell(text),
        Value::Null => String::new(),
        other => csv_cell(&other.to_string()),
    }
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
    fn each_format_contains_the_results() {
        let (mut named, mut alone) = (Vec::new(), Vec::new());
        text_lines(answers().first().map(|(host, _)| host), "x\ny", &mut named);
        text_lines(None, "x\ny\n", &mut alone);
        assert_eq!((&named[..], &alone[..]), (&b"one: x\none: y\n"[..], &b"x\ny\n"[..]));
        assert_eq!(format_all(&answers(), Format::Csv), "host,name,value,none\none,\"a \"\"b\"\", c\",7,\n");
        assert_eq!(table(&answers(), &Screen::none()), "host  name      value\none   a \"b\", c  7\n");
        assert_eq!(table(&answers().split_off(1), &Screen::none()), "", "a table without rows has no header");
        let page = metrics(&answers(), "ipmi");
        assert!(
            page.ends_with(
                "ipmi_up{bmc=\"one\",collector=\"ipmi\"} 1\nipmi_up{bmc=\"two\",collector=\"ipmi\"} 0\n"
            ),
            "{page}"
        );
        let json = json(&answers());
        assert_eq!(json.pointer("/1/error"), Some(&"no answer".into()));
        assert_eq!(json.pointer("/0/value"), Some(&7.into()));
    }

    #[test]
    fn csv_fields_match_their_columns_if_models_differ() {
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
        assert_eq!(
            format_all(&answers, Format::Csv),
            "host,channel,limit,mode\na,1,,\nb,2,user,shared\nc,1,,\n"
        );
    }

    #[test]
    fn failures_are_reported_by_host() {
        let mut answers = answers();
        let message = failure(&answers).expect("a failure").to_string();
        assert_eq!(message, "two: no answer\n  is it there?");
        let answered = answers.first_mut().expect("an answer");
        answered.1 = Ok(Answer::failed("user", "user 3: the password is wrong"));
        let message = failure(&answers).expect("a failure").to_string();
        assert_eq!(message, "one: user 3: the password is wrong\ntelarch: two: no answer\n  is it there?");
        answers.push((
            answers.last().expect("an answer").0.clone(),
            Err("no answer\n  is it there?".to_owned()),
        ));
        let message = failure(&answers).expect("a failure").to_string();
        assert_eq!(message.matches("two: no answer").count(), 2, "{message}");
        assert_eq!(message.matches("is it there?").count(), 1, "{message}");
        assert_eq!(format_all(&answers, Format::Csv), "host,user\none,user 3: the password is wrong\n");
    }
}
