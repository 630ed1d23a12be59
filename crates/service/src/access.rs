//! The access check: whether a caller may perform an action on a resource.

mod remedy;

use config::{Config, DescriptorOrigin, EffectiveDescriptor, Plugins, RunAsUser, State};
use sddl::{AccessMask, Outcome};
use wsman::{Action, Detail, Fault, ResourceUri, Subcode, code};

use crate::audit::{self, AccessDecision};
use crate::caller::{Caller, CallerLocation};
use crate::resource::{ResourceKind, TargetResource};

/// Evidence that a request passed the access check. A [`Call`](crate::Call) cannot be made without it.
#[derive(Clone, Copy, Debug)]
pub struct AccessGranted(());

impl AccessGranted {
    /// States that another process has checked access, such as the gateway for the host of a user.
    #[must_use]
    pub fn by_another_process() -> Self {
        Self(())
    }
}

/// Decides with the current settings whether a caller may perform an action on a resource.
///
/// # Errors
/// `w:AccessDenied` if remote access is disabled or the security descriptor of the resource denies it;
/// `a:DestinationUnreachable` if the plug-in is disabled.
pub(crate) fn admit(
    caller: &Caller,
    target: &TargetResource,
    action: &Action,
    state: &State,
) -> Result<AccessGranted, Fault> {
    check_remote_access(caller, &state.config)?;
    require_enabled(&state.plugins, &target.uri)?;
    check_descriptor(caller, state, target, action)?;
    require_run_as(state, &target.uri)?;
    Ok(AccessGranted(()))
}

/// Checks that the service may serve a caller at its location.
///
/// Connections that were open when a policy disabled remote access are refused here.
///
/// # Errors
/// `w:AccessDenied`.
pub(crate) fn check_remote_access(caller: &Caller, config: &Config) -> Result<(), Fault> {
    if config.service.allow_remote_access || caller.location() == CallerLocation::ThisMachine {
        return Ok(());
    }
    Err(Fault::new(
        Subcode::AccessDenied,
        code::REMOTE_ACCESS_DISABLED,
        "remote access is disabled by a policy of this machine (AllowAutoConfig); change the policy, or connect on the machine itself",
    ))
}

/// Checks the most specific security descriptor of the resource.
///
/// # Errors
/// `w:AccessDenied`. The access control entry that decided is written to the log only.
fn check_descriptor(
    caller: &Caller,
    state: &State,
    target: &TargetResource,
    action: &Action,
) -> Result<(), Fault> {
    let resource = target.uri.as_str();
    let desired = required_rights(target.kind, action);
    let descriptor = state.access.of(resource);
    let EffectiveDescriptor { guard, origin: decider } = descriptor;
    let verdict = guard.access_check(caller.token(), desired);
    let is_granted = verdict.is_granted();
    // Denials and changes are always recorded; the SACL decides about everything else, such as reading.
    let is_always_recorded = !is_granted || !desired.intersection(CHANGES).is_empty();
    let run_as = state.plugins.run_as(resource).map(RunAsUser::as_str);
    let is_recorded = is_always_recorded || guard.audit(caller.token(), desired, Outcome::from(verdict));
    if is_recorded && !(is_granted && is_continuation(action)) {
        let ace = verdict.ace().and_then(|ace| guard.dacl()?.aces.get(ace));
        let decision = AccessDecision { action, resource, run_as, rights: desired, decider, ace, verdict };
        audit::access(&caller.audit_subject(), &decision);
    }
    if is_granted {
        return Ok(());
    }
    let account = caller.identity().account();
    let machine = caller.token().machine();
    let advice = remedy::lines(&descriptor, state, machine, &account.to_string(), desired);
    let decider = match decider {
        DescriptorOrigin::Plugin { plugin, uri } => {
            format!("the security entry of plug-in {plugin} for {uri}")
        }
        _ => "RootSDDL of the service".to_owned(),
    };
    let reason = format!("access is denied: {decider} does not grant {account} the right {desired}{advice}");
    Err(Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, reason))
}

/// Rejects resources of a disabled plug-in or PowerShell endpoint as if they did not exist.
///
/// # Errors
/// `a:DestinationUnreachable`, as for an unknown resource.
fn require_enabled(plugins: &Plugins, uri: &ResourceUri) -> Result<(), Fault> {
    let Some(plugin) = plugins.find_by_uri(uri.as_str()) else { return Ok(()) };
    let reason = match (plugin.is_enabled(), plugin.disabled_endpoint(uri.as_str())) {
        (false, _) => {
            let name = plugin.kind().name;
            format!(
                "the plug-in {name}, which serves {uri}, is disabled; set Enabled to true in winrm/config/plugin?Name={name}"
            )
        }
        (true, Some(name)) => format!(
            "the endpoint {name}, which serves {uri}, is disabled; set Enabled to true in winrm/config/plugin?Name={name}"
        ),
        (true, None) => return Ok(()),
    };
    Err(Fault::new(Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI, reason)
        .with_detail(Detail::INVALID_RESOURCE_URI))
}

/// Rejects an endpoint that runs as another account if a policy forbids that. Callers without access learn nothing about
/// the account, because their rights are checked first.
///
/// # Errors
/// `w:AccessDenied`.
fn require_run_as(state: &State, uri: &ResourceUri) -> Result<(), Fault> {
    match state.plugins.run_as(uri.as_str()) {
        Some(user) if state.policies.disables_run_as() => Err(Fault::new(
            Subcode::AccessDenied,
            code::RUN_AS_DISABLED,
            format!(
                "the endpoint {uri} runs as {user}, which a policy of this machine forbids (DisableRunAs); change the policy, or use another endpoint"
            ),
        )),
        _ => Ok(()),
    }
}

/// Returns the fault for an endpoint whose account this process cannot run as.
pub(crate) fn run_as_unavailable(uri: &ResourceUri, user: &RunAsUser) -> Fault {
    let reason = format!(
        "the endpoint {uri} runs as {user}, but only a service that root has started, without --ephemeral, can run as another account; start it as root, or use another endpoint"
    );
    Fault::new(Subcode::InternalError, code::RUN_AS_FAILED, reason)
}

/// Rights whose use is always recorded.
const CHANGES: AccessMask = AccessMask::GENERIC_WRITE.union(AccessMask::GENERIC_EXECUTE);

/// Returns whether an action only continues one that was recorded when it began: the input and output of a command
/// are transferred in many pieces.
fn is_continuation(action: &Action) -> bool {
    use wsman::ShellVerb::{Receive, Send};
    matches!(action, Action::Shell(Receive | Send))
}

fn required_rights(kind: ResourceKind, action: &Action) -> AccessMask {
    match (kind, action) {
        (ResourceKind::Shells, _) => AccessMask::GENERIC_EXECUTE,
        (
            _,
            Action::Get
            | Action::Enumerate
            | Action::Pull
            | Action::Release
            | Action::Subscribe
            | Action::Renew
            | Action::GetStatus
            | Action::Unsubscribe,
        ) => AccessMask::GENERIC_READ,
        (_, Action::Put | Action::Create | Action::Delete) => AccessMask::GENERIC_WRITE,
        _ => AccessMask::GENERIC_EXECUTE,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auth::{Account, AuthError, Identity, LocalUsers};
    use config::{EndpointName, EndpointSettings, Policies};
    use sddl::{DomainSid, Token};

    use super::*;

    struct Users;

    impl LocalUsers for Users {
        fn account(&self, _: u32) -> Result<Account, AuthError> {
            Ok(Account { name: "ada".to_owned() })
        }
    }

    fn caller(location: CallerLocation) -> Caller {
        let machine = DomainSid::new([1, 2, 3]);
        let identity = Identity::by_peer_credentials(1_000, &Users).unwrap();
        let token = Token::new(machine.account(3_000), [], machine);
        Caller::new(identity, token, [192, 0, 2, 7].into()).with_location(location)
    }

    #[test]
    fn the_policy_disable_run_as_refuses_endpoints_that_run_as_another_account() {
        let name = EndpointName::parse("Backup").unwrap();
        let uri = |name: &str| ResourceUri::parse(&EndpointName::parse(name).unwrap().uri()).unwrap();
        let run_as = Some(RunAsUser::parse("ops").unwrap());
        let mut state = State::default();
        let plugin = state.plugins.find_mut("PowerShell").unwrap();
        plugin.set_endpoints(vec![EndpointSettings { name, enabled: true, run_as }]).unwrap();
        assert!(require_run_as(&state, &uri("Backup")).is_ok());
        for (value, is_refused) in [(true, true), (false, false)] {
            let text = format!("[Policy]\nDisableRunAs = {value}\n");
            let policies = Policies::of_files(&[("10.toml".into(), text.into_bytes())]).unwrap();
            state.policies = Arc::new(policies);
            let refused = require_run_as(&state, &uri("BACKUP")).err();
            assert_eq!(refused.map(|fault| fault.code()), is_refused.then_some(code::RUN_AS_DISABLED));
            assert!(require_run_as(&state, &uri("PowerShell.7")).is_ok());
        }
    }

    #[test]
    fn a_policy_without_remote_access_admits_only_local_callers() {
        let mut config = Config::default();
        let check = |config: &Config, location| check_remote_access(&caller(location), config);
        assert!(check(&config, CallerLocation::Network).is_ok());
        config.service.allow_remote_access = false;
        let refused = check(&config, CallerLocation::Network).unwrap_err();
        assert_eq!(
            (refused.subcode(), refused.code()),
            (&Subcode::AccessDenied, code::REMOTE_ACCESS_DISABLED)
        );
        assert!(check(&config, CallerLocation::ThisMachine).is_ok());
    }
}
