//! A directory tree that imitates a machine, with one file of arbitrary content.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use cim::uri::UriForm;
use cim::wscim::{NullArrays, Writer};
use cim::{Instance, Name, Namespace, Origin, Schema};
use provider_linux::{Machine, providers};
use tempfile::TempDir;
use wmi::{Context, Engine, Error};
use xml::{Bounds, Document};

/// Files of a machine, with the classes that read them.
pub const PLACES: [(&str, &[&str]); 62] = [
    ("etc/cron.d/site", &["Win32_ScheduledJob"]),
    ("etc/crontab", &["Win32_ScheduledJob"]),
    ("etc/environment", &["Win32_Environment"]),
    ("etc/exports", &["Win32_Share"]),
    ("etc/fstab", &["Win32_Volume", "Win32_MappedLogicalDisk", "Win32_PageFileSetting"]),
    ("etc/group", &["Win32_Group", "Win32_GroupUser"]),
    ("etc/locale.conf", &["Win32_OperatingSystem"]),
    ("etc/login.defs", &["Win32_UserProfile"]),
    ("etc/machine-info", &["Win32_ComputerSystem"]),
    ("etc/os-release", &["Win32_OperatingSystem", "root/scx:SCX_OperatingSystem"]),
    (
        "etc/passwd",
        &["Win32_UserAccount", "Win32_UserProfile", "Win32_StartupCommand", "Win32_SystemAccount"],
    ),
    (
        "etc/resolv.conf",
        &["Win32_NetworkAdapterConfiguration", "root/standardcimv2:MSFT_DNSClientServerAddress"],
    ),
    ("etc/samba/smb.conf", &["Win32_ComputerSystem"]),
    ("etc/shadow", &["Win32_UserAccount"]),
    ("etc/telarch/masquerade.toml", &["Win32_OperatingSystem"]),
    ("etc/telarch/wmi.toml", &["Win32_LogicalDisk", "Win32_UserAccount"]),
    ("etc/xdg/autostart/tool.desktop", &["Win32_StartupCommand"]),
    ("proc/42/cgroup", &["Win32_SessionProcess"]),
    ("proc/42/cmdline", &["Win32_Process", "root/scx:SCX_UnixProcess"]),
    ("proc/42/io", &["Win32_Process", "Win32_PerfRawData_PerfProc_Process"]),
    ("proc/42/stat", &["Win32_Process", "Win32_PerfRawData_PerfProc_Process", "root/scx:SCX_UnixProcess"]),
    ("proc/42/statm", &["Win32_PerfRawData_PerfProc_Process"]),
    ("proc/42/status", &["Win32_Process", "root/scx:SCX_UnixProcess"]),
    ("proc/42/task/42/stat", &["Win32_Thread"]),
    ("proc/bus/input/devices", &["Win32_Keyboard", "Win32_PointingDevice"]),
    ("proc/cpuinfo", &["Win32_Processor", "Win32_ComputerSystem"]),
    (
        "proc/diskstats",
        &["Win32_PerfRawData_PerfDisk_PhysicalDisk", "Win32_PerfRawData_PerfDisk_LogicalDisk"],
    ),
    ("proc/interrupts", &["Win32_PerfRawData_PerfOS_Processor"]),
    ("proc/loadavg", &["Win32_PerfRawData_PerfOS_System"]),
    ("proc/meminfo", &["Win32_OperatingSystem", "Win32_PerfRawData_PerfOS_Memory"]),
    ("proc/modules", &["Win32_SystemDriver"]),
    ("proc/net/tcp", &["root/standardcimv2:MSFT_NetTCPConnection"]),
    ("proc/net/tcp6", &["root/standardcimv2:MSFT_NetTCPConnection"]),
    ("proc/net/udp", &["root/standardcimv2:MSFT_NetUDPEndpoint"]),
    (
        "proc/self/mountinfo",
        &[
            "Win32_LogicalDisk",
            "Win32_Volume",
            "Win32_MountPoint",
            "root/scx:SCX_FileSystem",
            "Win32_MappedLogicalDisk",
        ],
    ),
    ("proc/softirqs", &["Win32_PerfRawData_PerfOS_Processor"]),
    ("proc/stat", &["Win32_PerfRawData_PerfOS_Processor", "Win32_OperatingSystem", "Win32_Process"]),
    ("proc/swaps", &["Win32_PageFileUsage", "Win32_PerfFormattedData_PerfOS_PagingFile"]),
    ("proc/uptime", &["root/scx:SCX_OperatingSystem"]),
    ("proc/vmstat", &["Win32_PerfRawData_PerfOS_Memory"]),
    ("run/systemd/netif/leases/2", &["Win32_NetworkAdapterConfiguration"]),
    ("run/systemd/netif/links/2", &["Win32_NetworkAdapterConfiguration"]),
    ("run/systemd/sessions/1", &["Win32_LogonSession", "Win32_LoggedOnUser", "Win32_SessionProcess"]),
    ("run/udev/data/b8:1", &["Win32_Volume", "Win32_DiskPartition", "Win32_LogicalDisk"]),
    ("sys/block/sda/stat", &["Win32_DiskDrive"]),
    ("sys/class/dmi/id/product_name", &["Win32_ComputerSystem"]),
    ("sys/class/hwmon/hwmon0/temp1_max", &["Win32_TemperatureProbe"]),
    ("sys/class/net/eth0/uevent", &["Win32_NetworkAdapter"]),
    ("sys/class/power_supply/BAT0/model_name", &["Win32_Battery"]),
    ("sys/class/power_supply/BAT0/voltage_min_design", &["Win32_Battery"]),
    ("sys/devices/system/cpu/online", &["Win32_Processor", "Win32_ComputerSystem"]),
    (
        "sys/firmware/dmi/tables/DMI",
        &[
            "Win32_BIOS",
            "Win32_BaseBoard",
            "Win32_CacheMemory",
            "Win32_ComputerSystemProduct",
            "Win32_OnBoardDevice",
            "Win32_PhysicalMemory",
            "Win32_PhysicalMemoryArray",
            "Win32_PortConnector",
            "Win32_Processor",
            "Win32_SystemEnclosure",
            "Win32_SystemSlot",
        ],
    ),
    ("sys/fs/cgroup/a.scope/cpu.stat", &["root/linux:Linux_ControlGroup"]),
    ("sys/fs/cgroup/a.scope/io.stat", &["root/linux:Linux_ControlGroup"]),
    ("sys/fs/cgroup/a.scope/memory.stat", &["root/linux:Linux_ControlGroup"]),
    ("var/lib/dhcp/dhclient.eth0.leases", &["Win32_NetworkAdapterConfiguration"]),
    (
        "var/lib/docker/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/config.v2.json",
        &["root/linux:Linux_Container"],
    ),
    ("var/lib/dpkg/status", &["Win32_Product", "root/linux:Linux_Package"]),
    ("var/log/apt/history.log", &["Win32_QuickFixEngineering"]),
    ("var/log/lastlog", &["Win32_UserProfile"]),
    ("var/run/faillock/alice", &["Win32_UserAccount"]),
    ("var/spool/cron/crontabs/alice", &["Win32_ScheduledJob"]),
];

/// Content of the other files.
const USUAL: [(&str, &str); 46] = [
    ("etc/group", "root:x:0:\nusers:x:100:alice\n"),
    ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n"),
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:100:Alice,,:/home/alice:/bin/sh\n"),
    ("etc/shadow", "alice:$y$j9T$x:20000:0:99999:7:::\n"),
    ("proc/1/io", "rchar: 1\n"),
    (
        "proc/1/stat",
        "1 (init) S 0 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 1 1000 250 18446744073709551615 0\n",
    ),
    ("proc/1/status", "Name:\tinit\nUid:\t0\t0\t0\t0\n"),
    ("proc/42/cmdline", "sh\0-c\0sleep 9\0"),
    ("proc/42/io", "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\n"),
    (
        "proc/42/stat",
        "42 (sh) S 1 42 42 0 -1 4194304 10 0 3 0 5 6 0 0 20 0 2 0 777 1000 250 18446744073709551615 1\n",
    ),
    ("proc/42/status", "Name:\tsh\nUid:\t1000\t1000\t1000\t1000\nVmPeak:\t8 kB\n"),
    (
        "proc/42/task/42/stat",
        "42 (sh) S 1 42 42 0 -1 4194304 10 0 3 0 5 6 0 0 20 0 2 0 777 1000 250 18446744073709551615 1\n",
    ),
    ("proc/cpuinfo", "processor\t: 0\nmodel name\t: CPU\ncpu MHz\t\t: 2000.0\n"),
    (
        "proc/diskstats",
        "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11\n",
    ),
    ("proc/loadavg", "0.1 0.2 0.3 1/2 42\n"),
    ("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 500 kB\nMemAvailable: 700 kB\n"),
    (
        "proc/self/mountinfo",
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n24 22 0:50 / /srv rw - nfs4 server:/x rw\n",
    ),
    (
        "proc/stat",
        "cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\nintr 5 1\nctxt 9\nbtime 1700000000\nprocesses 99\n",
    ),
    ("proc/sys/kernel/hostname", "node7.example.com\n"),
    ("proc/sys/kernel/osrelease", "6.1.0-1-amd64\n"),
    ("proc/uptime", "100.0 50.0\n"),
    ("proc/vmstat", "pgpgin 1\npgpgout 2\npgfault 3\n"),
    ("run/systemd/sessions/1", "UID=1000\nUSER=alice\nTYPE=tty\nREALTIME=1700000000000000\n"),
    ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
    ("sys/class/hwmon/hwmon0/temp1_input", "40000\n"),
    ("sys/class/power_supply/BAT0/charge_full", "5000000\n"),
    ("sys/class/power_supply/BAT0/type", "Battery\n"),
    ("sys/devices/pci/sda/dev", "8:0\n"),
    ("sys/devices/pci/sda/sda1/dev", "8:1\n"),
    ("sys/devices/pci/sda/sda1/partition", "1\n"),
    ("sys/devices/pci/sda/sda1/size", "1000\n"),
    ("sys/devices/pci/sda/sda1/start", "2048\n"),
    ("sys/devices/pci/sda/size", "2000000\n"),
    ("sys/devices/virtual/net/eth0/address", "02:00:00:00:00:01\n"),
    ("sys/devices/virtual/net/eth0/ifindex", "2\n"),
    ("sys/devices/virtual/net/eth0/operstate", "up\n"),
    ("sys/devices/virtual/net/eth0/type", "1\n"),
    ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
    ("sys/devices/system/cpu/online", "0\n"),
    ("sys/fs/cgroup/a.scope/cgroup.procs", "42\n"),
    ("sys/fs/cgroup/cgroup.procs", "1\n"),
    (
        "sys/fs/cgroup/docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope/cgroup.procs",
        "42\n",
    ),
    ("sys/firmware/dmi/tables/smbios_entry_point", "_SM3_\u{0}\u{18}\u{3}\u{3}\u{0}"),
    ("var/lib/dpkg/info/bash.list", ""),
    (
        "var/lib/dpkg/status",
        "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n\n",
    ),
    ("var/lib/telarch/empty", ""),
];

/// Symbolic links.
const LINKS: [(&str, &str); 6] = [
    ("sys/block/sda", "../devices/pci/sda"),
    ("sys/class/block/sda", "../../devices/pci/sda"),
    ("sys/class/block/sda1", "../../devices/pci/sda/sda1"),
    ("sys/class/net/eth0", "../../devices/virtual/net/eth0"),
    ("sys/dev/block/8:0", "../../devices/pci/sda"),
    ("sys/dev/block/8:1", "../../devices/pci/sda/sda1"),
];

/// Maximum number of rows that do not come from the arbitrary file, but from the rest of the tree.
const OTHERS: usize = 64;

thread_local! {
    static TREE: LazyCell<Tree> = LazyCell::new(Tree::new);
}

pub(super) fn file(octets: &[u8]) {
    let Some(end) = octets.iter().position(|octet| *octet == b'\n') else { return };
    let (line, content) = octets.split_at(end);
    let place = PLACES.iter().position(|(path, _)| path.as_bytes() == line);
    // Any path selects one of the files, so that no generated input is wasted.
    let place =
        place.unwrap_or_else(|| line.iter().map(|octet| usize::from(*octet)).sum::<usize>() % PLACES.len());
    let Some((path, classes)) = PLACES.get(place) else { return };
    TREE.with(|tree| tree.with(path, content.get(1..).unwrap_or_default(), classes));
}

struct Tree {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Tree {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        for (path, content) in USUAL {
            write(folder.path(), path, content.as_bytes());
        }
        for (path, target) in LINKS {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("there is room");
            symlink(target, path).expect("there is room");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { folder, runtime }
    }

    /// Enumerates classes while a file has this content.
    fn with(&self, path: &str, content: &[u8], classes: &[&str]) {
        write(self.folder.path(), path, content);
        for class in classes {
            let (namespace, class) = class.split_once(':').unwrap_or(("root/cimv2", class));
            let namespace = Namespace::parse(namespace).expect("it is one");
            // A machine caches files, so a new one is created for each class.
            let engine = engine(&Arc::new(Machine::at(self.folder.path())), &namespace, class);
            let rows = self.runtime.block_on(listed(&engine, &namespace, class));
            let most = OTHERS + content.len();
            assert!(
                rows.len() <= most,
                "{path}: {} rows of {class} for {} octets",
                rows.len(),
                content.len()
            );
            rows.iter().for_each(|row| sent(row, &namespace));
            // Requesting an instance by key reads all columns, so it is skipped for slow ones.
            if let Some(row) = rows.first().filter(|row| row.value(SLOW).is_none()) {
                self.runtime.block_on(found_again(&engine, &namespace, row));
            }
        }
        match USUAL.iter().find(|(usual, _)| *usual == path) {
            Some((_, usual)) => write(self.folder.path(), path, usual.as_bytes()),
            None => fs::remove_file(self.folder.path().join(path)).expect("it was written"),
        }
    }
}

fn write(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("there is room");
    fs::write(path, content).expect("there is room");
}

/// Returns an engine that serves one class and those it depends on.
fn engine(machine: &Arc<Machine>, namespace: &Namespace, class: &str) -> Engine {
    static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
        let names = ["root/cimv2", "root/linux", "root/scx", "root/standardcimv2"];
        names.map(|name| Schema::of(Namespace::parse(name).expect("it is one"))).to_vec()
    });
    let schema = SCHEMAS.iter().find(|schema| schema.namespace() == namespace).expect("it is one of these");
    // Cached, because asking each provider for its classes takes longer than everything else.
    static SERVED: LazyLock<HashMap<(Namespace, Name), usize>> = LazyLock::new(|| {
        let all = providers(&Arc::new(Machine::at("/nonexistent")));
        let mut served = HashMap::new();
        for (place, provider) in all.iter().enumerate() {
            served.extend(provider.classes().into_iter().map(|class| (class, place)));
        }
        served
    });
    let name = Name::parse(class).expect("it is one");
    let Some(place) = SERVED.get(&(namespace.clone(), name)) else { panic!("no provider serves {class}") };
    let provider = providers(machine).swap_remove(*place);
    Engine::builder("node7", 0).namespace(schema.clone()).provider(provider).build().expect("one class")
}

/// Returns all rows of a class, up to an error.
async fn listed(engine: &Engine, namespace: &Namespace, class: &str) -> Vec<Instance> {
    let known = engine.schema(namespace).expect("it is there").require(class).expect("it is there");
    let names = known.properties().iter().map(|property| property.name.as_str());
    let names: Vec<&str> = names.filter(|name| *name != SLOW).collect();
    let query = format!("SELECT {} FROM {class}", names.join(", "));
    let mut rows = engine.query(&caller(), namespace, &query).expect("the class is served");
    let mut found = Vec::new();
    while let Some(row) = rows.next().await {
        match row {
            Ok(row) => found.push(row),
            Err(error) => honest(&error),
        }
    }
    found
}

/// Property that needs two samples, with a delay between them.
const SLOW: &str = "LoadPercentage";

/// Checks that a row is written as valid XML.
fn sent(row: &Instance, namespace: &Namespace) {
    let origin = Origin { server: "node7".to_owned(), namespace: namespace.clone(), offset: 0 };
    let writer = Writer::new(UriForm::Wmi, origin).with_null_arrays(NullArrays::Marked);
    let mut out = xml::Writer::new();
    out.start("s").namespace("a", "http://schemas.xmlsoap.org/ws/2004/08/addressing");
    out.namespace("w", "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd");
    writer.instance(&mut out, row);
    let text = out.finish();
    assert!(Document::parse(text.as_str(), &Bounds::default()).is_ok(), "{text}");
}

/// Checks that a row is found by its keys.
async fn found_again(engine: &Engine, namespace: &Namespace, row: &Instance) {
    let path = row.path().unwrap_or_else(|error| panic!("{error}: {row:?}"));
    match engine.get(&caller(), namespace, &path).await {
        Ok(again) => assert_eq!(again.path().map(|path| path.to_string()), Ok(path.to_string())),
        Err(error) => panic!("{path}: {error}"),
    }
}

/// Checks that an error is not a panic or a timeout.
fn honest(error: &Error) {
    let text = error.to_string();
    assert!(!text.contains("panicked") && !matches!(error, Error::TimedOut(_)), "{text}");
}

fn caller() -> Context {
    Context::of_this_process("alice")
}
