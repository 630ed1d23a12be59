//! Compares firmware tables with `dmidecode` and processors with `lscpu`; devices on machines made of files.

mod tables;

use std::process::Command;

use crate::tree::Tree;
use crate::{rows, rows_of, text};
use tables::{entry_point, table};

fn firmware() -> Tree {
    let table = table();
    Tree::new()
        .file("sys/firmware/dmi/tables/smbios_entry_point", entry_point(table.len()))
        .file("sys/firmware/dmi/tables/DMI", table)
}

/// Returns dmidecode's fields for the structures of a kind in the same tables.
fn sections_of(kind: &str) -> Option<Vec<Vec<(String, String)>>> {
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump");
    let mut octets = entry_point(table().len());
    octets.resize(32, 0);
    octets.extend(table());
    std::fs::write(&dump, octets).unwrap();
    let output = Command::new("dmidecode").args(["-q", "-t", kind, "--from-dump"]).arg(&dump).output();
    let Ok(output) = output else {
        skips::skip!("there is no dmidecode here (./test --install, or your package manager)");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let blocks = text.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty());
    let lines = |block: &str| {
        let pairs = block.lines().filter_map(|line| line.trim().split_once(": "));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    Some(blocks.map(lines).collect())
}

fn line<'t>(block: &'t [(String, String)], name: &str) -> &'t str {
    block.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[tokio::test]
async fn firmware_matches_dmidecode() {
    let machine = firmware().machine_kept();
    let (Some(bios), Some(system), Some(board), Some(chassis)) =
        (sections_of("0"), sections_of("1"), sections_of("2"), sections_of("3"))
    else {
        return;
    };
    let all = [
        ("Win32_BIOS", &bios[0], [("Manufacturer", "Vendor"), ("SMBIOSBIOSVersion", "Version")]),
        (
            "Win32_ComputerSystemProduct",
            &system[0],
            [("IdentifyingNumber", "Serial Number"), ("Name", "Product Name")],
        ),
        (
            "Win32_ComputerSystemProduct",
            &system[0],
            [("Vendor", "Manufacturer"), ("SKUNumber", "SKU Number")],
        ),
        ("Win32_BaseBoard", &board[0], [("Product", "Product Name"), ("SerialNumber", "Serial Number")]),
        ("Win32_SystemEnclosure", &chassis[0], [("SMBIOSAssetTag", "Asset Tag"), ("SKU", "SKU Number")]),
    ];
    for (class, block, names) in all {
        let found = rows_of(&machine.1, &format!("SELECT * FROM {class}")).await;
        for (ours, theirs) in names {
            let theirs = line(block, theirs);
            assert!(!theirs.is_empty(), "{class}: {block:?}");
            assert_eq!(text(&found[0], ours), theirs, "{class}.{ours}");
        }
    }
    let product = rows_of(&machine.1, "SELECT UUID FROM Win32_ComputerSystemProduct").await;
    assert_eq!(text(&product[0], "UUID").to_ascii_lowercase(), line(&system[0], "UUID"));
    let bios = rows_of(&machine.1, "SELECT * FROM Win32_BIOS").await;
    assert_eq!(text(&bios[0], "ReleaseDate"), "20240229000000.000000+000");
    assert_eq!(["SMBIOSMajorVersion", "SMBIOSMinorVersion"].map(|name| text(&bios[0], name)), ["3", "3"]);
    let chassis = rows_of(&machine.1, "SELECT * FROM Win32_SystemEnclosure").await;
    assert_eq!(chassis[0].value("ChassisTypes").unwrap().elements(), [cim::Value::Uint16(23)]);
    assert_eq!(["LockPresent", "Status"].map(|name| text(&chassis[0], name)), ["true", "OK"]);
}

#[tokio::test]
async fn memory_modules_match_dmidecode() {
    let machine = firmware().machine_kept();
    let Some(reported) = sections_of("17") else { return };
    let reported: Vec<_> =
        reported.into_iter().filter(|block| line(block, "Size") != "No Module Installed").collect();
    let found = rows_of(&machine.1, "SELECT * FROM Win32_PhysicalMemory").await;
    assert_eq!((found.len(), reported.len()), (2, 2), "an empty socket is no memory");
    for (row, block) in found.iter().zip(&reported) {
        for (ours, theirs) in [
            ("DeviceLocator", "Locator"),
            ("Manufacturer", "Manufacturer"),
            ("PartNumber", "Part Number"),
            ("SerialNumber", "Serial Number"),
        ] {
            assert_eq!(text(row, ours), line(block, theirs), "{ours}");
        }
        let number = |name: &str| line(block, name).split(' ').next().unwrap().to_owned();
        let gib: u64 = number("Size").parse().unwrap();
        assert_eq!(text(row, "Capacity"), (gib << 30).to_string());
        assert_eq!(text(row, "Speed"), number("Speed"));
        assert_eq!(text(row, "ConfiguredClockSpeed"), number("Configured Memory Speed"));
        assert_eq!(
            [text(row, "DataWidth"), text(row, "TotalWidth")],
            [number("Data Width"), number("Total Width")]
        );
    }
    assert_eq!(text(&found[0], "SMBIOSMemoryType"), "26");
    assert_eq!(text(&found[0], "ConfiguredVoltage"), "1200");
    assert_eq!(text(&found[0], "FormFactor"), "8", "of DIMMs, which SMBIOS counts as 9");
    let arrays = rows_of(&machine.1, "SELECT * FROM Win32_PhysicalMemoryArray").await;
    assert_eq!(
        ["MaxCapacity", "MemoryDevices", "Use"].map(|name| text(&arrays[0], name)),
        ["134217728", "3", "2"]
    );
}

#[tokio::test]
async fn caches_slots_and_connectors_match_the_firmware() {
    let machine = firmware().machine_kept();
    let caches = rows_of(&machine.1, "SELECT * FROM Win32_CacheMemory").await;
    let reported =
        ["Purpose", "Level", "InstalledSize", "WritePolicy", "StatusInfo"].map(|name| text(&caches[0], name));
    assert_eq!(reported, ["L2-Cache", "4", "2048", "3", "3"]);
    let slots = rows_of(&machine.1, "SELECT * FROM Win32_SystemSlot").await;
    let reported = ["SlotDesignation", "CurrentUsage", "BusNumber", "DeviceNumber", "FunctionNumber"]
        .map(|name| text(&slots[0], name));
    assert_eq!(reported, ["PCIE 1", "4", "1", "3", "2"]);
    let ports = rows_of(&machine.1, "SELECT * FROM Win32_PortConnector").await;
    let reported = ["InternalReferenceDesignator", "ExternalReferenceDesignator", "PortType"]
        .map(|name| text(&ports[0], name));
    assert_eq!(reported, ["J1", "USB", "16"]);
    let devices = rows_of(&machine.1, "SELECT * FROM Win32_OnBoardDevice").await;
    assert_eq!(
        ["Description", "DeviceType", "Enabled"].map(|name| text(&devices[0], name)),
        ["Onboard LAN", "5", "true"]
    );
}

#[tokio::test]
async fn processors_are_those_that_lscpu_counts() {
    let found = rows("SELECT * FROM Win32_Processor").await;
    let output = Command::new("lscpu").args(["-p=CPU,CORE,SOCKET"]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Vec<&str>> =
        table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(',').collect()).collect();
    let count =
        |at: usize| lines.iter().map(|line| line[at]).collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(found.len(), count(2));
    let sum = |name: &str| found.iter().map(|row| text(row, name).parse::<usize>().unwrap()).sum::<usize>();
    assert_eq!((sum("NumberOfLogicalProcessors"), sum("NumberOfCores")), (lines.len(), count(1)));
    let output = Command::new("lscpu").env("LC_ALL", "C").output().unwrap();
    let reported = String::from_utf8(output.stdout).unwrap();
    let model = reported.lines().find_map(|line| line.strip_prefix("Model name:")).unwrap().trim();
    assert_eq!(text(&found[0], "Name"), model);
    let load: u16 = text(&found[0], "LoadPercentage").parse().unwrap();
    assert!(load <= 100);
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn processor_id_has_family_model_and_stepping() {
    let script = "awk -F': ' '/^cpu family/ {f=$2} /^model\\t/ {m=$2} /^stepping/ {print f, m, $2; exit}' /proc/cpuinfo";
    let reported: Vec<u32> =
        crate::output("sh", &["-c", script]).split(' ').map(|number| number.parse().unwrap()).collect();
    let found = rows("SELECT ProcessorId FROM Win32_Processor").await;
    let id = u64::from_str_radix(&text(&found[0], "ProcessorId"), 16).unwrap();
    let bits = |low: u32, count: u32| u32::try_from(id >> low & ((1 << count) - 1)).unwrap();
    let (family, model) = (bits(8, 4), bits(4, 4));
    let family = if family == 15 { family + bits(20, 8) } else { family };
    let model = if family == 6 || family >= 15 { model | bits(16, 4) << 4 } else { model };
    assert_eq!([family, model, bits(0, 4)], reported.as_slice());
    // Bits 25 and 26 of EDX: SSE and SSE2, which every x86-64 processor has.
    assert_eq!(bits(32 + 25, 2), 3);
}

#[tokio::test]
async fn processor_query_without_load_does_not_wait() {
    let tree = firmware().file("sys/devices/system/cpu/online", "0\n").machine_kept();
    let opened = tree.1.opened();
    let found = rows_of(&tree.1, "SELECT DeviceID, Architecture FROM Win32_Processor").await;
    assert_eq!(found.len(), 1);
    assert!(tree.1.opened() - opened <= 2, "only which processors there are, and in which package, is read");
}

/// A laptop: graphics, sound, USB with a keyboard and a mouse, SATA, a battery, a fan, a probe and a serial
/// port.
fn laptop() -> Tree {
    let pci = [
        ("00:02.0", "0x030000", "i915", "UHD Graphics"),
        ("00:1f.3", "0x040300", "snd_hda_intel", "Audio"),
        ("00:14.0", "0x0c0330", "xhci_hcd", "USB Controller"),
        ("00:17.0", "0x010601", "ahci", "SATA Controller"),
        ("01:00.0", "0x010802", "nvme", "NVMe SSD Controller"),
    ];
    let tree = pci.into_iter().fold(Tree::new(), |tree, (place, class, driver, model)| {
        let folder = format!("devices/pci0000:00/0000:{place}");
        tree.lines(
            &format!("sys/{folder}"),
            [
                ("class", class),
                ("vendor", "0x8086"),
                ("device", "0x1234"),
                ("subsystem_vendor", "0x17aa"),
                ("subsystem_device", "0x5678"),
                ("revision", "0x02"),
            ],
        )
        .link(&format!("sys/{folder}/driver"), &format!("../../../bus/pci/drivers/{driver}"))
        .link(&format!("sys/{folder}/subsystem"), "../../../bus/pci")
        .link(&format!("sys/bus/pci/devices/0000:{place}"), &format!("../../../{folder}"))
        .file(
            &format!("run/udev/data/+pci:0000:{place}"),
            format!("E:ID_MODEL_FROM_DATABASE={model}\nE:ID_VENDOR_FROM_DATABASE=Intel Corporation\n"),
        )
    });
    let usb = "devices/pci0000:00/0000:00:14.0/usb1/1-1";
    tree.lines(&format!("sys/{usb}"), [("idVendor", "046d"), ("idProduct", "c52b"), ("product", "USB Receiver"), ("manufacturer", "Logitech"), ("bDeviceClass", "00")])
        .link(&format!("sys/{usb}/subsystem"), "../../../../../bus/usb")
        .link("sys/bus/usb/devices/1-1", &format!("../../../{usb}"))
        .file(
            "proc/bus/input/devices",
            format!("I: Bus=0019\nN: Name=\"Power Button\"\nS: Sysfs=/devices/LNXPWRBN/input/input0\nH: Handlers=kbd event0\nB: EV=3\nB: KEY=10000000000000 0\n\n\
             I: Bus=0003\nN: Name=\"Logitech Keyboard\"\nS: Sysfs=/{usb}/1-1:1.0/0003/input/input5\nH: Handlers=sysrq kbd event5\nB: EV=120013\nB: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n\n\
             I: Bus=0003\nN: Name=\"Logitech Mouse\"\nS: Sysfs=/{usb}/1-1:1.1/0003/input/input6\nH: Handlers=mouse0 event6\nB: EV=17\nB: KEY=ff0000 0 0 0 0\nB: REL=1943\n\n"),
        )
        .link(&format!("sys/{usb}/1-1:1.0/subsystem"), "../../../../../../bus/usb")
        .link(&format!("sys/{usb}/1-1:1.0/0003/subsystem"), "../../../../../../../bus/hid")
        .lines(
            "sys/class/power_supply/BAT0",
            [("type", "Battery"), ("status", "Discharging"), ("capacity", "81"), ("energy_full_design", "57000000"), ("energy_full", "50000000"), ("voltage_min_design", "11520000"), ("technology", "Li-poly"), ("model_name", "5B10W13930"), ("serial_number", "1234")],
        )
        .lines("sys/class/power_supply/AC", [("type", "Mains"), ("online", "0")])
        .lines("sys/class/hwmon/hwmon3", [("name", "thinkpad"), ("fan1_input", "2400"), ("pwm1", "100"), ("temp1_input", "45500"), ("temp1_crit", "100000"), ("temp1_label", "CPU"), ("temp1_crit_alarm", "0"), ("in0_input", "11904"), ("in0_label", "+12V"), ("in0_max", "12600"), ("curr1_input", "1500"), ("curr1_alarm", "1")])
        .device("tty", "devices/platform/serial8250/tty/ttyS0")
        .lines("sys/devices/platform/serial8250/tty/ttyS0", [("type", "4")])
        .device("tty", "devices/platform/serial8250/tty/ttyS1")
        .lines("sys/devices/platform/serial8250/tty/ttyS1", [("type", "0")])
        .link("sys/devices/platform/serial8250/driver", "../../../bus/platform/drivers/serial8250")
}

#[tokio::test]
async fn devices_are_found_where_the_kernel_lists_them() {
    let machine = laptop().machine_kept();
    let video = "PCI\\VEN_8086&DEV_1234&SUBSYS_567817AA&REV_02\\0000:00:02.0";
    let usb = "USB\\VID_046D&PID_C52B\\1-1";
    for (class, reported) in [
        (
            "Win32_VideoController",
            vec![("Name", "UHD Graphics"), ("PNPDeviceID", video), ("InstalledDisplayDrivers", "i915")],
        ),
        ("Win32_SoundDevice", vec![("Name", "Audio"), ("Manufacturer", "Intel Corporation")]),
        ("Win32_USBController", vec![("Name", "USB Controller"), ("ProtocolSupported", "16")]),
        ("Win32_IDEController", vec![("Name", "SATA Controller")]),
        ("Win32_SCSIController", vec![("Name", "NVMe SSD Controller"), ("DriverName", "nvme")]),
        (
            "Win32_Keyboard",
            vec![("Name", "Logitech Keyboard"), ("PNPDeviceID", usb), ("NumberOfFunctionKeys", "24")],
        ),
        (
            "Win32_PointingDevice",
            vec![("Name", "Logitech Mouse"), ("NumberOfButtons", "8"), ("PointingType", "3")],
        ),
        (
            "Win32_Battery",
            vec![
                ("BatteryStatus", "1"),
                ("EstimatedChargeRemaining", "81"),
                ("DesignCapacity", "57000"),
                ("DesignVoltage", "11520"),
                ("Chemistry", "8"),
                ("FullChargeCapacity", "50000"),
            ],
        ),
        ("Win32_Fan", vec![("DeviceID", "thinkpad/fan1"), ("VariableSpeed", "true")]),
        (
            "Win32_TemperatureProbe",
            vec![
                ("Name", "CPU"),
                ("CurrentReading", "455"),
                ("UpperThresholdCritical", "1000"),
                ("Status", "OK"),
            ],
        ),
        (
            "Win32_VoltageProbe",
            vec![
                ("DeviceID", "thinkpad/in0"),
                ("Name", "+12V"),
                ("CurrentReading", "11904"),
                ("UpperThresholdNonCritical", "12600"),
                ("Status", "OK"),
            ],
        ),
        ("Win32_CurrentProbe", vec![("CurrentReading", "1500"), ("Status", "Degraded")]),
        ("Win32_SerialPort", vec![("DeviceID", "/dev/ttyS0"), ("Description", "serial8250")]),
    ] {
        let found = rows_of(&machine.1, &format!("SELECT * FROM {class}")).await;
        assert_eq!(found.len(), 1, "{class}");
        reported
            .into_iter()
            .for_each(|(name, value)| assert_eq!(text(&found[0], name), value, "{class}.{name}"));
    }
    let entities = rows_of(&machine.1, "SELECT * FROM Win32_PnPEntity").await;
    assert_eq!(entities.len(), 6);
    let receiver = entities.iter().find(|row| text(row, "DeviceID") == usb).unwrap();
    assert_eq!(["Name", "Manufacturer"].map(|name| text(receiver, name)), ["USB Receiver", "Logitech"]);
    let display =
        rows_of(&machine.1, "SELECT Name, Service FROM Win32_PnPEntity WHERE PNPClass = 'Display'").await;
    assert_eq!(text(&display[0], "Service"), "i915");
}
