//! The table of switches of `winrs`.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::FleetFormat;
use crate::connection::draft;
use crate::connection::switches::{self, Connects};
use crate::endpoint::Address;
use crate::failure::ExitCodes;
use crate::switch::{Group, Switch, Value, keywords};

/// Values of the switches of one command line.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) connection: draft::Draft,
    pub(crate) directory: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) no_profile: bool,
    pub(crate) no_echo: bool,
    pub(crate) delegate: bool,
    pub(crate) compression: bool,
    pub(crate) timeout: bool,
    pub(crate) show_exit: bool,
    pub(crate) exit_codes: ExitCodes,
    pub(crate) fleet: FleetDraft,
}

/// Switches for several hosts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FleetDraft {
    pub(crate) hosts: Option<String>,
    pub(crate) parallel: Option<NonZeroUsize>,
    pub(crate) host_time: Option<Duration>,
    pub(crate) total_time: Option<Duration>,
    pub(crate) fail_fast: bool,
    pub(crate) max_failures: Option<NonZeroUsize>,
    pub(crate) format: Option<FleetFormat>,
}

impl Connects for Draft {
    fn connection(&mut self) -> &mut draft::Draft {
        &mut self.connection
    }
}

type Row = Switch<Draft>;

/// Every switch, in help order.
pub(crate) const SWITCHES: &[Row] = &[
    Row::new(
        "remote",
        Value::Text("ENDPOINT"),
        "remote endpoint: [TRANSPORT://]HOST[:PORT] (default: this machine)",
        |d, v| {
            d.connection.remote = Some(Address::parse(v.text())?);
            Ok(())
        },
    )
    .short(&["r"])
    .under(Group::Remote),
    Row::new(
        "hosts",
        Value::Text("NAME,...|@FILE"),
        "run on several hosts: comma-separated names, web[01-20], 10.0.7.0/24, or a file of these",
        |d, v| {
            d.fleet.hosts = Some(v.into_text());
            Ok(())
        },
    )
    .under(Group::Remote),
    Row::new(
        "parallel",
        Value::Text("NUMBER"),
        "maximum number of concurrent hosts with -hosts (default: 32)",
        |d, v| {
            d.fleet.parallel = usize::try_from(v.number(1..=1_000)?).ok().and_then(NonZeroUsize::new);
            Ok(())
        },
    )
    .under(Group::Remote),
    Row::new(
        "hosttimeout",
        Value::Text("SECONDS"),
        "time limit for each host with -hosts; its command is then terminated (default: none)",
        |d, v| {
            d.fleet.host_time = Some(Duration::from_secs(v.number(1..=LONGEST_TIME)?));
            Ok(())
        },
    )
    .under(Group::Remote),
    Row::new(
        "totaltimeout",
        Value::Text("SECONDS"),
        "time limit for all hosts of -hosts together (default: none)",
        |d, v| {
            d.fleet.total_time = Some(Duration::from_secs(v.number(1..=LONGEST_TIME)?));
            Ok(())
        },
    )
    .under(Group::Remote),
    Row::new(
        "failfast",
        Value::None,
        "with -hosts, stop after the first failed host; the same as -maxfailures:1",
        |d, _| {
            d.fleet.fail_fast = true;
            Ok(())
        },
    )
    .under(Group::Remote),
    Row::new(
        "maxfailures",
        Value::Text("NUMBER"),
        "with -hosts, stop after this number of failed hosts (default: no limit)",
        |d, v| {
            d.fleet.max_failures = usize::try_from(v.number(1..=100_000)?).ok().and_then(NonZeroUsize::new);
            Ok(())
        },
    )
    .under(Group::Remote),
    switches::socket(),
    switches::usessl(),
    switches::unencrypted(),
    switches::skip_ca_check(),
    switches::skip_cn_check(),
    switches::ca(),
    switches::authentication(),
    switches::username(),
    switches::password(),
    switches::passwordfile(),
    switches::certificate(),
    switches::certfile(),
    switches::keyfile(),
    switches::spn_port(),
    switches::spn(),
    Row::new(
        "allowdelegate",
        Value::None,
        "allow the service to use the Kerberos ticket for other machines",
        |d, _| {
            d.delegate = true;
            Ok(())
        },
    )
    .short(&["ad"])
    .under(Group::Login),
    Row::new(
        "directory",
        Value::Text("PATH"),
        "working directory of the command (default: home directory)",
        |d, v| {
            d.directory = Some(v.into_text());
            Ok(())
        },
    )
    .short(&["d"])
    .under(Group::Shell),
    Row::new(
        "environment",
        Value::Text("NAME=VALUE"),
        "set an environment variable for the command; may be repeated",
        |d, v| {
            let form = "NAME=VALUE";
            let (name, value) = v.text().split_once('=').ok_or_else(|| v.bad_form(form))?;
            d.environment.push((name.to_owned(), value.to_owned()));
            Ok(())
        },
    )
    .short(&["env"])
    .under(Group::Shell)
    .often(),
    Row::new("noprofile", Value::None, "do not load the user profile", |d, _| {
        d.no_profile = true;
        Ok(())
    })
    .short(&["nop"])
    .under(Group::Shell),
    Row::new("noecho", Value::None, "do not echo input typed for the command", |d, _| {
        d.no_echo = true;
        Ok(())
    })
    .short(&["noe"])
    .under(Group::Shell),
    Row::new(
        "compression",
        Value::None,
        "accepted for compatibility; messages are never compressed",
        |d, _| {
            d.compression = true;
            Ok(())
        },
    )
    .short(&["comp"])
    .under(Group::Shell),
    Row::new(
        "timeout",
        Value::Text("SECONDS"),
        "accepted for compatibility; the running time is never limited",
        |d, _| {
            d.timeout = true;
            Ok(())
        },
    )
    .short(&["t"])
    .under(Group::Shell),
    switches::trace(),
    Row::new(
        "format",
        Value::Words(keywords::<FleetFormat>),
        "with -hosts, text: lines with the name of the host; ndjson: one JSON object per line (default: text)",
        |d, v| {
            d.fleet.format = Some(v.keyword()?);
            Ok(())
        },
    )
    .under(Group::Output),
    Row::new("showexit", Value::None, "print the complete exit code at the end", |d, _| {
        d.show_exit = true;
        Ok(())
    })
    .under(Group::Output),
    Row::new(
        "exitcode",
        Value::Words(keywords::<ExitCodes>),
        "detailed: a separate exit status for each kind of failure (default: plain)",
        |d, v| {
            d.exit_codes = v.keyword()?;
            Ok(())
        },
    )
    .under(Group::Output),
];

/// Maximum time limit in seconds: a year.
const LONGEST_TIME: u64 = 366 * 24 * 60 * 60;
