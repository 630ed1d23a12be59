//! Compares `root/StandardCimv2` with `ip -j` and `ss`, in a network that only the test sees.

use std::net::{TcpListener, TcpStream, UdpSocket};

use cim::{ColumnSet, Instance, Namespace, ObjectPath, Value};
use wmi::Context;

use crate::world::{in_world, run, sh};
use crate::{engine, machine, text};

/// A network with two connected links, and files of `/sys` that describe it.
const FURNISH: &str = "mount -t sysfs none /sys && ip link set lo up && \
    ip link add left address 02:00:00:00:00:01 type veth peer name right && \
    ip link set left up && ip link set right up && \
    ip addr add 192.0.2.5/24 dev left && ip addr add 2001:db8::5/64 dev left nodad && \
    ip addr add 198.51.100.9/25 dev right valid_lft 7200 preferred_lft 3600 && \
    ip route add default via 192.0.2.1 dev left metric 7 && ip route add 203.0.113.0/24 via 192.0.2.9 proto dhcp && \
    ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev left";

fn namespace() -> Namespace {
    Namespace::parse("root/standardcimv2").unwrap()
}

fn context() -> Context {
    Context::of_this_process("alice")
}

fn rows(query: &str) -> Vec<Instance> {
    run(async {
        let mut rows = engine(&machine()).query(&context(), &namespace(), query).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next().await {
            found.push(row.unwrap());
        }
        found
    })
}

/// Returns rows as lines of some of their values, sorted.
fn lines(query: &str, columns: &[&str]) -> Vec<String> {
    let line = |row: &Instance| columns.iter().map(|name| list(row, name)).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = rows(query).iter().map(line).collect();
    lines.sort();
    lines
}

/// Returns the output of a program, converted by a Python script and sorted.
fn lines_of(program: &str, script: &str) -> Vec<String> {
    let mut lines: Vec<String> = sh(&format!("{program} | python3 -c '\nimport ipaddress, json, socket, sys\nindex = socket.if_nametoindex\n{script}'"))
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

fn list(row: &Instance, property: &str) -> String {
    let one = |value: &Value| {
        let mut text = String::new();
        value.write_text(&mut text);
        text
    };
    row.value(property).unwrap().elements().iter().map(one).collect::<Vec<_>>().join(",")
}

fn call(path: &ObjectPath, method: &str, input: &[(&str, Value)]) -> Result<Instance, wmi::Error> {
    let given = |operation: &cim::Operation| {
        let none = Instance::with_defaults(operation.input.clone());
        input.iter().try_fold(none, |all, (name, value)| all.with(name, value.clone()))
    };
    run(engine(&machine()).invoke(&context(), &namespace(), path, method, given))
}

fn of_class(class: &str) -> ObjectPath {
    ObjectPath::parse(class).unwrap()
}

/// Returns the only matching row.
fn one(query: &str) -> Instance {
    let mut found = rows(query);
    assert_eq!(found.len(), 1, "{query}");
    found.remove(0)
}

fn put(row: &Instance, property: &str, value: Value) -> Result<Instance, wmi::Error> {
    let column: ColumnSet = row.class().column(property).into_iter().collect();
    let wanted = row.clone().with(property, value).unwrap();
    run(engine(&machine()).put(&context(), &namespace(), wanted, &column))
}

fn delete(row: &Instance) -> Result<(), wmi::Error> {
    run(engine(&machine()).delete(&context(), &namespace(), &row.path().unwrap()))
}

#[test]
fn network_matches_ip() {
    in_world("standard::network_matches_ip", &["ip", "python3"], || {
        sh(FURNISH);
        let columns =
            ["InterfaceIndex", "Name", "MtuSize", "NetworkAddresses", "InterfaceAdminStatus", "Hidden"];
        let script = "
for l in json.load(sys.stdin):
    mac = l.get(\"address\", \"\").upper().replace(\":\", \"\")
    print(l[\"ifindex\"], l[\"ifname\"], l[\"mtu\"], mac if mac.strip(\"0\") else \"\", 1 if \"UP\" in l[\"flags\"] else 2, str(\"LOOPBACK\" in l[\"flags\"]).lower())";
        assert_eq!(lines("SELECT * FROM MSFT_NetAdapter", &columns), lines_of("ip -j link", script));

        let columns = ["InterfaceIndex", "InterfaceAlias", "IPAddress", "PrefixLength", "AddressFamily"];
        let script = "
for l in json.load(sys.stdin):
    for a in l[\"addr_info\"]:
        print(l[\"ifindex\"], l[\"ifname\"], a[\"local\"], a[\"prefixlen\"], 2 if a[\"family\"] == \"inet\" else 23)";
        assert_eq!(lines("SELECT * FROM MSFT_NetIPAddress", &columns), lines_of("ip -j addr", script));
        let lent = one("SELECT * FROM MSFT_NetIPAddress WHERE IPAddress = '198.51.100.9'");
        let valid = list(&lent, "ValidLifetime");
        let two_hours_less_what_has_passed = ["000000000200", "000000000159", "000000000158"];
        assert!(two_hours_less_what_has_passed.iter().any(|time| valid.starts_with(time)), "{valid}");
        assert_eq!(
            ["PrefixOrigin", "SuffixOrigin", "AddressState"].map(|name| text(&lent, name)),
            ["3", "3", "4"]
        );
        let stored = one("SELECT * FROM MSFT_NetIPAddress WHERE IPAddress = '192.0.2.5'");
        assert_eq!(
            ["PrefixOrigin", "SuffixOrigin", "ValidLifetime", "SubnetMask"].map(|name| text(&stored, name)),
            ["1", "1", "99999999235959.999999:000", "255.255.255.0"]
        );

        let columns = ["DestinationPrefix", "NextHop", "InterfaceIndex", "RouteMetric", "Protocol"];
        let script = "
numbers = {\"kernel\": 2, \"boot\": 3, \"static\": 3, \"dhcp\": 19, \"ra\": 4}
for r in json.load(sys.stdin):
    v6 = \":\" in r[\"dst\"] or \":\" in r.get(\"gateway\", \"\")
    n = ipaddress.ip_network((\"::/0\" if v6 else \"0.0.0.0/0\") if r[\"dst\"] == \"default\" else r[\"dst\"])
    print(n, r.get(\"gateway\", \"::\" if v6 else \"0.0.0.0\"), index(r[\"dev\"]), r.get(\"metric\", 0), numbers[r.get(\"protocol\", \"boot\")])";
        let both = "(ip -j -4 route show table main; ip -j -6 route show table main type unicast) | sed s/'\\]\\['/,/ | tr -d '\\n' | sed 's/\\]\\[/,/'";
        assert_eq!(lines("SELECT * FROM MSFT_NetRoute", &columns), lines_of(both, script));

        let columns = ["IPAddress", "InterfaceIndex", "LinkLayerAddress", "State"];
        let script = "
numbers = {\"FAILED\": 0, \"INCOMPLETE\": 1, \"PROBE\": 2, \"DELAY\": 3, \"STALE\": 4, \"REACHABLE\": 5, \"PERMANENT\": 6}
for n in json.load(sys.stdin):
    print(n[\"dst\"], index(n[\"dev\"]), n.get(\"lladdr\", \"\").upper().replace(\":\", \"-\"), numbers[n[\"state\"][0]])";
        assert_eq!(lines("SELECT * FROM MSFT_NetNeighbor", &columns), lines_of("ip -j neigh", script));

        let columns = ["Name", "ReceivedBytes", "SentBytes", "OutboundDiscardedPackets"];
        let script = "
for l in json.load(sys.stdin):
    rx, tx = l[\"stats64\"][\"rx\"], l[\"stats64\"][\"tx\"]
    print(l[\"ifname\"], rx[\"bytes\"], tx[\"bytes\"], tx[\"dropped\"])";
        // Packets that the kernel sends on a new link may arrive between two readings.
        let agree = (0..20).any(|_| {
            lines("SELECT * FROM MSFT_NetAdapterStatisticsSettingData", &columns)
                == lines_of("ip -j -s link", script)
        });
        assert!(agree, "the counters never agree");
    });
}

#[test]
fn adapter_capabilities_match_ethtool() {
    in_world("standard::adapter_capabilities_match_ethtool", &["ip", "ethtool"], || {
        sh(FURNISH);
        let reported = sh("PATH=$PATH:/usr/sbin ethtool left");
        let field = |name: &str| {
            let line = reported.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("ethtool does not tell {name}: {reported}"))
        };
        let adapter = one("SELECT * FROM MSFT_NetAdapter WHERE Name = 'left'");
        let mbits: u64 = field("Speed").trim_end_matches("Mb/s").parse().unwrap();
        assert_eq!(text(&adapter, "Speed"), (mbits * 1_000_000).to_string());
        assert_eq!(text(&adapter, "FullDuplex"), (field("Duplex") == "Full").to_string());
        assert_eq!(text(&adapter, "AutoSense"), (field("Auto-negotiation") == "on").to_string());
        assert_eq!(text(&adapter, "MediaConnectState") == "1", field("Link detected") == "yes");
        // The link is virtual and has no permanent address.
        assert!(!sh("PATH=$PATH:/usr/sbin ethtool -P left").contains("02:00:00:00:00:01"));
        assert_eq!(text(&adapter, "PermanentAddress"), "");
    });
}

#[test]
fn network_associations_are_complete() {
    in_world("standard::network_associations_are_complete", &["ip"], || {
        sh(FURNISH);
        let adapter = one("SELECT * FROM MSFT_NetAdapter WHERE Name = 'left'");
        let path = adapter.path().unwrap().to_string();
        let found = rows(&format!("ASSOCIATORS OF {{{path}}} WHERE ResultClass = MSFT_NetIPInterface"));
        assert_eq!(found.len(), 2, "IPv4 and IPv6");
        let v4 = found.iter().find(|row| text(row, "AddressFamily") == "2").unwrap();
        let path = v4.path().unwrap().to_string();
        let of = |class: &str| rows(&format!("ASSOCIATORS OF {{{path}}} WHERE ResultClass = {class}"));
        let addresses: Vec<String> =
            of("MSFT_NetIPAddress").iter().map(|row| text(row, "IPAddress")).collect();
        assert_eq!(addresses, ["192.0.2.5"]);
        assert_eq!(of("MSFT_NetRoute").len(), 3);
        assert_eq!(of("MSFT_NetNeighbor").len(), 1);
        let statistics = rows(&format!(
            "ASSOCIATORS OF {{{}}} WHERE AssocClass = MSFT_NetAdapterStatisticsElementSetting",
            adapter.path().unwrap()
        ));
        assert_eq!(text(&statistics[0], "Name"), "left");
    });
}

#[test]
fn sockets_are_those_that_ss_lists() {
    in_world("standard::sockets_are_those_that_ss_lists", &["ip", "ss"], || {
        sh("mount -t sysfs none /sys && ip link set lo up");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let v6 = TcpListener::bind("[::1]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (served, _) = listener.accept().unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let me = std::process::id().to_string();

        // State, both ends, and owner.
        let listed = |protocol: &str| -> Vec<String> {
            let lines = sh(&format!("ss -Hnap{protocol}"));
            let mut lines: Vec<String> = lines
                .lines()
                .map(|line| {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let end = |text: &str| text.replace(['[', ']'], "");
                    let owner =
                        words[5].split("pid=").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
                    format!("{} {} {} {owner}", words[0], end(words[3]), end(words[4]))
                })
                .collect();
            lines.sort();
            lines
        };
        let states = |number: &str| if number == "2" { "LISTEN" } else { "ESTAB" };
        let mut ours: Vec<String> = rows("SELECT * FROM MSFT_NetTCPConnection")
            .iter()
            .map(|row| {
                let [local, port, remote, other, state, owner] =
                    ["LocalAddress", "LocalPort", "RemoteAddress", "RemotePort", "State", "OwningProcess"]
                        .map(|name| text(row, name));
                let other = if other == "0" { "*".to_owned() } else { other };
                format!("{} {local}:{port} {remote}:{other} {owner}", states(&state))
            })
            .collect();
        ours.sort();
        assert_eq!(ours, listed("t"));
        assert_eq!(ours.len(), 4, "two that listen, and both ends of one connection");
        let endpoints = rows("SELECT LocalAddress, LocalPort, OwningProcess FROM MSFT_NetUDPEndpoint");
        let ours: Vec<[String; 2]> =
            endpoints.iter().map(|row| ["LocalPort", "OwningProcess"].map(|name| text(row, name))).collect();
        assert_eq!(ours, [[datagrams.local_addr().unwrap().port().to_string(), me]]);
        drop((client, served, v6));
    });
}

#[test]
fn addresses_routes_and_neighbors_are_created_changed_and_deleted() {
    in_world("standard::addresses_routes_and_neighbors_are_created_changed_and_deleted", &["ip"], || {
        sh(FURNISH);
        let index: u32 = sh("cat /sys/class/net/left/ifindex").parse().unwrap();
        let create = |class: &str, input: &[(&str, Value)]| call(&of_class(class), "Create", input);

        let made = create(
            "MSFT_NetIPAddress",
            &[
                ("InterfaceAlias", "left".into()),
                ("IPAddress", "192.0.2.66".into()),
                ("PrefixLength", 24_u8.into()),
            ],
        )
        .unwrap();
        assert_eq!(text(&made, "ReturnValue"), "0");
        let Some([Value::Object(address)]) = made.value("cmdletOutput").map(Value::elements) else {
            panic!("{made:?}")
        };
        assert_eq!(["IPAddress", "InterfaceAlias"].map(|name| text(address, name)), ["192.0.2.66", "left"]);
        assert!(sh("ip -br addr show left").contains("192.0.2.66/24"));
        let again = [("InterfaceIndex", index.into()), ("IPAddress", "192.0.2.66".into())];
        assert_eq!(create("MSFT_NetIPAddress", &again).unwrap_err().status(), cim::Status::AlreadyExists);
        let wrong = [("InterfaceIndex", index.into()), ("IPAddress", "192.0.2.300".into())];
        assert_eq!(create("MSFT_NetIPAddress", &wrong).unwrap_err().status(), cim::Status::InvalidParameter);
        let nowhere = [("InterfaceAlias", "nowhere".into()), ("IPAddress", "192.0.2.3".into())];
        assert_eq!(create("MSFT_NetIPAddress", &nowhere).unwrap_err().status(), cim::Status::NotFound);

        let query = "SELECT * FROM MSFT_NetIPAddress WHERE IPAddress = '192.0.2.66'";
        let hour = cim::DateTime::Interval(cim::Interval::from_micros(3_600_000_000).unwrap());
        put(&one(query), "ValidLifetime", hour.into()).unwrap();
        let listed = sh("ip addr show left");
        assert!(listed.contains("valid_lft 3600sec") || listed.contains("valid_lft 3599sec"), "{listed}");
        let narrow = put(&one(query), "PrefixLength", 25_u8.into()).unwrap();
        assert_eq!(text(&narrow, "PrefixLength"), "25");
        assert!(sh("ip -br addr show left").contains("192.0.2.66/25"));
        let skipped = put(&one(query), "SkipAsSource", true.into()).unwrap();
        assert_eq!(["SkipAsSource", "AddressState"].map(|name| text(&skipped, name)), ["true", "3"]);
        put(&one(query), "AddressFamily", 23_u16.into()).unwrap_err();
        delete(&skipped).unwrap();
        assert!(!sh("ip -br addr show left").contains("192.0.2.66"));
        assert_eq!(delete(&skipped).unwrap_err().status(), cim::Status::NotFound);

        let made = create(
            "MSFT_NetRoute",
            &[
                ("InterfaceIndex", index.into()),
                ("DestinationPrefix", "10.9.0.0/16".into()),
                ("NextHop", "192.0.2.1".into()),
                ("RouteMetric", 30_u16.into()),
            ],
        );
        assert_eq!(text(&made.unwrap(), "ReturnValue"), "0");
        assert_eq!(
            sh("ip route show 10.9.0.0/16"),
            "10.9.0.0/16 via 192.0.2.1 dev left proto static metric 30"
        );
        let route = one("SELECT * FROM MSFT_NetRoute WHERE DestinationPrefix = '10.9.0.0/16'");
        let route = put(&route, "RouteMetric", 31_u16.into()).unwrap();
        assert_eq!(
            sh("ip route show 10.9.0.0/16"),
            "10.9.0.0/16 via 192.0.2.1 dev left proto static metric 31"
        );
        delete(&route).unwrap();
        assert_eq!(sh("ip route show 10.9.0.0/16"), "");
        let crooked = [("InterfaceIndex", index.into()), ("DestinationPrefix", "10.9.0.1/16".into())];
        assert_eq!(create("MSFT_NetRoute", &crooked).unwrap_err().status(), cim::Status::InvalidParameter);

        let made = create(
            "MSFT_NetNeighbor",
            &[
                ("InterfaceIndex", index.into()),
                ("IPAddress", "192.0.2.78".into()),
                ("LinkLayerAddress", "02-00-00-00-00-78".into()),
            ],
        );
        assert_eq!(text(&made.unwrap(), "ReturnValue"), "0");
        assert!(sh("ip neigh show 192.0.2.78").contains("lladdr 02:00:00:00:00:78 PERMANENT"));
        let neighbor = one("SELECT * FROM MSFT_NetNeighbor WHERE IPAddress = '192.0.2.78'");
        put(&neighbor, "LinkLayerAddress", "02-00-00-00-00-79".into()).unwrap();
        assert!(sh("ip neigh show 192.0.2.78").contains("lladdr 02:00:00:00:00:79"));
        delete(&neighbor).unwrap();
        assert_eq!(sh("ip neigh show 192.0.2.78 nud permanent"), "");
    });
}

#[test]
fn adapter_changes_keep_the_default_route() {
    in_world("standard::adapter_changes_keep_the_default_route", &["ip"], || {
        sh(FURNISH);
        sh(
            "ip addr add 2001:db8:9::5/64 dev right nodad && ip route add 10.7.0.0/16 via 198.51.100.10 dev right",
        );
        let adapter =
            |name: &str| one(&format!("SELECT * FROM MSFT_NetAdapter WHERE Name = '{name}'")).path().unwrap();
        let returned = |path: &ObjectPath, method: &str, input: &[(&str, Value)]| {
            text(&call(path, method, input).unwrap(), "ReturnValue")
        };
        let (left, right) = (adapter("left"), adapter("right"));
        assert_eq!(returned(&left, "Disable", &[]), "170", "nobody would reach the machine any more");
        assert_eq!(returned(&left, "Restart", &[]), "170");
        assert_eq!(returned(&right, "Restart", &[]), "0");
        assert!(sh("ip -br link show right").contains("UP"));
        assert!(sh("ip -br addr show right").contains("2001:db8:9::5/64"), "what IPv6 forgets is put back");
        assert!(sh("ip route").contains("10.7.0.0/16 via 198.51.100.10"), "and what IPv4 forgets");
        assert_eq!(returned(&right, "Disable", &[]), "0");
        assert!(!sh("ip -j link show right").contains("\"UP\""));
        let after = call(&right, "Enable", &[]).unwrap();
        let Some(Value::Object(after)) = after.value("cmdletOutput") else { panic!("{after:?}") };
        assert_eq!(["Name", "InterfaceAdminStatus"].map(|name| text(after, name)), ["right", "1"]);
        assert_eq!(returned(&right, "Rename", &[("NewName", "office".into())]), "0");
        assert!(sh("ip -br link").contains("office"));
        let office = adapter("office");
        assert_eq!(returned(&office, "Rename", &[("NewName", "left".into())]), "183");
        let odd = call(&office, "Rename", &[("NewName", "a b".into())]).unwrap_err();
        assert_eq!(odd.status(), cim::Status::InvalidParameter);
    });
}

#[test]
fn settings_of_interfaces_are_those_of_the_kernel() {
    in_world("standard::settings_of_interfaces_are_those_of_the_kernel", &["ip"], || {
        sh(&format!("{FURNISH} && mount -t proc none /proc"));
        let interface = |family: u16| {
            one(&format!(
                "SELECT * FROM MSFT_NetIPInterface WHERE InterfaceAlias = 'left' AND AddressFamily = {family}"
            ))
        };
        let kernel = |path: &str| sh(&format!("cat /proc/sys/net/{path}"));
        let v4 = interface(2);
        assert_eq!(
            ["NlMtu", "ConnectionState", "Dhcp", "Forwarding"].map(|name| text(&v4, name)),
            ["1500", "1", "0", &kernel("ipv4/conf/left/forwarding")]
        );
        assert_eq!(text(&v4, "RetransmitTime"), kernel("ipv4/neigh/left/retrans_time_ms"));
        let lent =
            one("SELECT * FROM MSFT_NetIPInterface WHERE InterfaceAlias = 'right' AND AddressFamily = 2");
        assert_eq!(text(&lent, "Dhcp"), "1");
        put(&v4, "NlMtu", 1_400_u32.into()).unwrap();
        assert_eq!(sh("cat /sys/class/net/left/mtu"), "1400");
        put(&v4, "NlMtu", 10_u32.into()).unwrap_err();
        put(&v4, "Forwarding", 1_u8.into()).unwrap();
        assert_eq!(kernel("ipv4/conf/left/forwarding"), "1");
        let v6 = interface(23);
        put(&v6, "RouterDiscovery", 0_u8.into()).unwrap();
        assert_eq!(kernel("ipv6/conf/left/accept_ra"), "0");
        put(&v6, "DadTransmits", 3_u32.into()).unwrap();
        assert_eq!(text(&interface(23), "DadTransmits"), "3");
        let refused = put(&v4, "Dhcp", 1_u8.into()).unwrap_err();
        assert_eq!(refused.status(), cim::Status::NotSupported, "nobody is there who could ask");
    });
}
