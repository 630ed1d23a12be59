//! PowerShell endpoints that run as another account: what the settings of the broker allow.
//!
//! The gateway names an endpoint and never an account. A compromised gateway therefore reaches only accounts that root has
//! written into the settings file, and only for sessions of users that the descriptor of the endpoint admits.

use broker::{DenialKind, Denied, RunAsEndpoint};
use config::{EndpointName, Setting, State};
use sddl::{AccessMask, Token};

/// Returns the endpoint with its account, if it runs as another account and a caller may use it now.
///
/// # Errors
/// [`Denied`] if the endpoint is unknown, disabled or runs as its caller, or if a policy or its descriptor denies it.
pub(super) fn authorize(state: &State, token: &Token, endpoint: &str) -> Result<RunAsEndpoint, Denied> {
    let name =
        EndpointName::parse(endpoint).map_err(|reason| denied(format!("unknown endpoint: {reason}")))?;
    let uri = name.uri();
    let plugin = state.plugins.find_by_uri(&uri).filter(|plugin| plugin.is_endpoint_enabled(&name));
    let Some(plugin) = plugin else {
        let reason = format!(
            "the endpoint {name} is disabled; set Enabled to true in winrm/config/plugin?Name={name}"
        );
        return Err(denied(reason));
    };
    let Some(user) = plugin.run_as(&name) else {
        return Err(denied(format!("the endpoint {name} does not run as another account; retry")));
    };
    if state.policies.disables_run_as() {
        let reason = format!(
            "the endpoint {name} runs as {user}, which a policy of this machine forbids (DisableRunAs); change the policy, or use another endpoint"
        );
        return Err(denied(reason));
    }
    let verdict = state.access.of(&uri).guard.access_check(token, AccessMask::GENERIC_EXECUTE);
    if !verdict.is_granted() {
        tracing::warn!(endpoint = %name, run_as = %user, caller = %token.user(), "Access denied: the descriptor of the endpoint does not admit the caller");
        let reason = format!(
            "access is denied: the security descriptor of the endpoint {name} does not admit the caller\n  \
             an administrator can grant access: winrm configSDDL {uri}"
        );
        return Err(denied(reason));
    }
    Ok(RunAsEndpoint {
        endpoint: name.as_str().to_ascii_lowercase(),
        account: user.to_string(),
        program: setting(state, "PowerShell/Program"),
        configurations: setting(state, "PowerShell/Configurations"),
    })
}

fn setting(state: &State, path: &str) -> String {
    Setting::find(path).map(|setting| setting.show(&state.config).into_owned()).unwrap_or_default()
}

fn denied(reason: String) -> Denied {
    Denied::new(DenialKind::Access, reason)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use config::Store;
    use sddl::DomainSid;

    use super::*;

    const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);

    /// Opens settings in which Backup runs as `ops` and admits the user 1001 only.
    fn store(more: &str) -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let entry = "Uri = \"http://schemas.microsoft.com/powershell/Backup\"\nSddl = \"D:P(A;;GX;;;S-1-5-21-1-2-3-1001)\"";
        let text = format!(
            "PowerShell.Program = \"/opt/pwsh\"\n[[Plugin]]\nName = \"PowerShell\"\n{more}\n\
             [[Plugin.Endpoint]]\nName = \"Backup\"\nRunAsUser = \"ops\"\n\
             [[Plugin.Endpoint]]\nName = \"Off\"\nRunAsUser = \"ops\"\nEnabled = false\n\
             [[Plugin.Security]]\n{entry}\n"
        );
        fs::write(&path, text).unwrap();
        (Store::open(&path).unwrap(), folder)
    }

    fn token(rid: u32) -> Token {
        Token::new(MACHINE.account(rid), [], MACHINE)
    }

    #[test]
    fn the_settings_name_the_account_whatever_the_gateway_requests() {
        let (store, _folder) = store("");
        let allowed = authorize(&store.state(), &token(1_001), "BACKUP").unwrap();
        assert_eq!((allowed.account.as_str(), allowed.endpoint.as_str()), ("ops", "backup"));
        assert_eq!(allowed.program, "/opt/pwsh");
        for (rid, endpoint, part) in [
            (1_002, "Backup", "does not admit the caller"),
            (1_001, "Off", "is disabled"),
            (1_001, "Microsoft.PowerShell", "does not run as another account"),
            (1_001, "root", "does not run as another account"),
            (1_001, "Backup/../root", "unknown endpoint"),
            (1_001, "Backup ", "unknown endpoint"),
            (1_001, "", "unknown endpoint"),
        ] {
            let denied = authorize(&store.state(), &token(rid), endpoint).unwrap_err();
            assert!(denied.reason.contains(part), "{endpoint}: {}", denied.reason);
            assert_eq!(denied.kind, DenialKind::Access);
        }
    }

    #[test]
    fn a_disabled_plug_in_and_the_policy_disable_all_such_endpoints() {
        let (disabled, _folder) = store("Enabled = false");
        let denied = authorize(&disabled.state(), &token(1_001), "Backup").unwrap_err();
        assert!(denied.reason.contains("is disabled"), "{}", denied.reason);
        let (governed, folder) = store("");
        let policies = folder.path().join("policy.d");
        fs::create_dir(&policies).unwrap();
        for (value, is_allowed) in [(true, false), (false, true)] {
            fs::write(policies.join("10.toml"), format!("[Policy]\nDisableRunAs = {value}\n")).unwrap();
            governed.reload_policies().unwrap();
            let authorized = authorize(&governed.state(), &token(1_001), "Backup");
            assert_eq!(authorized.is_ok(), is_allowed, "{authorized:?}");
        }
    }

    #[test]
    fn a_client_that_may_write_the_settings_cannot_change_the_account() {
        let (store, _folder) = store("");
        let before = store.text();
        for after in [
            before.replace("RunAsUser = \"ops\"", "RunAsUser = \"root\""),
            before.replace("Name = \"Backup\"", "Name = \"Microsoft.PowerShell\""),
            before.replace("RunAsUser = \"ops\"\n", ""),
            before.replace("/opt/pwsh", "/tmp/pwsh"),
        ] {
            assert_ne!(after, before);
            assert!(store.replace(&before, &after).is_err(), "{after}");
        }
        assert!(store.replace(&before, &before.replace("Enabled = false", "Enabled = true")).is_ok());
    }
}
