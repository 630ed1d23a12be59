//! The command line of `telarch wmi`.

use std::path::PathBuf;
use std::time::Duration;

use cim::Namespace;
use lexopt::Parser;

use super::print::Format;
use cli_command::Failure;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Action,
    pub(super) place: Place,
    pub(super) format: Option<Format>,
}

/// Which machine and namespace is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) namespace: Namespace,
    /// The file of the repository, if it is not the usual one.
    pub(super) repository: Option<PathBuf>,
    /// The switches of `winrm`; without `-r` this machine is asked.
    pub(super) switches: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Query(String),
    Get(String),
    Call {
        path: String,
        method: String,
        arguments: Vec<(String, String)>,
    },
    Classes(Option<String>),
    Describe {
        class: String,
        qualifiers: Qualifiers,
    },
    Security {
        namespace: Option<Namespace>,
        sddl: Option<String>,
    },
    Plot {
        query: String,
        rhythm: Rhythm,
    },
    Watch {
        query: String,
        until: Until,
    },
    /// What is registered for events.
    Subscriptions,
    Shell,
    /// The names of classes, for the completion of bash.
    Complete,
}

/// Whether qualifiers are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Qualifiers {
    #[default]
    Hidden,
    Shown,
}

/// How often something is asked, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rhythm {
    pub(super) every: Duration,
    pub(super) lasting: Option<Duration>,
}

/// When enough events have come; never if nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Until {
    pub(super) lasting: Option<Duration>,
    pub(super) count: Option<u64>,
}

impl Invocation {
    /// Reads what follows the word `wmi`; none if it asks for help.
    pub(super) fn parse(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let text = |argument: std::ffi::OsString| {
            argument.into_string().map_err(|argument| wrong(format!("{argument:?} is not UTF-8")))
        };
        let mut rest = Vec::new();
        for argument in parser.raw_args()? {
            rest.push(text(argument)?);
        }
        let mut rest = rest.into_iter();
        let (mut words, mut switches, mut namespace, mut format) = (Vec::new(), Vec::new(), None, None);
        let (mut repository, mut qualifiers) = (None, Qualifiers::Hidden);
        let (mut every, mut lasting, mut count, mut watched) = (None, None, None, None);
        while let Some(argument) = rest.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
                _ => (argument.clone(), None),
            };
            let mut value = || {
                attached.clone().or_else(|| rest.next()).ok_or_else(|| wrong(format!("{name} needs a value")))
            };
            match name.as_str() {
                "-h" | "--help" => return Ok(None),
                "-n" | "--namespace" => namespace = Some(Namespace::parse(&value()?).map_err(wrong)?),
                "--format" => format = Some(value()?.parse().map_err(wrong)?),
                "--repository" => repository = Some(PathBuf::from(value()?)),
                "--qualifiers" => qualifiers = Qualifiers::Shown,
                "--for" => lasting = Some(duration(&value()?)?),
                "--every" => every = Some(duration(&value()?)?),
                "--watch" => watched = Some(value()?),
                "--count" => {
                    let text = value()?;
                    let number = text.parse().ok().filter(|number| *number > 0);
                    count = Some(number.ok_or_else(|| wrong(format!("--count: {text:?} is no count")))?);
                }
                // The value of these may also be a word of its own.
                "-r" | "-u" | "-remote" | "-username" | "-auth" | "-a" => {
                    switches.push(format!("{name}:{}", value()?));
                }
                other if other.starts_with("--") => return Err(wrong(format!("unknown option {other}"))),
                other if other.starts_with('-') && other.len() > 1 => switches.push(argument),
                _ => words.push(argument),
            }
        }
        let rhythm = Rhythm { every: every.unwrap_or(Duration::from_secs(1)), lasting };
        let action = match watched {
            Some(_) if !words.is_empty() => {
                return Err(wrong(format!(
                    "--watch takes one query, in quotes: {:?} is too much",
                    words.join(" ")
                )));
            }
            Some(query) => Action::Watch { query, until: Until { lasting, count } },
            None => action(&words, rhythm, qualifiers)?,
        };
        match action {
            Action::Plot { .. } if count.is_some() => return Err(wrong("--count is for --watch")),
            Action::Watch { .. } if every.is_some() => {
                return Err(wrong("--every is for plots: say WITHIN in the query of a watch"));
            }
            Action::Plot { .. } | Action::Watch { .. } => {}
            _ if every.is_some() || lasting.is_some() || count.is_some() => {
                return Err(wrong("--for, --every and --count are for plots and --watch"));
            }
            _ => {}
        }
        let is_remote = |switch: &String| {
            let name = switch.split(':').next().unwrap_or_default().to_ascii_lowercase();
            name == "-r" || name == "-remote"
        };
        if !switches.is_empty() && !switches.iter().any(is_remote) {
            return Err(wrong(format!(
                "{} says how another machine is asked: name it with -r",
                switches.join(" ")
            )));
        }
        let namespace = namespace.unwrap_or_else(Namespace::cimv2);
        Ok(Some(Self { action, place: Place { namespace, repository, switches }, format }))
    }
}

fn action(words: &[String], rhythm: Rhythm, qualifiers: Qualifiers) -> Result<Action, Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if qualifiers == Qualifiers::Shown && words.first() != Some(&"describe") {
        return Err(wrong("--qualifiers is for describe"));
    }
    Ok(match words.as_slice() {
        [] => Action::Shell,
        ["get", path] => Action::Get((*path).to_owned()),
        ["get", ..] => return Err(wrong("get takes the path of one instance")),
        ["call", path, method, arguments @ ..] => {
            let arguments = arguments.iter().map(|argument| match argument.split_once('=') {
                Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
                None => Err(wrong(format!("{argument:?} is not NAME=VALUE"))),
            });
            Action::Call {
                path: (*path).to_owned(),
                method: (*method).to_owned(),
                arguments: arguments.collect::<Result<_, _>>()?,
            }
        }
        ["call", ..] => return Err(wrong("call takes a path, a method, and NAME=VALUE for each parameter")),
        ["classes"] => Action::Classes(None),
        ["classes", pattern] => Action::Classes(Some((*pattern).to_owned())),
        ["describe", class] => Action::Describe { class: (*class).to_owned(), qualifiers },
        ["describe", ..] => return Err(wrong("describe takes one class")),
        ["security"] => Action::Security { namespace: None, sddl: None },
        ["security", namespace] => Action::Security { namespace: Some(named(namespace)?), sddl: None },
        ["security", namespace, sddl] => {
            Action::Security { namespace: Some(named(namespace)?), sddl: Some((*sddl).to_owned()) }
        }
        ["subscriptions"] => Action::Subscriptions,
        ["subscriptions", ..] => return Err(wrong("subscriptions stands alone")),
        ["plot", query] => Action::Plot { query: query_of(query), rhythm },
        ["plot", ..] => return Err(wrong("plot takes one query, in quotes")),
        ["complete-classes"] => Action::Complete,
        [query] => Action::Query(query_of(query)),
        // What follows may be a password, which must not become a part of the query.
        [first, _, ..] if is_query(first) && first.contains(char::is_whitespace) => {
            return Err(wrong(
                "there is a word behind the query; a password is written -p:PASSWORD, and -p alone asks for it",
            ));
        }
        // Quotes were forgotten, but nothing else than a query begins so.
        [first, ..] if is_query(first) => Action::Query(words.join(" ")),
        [first, ..] => {
            return Err(wrong(format!("unknown action {first:?}; a query stands in quotes")));
        }
    })
}

/// A query, or that for all instances of a class.
pub(super) fn query_of(text: &str) -> String {
    let is_name = cim::Name::parse(text).is_ok() && !is_query(text);
    if is_name { format!("SELECT * FROM {text}") } else { text.to_owned() }
}

fn is_query(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    ["select", "associators", "references"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

fn named(text: &str) -> Result<Namespace, Failure> {
    Namespace::parse(text).map_err(wrong)
}

/// `30s`, `5m`, `1h`, `500ms`, or seconds.
fn duration(text: &str) -> Result<Duration, Failure> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let millis = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match millis {
        Some(millis @ 100..=86_400_000) => Ok(Duration::from_millis(millis)),
        _ => Err(wrong(format!("{text:?} is not a time such as 30s, 5m or 1h, of at least 100ms"))),
    }
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("wmi: {what}"), "telarch wmi --help shows whole command lines")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Invocation::parse(Parser::from_args(arguments))
    }

    fn action_of(arguments: &[&str]) -> Action {
        parse(arguments).expect("right").expect("no help").action
    }

    #[test]
    fn each_action_has_its_words() {
        let all = "SELECT * FROM Win32_Service";
        assert_eq!(action_of(&["Win32_Service"]), Action::Query(all.to_owned()));
        assert_eq!(action_of(&["select", "a", "from", "b"]), Action::Query("select a from b".to_owned()));
        assert_eq!(action_of(&[]), Action::Shell);
        assert_eq!(
            action_of(&["call", "A.B=1", "Do", "x=1", "y=a=b"]),
            Action::Call {
                path: "A.B=1".to_owned(),
                method: "Do".to_owned(),
                arguments: vec![("x".to_owned(), "1".to_owned()), ("y".to_owned(), "a=b".to_owned())],
            }
        );
        let rhythm = Rhythm { every: Duration::from_millis(500), lasting: Some(Duration::from_secs(90)) };
        assert_eq!(
            action_of(&["plot", "--for=90s", "A", "--every", "500ms"]),
            Action::Plot { query: "SELECT * FROM A".to_owned(), rhythm }
        );
    }

    #[test]
    fn switches_of_winrm_are_passed_on() {
        let invocation = parse(&["-r", "node7", "A", "-u:alice", "-p", "-auth:basic", "-n", "root/default"]);
        let place = invocation.expect("right").expect("no help").place;
        assert_eq!(place.switches, ["-r:node7", "-u:alice", "-p", "-auth:basic"]);
        assert_eq!(place.namespace.as_str(), "root/default");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, part) in [
            (&["-u", "alice", "A"][..], "name it with -r"),
            (&["SELECT * FROM A", "-r", "b", "-p", "hush"][..], "a password is written -p:PASSWORD"),
            (&["get"], "one instance"),
            (&["call", "A", "B", "c"], "\"c\" is not NAME=VALUE"),
            (&["frobnicate", "x"], "unknown action \"frobnicate\""),
            (&["--fromat", "x", "A"], "--fromat"),
            (&["--format", "xml", "A"], "\"xml\""),
            (&["--for", "1x", "plot", "A"], "\"1x\" is not a time"),
            (&["--for", "1s", "A"], "for plots"),
            (&["--watch", "A", "B"], "\"B\" is too much"),
            (&["--watch", "A", "--every", "1s"], "WITHIN"),
            (&["--watch", "A", "--count", "0"], "\"0\" is no count"),
            (&["A", "--format"], "--format needs a value"),
            (&["A", "--qualifiers"], "for describe"),
        ] {
            let failure = parse(arguments).map(|_| ()).expect_err("a wrong command line").to_string();
            assert!(failure.contains(part), "{failure} does not name {part}");
        }
    }
}
