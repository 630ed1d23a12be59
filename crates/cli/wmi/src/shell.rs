//! The interactive shell of `telarch wmi`.

use std::borrow::Cow;
use std::io::{self, BufRead as _, Write as _};

use files::{FileError, TrustedFile};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{History as _, MemHistory, SearchDirection};
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};

use super::arguments::{Qualifiers, query_of};
use super::complete;
use super::print::{FORMATS, Printer};
use super::source::Source;
use super::{classes, describe, listing};
use cli_command::Failure;
use cli_command::Keyword as _;
use cli_command::format::Format;

/// Maximum number of lines in the history.
const MAX_HISTORY_LINES: usize = 1_000;
/// Maximum size of the history file in bytes.
const MAX_HISTORY_BYTES: usize = 4 << 20;

const HELP: &str = "\
  QUERY                         run a WQL query
  CLASS                         list all instances of a class
  classes [PATTERN]             list classes
  describe CLASS                show the definition of a class
  get PATH                      show one instance
  call PATH METHOD [NAME=VALUE...]
                                call a method
  format [table|list|json|csv]  set the output format; without a name, restore the default
  quit                          leave the shell (also Ctrl-D)
TAB completes the names of classes and properties. A line that ends with \\ continues on the next line.
";

/// Runs the shell on a terminal.
pub(super) fn interactive(source: &Source, printer: Printer) -> Result<String, Failure> {
    let config = Config::builder().max_history_size(MAX_HISTORY_LINES).map_err(terminal_failure)?.build();
    let empty = MemHistory::with_config(&config);
    let mut editor =
        Editor::<Names<'_>, MemHistory>::with_history(config, empty).map_err(terminal_failure)?;
    editor.set_helper(Some(Names { source }));
    let history = history_file();
    for line in load_history(history.as_ref()).lines() {
        // A line that cannot be added to the history is ignored.
        let _ = editor.add_history_entry(line);
    }
    let mut printer = printer;
    println(&format!("WMI of {}; type help for help, Ctrl-D to quit.\n", source.name()))?;
    let mut pending = String::new();
    loop {
        let prompt = if pending.is_empty() { "wmi> " } else { "...> " };
        let line = match editor.readline(prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                pending.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal_failure(error)),
        };
        // A line that ends with \ continues on the next line.
        if let Some(beginning) = line.strip_suffix('\\') {
            pending += &format!("{beginning} ");
            continue;
        }
        let line = std::mem::take(&mut pending) + line.trim();
        if line.is_empty() {
            continue;
        }
        let _ = editor.add_history_entry(line.as_str());
        match run_line(source, &mut printer, &line) {
            Ok(Some(text)) => println(&text)?,
            Ok(None) => break,
            Err(failure) => println(&format!("{failure}\n"))?,
        }
    }
    if let Some(path) = history {
        save_history(&path, editor.history());
    }
    Ok(String::new())
}

/// Runs each line of standard input, up to the first that fails.
pub(super) fn lines(source: &Source, printer: Printer) -> Result<String, Failure> {
    let mut printer = printer;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::Failed(format!("cannot read standard input: {error}")))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match run_line(source, &mut printer, line)? {
            Some(text) => println(&text)?,
            None => break,
        }
    }
    Ok(String::new())
}

fn terminal_failure(error: ReadlineError) -> Failure {
    Failure::Failed(format!("cannot read the terminal: {error}"))
}

/// Runs a line and returns its output; `None` if it ends the shell.
fn run_line(source: &Source, printer: &mut Printer, line: &str) -> Result<Option<String>, Failure> {
    let line = line.trim_end_matches(';').trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    Ok(Some(match (first, rest) {
        ("quit" | "exit", "") => return Ok(None),
        ("help" | "?", _) => HELP.to_owned(),
        ("classes", "") => classes::list(source, None, None)?,
        ("classes", pattern) => classes::list(source, Some(pattern), None)?,
        ("describe", class) if !class.is_empty() => {
            describe::describe(source.class(class)?.as_ref(), Qualifiers::Hidden, None)?
        }
        ("format", "") => {
            *printer = printer.with(None);
            String::new()
        }
        ("format", name) => {
            let format = Format::find(name).filter(|format| FORMATS.contains(format)).ok_or_else(|| {
                let what = format!("unknown format \"{name}\"; expected table, list, json or csv");
                Failure::usage(what, "format without a name restores the default")
            })?;
            *printer = printer.with(Some(format));
            String::new()
        }
        ("get", path) if !path.is_empty() => printer.print(&source.get(path)?),
        ("call", rest) if !rest.is_empty() => {
            let words = words(rest);
            let [path, method, arguments @ ..] = words.as_slice() else {
                return Err(Failure::usage(
                    "call requires a path and a method",
                    "usage: call PATH METHOD [NAME=VALUE...]",
                ));
            };
            let arguments: Vec<(String, String)> = arguments
                .iter()
                .filter_map(|argument| argument.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            printer.print(&source.call(path, method, &arguments)?)
        }
        _ => listing::run(source, &query_of(line), *printer)?,
    }))
}

/// Splits text at blanks outside of quotation marks, which are kept.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut open = None;
    for character in text.chars() {
        match (character, open) {
            ('"' | '\'', None) => open = Some(character),
            (quote, Some(begun)) if quote == begun => open = None,
            (' ' | '\t', None) => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn println(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
}

/// Returns the history file in the state directory of the user, with access for its owner only.
fn history_file() -> Option<TrustedFile> {
    let paths = config::Paths::of_user(|name| std::env::var_os(name))?;
    Some(TrustedFile::private(paths.state.join("wmi-history")))
}

/// Reads the history; empty if the file is missing or not trustworthy.
fn load_history(history: Option<&TrustedFile>) -> String {
    let content = history.and_then(|file| file.read(MAX_HISTORY_BYTES).ok().flatten());
    content.and_then(|content| String::from_utf8(content).ok()).unwrap_or_default()
}

/// Writes the history; failures are ignored.
fn save_history(file: &TrustedFile, history: &MemHistory) {
    let last = (0..history.len()).filter_map(|at| history.get(at, SearchDirection::Forward).ok().flatten());
    let text = without_arguments(last.map(|found| found.entry));
    let _: Result<(), FileError> = file.update(MAX_HISTORY_BYTES, |_| Ok(text.into_bytes()));
}

/// Returns the lines to save. Method calls with arguments are omitted, because any argument, such as a command line, may
/// contain a password.
fn without_arguments<'l>(lines: impl Iterator<Item = Cow<'l, str>>) -> String {
    lines.filter(|line| !has_arguments(line.trim())).map(|line| format!("{line}\n")).collect()
}

fn has_arguments(line: &str) -> bool {
    match line.split_once(char::is_whitespace) {
        Some(("call", rest)) => words(rest.trim_end_matches(';').trim()).len() > 2,
        _ => false,
    }
}

/// Completes names of classes and properties.
struct Names<'s> {
    source: &'s Source,
}

impl Completer for Names<'_> {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let (start, mut found) =
            complete::candidates(self.source.names(), line.get(..position).unwrap_or(line));
        // The class of the properties may be named after the cursor.
        if found.is_empty() || line.len() > position {
            let typed = line.get(start..position).unwrap_or_default();
            found.extend(complete::properties(self.source.names(), line, typed));
            found.sort();
            found.dedup();
        }
        Ok((start, found))
    }
}

impl Helper for Names<'_> {}
impl Validator for Names<'_> {}

impl Hinter for Names<'_> {
    type Hint = String;
}

impl Highlighter for Names<'_> {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        Cow::Borrowed(prompt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_calls_with_arguments_are_not_saved() {
        let lines = [
            "SELECT * FROM Win32_Service",
            "call Win32_UserAccount.Name='a b' SetPassword Secret=hush",
            "call Win32_Service.Name=\"sshd\" StopService;",
            "call\tWin32_Process Create CommandLine='login -p hush';",
            "  call X Y Z=1",
            "describe call",
        ];
        let saved = without_arguments(lines.iter().map(|line| Cow::Borrowed(*line)));
        assert_eq!(
            saved,
            "SELECT * FROM Win32_Service\ncall Win32_Service.Name=\"sshd\" StopService;\ndescribe call\n"
        );
    }

    #[test]
    fn a_path_with_blanks_is_one_word() {
        assert_eq!(words("A.Name=\"b c\"  Do x=1"), ["A.Name=\"b c\"", "Do", "x=1"]);
    }
}
