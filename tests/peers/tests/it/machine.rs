//! The service of a machine: clients of others run commands as users of the machine.

use telarch_peers::{KerberosPeer, Keys, Machine, in_realm};

#[test]
fn pywinrm_runs_commands_as_the_user_whom_pam_knows() {
    let Some(machine) = Machine::start(None) else { return };
    let shown = machine.pywinrm("id -un; pwd");
    assert_eq!(shown, format!("{0}\n/home/{0}\n", machine.user()));
}

#[test]
fn a_ticket_of_kerberos_is_judged_by_the_broker_and_leads_to_the_host_of_its_user() {
    if !KerberosPeer::is_installed() {
        return;
    }
    let name = "machine::a_ticket_of_kerberos_is_judged_by_the_broker_and_leads_to_the_host_of_its_user";
    in_realm(name, Keys::AesSha2, |realm| {
        let Some(machine) = Machine::start(Some(realm)) else { return };
        realm.kinit(&[]);
        // Sealed, over HTTP.
        for scheme in ["-authentication:kerberos", "-authentication:negotiate"] {
            let run = machine.winrs(
                realm,
                &[scheme],
                "id -un; head -c 300000 /dev/zero | wc -c; seq 40000 | tail -1",
            );
            let expected = format!("{}\n300000\n40000\n", machine.user());
            assert_eq!(run.text(), (expected.as_str(), "", 0), "{scheme}");
        }
    });
}
