//! Tests with firewalld, over D-Bus.

use telarch_peers::in_world;
use telarch_quickconfig::{FirewallKind, MachineRequest, Outcome, Transport};

use crate::{done, opening, opens_and_closes, printed, survey, undo_everything};

#[test]
fn ports_are_opened_now_and_permanently_and_closed_again() {
    let name = "firewalld::ports_are_opened_now_and_permanently_and_closed_again";
    in_world(name, &["firewalld", "nft"], |world| {
        world.firewalld();
        let _ = printed(world, "firewall-cmd --set-default-zone=internal");
        let firewall = survey(&[]).firewall;
        assert_eq!((firewall.kind, firewall.public), (FirewallKind::Firewalld, false));
        assert_eq!(firewall.places, ["internal"]);
        let state = || {
            let all = [
                "firewall-cmd --zone=internal --list-all",
                "firewall-cmd --permanent --zone=internal --list-all",
            ];
            all.map(|line| printed(world, line))
        };
        let before = state();
        let how = opens_and_closes(&opening(Transport::Http, 5985, &[], None));
        assert_eq!(how, "firewalld, zone internal, service wsman");
        let _ = opens_and_closes(&opening(Transport::Https, 6986, &[], None));
        let _ = opens_and_closes(&opening(Transport::Https, 5986, &["192.0.2.0/24", "2001:db8::/32"], None));
        for shown in state() {
            for part in
                ["wsman", "6986/tcp", "source address=\"192.0.2.0/24\"", "source address=\"2001:db8::/32\""]
            {
                assert!(shown.contains(part), "{part}: {shown}");
            }
            assert!(!shown.contains("wsmans"), "{shown}");
        }
        let _ = printed(world, "firewall-cmd --reload");
        assert_eq!(survey(&[opening(Transport::Https, 6986, &[], None)]).firewall.open, [true]);
        undo_everything();
        assert_eq!(state(), before);
    });
}

#[test]
fn undo_does_not_close_ports_that_were_open_before() {
    let name = "firewalld::undo_does_not_close_ports_that_were_open_before";
    in_world(name, &["firewalld", "nft"], |world| {
        world.firewalld();
        // The runtime configuration is already open; quickconfig adds the permanent one, and removes only
        // that.
        let _ = printed(world, "firewall-cmd --zone=public --add-service=wsman");
        let outcome = done(&MachineRequest::Open(opening(Transport::Http, 5985, &[], Some("public"))));
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        let has = |when: &str| {
            world.shell(&format!("firewall-cmd {when} --zone=public --query-service=wsman")).code == 0
        };
        assert!(has("--permanent"));
        undo_everything();
        assert_eq!((has(""), has("--permanent")), (true, false));
    });
}

#[test]
fn the_public_zone_is_reported_and_an_unknown_zone_rejected() {
    let name = "firewalld::the_public_zone_is_reported_and_an_unknown_zone_rejected";
    in_world(name, &["firewalld", "nft"], |world| {
        world.firewalld();
        assert!(survey(&[]).firewall.public, "it is the default of what firewalld ships");
        let named = opening(Transport::Http, 5985, &[], Some("public"));
        assert!(!survey(std::slice::from_ref(&named)).firewall.public, "it was said");
        let outcome = done(&MachineRequest::Open(opening(Transport::Http, 5985, &[], Some("nowhere"))));
        assert!(
            matches!(&outcome, Outcome::Failed(why) if why.contains("unknown firewalld zone nowhere")),
            "{outcome:?}"
        );
        // This machine has no network except loopback.
        let outcome = done(&MachineRequest::Open(opening(Transport::Http, 5985, &[], None)));
        assert!(matches!(&outcome, Outcome::Failed(why) if why.contains("LocalSubnet")), "{outcome:?}");
        let _ = printed(
            world,
            "ip link add dummy0 type veth peer name dummy1 && ip addr add 192.0.2.1/24 dev dummy0 && ip link set dummy0 up",
        );
        let how = opens_and_closes(&opening(Transport::Http, 5985, &[], None));
        assert!(how.contains("from 192.0.2.0/24"), "{how}");
        undo_everything();
    });
}
