//! Endpoints that run as another account, with a program in place of PowerShell that records its user.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use auth::account_file::Role;
use client::{Credentials, Endpoint, PoolOptions, Secret, Session, Unencrypted};
use ports::free_ports;

use crate::separated::block_on;
use crate::service_process::{BASIC_OVER_HTTP, PASSWORD, Telarchd, is_root, listener};

#[test]
fn an_account_without_a_local_user_opens_pools_of_a_system_account() {
    if !is_root() {
        skips::skip!("only the service of root runs endpoints as other users");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (program, record) = (folder.path().join("pwsh"), folder.path().join("record"));
    let script = format!("#!/bin/sh\necho \"$(id -un) $USER $TELARCH_USER\" > {}\n", record.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let [port] = free_ports();
    let settings = format!(
        "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;WD)\"\nPowerShell.Program = \"{}\"\n\
         [[Plugin]]\nName = \"PowerShell\"\n[[Plugin.Endpoint]]\nName = \"PowerShell.7\"\nRunAsUser = \"daemon\"\n",
        program.display()
    );
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let mut telarchd = Telarchd::new(&[BASIC_OVER_HTTP, &settings, &http].concat());
    telarchd.add_account("clerk", Role::User);
    telarchd.run();
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}/wsman")).unwrap();
    let credentials = Credentials { user: "clerk".into(), password: Secret::new(PASSWORD.into()) };
    let session = Session::builder(endpoint).credentials(credentials).unencrypted(Unencrypted::Allowed);
    let session = session.build().unwrap();
    let open = |configuration: &str| {
        let options = PoolOptions { configuration: configuration.to_owned(), ..PoolOptions::default() };
        block_on(session.runspace_pool(options)).expect_err("the program is no PowerShell").to_string()
    };
    let error = open("powershell.7");
    assert!(error.contains("the PowerShell process has ended"), "{error}");
    assert_eq!(fs::read_to_string(&record).unwrap(), "daemon daemon clerk\n");
    let error = open("Microsoft.PowerShell");
    assert!(error.contains("clerk has an account, but is not a user of this machine"), "{error}");
    telarchd.wait_for_log(&["Host started", "run_as=\"daemon\""]);
}
