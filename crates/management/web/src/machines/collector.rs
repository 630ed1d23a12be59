//! Subscriptions of a machine's collector of events, and their sources, from the output of `wecutil` on that machine.
//!
//! Windows has no resource of WS-Management for them. The output is read by its structure:
//!
//! ```text
//! Subscription: Logons
//!     RunTimeStatus: Active
//!     LastError: 0
//!     EventSources:
//!         web1.example.com
//!             RunTimeStatus: Active
//!             LastError: 0
//!             LastHeartbeatTime: 2026-01-02T03:04:05.000
//! ```

use client::{CommandOptions, Interpreter, Output, Session, Shell, ShellOptions};
use serde_json::{Map, Value, json};
use wsman::shell::CommandLine;

use super::read_error::ReadError;
use super::task::{Failure, FailureKind};

/// Returns the subscriptions of a machine and their sources.
pub(super) async fn collector(session: &Session) -> Result<Value, ReadError> {
    let shell = session.shell(ShellOptions::default()).await?;
    let read = Reader { shell: &shell, left: MAX_OUTPUT }.read().await;
    if let Err(error) = shell.close().await {
        tracing::debug!(%error, "Cannot close a shell");
    }
    read
}

/// Commands in a shell of the machine.
struct Reader<'s> {
    shell: &'s Shell,
    /// Number of bytes that the commands may still write.
    left: usize,
}

impl Reader<'_> {
    async fn read(mut self) -> Result<Value, ReadError> {
        let names = self.run("es", None).await?;
        let (mut subscriptions, mut omitted) = (Vec::new(), 0);
        for name in names.lines().map(str::trim).filter(|name| !name.is_empty()) {
            match Argument::of(name) {
                Some(argument) if subscriptions.len() < MAX_SUBSCRIPTIONS => {
                    let status = self.run("gr", Some(argument)).await?;
                    subscriptions.push(subscription(name, &status));
                }
                _ => omitted += 1,
            }
        }
        Ok(json!({ "subscriptions": subscriptions, "omitted": omitted }))
    }

    /// Runs a command of `wecutil`, and returns its output.
    async fn run(&mut self, command: &str, argument: Option<Argument<'_>>) -> Result<String, ReadError> {
        let mut arguments = vec![command.to_owned()];
        let interpreter = match argument {
            None => Interpreter::Skipped,
            Some(Argument::Direct(name)) => {
                arguments.push(name.to_owned());
                Interpreter::Skipped
            }
            Some(Argument::Quoted(name)) => {
                arguments.push(format!("\"{name}\""));
                Interpreter::Used
            }
        };
        let line = CommandLine { command: "wecutil".to_owned(), arguments, ..CommandLine::default() };
        let options = CommandOptions { interpreter, ..CommandOptions::default() };
        let mut command = self.shell.start(&line, options).await?;
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let exit_code = loop {
            let (stream, piece) = match command.next_output().await? {
                Output::Stdout(piece) => (&mut out, piece),
                Output::Stderr(piece) => (&mut errors, piece),
                Output::Done { exit_code } => break exit_code,
                _ => continue,
            };
            self.left = self.left.checked_sub(piece.len()).ok_or_else(|| {
                let detail = format!("wecutil of the machine has written more than {MAX_OUTPUT} bytes");
                ReadError::Failed(Failure::new(FailureKind::Refused, detail))
            })?;
            stream.extend(piece);
        };
        command.finish().await?;
        if exit_code == 0 {
            return Ok(String::from_utf8_lossy(&out).into_owned());
        }
        // Windows writes errors to standard output.
        let written = [errors, out].concat();
        let written = String::from_utf8_lossy(&written);
        let reason = written.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let reason: String = reason.chars().filter(|one| !one.is_control()).take(MAX_REASON).collect();
        let detail = format!("wecutil of the machine failed with {exit_code}: {reason}");
        Err(ReadError::Failed(Failure::new(FailureKind::Refused, detail)))
    }
}

/// Name of a subscription in a command line. Other administrators choose these names, so they must not be able to change
/// the command of this user.
enum Argument<'n> {
    /// Argument without an interpreter.
    Direct(&'n str),
    /// Argument with blanks, in double quotes for the interpreter.
    Quoted(&'n str),
}

impl<'n> Argument<'n> {
    /// Returns the argument; `None` if the name has characters with a meaning for an interpreter, or is an option.
    fn of(name: &'n str) -> Option<Self> {
        let is_safe = |one: char| one.is_alphanumeric() || matches!(one, '-' | '_' | '.' | '(' | ')');
        if name.starts_with(['-', '/']) || !name.chars().all(|one| one == ' ' || is_safe(one)) {
            return None;
        }
        Some(if name.contains(' ') { Self::Quoted(name) } else { Self::Direct(name) })
    }
}

/// Parses the output of `wecutil gr`.
fn subscription(name: &str, text: &str) -> Value {
    let (mut own, mut sources) = (Map::new(), Vec::<(String, Map<String, Value>)>::new());
    // Depth of the names of sources.
    let mut source_depth = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let depth = line.len() - line.trim_start().len();
        let value = line.trim();
        if value == "EventSources:" {
            source_depth = Some(usize::MAX);
            continue;
        }
        let Some(names) = source_depth else {
            insert(&mut own, value);
            continue;
        };
        let names = names.min(depth);
        source_depth = Some(names);
        if depth > names {
            if let Some((_, members)) = sources.last_mut() {
                insert(members, value);
            }
        } else {
            sources.push((value.to_owned(), Map::new()));
        }
    }
    let sources: Vec<Value> =
        sources.into_iter().map(|(name, members)| json!({ "name": name, "status": members })).collect();
    json!({ "name": name, "status": own, "sources": sources })
}

/// Inserts a line such as `LastError: 0`.
fn insert(members: &mut Map<String, Value>, line: &str) {
    if let Some((name, value)) = line.split_once(':') {
        members.insert(name.trim().to_owned(), json!(value.trim()));
    }
}

/// Subscriptions whose sources are read.
const MAX_SUBSCRIPTIONS: usize = 50;
/// Output of all commands together in bytes.
const MAX_OUTPUT: usize = 1 << 20;
/// Length of the reason of a failed command, in characters.
const MAX_REASON: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_change_the_command() {
        assert!(matches!(Argument::of("Logons"), Some(Argument::Direct("Logons"))));
        assert!(matches!(Argument::of("Größe (neu) 2"), Some(Argument::Quoted(_))));
        for name in ["a\" & calc", "$(id)", "a`id`", "%PATH%", "a;b", "a|b", "/f:xml", "-x", "a\\b", "a\tb"] {
            assert!(Argument::of(name).is_none(), "{name}");
        }
    }

    #[test]
    fn sources_are_read_with_blanks_and_tabs() {
        for indent in ["\t", "    "] {
            let text = "\r\nSubscription: Logons\r\n>RunTimeStatus: Active\r\n>LastError: 0\r\n>EventSources:\r\n\
                        >>web1.example.com\r\n>>>RunTimeStatus: Trying\r\n>>>LastError: 5\r\n\
                        >>>ErrorMessage: denied: by policy\r\n>>web2.example.com\r\n>>>RunTimeStatus: Active\r\n";
            let value = subscription("Logons", &text.replace('>', indent));
            assert_eq!(value["status"]["RunTimeStatus"], "Active", "{value}");
            assert_eq!(value["sources"][0]["name"], "web1.example.com");
            assert_eq!(value["sources"][0]["status"]["ErrorMessage"], "denied: by policy");
            assert_eq!(value["sources"][1]["status"], json!({ "RunTimeStatus": "Active" }));
        }
        assert_eq!(subscription("x", "")["sources"], json!([]));
    }
}
