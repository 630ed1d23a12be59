//! The table of switches of `winrs`.

use crate::connection::draft::{self, Scheme};
use crate::connection::{ServiceName, Thumbprint};
use crate::endpoint::Address;
use crate::failure::ExitCodes;
use crate::switch::{Group, Switch, Value, names};
use crate::winrm::switches::password;

/// What the switches said.
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

type Row = Switch<Draft>;

/// Every switch, in the order in which help lists them.
pub(crate) const SWITCHES: &[Row] = &[
    Row::new("remote", Value::Text("ENDPOINT"), "the other machine: [TRANSPORT://]HOST[:PORT]", |d, v| {
        d.connection.remote = Some(Address::parse(v.text())?);
        Ok(())
    })
    .short(&["r"])
    .under(Group::Remote),
    Row::new("socket", Value::File("FILE"), "this machine, by the Unix socket of its service", |d, v| {
        d.connection.socket = Some(v.into_text().into());
        Ok(())
    })
    .under(Group::Remote),
    Row::new("usessl", Value::None, "HTTPS on port 5986", |d, _| {
        d.connection.ssl = true;
        Ok(())
    })
    .short(&["ssl"])
    .under(Group::Remote),
    Row::new("unencrypted", Value::None, "send messages over HTTP that anyone can read", |d, _| {
        d.connection.unencrypted = true;
        Ok(())
    })
    .short(&["un"])
    .under(Group::Remote),
    Row::new("skipCAcheck", Value::None, "accept a certificate of an unknown issuer", |d, _| {
        d.connection.skip_issuer = true;
        Ok(())
    })
    .under(Group::Remote),
    Row::new("skipCNcheck", Value::None, "accept a certificate for another name", |d, _| {
        d.connection.skip_name = true;
        Ok(())
    })
    .under(Group::Remote),
    Row::new("ca", Value::File("FILE"), "PEM file with issuers to trust as well", |d, v| {
        d.connection.ca = Some(v.into_text().into());
        Ok(())
    })
    .under(Group::Remote),
    Row::new("authentication", Value::Words(names::<Scheme>), "how to prove who asks", |d, v| {
        d.connection.scheme = Some(v.keyword()?);
        Ok(())
    })
    .short(&["a", "auth"])
    .under(Group::Login),
    Row::new("username", Value::Text("USER"), "the user: USER, DOMAIN\\USER or USER@DOMAIN", |d, v| {
        d.connection.user = Some(v.into_text());
        Ok(())
    })
    .short(&["u"])
    .under(Group::Login),
    Row::new(
        "password",
        Value::Optional("PASSWORD"),
        "the password; alone it is asked for, - reads standard input",
        |d, v| {
            d.connection.password = Some(password(v.into_secret()));
            Ok(())
        },
    )
    .short(&["p"])
    .under(Group::Login),
    Row::new("passwordfile", Value::File("FILE"), "file whose first line is the password", |d, v| {
        d.connection.password_file = Some(v.into_text().into());
        Ok(())
    })
    .under(Group::Login),
    Row::new(
        "certificate",
        Value::Text("THUMBPRINT"),
        "log in with the certificate of this thumbprint",
        |d, v| {
            let form = "the 40 hexadecimal digits of a SHA-1 thumbprint; a file goes with -certfile";
            d.connection.thumbprint = Some(Thumbprint::parse(v.text()).ok_or_else(|| v.bad_form(form))?);
            Ok(())
        },
    )
    .under(Group::Login),
    Row::new("certfile", Value::File("FILE"), "log in with the certificate in this PEM file", |d, v| {
        d.connection.certificate_file = Some(v.into_text().into());
        Ok(())
    })
    .under(Group::Login),
    Row::new("keyfile", Value::File("FILE"), "PEM file with the key of -certfile", |d, v| {
        d.connection.key_file = Some(v.into_text().into());
        Ok(())
    })
    .under(Group::Login),
    Row::new("SPNPort", Value::None, "put the port into the service principal name", |d, _| {
        d.connection.spn_port = true;
        Ok(())
    })
    .under(Group::Login),
    Row::new(
        "spn",
        Value::Text("SPN"),
        "what Kerberos calls the service: HTTP (default), WSMAN, HOST, or CLASS/HOST[:PORT]",
        |d, v| {
            let form = "HTTP, WSMAN, HOST, or a whole name such as HTTP/server7.example.com";
            d.connection.spn = Some(ServiceName::parse(v.text()).ok_or_else(|| v.bad_form(form))?);
            Ok(())
        },
    )
    .under(Group::Login),
    Row::new("allowdelegate", Value::None, "let the service use the Kerberos ticket elsewhere", |d, _| {
        d.delegate = true;
        Ok(())
    })
    .short(&["ad"])
    .under(Group::Login),
    Row::new("directory", Value::Text("PATH"), "the folder to run the command in", |d, v| {
        d.directory = Some(v.into_text());
        Ok(())
    })
    .short(&["d"])
    .under(Group::Shell),
    Row::new("environment", Value::Text("NAME=VALUE"), "a variable for the command", |d, v| {
        let form = "NAME=VALUE";
        let (name, value) = v.text().split_once('=').ok_or_else(|| v.bad_form(form))?;
        d.environment.push((name.to_owned(), value.to_owned()));
        Ok(())
    })
    .short(&["env"])
    .under(Group::Shell)
    .often(),
    Row::new("noprofile", Value::None, "do not load the profile of the user", |d, _| {
        d.no_profile = true;
        Ok(())
    })
    .short(&["nop"])
    .under(Group::Shell),
    Row::new("noecho", Value::None, "do not show what is typed for the command", |d, _| {
        d.no_echo = true;
        Ok(())
    })
    .short(&["noe"])
    .under(Group::Shell),
    Row::new("compression", Value::None, "of no effect yet; scripts still give it", |d, _| {
        d.compression = true;
        Ok(())
    })
    .short(&["comp"])
    .under(Group::Shell),
    Row::new("timeout", Value::Text("SECONDS"), "of no effect; scripts still give it", |d, _| {
        d.timeout = true;
        Ok(())
    })
    .short(&["t"])
    .under(Group::Shell),
    Row::new("showexit", Value::None, "print the whole exit code at the end", |d, _| {
        d.show_exit = true;
        Ok(())
    })
    .under(Group::Output),
    Row::new(
        "exitcode",
        Value::Words(names::<ExitCodes>),
        "detailed: an exit status for each sort of failure",
        |d, v| {
            d.exit_codes = v.keyword()?;
            Ok(())
        },
    )
    .under(Group::Output),
];
