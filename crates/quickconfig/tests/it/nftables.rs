//! Tests with nftables, through the program `nft`.

use telarch_peers::in_world;
use telarch_quickconfig::{FirewallKind, MachineRequest, Outcome, Transport};

use crate::{done, opening, opens_and_closes, printed, survey, undo_everything};

const STRICT: &str = "nft -f - <<EOF
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state invalid drop
    ct state established,related accept
    iif lo ip saddr 127.0.0.1 ip daddr 127.0.0.1 accept
  }
  chain other {
    type filter hook forward priority 0; policy drop;
  }
}
table ip6 raw {
  chain input {
    type filter hook input priority -300; policy accept;
  }
}
EOF";

#[test]
fn a_rule_is_inserted_at_the_start_of_a_dropping_chain_and_removed() {
    let name = "nftables::a_rule_is_inserted_at_the_start_of_a_dropping_chain_and_removed";
    in_world(name, &["nft"], |world| {
        assert_eq!(survey(&[]).firewall.kind, FirewallKind::None);
        let anywhere = opening(Transport::Http, 5985, &[], None);
        assert_eq!(done(&MachineRequest::Open(anywhere.clone())), Outcome::Already, "nothing is in the way");
        let _ = printed(world, STRICT);
        let before = printed(world, "nft list ruleset");
        let firewall = survey(&[]).firewall;
        assert_eq!(
            (firewall.kind, firewall.places),
            (FirewallKind::Nftables, vec!["inet filter input".to_owned()])
        );

        let listening = std::net::TcpListener::bind("127.0.0.2:5985").unwrap();
        let reach = || {
            let address = listening.local_addr().unwrap();
            std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_millis(300)).is_ok()
        };
        assert!(!reach(), "the chain drops");
        let how = opens_and_closes(&anywhere);
        assert!(how.contains("insert rule inet filter input tcp dport 5985 accept"), "{how}");
        assert!(reach(), "the rule is at the head");
        let rules = printed(world, "nft list chain inet filter input");
        assert!(
            rules.contains("tcp dport 5985 accept comment \"winrm:http\"\n\t\tct state invalid"),
            "{rules}"
        );

        let limited = opening(Transport::Https, 6_986, &["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"], None);
        let _ = opens_and_closes(&limited);
        let rules = printed(world, "nft list chain inet filter input");
        for part in ["ip saddr 10.0.0.0/8 tcp", "ip6 saddr 2001:db8::/32 tcp", "ip saddr 192.0.2.7 tcp"] {
            assert!(
                rules.contains(&format!("{part} dport 6986 accept comment \"winrm:https\"")),
                "{part}: {rules}"
            );
        }
        undo_everything();
        assert_eq!(printed(world, "nft list ruleset"), before);
        assert!(!reach(), "it is as it was");
    });
}

#[test]
fn a_rule_is_found_after_a_reload_with_other_handles() {
    let name = "nftables::a_rule_is_found_after_a_reload_with_other_handles";
    in_world(name, &["nft"], |world| {
        let _ = printed(world, STRICT);
        let before = printed(world, "nft list ruleset");
        let _ = opens_and_closes(&opening(Transport::Http, 5985, &["10.0.0.0/8"], None));
        let _ = printed(
            world,
            "nft list ruleset > /run/rules; nft flush ruleset; nft add table inet before; \
             nft add chain inet before one; nft add rule inet before one accept; nft -f /run/rules",
        );
        undo_everything();
        let _ = printed(world, "nft delete table inet before");
        assert_eq!(printed(world, "nft list ruleset"), before);
    });
}

#[test]
fn chains_of_iptables_are_changed_with_iptables() {
    let name = "nftables::chains_of_iptables_are_changed_with_iptables";
    in_world(name, &["nft", "iptables"], |world| {
        let _ = printed(
            world,
            "iptables -P INPUT DROP; iptables -A INPUT -m state --state ESTABLISHED -j ACCEPT",
        );
        let before = printed(world, "iptables -S");
        let _ = opens_and_closes(&opening(Transport::Http, 5985, &["10.0.0.0/8"], None));
        let rules = printed(world, "iptables -S INPUT");
        assert!(rules.contains("-s 10.0.0.0/8 -p tcp -m tcp --dport 5985"), "{rules}");
        undo_everything();
        assert_eq!(printed(world, "iptables -S"), before);
    });
}

#[test]
fn a_zone_is_rejected_without_firewalld() {
    in_world("nftables::a_zone_is_rejected_without_firewalld", &["nft"], |world| {
        let _ = printed(world, STRICT);
        let outcome = done(&MachineRequest::Open(opening(Transport::Http, 5985, &[], Some("internal"))));
        assert!(matches!(&outcome, Outcome::Failed(why) if why.contains("firewalld")), "{outcome:?}");
    });
}
