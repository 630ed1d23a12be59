//! Command line: a command, its arguments, and options as `/name:value` or `-name:value`, case-insensitive.

use std::path::PathBuf;

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

/// Arguments and options behind the command.
struct Words {
    positional: Vec<String>,
    options: Vec<(String, String)>,
}

/// Names of options, short and long.
const OPTIONS: [(&str, &str); 14] = [
    ("lf", "logfile"),
    ("sq", "structuredquery"),
    ("q", "query"),
    ("bm", "bookmark"),
    ("sbm", "savebookmark"),
    ("rd", "reversedirection"),
    ("f", "format"),
    ("l", "locale"),
    ("c", "count"),
    ("e", "element"),
    ("ow", "overwrite"),
    ("bu", "backup"),
    ("r", "remote"),
    ("uni", "unicode"),
];

impl Words {
    /// Splits the words behind the command. `allowed` are the short names of the command's options.
    fn of(words: &[String], allowed: &[&str]) -> Result<Self, ToolError> {
        let mut all = Self { positional: Vec::new(), options: Vec::new() };
        for word in words {
            let option = word.strip_prefix('/').or_else(|| word.strip_prefix('-'));
            // A path begins with a slash as well, but contains another one or no colon.
            let option = option.filter(|option| {
                let name = option.split(':').next().unwrap_or_default();
                !name.contains('/') && find(name).is_some() || word.starts_with('-')
            });
            let Some(option) = option else {
                all.positional.push(word.clone());
                continue;
            };
            let (name, value) = option.split_once(':').unwrap_or((option, ""));
            let short = find(name).filter(|short| allowed.contains(short));
            let Some(short) = short else {
                return Err(ToolError::Usage(format!("Invalid option {name}. Option is not supported.")));
            };
            if short == "r" {
                return Err(ToolError::NotSupported(
                    "wevtutil reads the logs of this machine only.",
                    "For another machine, use winrm enumerate with Win32_NTLogEvent, or an event collector.",
                ));
            }
            all.options.push((short.to_owned(), value.to_owned()));
        }
        Ok(all)
    }

    fn take(&mut self, what: &str) -> Result<String, ToolError> {
        if self.positional.is_empty() {
            return Err(ToolError::Usage(format!("Required argument {what} is missing.")));
        }
        Ok(self.positional.remove(0))
    }

    fn end(&self) -> Result<(), ToolError> {
        match self.positional.first() {
            Some(word) => Err(ToolError::Usage(format!("Too many arguments are specified: {word}"))),
            None => Ok(()),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns a Boolean option; it is true without a value.
    fn switch(&self, name: &str) -> Result<bool, ToolError> {
        match self.text(name) {
            None => Ok(false),
            Some("") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(ToolError::Usage(format!("Invalid value for option {name}: {value}"))),
        }
    }
}

fn find(name: &str) -> Option<&'static str> {
    OPTIONS
        .iter()
        .find(|(short, long)| short.eq_ignore_ascii_case(name) || long.eq_ignore_ascii_case(name))
        .map(|(short, _)| *short)
}

impl Command {
    /// Parses the words behind the program name.
    pub(crate) fn parse(words: &[String]) -> Result<Self, ToolError> {
        let Some((command, rest)) = words.split_first() else { return Ok(Self::Help) };
        match command.to_ascii_lowercase().as_str() {
            "/?" | "-?" | "/h" | "-h" | "--help" | "help" => Ok(Self::Help),
            "el" | "enum-logs" => {
                Words::of(rest, &["r", "uni"])?.end()?;
                Ok(Self::EnumLogs)
            }
            "gl" | "get-log" => {
                let mut words = Words::of(rest, &["f", "r", "uni"])?;
                let log = words.take("log name")?;
                words.end()?;
                let is_xml = match words.text("f") {
                    None => false,
                    Some(format) if format.eq_ignore_ascii_case("text") => false,
                    Some(format) if format.eq_ignore_ascii_case("xml") => true,
                    Some(format) => {
                        return Err(ToolError::Usage(format!("Invalid value for option f: {format}")));
                    }
                };
                Ok(Self::GetLog { log, is_xml })
            }
            "gli" | "get-log-info" => {
                let mut words = Words::of(rest, &["lf", "r", "uni"])?;
                let log = words.take("log name")?;
                words.end()?;
                Ok(Self::GetLogInfo { log, is_file: words.switch("lf")? })
            }
            "qe" | "query-events" => {
                let allowed = ["lf", "sq", "q", "bm", "sbm", "rd", "f", "l", "c", "e", "r", "uni"];
                let mut words = Words::of(rest, &allowed)?;
                let path = words.take("path")?;
                words.end()?;
                Ok(Self::Query(query(path, &words)?))
            }
            "epl" | "export-log" => {
                let mut words = Words::of(rest, &["lf", "sq", "q", "ow", "r", "uni"])?;
                let path = words.take("path")?;
                let target = PathBuf::from(words.take("export file")?);
                words.end()?;
                Ok(Self::Export { query: query(path, &words)?, target, overwrites: words.switch("ow")? })
            }
            "sl" | "set-log" => Ok(Self::SetLog),
            "cl" | "clear-log" => Ok(Self::ClearLog),
            _ => Err(ToolError::Usage(format!("Command {command} is not supported."))),
        }
    }
}

fn query(path: String, words: &Words) -> Result<QueryOptions, ToolError> {
    let kind = match (words.switch("lf")?, words.switch("sq")?) {
        (true, true) => return Err(ToolError::Usage("Options lf and sq exclude each other.".to_owned())),
        (true, false) => PathKind::LogFile,
        (false, true) => PathKind::StructuredQuery,
        (false, false) => PathKind::Log,
    };
    let expression = words.text("q").map(str::to_owned);
    if kind == PathKind::StructuredQuery && expression.is_some() {
        return Err(ToolError::Usage("Options q and sq exclude each other.".to_owned()));
    }
    let count = match words.text("c") {
        None => None,
        Some(count) => match count.parse() {
            Ok(count) if count > 0 => Some(count),
            _ => return Err(ToolError::Usage(format!("Invalid value for option c: {count}"))),
        },
    };
    Ok(QueryOptions {
        path,
        kind,
        expression,
        bookmark: words.text("bm").map(PathBuf::from),
        saved_bookmark: words.text("sbm").map(PathBuf::from),
        is_reversed: words.switch("rd")?,
        format: words.text("f").map(ListingFormat::parse).transpose()?.unwrap_or_default(),
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
