//! Table of switches of `winrm`.

use std::path::PathBuf;
use std::time::Duration;

use super::filter::Dialect;
use super::operations::{Entry, InputUse, Verb};
use super::{Accounts, Hierarchy, QuickConfigOptions, ReturnType};
use crate::connection::switches::{self, Connects};
use crate::connection::{Encoding, ProxyAccess, ProxyScheme, draft};
use crate::endpoint::{Address, Transport};
use crate::error::Error;
use crate::failure::ExitCodes;
use crate::format::Format;
use crate::input::KeyValues;
use crate::switch::{Group, Keyword, Scope, Switch, Value, find_keyword, keywords};

/// Values of the switches of one command line, not yet validated.
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
    pub(crate) quick_config: QuickConfigOptions,
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

impl Keyword for Accounts {
    const WORDS: &'static [(&'static str, Self)] =
        &[("ntlm", Self::Ntlm), ("basic", Self::Basic), ("none", Self::None)];
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

/// Operations on one instance of a resource.
const INSTANCE: Scope = Verb::Get.scope().and(Verb::Set.scope());
/// Operations that accept key/value input.
const WITH_INPUT: Scope = Verb::Set.scope().and(Verb::Create.scope()).and(Verb::Invoke.scope());
/// Operations with a resource URI that may have selectors.
const RESOURCE: Scope = WITH_INPUT.and(INSTANCE).and(Verb::Delete.scope()).and(Verb::Enumerate.scope());
/// Operations that accept a remote endpoint.
const REMOTE: Scope = RESOURCE
    .and(Verb::Identify.scope())
    .and(Verb::ConfigSddl.scope())
    .and(Verb::Shells.scope())
    .and(Verb::Doctor.scope())
    .and(QUICK);
/// Operations that make changes and support `-whatif`.
const CHANGES: Scope = WITH_INPUT.and(Verb::Delete.scope()).and(Verb::Shells.scope()).and(QUICK);
/// Operations that can run on several hosts.
const FLEET: Scope = RESOURCE.and(Verb::Identify.scope()).and(Verb::Shells.scope());
/// Switches whose values are saved with a host.
const SAVED: Scope = Verb::Hosts.scope();
const ENUMERATE: Scope = Verb::Enumerate.scope();
const QUICK: Scope = Verb::QuickConfig.scope();

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
        "remote endpoint: [TRANSPORT://]HOST[:PORT][/PREFIX] (default: this machine)",
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
        "run on several hosts: comma-separated names, web[01-20], 10.0.7.0/24, or a file of these",
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
        "maximum number of concurrent hosts with -hosts (default: 32)",
        |d, v| {
            d.parallel = usize::try_from(v.number(1..=1_000)?).ok();
            Ok(())
        },
    )
    .on(FLEET)
    .under(Group::Remote),
    switches::socket().on(REMOTE),
    switches::usessl().on(REMOTE.and(SAVED)),
    Row::new("port", Value::Text("PORT"), "port, if the endpoint has none", |d, v| {
        d.connection.port = u16::try_from(v.number(1..=65_535)?).ok();
        Ok(())
    })
    .on(REMOTE.and(SAVED))
    .under(Group::Remote),
    switches::unencrypted().on(REMOTE),
    switches::skip_ca_check().on(REMOTE),
    switches::skip_cn_check().on(REMOTE),
    Row::new(
        "skipRevocationcheck",
        Value::None,
        "accepted for compatibility; certificate revocation is never checked",
        |d, _| {
            d.connection.skip_revocation = true;
            Ok(())
        },
    )
    .on(REMOTE)
    .under(Group::Remote),
    switches::ca().on(REMOTE),
    Row::new(
        "encoding",
        Value::Words(keywords::<Encoding>),
        "encoding of requests (default: utf-8)",
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
        "maximum time the service may spend on the operation",
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
    Row::new(
        "defaultCreds",
        Value::None,
        "use the credentials of the current user; requires negotiate over HTTPS",
        |d, _| {
            d.connection.default_credentials = true;
            Ok(())
        },
    )
    .on(REMOTE)
    .under(Group::Login),
    switches::spn_port().on(REMOTE),
    switches::spn().on(REMOTE),
    Row::new(
        "proxyaccess",
        Value::Words(keywords::<ProxyAccess>),
        "source of the proxy settings (default: no_proxy)",
        |d, v| {
            d.connection.proxy_access = Some(v.keyword()?);
            Ok(())
        },
    )
    .short(&["pac"])
    .on(REMOTE)
    .under(Group::Proxy),
    Row::new(
        "proxyauth",
        Value::Words(keywords::<ProxyScheme>),
        "authentication scheme for the proxy",
        |d, v| {
            d.connection.proxy_scheme = Some(v.keyword()?);
            Ok(())
        },
    )
    .short(&["pa"])
    .on(REMOTE)
    .under(Group::Proxy),
    Row::new("proxyusername", Value::Text("USER"), "user name for the proxy", |d, v| {
        d.connection.proxy_user = Some(v.into_text());
        Ok(())
    })
    .short(&["pu"])
    .on(REMOTE)
    .under(Group::Proxy),
    Row::new("proxypassword", Value::Text("PASSWORD"), "password for the proxy", |d, v| {
        d.connection.proxy_password = Some(v.into_secret());
        Ok(())
    })
    .short(&["pp"])
    .on(REMOTE)
    .under(Group::Proxy),
    Row::new(
        "set",
        Value::Text("KEY=VALUE"),
        "add a key to @{...} without quoting; may be repeated",
        |d, v| d.values.set(v.text()),
    )
    .on(WITH_INPUT)
    .under(Group::Input)
    .often(),
    Row::new(
        "selector",
        Value::Text("NAME=VALUE"),
        "add a selector, whose value may contain +; may be repeated",
        |d, v| {
            d.selectors.push(v.into_text());
            Ok(())
        },
    )
    .on(RESOURCE)
    .under(Group::Input)
    .often(),
    Row::new(
        "file",
        Value::File("FILE"),
        "read the XML to send from FILE, or from standard input if FILE is -",
        |d, v| {
            d.file = Some(v.into_text().into());
            Ok(())
        },
    )
    .on(WITH_INPUT)
    .under(Group::Input),
    Row::new("options", Value::Text("{KEY=\"VALUE\";...}"), "options passed to the provider", |d, v| {
        d.options = KeyValues::parse(v.text())?;
        Ok(())
    })
    .on(RESOURCE)
    .under(Group::Input),
    Row::new("sources", Value::None, "show the file and line of each configuration value", |d, _| {
        d.sources = true;
        Ok(())
    })
    .on(Verb::Get.scope())
    .under(Group::Output),
    Row::new("fragment", Value::Text("PATH"), "read or write only this part of the instance", |d, v| {
        d.fragment = Some(v.into_text());
        Ok(())
    })
    .on(INSTANCE)
    .under(Group::Input),
    Row::new("filter", Value::Text("EXPRESSION"), "list only instances that match EXPRESSION", |d, v| {
        d.filter = Some(v.into_text());
        Ok(())
    })
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new(
        "dialect",
        Value::Text("DIALECT"),
        "language of -filter (wql, selector, association, or a URI; default: wql) or of -fragment",
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
        "with the association dialect: list the association instances",
        |d, _| {
            d.associations = true;
            Ok(())
        },
    )
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new(
        "returntype",
        Value::Words(keywords::<ReturnType>),
        "content returned for each instance (default: object)",
        |d, v| {
            d.returns = v.keyword()?;
            Ok(())
        },
    )
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new("shallow", Value::None, "omit instances of derived classes", |d, _| {
        d.shallow = true;
        Ok(())
    })
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new("basepropertiesonly", Value::None, "return only the properties of the named class", |d, _| {
        d.base_properties_only = true;
        Ok(())
    })
    .on(ENUMERATE)
    .under(Group::Filter),
    Row::new("format", Value::Words(keywords::<Format>), "output format (default: text)", |d, v| {
        // Scripts also use `-format:#pretty`.
        let word = find_keyword(v.text().trim_start_matches('#'));
        d.format = Some(word.map_or_else(|| v.keyword(), Ok)?);
        Ok(())
    })
    .short(&["f"])
    .on(REMOTE.and(SAVED).and(Verb::Trust.scope()))
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
    switches::trace().on(REMOTE),
    Row::new("quiet", Value::None, "do not ask for confirmation", |d, _| {
        d.quiet = true;
        Ok(())
    })
    .short(&["q"])
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new(
        "transport",
        Value::Words(keywords::<Transport>),
        "transport of the listener (default: http)",
        |d, v| {
            d.transport = Some(v.keyword()?);
            Ok(())
        },
    )
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("force", Value::None, "do not ask for confirmation, and ignore public network zones", |d, _| {
        d.force = true;
        Ok(())
    })
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("undo", Value::None, "undo the changes that quickconfig made on this machine", |d, _| {
        d.undo = true;
        Ok(())
    })
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new(
        "remoteaddress",
        Value::Text("NETWORK,..."),
        "allow only these networks, such as 10.0.0.0/8 or LocalSubnet",
        |d, v| {
            d.quick_config.remote_addresses =
                v.text().split(',').map(|network| network.trim().to_owned()).collect();
            Ok(())
        },
    )
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("zone", Value::Text("ZONE"), "firewalld zone to open, even if it is public", |d, v| {
        d.quick_config.zone = Some(v.into_text());
        Ok(())
    })
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new(
        "strict",
        Value::None,
        "do not use a self-signed certificate for HTTPS (same as Windows)",
        |d, _| {
            d.quick_config.strict = true;
            Ok(())
        },
    )
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("allowgroup", Value::Text("GROUP"), "allow members of GROUP to open shells", |d, v| {
        d.quick_config.group = Some(v.into_text());
        Ok(())
    })
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new(
        "accounts",
        Value::Words(keywords::<Accounts>),
        "create an account for NTLM, or enable Basic over HTTPS (default: ask)",
        |d, v| {
            d.quick_config.accounts = Some(v.keyword()?);
            Ok(())
        },
    )
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new(
        "account",
        Value::Text("NAME"),
        "account that -accounts:ntlm creates, or that tries to sign in",
        |d, v| {
            d.quick_config.account = Some(v.into_text());
            Ok(())
        },
    )
    .on(QUICK)
    .under(Group::QuickConfig),
    Row::new("sddl", Value::Text("SDDL"), "set this security descriptor without a dialogue", |d, v| {
        d.sddl = Some(v.into_text());
        Ok(())
    })
    .on(Verb::ConfigSddl.scope())
    .under(Group::Input),
    Row::new("config", Value::File("FILE"), "configuration file of the local service", |d, v| {
        d.config = Some(v.into_text().into());
        Ok(())
    })
    .on(Verb::Doctor.scope().and(QUICK))
    .under(Group::Doctor),
    Row::new(
        "state",
        Value::File("FOLDER"),
        "state directory of the local service, which contains its socket",
        |d, v| {
            d.state = Some(v.into_text().into());
            Ok(())
        },
    )
    .on(Verb::Doctor.scope().and(QUICK))
    .under(Group::Doctor),
    Row::new("whatif", Value::None, "show what would be changed, without changing it", |d, _| {
        d.what_if = true;
        Ok(())
    })
    .on(CHANGES)
    .under(Group::Output),
    Row::new("mine", Value::None, "only shells of the current user", |d, _| {
        d.mine = true;
        Ok(())
    })
    .on(Verb::Shells.scope())
    .under(Group::Output),
    Row::new("kill", Value::None, "close the shells and terminate their processes", |d, _| {
        d.kill = true;
        Ok(())
    })
    .on(Verb::Shells.scope())
    .under(Group::Output),
    Row::new("delete", Value::None, "remove the host from the list", |d, _| {
        d.delete = true;
        Ok(())
    })
    .on(SAVED.and(Verb::Trust.scope()))
    .under(Group::Output),
];

impl Entry {
    /// Checks that the operation accepts these arguments, switches and input.
    ///
    /// # Errors
    /// [`Error`] for a wrong number of arguments, a switch of another operation, or unexpected input.
    pub(super) fn check_arguments(
        &self,
        words: &[String],
        seen: &[&'static str],
        input: bool,
    ) -> Result<(), Error> {
        let operation = self.name;
        let (least, most) = self.count;
        if !(least..=most).contains(&words.len()) {
            let expected = match (least, most) {
                (0, 0) => "no arguments",
                (0, _) => "at most one argument",
                (1, _) => "one argument",
                _ => "two arguments",
            };
            return Err(Error::WrongArgumentCount {
                operation,
                expected,
                found: words.len(),
                usage: self.usage(),
            });
        }
        let invalid = SWITCHES
            .iter()
            .find(|switch| seen.contains(&switch.name) && !switch.scope.contains(self.verb.scope()));
        if let Some(switch) = invalid {
            return Err(Error::SwitchNotValid { name: switch.name, operation });
        }
        if input && self.input == InputUse::Refused {
            return Err(Error::InputUnexpected { operation });
        }
        Ok(())
    }
}
