//! Tickets at the service: which of its names they may be for, and whose account they lead to.

use telarch_peers::{
    Curl, KerberosPeer, Keys, PASSWORD, REALM, Realm, SignIn, Signed, Telarchd, USER, in_realm, walk,
};

#[test]
fn a_ticket_for_any_name_in_the_keytab_is_accepted() {
    run("a_ticket_for_any_name_in_the_keytab_is_accepted", |_| {
        let service = Telarchd::start(&[]);
        let sign_ins = ["HTTP", "WSMAN", "host"].map(|spn| SignIn {
            client: "pypsrp",
            scheme: "kerberos",
            inner: None,
            spn,
            sends_binding: true,
            url: service.http().replace("127.0.0.1", "localhost"),
            user: format!("{USER}@{REALM}"),
            password: PASSWORD.to_owned(),
            certificate: None,
        });
        assert_eq!(walk(&sign_ins), [Signed::Sealed, Signed::Sealed, Signed::Sealed]);
    });
}

#[test]
fn auth_to_local_maps_a_principal_to_an_account() {
    run("auth_to_local_maps_a_principal_to_an_account", |realm| {
        realm.kadmin(&format!("addprinc -pw \"{PASSWORD}\" countess"));
        realm.kinit_as("countess", &[]);
        let service = service();
        assert_eq!(by_ticket(&service), 401);
        service.logged(&[&format!("no account for countess@{REALM}: no account has its name")]);

        realm.auth_to_local(&[&format!(r"RULE:[1:$1@$0](^countess@{REALM}$)s/.*/{USER}/"), "DEFAULT"]);
        let mapping = self::service();
        assert_eq!(by_ticket(&mapping), 200);
        mapping.logged(&["Signed in", &format!("account={USER}"), "scheme=Negotiate"]);
        realm.kinit(&[]);
        assert_eq!(by_ticket(&mapping), 200, "who has the name of an account still has it");
    });
}

#[test]
fn a_principal_with_an_instance_is_not_its_user() {
    run("a_principal_with_an_instance_is_not_its_user", |realm| {
        realm.kinit_as(&format!("{USER}/admin"), &[]);
        let service = service();
        assert_eq!(by_ticket(&service), 401);
        service.logged(&[&format!("no account for {USER}/admin@{REALM}: it has an instance")]);
    });
}

/// What curl gets for whoever has the ticket.
fn by_ticket(service: &Telarchd) -> u16 {
    let url = service.https().replace("127.0.0.1", "localhost");
    Curl::to(&url).scheme("--negotiate", ":").last_status()
}

/// It logs who has signed in.
fn service() -> Telarchd {
    Telarchd::start_through(&["env", "TELARCH_LOG=debug"], &[])
}

/// Runs `body` in a process of its own in a new realm, if the peers and the KDC are installed.
fn run(name: &str, body: impl FnOnce(&Realm)) {
    if KerberosPeer::is_installed() {
        in_realm(&format!("principals::{name}"), Keys::AesSha1, body);
    }
}
