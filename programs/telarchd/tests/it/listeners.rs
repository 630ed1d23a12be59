//! Listeners that are added, removed and changed while the service is running.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use ports::free_ports;

use crate::http_connection::{Connection, is_open};
use crate::message;
use crate::service_process::{BASIC_OVER_HTTP, Telarchd, is_root, listener, loopback};

fn http(port: u16, more: &str) -> String {
    listener("IP:127.0.0.1", "HTTP", port, more)
}

#[test]
fn existing_connections_continue_when_a_listener_is_added() {
    let [first, second] = free_ports();
    let one = [BASIC_OVER_HTTP, &http(first, "")].concat();
    let telarchd = Telarchd::start(&one);
    let mut connection = Connection::open(loopback(first));
    assert!(connection.finds("/wsman"));
    assert!(!is_open(loopback(second)));

    let both = [one.as_str(), &listener("IP:127.0.0.2", "HTTP", second, "")].concat();
    telarchd.reconfigure(&both);
    assert!(Connection::open(([127, 0, 0, 2], second).into()).finds("/wsman"));
    assert!(connection.finds("/wsman"), "the existing connection continues");
}

#[test]
fn removing_a_listener_closes_its_connections_and_no_others() {
    let [first, second] = free_ports();
    let one = [BASIC_OVER_HTTP, &http(first, "")].concat();
    let both = [one.as_str(), &listener("IP:127.0.0.2", "HTTP", second, "")].concat();
    let telarchd = Telarchd::start(&both);
    let second: SocketAddr = ([127, 0, 0, 2], second).into();
    let mut stays = Connection::open(loopback(first));
    let mut goes = Connection::open(second);
    assert!(stays.finds("/wsman") && goes.finds("/wsman"));

    telarchd.reconfigure(&one);
    assert!(!is_open(second));
    assert!(goes.is_closed_by_the_service());
    assert!(stays.finds("/wsman"));
}

#[test]
fn a_listener_can_be_deleted_through_itself() {
    let [port] = free_ports();
    let telarchd = Telarchd::start(&[BASIC_OVER_HTTP, &http(port, "")].concat());
    let mut connection = Connection::open(loopback(port));
    let answer = connection.ask("/wsman", &message::listener("Delete", "IP:127.0.0.1", "HTTP"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(connection.is_closed_by_the_service());
    telarchd.wait_for_notification("STATUS=listening for local programs only");
    assert!(!is_open(loopback(port)));
    assert!(!std::fs::read_to_string(telarchd.file("config.toml")).unwrap().contains("Listener"));
}

#[test]
fn a_listener_serves_only_its_own_prefix() {
    let [first, second] = free_ports();
    fn config(first: u16, second: u16, prefix: &str) -> String {
        let own = http(first, &format!("URLPrefix = \"{prefix}\""));
        [BASIC_OVER_HTTP, &own, &listener("IP:127.0.0.2", "HTTP", second, "")].concat()
    }
    let telarchd = Telarchd::start(&config(first, second, "remote/management"));
    let mut connection = Connection::open(loopback(first));
    for (path, expected) in [
        ("/remote/management", true),
        ("/remote/management/", true),
        ("/remote/management//", false),
        ("/remote", false),
        ("/wsman", false),
        ("/", false),
    ] {
        assert_eq!(connection.finds(path), expected, "{path}");
    }
    assert!(Connection::open(([127, 0, 0, 2], second).into()).finds("/wsman"));
    assert_eq!(connection.ask_unnamed("/wsman-anon/identify", &message::identify()).status, 200);

    telarchd.reconfigure(&config(first, second, "elsewhere"));
    assert!(!connection.finds("/remote/management"));
    assert!(connection.finds("/elsewhere"), "an open connection follows the configuration");
}

#[test]
fn listeners_on_one_port_are_selected_by_the_local_address() {
    let [port] = free_ports();
    let config = [
        BASIC_OVER_HTTP,
        &listener("*", "HTTP", port, ""),
        &listener("IP:127.0.0.2", "HTTP", port, "URLPrefix = \"second\""),
    ]
    .concat();
    let _telarchd = Telarchd::start(&config);
    let mut first = Connection::open(loopback(port));
    let mut second = Connection::open(([127, 0, 0, 2], port).into());
    assert!(first.finds("/wsman") && !first.finds("/second"));
    assert!(second.finds("/wsman") && second.finds("/second"));
}

#[test]
fn a_disabled_listener_does_not_listen() {
    let [port] = free_ports();
    let telarchd = Telarchd::start(&[BASIC_OVER_HTTP, &http(port, "Enabled = false")].concat());
    assert!(!is_open(loopback(port)));
    telarchd.reconfigure(&[BASIC_OVER_HTTP, &http(port, "Enabled = true")].concat());
    assert!(is_open(loopback(port)));
}

#[test]
fn a_filter_selects_the_local_addresses_of_a_listener() {
    let [port] = free_ports();
    let with_filter = |filter: &str| {
        let filter = format!("Service.IPv4Filter = \"{filter}\"\n");
        [BASIC_OVER_HTTP, &filter, &listener("*", "HTTP", port, "")].concat()
    };
    let open = || [1, 2].map(|last| is_open(([127, 0, 0, last], port)));
    let telarchd = Telarchd::start(&with_filter("127.0.0.1"));
    assert_eq!(open(), [true, false]);
    telarchd.reconfigure(&with_filter("127.0.0.2"));
    assert_eq!(open(), [false, true]);
    telarchd.reconfigure(&with_filter("*"));
    assert_eq!(open(), [true, true]);
    telarchd.reconfigure(&with_filter("127.0.0.1-127.255.255.255"));
    assert_eq!(open(), [true, false], "only 127.0.0.1 is an address of the loopback interface");
    telarchd.reconfigure(&with_filter(""));
    assert_eq!(open(), [false, false]);
    telarchd.wait_for_log(&["IPv4Filter and IPv6Filter exclude all addresses"]);
}

#[test]
fn a_listener_whose_port_is_in_use_is_retried_and_blocks_no_other() {
    let [free] = free_ports();
    let occupant = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = occupant.local_addr().unwrap();
    let config =
        [BASIC_OVER_HTTP, &http(taken.port(), ""), &listener("IP:127.0.0.2", "HTTP", free, "")].concat();
    let telarchd = Telarchd::start(&config);
    assert!(Connection::open(([127, 0, 0, 2], free).into()).finds("/wsman"));
    telarchd.wait_for_log(&[
        "ERROR",
        &format!("cannot listen on {taken}: "),
        "choose another Port for the listener",
    ]);

    drop(occupant);
    telarchd.wait_for_notification_matching(|message| {
        message.starts_with("STATUS=") && message.contains(&taken.to_string())
    });
    assert!(Connection::open(taken).finds("/wsman"));
}

#[test]
fn an_invalid_configuration_changes_nothing_and_is_logged() {
    let [port] = free_ports();
    let config = [BASIC_OVER_HTTP, &http(port, "")].concat();
    let telarchd = Telarchd::start(&config);
    telarchd.reconfigure(&["Nonsense = 1\n", config.as_str()].concat());
    assert!(Connection::open(loopback(port)).finds("/wsman"));
    telarchd.wait_for_log(&["Cannot reload the settings", "config.toml, line 1"]);
}

#[test]
fn a_listener_shows_the_addresses_it_listens_on() {
    let [port] = free_ports();
    let filter = "Service.IPv4Filter = \"127.0.0.1,127.0.0.2\"\n";
    let _telarchd = Telarchd::start(&[BASIC_OVER_HTTP, filter, &listener("*", "HTTP", port, "")].concat());
    let answer = Connection::open(loopback(port)).ask("/wsman", &message::listener("Get", "*", "HTTP"));
    let shown: Vec<&str> =
        answer.body.split("<cfg:ListeningOn>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    assert_eq!(shown, ["127.0.0.1", "127.0.0.2"], "{answer:?}");
}

#[test]
fn the_compatibility_listener_uses_port_80_in_addition_to_others() {
    /// Address of the loopback network that no other test uses.
    const OWN: [u8; 4] = [127, 0, 80, 80];
    if !is_root() || TcpListener::bind(SocketAddr::from((OWN, 80))).is_err() {
        skips::skip!("port 80 is for root, or taken");
        return;
    }
    let [port] = free_ports();
    let settings = |is_on: bool| {
        format!(
            "{BASIC_OVER_HTTP}Service.IPv4Filter = \"127.0.80.80\"\nService.EnableCompatibilityHttpListener = {is_on}\n{}",
            listener("*", "HTTP", port, "URLPrefix = \"own\"")
        )
    };
    let telarchd = Telarchd::start(&settings(true));
    assert!(Connection::open((OWN, 80).into()).finds("/wsman"));
    assert!(Connection::open((OWN, port).into()).finds("/own"));
    telarchd.reconfigure(&settings(false));
    assert!(!is_open((OWN, 80)));
    assert!(is_open((OWN, port)));
}

/// Uses a separate network namespace, so that the machine's network stays unchanged.
#[test]
fn listeners_follow_the_addresses_of_interfaces() {
    fn has_ip() -> bool {
        Command::new("ip").arg("-Version").output().is_ok_and(|output| output.status.success())
    }
    let has_unshare = Command::new("unshare").args(["--net", "true"]).status().is_ok_and(|s| s.success());
    if !is_root() || !has_unshare || !has_ip() {
        skips::skip!("a network namespace requires root, unshare and ip");
        return;
    }
    let config = [
        "Service.IPv4Filter = \"10.9.8.0-10.9.8.255\"\nService.IPv6Filter = \"\"\n",
        &listener("*", "HTTP", 5985, ""),
        &listener("MAC:02-00-00-00-09-08", "HTTP", 5986, ""),
    ]
    .concat();
    let mut telarchd = Telarchd::new(&config);
    let mut command = Command::new("unshare");
    command.args(["--net", "--", env!("CARGO_BIN_EXE_telarchd")]);
    telarchd.arguments(&mut command);
    telarchd.run_as(command);
    telarchd.wait_for_log(&["no interface with an address"]);

    let inside = |arguments: &str| {
        let target = format!("--target={}", telarchd.pid().as_raw_nonzero());
        let status =
            Command::new("nsenter").args([&target, "--net", "ip"]).args(arguments.split(' ')).status();
        assert!(status.unwrap().success(), "ip {arguments}");
    };
    inside("link add own0 address 02:00:00:00:09:08 type bridge");
    inside("link set own0 up");
    inside("address add 10.9.8.7/24 dev own0");
    telarchd.wait_for_notification_matching(|message| {
        message.contains("listening on 10.9.8.7:5985, 10.9.8.7:5986")
    });
    inside("address delete 10.9.8.7/24 dev own0");
    telarchd.wait_for_notification("STATUS=listening for local programs only");
}
