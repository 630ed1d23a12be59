//! From the words of a command line to a command.

use super::operations::Verb;
use super::switches::Draft;
use super::{
    Asking, AssociationResult, Command, Dialect, Enumeration, Extras, Filter, Fragment, Hierarchy, Input,
    Intent, Operation, PublicZone, SddlTarget, Words,
};
use crate::connection::draft::{KERNEL_KNOWS, refuse};
use crate::endpoint::Transport;
use crate::error::Error;
use crate::input::KeyValues;
use crate::locator::Locator;

/// Puts positionals, input and switches together, or says what does not fit.
pub(super) fn command(verb: Verb, words: Words) -> Result<Command, Error> {
    let Words { positionals, input, switches, mut notices } = words;
    let mut draft = switches.draft;
    let given = &draft.connection;
    refuse(
        given.unencrypted && given.transport()? == Transport::Https,
        "-unencrypted is about HTTP, and this is HTTPS",
        "leave -unencrypted away",
    )?;
    refuse(
        given.is_local() && given.scheme.is_some() && verb != Verb::Identify,
        "-authentication needs -remote, but for identify",
        KERNEL_KNOWS,
    )?;
    notices.extend(given.notices());
    let file = draft.file.clone();
    let operation =
        Building { positionals: positionals.into_iter(), input, draft: &mut draft }.operation(verb)?;
    if let Some(file) = file.filter(|_| !operation.reads_file()) {
        notices.push(format!("-file:{} is passed over: keys and values were given", file.display()));
    }
    Ok(Command {
        operation,
        connection: draft.connection.connection()?,
        options: draft.options,
        format: draft.format.unwrap_or_default(),
        exit_codes: draft.exit_codes,
        notices,
    })
}

struct Building<'d> {
    positionals: std::vec::IntoIter<String>,
    input: Option<KeyValues>,
    draft: &'d mut Draft,
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
            // Help and HelpMsg never come here: they need no service.
            Verb::Identify | Verb::HelpMsg | Verb::Help => Operation::Identify,
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
        let intent = match (self.draft.what_if, self.draft.undo) {
            (true, true) => {
                refuse(
                    true,
                    "-whatif and -undo together",
                    "-undo shows what it takes back and asks before it does",
                )?;
                Intent::Show
            }
            (true, false) => Intent::Show,
            (false, true) => Intent::Undo,
            (false, false) => Intent::Make,
        };
        refuse(
            intent == Intent::Undo && (transport.is_some() || extras != Extras::default()),
            "-undo takes back everything that quickconfig did",
            "leave the other switches away, but for -quiet and those of the connection",
        )?;
        Ok(Operation::QuickConfig {
            transport: transport.unwrap_or(Transport::Http),
            asking: if quiet || force { Asking::Never } else { Asking::Before },
            public_zone: if force { PublicZone::Ignored } else { PublicZone::Stops },
            intent,
            extras,
        })
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
