//! Conversion of parsed arguments to a command.

use wsman::AssociationResult;

use super::operations::Verb;
use super::switches::Draft;
use super::{
    Accounts, Command, Confirmation, Dialect, Enumeration, Filter, Fleet, Fragment, Hierarchy, HostName,
    HostsTask, Input, Intent, Operation, ParsedArguments, PublicZone, QuickConfigOptions, QuickConfigTask,
    SddlTarget, ServiceFiles, ShellAction, ShellSelection, TrustTask,
};
use crate::connection::Connection;
use crate::connection::draft::{self, NO_LOCAL_LOGIN, refuse};
use crate::doctor::DoctorCommand;
use crate::endpoint::{Address, Transport};
use crate::error::Error;
use crate::failure::bracketed;
use crate::format::Format;
use crate::host_list;
use crate::hosts::{Name, SavedHost, SavedHosts};
use crate::input::KeyValues;
use crate::locator::Locator;

/// Validates the arguments of an operation and builds the command.
pub(super) fn command(verb: Verb, arguments: ParsedArguments, hosts: &SavedHosts) -> Result<Command, Error> {
    let ParsedArguments { positionals, input, switches, mut notices } = arguments;
    let mut draft = switches.values;
    // `winrm hosts` saves the address as typed.
    if verb != Verb::Hosts {
        draft.connection.look_up(hosts)?;
    }
    let given = &draft.connection;
    refuse(
        given.unencrypted && given.transport()? == Transport::Https,
        "-unencrypted requires HTTP",
        "omit -unencrypted",
    )?;
    refuse(
        given.is_local()
            && draft.fleet.is_none()
            && given.scheme.is_some()
            && verb != Verb::Identify
            && verb != Verb::Hosts,
        "-authentication requires -remote, except for identify",
        NO_LOCAL_LOGIN,
    )?;
    notices.extend(given.notices());
    if draft.sources {
        draft.options.set(&format!("{}=true", wsman::OptionSet::SOURCES))?;
    }
    let file = draft.file.clone();
    let operation =
        OperationBuilder { positionals: positionals.into_iter(), input, draft: &mut draft, hosts }
            .operation(verb)?;
    if let Some(file) = file.filter(|_| !operation.reads_file()) {
        notices.push(format!("-file:{} is ignored because keys and values were given", file.display()));
    }
    let fleet = fleet(&mut draft, hosts)?;
    let first = fleet.as_ref().and_then(|fleet| fleet.members.first());
    let connection = match first {
        Some((_, first)) => first.clone(),
        None => draft.connection.connection()?,
    };
    Ok(Command {
        operation,
        connection,
        fleet,
        options: draft.options,
        intent: if draft.what_if { Intent::Preview } else { Intent::Apply },
        format: draft.format.unwrap_or_default(),
        exit_codes: draft.exit_codes,
        notices,
    })
}

/// Returns the hosts of `-hosts`, each with its connection from the other switches and the saved hosts.
fn fleet(draft: &mut Draft, hosts: &SavedHosts) -> Result<Option<Fleet>, Error> {
    let Some(named) = draft.fleet.take() else {
        refuse(
            draft.parallel.is_some(),
            "-parallel requires -hosts",
            "add -hosts:NAME,NAME or -hosts:@FILE",
        )?;
        return Ok(None);
    };
    let other = draft.connection.remote.is_some() || draft.connection.socket.is_some();
    refuse(other, "-hosts cannot be used with -remote or -socket", "omit one of them")?;
    let members = members(&draft.connection, &named, hosts)?;
    Ok(Some(Fleet { members, parallel: draft.parallel.unwrap_or(DEFAULT_PARALLEL) }))
}

/// Returns the hosts of a list, each with its connection from the other switches and the saved hosts.
pub(crate) fn members(
    connection: &draft::Draft,
    list: &str,
    hosts: &SavedHosts,
) -> Result<Vec<(String, Connection)>, Error> {
    let list = host_list::parse(list).map_err(|error| Error::Fleet { problem: error.to_string() })?;
    let mut members = Vec::with_capacity(list.len());
    for host in list {
        let mut own = connection.clone();
        own.remote = Some(Address::parse(&host)?);
        own.look_up(hosts)?;
        members.push((host, own.connection()?));
    }
    Ok(members)
}

/// Default number of concurrent hosts, the same as `-ThrottleLimit` of PowerShell.
const DEFAULT_PARALLEL: usize = 32;

struct OperationBuilder<'d> {
    positionals: std::vec::IntoIter<String>,
    input: Option<KeyValues>,
    draft: &'d mut Draft,
    hosts: &'d SavedHosts,
}

impl OperationBuilder<'_> {
    fn operation(&mut self, verb: Verb) -> Result<Operation, Error> {
        Ok(match verb {
            Verb::Get => Operation::Get { locator: self.locator()?, fragment: self.fragment()? },
            Verb::Set => {
                let missing =
                    self.input.is_none() && self.draft.values.is_empty() && self.draft.file.is_none();
                if missing {
                    return Err(Error::InputMissing { operation: "set" });
                }
                let (locator, fragment) = (self.locator()?, self.fragment()?);
                Operation::Set { locator, fragment, input: self.input()? }
            }
            Verb::Create => Operation::Create { locator: self.locator()?, input: self.input()? },
            Verb::Delete => Operation::Delete { locator: self.locator()? },
            Verb::Enumerate => {
                let locator = self.locator()?;
                let enumeration = self.enumeration(&locator)?;
                Operation::Enumerate { locator, enumeration }
            }
            Verb::Invoke => {
                let action = self.positionals.next().unwrap_or_default();
                Operation::Invoke { action, locator: self.locator()?, input: self.input()? }
            }
            Verb::QuickConfig => self.quick_config()?,
            Verb::ConfigSddl => self.config_sddl()?,
            Verb::Shells => self.shells()?,
            Verb::Hosts => Operation::Hosts { task: self.hosts_task()?, hosts: self.hosts.clone() },
            Verb::Trust => Operation::Trust(self.trust_task()?),
            // Doctor, Help and HelpMsg are handled before: they are not operations on a service.
            Verb::Identify | Verb::Doctor | Verb::HelpMsg | Verb::Help => Operation::Identify,
        })
    }

    fn locator(&mut self) -> Result<Locator, Error> {
        let mut locator = Locator::parse(&self.positionals.next().unwrap_or_default())?;
        self.draft.selectors.drain(..).try_for_each(|selector| locator.select(&selector))?;
        Ok(locator)
    }

    fn fragment(&mut self) -> Result<Option<Fragment>, Error> {
        let (path, dialect) = (self.draft.fragment.take(), self.draft.dialect.take());
        refuse(
            path.is_none() && dialect.is_some(),
            "-dialect requires -fragment",
            "add -fragment:PATH, or omit -dialect",
        )?;
        Ok(path.map(|path| Fragment { path, dialect: dialect.unwrap_or_default() }))
    }

    /// Returns the keys and values if there are any, otherwise the file, otherwise an empty input.
    fn input(&mut self) -> Result<Input, Error> {
        let mut values = self.input.take().unwrap_or_default();
        values.extend(std::mem::take(&mut self.draft.values))?;
        match self.draft.file.take() {
            Some(file) if values.is_empty() => Ok(Input::File(file)),
            _ => Ok(Input::Values(values)),
        }
    }

    fn enumeration(&mut self, locator: &Locator) -> Result<Enumeration, Error> {
        let draft = &mut *self.draft;
        let dialect = draft.dialect.take();
        refuse(
            dialect.is_some() && draft.filter.is_none(),
            "-dialect requires -filter",
            "add -filter:EXPRESSION, or omit -dialect",
        )?;
        refuse(
            draft.associations && dialect.as_ref().map(Dialect::uri) != Some(Dialect::ASSOCIATION),
            "-associations requires the association dialect",
            "add -dialect:association and -filter:{Object=CLASS?Key=Value}",
        )?;
        let result =
            if draft.associations { AssociationResult::Associations } else { AssociationResult::Instances };
        let filter = draft.filter.take();
        let filter =
            filter.map(|text| Filter::parse(&text, dialect.as_ref(), result, locator)).transpose()?;
        Ok(Enumeration { filter, returns: draft.returns, hierarchy: Hierarchy::of(draft) })
    }

    fn quick_config(&mut self) -> Result<Operation, Error> {
        let (quiet, force) = (self.draft.quiet, self.draft.force);
        let transport = self.draft.transport;
        let mut options = std::mem::take(&mut self.draft.quick_config);
        options.files = self.service_files()?;
        if let Some(files) = &options.files {
            let socket = config::Paths::new(&files.config, &files.state).local_socket;
            self.draft.connection.socket = Some(socket);
        }
        refuse(
            options.account.is_some() && options.accounts == Some(Accounts::None),
            "-account cannot be used with -accounts:none, which tries no sign-in",
            "omit one of them",
        )?;
        refuse(
            options.account.is_some() && options.accounts.is_none() && !self.draft.connection.is_local(),
            "-account tries the sign-in to the service of this machine, not of another one",
            "omit -account; then try winrm identify with -remote and -username",
        )?;
        refuse(
            options.strict && transport != Some(Transport::Https),
            "-strict requires -transport:https",
            "add -transport:https, or omit -strict",
        )?;
        let task = if self.draft.undo { QuickConfigTask::Undo } else { QuickConfigTask::SetUp };
        refuse(
            task == QuickConfigTask::Undo
                && (transport.is_some()
                    || QuickConfigOptions { files: None, ..options.clone() }
                        != QuickConfigOptions::default()),
            "-undo cannot be used with switches that select a change: it undoes all changes of quickconfig",
            "omit them; -quiet and the connection switches are allowed",
        )?;
        Ok(Operation::QuickConfig {
            transport: transport.unwrap_or(Transport::Http),
            confirmation: if quiet || force { Confirmation::Skip } else { Confirmation::Ask },
            public_zone: if force { PublicZone::Ignored } else { PublicZone::Blocks },
            task,
            options,
        })
    }

    /// Returns the files of the local service, which are given together.
    fn service_files(&mut self) -> Result<Option<ServiceFiles>, Error> {
        let (config, state) = (self.draft.config.take(), self.draft.state.take());
        let is_other = !self.draft.connection.is_local() || self.draft.connection.socket.is_some();
        refuse(
            (config.is_some() || state.is_some()) && is_other,
            "-config and -state select the local service; they cannot be used with -remote or -socket",
            "omit them, or omit -remote and -socket",
        )?;
        match (config, state) {
            (Some(config), Some(state)) => Ok(Some(ServiceFiles { config, state })),
            (None, None) => Ok(None),
            _ => Err(Error::Rule {
                problem: "-config and -state must be given together",
                way_out: "add the other one, or omit both for the default files",
            }),
        }
    }

    fn shells(&mut self) -> Result<Operation, Error> {
        let id = self.positionals.next();
        refuse(id.is_some() && self.draft.mine, "-mine cannot be used with a shell ID", "omit one of them")?;
        let selection = match (id, self.draft.mine) {
            (Some(id), _) => ShellSelection::One(id),
            (None, true) => ShellSelection::Mine,
            (None, false) => ShellSelection::All,
        };
        refuse(
            self.draft.kill && selection == ShellSelection::All,
            "-kill requires -mine or a shell ID",
            "add -mine for your own shells, or write winrm shells ID -kill",
        )?;
        let action = if self.draft.kill { ShellAction::Close } else { ShellAction::List };
        Ok(Operation::Shells { selection, action })
    }

    fn hosts_task(&mut self) -> Result<HostsTask, Error> {
        let connection = &mut self.draft.connection;
        let name = self.positionals.next().map(|name| Name::read(&name)).transpose()?;
        let address = connection.remote.take();
        let has_options = connection.ssl
            || connection.port.is_some()
            || connection.scheme.is_some()
            || connection.user.is_some();
        refuse(
            name.is_none() && (self.draft.delete || address.is_some() || has_options),
            "missing name of the host to save or delete",
            "write winrm hosts NAME -remote:ENDPOINT",
        )?;
        let Some(name) = name else { return Ok(HostsTask::List) };
        refuse(
            self.draft.delete && (address.is_some() || has_options),
            "-delete cannot be used with switches of a host to save",
            "write winrm hosts NAME -delete",
        )?;
        refuse(
            address.is_none() && has_options,
            "missing address of the host to save",
            "add -remote:ENDPOINT",
        )?;
        let Some(address) = address else {
            let name = HostName(name);
            return Ok(if self.draft.delete { HostsTask::Delete(name) } else { HostsTask::Show(name) });
        };
        refuse(
            connection.ssl && address.transport().is_some(),
            "-usessl cannot be used with an endpoint that includes a transport",
            "omit -usessl, or write the endpoint without http:// or https://",
        )?;
        refuse(
            connection.port.is_some() && address.port().is_some(),
            "-port cannot be used with an endpoint that includes a port",
            "omit one of them",
        )?;
        let transport = connection.ssl.then_some(Transport::Https);
        let host = SavedHost::new(name, address)
            .with_endpoint(transport, connection.port.take())
            .with_login(connection.scheme.take(), connection.user.take());
        connection.ssl = false;
        Ok(HostsTask::Save(Box::new(host)))
    }

    fn trust_task(&mut self) -> Result<TrustTask, Error> {
        let Some(host) = self.positionals.next() else {
            refuse(self.draft.delete, "-delete requires a host", "write winrm trust HOST -delete")?;
            return Ok(TrustTask::List);
        };
        if self.draft.delete {
            return Ok(TrustTask::Remove(host));
        }
        let address = Address::parse(&host)?;
        let saved = self.hosts.find(&address)?;
        let address = saved.as_ref().map_or(&address, SavedHost::address);
        Ok(TrustTask::Add(bracketed(address.host()).into_owned()))
    }

    fn config_sddl(&mut self) -> Result<Operation, Error> {
        let word = self.positionals.next().unwrap_or_default();
        let target = if word.eq_ignore_ascii_case("default") {
            SddlTarget::Root
        } else {
            SddlTarget::Resource(Locator::parse(&word)?)
        };
        Ok(Operation::ConfigSddl { target, sddl: self.draft.sddl.take() })
    }
}

impl DoctorCommand {
    /// Validates the optional endpoint and the switches.
    pub(crate) fn build(
        endpoint: Option<String>,
        mut draft: Draft,
        hosts: &SavedHosts,
    ) -> Result<Self, Error> {
        if let Some(endpoint) = endpoint {
            if draft.connection.remote.is_some() {
                return Err(Error::Rule {
                    problem: "the endpoint is given twice, as an argument and with -remote",
                    way_out: "omit one of them: winrm doctor server7",
                });
            }
            draft.connection.remote = Some(Address::parse(&endpoint)?);
        }
        draft.connection.look_up(hosts)?;
        let format = draft.format.unwrap_or_default();
        if !matches!(format, Format::Text | Format::Json | Format::Ndjson) {
            return Err(Error::Rule {
                problem: "doctor supports only the formats text, json and ndjson",
                way_out: "use -format:text, -format:json, or -format:ndjson for one line per finding",
            });
        }
        let is_local = draft.connection.is_local();
        if !is_local && (draft.config.is_some() || draft.state.is_some()) {
            return Err(Error::Rule {
                problem: "-config and -state require the local service",
                way_out: "omit them, or omit the endpoint",
            });
        }
        let notices = draft.connection.notices();
        let limit = draft.connection.timeout.take();
        let connection = draft.connection.connection()?;
        let (config, state, exit_codes) = (draft.config, draft.state, draft.exit_codes);
        Ok(Self { connection, config, state, limit, format, exit_codes, notices })
    }
}
