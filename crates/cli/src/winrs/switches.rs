//! The table of switches of `winrs`.

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
