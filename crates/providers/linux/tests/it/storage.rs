//! Compares disks and file systems with `df`, `blkid` and `lsblk` on this machine, and tests machines made of
//! files.

mod files;
mod mounted;

use std::process::Command;

use crate::tree::Tree;
use crate::{rows, rows_of, text};

#[tokio::test]
async fn logical_disk_sizes_match_df() {
    let output = Command::new("df").args(["-B1", "--output=target,size,fstype"]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let reported: Vec<Vec<&str>> =
        table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let disks = rows("SELECT DeviceID, Size, FreeSpace, FileSystem, Status FROM Win32_LogicalDisk").await;
    assert!(disks.iter().any(|disk| text(disk, "DeviceID") == "/"), "there is always a root");
    for disk in &disks {
        let id = text(disk, "DeviceID");
        let line =
            reported.iter().find(|line| line[0] == id).unwrap_or_else(|| panic!("df does not know {id}"));
        assert_eq!([text(disk, "Size"), text(disk, "FileSystem")], [line[1], line[2]], "{id}");
        let (free, size): (u64, u64) = (text(disk, "FreeSpace").parse().unwrap(), line[1].parse().unwrap());
        assert!(free <= size && text(disk, "Status") == "OK", "{id}");
    }
}

#[tokio::test]
async fn disks_are_those_that_lsblk_lists() {
    let output = Command::new("lsblk").args(["-bdno", "PATH,SIZE,TYPE,LOG-SEC"]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let mut expected: Vec<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        // Disks in compressed memory are not physical disks.
        .filter(|line| {
            line[2] == "disk" && !line[0].starts_with("/dev/zram") && !line[0].starts_with("/dev/nbd")
        })
        .map(|line| format!("{} {} {}", line[0], line[1], line[3]))
        .collect();
    expected.sort();
    let drives = rows("SELECT DeviceID, Size, BytesPerSector FROM Win32_DiskDrive").await;
    let mut found: Vec<String> = drives
        .iter()
        .map(|drive| ["DeviceID", "Size", "BytesPerSector"].map(|name| text(drive, name)).join(" "))
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn file_system_is_not_queried_unless_its_size_is_selected() {
    let machine = std::sync::Arc::new(telarch_provider_linux::Machine::this());
    rows_of(&machine, "SELECT DeviceID, FileSystem FROM Win32_LogicalDisk").await;
    assert_eq!(machine.opened(), 1, "mountinfo has both");
}

/// A machine with this number of disks, each mounted at two places, as many network shares, and a file at
/// each mount point.
fn machine_of_mounts(count: u32) -> (Tree, std::sync::Arc<telarch_provider_linux::Machine>) {
    let (mut mounts, mut fstab) = ("1 0 9:0 / / rw - ext4 /dev/root rw\n".to_owned(), String::new());
    let mut tree =
        Tree::new().file("proc/swaps", "Filename Type Size Used Priority\n/srv/7/swap file 1 0 -2\n");
    for number in 0..count {
        for place in ["/srv", "/again"] {
            mounts += &format!("1 0 8:{number} / {place}/{number} rw - ext4 /dev/d{number} rw\n");
        }
        mounts += &format!("1 0 0:{number} / /net/{number} rw - nfs4 server:/{number} rw\n");
        fstab += &format!(
            "server:/{number} /net/{number} nfs4 defaults\n/dev/d{number} /srv/{number} ext4 defaults\n"
        );
        if number < 100 {
            tree = tree.file(&format!("srv/7/{number}"), "");
        }
    }
    tree.file("proc/self/mountinfo", mounts).file("etc/fstab", fstab).machine_kept()
}

#[tokio::test]
async fn mounts_are_read_once_per_query() {
    let (_tree, machine) = machine_of_mounts(5_000);
    let mountinfo = machine.octets_up_to("proc/self/mountinfo", u64::MAX).unwrap().len();
    let all = u64::try_from(mountinfo + machine.octets("etc/fstab").unwrap().len()).unwrap();
    for (query, count) in [
        ("SELECT PageFilePresent, SystemVolume, Automount FROM Win32_Volume", 5_001),
        ("SELECT * FROM Win32_MountPoint", 10_001),
        ("SELECT * FROM Win32_NetworkConnection", 5_000),
        ("SELECT Drive, FSName FROM CIM_DataFile WHERE Path = '/srv/7/'", 100),
    ] {
        let before = machine.octets_read();
        let rows = rows_of(&machine, query).await;
        assert_eq!(rows.len(), count, "{query}");
        // Mounts are read twice if both volumes and all mount points are needed, plus a few small files.
        let read = machine.octets_read() - before;
        assert!(read <= 2 * all + 4096, "{query}: {read} octets, where all there is has {all}");
    }
    let volumes = rows_of(&machine, "SELECT Name FROM Win32_Volume WHERE PageFilePresent = TRUE").await;
    assert_eq!(volumes.iter().map(|row| text(row, "Name")).collect::<Vec<_>>(), ["/srv/7"]);
    let files = rows_of(&machine, "SELECT Drive FROM CIM_DataFile WHERE Name = '/srv/7/3'").await;
    assert_eq!(text(&files[0], "Drive"), "/srv/7");
}

/// A SATA disk with three partitions, two of which form a logical volume; a USB stick; a network share.
fn workstation() -> Tree {
    let sda = "devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda";
    let sdb = "devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb";
    let sr0 = "devices/pci0000:00/0000:00:1f.2/ata2/host1/target1:0:0/1:0:0:0/block/sr0";
    Tree::new()
        .block(sda, "8:0", 2_000_000)
        .link(&format!("sys/{sda}/device"), "../../../0:0:0:0")
        .lines(
            "sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0",
            [("model", "Samsung SSD 860 "), ("vendor", "ATA     "), ("rev", "RVT0"), ("state", "running")],
        )
        .lines(&format!("sys/{sda}"), [("queue/logical_block_size", "512"), ("removable", "0"), ("ro", "0")])
        .file("run/udev/data/b8:0", "E:ID_SERIAL_SHORT=S3Z8\nE:ID_PART_TABLE_TYPE=gpt\n")
        .block(&format!("{sda}/sda1"), "8:1", 1_000)
        .lines(&format!("sys/{sda}/sda1"), [("partition", "1"), ("start", "2048")])
        .file(
            "run/udev/data/b8:1",
            "E:ID_FS_TYPE=vfat\nE:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=AB12-34CD\nE:ID_FS_UUID_ENC=AB12-34CD\n\
             E:ID_PART_ENTRY_SCHEME=gpt\nE:ID_PART_ENTRY_TYPE=c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n",
        )
        .block(&format!("{sda}/sda2"), "8:2", 900_000)
        .lines(&format!("sys/{sda}/sda2"), [("partition", "2"), ("start", "4096"), ("holders/dm-0/x", "")])
        .file("run/udev/data/b8:2", "E:ID_FS_TYPE=LVM2_member\nE:ID_FS_USAGE=raid\n")
        .block(&format!("{sda}/sda5"), "8:5", 900_000)
        .lines(&format!("sys/{sda}/sda5"), [("partition", "5"), ("start", "1000000"), ("holders/dm-0/x", "")])
        .block("devices/virtual/block/dm-0", "253:0", 1_800_000)
        .link("sys/devices/virtual/block/dm-0/slaves/sda2", &format!("../../../../../../{sda}/sda2"))
        .link("sys/devices/virtual/block/dm-0/slaves/sda5", &format!("../../../../../../{sda}/sda5"))
        .file(
            "run/udev/data/b253:0",
            "E:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=11111111-2222-3333-4444-0123456789ab\n\
             E:ID_FS_LABEL=my_root\nE:ID_FS_LABEL_ENC=my\\x20root\n",
        )
        .block(sdb, "8:16", 16_000)
        .link(&format!("sys/{sdb}/device"), "../../../6:0:0:0")
        .lines(&format!("sys/{sdb}"), [("removable", "1"), ("ro", "1")])
        .file(
            "run/udev/data/b8:16",
            "E:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=99999999-2222-3333-4444-0123456789ab\n\
             E:ID_PART_TABLE_TYPE=dos\nE:ID_PART_TABLE_UUID=deadbeef\n",
        )
        .block(sr0, "11:0", 2_097_151)
        .file("run/udev/data/b11:0", "E:ID_CDROM=1\nE:ID_CDROM_DVD=1\nE:ID_CDROM_DVD_R=1\n")
        .file(
            "proc/self/mountinfo",
            "1 0 253:0 / / rw - ext4 /dev/mapper/vg-root rw,usrquota\n\
             2 1 0:21 / /proc rw - proc proc rw\n\
             3 1 253:0 /srv/x /var/x rw - ext4 /dev/mapper/vg-root rw\n\
             4 1 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n\
             5 1 0:50 / /home/a\\040b rw - nfs4 server:/export rw\n\
             6 1 0:51 / /tmp rw - tmpfs tmpfs rw\n\
             7 1 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro\n",
        )
        .file("etc/fstab", "UUID=AB12-34CD /boot/efi vfat defaults 0 1\n")
}

#[tokio::test]
async fn disk_values_use_windows_terms() {
    let tree = workstation();
    let drives = rows_of(&tree.machine(), "SELECT * FROM Win32_DiskDrive").await;
    let [disk, stick] = drives.as_slice() else { panic!("{} drives", drives.len()) };
    let reported = [
        ("DeviceID", "/dev/sda"),
        ("Model", "Samsung SSD 860"),
        ("SerialNumber", "S3Z8"),
        ("InterfaceType", "IDE"),
        ("Partitions", "3"),
        ("Size", "1024000000"),
        ("MediaType", "Fixed hard disk media"),
        ("SCSIPort", "0"),
        ("Status", "OK"),
        ("SystemName", "node7"),
        ("Signature", ""),
    ];
    reported.into_iter().for_each(|(name, value)| assert_eq!(text(disk, name), value, "{name}"));
    assert_eq!(
        ["InterfaceType", "Index", "Signature"].map(|name| text(stick, name)),
        ["USB", "1", "3735928559"]
    );
    assert_eq!(stick.value("Capabilities").unwrap().elements().len(), 2, "it cannot be written");
}

#[tokio::test]
async fn partitions_are_named_by_the_number_of_the_kernel() {
    let tree = workstation();
    let query = "SELECT DeviceID, Type, StartingOffset, Bootable FROM Win32_DiskPartition";
    let rows = rows_of(&tree.machine(), query).await;
    let reported: Vec<_> =
        rows.iter().map(|row| ["DeviceID", "Type", "StartingOffset"].map(|name| text(row, name))).collect();
    assert_eq!(
        reported,
        [
            ["Disk #0, Partition #0", "GPT: System", "1048576"],
            ["Disk #0, Partition #1", "", "2097152"],
            ["Disk #0, Partition #4", "", "512000000"],
            ["Disk #1, Partition #0", "", "0"],
        ],
        "the stick has a file system and no partition table"
    );
    assert_eq!(text(&rows[0], "Bootable"), "true");
}

#[tokio::test]
async fn each_file_system_is_one_logical_disk() {
    let tree = workstation();
    let query = "SELECT DeviceID, DriveType, ProviderName, VolumeName, VolumeSerialNumber, QuotasDisabled FROM Win32_LogicalDisk";
    let rows = rows_of(&tree.machine(), query).await;
    let reported: Vec<_> = rows
        .iter()
        .map(|row| {
            ["DeviceID", "DriveType", "ProviderName", "VolumeName", "VolumeSerialNumber"]
                .map(|name| text(row, name))
        })
        .collect();
    assert_eq!(
        reported,
        [
            ["/", "3", "", "my root", "456789AB"],
            ["/boot/efi", "3", "", "", "AB1234CD"],
            ["/home/a b", "4", "server:/export", "", ""],
        ]
    );
    assert_eq!(text(&rows[0], "QuotasDisabled"), "false");
}

#[tokio::test]
async fn logical_disk_on_lvm_leads_to_its_drives() {
    let tree = workstation();
    let machine = tree.machine();
    let to_parts =
        "ASSOCIATORS OF {Win32_LogicalDisk.DeviceID='/'} WHERE AssocClass=Win32_LogicalDiskToPartition";
    let parts: Vec<_> = rows_of(&machine, to_parts).await.iter().map(|row| text(row, "DeviceID")).collect();
    assert_eq!(parts, ["Disk #0, Partition #1", "Disk #0, Partition #4"]);
    let to_drive = "ASSOCIATORS OF {Win32_DiskPartition.DeviceID='Disk #0, Partition #4'} WHERE ResultClass=Win32_DiskDrive";
    let drives: Vec<_> = rows_of(&machine, to_drive).await.iter().map(|row| text(row, "DeviceID")).collect();
    assert_eq!(drives, ["/dev/sda"]);
    let mapped = rows_of(&machine, "SELECT DeviceID FROM Win32_MappedLogicalDisk").await;
    assert_eq!(mapped.iter().map(|row| text(row, "DeviceID")).collect::<Vec<_>>(), ["/home/a b"]);
}

#[tokio::test]
async fn unmounted_volumes_are_listed() {
    let tree = workstation();
    let rows = rows_of(
        &tree.machine(),
        "SELECT DeviceID, DriveLetter, Automount, SystemVolume, SerialNumber FROM Win32_Volume",
    )
    .await;
    let reported: Vec<_> = rows
        .iter()
        .map(|row| ["DeviceID", "DriveLetter", "Automount", "SystemVolume"].map(|name| text(row, name)))
        .collect();
    assert_eq!(
        reported,
        [
            ["/dev/disk/by-uuid/11111111-2222-3333-4444-0123456789ab", "/", "false", "false"],
            ["/dev/disk/by-uuid/AB12-34CD", "/boot/efi", "true", "true"],
            ["/dev/disk/by-uuid/99999999-2222-3333-4444-0123456789ab", "", "false", "false"],
        ]
    );
    assert_eq!(text(&rows[1], "SerialNumber"), 0xAB12_34CD_u32.to_string());
}

#[tokio::test]
async fn optical_drive_type_follows_its_capabilities() {
    let tree = workstation();
    let rows = rows_of(&tree.machine(), "SELECT * FROM Win32_CDROMDrive").await;
    let [drive] = rows.as_slice() else { panic!("{} drives", rows.len()) };
    assert_eq!(
        ["MediaType", "MediaLoaded", "Drive"].map(|name| text(drive, name)),
        ["DVD Writer", "false", "/dev/sr0"]
    );
}

#[tokio::test]
async fn disk_is_found_by_its_alias() {
    let machine = std::sync::Arc::new(telarch_provider_linux::Machine::this().drive_alias("C:", "/"));
    let size = |disks: &[cim::Instance]| disks.iter().map(|disk| text(disk, "Size")).collect::<Vec<_>>();
    let by_alias = rows_of(&machine, "SELECT Size FROM Win32_LogicalDisk WHERE DeviceID='c:'").await;
    let by_place = rows_of(&machine, "SELECT Size FROM Win32_LogicalDisk WHERE DeviceID='/'").await;
    assert_eq!(by_alias.len(), 1);
    assert_eq!(size(&by_alias), size(&by_place));
}

#[tokio::test]
async fn disk_aliases_are_configurable() {
    let tree = crate::tree::Tree::new()
        .file("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
        .file("etc/telarch/wmi.toml", "drive_alias = { \"C:\" = \"/\", \"X:\" = \"/nowhere\" }\n");
    let (tree, machine) = tree.machine_kept();
    let names = async || {
        let disks = rows_of(&machine, "SELECT DeviceID FROM Win32_LogicalDisk").await;
        disks.iter().map(|disk| text(disk, "DeviceID")).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["/", "C:"]);
    let tree = tree.file("etc/telarch/wmi.toml", "drive_alias = { \"D:\" = \"/\" }\n");
    // File times have a resolution of a few milliseconds.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    let file = std::fs::File::options().write(true).open(tree.path().join("etc/telarch/wmi.toml")).unwrap();
    file.set_modified(later).unwrap();
    assert_eq!(names().await, ["/", "D:"], "the file is read again");
}

/// A machine whose whole disk is a file system, with an encrypted volume on a second disk and a locked third.
fn unpartitioned() -> Tree {
    let disk = |name: &str| format!("devices/pci0000:00/0000:00:04.0/virtio1/block/{name}");
    let uuid = "0123456789abcdef0123456789abcdef";
    let disks = [("vda", "254:0", 2_000_000), ("vdb", "254:16", 1_000_000), ("vdc", "254:32", 500_000)];
    let tree = disks.into_iter().fold(Tree::new(), |tree, (name, number, sectors)| {
        tree.block(&disk(name), number, sectors)
            .link(&format!("sys/{}/device", disk(name)), "../../../virtio1")
            .lines(&format!("sys/{}", disk(name)), [("queue/logical_block_size", "512")])
    });
    tree.file(&format!("sys/{}/holders/dm-0/x", disk("vdb")), "")
        .block("devices/virtual/block/dm-0", "253:0", 999_000)
        .link("sys/devices/virtual/block/dm-0/slaves/vdb", &format!("../../../../../../{}", disk("vdb")))
        .file("sys/devices/virtual/block/dm-0/dm/uuid", format!("CRYPT-LUKS2-{uuid}-secret\n"))
        .file("run/udev/data/b253:0", "E:ID_FS_TYPE=xfs\nE:ID_FS_USAGE=filesystem\n")
        .file("run/udev/data/b254:16", "E:ID_FS_TYPE=crypto_LUKS\nE:ID_FS_USAGE=crypto\n")
        .file("run/udev/data/b254:32", "E:ID_FS_TYPE=crypto_LUKS\nE:ID_FS_USAGE=crypto\nE:ID_FS_UUID=ab-cd\n")
        .file(
            "proc/self/mountinfo",
            "1 0 254:0 / / rw - ext4 /dev/vda rw\n2 1 253:0 / /safe rw - xfs /dev/mapper/secret rw\n",
        )
}

#[tokio::test]
async fn file_system_on_a_whole_disk_leads_to_its_drive() {
    let (_tree, machine) = unpartitioned().machine_kept();
    let to_parts =
        "ASSOCIATORS OF {Win32_LogicalDisk.DeviceID='/'} WHERE AssocClass=Win32_LogicalDiskToPartition";
    let parts = rows_of(&machine, to_parts).await;
    let columns = ["DeviceID", "StartingOffset", "Size", "BlockSize", "NumberOfBlocks", "DiskIndex"];
    assert_eq!(
        columns.map(|name| text(&parts[0], name)),
        ["Disk #0, Partition #0", "0", "1024000000", "512", "2000000", "0"]
    );
    let to_drive = "ASSOCIATORS OF {Win32_DiskPartition.DeviceID='Disk #0, Partition #0'} WHERE ResultClass=Win32_DiskDrive";
    let drives = rows_of(&machine, to_drive).await;
    assert_eq!(["DeviceID", "Partitions"].map(|name| text(&drives[0], name)), ["/dev/vda", "1"]);
    let below_crypt =
        "ASSOCIATORS OF {Win32_LogicalDisk.DeviceID='/safe'} WHERE AssocClass=Win32_LogicalDiskToPartition";
    let parts = rows_of(&machine, below_crypt).await;
    assert_eq!(parts.iter().map(|row| text(row, "DiskIndex")).collect::<Vec<_>>(), ["1"]);
}

#[tokio::test]
async fn each_local_file_system_leads_to_the_disks_that_lsblk_shows() {
    let script = "lsblk -J -s -o NAME,TYPE,MOUNTPOINTS | python3 -c \"
import json, sys
def disks(d): return [d['name']] if d['type'] == 'disk' else [n for c in d.get('children', []) for n in disks(c)]
for d in json.load(sys.stdin)['blockdevices']:
    if '/' in (d['mountpoints'] or []): print('\\n'.join(sorted(set(disks(d)))))\"";
    let reported = crate::world::sh(script);
    let Some(disk) = reported.lines().next() else {
        skips::skip!("the root file system of this machine is not on a disk");
        return;
    };
    let query =
        "ASSOCIATORS OF {Win32_LogicalDisk.DeviceID='/'} WHERE AssocClass=Win32_LogicalDiskToPartition";
    let parts = rows(query).await;
    let query = format!(
        "ASSOCIATORS OF {{{}}} WHERE ResultClass=Win32_DiskDrive AssocClass=Win32_DiskDriveToDiskPartition",
        parts[0].path().unwrap()
    );
    assert_eq!(text(&rows(&query).await[0], "DeviceID"), format!("/dev/{disk}"));
}

#[tokio::test]
async fn encrypted_volumes_are_those_of_the_device_mapper() {
    let (_tree, machine) = unpartitioned().machine_kept();
    let namespace = "root/cimv2/security/microsoftvolumeencryption";
    let found = crate::rows_in(namespace, &machine, "SELECT * FROM Win32_EncryptableVolume").await;
    let columns = ["DriveLetter", "ProtectionStatus", "ConversionStatus", "VolumeType", "PersistentVolumeID"];
    let reported: Vec<_> = found.iter().map(|row| columns.map(|name| text(row, name))).collect();
    assert_eq!(
        reported,
        [
            ["/", "0", "0", "0", ""],
            ["/safe", "1", "1", "1", "01234567-89ab-cdef-0123-456789abcdef"],
            ["", "2", "1", "1", "ab-cd"],
        ]
    );
}

#[tokio::test]
async fn disk_that_does_not_answer_is_not_enabled() {
    let machine = std::sync::Arc::new(telarch_provider_linux::Machine::this());
    let found =
        rows_of(&machine, "SELECT StatusInfo, Status FROM Win32_LogicalDisk WHERE DeviceID='/'").await;
    assert_eq!(["StatusInfo", "Status"].map(|name| text(&found[0], name)), ["3", "OK"]);
    let (_tree, machine) =
        Tree::new().file("proc/self/mountinfo", "1 0 8:1 / /gone rw - ext4 /dev/sda1 rw\n").machine_kept();
    let found = rows_of(&machine, "SELECT StatusInfo, Availability FROM Win32_LogicalDisk").await;
    assert_eq!(["StatusInfo", "Availability"].map(|name| text(&found[0], name)), ["4", "8"]);
}
