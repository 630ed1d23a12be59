//! `telarch wmi`: what WMI tells of this machine or another, for people.
//!
//! Here the engine runs in this process, with the rights of whoever runs it; elsewhere the command line of `winrm` asks.

mod arguments;
mod classes;
mod complete;
mod describe;
mod here;
mod listing;
mod mofcomp;
mod plot;
mod print;
mod row;
mod security;
mod shell;
mod source;
mod subscriptions;
mod there;
mod watch;

use std::io::{self, IsTerminal as _};

use lexopt::Parser;

pub use self::mofcomp::SUBCOMMAND as MOFCOMP;

use self::arguments::{Action, Invocation};
use self::print::Printer;
use self::source::Source;
use cli_command::Subcommand;
use cli_command::Failure;

/// The command `telarch wmi`.
pub const SUBCOMMAND: Subcommand = Subcommand {
    name: "wmi",
    about: "ask WMI of this machine or another: queries, classes, methods, plots",
    help: HELP,
    run,
};

fn run(parser: Parser) -> Result<String, Failure> {
    let Some(Invocation { action, place, format }) = Invocation::parse(parser)? else {
        return Ok(HELP.to_owned());
    };
    // What completes a command line is asked at every key.
    if let Action::Complete = action {
        return complete::names(&place);
    }
    let source = Source::open(&place)?;
    let printer = Printer::new(format);
    match action {
        Action::Query(query) => listing::run(&source, &query, printer),
        Action::Get(path) => Ok(printer.print(&source.get(&path)?)),
        Action::Call { path, method, arguments } => {
            Ok(printer.print(&source.call(&path, &method, &arguments)?))
        }
        Action::Classes(pattern) => classes::listed(&source, pattern.as_deref(), format),
        Action::Describe { class, qualifiers } => {
            describe::described(source.class(&class)?.as_ref(), qualifiers, format)
        }
        Action::Security { namespace, sddl } => security::run(&source, namespace, sddl.as_deref()),
        Action::Plot { query, rhythm } => plot::run(&source, &query, rhythm),
        Action::Watch { query, until } => watch::run(&source, &query, until, printer),
        Action::Subscriptions => Ok(printer.print(&subscriptions::listed(source.here()?)?)),
        Action::Shell if io::stdin().is_terminal() && io::stdout().is_terminal() => {
            shell::talk(&source, printer)
        }
        Action::Shell => shell::lines(&source, printer),
        Action::Complete => Ok(String::new()),
    }
}

const HELP: &str = r#"telarch wmi: ask WMI of this machine or another: queries, classes, methods, plots.

Examples:
  telarch wmi "SELECT Caption, FreePhysicalMemory FROM Win32_OperatingSystem"
  telarch wmi Win32_OperatingSystem --format json
  telarch wmi "SELECT Name, State FROM Win32_Service WHERE State='Running'" -r node7 -u alice
  telarch wmi describe Win32_Process
  telarch wmi plot "SELECT PercentProcessorTime FROM Win32_PerfFormattedData_PerfOS_Processor WHERE Name='_Total'"
  telarch wmi --watch "SELECT * FROM __InstanceModificationEvent WITHIN 5 WHERE TargetInstance ISA 'Win32_Service'"

Actions:
  QUERY                 a query of WQL, or the name of a class for all its instances
  get PATH              one instance: Win32_Service.Name="sshd", or Win32_OperatingSystem=@ for the only one
  call PATH METHOD [NAME=VALUE...]
                        call a method of an instance, or of a class; an array is written {a,b}
  classes [PATTERN]     the classes that there are, with * and ? for other letters; of this machine those are marked
                        that have instances
  describe CLASS        properties, keys, types and methods of a class
  --watch QUERY         tell the events of a query as they come, until Ctrl and C: each as a list, a line of a table or
                        of CSV, or an object of JSON in a line of its own
  plot QUERY            draw the first number of each row over time; q ends it. Without a terminal: a line each time
  subscriptions         the permanent subscriptions of this machine, who has made them, and whether they are carried out
  security [NS [SDDL]]  who may do what in a namespace; or set it
  (nothing)             a shell, with history and completion; without a terminal, a query in each line of input

Options:
  -n, --namespace NS    root/cimv2 if left away
  --format FORMAT       table, list, json or csv; if left away, a table for some properties and a list for all of them
  --qualifiers          also what is said about classes, properties and methods (describe)
  --for TIME            how long to plot or to watch: 30s, 5m or 1h; until it is ended if left away
  --count N             end after so many events (--watch)
  --every TIME          how often to ask (plot); 1s if left away
  --repository PATH     the classes that were added to this machine, if they are not in the usual file
  -r HOST               ask this machine, which may be a saved host; -u, -p, -auth, -ssl and the other switches of
                        winrm say who asks, and how: winrm help auth
  -h, --help            print this text

Here the question is answered in this process, with the rights that you have; no service needs to run.
The exit status is 0, 1 if something failed, and 2 if the command line was not understood.
"#;
