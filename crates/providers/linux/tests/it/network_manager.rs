//! Tests of requests to NetworkManager, with the mock of python-dbusmock.

use cim::{Instance, Namespace, Value};
use telarch_peers::{World, in_world};
use wmi::Context;

use crate::world::run;
use crate::{call_on, engine, machine, text};

const SERVICE: &str = "org.freedesktop.NetworkManager";

fn sh(world: &World, script: &str) -> String {
    let ended = world.shell(script);
    assert_eq!(ended.code, 0, "{script}\n{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap().trim().to_owned()
}

fn call(world: &World, path: &str, method: &str, arguments: &str) -> String {
    sh(
        world,
        &format!("gdbus call --system --dest {SERVICE} --object-path {path} --method {method} {arguments}"),
    )
}

#[test]
fn profile_is_applied_through_network_manager() {
    in_world("network_manager::profile_is_applied_through_network_manager", &["ip", "python3"], |world| {
        sh(
            world,
            "mount -t sysfs none /sys; mkdir /run/NetworkManager; ip link set lo up; \
             ip link add office type veth peer name desk; ip link set office up; ip link set desk up; \
             ip addr add 192.0.2.5/24 dev office",
        );
        world.known_mock("networkmanager", SERVICE);
        let manager = "/org/freedesktop/NetworkManager";
        let (mock, settings) = ("org.freedesktop.DBus.Mock", format!("{manager}/Settings"));
        call(world, manager, &format!("{mock}.AddEthernetDevice"), "wired office 100");
        let device = format!("{manager}/Devices/wired");
        let reach =
            format!("{SERVICE}.Device \"{{'Ip4Connectivity': <uint32 4>, 'Ip6Connectivity': <uint32 1>}}\"");
        call(world, &device, &format!("{mock}.AddProperties"), &reach);
        let connection = "\"{'connection': {'id': <'Head office'>, 'type': <'802-3-ethernet'>}, \
                          'ipv4': {'method': <'auto'>, 'never-default': <true>}}\"";
        call(world, &settings, &format!("{SERVICE}.Settings.AddConnection"), connection);
        let activate = format!("{settings}/0 {device} /");
        call(world, manager, &format!("{SERVICE}.ActivateConnection"), &activate);

        let shown = || {
            call(world, &format!("{settings}/0"), &format!("{SERVICE}.Settings.Connection.GetSettings"), "")
        };
        let index = sh(world, "cat /sys/class/net/office/ifindex");
        let configure = |method: &str, input: &[(&str, Value)]| {
            let path = format!("Win32_NetworkAdapterConfiguration.Index={index}");
            text(&run(call_on(&machine(), &path, method, input)).unwrap(), "ReturnValue")
        };
        let before = shown();
        assert!(before.contains("'method': <'auto'>"), "{before}");
        let address = [("IPAddress", vec!["192.0.2.6"].into()), ("SubnetMask", vec!["255.255.255.0"].into())];
        assert_eq!(configure("EnableStatic", &address), "0");
        let after = shown();
        for part in [
            "'method': <'manual'>",
            "'address': <'192.0.2.6'>",
            "'prefix': <uint32 24>",
            "'never-default': <true>",
            "<'Head office'>",
        ] {
            assert!(after.contains(part), "{part} is missing: {after}");
        }
        let servers = [("DNSServerSearchOrder", vec!["192.0.2.53", "2001:db8::53"].into())];
        assert_eq!(configure("SetDNSServerSearchOrder", &servers), "0");
        let number = u32::from_ne_bytes([192, 0, 2, 53]);
        let after = shown();
        assert!(after.contains(&format!("'dns': <[uint32 {number}]>")), "{after}");
        assert!(after.contains("'dns': <[[byte 0x20, 0x01, 0x0d, 0xb8"), "{after}");
        let gateways =
            [("DefaultIPGateway", vec!["192.0.2.1"].into()), ("GatewayCostMetric", vec![9_u16].into())];
        assert_eq!(configure("SetGateways", &gateways), "0");
        let after = shown();
        assert!(
            after.contains("'gateway': <'192.0.2.1'>") && after.contains("'route-metric': <int64 9>"),
            "{after}"
        );
        assert!(after.contains(&format!("[uint32 {number}]")), "what is not changed is kept: {after}");
        assert_eq!(configure("EnableDHCP", &[]), "0");
        assert!(shown().contains("'method': <'auto'>"), "{}", shown());
        assert_eq!(configure("RenewDHCPLease", &[]), "0");
        let active = call(
            world,
            manager,
            "org.freedesktop.DBus.Properties.Get",
            &format!("{SERVICE} ActiveConnections"),
        );
        assert!(active.matches("/ActiveConnection/").count() >= 6, "each change is made so: {active}");

        let profiles: Vec<Instance> = run(async {
            let namespace = Namespace::parse("root/standardcimv2").unwrap();
            let query = "SELECT * FROM MSFT_NetConnectionProfile WHERE InterfaceAlias = 'office'";
            let mut rows =
                engine(&machine()).query(&Context::of_this_process("alice"), &namespace, query).unwrap();
            let mut found = Vec::new();
            while let Some(row) = rows.next().await {
                found.push(row.unwrap());
            }
            found
        });
        assert_eq!(
            ["Name", "IPv4Connectivity", "IPv6Connectivity"].map(|name| text(&profiles[0], name)),
            ["Head office", "4", "1"]
        );
    });
}
