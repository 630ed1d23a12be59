//! Tests of `root/linux`: control groups in a tree of files, and the rules of a separate firewall.

use std::process::Command;
use std::sync::Arc;

use cim::{Instance, Namespace};
use telarch_provider_linux::Machine;
use wmi::Context;

use crate::world::{in_world, run};
use crate::{engine, machine, text};

async fn rows(machine: &Arc<Machine>, query: &str) -> Vec<Instance> {
    let namespace = Namespace::parse("root/linux").unwrap();
    let mut rows = engine(machine).query(&Context::of_this_process("alice"), &namespace, query).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().await {
        found.push(row.unwrap());
    }
    found
}

fn write(folder: &std::path::Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn control_groups_form_a_tree_with_containers() {
    let folder = tempfile::tempdir().unwrap();
    let id = "0123456789abcdef".repeat(4);
    let group = |path: &str, processes: &str| {
        let base = format!("sys/fs/cgroup{path}");
        write(folder.path(), &format!("{base}/cgroup.procs"), processes);
        write(folder.path(), &format!("{base}/cgroup.events"), "populated 1\nfrozen 0\n");
        base
    };
    group("", "1\n");
    let web = group("/system.slice/web.service", "20\n21\n");
    write(folder.path(), &format!("{web}/memory.current"), "4096\n");
    write(folder.path(), &format!("{web}/memory.max"), "max\n");
    write(folder.path(), &format!("{web}/cpu.max"), "50000 100000\n");
    write(folder.path(), &format!("{web}/cpu.stat"), "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
    write(
        folder.path(),
        &format!("{web}/io.stat"),
        "8:0 rbytes=5 wbytes=7 rios=1\n8:16 rbytes=10 wbytes=1\n",
    );
    group("/system.slice", "");
    let docker = format!("/system.slice/docker-{id}.scope");
    group(&docker, "30\n");
    group(&format!("{docker}/inner"), "29\n31\n");
    let settings = format!("var/lib/docker/containers/{id}/config.v2.json");
    write(folder.path(), &settings, "{\"Name\": \"/shop\"}");
    let machine = Arc::new(Machine::at(folder.path()));

    let all = rows(&machine, "SELECT Path FROM Linux_ControlGroup").await;
    let paths: Vec<String> = all.iter().map(|row| text(row, "Path")).collect();
    let inner = format!("{docker}/inner");
    assert_eq!(paths, ["/", "/system.slice", &docker, &inner, "/system.slice/web.service"]);

    let found = rows(&machine, "SELECT * FROM Linux_ControlGroup WHERE Unit = 'web.service'").await;
    let values = |names: &[&str]| names.iter().map(|name| text(&found[0], name)).collect::<Vec<_>>();
    assert_eq!(values(&["Processes", "MemoryBytes", "MemoryMaxBytes"]), ["2", "4096", ""]);
    assert_eq!(
        values(&["CpuQuotaMicroseconds", "CpuPeriodMicroseconds", "CpuUserMicroseconds"]),
        ["50000", "100000", "20"]
    );
    assert_eq!(values(&["IOReadBytes", "IOWriteBytes", "IsPopulated"]), ["15", "8", "true"]);
    let opened = machine.opened();
    let one =
        rows(&machine, "SELECT MemoryBytes FROM Linux_ControlGroup WHERE Path = '/system.slice/web.service'")
            .await;
    assert_eq!((one.len(), machine.opened() - opened), (1, 1), "one file for one value of one group");

    // A container of the system's Podman, and one of a user.
    for (letter, path, storage) in [
        ("a", "/machine.slice", "var/lib/containers/storage"),
        (
            "b",
            "/user.slice/user-1000.slice/user@1000.service/user.slice",
            "home/ann/.local/share/containers/storage",
        ),
    ] {
        let id = letter.repeat(64);
        group(&format!("{path}/libpod-{id}.scope"), "40\n");
        let known = format!("[{{\"id\": \"{id}\", \"names\": [\"pod-{letter}\"]}}]");
        write(folder.path(), &format!("{storage}/overlay-containers/containers.json"), &known);
    }
    write(folder.path(), "etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n");
    let podman = rows(&machine, "SELECT * FROM Linux_Container WHERE Runtime = 'podman'").await;
    let names: Vec<String> = podman.iter().map(|row| text(row, "Name")).collect();
    assert_eq!(names, ["pod-a", "pod-b"]);

    let containers = rows(&machine, "SELECT * FROM Linux_Container WHERE Runtime = 'docker'").await;
    let [container] = containers.as_slice() else { panic!("{} containers", containers.len()) };
    let values = ["ContainerID", "Runtime", "Name", "Processes", "MainProcessId", "State"]
        .map(|name| text(container, name));
    assert_eq!(values, [id.as_str(), "docker", "shop", "3", "29", "running"]);

    // Users may create any number of control groups in their own subtree.
    let opened = |number: usize| {
        let path = "/user.slice/user-1000.slice/user@1000.service/user.slice";
        for number in 0..number {
            group(&format!("{path}/libpod-{number:064x}.scope"), "50\n");
        }
        let machine = Arc::clone(&machine);
        async move {
            let before = machine.opened();
            let all = rows(&machine, "SELECT Name, Processes, MainProcessId FROM Linux_Container").await;
            assert!(all.len() >= number, "{} containers", all.len());
            machine.opened() - before
        }
    };
    let (few, many) = (opened(20).await, opened(200).await);
    assert!(many < few + 180 * 6, "{few} files for 20 containers, and {many} for 200");
}

#[tokio::test]
async fn raid_arrays_report_their_state() {
    let folder = tempfile::tempdir().unwrap();
    for (file, content) in [
        ("size", "2048\n"),
        ("md/level", "raid1\n"),
        ("md/raid_disks", "2\n"),
        ("md/degraded", "1\n"),
        ("md/array_state", "clean\n"),
        ("md/sync_action", "recover\n"),
        ("md/sync_completed", "256 / 1024\n"),
        ("md/dev-sda1/state", "in_sync\n"),
        ("md/dev-sdb1/state", "spare\n"),
    ] {
        write(folder.path(), &format!("sys/block/md0/{file}"), content);
    }
    write(folder.path(), "sys/block/sda/size", "4096\n");
    let machine = Arc::new(Machine::at(folder.path()));
    let found = rows(&machine, "SELECT * FROM Linux_RaidArray").await;
    let [array] = found.as_slice() else { panic!("{} arrays", found.len()) };
    let values = ["Name", "Level", "Disks", "ActiveDisks", "DegradedDisks", "SyncPercentComplete", "Size"];
    assert_eq!(values.map(|name| text(array, name)), ["md0", "raid1", "2", "1", "1", "25", "1048576"]);
}

const STANDARD: &str = "root/standardcimv2";

/// Returns name, state and default actions of the firewall profiles.
async fn profiles(machine: &Arc<Machine>) -> Vec<String> {
    let rows = crate::rows_in(STANDARD, machine, "SELECT * FROM MSFT_NetFirewallProfile").await;
    let columns = ["Name", "Enabled", "DefaultInboundAction", "DefaultOutboundAction"];
    rows.iter().map(|row| columns.map(|name| text(row, name)).join(" ")).collect()
}

#[test]
fn firewall_rules_match_nft() {
    in_world("native::firewall_rules_match_nft", &["nft"], || {
        let rules = "add table inet shop; add chain inet shop input { type filter hook input priority 5; policy drop; }; \
                     add rule inet shop input tcp dport 5986 counter accept comment \"remote management\"";
        let output = Command::new("nft").arg(rules).output().unwrap();
        if !output.status.success() {
            skips::skip!(
                "the kernel has no nftables here: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
            return;
        }
        run(async {
            let machine = machine();
            let chains = rows(&machine, "SELECT * FROM Linux_FirewallChain WHERE Table = 'shop'").await;
            let values = ["Family", "Name", "Hook", "Policy", "Priority"].map(|name| text(&chains[0], name));
            assert_eq!(values, ["inet", "input", "input", "drop", "5"]);
            let found = rows(&machine, "SELECT * FROM Linux_FirewallRule WHERE Chain = 'input'").await;
            let [rule] = found.as_slice() else { panic!("{} rules", found.len()) };
            assert_eq!(
                (text(rule, "Comment").as_str(), text(rule, "Packets").as_str()),
                ("remote management", "0")
            );
            assert!(text(rule, "Expression").contains("5986"));
            let handle =
                Command::new("nft").args(["-a", "list", "chain", "inet", "shop", "input"]).output().unwrap();
            let listed = String::from_utf8(handle.stdout).unwrap();
            assert!(listed.contains(&format!("# handle {}", text(rule, "Handle"))), "{listed}");
            let columns = ["DisplayName", "Direction", "Action", "Enabled", "DisplayGroup"];
            let standard = crate::rows_in(STANDARD, &machine, "SELECT * FROM MSFT_NetFirewallRule").await;
            let [rule] = standard.as_slice() else { panic!("{} rules", standard.len()) };
            assert_eq!(
                columns.map(|name| text(rule, name)),
                ["remote management", "1", "2", "1", "inet shop input"]
            );
            assert_eq!(profiles(&machine).await, ["Domain 1 4 2", "Private 1 4 2", "Public 1 4 2"]);
            let more = "add chain inet shop output { type filter hook output priority 0; }; \
                        add chain inet shop ports; add rule inet shop output jump ports; \
                        add rule inet shop ports tcp dport 25 reject; add rule inet shop input accept";
            assert!(Command::new("nft").arg(more).status().unwrap().success());
            assert_eq!(profiles(&machine).await, ["Domain 1 2 2", "Private 1 2 2", "Public 1 2 2"]);
            let query = "SELECT * FROM MSFT_NetFirewallRule WHERE Direction = 2";
            let outbound = crate::rows_in(STANDARD, &machine, query).await;
            let [rule] = outbound.as_slice() else { panic!("{} rules", outbound.len()) };
            assert_eq!(columns.map(|name| text(rule, name))[1..], ["2", "4", "1", "inet shop ports"]);
            assert!(Command::new("nft").arg("flush ruleset").status().unwrap().success());
            assert_eq!(profiles(&machine).await, ["Domain 0 2 2", "Private 0 2 2", "Public 0 2 2"]);
        });
    });
}
