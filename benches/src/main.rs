//! Measures the programs in comparison with lower bounds.
//!
//! Every result is a ratio to, or a difference from, something measured in the same run in alternating turns, so that
//! other load on the machine slows down both sides. The load generator and the programs under test share the machine.
//! If both need the same processor, the CPU time of the server is more significant than the requests per second.

mod bare_server;
mod canned;
mod client;
mod connection;
mod copy;
mod effort;
mod events;
mod fairness;
mod fleet;
mod hop;
mod instances;
mod ipmi;
mod load;
mod machine;
mod management;
mod memory;
mod messages;
mod package;
mod powershell;
mod process;
mod process_files;
mod processors;
mod profile;
mod psutil;
mod python_client;
mod realm;
mod requests;
mod rounds;
mod sealed;
mod services;
mod shell_run;
mod sign_in;
mod signed_in;
mod steps;
mod stream;
mod table;
mod telarchd;

use std::process::ExitCode;

use effort::Effort;
use table::{Row, print};

/// Error of a measurement step; it is only reported.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (switches, wanted): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with('-'));
    let alone = match wanted.split_first() {
        Some((&"profile", rest)) => Some(profile::run(rest)),
        Some((&services::INSIDE, rest)) => Some(services::inside(rest)),
        Some((&events::many::INSIDE, rest)) => Some(events::many::inside(rest)),
        Some((&ipmi::least::INSIDE, rest)) => Some(ipmi::least::inside(rest)),
        _ => None,
    };
    if let Some(ended) = alone {
        return match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let effort = match switches.as_slice() {
        [] => Effort::FULL,
        ["--quick"] => Effort::QUICK,
        ["--trial"] => Effort::TRIAL,
        _ => return usage(),
    };
    if wanted.iter().any(|name| GROUPS.iter().all(|group| group.name != *name)) {
        return usage();
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(&name);
    if is_wanted("sign-in") || is_wanted("sealed") {
        match realm::again() {
            Ok(None) => {}
            Ok(Some(code)) => return code,
            Err(error) => eprintln!("there is no Kerberos here: {error}"),
        }
    }
    let mut rows = Vec::new();
    for group in GROUPS.iter().filter(|group| is_wanted(group.name)) {
        eprintln!("measuring: {}", group.name);
        match (group.measure)(&effort) {
            Ok(measured) => rows.extend(measured),
            Err(error) => rows.push(Row::not_measured(group.name, &error.to_string())),
        }
    }
    print(&rows);
    if rows.iter().all(Row::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A group of related measurements.
struct Group {
    name: &'static str,
    measure: fn(&Effort) -> Result<Vec<Row>>,
}

const GROUPS: [Group; 18] = [
    Group { name: "requests", measure: requests::measure },
    Group { name: "steps", measure: steps::measure },
    Group { name: "shell", measure: shell_run::measure },
    Group { name: "hop", measure: hop::measure },
    Group { name: "stream", measure: stream::measure },
    Group { name: "memory", measure: memory::measure },
    Group { name: "fairness", measure: fairness::measure },
    Group { name: "client", measure: client::measure },
    Group { name: "sign-in", measure: sign_in::measure },
    Group { name: "sealed", measure: sealed::measure },
    Group { name: "wmi", measure: instances::measure },
    Group { name: "python", measure: package::measure },
    Group { name: "ipmi", measure: ipmi::measure },
    Group { name: "events", measure: events::measure },
    Group { name: "powershell", measure: powershell::measure },
    Group { name: "copy", measure: copy::measure },
    Group { name: "fleet", measure: fleet::measure },
    Group { name: "management", measure: management::measure },
];

fn usage() -> ExitCode {
    let groups = GROUPS.map(|group| group.name).join(" | ");
    eprintln!("usage: benches/run [--quick | --trial] [--against PATH_TO_TELARCHD] [{groups}]...");
    ExitCode::from(2)
}
