//! The table of switches of `winrm`.

use std::path::PathBuf;
use std::time::Duration;

use super::filter::Dialect;
use super::operations::Verb;
use super::{Hierarchy, ReturnType};
use crate::connection::draft::{self, Scheme};
use crate::connection::{Encoding, ProxyAccess, ProxyScheme, ServiceName, Thumbprint};
use crate::endpoint::{Address, Transport};
use crate::failure::ExitCodes;
use crate::format::Format;
use crate::input::KeyValues;
use crate::secret::PasswordSource;
use crate::switch::{Group, Keyword, Scope, Switch, Value, find_keyword, names};

/// What the switches said.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) connection: draft::Draft,
    pub(crate) format: Option<Format>,
    pub(crate) exit_codes: ExitCodes,
    pub(crate) options: KeyValues,
    pub(crate) values: KeyValues,
    pub(crate) selectors: Vec<String>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) fragment: Option<String>,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) filter: Option<String>,
    pub(crate) returns: ReturnType,
    pub(crate) shallow: bool,
    pub(crate) base_properties_only: bool,
    pub(crate) associations: bool,
    pub(crate) quiet: bool,
    pub(crate) force: bool,
    pub(crate) transport: Option<Transport>,
    pub(crate) sddl: Option<String>,
}

impl Keyword for ReturnType {
    const WORDS: &'static [(&'static str, Self)] =
        &[("object", Self::Object), ("epr", Self::Epr), ("objectandepr", Self::ObjectAndEpr)];
}

impl Keyword for ExitCodes {
    const WORDS: &'static [(&'static str, Self)] = &[("plain", Self::Plain), ("detailed", Self::Detailed)];
}

impl Hierarchy {
    pub(super) fn of(draft: &Draft) -> Self {
        match (draft.shallow, draft.base_properties_only) {
            (true, _) => Self::Shallow,
            (false, true) => Self::BasePropertiesOnly,
            (false, false) => Self::Deep,
        }
    }
}

/// One instance of a resource.
const INSTANCE: Scope = Verb::Get.scope().and(Verb::Set.scope());
/// Operations that send key/value input.
const WITH_INPUT: Scope = Verb::Set.scope().and(Verb::Create.scope()).and(Verb::Invoke.scope());
/// Operations with a resource URI that takes selectors.
const RESOURCE: Scope = WITH_INPUT.and(INSTANCE).and(Verb::Delete.scope()).and(Verb::Enumerate.scope());
/// Operations that may go to another machine.
const REMOTE: Scope = RESOURCE.and(Verb::Identify.scope()).and(Verb::ConfigSddl.scope());
/// Operations on a service, wherever it is.
const ANYWHERE: Scope = REMOTE.and(QUICK);
const ENUMERATE: Scope = Verb::Enumerate.scope();
const QUICK: Scope = Verb::QuickConfig.scope();

type Row = Switch<Draft>;

/// Every switch, in the order in which help lists them.
pub(crate) const SWITCHES: &[Row] = &[
    Row::new(
        "remote",
        Value::Text("ENDPOINT"),
        "the other machine: [TRANSPORT://]HOST[:PORT][/PREFIX]",
        |d, v| {
            d.connection.remote = Some(Address::parse(v.text())?);
            Ok(())
        },
    )
    .short(&["r", "machine"])
    .on(REMOTE)
    .under(Group::Remote),
    Row::new("socket", Value::File("FILE"), "this machine, by the Unix socket of its service", |d, v| {
        d.connection.socket = Some(v.into_text().into());
        Ok(())
    })
    .on(ANYWHERE)
    .under(Group::Remote),
    Row::new("usessl", Value::None, "HTTPS on port 5986, for an endpoint without transport", |d, _| {
        d.connection.ssl = true;
        Ok(())
    })
    .short(&["ssl"])
    .on(REMOTE)
    .under(Group::Remote),
    Row::new("port", Value::Text("PORT"), "the port, for an endpoint without one", |d, v| {
        d.connection.port = u16::try_from(v.number(1..=65_535)?).ok();
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Remote),
    Row::new(
        "unencrypted",
        Value::None,
        "send messages over HTTP that anyone on the way can read",
        |d, _| {
            d.connection.unencrypted = true;
            Ok(())
        },
    )
    .short(&["un"])
    .on(REMOTE)
    .under(Group::Remote),
    Row::new("skipCAcheck", Value::None, "accept a certificate of an unknown issuer", |d, _| {
        d.connection.skip_issuer = true;
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Remote),
    Row::new("skipCNcheck", Value::None, "accept a certificate for another name", |d, _| {
        d.connection.skip_name = true;
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Remote),
    Row::new("skipRevocationcheck", Value::None, "of no effect yet: revocation is not looked at", |d, _| {
        d.connection.skip_revocation = true;
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Remote),
    Row::new("ca", Value::File("FILE"), "PEM file with issuers of certificates to trust as well", |d, v| {
        d.connection.ca = Some(v.into_text().into());
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Remote),
    Row::new(
        "encoding",
        Value::Words(names::<Encoding>),
        "encoding of requests, utf-8 unless given",
        |d, v| {
            d.connection.encoding = Some(v.keyword()?);
            Ok(())
        },
    )
    .on(REMOTE)
    .under(Group::Remote),
    Row::new(
        "timeout",
        Value::Text("MILLISECONDS"),
        "how long the service may work on the operation",
        |d, v| {
            d.connection.timeout = Some(Duration::from_millis(v.number(1..=u64::from(u32::MAX))?));
            Ok(())
        },
    )
    .on(REMOTE)
    .under(Group::Remote),
    Row::new("authentication", Value::Words(names::<Scheme>), "how to prove who asks", |d, v| {
        d.connection.scheme = Some(v.keyword()?);
        Ok(())
    })
    .short(&["a", "auth"])
    .on(REMOTE)
    .under(Group::Login),
    Row::new("username", Value::Text("USER"), "the user: USER, DOMAIN\\USER or USER@DOMAIN", |d, v| {
        d.connection.user = Some(v.into_text());
        Ok(())
    })
    .short(&["u"])
    .on(REMOTE)
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
    .on(REMOTE)
    .under(Group::Login),
    Row::new(
        "passwordfile",
        Value::File("FILE"),
        "file whose first line is the password, mode 600",
        |d, v| {
            d.connection.password_file = Some(v.into_text().into());
            Ok(())
        },
    )
    .on(REMOTE)
    .under(Group::Login),
    Row::new(
        "certificate",
        Value::Text("THUMBPRINT"),
        "log in with the certificate of this SHA-1 thumbprint",
        |d, v| {
            let form = "the 40 hexadecimal digits of a SHA-1 thumbprint; a file goes with -certfile";
            d.connection.thumbprint = Some(Thumbprint::parse(v.text()).ok_or_else(|| v.bad_form(form))?);
            Ok(())
        },
    )
    .short(&["c"])
    .on(REMOTE)
    .under(Group::Login),
    Row::new("certfile", Value::File("FILE"), "log in with the certificate in this PEM file", |d, v| {
        d.connection.certificate_file = Some(v.into_text().into());
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Login),
    Row::new("keyfile", Value::File("FILE"), "PEM file with the private key of -certfile", |d, v| {
        d.connection.key_file = Some(v.into_text().into());
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Login),
    Row::new("defaultCreds", Value::None, "with negotiate over HTTPS: credentials of this user", |d, _| {
        d.connection.default_credentials = true;
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Login),
    Row::new("SPNPort", Value::None, "put the port into the service principal name", |d, _| {
        d.connection.spn_port = true;
        Ok(())
    })
    .on(REMOTE)
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
    .on(REMOTE)
    .under(Group::Login),
    Row::new("proxyaccess", Value::Words(names::<ProxyAccess>), "where the proxy is found", |d, v| {
        d.connection.proxy_access = Some(v.keyword()?);
        Ok(())
    })
    .short(&["pac"])
    .on(REMOTE)
    .under(Group::Proxy),
    Row::new(
        "proxyauth",
        Value::Words(names::<ProxyScheme>),
        "how to prove to the proxy who asks",
        |d, v| {
            d.connection.proxy_scheme = Some(v.keyword()?);
            Ok(())
        },
    )
    .short(&["pa"])
    .on(REMOTE)
    .under(Group::Proxy),
    Row::new("proxyusername", Value::Text("USER"), "the user for the proxy", |d, v| {
        d.connection.proxy_user = Some(v.into_text());
        Ok(())
    })
    .short(&["pu"])
    .on(REMOTE)
    .under(Group::Proxy),
    Row::new("proxypassword", Value::Text("PASSWORD"), "the password for the proxy", |d, v| {
        d.connection.proxy_password = Some(v.into_secret());
        Ok(())
    })
    .short(&["pp"])
    .on(REMOTE)
    .under(Group::Proxy),
    Row::new("set", Value::Text("KEY=VALUE"), "one more key of @{...}, without its quoting", |d, v| {
        d.values.set(v.text())
    })
    .on(WITH_INPUT)
    .under(Group::Input)
    .often(),
    Row::new("selector", Value::Text("NAME=VALUE"), "one more selector; the value may have a +", |d, v| {
        d.selectors.push(v.into_text());
        Ok(())
    })
    .on(RESOURCE)
    .under(Group::Input)
    .often(),
    Row::new("file", Value::File("FILE"), "file with the XML to send, - for standard input", |d, v| {
        d.file = Some(v.into_text().into());
        Ok(())
    })
    .on(WITH_INPUT)
    .under(Group::Input),
    Row::new("options", Value::Text("{KEY=\"VALUE\";...}"), "options for the provider", |d, v| {
        d.options = KeyValues::parse(v.text())?;
        Ok(())
    })
    .on(RESOURCE)
    .under(Group::Input),
    Row::new("fragment", Value::Text("PATH"), "only this part of the instance", |d, v| {
        d.fragment = Some(v.into_text());
        Ok(())
    })
    .on(INSTANCE)
    .under(Group::Input),
    Row::new("filter", Value::Text("EXPRESSION"), "only instances that this is true for", |d, v| {
        d.filter = Some(v.into_text());
        Ok(())
    })
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new(
        "dialect",
        Value::Text("DIALECT"),
        "language of -filter (wql, selector, association, a URI) or -fragment",
        |d, v| {
            d.dialect = Some(Dialect::parse(v.text()));
            Ok(())
        },
    )
    .on(INSTANCE.and(ENUMERATE))
    .under(Group::Filter),
    Row::new(
        "associations",
        Value::None,
        "with the association dialect: the associations themselves",
        |d, _| {
            d.associations = true;
            Ok(())
        },
    )
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new("returntype", Value::Words(names::<ReturnType>), "what is listed of each instance", |d, v| {
        d.returns = v.keyword()?;
        Ok(())
    })
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new("shallow", Value::None, "no instances of derived classes", |d, _| {
        d.shallow = true;
        Ok(())
    })
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new("basepropertiesonly", Value::None, "only the properties of the class that was named", |d, _| {
        d.base_properties_only = true;
        Ok(())
    })
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new(
        "format",
        Value::Words(names::<Format>),
        "how the result is printed, text unless given",
        |d, v| {
            // Scripts also write `-format:#pretty`.
            let word = find_keyword(v.text().trim_start_matches('#'));
            d.format = Some(word.map_or_else(|| v.keyword(), Ok)?);
            Ok(())
        },
    )
    .short(&["f"])
    .on(REMOTE)
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
    Row::new("quiet", Value::None, "do not ask before a change", |d, _| {
        d.quiet = true;
        Ok(())
    })
    .short(&["q"])
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new(
        "transport",
        Value::Words(names::<Transport>),
        "transport of the listener, http unless given",
        |d, v| {
            d.transport = Some(v.keyword()?);
            Ok(())
        },
    )
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("force", Value::None, "do not ask, and pass over public network zones", |d, _| {
        d.force = true;
        Ok(())
    })
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("sddl", Value::Text("SDDL"), "the new security descriptor, instead of a dialogue", |d, v| {
        d.sddl = Some(v.into_text());
        Ok(())
    })
    .on(Verb::ConfigSddl.scope())
    .under(Group::Input),
];

/// What the value of `-password` means: nothing asks, `-` reads standard input.
pub(crate) fn password(given: crate::secret::Secret) -> PasswordSource {
    match given.expose() {
        "" => PasswordSource::Ask,
        "-" => PasswordSource::StandardInput,
        _ => PasswordSource::Argument(given),
    }
}
