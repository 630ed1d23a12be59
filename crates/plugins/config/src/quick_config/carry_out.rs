//! Does what was agreed to, step by step, and takes it back.

use std::sync::Arc;

use config::{Draft, Groups, Listener, ListenerAddress, ListenerKey, Thumbprint, Transport};
use quickconfig::{Noted, Outcome, Recorded, ServiceAfter, Wish};
use sddl::Sid;
use service::{Answer, Call, Certificate};
use wsman::Fault;

use super::plan::Need;
use super::step::{Step, above, below};
use super::wanted::{Wanted, wrong};
use super::{Below, NAMESPACE, Stage};
use crate::ConfigPlugin;
use crate::fault::ChangeError;

/// The plug-in whose entries say who may open shells.
const SHELL: &str = "Shell";

/// Does these steps; one that fails does not keep the others from being done.
pub(super) async fn all(
    plugin: &ConfigPlugin,
    machine: &Below,
    stage: Stage,
    steps: Vec<(Step, Need)>,
    call: &Call,
) -> Result<Answer, Fault> {
    let mut lines = Vec::new();
    let mut status = Status::Succeeded;
    for (step, need) in &steps {
        let outcome = match need {
            Need::Already => Outcome::Already,
            Need::Missing => one(plugin, machine, step, call).await,
        };
        lines.push(match outcome {
            Outcome::Done(how) => step.done(&how),
            Outcome::Already => step.done(""),
            Outcome::Failed(why) => {
                status = Status::Failed;
                step.failed(&why)
            }
        });
    }
    if stage == Stage::EnableRemoting {
        let is_secured = |(step, _): &(Step, Need)| {
            matches!(
                step,
                Step::Listener { transport: Transport::Https, .. } | Step::EnableListener(Transport::Https)
            )
        };
        if status == Status::Succeeded && steps.iter().any(is_secured) {
            lines.extend(fingerprints(plugin).await);
        }
        lines.push(who_may_connect(plugin));
    }
    write(stage, status, &lines, call)
}

async fn one(plugin: &ConfigPlugin, machine: &Below, step: &Step, call: &Call) -> Outcome {
    match step {
        Step::Enable => machine.done(Wish::Enable).await,
        Step::Open { opening, .. } => machine.done(Wish::Open(opening.clone())).await,
        Step::Listener { transport, certificate } => {
            let (key, certificate) = (on_every_address(*transport), *certificate);
            let made = plugin.change(call, move |draft| create(draft, key, certificate)).await;
            noted(machine, made, Noted::Listener(below(*transport))).await
        }
        Step::EnableListener(transport) => {
            let key = on_every_address(*transport);
            let made = plugin.change(call, move |draft| enable(draft, key, true)).await;
            noted(machine, made, Noted::ListenerEnabled(below(*transport))).await
        }
        Step::Allow { sid, .. } => {
            let (sid, machine_sid) = (*sid, plugin.store.state().machine);
            let made = plugin.change(call, move |draft| allow(draft, machine_sid, sid, Right::Given)).await;
            noted(machine, made, Noted::Allowed(sid.numeric().to_string())).await
        }
    }
}

/// A change of the settings is recorded where the other steps are.
async fn noted(machine: &Below, made: Result<(), Fault>, note: Noted) -> Outcome {
    match made {
        Err(fault) => Outcome::Failed(fault.reason().to_owned()),
        Ok(()) => match machine.done(Wish::Note(note)).await {
            Outcome::Failed(why) => {
                Outcome::Failed(format!("it was done, but is not recorded for -undo: {why}"))
            }
            _ => Outcome::Done(String::new()),
        },
    }
}

fn create(draft: &mut Draft, key: ListenerKey, certificate: Option<Thumbprint>) -> Result<(), ChangeError> {
    let mut listener = Listener::new(key, &draft.config.service);
    listener.certificate_thumbprint = certificate;
    Ok(draft.listeners.create(listener)?)
}

fn enable(draft: &mut Draft, key: ListenerKey, enabled: bool) -> Result<(), ChangeError> {
    let mut listener = draft.listeners.find(key).ok_or(ChangeError::NoSuchListener(key))?.clone();
    listener.enabled = enabled;
    Ok(draft.listeners.replace(listener)?)
}

#[derive(Clone, Copy)]
enum Right {
    Given,
    Taken,
}

/// Gives a SID all rights to shells, as Remote Management Users have them, or takes them away.
fn allow(
    draft: &mut Draft,
    machine: Option<sddl::DomainSid>,
    sid: Sid,
    right: Right,
) -> Result<(), ChangeError> {
    let surroundings = config::Surroundings { root: &draft.config.service.root_sddl, machine };
    let plugin = draft.plugins.find_mut(SHELL)?;
    let mut entries = plugin.security(surroundings);
    for entry in &mut entries {
        entry.descriptor = match right {
            Right::Given => entry.descriptor.and_all_for(sid),
            Right::Taken => entry.descriptor.without_all_for(sid),
        };
    }
    Ok(plugin.secure(entries)?)
}

fn on_every_address(transport: Transport) -> ListenerKey {
    ListenerKey { address: ListenerAddress::Any, transport }
}

/// The fingerprints of the certificate, for those who are to trust it.
async fn fingerprints(plugin: &ConfigPlugin) -> Vec<String> {
    let state = plugin.store.state();
    let listener = state.listeners.find(on_every_address(Transport::Https));
    let named =
        listener.and_then(|own| own.certificate_thumbprint).or(state.config.service.certificate_thumbprint);
    let certificates = Arc::clone(&plugin.certificates);
    let finding = move || match named {
        Some(named) => certificates.find(named).ok(),
        None => certificates.existing_own(),
    };
    let show = |certificate: Certificate| {
        vec![
            format!("Certificate thumbprint (SHA-1): {}", certificate.thumbprint()),
            format!("Certificate fingerprint (SHA-256): {}", certificate.fingerprint()),
        ]
    };
    tokio::task::spawn_blocking(finding).await.ok().flatten().map(show).unwrap_or_default()
}

/// Windows changes a policy of local accounts here; on Linux groups say who comes in.
fn who_may_connect(plugin: &ConfigPlugin) -> String {
    let principals = plugin.principals.as_deref();
    told_of_groups(&plugin.store.state().groups, |group| {
        principals.is_none_or(|principals| principals.sid_of(group).is_some())
    })
}

fn told_of_groups(groups: &Groups, is_there: impl Fn(&str) -> bool) -> String {
    let all = |names: &[String]| names.join(", ");
    let mut told = format!(
        "Members of the groups {} may do everything, those of {} may open shells; \
         winrm quickconfig -allowgroup:GROUP lets in others.",
        all(&groups.administrators),
        all(&groups.remote_management_users)
    );
    let named = groups.administrators.iter().chain(&groups.remote_management_users);
    let missing: Vec<String> = named.filter(|group| !is_there(group)).cloned().collect();
    if !missing.is_empty() {
        told += &format!(
            "\nThere is no group {} here yet: groupadd GROUP makes one, usermod -aG GROUP USER lets a user in.",
            all(&missing)
        );
    }
    told
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Succeeded,
    Failed,
}

fn write(stage: Stage, status: Status, lines: &[String], call: &Call) -> Result<Answer, Fault> {
    let mut reply = call.reply();
    let writer = reply.body();
    writer.start(&format!("p:{}_OUTPUT", stage.name())).namespace("p", NAMESPACE);
    writer.element("p:Status", if status == Status::Succeeded { "succeeded" } else { "failed" });
    writer.element("p:Results", &lines.join("\n"));
    writer.end();
    call.finish(reply)
}

/// Answers what there is to take back, newest first.
pub(super) async fn show_recorded(machine: &Below, call: &Call) -> Result<Answer, Fault> {
    let recorded = machine.survey(Vec::new()).await?.recorded;
    let mut reply = call.reply();
    let writer = reply.body();
    writer.start(&format!("p:{}_OUTPUT", Stage::AnalyzeUndo.name())).namespace("p", NAMESPACE);
    let lines: Vec<&str> = recorded.iter().rev().map(|record| record.what.as_str()).collect();
    writer.element("p:Results", &lines.join("\n"));
    writer.start(&format!("p:{}_INPUT", Stage::Undo.name()));
    for record in recorded.iter().rev() {
        writer.element("p:Step", &record.number.to_string());
    }
    writer.end().end();
    call.finish(reply)
}

/// Takes back what was recorded, as far as it was agreed to.
pub(super) async fn take_back(
    plugin: &ConfigPlugin,
    machine: &Below,
    wanted: &Wanted,
    call: &Call,
) -> Result<Answer, Fault> {
    let recorded = machine.survey(Vec::new()).await?.recorded;
    let find = |token: &String| {
        let found = recorded.iter().find(|record| record.number.to_string() == *token);
        found.cloned().ok_or_else(|| wrong(format!("{token:?} is not recorded: analyze again")))
    };
    let mut named = wanted.steps.iter().map(find).collect::<Result<Vec<Recorded>, Fault>>()?;
    named.sort_by_key(|record| std::cmp::Reverse(record.number));
    named.dedup();
    let (mut lines, mut status) = (Vec::new(), Status::Succeeded);
    let mut afterwards = None;
    for record in named {
        if record.service == ServiceAfter::Stopped {
            lines.push(format!("{} It is stopped now.", record.what));
            afterwards = Some(record.number);
            continue;
        }
        let outcome = match take_back_own(plugin, &record, call).await {
            Ok(()) => machine.done(Wish::TakeBack(record.number)).await,
            Err(fault) => Outcome::Failed(fault.reason().to_owned()),
        };
        lines.push(match outcome {
            Outcome::Failed(why) => {
                status = Status::Failed;
                format!("Could not take back: {} {why}", record.what)
            }
            _ => format!("Taken back: {}", record.what),
        });
    }
    let answer = write(Stage::Undo, status, &lines, call)?;
    let Some(number) = afterwards else { return Ok(answer) };
    // Whoever asked is to hear of it before there is nobody left to tell.
    let (machine, runtime) = (machine.clone(), tokio::runtime::Handle::current());
    Ok(answer.when_delivered(Box::new(move || {
        runtime.spawn(async move {
            if let Outcome::Failed(error) = machine.done(Wish::TakeBack(number)).await {
                tracing::error!(error, "The service is not stopped");
            }
        });
    })))
}

/// Takes back what the service changed in its own settings; what somebody else has changed since is left alone.
async fn take_back_own(plugin: &ConfigPlugin, record: &Recorded, call: &Call) -> Result<(), Fault> {
    match &record.own {
        None => Ok(()),
        Some(Noted::Listener(transport)) => {
            let key = on_every_address(above(*transport));
            let delete = move |draft: &mut Draft| match draft.listeners.find(key) {
                Some(_) => Ok(draft.listeners.delete(key)?),
                None => Ok(()),
            };
            plugin.change(call, delete).await
        }
        Some(Noted::ListenerEnabled(transport)) => {
            let key = on_every_address(above(*transport));
            let disable = move |draft: &mut Draft| match draft.listeners.find(key) {
                Some(_) => enable(draft, key, false),
                None => Ok(()),
            };
            plugin.change(call, disable).await
        }
        Some(Noted::Allowed(sid)) => {
            let sid = Sid::parse(sid).map_err(|error| wrong(error.to_string()))?;
            let machine = plugin.store.state().machine;
            plugin.change(call, move |draft| allow(draft, machine, sid, Right::Taken)).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_there_are_not_are_named() {
        let told = |there: &[&str]| told_of_groups(&Groups::default(), |group| there.contains(&group));
        assert!(!told(&["winrm-admins", "winrm-users"]).contains('\n'));
        assert!(told(&["winrm-admins"]).contains("\nThere is no group winrm-users here yet: groupadd GROUP"));
        assert!(told(&[]).contains("There is no group winrm-admins, winrm-users here yet"));
    }
}
