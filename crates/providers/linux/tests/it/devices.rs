//! Devices of machines made of files: monitors, USB, thermal zones, parallel ports and drivers.

use std::process::Command;

use cim::{Instance, Value};

use crate::tree::Tree;
use crate::{rows_in, rows_of, text};

/// Returns the first block of an identification (VESA E-EDID 1.4), as Python composes it.
fn edid() -> Vec<u8> {
    let script = "
import struct, sys
maker = 0
for letter in 'DEL': maker = maker << 5 | ord(letter) - 64
block = bytes([0] + [255] * 6 + [0]) + struct.pack('>H', maker) + struct.pack('<HIBB', 0xA0C5, 7654321, 33, 28)
block += bytes([1, 4]) + bytes(54 - 20)
timing = struct.pack('<H', 14850) + bytes([1920 & 255, 24, (1920 >> 8) << 4 | 1, 1080 & 255, 45, (1080 >> 8) << 4]) + bytes(10)
def descriptor(kind, words): return bytes([0, 0, 0, kind, 0]) + (words.encode() + b'\\n').ljust(13)[:13]
block += timing + descriptor(0xFF, 'CN0ABC12') + descriptor(0xFC, 'DELL U2415') + bytes(18) + bytes([0])
sys.stdout.buffer.write(block + bytes([-sum(block) & 255]))";
    let output = Command::new("python3").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Returns the text in an array of code points, as Windows clients read it.
fn characters(row: &Instance, property: &str) -> String {
    let points = row.value(property).unwrap().elements().iter().map(|value| match value {
        Value::Uint16(point) => *point,
        other => panic!("{property} contains {other:?}"),
    });
    String::from_utf16(&points.filter(|point| *point != 0).collect::<Vec<_>>()).unwrap()
}

#[tokio::test]
async fn monitors_are_identified_by_what_they_report() {
    let card = "sys/class/drm/card0-DP-1";
    let (_tree, machine) = Tree::new()
        .file(&format!("{card}/edid"), edid())
        .lines(card, [("status", "connected"), ("enabled", "enabled"), ("modes", "1920x1200\n1280x1024")])
        .lines("sys/class/drm/card0-VGA-1", [("status", "connected"), ("enabled", "disabled"), ("edid", "")])
        .lines("sys/class/drm/card0-HDMI-A-1", [("status", "disconnected")])
        .file("sys/class/drm/version", "drm 1.1.0\n")
        .machine_kept();
    let monitors = rows_of(&machine, "SELECT * FROM Win32_DesktopMonitor").await;
    let ids: Vec<String> = monitors.iter().map(|row| text(row, "DeviceID")).collect();
    assert_eq!(ids, ["card0-DP-1", "card0-VGA-1"]);
    let columns =
        ["Name", "MonitorManufacturer", "ScreenWidth", "ScreenHeight", "Availability", "PNPDeviceID"];
    assert_eq!(
        columns.map(|name| text(&monitors[0], name)),
        ["DELL U2415", "DEL", "1920", "1200", "3", "DISPLAY\\DELA0C5\\card0-DP-1"]
    );
    assert_eq!(monitors[1].value("MonitorManufacturer"), Some(&Value::Null));
    assert_eq!(text(&monitors[1], "Availability"), "8");
    let identified = rows_in("root/wmi", &machine, "SELECT * FROM WmiMonitorID").await;
    let [row] = identified.as_slice() else { panic!("{} rows", identified.len()) };
    let texts = ["ManufacturerName", "ProductCodeID", "SerialNumberID", "UserFriendlyName"];
    assert_eq!(texts.map(|name| characters(row, name)), ["DEL", "A0C5", "CN0ABC12", "DELL U2415"]);
    assert_eq!(
        ["WeekOfManufacture", "YearOfManufacture", "Active"].map(|name| text(row, name)),
        ["33", "2018", "true"]
    );
}

#[tokio::test]
async fn thermal_zones_report_tenths_of_kelvins() {
    let zone = "sys/class/thermal/thermal_zone0";
    let (_tree, machine) = Tree::new()
        .lines(
            zone,
            [
                ("type", "acpitz"),
                ("temp", "27800"),
                ("trip_point_0_type", "critical"),
                ("trip_point_0_temp", "105000"),
                ("trip_point_1_type", "active"),
                ("trip_point_1_temp", "71000"),
                ("trip_point_2_type", "active"),
                ("trip_point_2_temp", "55000"),
            ],
        )
        .lines("sys/class/thermal/cooling_device0", [("type", "Processor")])
        .machine_kept();
    let found = rows_in("root/wmi", &machine, "SELECT * FROM MSAcpi_ThermalZoneTemperature").await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    assert_eq!(
        ["CurrentTemperature", "CriticalTripPoint", "ActiveTripPointCount"].map(|name| text(row, name)),
        ["3009", "3781", "2"]
    );
    assert_eq!(row.value("ActiveTripPoint"), Some(&Value::from(vec![3441_u32, 3281])));
    assert_eq!(row.value("PassiveTripPoint"), Some(&Value::Null));
}

/// A machine with a USB controller, its root hub and a disk at the hub, an ISA bridge and a FireWire controller.
fn with_usb() -> Tree {
    let controller = "devices/pci0000:00/0000:00:14.0";
    let pci = |tree: Tree, place: &str, class: &str| {
        let folder = format!("devices/pci0000:00/{place}");
        tree.link(&format!("sys/bus/pci/devices/{place}"), &format!("../../../{folder}"))
            .link(&format!("sys/{folder}/subsystem"), "../../../bus/pci")
            .lines(&format!("sys/{folder}"), [("class", class), ("vendor", "0x8086"), ("device", "0x1e31")])
    };
    let usb = |tree: Tree, place: &str, folder: &str, class: &str, speed: &str| {
        tree.link(&format!("sys/bus/usb/devices/{place}"), &format!("../../../{folder}"))
            .link(&format!("sys/{folder}/subsystem"), "../../bus/usb")
            .lines(
                &format!("sys/{folder}"),
                [
                    ("idVendor", "1d6b"),
                    ("idProduct", "0002"),
                    ("bDeviceClass", class),
                    ("bDeviceSubClass", "00"),
                    ("bDeviceProtocol", "01"),
                    ("bConfigurationValue", "1"),
                    ("bNumConfigurations", "1"),
                    ("maxchild", "14"),
                    ("version", " 2.10"),
                    ("speed", speed),
                    ("serial", place),
                ],
            )
    };
    let tree = pci(Tree::new(), "0000:00:14.0", "0x0c0330");
    let tree = pci(tree, "0000:00:1f.0", "0x060100");
    let tree = pci(tree, "0000:00:1e.0", "0x0c0010")
        .link("sys/devices/pci0000:00/0000:00:1e.0/driver", "../../../bus/pci/drivers/firewire_ohci")
        .link("sys/bus/pci/drivers/firewire_ohci/module", "../../../../module/firewire_ohci")
        .lines("sys/module/firewire_ohci", [("version", "1.2"), ("taint", "OE")]);
    let tree = usb(tree, "usb1", &format!("{controller}/usb1"), "09", "480");
    usb(tree, "1-1", &format!("{controller}/usb1/1-1"), "00", "1.5")
        .lines(&format!("sys/{controller}/usb1/1-0:1.0"), [("bAlternateSetting", " 0")])
}

#[tokio::test]
async fn usb_devices_lead_to_their_controller() {
    let (_tree, machine) = with_usb().machine_kept();
    let hubs = rows_of(&machine, "SELECT * FROM Win32_USBHub").await;
    let [hub] = hubs.as_slice() else { panic!("{} hubs", hubs.len()) };
    let columns = ["ClassCode", "ProtocolCode", "NumberOfPorts", "NumberOfConfigs", "USBVersion"];
    assert_eq!(columns.map(|name| text(hub, name)), ["9", "1", "14", "1", "528"], "0x0210 is version 2.10");
    let connections = rows_of(&machine, "SELECT * FROM Win32_USBControllerDevice").await;
    let mut speeds: Vec<String> = connections.iter().map(|row| text(row, "NegotiatedSpeed")).collect();
    speeds.sort();
    assert_eq!(speeds, ["1500000", "480000000"]);
    let controllers = rows_of(&machine, "SELECT * FROM Win32_USBController").await;
    let query = format!(
        "ASSOCIATORS OF {{{}}} WHERE AssocClass = Win32_USBControllerDevice",
        controllers[0].path().unwrap()
    );
    assert_eq!(rows_of(&machine, &query).await.len(), 2, "both ends are instances");
}

#[tokio::test]
async fn boards_controllers_and_drivers_are_those_of_the_buses() {
    let (_tree, machine) = with_usb().machine_kept();
    let boards = rows_of(&machine, "SELECT * FROM Win32_MotherboardDevice").await;
    assert_eq!(["PrimaryBusType", "SecondaryBusType"].map(|name| text(&boards[0], name)), ["PCI", "ISA"]);
    let controllers = rows_of(&machine, "SELECT * FROM Win32_1394Controller").await;
    assert_eq!(controllers.len(), 1);
    let drivers = rows_of(&machine, "SELECT * FROM Win32_PnPSignedDriver").await;
    let [driver] = drivers.as_slice() else { panic!("{} drivers", drivers.len()) };
    assert_eq!(
        ["DriverName", "DriverVersion", "IsSigned", "DeviceID"].map(|name| text(driver, name)),
        ["firewire_ohci", "1.2", "false", text(&controllers[0], "DeviceID").as_str()]
    );
}

#[tokio::test]
async fn parallel_ports_and_floppy_drives_are_listed() {
    let (_tree, machine) = Tree::new()
        .lines("proc/sys/dev/parport/parport0", [("modes", "PCSPP,TRISTATE,EPP"), ("dma", "-1")])
        .lines("proc/sys/dev/parport/default", [("timeslice", "200")])
        .block("devices/platform/floppy.0/block/fd0", "2:0", 8)
        .machine_kept();
    let ports = rows_of(&machine, "SELECT * FROM Win32_ParallelPort").await;
    let [port] = ports.as_slice() else { panic!("{} ports", ports.len()) };
    assert_eq!(["DeviceID", "DMASupport"].map(|name| text(port, name)), ["parport0", "false"]);
    assert_eq!(port.value("Capabilities"), Some(&Value::from(vec![2_u16, 3, 5])));
    let drives = rows_of(&machine, "SELECT DeviceID FROM Win32_FloppyDrive").await;
    assert_eq!(drives.iter().map(|row| text(row, "DeviceID")).collect::<Vec<_>>(), ["/dev/fd0"]);
}

#[tokio::test]
async fn hardware_of_adapters_is_that_of_their_pci_device() {
    let device = "devices/pci0000:00/0000:01:00.1";
    let (_tree, machine) = Tree::new()
        .link("sys/bus/pci/devices/0000:01:00.1", &format!("../../../{device}"))
        .lines(
            &format!("sys/{device}"),
            [
                ("class", "0x020000"),
                ("irq", "24"),
                ("numa_node", "1"),
                ("dma_mask_bits", "64"),
                ("current_link_speed", "8.0 GT/s PCIe"),
                ("max_link_speed", "16.0 GT/s PCIe"),
                ("current_link_width", "4"),
                ("max_link_width", "8"),
                ("sriov_totalvfs", "63"),
                ("label", "Onboard LAN"),
                ("acpi_index", "2"),
                ("msi_irqs/30", "msix"),
                ("msi_irqs/31", "msix"),
            ],
        )
        .lines("sys/bus/pci/slots/7", [("address", "0000:01:00")])
        .device("net", &format!("{device}/net/eth0"))
        .lines(&format!("sys/{device}/net/eth0"), [("ifindex", "2"), ("device/irq", "24")])
        .device("net", "devices/virtual/net/lo")
        .lines("sys/devices/virtual/net/lo", [("ifindex", "1")])
        .machine_kept();
    let query = "SELECT * FROM MSFT_NetAdapterHardwareInfoSettingData";
    let found = rows_in("root/standardcimv2", &machine, query).await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    for (name, value) in [
        ("Name", "eth0"),
        ("LocationInformationString", "PCI bus 1, device 0, function 1"),
        ("SegmentNumber", "0"),
        ("SlotNumber", "7"),
        ("NumaNode", "1"),
        ("Dma64BitSupported", "true"),
        ("MsiXEnabled", "true"),
        ("MsiEnabled", "false"),
        ("LineBasedInterrupts", "false"),
        ("NoInterrupt", "false"),
        ("NumMsiMessages", "2"),
        ("PciExpressCurrentLinkSpeedEncoded", "3"),
        ("PciExpressMaxLinkSpeedEncoded", "4"),
        ("PciExpressCurrentLinkWidth", "4"),
        ("PciExpressMaxLinkWidth", "8"),
        ("SriovSupport", "1"),
        ("PciDeviceLabelString", "Onboard LAN"),
        ("PciDeviceLabelID", "2"),
    ] {
        assert_eq!(text(row, name), value, "{name}");
    }
    assert_eq!(row.value("PciExpressVersion"), Some(&Value::Null), "only root may read it from the device");
}
