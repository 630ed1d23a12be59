//! The table of switches of `winrm`.

use std::path::PathBuf;
use std::time::Duration;

use super::filter::Dialect;
use super::operations::Verb;
use super::{Extras, Hierarchy, ReturnType};
use crate::connection::switches::{self, Connects};
use crate::connection::{Encoding, ProxyAccess, ProxyScheme, draft};
use crate::endpoint::{Address, Transport};
use crate::failure::ExitCodes;
use crate::format::Format;
use crate::input::KeyValues;
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
    pub(crate) undo: bool,
    pub(crate) extras: Extras,
    pub(crate) transport: Option<Transport>,
    pub(crate) sddl: Option<String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) state: Option<PathBuf>,
    pub(crate) sources: bool,
    pub(crate) fleet: Option<String>,
    pub(crate) parallel: Option<usize>,
    pub(crate) mine: bool,
    pub(crate) what_if: bool,
    pub(crate) kill: bool,
    pub(crate) delete: bool,
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
const REMOTE: Scope = RESOURCE
    .and(Verb::Identify.scope())
    .and(Verb::ConfigSddl.scope())
    .and(Verb::Shells.scope())
    .and(Verb::Doctor.scope())
    .and(QUICK);
/// Operations that change something without asking before.
const CHANGES: Scope = WITH_INPUT.and(Verb::Delete.scope()).and(Verb::Shells.scope()).and(QUICK);
/// Operations that many machines can be asked for at once.
const FLEET: Scope = RESOURCE.and(Verb::Identify.scope()).and(Verb::Shells.scope());
/// What a host is saved with.
const SAVED: Scope = Verb::Hosts.scope();
const ENUMERATE: Scope = Verb::Enumerate.scope();
const QUICK: Scope = Verb::QuickConfig.scope();

impl Connects for Draft {
    fn connection(&mut self) -> &mut draft::Draft {
        &mut self.connection
    }
}

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
    .on(REMOTE.and(SAVED))
    .under(Group::Remote),
    Row::new(
        "hosts",
        Value::Text("NAME,...|@FILE"),
        "many machines: names separated by commas, web[01-20], 10.0.7.0/24, or a file with such a list",
        |d, v| {
            d.fleet = Some(v.into_text());
            Ok(())
        },
    )
    .on(FLEET)
    .under(Group::Remote),
    Row::new(
        "parallel",
        Value::Text("NUMBER"),
        "how many of -hosts are asked at a time, 32 unless given",
        |d, v| {
            d.parallel = usize::try_from(v.number(1..=1_000)?).ok();
            Ok(())
        },
    )
    .on(FLEET)
    .under(Group::Remote),
    switches::socket().on(REMOTE),
    switches::usessl().on(REMOTE.and(SAVED)),
    Row::new("port", Value::Text("PORT"), "the port, for an endpoint without one", |d, v| {
        d.connection.port = u16::try_from(v.number(1..=65_535)?).ok();
        Ok(())
    })
    .on(REMOTE.and(SAVED))
    .under(Group::Remote),
    switches::unencrypted().on(REMOTE),
    switches::skip_ca_check().on(REMOTE),
    switches::skip_cn_check().on(REMOTE),
    Row::new("skipRevocationcheck", Value::None, "of no effect yet: revocation is not looked at", |d, _| {
        d.connection.skip_revocation = true;
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Remote),
    switches::ca().on(REMOTE),
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
    switches::authentication().on(REMOTE.and(SAVED)),
    switches::username().on(REMOTE.and(SAVED)),
    switches::password().on(REMOTE),
    switches::passwordfile().on(REMOTE),
    switches::certificate().on(REMOTE),
    switches::certfile().on(REMOTE),
    switches::keyfile().on(REMOTE),
    Row::new("defaultCreds", Value::None, "with negotiate over HTTPS: credentials of this user", |d, _| {
        d.connection.default_credentials = true;
        Ok(())
    })
    .on(REMOTE)
    .under(Group::Login),
    switches::spn_port().on(REMOTE),
    switches::spn().on(REMOTE),
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
    Row::new("sources", Value::None, "of the configuration: file and line of each value", |d, _| {
        d.sources = true;
        Ok(())
    })
    .on(Verb::Get.scope())
    .under(Group::Output),
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
    .on(REMOTE.and(SAVED).and(Verb::Trust.scope()))
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
    switches::trace().on(REMOTE),
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
    Row::new(
        "undo",
        Value::None,
        "take back what quickconfig did on this machine, and nothing else",
        |d, _| {
            d.undo = true;
            Ok(())
        },
    )
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new(
        "remoteaddress",
        Value::Text("NETWORK,..."),
        "let only these in: 10.0.0.0/8, LocalSubnet",
        |d, v| {
            d.extras.remote_addresses =
                v.text().split(',').map(|network| network.trim().to_owned()).collect();
            Ok(())
        },
    )
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("zone", Value::Text("ZONE"), "the zone of firewalld to open, also if it is public", |d, v| {
        d.extras.zone = Some(v.into_text());
        Ok(())
    })
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("strict", Value::None, "for HTTPS no self-signed certificate, as Windows", |d, _| {
        d.extras.strict = true;
        Ok(())
    })
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("allowgroup", Value::Text("GROUP"), "let members of this group open shells", |d, v| {
        d.extras.group = Some(v.into_text());
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
    Row::new("config", Value::File("FILE"), "settings of the service of this machine", |d, v| {
        d.config = Some(v.into_text().into());
        Ok(())
    })
    .on(Verb::Doctor.scope())
    .under(Group::Doctor),
    Row::new("state", Value::File("FOLDER"), "folder of its state, beside which its socket is", |d, v| {
        d.state = Some(v.into_text().into());
        Ok(())
    })
    .on(Verb::Doctor.scope())
    .under(Group::Doctor),
    Row::new("whatif", Value::None, "show what would be done, and change nothing", |d, _| {
        d.what_if = true;
        Ok(())
    })
    .on(CHANGES)
    .under(Group::Output),
    Row::new("mine", Value::None, "only shells of the user who asks", |d, _| {
        d.mine = true;
        Ok(())
    })
    .on(Verb::Shells.scope())
    .under(Group::Output),
    Row::new("kill", Value::None, "end them, with what runs in them", |d, _| {
        d.kill = true;
        Ok(())
    })
    .on(Verb::Shells.scope())
    .under(Group::Output),
    Row::new("delete", Value::None, "take the host off the list", |d, _| {
        d.delete = true;
        Ok(())
    })
    .on(SAVED.and(Verb::Trust.scope()))
    .under(Group::Output),
];
