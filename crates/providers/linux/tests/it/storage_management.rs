//! Compares `root/microsoft/windows/storage` and the disk classes of `root/wmi` with `lsblk`, `findmnt`,
//! `blkid` and `sfdisk` on this machine, and tests machines made of files.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use cim::{Instance, Namespace, ObjectPath, Value};
use telarch_provider_linux::Machine;
use wmi::Context;

use crate::tree::Tree;
use crate::world::{in_world, random_uuid, run, sh};
use crate::{engine, machine, output, rows_in, text};

const STORAGE: &str = "root/microsoft/windows/storage";

async fn rows(machine: &Arc<Machine>, query: &str) -> Vec<Instance> {
    rows_in(STORAGE, machine, query).await
}

/// Returns the first element of an array.
fn first(row: &Instance, property: &str) -> String {
    let mut text = String::new();
    row.value(property).unwrap().elements().first().unwrap_or(&Value::Null).write_text(&mut text);
    text
}

/// Returns the output of `lsblk` for all disks except those backed by memory, files or other machines.
fn listed(columns: &str) -> Vec<serde_json::Value> {
    let reported: serde_json::Value = serde_json::from_str(&output("lsblk", &["-JbdO"])).unwrap();
    let is_disk = |disk: &&serde_json::Value| {
        let name = disk["name"].as_str().unwrap();
        disk["type"] == "disk" && !["zram", "nbd", "loop"].iter().any(|other| name.starts_with(other))
    };
    let all =
        reported["blockdevices"].as_array().unwrap().iter().filter(is_disk).cloned().collect::<Vec<_>>();
    assert!(all.iter().all(|disk| columns.split(',').all(|column| disk.get(column).is_some())), "{columns}");
    all
}

#[tokio::test]
async fn disks_and_volumes_are_those_that_lsblk_and_findmnt_list() {
    let machine = machine();
    let mut expected: Vec<String> = listed("path,size,log-sec,phy-sec,ro")
        .iter()
        .map(|disk| {
            format!(
                "{} {} {} {} {}",
                disk["path"].as_str().unwrap(),
                disk["size"],
                disk["log-sec"],
                disk["phy-sec"],
                disk["ro"]
            )
        })
        .collect();
    expected.sort();
    let disks = rows(&machine, "SELECT * FROM MSFT_Disk").await;
    let mut found: Vec<String> = disks
        .iter()
        .map(|disk| {
            ["Path", "Size", "LogicalSectorSize", "PhysicalSectorSize", "IsReadOnly"]
                .map(|name| text(disk, name))
                .join(" ")
        })
        .collect();
    found.sort();
    assert_eq!(found, expected);
    let physical =
        rows(&machine, "SELECT DeviceId, Size, HealthStatus, OperationalStatus FROM MSFT_PhysicalDisk").await;
    assert_eq!(physical.len(), disks.len());
    assert!(physical.iter().all(|disk| ["0", "1", "2", "5"].contains(&&*text(disk, "HealthStatus"))));

    let mounts: serde_json::Value = serde_json::from_str(&output(
        "findmnt",
        &["-JbO", "rw", "-o", "TARGET,FSTYPE,SIZE,SOURCE", "--real", "--list"],
    ))
    .unwrap();
    let mounts = mounts["filesystems"].as_array().unwrap();
    let volumes = rows(&machine, "SELECT * FROM MSFT_Volume").await;
    let root = volumes.iter().find(|volume| text(volume, "Path") == "/").expect("there is always a root");
    let reported = mounts.iter().find(|mount| mount["target"] == "/").unwrap();
    assert_eq!(
        [text(root, "FileSystem"), text(root, "Size")],
        [reported["fstype"].as_str().unwrap().to_owned(), reported["size"].to_string()]
    );
    assert_eq!([text(root, "HealthStatus"), first(root, "OperationalStatus")], ["0", "2"]);
}

/// A disk with a partition table created by sfdisk and file systems created by mkfs; further disks that count
/// errors, predict a failure, use NVMe, or are virtual.
fn server(folder: &std::path::Path) -> Option<Tree> {
    let image = folder.join("image");
    let script = format!(
        "truncate -s 64M {0} && printf 'label: gpt\\nlabel-id: 01234567-89AB-4DEF-8123-456789ABCDEF\\n\
         start=2048,size=16384,type=U,uuid=11111111-2222-4333-8444-555555555555\\n\
         start=18432,size=65536,type=L,attrs=\"GUID:63\"\\n' | sfdisk -q {0}",
        image.display()
    );
    let made = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    if !made.status.success() {
        skips::skip!("there is no sfdisk here: {}", String::from_utf8_lossy(&made.stderr).trim());
        return None;
    }
    let sata = "devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda";
    let sas = "devices/pci0000:00/0000:00:02.0/host6/port-6:0/end_device-6:0/target6:0:0/6:0:0:0/block/sdb";
    let nvme = "devices/pci0000:00/0000:00:03.0/nvme/nvme0/nvme0n1";
    let virtio = "devices/pci0000:00/0000:00:04.0/virtio1/block/vda";
    let smartctl = "#!/bin/sh\nfor node; do :; done\ncase $node in\n\
        */sda) echo '{\"smart_status\": {\"passed\": false}, \"power_on_time\": {\"hours\": 20000}, \"rotation_rate\": 7200,\
        \"ata_smart_attributes\": {\"table\": [{\"id\": 4, \"raw\": {\"value\": 95}}]}}'; exit 8;;\n\
        */sdb) echo '{\"smart_status\": {\"passed\": true}, \"temperature\": {\"current\": 33}, \"scsi_error_counter_log\":\
        {\"read\": {\"total_errors_corrected\": 7, \"total_uncorrected_errors\": 2}}, \"endurance_used\": {\"current_percent\": 4}}';;\n\
        *) echo '{\"smartctl\": {\"exit_status\": 2}}'; exit 2;;\nesac\n";
    let tree = Tree::new()
        .block(sata, "8:0", 131_072)
        .link(&format!("sys/{sata}/device"), "../../../0:0:0:0")
        .lines(&format!("sys/{sata}"), [("queue/logical_block_size", "512"), ("queue/physical_block_size", "4096"), ("queue/rotational", "1"), ("ro", "0"), ("removable", "0")])
        .lines("sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0", [("model", "Disk A"), ("state", "running"), ("wwid", "naa.5000c500a1b2c3d4"), ("hwmon/hwmon2/temp1_input", "41000")])
        .file("sys/class/ata_link/link1/sata_spd", "6.0 Gbps\n")
        .block(&format!("{sata}/sda1"), "8:1", 16_384)
        .lines(&format!("sys/{sata}/sda1"), [("partition", "1"), ("start", "2048"), ("ro", "0")])
        .block(&format!("{sata}/sda2"), "8:2", 65_536)
        .lines(&format!("sys/{sata}/sda2"), [("partition", "2"), ("start", "18432"), ("ro", "0")])
        .block(sas, "8:16", 4_096)
        .link(&format!("sys/{sas}/device"), "../../../6:0:0:0")
        .lines(&format!("sys/{sas}"), [("queue/logical_block_size", "512"), ("queue/rotational", "0")])
        .block(nvme, "259:0", 4_096)
        .link(&format!("sys/{nvme}/device"), "../../nvme0")
        .lines("sys/devices/pci0000:00/0000:00:03.0/nvme/nvme0", [("model", "Disk N"), ("state", "live"), ("hwmon1/temp1_input", "29850")])
        .lines(&format!("sys/{nvme}"), [("wwid", "eui.0025385b71b00001"), ("queue/rotational", "0")])
        .block(virtio, "254:0", 4_096)
        .link(&format!("sys/{virtio}/device"), "../../../virtio1")
        .lines(&format!("sys/{virtio}"), [("queue/rotational", "1")])
        .file("dev/sda", std::fs::read(&image).unwrap())
        .file("run/udev/data/b8:2", "E:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=99999999-2222-3333-4444-0123456789ab\nE:ID_FS_LABEL=root\n")
        .file("proc/self/mountinfo", "1 0 8:2 / / rw - ext4 /dev/sda2 rw\n2 1 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n")
        .file("usr/sbin/smartctl", smartctl);
    let program = tree.path().join("usr/sbin/smartctl");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    Some(tree)
}

#[tokio::test]
async fn disks_report_their_health() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tree) = server(folder.path()) else { return };
    let machine = tree.machine();
    let disks = rows(&machine, "SELECT * FROM MSFT_PhysicalDisk").await;
    let columns = |disk: &Instance| {
        let values = ["FriendlyName", "BusType", "MediaType", "SpindleSpeed", "HealthStatus"]
            .map(|name| text(disk, name));
        format!("{} {}", values.join(" "), first(disk, "OperationalStatus"))
    };
    let reported: Vec<String> = disks.iter().map(columns).collect();
    assert_eq!(
        reported,
        ["Disk A 11 3 7200 1 5", "/dev/sdb 10 4 0 0 2", "/dev/vda 1 0  5 0", "Disk N 17 4 0 5 0",],
        "SATA that will fail, SAS that is well, and two that say nothing"
    );
    assert_eq!(
        ["UniqueId", "UniqueIdFormat"].map(|name| text(&disks[0], name)),
        ["naa.5000c500a1b2c3d4", "3"]
    );
    assert_eq!(
        ["UniqueId", "UniqueIdFormat"].map(|name| text(&disks[3], name)),
        ["eui.0025385b71b00001", "2"]
    );

    let counters = rows(&machine, "SELECT * FROM MSFT_StorageReliabilityCounter").await;
    let columns =
        ["DeviceId", "Temperature", "PowerOnHours", "StartStopCycleCount", "ReadErrorsTotal", "Wear"];
    let reported: Vec<String> =
        counters.iter().map(|row| columns.map(|name| text(row, name)).join(",")).collect();
    assert_eq!(
        reported,
        ["0,41,20000,95,,", "1,33,,,9,4", "3,29,,,,"],
        "temperatures of the kernel come first"
    );

    let drives = rows_in("root/cimv2", &machine, "SELECT DeviceID, Status FROM Win32_DiskDrive").await;
    let reported: Vec<String> = drives.iter().map(|row| text(row, "Status")).collect();
    assert_eq!(reported, ["Pred Fail", "OK", "OK", "OK"]);
    let predictions =
        rows_in("root/wmi", &machine, "SELECT * FROM MSStorageDriver_FailurePredictStatus").await;
    let reported: Vec<String> = predictions.iter().map(|row| text(row, "PredictFailure")).collect();
    assert_eq!(reported, ["true", "false"], "only those that say so");
    let ids = rows_in(
        "root/cimv2",
        &machine,
        "SELECT PNPDeviceID FROM Win32_DiskDrive WHERE DeviceID = '/dev/sda'",
    )
    .await;
    assert_eq!(text(&predictions[0], "InstanceName"), format!("{}_0", text(&ids[0], "PNPDeviceID")));

    let subsystems = rows(&machine, "SELECT * FROM MSFT_StorageSubSystem").await;
    assert_eq!(
        ["FriendlyName", "HealthStatus"].map(|name| text(&subsystems[0], name)),
        ["Storage of node7", "1"]
    );
}

#[tokio::test]
async fn partitions_are_those_of_the_table_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tree) = server(folder.path()) else { return };
    let machine = tree.machine();
    let disks = rows(&machine, "SELECT * FROM MSFT_Disk WHERE Path = '/dev/sda'").await;
    let [disk] = disks.as_slice() else { panic!("{} disks", disks.len()) };
    assert_eq!(
        ["PartitionStyle", "Guid", "NumberOfPartitions", "AllocatedSize", "IsBoot", "IsSystem"]
            .map(|name| text(disk, name)),
        ["2", "{01234567-89ab-4def-8123-456789abcdef}", "2", "41943040", "true", "true"]
    );
    assert_eq!(text(disk, "LargestFreeExtent"), (67_108_864 - (18_432 + 65_536) * 512).to_string());
    let reported: serde_json::Value =
        serde_json::from_str(&output("sfdisk", &["-J", folder.path().join("image").to_str().unwrap()]))
            .unwrap();
    let expected: Vec<String> = reported["partitiontable"]["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| {
            let sectors = |name: &str| part[name].as_u64().unwrap() * 512;
            let guid = |name: &str| format!("{{{}}}", part[name].as_str().unwrap().to_lowercase());
            format!("{} {} {} {}", sectors("start"), sectors("size"), guid("type"), guid("uuid"))
        })
        .collect();
    let parts = rows(&machine, "SELECT * FROM MSFT_Partition").await;
    let found: Vec<String> = parts
        .iter()
        .map(|part| ["Offset", "Size", "GptType", "Guid"].map(|name| text(part, name)).join(" "))
        .collect();
    assert_eq!(found, expected);
    let columns = ["PartitionNumber", "DiskNumber", "IsBoot", "IsSystem", "NoDefaultDriveLetter"];
    let found: Vec<String> =
        parts.iter().map(|part| columns.map(|name| text(part, name)).join(" ")).collect();
    assert_eq!(found, ["1 0 false true false", "2 0 true false true"]);

    let of = async |path: &ObjectPath, class: &str| {
        rows(&machine, &format!("ASSOCIATORS OF {{{path}}} WHERE ResultClass = {class}")).await
    };
    let of_disk = of(&disk.path().unwrap(), "MSFT_Partition").await;
    assert_eq!(of_disk.len(), 2);
    let volumes = of(&of_disk[1].path().unwrap(), "MSFT_Volume").await;
    assert_eq!(
        ["FileSystem", "FileSystemLabel", "Path"].map(|name| text(&volumes[0], name)),
        ["ext4", "root", "/"]
    );
    let back = of(&volumes[0].path().unwrap(), "MSFT_Partition").await;
    assert_eq!(text(&back[0], "PartitionNumber"), "2");
    let physical = rows(&machine, "SELECT * FROM MSFT_PhysicalDisk WHERE DeviceId = '0'").await;
    let counters = of(&physical[0].path().unwrap(), "MSFT_StorageReliabilityCounter").await;
    assert_eq!(text(&counters[0], "PowerOnHours"), "20000");
    let all = of(
        &rows(&machine, "SELECT * FROM MSFT_StorageSubSystem").await[0].path().unwrap(),
        "MSFT_PhysicalDisk",
    )
    .await;
    assert_eq!(all.len(), 4);
}

/// Detaches a loop device when dropped.
struct Detach(String);

impl Drop for Detach {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup").args(["-d", &self.0]).status();
    }
}

#[test]
fn volume_is_labelled_and_flushed() {
    let needed = ["mkfs.ext4", "losetup", "e2label", "blkid"];
    in_world("storage_management::volume_is_labelled_and_flushed", &needed, || {
        let uuid = random_uuid();
        let device = sh(&format!(
            "mount -t tmpfs none /media && mkdir /media/place && truncate -s 32M /media/image && \
            mkfs.ext4 -q -L first -U {uuid} /media/image && losetup --find --show /media/image"
        ));
        let _detach = Detach(device.clone());
        let query = format!("SELECT * FROM MSFT_Volume WHERE UniqueId = '/dev/disk/by-uuid/{uuid}'");
        let found = run(rows(&machine(), &query));
        let [volume] = found.as_slice() else { panic!("{} volumes", found.len()) };
        assert_eq!(text(volume, "FileSystemLabel"), "first");
        let path = volume.path().unwrap();
        let call = |method: &str, input: &[(&str, Value)]| {
            let given = |operation: &cim::Operation| {
                let none = Instance::with_defaults(operation.input.clone());
                input.iter().try_fold(none, |all, (name, value)| all.with(name, value.clone()))
            };
            let (context, namespace) =
                (Context::of_this_process("alice"), Namespace::parse(STORAGE).unwrap());
            run(engine(&machine()).invoke(&context, &namespace, &path, method, given))
        };
        call("Flush", &[]).unwrap_err();
        sh(&format!("mount {device} /media/place"));
        assert_eq!(text(&call("Flush", &[]).unwrap(), "ReturnValue"), "0");
        let labelled = call("SetFileSystemLabel", &[("FileSystemLabel", "second".into())]).unwrap();
        assert_eq!(text(&labelled, "ReturnValue"), "0");
        assert_eq!(sh(&format!("blkid -p -s LABEL -o value {device}")), "second");
        sh("umount /media/place");
    });
}

#[tokio::test]
async fn arrays_of_software_raid_are_virtual_disks() {
    let (_tree, machine) = Tree::new()
        .lines("sys/block/md0", [("size", "2000000"), ("ro", "0"), ("queue/logical_block_size", "512")])
        .lines(
            "sys/block/md0/md",
            [
                ("level", "raid5"),
                ("raid_disks", "3"),
                ("degraded", "1"),
                ("chunk_size", "524288"),
                ("array_state", "clean"),
                ("uuid", "1-2-3-4"),
            ],
        )
        .lines("sys/block/sda", [("size", "1000")])
        .machine_kept();
    let found = rows(&machine, "SELECT * FROM MSFT_VirtualDisk").await;
    let [disk] = found.as_slice() else { panic!("{} disks", found.len()) };
    for (name, value) in [
        ("FriendlyName", "md0"),
        ("Name", "/dev/md0"),
        ("Size", "1024000000"),
        ("ResiliencySettingName", "Parity"),
        ("HealthStatus", "1"),
        ("PhysicalDiskRedundancy", "1"),
        ("NumberOfColumns", "3"),
        ("NumberOfDataCopies", "1"),
        ("Interleave", "524288"),
        ("Access", "3"),
        ("ProvisioningType", "2"),
        ("UniqueId", "1-2-3-4"),
    ] {
        assert_eq!(text(disk, name), value, "{name}");
    }
}
