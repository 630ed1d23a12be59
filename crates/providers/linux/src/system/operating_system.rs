//! `Win32_OperatingSystem`.

use std::cell::OnceCell;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use cim::DateTime;
use wmi::{ProviderError, Scan};

use super::memory::Memory;
use super::os_release::OsRelease;
use super::{booted, count_of_processes, now, offset, release_of_kernel};
use crate::Machine;
use crate::mounts;
use crate::table::{Fill, Push, Table, host_name, null};

/// The one instance of the running system.
pub(crate) struct OperatingSystem;

/// Where its values come from; each source is read once, when it is needed.
#[derive(Default)]
pub(crate) struct Row {
    release: OnceCell<OsRelease>,
    memory: OnceCell<Memory>,
}

impl Row {
    fn release(&self, machine: &Machine) -> &OsRelease {
        self.release.get_or_init(|| OsRelease::of(machine))
    }

    fn memory(&self, machine: &Machine) -> &Memory {
        self.memory.get_or_init(|| Memory::of(machine))
    }
}

impl Table for OperatingSystem {
    type Row = Row;

    const CLASS: &'static str = "Win32_OperatingSystem";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("BootDevice", |machine, _| mounts::device_of(machine, &["/boot", "/"]).into()),
        ("BuildNumber", |machine, row| {
            let build = row.release(machine).field("BUILD_ID").map(str::to_owned);
            build.or_else(|| release_of_kernel(machine)).into()
        }),
        ("BuildType", |_, _| "Multiprocessor Free".into()),
        ("Caption", |machine, row| caption(row.release(machine)).into()),
        ("CodeSet", |_, _| "65001".into()),
        ("CountryCode", |_, _| "1".into()),
        ("CreationClassName", |_, _| "Win32_OperatingSystem".into()),
        ("CSCreationClassName", |_, _| "Win32_ComputerSystem".into()),
        ("CSDVersion", null),
        ("CSName", host_name),
        ("CurrentTimeZone", |machine, _| offset(machine).into()),
        ("DataExecutionPrevention_32BitApplications", |machine, _| has_nx(machine).into()),
        ("DataExecutionPrevention_Available", |machine, _| has_nx(machine).into()),
        ("DataExecutionPrevention_Drivers", |machine, _| has_nx(machine).into()),
        ("DataExecutionPrevention_SupportPolicy", |machine, _| {
            // 1 is "always on": Linux has no list of exceptions.
            has_nx(machine).map(|has| if has { 1_u8 } else { 0 }).into()
        }),
        ("Debug", |_, _| false.into()),
        ("Description", null),
        ("Distributed", |_, _| false.into()),
        ("EncryptionLevel", |_, _| 256_u32.into()),
        ("ForegroundApplicationBoost", |_, _| 0_u8.into()),
        ("FreePhysicalMemory", |machine, row| row.memory(machine).kib("MemAvailable").into()),
        ("FreeSpaceInPagingFiles", |machine, row| row.memory(machine).kib("SwapFree").into()),
        ("FreeVirtualMemory", |machine, row| row.memory(machine).sum("MemAvailable", "SwapFree").into()),
        ("InstallDate", |machine, _| installed(machine).into()),
        ("LargeSystemCache", null),
        ("LastBootUpTime", |machine, _| booted(machine).into()),
        ("LocalDateTime", |machine, _| machine.timestamp(now()).into()),
        ("Locale", |_, _| "0409".into()),
        ("Manufacturer", |machine, row| {
            let release = row.release(machine);
            release.field("VENDOR_NAME").or_else(|| release.field("NAME")).map(str::to_owned).into()
        }),
        ("MaxNumberOfProcesses", |machine, _| machine.number::<u32>("proc/sys/kernel/pid_max").into()),
        ("MaxProcessMemorySize", |_, _| {
            // What a process of a 64-bit kernel can address, in KiB; others have 3 GiB of 4.
            if cfg!(target_pointer_width = "64") { 137_438_953_344_u64 } else { 3 << 20 }.into()
        }),
        ("MUILanguages", null),
        ("Name", |machine, row| name(machine, row.release(machine)).into()),
        ("NumberOfLicensedUsers", |_, _| 0_u32.into()),
        ("NumberOfProcesses", |machine, _| count_of_processes(machine).into()),
        ("NumberOfUsers", null),
        ("OperatingSystemSKU", |_, _| 0_u32.into()),
        ("Organization", null),
        ("OSArchitecture", |_, _| architecture().into()),
        ("OSLanguage", |_, _| 1033_u32.into()),
        ("OSProductSuite", |_, _| 0_u32.into()),
        // 36 is LINUX.
        ("OSType", |_, _| 36_u16.into()),
        ("OtherTypeDescription", |machine, row| row.release(machine).field("ID").map(str::to_owned).into()),
        ("PAEEnabled", null),
        ("PlusProductID", null),
        ("PlusVersionNumber", null),
        ("PortableOperatingSystem", |_, _| false.into()),
        ("Primary", |_, _| true.into()),
        // 3 is "Server".
        ("ProductType", |_, _| 3_u32.into()),
        ("RegisteredUser", null),
        ("SerialNumber", |machine, _| serial_number(machine).into()),
        ("ServicePackMajorVersion", |_, _| 0_u16.into()),
        ("ServicePackMinorVersion", |_, _| 0_u16.into()),
        ("SizeStoredInPagingFiles", |machine, row| row.memory(machine).kib("SwapTotal").into()),
        ("Status", |_, _| "OK".into()),
        ("SuiteMask", |_, _| 0_u32.into()),
        ("SystemDevice", |machine, _| mounts::device_of(machine, &["/"]).into()),
        ("SystemDirectory", |_, _| "/usr/bin".into()),
        ("SystemDrive", |_, _| "/".into()),
        ("TotalSwapSpaceSize", |machine, row| {
            row.memory(machine).kib("SwapTotal").filter(|total| *total > 0).into()
        }),
        ("TotalVirtualMemorySize", |machine, row| row.memory(machine).sum("MemTotal", "SwapTotal").into()),
        ("TotalVisibleMemorySize", |machine, row| row.memory(machine).kib("MemTotal").into()),
        ("Version", |machine, _| release_of_kernel(machine).into()),
        ("WindowsDirectory", |_, _| "/".into()),
    ];

    fn rows(&self, _: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        push(Row::default())
    }
}

/// The name of the running system, as other classes refer to it.
pub(crate) fn name_of(machine: &Machine) -> Option<String> {
    name(machine, &OsRelease::of(machine))
}

fn name(machine: &Machine, release: &OsRelease) -> Option<String> {
    let device = mounts::device_of(machine, &["/"]).unwrap_or_default();
    caption(release).map(|caption| format!("{caption}|/|{device}"))
}

fn caption(release: &OsRelease) -> Option<String> {
    release.field("PRETTY_NAME").or_else(|| release.field("NAME")).map(str::to_owned)
}

fn has_nx(machine: &Machine) -> Option<bool> {
    let text = machine.text("proc/cpuinfo").ok()?;
    let flags = text.lines().find(|line| line.starts_with("flags"))?;
    Some(flags.split_whitespace().any(|flag| flag == "nx"))
}

/// When the machine got its identity, which is when it was installed.
fn installed(machine: &Machine) -> Option<DateTime> {
    let made = std::fs::metadata(machine.path("etc/machine-id")).ok()?;
    machine.timestamp(made.mtime().checked_mul(1_000_000)?)
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "ARM 64-bit",
        _ if cfg!(target_pointer_width = "64") => "64-bit",
        _ => "32-bit",
    }
}

/// The identity of the machine in groups of five, as serial numbers of Windows are printed.
fn serial_number(machine: &Machine) -> Option<String> {
    let id = machine.line("etc/machine-id")?.to_ascii_uppercase();
    let groups: Vec<&str> = (0..4).filter_map(|group| id.get(group * 5..group * 5 + 5)).collect();
    (groups.len() == 4).then(|| groups.join("-"))
}
