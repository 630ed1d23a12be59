//! Execution of the confirmed steps, and undoing them.

use std::sync::Arc;

use config::{Draft, Groups, Listener, ListenerAddress, ListenerKey, Membership, Thumbprint, Transport};
use quickconfig::{ChangeRecord, MachineRequest, Outcome, ServiceAfter, SettingChange};
use sddl::Sid;
use service::{Answer, Call};
use wsman::Fault;

use super::options::{Options, wrong};
use super::plan::StepState;
use super::step::{Step, to_config, to_quickconfig};
use super::{CallerMachine, NAMESPACE, Stage};
use crate::ConfigPlugin;
use crate::fault::ChangeError;

/// Plug-in whose security entries control who may open shells.
const SHELL: &str = "Shell";

/// Executes the steps; if one fails, the others continue.
pub(super) async fn run(
    plugin: &ConfigPlugin,
    machine: &CallerMachine,
    stage: Stage,
    steps: Vec<(Step, StepState)>,
    call: &Call,
) -> Result<Answer, Fault> {
    let mut lines = Vec::new();
    let mut status = Status::Succeeded;
    for (step, need) in &steps {
        let outcome = match need {
            StepState::Done => Outcome::Already,
            StepState::Missing => run_step(plugin, machine, step, call).await,
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
        if status == Status::Succeeded && steps.iter().any(|(step, _)| step.needs_certificate()) {
            lines.extend(fingerprints(plugin).await);
        }
        lines.push(describe_access(plugin));
    }
    write(stage, status, &lines, call)
}

async fn run_step(plugin: &ConfigPlugin, machine: &CallerMachine, step: &Step, call: &Call) -> Outcome {
    match step {
        Step::Enable => machine.done(MachineRequest::Enable).await,
        Step::Open { opening, .. } => machine.done(MachineRequest::Open(opening.clone())).await,
        Step::Listener { transport, certificate } => {
            let (key, certificate) = (on_all_addresses(*transport), *certificate);
            let made = plugin.change(call, move |draft| create(draft, key, certificate)).await;
            record(machine, made, SettingChange::Listener(to_quickconfig(*transport))).await
        }
        Step::EnableListener(transport) => {
            let key = on_all_addresses(*transport);
            let made = plugin.change(call, move |draft| set_enabled(draft, key, true)).await;
            record(machine, made, SettingChange::ListenerEnabled(to_quickconfig(*transport))).await
        }
        Step::Allow { sid, .. } => {
            let (sid, machine_sid) = (*sid, plugin.store.state().machine_sid);
            let made = plugin
                .change(call, move |draft| change_shell_access(draft, machine_sid, sid, ShellAccess::Grant))
                .await;
            record(machine, made, SettingChange::Allowed(sid.numeric().to_string())).await
        }
    }
}

/// Records a change of the settings in the journal of the machine.
async fn record(machine: &CallerMachine, made: Result<(), Fault>, change: SettingChange) -> Outcome {
    match made {
        Err(fault) => Outcome::Failed(fault.reason().to_owned()),
        Ok(()) => match machine.done(MachineRequest::Record(change)).await {
            Outcome::Failed(why) => {
                Outcome::Failed(format!("the step succeeded, but could not be recorded for -undo: {why}"))
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

fn set_enabled(draft: &mut Draft, key: ListenerKey, enabled: bool) -> Result<(), ChangeError> {
    let mut listener = draft.listeners.find(key).ok_or(ChangeError::NoSuchListener(key))?.clone();
    listener.enabled = enabled;
    Ok(draft.listeners.replace(listener)?)
}

#[derive(Clone, Copy)]
enum ShellAccess {
    Grant,
    Revoke,
}

/// Grants or revokes full access of a SID to shells, like that of Remote Management Users.
fn change_shell_access(
    draft: &mut Draft,
    machine: Option<sddl::DomainSid>,
    sid: Sid,
    access: ShellAccess,
) -> Result<(), ChangeError> {
    let defaults = config::SecurityDefaults { root: &draft.config.service.root_sddl, machine_sid: machine };
    let plugin = draft.plugins.find_mut(SHELL)?;
    let mut entries = plugin.security(defaults);
    for entry in &mut entries {
        entry.descriptor = match access {
            ShellAccess::Grant => entry.descriptor.with_full_access(sid),
            ShellAccess::Revoke => entry.descriptor.without_full_access(sid),
        };
    }
    Ok(plugin.set_entries(entries)?)
}

fn on_all_addresses(transport: Transport) -> ListenerKey {
    ListenerKey { address: ListenerAddress::Any, transport }
}

/// Returns the fingerprints of the service's certificate, for clients that need to trust it.
async fn fingerprints(plugin: &ConfigPlugin) -> Vec<String> {
    let state = plugin.store.state();
    let listener = state.listeners.find(on_all_addresses(Transport::Https));
    let named =
        listener.and_then(|own| own.certificate_thumbprint).or(state.config.service.certificate_thumbprint);
    let certificates = Arc::clone(&plugin.certificates);
    let found = tokio::task::spawn_blocking(move || match named {
        Some(named) => certificates.find(named).ok(),
        None => certificates.existing_own(),
    });
    let Ok(Some(certificate)) = found.await else { return Vec::new() };
    vec![
        format!("Certificate thumbprint (SHA-1): {}", certificate.thumbprint()),
        format!("Certificate fingerprint (SHA-256): {}", certificate.fingerprint()),
    ]
}

/// Describes the groups with access. Windows changes a policy for local accounts at this step.
fn describe_access(plugin: &ConfigPlugin) -> String {
    let state = plugin.store.state();
    if state.membership != Membership::LocalGroups {
        return "The user who runs this service has full access, and so have its accounts that are administrators; \
                telarch account add NAME --admin creates one. Local groups have no effect here."
            .to_owned();
    }
    let principals = plugin.principals.as_deref();
    describe_groups(&state.groups, |group| {
        principals.is_none_or(|principals| principals.sid_of(group).is_some())
    })
}

fn describe_groups(groups: &Groups, exists: impl Fn(&str) -> bool) -> String {
    let mut text = format!(
        "Members of the groups {} have full access, members of {} may open shells; \
         winrm quickconfig -allowgroup:GROUP grants access to other groups.",
        groups.administrators.join(", "),
        groups.remote_management_users.join(", ")
    );
    let named = groups.administrators.iter().chain(&groups.remote_management_users);
    let missing: Vec<String> = named.filter(|group| !exists(group)).cloned().collect();
    if !missing.is_empty() {
        text += &format!(
            "\nThe local group {} does not exist yet: groupadd GROUP creates it, usermod -aG GROUP USER adds a user.",
            missing.join(", ")
        );
    }
    text
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

/// Writes the recorded changes that can be undone, newest first.
pub(super) async fn show_recorded(machine: &CallerMachine, call: &Call) -> Result<Answer, Fault> {
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

/// Undoes the recorded changes that the client has confirmed.
pub(super) async fn undo(
    plugin: &ConfigPlugin,
    machine: &CallerMachine,
    options: &Options,
    call: &Call,
) -> Result<Answer, Fault> {
    let recorded = machine.survey(Vec::new()).await?.recorded;
    let entries = options.steps.iter().map(|token| find(&recorded, token).cloned());
    let mut named = entries.collect::<Result<Vec<ChangeRecord>, Fault>>()?;
    named.sort_by_key(|record| std::cmp::Reverse(record.number));
    named.dedup();
    let (mut lines, mut status) = (Vec::new(), Status::Succeeded);
    let mut afterwards = None;
    for record in named {
        if record.service == ServiceAfter::Stopped {
            lines.push(format!("{} The service stops now.", record.what));
            afterwards = Some(record.number);
            continue;
        }
        let outcome = match undo_setting(plugin, &record, call).await {
            Ok(()) => machine.done(MachineRequest::Undo(record.number)).await,
            Err(fault) => Outcome::Failed(fault.reason().to_owned()),
        };
        lines.push(match outcome {
            Outcome::Failed(why) => {
                status = Status::Failed;
                format!("Could not undo: {} {why}", record.what)
            }
            _ => format!("Undone: {}", record.what),
        });
    }
    let answer = write(Stage::Undo, status, &lines, call)?;
    let Some(number) = afterwards else { return Ok(answer) };
    // The service is stopped only after the response has been delivered.
    let (machine, runtime) = (machine.clone(), tokio::runtime::Handle::current());
    Ok(answer.when_delivered(Box::new(move || {
        runtime.spawn(async move {
            if let Outcome::Failed(error) = machine.done(MachineRequest::Undo(number)).await {
                tracing::error!(error, "Cannot stop the service");
            }
        });
    })))
}

fn find<'r>(recorded: &'r [ChangeRecord], token: &str) -> Result<&'r ChangeRecord, Fault> {
    let found = recorded.iter().find(|record| record.number.to_string() == token);
    found.ok_or_else(|| wrong(format!("\"{token}\" is not a recorded change; analyze again")))
}

/// Undoes a change of the service's own settings, unless the listener has been deleted since.
async fn undo_setting(plugin: &ConfigPlugin, record: &ChangeRecord, call: &Call) -> Result<(), Fault> {
    match &record.own {
        None => Ok(()),
        Some(SettingChange::Listener(transport)) => {
            let key = on_all_addresses(to_config(*transport));
            plugin.change(call, move |draft| delete_if_present(draft, key)).await
        }
        Some(SettingChange::ListenerEnabled(transport)) => {
            let key = on_all_addresses(to_config(*transport));
            plugin.change(call, move |draft| disable_if_present(draft, key)).await
        }
        Some(SettingChange::Allowed(sid)) => {
            let sid = Sid::parse(sid).map_err(|error| wrong(error.to_string()))?;
            let machine = plugin.store.state().machine_sid;
            plugin
                .change(call, move |draft| change_shell_access(draft, machine, sid, ShellAccess::Revoke))
                .await
        }
    }
}

fn delete_if_present(draft: &mut Draft, key: ListenerKey) -> Result<(), ChangeError> {
    match draft.listeners.find(key) {
        Some(_) => Ok(draft.listeners.delete(key)?),
        None => Ok(()),
    }
}

fn disable_if_present(draft: &mut Draft, key: ListenerKey) -> Result<(), ChangeError> {
    match draft.listeners.find(key) {
        Some(_) => set_enabled(draft, key, false),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_groups_are_named() {
        assert!(!described(&["winrm-admins", "winrm-users"]).contains('\n'));
        let one = described(&["winrm-admins"]);
        assert!(one.contains("\nThe local group winrm-users does not exist yet: groupadd GROUP"), "{one}");
        assert!(described(&[]).contains("The local group winrm-admins, winrm-users does not exist yet"));
    }

    fn described(existing: &[&str]) -> String {
        describe_groups(&Groups::default(), |group| existing.contains(&group))
    }
}
