//! The service of a machine: clients of others run commands as users of the machine.

use std::time::Duration;

use serde_json::{Value, json};
use telarch_peers::{
    CERTIFICATE_MAPPINGS, Curl, Holder, KerberosPeer, Keys, Machine, PASSWORD, Peer, Proof, Pwsh, Remote,
    Run, WayIn, Winrm, Winrs, certificate_mapping, ends_within, in_realm,
};

#[test]
fn pywinrm_runs_commands_as_the_user_that_pam_verified() {
    let Some(machine) = Machine::start(Proof::Password) else { return };
    let run = machine.pywinrm(WayIn::BasicOverHttps).run("id -un; pwd");
    assert_eq!(run.text(), (format!("{0}\n/home/{0}\n", machine.user()).as_str(), "", 0));
}

#[test]
fn powershell_runs_as_the_user_in_a_runspace_pool() {
    let pwsh = Pwsh::new();
    let Some(machine) = Machine::start(Proof::PowerShell(&pwsh)) else { return };
    let scripts =
        json!({"scripts": ["env:USER", "cwd", "env:TELARCH_USER", "objs:300", "blob:100:30000", "pid"]});
    let results = machine.pypsrp(WayIn::BasicOverHttps).use_powershell("run", scripts).expect("not refused");
    let user = machine.user();
    for (number, expected) in [user.to_owned(), format!("/home/{user}"), user.to_owned()].iter().enumerate() {
        assert_eq!(results[number]["output"], json!([expected]));
    }
    let count = |number: usize| results[number]["output"].as_array().map(Vec::len);
    assert_eq!((count(3), count(4)), (Some(300), Some(100)));
    let process = results[5]["output"][0].as_i64().and_then(|id| i32::try_from(id).ok());
    assert!(
        ends_within(process.expect("a process ID"), Duration::from_secs(60)),
        "{process:?} was left behind"
    );
}

#[test]
fn python_clients_seal_messages_to_their_host_with_credssp_and_ntlm() {
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
fn a_kerberos_ticket_is_verified_by_the_broker_for_the_host_of_its_user() {
    if !KerberosPeer::is_installed() {
        return;
    }
    let name = "machine::a_kerberos_ticket_is_verified_by_the_broker_for_the_host_of_its_user";
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

const BY_CERTIFICATE: WayIn = WayIn::CertificateOverHttps;

#[test]
fn certificates_are_verified_by_the_broker_and_commands_run_as_mapped() {
    let Some(machine) = Machine::start(Proof::Certificate) else { return };
    let (ada, eve) = (Holder::self_signed("ada@corp.example"), Holder::self_signed("ada@corp.example"));
    let (url, user) = (machine.url(), machine.user());
    let locator = certificate_mapping(&ada.thumbprint(), "ada@corp.example");
    let settings = |operation: &[&str]| {
        let winrm = Winrm::to(url).user(Some(user)).switch("-authentication:basic");
        winrm.switch("-skipCAcheck").switch("-skipCNcheck").run(operation)
    };
    let body = |password: &str| format!("@{{UserName=\"{user}\";Password=\"{password}\"}}");
    let wrong = settings(&["create", &locator, &body("wrong")]);
    assert!(wrong.code == 1 && wrong.text().1.contains("0x80338154"), "{wrong:?}");
    let made = settings(&["create", &locator, &body(PASSWORD)]);
    assert_eq!((made.text().1, made.code), ("", 0), "{made:?}");
    let shown = settings(&["enumerate", CERTIFICATE_MAPPINGS]);
    let (stdout, _, code) = shown.text();
    assert!(code == 0 && stdout.contains(&format!("UserName = {user}\n")), "{shown:?}");
    assert!(stdout.contains(&ada.thumbprint()) && !stdout.contains("Password"), "{shown:?}");

    for version in ["1.2", "1.3"] {
        assert_eq!(Curl::to(url).certificate(&ada, version).last_status(), 200, "TLS {version}");
        assert_eq!(Curl::to(url).certificate(&eve, version).last_status(), 401, "TLS {version}");
    }
    let expected = format!("{user}\n");
    assert_eq!(
        machine.pywinrm(BY_CERTIFICATE).with_certificate(&ada).run("id -un").text(),
        (expected.as_str(), "", 0)
    );
    assert_eq!(
        machine.pypsrp(BY_CERTIFICATE).with_certificate(&ada).run("id -un").text(),
        (expected.as_str(), "", 0)
    );
    let winrs = Winrs::to(url).certificate(&ada).switch("-skipCAcheck").switch("-skipCNcheck");
    let run = winrs.run(&["id -un; exit 7"], b"");
    assert_eq!(run.text(), (expected.as_str(), "", 7));
    let other = machine.pypsrp(BY_CERTIFICATE).with_certificate(&eve);
    other.ask("max_envelope_size_kb", Value::Null).expect_err("it is another key");

    let off = settings(&["set", &locator, "@{Enabled=\"false\"}"]);
    assert!(off.code == 0 && off.text().0.contains("Enabled = false"), "{off:?}");
    assert_eq!(Curl::to(url).certificate(&ada, "1.3").last_status(), 401);
    let deleted = settings(&["delete", &locator]);
    assert_eq!(deleted.code, 0, "{deleted:?}");
    assert_eq!(settings(&["enumerate", CERTIFICATE_MAPPINGS]).text(), ("", "", 0));
}
