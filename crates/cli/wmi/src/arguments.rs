//! The command line of `telarch wmi`.

use std::path::PathBuf;
use std::time::Duration;

use cim::Namespace;
use cli::remote::selects_machines;
use cli_command::fleet::{FAIL_FAST, HOST_TIME, HostLimits, MAX_FAILURES, TOTAL_TIME};
use cli_command::{Action as Entry, Arguments, Command, Failure, NoArguments, Opt, Scope, SingleDash, Value};
use sddl::AccessKind;
use wmi::Rights;

use super::print::FORMATS;
use super::rights;
use super::rights_change::{Reach, RightsChange};
use cli_command::format::Format;

/// The command `telarch wmi`.
pub static WMI: Command = Command::new(
    "wmi",
    "query WMI on this machine or another: instances, classes, methods, events",
    super::run,
)
.examples(&[
    r#"telarch wmi "SELECT Caption, FreePhysicalMemory FROM Win32_OperatingSystem""#,
    "telarch wmi Win32_OperatingSystem --format json",
    r#"telarch wmi "SELECT Name, State FROM Win32_Service WHERE State='Running'" -r node7 -u alice"#,
    "telarch wmi describe Win32_Process",
    r#"telarch wmi plot "SELECT PercentProcessorTime FROM Win32_PerfFormattedData_PerfOS_Processor WHERE Name='_Total'""#,
    "telarch wmi security root/cimv2 --allow alice --rights enable,methods,remote-enable",
    "telarch wmi \"SELECT Caption, LastBootUpTime FROM Win32_OperatingSystem\" -hosts:web[01-20] -u ann --format csv",
    r#"telarch wmi --watch "SELECT * FROM __InstanceModificationEvent WITHIN 5 WHERE TargetInstance ISA 'Win32_Service'""#,
])
.actions(&[
    Entry::default(&[
        ("QUERY", "run a WQL query, or list all instances of the class with this name"),
        (
            "(no arguments)",
            "start a shell with history and completion; if standard input or output is not a terminal, run each line \
             of standard input as a query",
        ),
    ])
    .takes_any(),
    Entry::new(
        "get",
        &[("PATH", r#"show one instance, such as Win32_Service.Name="sshd", or Win32_OperatingSystem=@ for a singleton"#)],
    )
    .takes(1, 1),
    Entry::new(
        "call",
        &[(
            "PATH METHOD [NAME=VALUE...]",
            "call a method of an instance or a class; an array is written {a,b}",
        )],
    )
    .takes(2, usize::MAX),
    Entry::new(
        "classes",
        &[(
            "[PATTERN]",
            "list the classes whose names match a pattern with * and ?; on this machine, classes that have instances \
             are marked",
        )],
    )
    .takes(0, 1),
    Entry::new("describe", &[("CLASS", "show the properties, keys, types and methods of a class")]).takes(1, 1),
    Entry::new(
        "plot",
        &[(
            "QUERY",
            "plot the first number of each row over time; q quits. Without a terminal, print one line per interval",
        )],
    )
    .takes(1, 1),
    Entry::new(
        "subscriptions",
        &[("", "list the permanent event subscriptions of this machine, their creators, and their state")],
    ),
    Entry::new(
        "security",
        &[(
            "[NAMESPACE [SDDL]]",
            "show the access rights of a namespace, or change them with --edit, --allow, --deny or --remove, or replace \
             them by a security descriptor",
        )],
    )
    .takes(0, 2),
    Entry::new("complete-classes", &[("", "list class names, for shell completion")]).hidden(),
])
.options(&[
    &NAMESPACE,
    &FORMAT,
    &WATCH,
    &QUALIFIERS,
    &EDIT,
    &ALLOW,
    &DENY,
    &REMOVE,
    &RIGHTS,
    &THIS_ONLY,
    &FOR,
    &COUNT,
    &EVERY,
    &REPOSITORY,
    &HOST_TIME,
    &TOTAL_TIME,
    &FAIL_FAST,
    &MAX_FAILURES,
])
.exclusive(&[&[&FAIL_FAST, &MAX_FAILURES], &[&WATCH, &EVERY], &[&EDIT, &ALLOW, &DENY, &REMOVE], &[&REMOVE, &THIS_ONLY]])
.single_dash(SingleDash::Switches(&["r", "u", "remote", "username", "auth", "a"]))
.without_arguments(NoArguments::Run)
.notes(&[
    "-r HOST selects another machine, by its name or as a saved host; -u, -p, -auth, -ssl and the other switches of \
     winrm set the user and the connection (winrm help auth).",
    "-hosts:LIST and -parallel:N run a query on many machines; the column Host has their names. Exit status: 0 if it \
     succeeded on all machines, otherwise 1.",
    "On this machine, requests are processed by telarch itself with the rights of the current user; no service needs \
     to run.",
]);

static NAMESPACE: Opt =
    Opt::new("namespace", Value::Text("NAMESPACE"), "WMI namespace (default: root/cimv2)").short('n');
static FORMAT: Opt = Opt::new(
    "format",
    Value::OneOf("FORMAT", || Format::words(FORMATS)),
    "table, list, json or csv (default: table if the query names properties, else list)",
);
static WATCH: Opt = Opt::new(
    "watch",
    Value::Text("QUERY"),
    "print the events of an event query as they occur, until Ctrl-C: a list, a line of a table or CSV, or one JSON \
     object per line",
);
static QUALIFIERS: Opt =
    Opt::new("qualifiers", Value::None, "also show qualifiers").only_with(&[Scope::Action("describe")]);
static EDIT: Opt = Opt::new(
    "edit",
    Value::None,
    "edit the rights in a dialogue: list, add, change and remove entries, then save or quit",
)
.only_with(&[SECURITY]);
static ALLOW: Opt = Opt::new(
    "allow",
    Value::Text("NAME"),
    "allow rights to this user or group: a name of the machine or of Windows, an alias such as AU, or a SID; rights \
     denied to it by an entry of the namespace itself are no longer denied; may be repeated",
)
.only_with(&[SECURITY])
.repeatable();
static DENY: Opt =
    Opt::new("deny", Value::Text("NAME"), "deny rights to this user or group; may be repeated")
        .only_with(&[SECURITY])
        .repeatable();
static REMOVE: Opt = Opt::new(
    "remove",
    Value::Text("NAME"),
    "remove rights of this user or group from the entries of the namespace itself; may be repeated",
)
.only_with(&[SECURITY])
.repeatable();
static RIGHTS: Opt = Opt::new(
    "rights",
    Value::Text("LIST"),
    "rights, separated by commas: enable, methods, full-write, partial-write, provider-write, remote-enable, subscribe, \
     publish, read-security, edit-security, or all (default: enable,methods,remote-enable for --allow, otherwise all)",
)
.only_with(&[Scope::Option(&ALLOW), Scope::Option(&DENY), Scope::Option(&REMOVE)]);
static THIS_ONLY: Opt =
    Opt::new("this-only", Value::None, "not for child namespaces (default: this namespace and its children)")
        .only_with(&[Scope::Option(&ALLOW), Scope::Option(&DENY)]);
static FOR: Opt =
    Opt::new("for", Value::Text("TIME"), "duration, such as 30s, 5m or 1h (default: until interrupted)")
        .only_with(&[PLOT, Scope::Option(&WATCH)]);
static COUNT: Opt =
    Opt::new("count", Value::Text("N"), "stop after N events").only_with(&[Scope::Option(&WATCH)]);
static EVERY: Opt =
    Opt::new("every", Value::Text("TIME"), "interval between queries (default: 1s)").only_with(&[PLOT]);
static REPOSITORY: Opt = Opt::new(
    "repository",
    Value::Path("PATH"),
    "repository file with the classes that were added to this machine (default: that of the service)",
);

const PLOT: Scope = Scope::Action("plot");
const SECURITY: Scope = Scope::Action("security");

/// The action, the machine and the output format that a command line requests.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Action,
    pub(super) target: Target,
    pub(super) format: Option<Format>,
    /// Limits of a query on many machines.
    pub(super) limits: HostLimits,
}

/// A namespace on this or another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) namespace: Namespace,
    /// The repository file, if it is not the default one.
    pub(super) repository: Option<PathBuf>,
    /// Switches of `winrm` that select another machine; empty for this one.
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
    /// Pattern for class names; all classes if `None`.
    Classes(Option<String>),
    Describe {
        class: String,
        qualifiers: Qualifiers,
    },
    Security {
        namespace: Option<Namespace>,
        request: SecurityRequest,
    },
    Plot {
        query: String,
        schedule: Schedule,
    },
    Watch {
        query: String,
        limit: EventLimit,
    },
    Subscriptions,
    Shell,
    /// Lists class names for shell completion.
    CompleteClasses,
}

/// Whether a description includes qualifiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Qualifiers {
    #[default]
    Hidden,
    Shown,
}

/// Request for the access rights of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecurityRequest {
    Show,
    /// Edits the descriptor in a dialogue.
    Edit,
    /// Replaces the descriptor by this text.
    Replace(String),
    Change {
        /// Users and groups, as typed.
        names: Vec<String>,
        change: RightsChange,
    },
}

/// The schedule of a repeated query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) interval: Duration,
    /// Total duration; unlimited if `None`.
    pub(super) duration: Option<Duration>,
}

/// The end of a subscription; unlimited by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EventLimit {
    pub(super) duration: Option<Duration>,
    /// Number of events.
    pub(super) count: Option<u64>,
}

impl Invocation {
    /// Interprets a command line that obeys the command table.
    pub(super) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let namespace = arguments.text(&NAMESPACE)?.map(namespace).transpose()?;
        let switches = arguments.switches().to_vec();
        if !switches.is_empty() && !selects_machines(&switches) {
            return Err(usage_error(format!(
                "{} is only valid for another machine; select it with -r",
                switches.join(" ")
            )));
        }
        Ok(Self {
            action: action(arguments)?,
            target: Target {
                namespace: namespace.unwrap_or_else(Namespace::cimv2),
                repository: arguments.path(&REPOSITORY),
                switches,
            },
            format: arguments.keyword(&FORMAT),
            limits: HostLimits::of(arguments)?,
        })
    }
}

fn action(arguments: &Arguments) -> Result<Action, Failure> {
    let words = arguments.words();
    let duration = arguments.text(&FOR)?.map(duration).transpose()?;
    if let Some(query) = arguments.text(&WATCH)? {
        if !(words.is_empty() && arguments.action().is_empty()) {
            return Err(usage_error(format!(
                "--watch takes one query in quotation marks; unexpected argument \"{}\"",
                [arguments.action(), &words.join(" ")].concat()
            )));
        }
        let count = arguments.number(&COUNT, 1..=u64::MAX)?;
        return Ok(Action::Watch { query: query.to_owned(), limit: EventLimit { duration, count } });
    }
    Ok(match (arguments.action(), words.as_slice()) {
        ("get", words) => Action::Get(words.concat()),
        ("call", [path, method, parameters @ ..]) => {
            let parameters = parameters.iter().map(|parameter| match parameter.split_once('=') {
                Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
                None => Err(usage_error(format!("\"{parameter}\" is not of the form NAME=VALUE"))),
            });
            Action::Call {
                path: (*path).to_owned(),
                method: (*method).to_owned(),
                arguments: parameters.collect::<Result<_, _>>()?,
            }
        }
        ("classes", words) => Action::Classes(words.first().map(|pattern| (*pattern).to_owned())),
        ("describe", words) => {
            let is_given = arguments.is_given(&QUALIFIERS);
            let qualifiers = if is_given { Qualifiers::Shown } else { Qualifiers::Hidden };
            Action::Describe { class: words.concat(), qualifiers }
        }
        ("security", words) => Action::Security {
            namespace: words.first().map(|text| namespace(text)).transpose()?,
            request: security_request(arguments, words.get(1).copied())?,
        },
        ("subscriptions", _) => Action::Subscriptions,
        ("plot", words) => {
            let interval = arguments.text(&EVERY)?.map(self::duration).transpose()?;
            let interval = interval.unwrap_or(Duration::from_secs(1));
            Action::Plot { query: query_of(&words.concat()), schedule: Schedule { interval, duration } }
        }
        ("complete-classes", _) => Action::CompleteClasses,
        (_, []) => Action::Shell,
        (_, [query]) => Action::Query(query_of(query)),
        // The next word may be a password, which must not become part of the query.
        (_, [first, ..]) if is_query(first) && first.contains(char::is_whitespace) => {
            return Err(usage_error(
                "unexpected argument after the query; write a password as -p:PASSWORD, or give -p alone to be prompted",
            ));
        }
        // A query without quotation marks.
        (_, [first, ..]) if is_query(first) => Action::Query(words.join(" ")),
        (_, [first, ..]) => {
            return Err(usage_error(format!("unknown action \"{first}\"; write a query in quotation marks")));
        }
    })
}

fn security_request(arguments: &Arguments, sddl: Option<&str>) -> Result<SecurityRequest, Failure> {
    let rights = arguments.text(&RIGHTS)?.map(rights::parse).transpose().map_err(usage_error)?;
    let is_this_only = arguments.is_given(&THIS_ONLY);
    let reach = if is_this_only { Reach::ThisOnly } else { Reach::WithChildren };
    let set = |kind, default| RightsChange::Set { kind, rights: rights.unwrap_or(default), reach };
    let changes = [
        (&ALLOW, set(AccessKind::Allowed, rights::USUAL)),
        (&DENY, set(AccessKind::Denied, Rights::all())),
        (&REMOVE, RightsChange::Remove { rights: rights.unwrap_or(Rights::all()) }),
    ];
    if arguments.is_given(&EDIT) {
        return match sddl {
            Some(sddl) => Err(usage_error(format!(
                "unexpected argument \"{sddl}\"; give either a security descriptor or --edit"
            ))),
            None => Ok(SecurityRequest::Edit),
        };
    }
    let requested = changes.into_iter().find(|(option, _)| arguments.is_given(option));
    match (requested, sddl) {
        (Some(_), Some(sddl)) => Err(usage_error(format!(
            "unexpected argument \"{sddl}\"; give either a security descriptor, or --allow, --deny or --remove"
        ))),
        (Some((option, change)), None) => {
            let names = arguments.texts(option)?.into_iter().map(str::to_owned).collect();
            Ok(SecurityRequest::Change { names, change })
        }
        (None, Some(sddl)) => Ok(SecurityRequest::Replace(sddl.to_owned())),
        (None, None) => Ok(SecurityRequest::Show),
    }
}

/// Returns a query as it is, and for the name of a class the query for all its instances.
pub(super) fn query_of(text: &str) -> String {
    let is_name = cim::Name::parse(text).is_ok() && !is_query(text);
    if is_name { format!("SELECT * FROM {text}") } else { text.to_owned() }
}

fn is_query(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    ["select", "associators", "references"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

fn namespace(text: &str) -> Result<Namespace, Failure> {
    Namespace::parse(text).map_err(usage_error)
}

/// Parses a duration such as `30s`, `5m`, `1h`, `500ms`, or a number of seconds.
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
        _ => {
            Err(usage_error(format!("\"{text}\" is not a duration from 100ms to 24h, such as 30s, 5m or 1h")))
        }
    }
}

fn usage_error(problem: impl std::fmt::Display) -> Failure {
    WMI.usage_error(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Arguments::parse_words(&WMI, arguments)?.map(|arguments| Invocation::new(&arguments)).transpose()
    }

    fn action_of(arguments: &[&str]) -> Action {
        parse(arguments).expect("a valid command line").expect("no request for help").action
    }

    #[test]
    fn each_action_is_parsed_with_its_parameters() {
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
        let schedule =
            Schedule { interval: Duration::from_millis(500), duration: Some(Duration::from_secs(90)) };
        assert_eq!(
            action_of(&["plot", "--for=90s", "A", "--every", "500ms"]),
            Action::Plot { query: "SELECT * FROM A".to_owned(), schedule }
        );
    }

    #[test]
    fn changes_of_rights_have_defaults() {
        let request_of = |arguments: &[&str]| match action_of(&[&["security", "root"], arguments].concat()) {
            Action::Security { request, .. } => request,
            other => panic!("{other:?}"),
        };
        let allowed = |names: &[&str], rights, reach| SecurityRequest::Change {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            change: RightsChange::Set { kind: AccessKind::Allowed, rights, reach },
        };
        assert_eq!(request_of(&[]), SecurityRequest::Show);
        assert_eq!(request_of(&["--edit"]), SecurityRequest::Edit);
        assert_eq!(
            request_of(&["--allow", "ada", "--allow", "BU"]),
            allowed(&["ada", "BU"], rights::USUAL, Reach::WithChildren)
        );
        assert_eq!(
            request_of(&["--allow", "ada", "--rights", "enable", "--this-only"]),
            allowed(&["ada"], Rights::ENABLE, Reach::ThisOnly)
        );
        assert_eq!(
            request_of(&["--remove", "ada"]),
            SecurityRequest::Change {
                names: vec!["ada".to_owned()],
                change: RightsChange::Remove { rights: Rights::all() }
            }
        );
    }

    #[test]
    fn switches_of_winrm_are_kept() {
        let invocation = parse(&["-r", "node7", "A", "-u:alice", "-p", "-auth:basic", "-n", "root/default"]);
        let target = invocation.expect("a valid command line").expect("no request for help").target;
        assert_eq!(target.switches, ["-r:node7", "-u:alice", "-p", "-auth:basic"]);
        assert_eq!(target.namespace.as_str(), "root/default");
    }

    #[test]
    fn invalid_command_lines_are_rejected() {
        for (arguments, part) in [
            (&["-u", "alice", "A"][..], "select it with -r"),
            (&["SELECT * FROM A", "-r", "b", "-p", "hush"][..], "write a password as -p:PASSWORD"),
            (&["get"], "missing argument; usage: telarch wmi get PATH"),
            (&["call", "A", "B", "c"], "\"c\" is not of the form NAME=VALUE"),
            (&["frobnicate", "x"], "unknown action \"frobnicate\""),
            (&["--fromat", "x", "A"], "--fromat"),
            (&["--format", "xml", "A"], "\"xml\""),
            (&["--for", "1x", "plot", "A"], "\"1x\" is not a duration"),
            (&["--for", "1s", "A"], "--for is only valid with plot or --watch"),
            (&["--watch", "A", "B"], "unexpected argument \"B\""),
            (&["--watch", "A", "--every", "1s"], "--watch and --every are mutually exclusive"),
            (&["--watch", "A", "--count", "0"], "\"0\" is not a number"),
            (&["A", "--format"], "--format requires a value"),
            (&["security", "root", "--allow", "ada", "--rights", "fly"], "unknown right \"fly\""),
            (&["security", "root", "--rights", "all"], "--rights is only valid with"),
            (&["security", "root", "D:", "--deny", "ada"], "unexpected argument \"D:\""),
            (&["security", "root", "--allow", "a", "--deny", "b"], "mutually exclusive"),
            (&["security", "root", "D:", "--edit"], "unexpected argument \"D:\""),
            (&["security", "root", "--edit", "--allow", "a"], "mutually exclusive"),
            (&["A", "--allow", "ada"], "--allow is only valid with security"),
            (&["A", "--qualifiers"], "--qualifiers is only valid with describe"),
            (&["A", "--format", "json", "--format", "csv"], "--format is given twice"),
        ] {
            let failure = parse(arguments).map(|_| ()).expect_err("an invalid command line").to_string();
            assert!(failure.contains(part), "{failure} does not contain {part}");
        }
    }
}
