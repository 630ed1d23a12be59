//! `telarch wmi` and `telarch mofcomp`: queries of WMI, and the MOF compiler.
//!
//! Requests to this machine run in the engine of this process with the rights of the current user; requests to other
//! machines use the client of `winrm`.

mod arguments;
mod classes;
mod complete;
mod describe;
mod fleet;
mod listing;
mod local;
mod mofcomp;
mod plot;
mod print;
mod remote;
mod rights;
mod rights_change;
mod row;
mod security;
mod shell;
mod source;
mod subscriptions;
mod watch;

use std::io::{self, IsTerminal as _};

use cli_command::{Arguments, Failure};

use self::arguments::{Action, Invocation};
use self::print::Printer;
use self::source::Source;

pub use self::arguments::WMI;
pub use self::mofcomp::MOFCOMP;

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let Invocation { action, target, format, limits } = Invocation::new(arguments)?;
    // Shell completion runs at every key press and needs no engine.
    if let Action::CompleteClasses = action {
        return complete::class_names(&target);
    }
    let printer = Printer::new(format);
    if fleet::is_requested(&target) {
        return match action {
            Action::Query(query) => fleet::run(&target, &query, limits, printer),
            _ => Err(Failure::usage(
                "wmi: -hosts is only valid with a query",
                "write a query, or select one machine with -r",
            )),
        };
    }
    let source = Source::open(&target)?;
    match action {
        Action::Query(query) => listing::run(&source, &query, printer),
        Action::Get(path) => Ok(printer.print(&source.get(&path)?)),
        Action::Call { path, method, arguments } => {
            Ok(printer.print(&source.call(&path, &method, &arguments)?))
        }
        Action::Classes(pattern) => classes::list(&source, pattern.as_deref(), format),
        Action::Describe { class, qualifiers } => {
            describe::describe(source.class(&class)?.as_ref(), qualifiers, format)
        }
        Action::Security { namespace, request } => security::run(&source, namespace, request),
        Action::Plot { query, schedule } => plot::run(&source, &query, schedule),
        Action::Watch { query, limit } => watch::run(&source, &query, limit, printer),
        Action::Subscriptions => Ok(printer.print(&subscriptions::list(source.local()?)?)),
        Action::Shell if io::stdin().is_terminal() && io::stdout().is_terminal() => {
            shell::interactive(&source, printer)
        }
        Action::Shell => shell::lines(&source, printer),
        Action::CompleteClasses => Ok(String::new()),
    }
}
