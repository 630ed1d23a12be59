//! Tests with ufw, enabled as an administrator would.

use telarch_peers::in_world;
use telarch_quickconfig::{FirewallKind, Transport};

use crate::{opening, opens_and_closes, printed, survey, undo_everything};

#[test]
fn rules_are_added_and_undone_and_an_inactive_ufw_stays_inactive() {
    let name = "ufw::rules_are_added_and_undone_and_an_inactive_ufw_stays_inactive";
    in_world(name, &["ufw", "iptables"], |world| {
        assert_ne!(survey(&[]).firewall.kind, FirewallKind::Ufw, "it is off");
        let _ = printed(world, "ufw --force enable");
        assert_eq!(survey(&[]).firewall.kind, FirewallKind::Ufw);
        let before = printed(world, "ufw show added");
        let _ = opens_and_closes(&opening(Transport::Http, 5985, &[], None));
        let _ = opens_and_closes(&opening(Transport::Https, 5986, &["10.0.0.0/8", "192.0.2.7"], None));
        let rules = printed(world, "ufw show added");
        for part in [
            "ufw allow 5985/tcp comment 'winrm:http'",
            "ufw allow from 10.0.0.0/8 to any port 5986 proto tcp comment 'winrm:https'",
            "ufw allow from 192.0.2.7 to any port 5986 proto tcp comment 'winrm:https'",
        ] {
            assert!(rules.contains(part), "{part}: {rules}");
        }
        undo_everything();
        assert_eq!(printed(world, "ufw show added"), before);
    });
}
