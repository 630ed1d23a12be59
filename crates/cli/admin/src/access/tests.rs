//! Access reports about simulated machines.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use tempfile::TempDir;

use auth::SignInFacts;

use super::*;

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";

/// Returns a function that reports access on a machine with these settings.
///
/// alice is an administrator, bob a Remote Management User, and carl neither; the accounts file has clerk, and the
/// disabled account out.
fn machine(
    settings: &str,
    serving: ServiceScope,
) -> (impl Fn(&str, Option<&str>) -> String + use<>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("passwd", "root:x:0:0::/:\nalice:x:1000:1000::/:\nbob:x:1001:1001::/:\ncarl:x:1002:1002::/:\n");
    write("group", "wheel:x:10:alice\nwinrm-users:x:991:bob\n");
    write("machine-sid", "S-1-5-21-1-2-3\n");
    write("config.toml", settings);
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
    write("accounts", &format!("clerk:3000000002::0:{hash}:\nout:3000000003:admin,disabled:0:{hash}:\n"));
    fs::set_permissions(folder.path().join("accounts"), fs::Permissions::from_mode(0o600)).unwrap();
    let path = folder.path().to_owned();
    let report = move |user: &str, resource: Option<&str>| {
        let paths = Paths::new(&path.join("config.toml"), &path);
        let machine = MachineSid::find(&path).unwrap();
        let settings = settings_of(&paths, machine);
        let (users, accounts) =
            (UnixUsers::in_directory(&path), FileAccounts::open(path.join("accounts")).unwrap());
        let groups = Arc::clone(&settings.groups);
        let principals = LocalPrincipals::new(serving, users.clone(), Some(accounts.clone()))
            .with_groups(move || Arc::clone(&groups));
        let (user, resource) = (user.to_owned(), resource.map(str::to_owned));
        let (accounts, has_pam) = (Some(accounts), true);
        let sign_in =
            SignInFacts { kerberos: Err("no keytab".to_owned()), ..facts_of(&settings, &paths, serving) };
        AccessQuery {
            user,
            resource,
            paths,
            settings,
            serving,
            users,
            accounts,
            principals,
            machine,
            has_pam,
            sign_in,
        }
        .report()
    };
    (report, folder)
}

fn facts_of(settings: &State, paths: &Paths, serving: ServiceScope) -> SignInFacts {
    SignInSources { state: settings, paths, serving, winbind: false }.facts()
}

fn settings_of(paths: &Paths, machine: Option<MachineSid>) -> State {
    settings(paths, machine).unwrap_or_else(|failure| panic!("{failure}"))
}

const NO_ACCOUNT: &str = "denied: no usable account";

const WHEEL: &str = "[Groups]\nAdministrators = [\"wheel\"]\n";

#[track_caller]
fn has(report: &str, lines: &[&str]) {
    for line in lines {
        assert!(report.lines().any(|own| own.trim() == *line), "{line}\nis not in\n{report}");
    }
}

#[test]
fn an_administrator_of_the_groups_setting_passes_every_check() {
    let (report, _folder) = machine(WHEEL, ServiceScope::Machine);
    let shown = report("alice", None);
    has(
        &shown,
        &[
            "+ user 1000 of this machine",
            "+ local programs, by the Unix socket (verified by the kernel)",
            ". user alice (S-1-5-21-1-2-3-3000)",
            ". member of group wheel (S-1-5-21-1-2-3-1021)",
            ". member of BUILTIN\\Administrators (BA)",
            "+ write (Put, Create, Delete): granted by (A;;GA;;;BA)",
            "+ execute (open shells, run commands): granted by (A;;GA;;;BA)",
            "+ Winrs.AllowRemoteShellAccess is true",
        ],
    );
    assert_eq!(shown.matches(". access granted").count(), 3, "{shown}");
    has(&shown, &[". each namespace also has a descriptor, which must grant REMOTE_ENABLE to remote users"]);
    assert_eq!(shown.matches("\n  - ").count(), 0, "{shown}");
}

#[test]
fn a_user_that_rootsddl_does_not_list_is_denied() {
    let (report, _folder) = machine(WHEEL, ServiceScope::Machine);
    let shown = report("carl", Some("http://schemas.microsoft.com/wbem/wsman/1/config"));
    has(
        &shown,
        &[
            "- read (Get, Enumerate): denied, because no entry gives GR",
            "+ read (Get, Enumerate), by the Unix socket: granted by (A;;GR;;;IU)",
            ".   BUILTIN\\Administrators (BA): allowed GA",
            ". denied: RootSDDL, read (Get, Enumerate): denied, because no entry gives GR",
        ],
    );
}

#[test]
fn the_plug_in_and_the_shell_settings_are_checked() {
    let (report, _folder) = machine("", ServiceScope::Machine);
    let shown = report("bob", Some(SHELL));
    let granted = "+ execute (open shells, run commands): granted by (A;;GA;;;RM)";
    has(&shown, &[granted, "+ commands run as this user of the machine", ". access granted"]);

    let (report, _folder) = machine("Winrs.AllowRemoteShellAccess = false\n", ServiceScope::Machine);
    let shown = report("root", Some(SHELL));
    has(&shown, &[". denied: shells are disabled: Winrs.AllowRemoteShellAccess is false"]);

    let entry = format!(
        "[[Plugin]]\nName = \"Shell\"\n[[Plugin.Security]]\nUri = \"{SHELL}\"\nSddl = \"D:P(D;;GX;;;RM)(A;;GA;;;WD)\"\n"
    );
    let (report, _folder) = machine(&entry, ServiceScope::Machine);
    let shown = report("bob", Some(&format!("{SHELL}/cmd")));
    let denied = "execute (open shells, run commands): denied by (D;;GX;;;RM)";
    has(&shown, &[&format!("- {denied}"), &format!(". denied: Security of Shell for {SHELL}, {denied}")]);

    let (report, _folder) = machine("[[Plugin]]\nName = \"Shell\"\nEnabled = false\n", ServiceScope::Machine);
    has(&report("root", Some(SHELL)), &[". denied: the plug-in Shell is disabled"]);

    let endpoint =
        "[[Plugin]]\nName = \"PowerShell\"\n[[Plugin.Endpoint]]\nName = \"PowerShell.7\"\nEnabled = false\n";
    let (report, _folder) = machine(endpoint, ServiceScope::Machine);
    let uri = "http://schemas.microsoft.com/powershell/PowerShell.7.4";
    has(&report("root", Some(uri)), &[". denied: the endpoint PowerShell.7 is disabled"]);
}

#[test]
fn without_a_usable_account_no_other_check_is_made() {
    let (report, _folder) = machine("", ServiceScope::Machine);
    let shown = report("out", None);
    has(&shown, &["- the account in the accounts file is disabled (telarch account enable out)", NO_ACCOUNT]);
    let shown = report("nobody-at-all", None);
    has(&shown, &["- unknown user: neither this machine nor the accounts file has this name", NO_ACCOUNT]);
    let (report, _folder) = machine("", ServiceScope::OneUser { uid: 1001 });
    has(&report("alice", None), &[NO_ACCOUNT]);
    has(&report("bob", Some(SHELL)), &[". access granted"]);
}

#[test]
fn a_user_without_a_scheme_over_the_network_gets_the_remedies() {
    let (report, folder) = machine("", ServiceScope::Machine);
    let shown = report("root", None);
    let account = format!(
        ". create an account for NTLM: telarch account add root --ntlm --file {0}/accounts --state {0}",
        folder.path().display()
    );
    let denied = "denied over the network: no authentication scheme is available to the account";
    has(&shown, &[". no Kerberos: no keytab", denied, &account]);
    let (report, _folder) = machine(
        "Service.Auth.Basic = true\n[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\n",
        ServiceScope::Machine,
    );
    let shown = report("root", None);
    assert!(shown.contains("Basic requires a listener for HTTPS"), "{shown}");
    has(&shown, &[denied]);
}

#[test]
fn an_account_without_an_authentication_scheme_is_denied() {
    let off = "Service.Auth.Negotiate = false\nService.Auth.Kerberos = false\n";
    let (report, _folder) = machine(off, ServiceScope::OneUser { uid: 1001 });
    has(&report("clerk", None), &["denied: no authentication scheme is available to the account"]);
    let (report, _folder) =
        machine(&format!("{off}Service.Auth.Basic = true\n"), ServiceScope::OneUser { uid: 1001 });
    let shown = report("clerk", Some(SHELL));
    has(
        &shown,
        &[
            "+ password of the accounts file, with Basic",
            ". Basic requires HTTPS: Service.AllowUnencrypted is off",
        ],
    );
    assert!(shown.contains("user clerk (S-1-5-21-1-2-3-3000000002)"), "{shown}");
}
