//! The service of a machine: clients of others run commands as users of the machine.

use telarch_peers::{KerberosPeer, Keys, Machine, Peer, Proof, Remote, Run, WayIn, in_realm};

#[test]
fn pywinrm_runs_commands_as_the_user_whom_pam_knows() {
    let Some(machine) = Machine::start(Proof::Password) else { return };
    let run = machine.pywinrm(WayIn::BasicOverHttps).run("id -un; pwd");
    assert_eq!(run.text(), (format!("{0}\n/home/{0}\n", machine.user()).as_str(), "", 0));
}

#[test]
fn messages_of_credssp_and_ntlm_are_sealed_between_clients_in_python_and_the_host_of_their_user() {
    let Some(machine) = Machine::start(Proof::NtHash) else { return };
    let input = [b'x'; 300_000];
    let line = "id -un; wc -c; seq 40000 | tail -1";
    let expected = format!("{}\n300000\n40000\n", machine.user());
    let is_right = |run: Run, who: &str| assert_eq!(run.text(), (expected.as_str(), "", 0), "{who}");
    // Over HTTP nothing but what is sealed is taken.
    for way in [WayIn::CredSspOverHttp, WayIn::NtlmOverHttp] {
        is_right(machine.pypsrp(way).run(Remote::new(line).input(&input)), "pypsrp");
        is_right(machine.pywinrm(way).run(Remote::new(line).input(&input)), "pywinrm");
    }
    let wrong = machine.pypsrp(WayIn::CredSspOverHttp).with_password("a guess").try_run("true");
    assert!(wrong.is_err(), "{wrong:?}");
    let plain = machine.pywinrm(WayIn::BasicOverAllowedHttp).try_run("true");
    assert!(plain.is_err(), "{plain:?}");
}

#[test]
fn a_ticket_of_kerberos_is_judged_by_the_broker_and_leads_to_the_host_of_its_user() {
    if !KerberosPeer::is_installed() {
        return;
    }
    let name = "machine::a_ticket_of_kerberos_is_judged_by_the_broker_and_leads_to_the_host_of_its_user";
    in_realm(name, Keys::AesSha2, |realm| {
        let Some(machine) = Machine::start(Proof::Ticket(realm)) else { return };
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
