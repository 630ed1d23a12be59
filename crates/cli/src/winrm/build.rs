//! From the words of a command line to a command.

use wsman::AssociationResult;

use super::operations::Verb;
use super::switches::Draft;
use super::{
    Asking, Command, Dialect, Enumeration, Extras, Fate, Filter, Fleet, Fragment, Hierarchy, HostName,
    HostsTask, Input, Intent, Operation, PublicZone, QuickConfigTask, SddlTarget, ShellChoice, TrustTask,
    Words,
};
use crate::connection::draft::{KERNEL_KNOWS, refuse};
use crate::endpoint::{Address, Transport};
use crate::error::Error;
use crate::failure::bracketed;
use crate::host_list;
use crate::hosts::{Name, SavedHost, SavedHosts};
use crate::input::KeyValues;
use crate::locator::Locator;

/// Puts positionals, input and switches together, or says what does not fit.
pub(super) fn command(verb: Verb, words: Words, hosts: &SavedHosts) -> Result<Command, Error> {
    let Words { positionals, input, switches, mut notices } = words;
    let mut draft = switches.draft;
    // A host that is being saved under a name is not looked up by it.
    if verb != Verb::Hosts {
        draft.connection.look_up(hosts)?;
    }
    let given = &draft.connection;
    refuse(
        given.unencrypted && given.transport()? == Transport::Https,
        "-unencrypted is about HTTP, and this is HTTPS",
        "leave -unencrypted away",
    )?;
    refuse(
        given.is_local()
            && draft.fleet.is_none()
            && given.scheme.is_some()
            && verb != Verb::Identify
            && verb != Verb::Hosts,
        "-authentication needs -remote, but for identify",
        KERNEL_KNOWS,
    )?;
    notices.extend(given.notices());
    if draft.sources {
        draft.options.set(&format!("{}=true", wsman::OptionSet::SOURCES))?;
    }
    let file = draft.file.clone();
    let operation =
        Building { positionals: positionals.into_iter(), input, draft: &mut draft, hosts }.operation(verb)?;
    if let Some(file) = file.filter(|_| !operation.reads_file()) {
        notices.push(format!("-file:{} is passed over: keys and values were given", file.display()));
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
        intent: if draft.what_if { Intent::Show } else { Intent::Do },
        format: draft.format.unwrap_or_default(),
        exit_codes: draft.exit_codes,
        notices,
    })
}

/// The hosts of `-hosts`, each with what the other switches and the saved hosts say of it.
fn fleet(draft: &mut Draft, hosts: &SavedHosts) -> Result<Option<Fleet>, Error> {
    let Some(named) = draft.fleet.take() else {
        refuse(draft.parallel.is_some(), "-parallel without -hosts", "add -hosts:NAME,NAME or -hosts:@FILE")?;
        return Ok(None);
    };
    let other = draft.connection.remote.is_some() || draft.connection.socket.is_some();
    refuse(other, "-hosts does not go with -remote and -socket", "leave one of them away")?;
    let member = |host: String| {
        let mut own = draft.connection.clone();
        own.remote = Some(Address::parse(&host)?);
        own.look_up(hosts)?;
        Ok::<_, Error>((host, own.connection()?))
    };
    let members = host_list::parse(&named)
        .map_err(|error| Error::Fleet { problem: error.to_string() })?
        .into_iter()
        .map(member)
        .collect::<Result<_, _>>()?;
    Ok(Some(Fleet { members, parallel: draft.parallel.unwrap_or(USUAL_PARALLEL) }))
}

/// As many as PowerShell asks at a time (`-ThrottleLimit`).
const USUAL_PARALLEL: usize = 32;

struct Building<'d> {
    positionals: std::vec::IntoIter<String>,
    input: Option<KeyValues>,
    draft: &'d mut Draft,
    hosts: &'d SavedHosts,
}

impl Building<'_> {
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
            // Doctor, Help and HelpMsg never come here: they are no operations on a service.
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
            "-dialect without -fragment",
            "add -fragment:PATH, or leave -dialect away",
        )?;
        Ok(path.map(|path| Fragment { path, dialect: dialect.unwrap_or_default() }))
    }

    /// Keys and values if there are any, else the file, else nothing.
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
            "-dialect without -filter",
            "add -filter:EXPRESSION, or leave -dialect away",
        )?;
        refuse(
            draft.associations && dialect.as_ref().map(Dialect::uri) != Some(Dialect::ASSOCIATION),
            "-associations goes with the association dialect only",
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
        let extras = std::mem::take(&mut self.draft.extras);
        refuse(
            extras.strict && transport != Some(Transport::Https),
            "-strict is about the certificate of HTTPS",
            "add -transport:https, or leave -strict away",
        )?;
        let task = if self.draft.undo { QuickConfigTask::TakeBack } else { QuickConfigTask::SetUp };
        refuse(
            task == QuickConfigTask::TakeBack && (transport.is_some() || extras != Extras::default()),
            "-undo takes back everything that quickconfig did",
            "leave the other switches away, but for -quiet and those of the connection",
        )?;
        Ok(Operation::QuickConfig {
            transport: transport.unwrap_or(Transport::Http),
            asking: if quiet || force { Asking::Never } else { Asking::Before },
            public_zone: if force { PublicZone::Ignored } else { PublicZone::Stops },
            task,
            extras,
        })
    }

    fn shells(&mut self) -> Result<Operation, Error> {
        let id = self.positionals.next();
        refuse(
            id.is_some() && self.draft.mine,
            "-mine does not go with the identifier of a shell",
            "leave one of them away",
        )?;
        let choice = match (id, self.draft.mine) {
            (Some(id), _) => ShellChoice::One(id),
            (None, true) => ShellChoice::Mine,
            (None, false) => ShellChoice::All,
        };
        refuse(
            self.draft.kill && choice == ShellChoice::All,
            "-kill without saying which shells",
            "add -mine for your own, or the identifier of one: winrm shells ID -kill",
        )?;
        Ok(Operation::Shells { choice, fate: if self.draft.kill { Fate::Ended } else { Fate::Listed } })
    }

    fn hosts_task(&mut self) -> Result<HostsTask, Error> {
        let connection = &mut self.draft.connection;
        let name = self.positionals.next().map(|name| Name::read(&name)).transpose()?;
        let address = connection.remote.take();
        let says_more = connection.ssl
            || connection.port.is_some()
            || connection.scheme.is_some()
            || connection.user.is_some();
        refuse(
            name.is_none() && (self.draft.delete || address.is_some() || says_more),
            "hosts without the name of one",
            "write winrm hosts NAME -remote:ENDPOINT",
        )?;
        let Some(name) = name else { return Ok(HostsTask::List) };
        refuse(
            self.draft.delete && (address.is_some() || says_more),
            "-delete does not go with what would be saved",
            "write winrm hosts NAME -delete",
        )?;
        refuse(address.is_none() && says_more, "a host is saved with its address", "add -remote:ENDPOINT")?;
        let Some(address) = address else {
            let name = HostName(name);
            return Ok(if self.draft.delete { HostsTask::Forget(name) } else { HostsTask::Show(name) });
        };
        refuse(
            connection.ssl && address.transport().is_some(),
            "-usessl does not go with an endpoint that has a transport",
            "leave -usessl away, or write the endpoint without http:// or https://",
        )?;
        refuse(
            connection.port.is_some() && address.port().is_some(),
            "-port does not go with an endpoint that has a port",
            "leave one of them away",
        )?;
        let transport = connection.ssl.then_some(Transport::Https);
        let way = (connection.scheme.take(), connection.user.take());
        let host = SavedHost::new(name, address, (transport, connection.port.take()), way);
        connection.ssl = false;
        Ok(HostsTask::Save(Box::new(host)))
    }

    fn trust_task(&mut self) -> Result<TrustTask, Error> {
        let Some(host) = self.positionals.next() else {
            refuse(self.draft.delete, "-delete without a host", "write winrm trust HOST -delete")?;
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
