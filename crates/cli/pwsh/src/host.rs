//! Calls of a script to the host: prompts, text, and exit codes.

use std::io::{self, BufRead as _, IsTerminal as _};

use cli::terminal::ModeGuard;
use client::RunspacePool;
use psrp::clixml::{Value, Version};
use psrp::{ErrorRecord, Guid, HostCall, HostInfo, HostMethod, InformationRecord};
use rustix::termios::{LocalModes, OptionalActions};

/// Description of the host for the service: it writes text and asks questions, but has no screen.
pub(super) fn info() -> HostInfo {
    HostInfo { is_host_null: false, is_ui_null: false, is_raw_ui_null: true, ..HostInfo::NONE }
}

/// Reaction to a host call.
#[derive(Debug, PartialEq)]
pub(super) enum Reaction {
    /// Write text.
    Write(String),
    /// Write text to standard error.
    WriteError(String),
    /// Answer with this value.
    Answer(Value),
    /// End with this exit code after the script has ended.
    Exit(i32),
    /// Ask the user.
    Ask(Question),
    /// Do nothing; if the script waits for an answer, it receives an error.
    Refuse,
}

/// Question to the user.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Question {
    /// A line.
    Line,
    /// A line that is not displayed.
    Secret,
    /// One of several choices.
    Choice {
        /// Labels with an `&` before the letter that selects the choice.
        labels: Vec<String>,
        /// Choice for an empty answer.
        default: Option<usize>,
    },
}

/// Returns the reaction to a call, and the text to write before it.
pub(super) fn react(call: &HostCall) -> Reaction {
    let text = |index: usize| call.parameters.get(index).and_then(Value::as_str).unwrap_or_default();
    match call.method {
        HostMethod::SetShouldExit => {
            Reaction::Exit(call.parameters.first().and_then(Value::as_i32).unwrap_or_default())
        }
        HostMethod::Write1 => Reaction::Write(text(0).to_owned()),
        HostMethod::Write2 => Reaction::Write(text(2).to_owned()),
        HostMethod::WriteLine1 => Reaction::Write("\n".to_owned()),
        HostMethod::WriteLine2 => Reaction::Write(format!("{}\n", text(0))),
        HostMethod::WriteLine3 => Reaction::Write(format!("{}\n", text(2))),
        HostMethod::WriteErrorLine => Reaction::WriteError(format!("{}\n", text(0))),
        HostMethod::WriteWarningLine => Reaction::WriteError(format!("WARNING: {}\n", text(0))),
        HostMethod::WriteVerboseLine => Reaction::WriteError(format!("VERBOSE: {}\n", text(0))),
        HostMethod::WriteDebugLine => Reaction::WriteError(format!("DEBUG: {}\n", text(0))),
        HostMethod::GetName => Reaction::Answer("telarch".into()),
        HostMethod::GetVersion => Reaction::Answer(Version::new(0, 1).into()),
        HostMethod::GetInstanceId => Reaction::Answer(Guid::ZERO.into()),
        HostMethod::GetCurrentCulture | HostMethod::GetCurrentUICulture => Reaction::Answer("en-US".into()),
        HostMethod::ReadLine => Reaction::Ask(Question::Line),
        HostMethod::ReadLineAsSecureString => Reaction::Ask(Question::Secret),
        HostMethod::PromptForChoice => choice(call).map_or(Reaction::Refuse, Reaction::Ask),
        _ => Reaction::Refuse,
    }
}

fn choice(call: &HostCall) -> Option<Question> {
    let labels = call.parameters.get(2)?.elements()?.iter().map(|choice| {
        // Values of host calls are wrapped with their types.
        let choice = choice.property("V").unwrap_or(choice);
        choice.property("label").and_then(Value::as_str).map(str::to_owned)
    });
    let labels: Vec<String> = labels.collect::<Option<_>>()?;
    let default =
        call.parameters.get(3).and_then(Value::as_i32).and_then(|index| usize::try_from(index).ok());
    Some(Question::Choice { default: default.filter(|index| *index < labels.len()), labels })
}

/// Text to write before a question.
pub(super) fn introduction(call: &HostCall, question: &Question) -> String {
    let Question::Choice { labels, default } = question else { return String::new() };
    let texts = call.parameters.iter().take(2).filter_map(Value::as_str).filter(|text| !text.is_empty());
    let mut all: String = texts.map(|text| format!("{text}\n")).collect();
    for (index, label) in labels.iter().enumerate() {
        all += &format!("[{}] {}  ", key(label, index), label.replace('&', ""));
    }
    match default.and_then(|index| Some(key(labels.get(index)?, index))) {
        Some(key) => all + &format!("(default is \"{key}\"): "),
        None => all + ": ",
    }
}

/// Returns whether a record of the information stream was written with Write-Host.
pub(super) fn is_for_host(record: &InformationRecord) -> bool {
    record.tags.iter().any(|tag| tag == "PSHOST")
}

/// Letter that selects a choice, or its number.
fn key(label: &str, index: usize) -> String {
    let letter = label.split_once('&').and_then(|(_, rest)| rest.chars().next());
    letter.map_or_else(|| index.to_string(), |letter| letter.to_uppercase().to_string())
}

/// Returns the number of the choice that an answer selects: by its letter, number or label.
fn chosen(labels: &[String], default: Option<usize>, answer: &str) -> Option<usize> {
    let answer = answer.trim();
    if answer.is_empty() {
        return default;
    }
    labels.iter().enumerate().position(|(index, label)| {
        key(label, index).eq_ignore_ascii_case(answer) || label.replace('&', "").eq_ignore_ascii_case(answer)
    })
}

/// Asks the user at the terminal and returns the answer for the service.
pub(super) async fn ask(question: Question, pool: &RunspacePool) -> Result<Value, ErrorRecord> {
    let is_secret = question == Question::Secret;
    loop {
        let read = tokio::task::spawn_blocking(move || read_line(is_secret)).await;
        let line = match read {
            Ok(Ok(line)) => line,
            Ok(Err(reason)) => return Err(refusal(&reason)),
            Err(_) => return Err(refusal("the terminal cannot be read")),
        };
        return match &question {
            Question::Line => Ok(line.into()),
            Question::Secret => match pool.protect(&line).await {
                Ok(secret) => Ok(secret.into()),
                Err(error) => Err(refusal(&error.to_string())),
            },
            Question::Choice { labels, default } => {
                let Some(index) = chosen(labels, *default, &line) else { continue };
                Ok(i32::try_from(index).unwrap_or(i32::MAX).into())
            }
        };
    }
}

fn refusal(reason: &str) -> ErrorRecord {
    ErrorRecord::new(&format!("telarch pwsh cannot ask: {reason}"), "RemoteHostExecutionException", 7)
}

/// Reads a line of the terminal without its end.
fn read_line(is_secret: bool) -> Result<String, String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err("standard input is no terminal".to_owned());
    }
    let _no_echo = is_secret
        .then(|| ModeGuard::disable(LocalModes::ECHO, io::stdin(), OptionalActions::Now))
        .transpose()
        .map_err(|error| error.to_string())?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    match read {
        Ok(0) => Err("the input has ended".to_owned()),
        Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_selected_by_letter_number_and_label() {
        let labels = ["&Yes".to_owned(), "No to A&ll".to_owned(), "Suspend".to_owned()];
        for (answer, index) in [
            ("y", Some(0)),
            ("L", Some(1)),
            ("no to all", Some(1)),
            ("2", Some(2)),
            ("", Some(1)),
            ("x", None),
        ] {
            assert_eq!(chosen(&labels, Some(1), answer), index, "{answer}");
        }
        assert_eq!(chosen(&labels, None, " "), None);
    }

    #[test]
    fn calls_are_answered_written_or_refused() {
        let call = |method, parameters| HostCall { call: 1, method, parameters };
        assert_eq!(react(&call(HostMethod::SetShouldExit, vec![3.into()])), Reaction::Exit(3));
        let line = vec![7.into(), 0.into(), "text".into()];
        assert_eq!(react(&call(HostMethod::WriteLine3, line)), Reaction::Write("text\n".to_owned()));
        assert_eq!(react(&call(HostMethod::GetBufferContents, Vec::new())), Reaction::Refuse);
        assert_eq!(react(&call(HostMethod::PromptForChoice, Vec::new())), Reaction::Refuse);
    }
}
