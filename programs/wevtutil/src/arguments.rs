//! Command line: a command, its arguments, and options as `/name:value` or `-name:value`, case-insensitive.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use cli_events::windows_options::{OptionName, UsageError, Words, is_help};
use winevent::listing::ListingFormat;

use crate::error::ToolError;

/// Parsed command line.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    /// `el`: names of the logs.
    EnumLogs,
    /// `gl`: properties of a log.
    GetLog {
        log: String,
        is_xml: bool,
    },
    /// `gli`: status of a log.
    GetLogInfo {
        log: String,
        is_file: bool,
    },
    /// `qe`: events.
    Query(QueryOptions),
    /// `epl`: events into a file.
    Export {
        query: QueryOptions,
        target: PathBuf,
        overwrites: bool,
    },
    /// `sl` and `cl`, which the logs of Linux do not have.
    SetLog,
    ClearLog,
}

/// Source of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    Log,
    /// Journal file (`/lf:true`).
    LogFile,
    /// File with a query list (`/sq:true`).
    StructuredQuery,
}

/// Options of `qe` and `epl`.
#[derive(Debug)]
pub(crate) struct QueryOptions {
    pub(crate) path: String,
    pub(crate) kind: PathKind,
    pub(crate) expression: Option<String>,
    /// Bookmark file to begin behind.
    pub(crate) bookmark: Option<PathBuf>,
    /// Bookmark file to write.
    pub(crate) saved_bookmark: Option<PathBuf>,
    /// Newest events first.
    pub(crate) is_reversed: bool,
    pub(crate) format: ListingFormat,
    pub(crate) count: Option<usize>,
    /// Name of the element around all events.
    pub(crate) root: Option<String>,
}

/// Options of all commands. Each command has some of them.
const OPTIONS: [OptionName; 14] = [
    OptionName::new("lf", "logfile"),
    OptionName::new("sq", "structuredquery"),
    OptionName::new("q", "query"),
    OptionName::new("bm", "bookmark"),
    OptionName::new("sbm", "savebookmark"),
    OptionName::new("rd", "reversedirection"),
    OptionName::new("f", "format"),
    OptionName::new("l", "locale"),
    OptionName::new("c", "count"),
    OptionName::new("e", "element"),
    OptionName::new("ow", "overwrite"),
    OptionName::new("bu", "backup"),
    OptionName::new("r", "remote"),
    OptionName::new("uni", "unicode"),
];

/// Splits the words behind a command. `allowed` are the short names of the command's options.
fn words_of(words: &[String], allowed: &[&str]) -> Result<Words, ToolError> {
    let words = Words::parse(words, &OPTIONS)?;
    if let Some(name) = words.given().find(|name| !allowed.contains(name)) {
        return Err(UsageError(format!("Invalid option {name}. Option is not supported.")).into());
    }
    if words.text("r").is_some() {
        return Err(ToolError::NotSupported(
            "wevtutil reads the logs of this machine only.",
            "For another machine, use winrm enumerate with Win32_NTLogEvent, or an event collector.",
        ));
    }
    Ok(words)
}

impl Command {
    /// Parses the words behind the program name.
    pub(crate) fn parse(words: &[String]) -> Result<Self, ToolError> {
        let Some((command, rest)) = words.split_first() else { return Ok(Self::Help) };
        if is_help(command) || rest.iter().any(|word| is_help(word)) {
            return Ok(Self::Help);
        }
        match command.to_ascii_lowercase().as_str() {
            "help" => Ok(Self::Help),
            "el" | "enum-logs" => {
                words_of(rest, &["r", "uni"])?.require_end()?;
                Ok(Self::EnumLogs)
            }
            "gl" | "get-log" => {
                let mut words = words_of(rest, &["f", "r", "uni"])?;
                let log = words.take("log name")?;
                words.require_end()?;
                let is_xml = match words.text("f") {
                    None => false,
                    Some(format) if format.eq_ignore_ascii_case("text") => false,
                    Some(format) if format.eq_ignore_ascii_case("xml") => true,
                    Some(format) => {
                        return Err(UsageError::value("f", format).into());
                    }
                };
                Ok(Self::GetLog { log, is_xml })
            }
            "gli" | "get-log-info" => {
                let mut words = words_of(rest, &["lf", "r", "uni"])?;
                let log = words.take("log name")?;
                words.require_end()?;
                Ok(Self::GetLogInfo { log, is_file: words.switch("lf")? == Some(true) })
            }
            "qe" | "query-events" => {
                let allowed = ["lf", "sq", "q", "bm", "sbm", "rd", "f", "l", "c", "e", "r", "uni"];
                let mut words = words_of(rest, &allowed)?;
                let path = words.take("path")?;
                words.require_end()?;
                Ok(Self::Query(query(path, &words)?))
            }
            "epl" | "export-log" => {
                let mut words = words_of(rest, &["lf", "sq", "q", "ow", "r", "uni"])?;
                let path = words.take("path")?;
                let target = PathBuf::from(words.take("export file")?);
                words.require_end()?;
                Ok(Self::Export {
                    query: query(path, &words)?,
                    target,
                    overwrites: words.switch("ow")? == Some(true),
                })
            }
            "sl" | "set-log" => Ok(Self::SetLog),
            "cl" | "clear-log" => Ok(Self::ClearLog),
            _ => Err(UsageError(format!("Command {command} is not supported.")).into()),
        }
    }
}

fn query(path: String, words: &Words) -> Result<QueryOptions, ToolError> {
    let kind = match (words.switch("lf")? == Some(true), words.switch("sq")? == Some(true)) {
        (true, true) => return Err(UsageError("Options lf and sq exclude each other.".to_owned()).into()),
        (true, false) => PathKind::LogFile,
        (false, true) => PathKind::StructuredQuery,
        (false, false) => PathKind::Log,
    };
    let expression = words.text("q").map(str::to_owned);
    if kind == PathKind::StructuredQuery && expression.is_some() {
        return Err(UsageError("Options q and sq exclude each other.".to_owned()).into());
    }
    let count = words.parsed("c", str::parse::<NonZeroUsize>)?.map(NonZeroUsize::get);
    Ok(QueryOptions {
        path,
        kind,
        expression,
        bookmark: words.text("bm").map(PathBuf::from),
        saved_bookmark: words.text("sbm").map(PathBuf::from),
        is_reversed: words.switch("rd")? == Some(true),
        format: words.parsed("f", ListingFormat::parse)?.unwrap_or_default(),
        count,
        root: words.text("e").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Command, ToolError> {
        Command::parse(&text.split('|').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_have_short_and_long_names_in_any_case() {
        let Ok(Command::Query(query)) = parse("QE|System|/C:5|-RD:true|/Format:text|/q:*[System[Level=2]]")
        else {
            panic!()
        };
        assert_eq!((query.path.as_str(), query.count, query.is_reversed), ("System", Some(5), true));
        assert_eq!(query.format, ListingFormat::Text);
        assert_eq!(query.expression.as_deref(), Some("*[System[Level=2]]"));
        let Ok(Command::Export { query, overwrites, .. }) =
            parse("epl|/var/log/x.journal|/tmp/out.xml|/lf|/ow:true")
        else {
            panic!()
        };
        assert_eq!((query.kind, overwrites), (PathKind::LogFile, true));
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        for text in [
            "xx",
            "gl",
            "qe",
            "qe|System|/c:0",
            "qe|System|/c:x",
            "qe|System|/rd:maybe",
            "qe|System|-zz:1",
            "qe|a|b",
            "el|x",
            "gl|System|/f:html",
            "qe|System|/lf|/sq",
            "gl|System|/c:4",
        ] {
            assert_eq!(parse(text).unwrap_err().status(), 87, "{text}");
        }
        assert_eq!(parse("el|/r:web1").unwrap_err().status(), 50);
    }
}
