//! `winrm configSDDL`: edits a security descriptor.

mod descriptor;
mod names;
mod rules;

use std::io::IsTerminal;

use sddl::SecurityDescriptor;

use self::descriptor::StoredDescriptor;
use self::names::Names;
use self::rules::ServiceRules;
use super::SddlTarget;
use super::descriptor_dialogue::{Dialogue, Step, edited, editor};
use super::service_command::Run;
use super::streams::Streams;
use crate::failure::{Failure, Kind};
use crate::program::Stop;

/// Changes the descriptor to `new`, or to the result of a dialogue or editor.
pub(super) async fn run(
    run: &Run,
    target: SddlTarget,
    new: Option<String>,
    streams: &mut Streams<'_>,
) -> Result<(), Stop> {
    let descriptor = match target {
        // The current descriptor is needed only for editing.
        SddlTarget::Root if new.is_some() => StoredDescriptor::Root { current: String::new() },
        target => StoredDescriptor::find(run, target).await?,
    };
    if let Some(new) = new {
        return descriptor.write(run, &new).await;
    }
    let changed = if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        in_dialogue(run, &descriptor, streams).await?
    } else if editor().is_some() {
        edited(descriptor.current(), &descriptor.to_string())?
    } else {
        return Err(no_terminal(&descriptor).into());
    };
    match changed {
        Some(sddl) => {
            descriptor.write(run, &sddl).await?;
            Ok(writeln!(streams.errors, "winrm: changed {descriptor}")?)
        }
        None => Ok(writeln!(streams.errors, "winrm: {descriptor} was not changed")?),
    }
}

/// Edits the descriptor in a dialogue; returns `None` if it was not changed.
async fn in_dialogue(
    run: &Run,
    stored: &StoredDescriptor,
    streams: &mut Streams<'_>,
) -> Result<Option<String>, Stop> {
    let current = SecurityDescriptor::parse(stored.current()).map_err(|error| {
        Failure::here(Kind::Usage, format!("cannot show {stored}: {error}"))
            .advise("replace the whole descriptor with -sddl:SDDL")
    })?;
    let names = Names::of_service(run, stored.current()).await;
    let mut rules = ServiceRules { title: stored.to_string(), names };
    let mut dialogue = Dialogue::new(current);
    loop {
        match dialogue.run(&rules, streams)? {
            Step::LookUp(name) => match rules.names.find(run, &name).await {
                Some(principal) => dialogue.add(principal, &rules, streams)?,
                None => {
                    writeln!(streams.out, "Unknown user or group: {}", crate::format::harmless(&name))?;
                }
            },
            Step::Write(new) => return Ok(Some(new.to_string())),
            Step::Abandoned => return Ok(None),
        }
    }
}

fn no_terminal(descriptor: &StoredDescriptor) -> Failure {
    Failure::here(Kind::Usage, "configSDDL requires a terminal, an editor or -sddl")
        .advise(format!("add -sddl:SDDL with the new security descriptor; current value of {descriptor}:"))
        .advise(crate::format::harmless(descriptor.current()))
}
