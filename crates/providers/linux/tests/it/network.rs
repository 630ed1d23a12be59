//! Compares adapters, addresses and routes with `ip -j`, in a network that only the test sees.

use crate::tree::Tree;
use crate::world::{in_world, run, sh};
use crate::{call, rows, rows_of, text};

/// A network with two connected links, and files of `/sys` that describe it.
const FURNISH: &str = "mount -t sysfs none /sys && ip link set lo up && \
    ip link add left address 02:00:00:00:00:01 type veth peer name right && \
    ip link set left up && ip link set right up && \
    ip addr add 192.0.2.5/24 dev left && ip addr add 2001:db8::5/64 dev left nodad && \
    ip route add default via 192.0.2.1 dev left metric 7 && ip route add 198.51.100.0/24 via 192.0.2.9";

fn lines(query: &str, columns: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = run(rows(query))
        .iter()
        .map(|row| columns.iter().map(|name| list(row, name)).collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

/// Returns a value as text; elements of arrays are separated by commas.
fn list(row: &cim::Instance, property: &str) -> String {
    let one = |value: &cim::Value| {
        let mut text = String::new();
        value.write_text(&mut text);
        text
    };
    row.value(property).unwrap().elements().iter().map(one).collect::<Vec<_>>().join(",")
}

#[test]
fn adapters_addresses_and_routes_match_ip() {
    in_world("network::adapters_addresses_and_routes_match_ip", &["ip", "python3"], || {
        sh(FURNISH);
        let reported = sh("ip -j link | python3 -c \"
import json, sys
for l in json.load(sys.stdin):
    mac = l.get('address', '').upper()
    print(l['ifindex'], l['ifname'], '' if not mac.strip('0:') else mac, str('UP' in l['flags']).lower())\"");
        let columns = ["Index", "NetConnectionID", "MACAddress", "NetEnabled"];
        assert_eq!(lines("SELECT * FROM Win32_NetworkAdapter", &columns), sorted(&reported));
        sh("ip link add idle address 02:00:00:00:00:07 type veth peer name lonely && ip link set lonely up");
        let reported = sh("ip -j link | python3 -c \"
import json, sys
for l in json.load(sys.stdin):
    up, without = 'UP' in l['flags'], l['operstate'] in ('DOWN', 'LOWERLAYERDOWN')
    print(l['ifname'], *((3, 'OK') if up and not without else (10 if up else 8, 'Degraded')))\"");
        let columns = ["NetConnectionID", "Availability", "Status"];
        assert_eq!(lines("SELECT * FROM Win32_NetworkAdapter", &columns), sorted(&reported));
        assert!(
            reported.contains("idle 8 Degraded") && reported.contains("lonely 10 Degraded"),
            "{reported}"
        );
        sh("ip link del idle");
        let reported = sh("ip -j addr | python3 -c \"
import ipaddress, json, sys
for l in json.load(sys.stdin):
    a = sorted(l['addr_info'], key=lambda a: a['family'] == 'inet6')
    mask = lambda a: a['prefixlen'] if a['family'] == 'inet6' else ipaddress.ip_network('0.0.0.0/%d' % a['prefixlen']).netmask
    print(l['ifindex'], ','.join(a['local'] for a in a), ','.join(str(mask(a)) for a in a), l['mtu'])\"");
        let columns = ["Index", "IPAddress", "IPSubnet", "MTU"];
        assert_eq!(lines("SELECT * FROM Win32_NetworkAdapterConfiguration", &columns), sorted(&reported));
        let reported = sh("ip -j -4 route show table main | python3 -c \"
import ipaddress, json, socket, sys
for r in json.load(sys.stdin):
    n = ipaddress.ip_network('0.0.0.0/0' if r['dst'] == 'default' else r['dst'])
    g = r.get('gateway', '0.0.0.0')
    print(n.network_address, n.netmask, g, socket.if_nametoindex(r['dev']), r.get('metric', 0), 4 if 'gateway' in r else 3)\"");
        let columns = ["Destination", "Mask", "NextHop", "InterfaceIndex", "Metric1", "Type"];
        assert_eq!(lines("SELECT * FROM Win32_IP4RouteTable", &columns), sorted(&reported));
        sh("ip route add 203.0.113.0/24 via 192.0.2.9 metric 5 proto static");
        let columns = ["Destination", "Mask", "NextHop", "Metric1"];
        assert_eq!(
            lines("SELECT * FROM Win32_IP4PersistedRouteTable", &columns),
            ["203.0.113.0 255.255.255.0 192.0.2.9 5"],
            "of ip's routes, the one with this origin"
        );
        let enabled = run(rows("SELECT * FROM Win32_NetworkAdapterConfiguration WHERE IPEnabled = TRUE"));
        let left = enabled.iter().find(|row| list(row, "IPAddress").starts_with("192.0.2.5,")).unwrap();
        assert_eq!([list(left, "DefaultIPGateway"), list(left, "GatewayCostMetric")], ["192.0.2.1", "7"]);
        assert_eq!(text(left, "DHCPEnabled"), "false");
        let path = format!("Win32_NetworkAdapter.DeviceID='{}'", text(left, "Index"));
        let of = run(rows(&format!(
            "ASSOCIATORS OF {{{path}}} WHERE ResultClass=Win32_NetworkAdapterConfiguration"
        )));
        assert_eq!(text(&of[0], "SettingID"), text(left, "SettingID"));
    });
}

#[test]
fn link_changes_keep_the_default_route() {
    in_world("network::link_changes_keep_the_default_route", &["ip", "python3"], || {
        sh(FURNISH);
        let index = |name: &str| {
            std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).unwrap().trim().to_owned()
        };
        let (left, right) = (index("left"), index("right"));
        let adapter = |index: &str, method: &str| {
            text(
                &run(call(&format!("Win32_NetworkAdapter.DeviceID=\"{index}\""), method, &[])),
                "ReturnValue",
            )
        };
        assert_eq!(adapter(&left, "Disable"), "170", "nobody would reach the machine any more");
        assert_eq!(adapter(&right, "Disable"), "0");
        assert!(!sh("ip -j link show right").contains("\"UP\""));
        assert_eq!(adapter(&right, "Enable"), "0");
        assert!(sh("ip -j link show right").contains("\"UP\""));
        assert_eq!(adapter(&right, "Reset"), "50");
        let configure = |method: &str, input: &[(&str, cim::Value)]| {
            let path = format!("Win32_NetworkAdapterConfiguration.Index={left}");
            text(&run(call(&path, method, input)), "ReturnValue")
        };
        let enable = |address: Vec<&'static str>, mask: Vec<&'static str>| {
            configure("EnableStatic", &[("IPAddress", address.into()), ("SubnetMask", mask.into())])
        };
        assert_eq!(enable(vec!["192.0.2.300"], vec!["255.255.255.0"]), "70");
        assert_eq!(enable(vec!["192.0.2.6"], vec!["255.0.255.0"]), "66");
        assert_eq!(enable(vec!["192.0.2.6"], vec![]), "68");
        // In the network of the first address, whose removal would have removed these too.
        assert_eq!(enable(vec!["192.0.2.6", "192.0.2.7"], vec!["255.255.255.0", "24"]), "0");
        let addresses = sh("ip -br addr show left");
        assert!(addresses.contains("192.0.2.6/24") && addresses.contains("192.0.2.7/24"), "{addresses}");
        assert!(!addresses.contains("192.0.2.5") && addresses.contains("2001:db8::5/64"), "{addresses}");
        assert!(sh("ip route").contains("default via 192.0.2.1 dev left"), "the ways out are kept");
        let gateways =
            [("DefaultIPGateway", vec!["192.0.2.2"].into()), ("GatewayCostMetric", vec![9_u16].into())];
        assert_eq!(configure("SetGateways", &gateways), "0");
        assert_eq!(
            sh("ip route show default").split(" proto").next(),
            Some("default via 192.0.2.2 dev left")
        );
        assert_eq!(configure("SetGateways", &[("DefaultIPGateway", vec!["198.18.0.1"].into())]), "71");
        assert_eq!(configure("SetMTU", &[("MTU", 1_400_u32.into())]), "0");
        assert_eq!(sh("cat /sys/class/net/left/mtu"), "1400");
        assert_eq!(configure("EnableDHCP", &[]), "81", "nobody is there who could ask for an address");
        assert_eq!(configure("EnableIPSec", &[]), "64");
    });
}

#[test]
fn servers_of_names_are_written_where_the_administrator_writes_them() {
    in_world("network::servers_of_names_are_written_where_the_administrator_writes_them", &["ip"], || {
        sh(&format!(
            "{FURNISH} && mount -t tmpfs none /media && mkdir /media/u /media/w && \
             mount -t overlay none -o lowerdir=/etc,upperdir=/media/u,workdir=/media/w /etc && rm -f /etc/resolv.conf && \
             printf 'options edns0\\nnameserver 192.0.2.1\\nsearch old.example\\n' > /etc/resolv.conf"
        ));
        let index = sh("cat /sys/class/net/left/ifindex");
        let path = format!("Win32_NetworkAdapterConfiguration.Index={index}");
        let set = |method: &str, name: &str, values: Vec<&'static str>| {
            text(&run(call(&path, method, &[(name, values.into())])), "ReturnValue")
        };
        assert_eq!(
            set("SetDNSServerSearchOrder", "DNSServerSearchOrder", vec!["192.0.2.53\nsearch evil"]),
            "70"
        );
        assert_eq!(
            set("SetDNSServerSearchOrder", "DNSServerSearchOrder", vec!["192.0.2.53", "2001:db8::53"]),
            "0"
        );
        let order = [("DNSDomainSuffixSearchOrder", vec!["new.example", "example"].into())];
        let set = run(call("Win32_NetworkAdapterConfiguration", "SetDNSSuffixSearchOrder", &order));
        assert_eq!(text(&set, "ReturnValue"), "0");
        let expected =
            "options edns0\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch new.example example\n";
        let written = std::fs::read_to_string("/etc/resolv.conf").unwrap();
        assert_eq!(sorted(&written), sorted(expected));
        let row =
            run(rows(&format!("SELECT * FROM Win32_NetworkAdapterConfiguration WHERE Index = {index}")));
        assert_eq!(list(&row[0], "DNSServerSearchOrder"), "192.0.2.53,2001:db8::53");
        assert_eq!(text(&row[0], "DNSDomain"), "new.example");
    });
}

#[test]
fn ping_sends_an_echo_request_to_the_address() {
    in_world("network::ping_sends_an_echo_request_to_the_address", &["ip"], || {
        sh("ip link set lo up && ip link add left type veth peer name right && ip link set left up && \
            ip link set right up && ip addr add 192.0.2.5/24 dev left");
        let ask = |condition: &str| {
            let rows = run(rows(&format!("SELECT * FROM Win32_PingStatus WHERE {condition}")));
            assert_eq!(rows.len(), 1);
            ["StatusCode", "ProtocolAddress", "ReplySize", "Timeout"].map(|name| text(&rows[0], name))
        };
        assert_eq!(ask("Address = '127.0.0.1'"), ["0", "127.0.0.1", "32", "1000"]);
        assert_eq!(ask("Address = '::1' AND BufferSize = 1000"), ["0", "::1", "1000", "1000"]);
        // The address does not exist, so address resolution fails.
        let [code, ..] = ask("Address = '192.0.2.77' AND Timeout = 200");
        assert_eq!(code, "11010");
        let [code, ..] = ask("Address = '203.0.113.1'");
        assert_eq!(code, "11002", "there is no way to it");
        assert_eq!(ask("Address = 'host.invalid' AND Timeout = 200")[..2], ["", ""]);
        let engine = crate::engine(&crate::machine());
        let (context, everywhere) = (wmi::Context::of_this_process("alice"), cim::Namespace::cimv2());
        let error = run(async {
            let everybody = engine.query(&context, &everywhere, "SELECT * FROM Win32_PingStatus");
            everybody.unwrap().next().await.unwrap().unwrap_err()
        });
        assert!(error.to_string().contains("WHERE Address"), "{error}");
    });
}

#[test]
fn adapter_values_use_windows_terms() {
    let pci = "devices/pci0000:00/0000:00:1f.6";
    let tree = Tree::new()
        .device("net", &format!("{pci}/net/eno1"))
        .lines(
            &format!("sys/{pci}/net/eno1"),
            [("ifindex", "2"), ("address", "3c:52:82:aa:bb:cc"), ("addr_assign_type", "0"), ("type", "1"), ("mtu", "1500"), ("flags", "0x1003"), ("operstate", "up"), ("speed", "1000")],
        )
        .link(&format!("sys/{pci}/net/eno1/device"), "../../../0000:00:1f.6")
        .link(&format!("sys/{pci}/driver"), "../../../bus/pci/drivers/e1000e")
        .link(&format!("sys/{pci}/subsystem"), "../../../bus/pci")
        .lines(
            &format!("sys/{pci}"),
            [("vendor", "0x8086"), ("device", "0x15bb"), ("subsystem_vendor", "0x103c"), ("subsystem_device", "0x83ee"), ("revision", "0x10")],
        )
        .file("run/udev/data/n2", "E:ID_MODEL_FROM_DATABASE=Ethernet Connection (7) I219-LM\nE:ID_VENDOR_FROM_DATABASE=Intel Corporation\n")
        .device("net", "devices/virtual/net/bond0")
        .lines("sys/devices/virtual/net/bond0", [("ifindex", "5"), ("address", "3c:52:82:aa:bb:cc"), ("type", "1"), ("flags", "0x1002"), ("operstate", "down"), ("uevent", "DEVTYPE=bond")])
        .device("net", "devices/virtual/net/wlan0")
        .lines("sys/devices/virtual/net/wlan0", [("ifindex", "6"), ("type", "1"), ("flags", "0x1003"), ("operstate", "down"), ("wireless/status", "0"), ("speed", "-1")]);
    let rows = run(rows_of(&tree.machine(), "SELECT * FROM Win32_NetworkAdapter"));
    let [wired, bond, wireless] = rows.as_slice() else { panic!("{} adapters", rows.len()) };
    let reported = [
        ("Name", "Ethernet Connection (7) I219-LM"),
        ("Manufacturer", "Intel Corporation"),
        ("PNPDeviceID", "PCI\\VEN_8086&DEV_15BB&SUBSYS_83EE103C&REV_10\\0000:00:1f.6"),
        ("ServiceName", "e1000e"),
        ("Speed", "1000000000"),
        ("MACAddress", "3C:52:82:AA:BB:CC"),
        ("PermanentAddress", "3C:52:82:AA:BB:CC"),
        ("NetConnectionStatus", "2"),
        ("PhysicalAdapter", "true"),
        ("AdapterType", "Ethernet 802.3"),
        ("Caption", "[00000002] Ethernet Connection (7) I219-LM"),
    ];
    reported.into_iter().for_each(|(name, value)| assert_eq!(text(wired, name), value, "{name}"));
    assert_eq!(
        ["Name", "NetConnectionStatus", "PhysicalAdapter", "PNPDeviceID"].map(|name| text(bond, name)),
        ["bond bond0", "0", "false", ""]
    );
    assert_eq!(
        ["AdapterTypeId", "NetConnectionStatus", "Speed"].map(|name| text(wireless, name)),
        ["9", "7", ""]
    );
    assert_ne!(text(wired, "GUID"), text(bond, "GUID"), "both have the same address");
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}
