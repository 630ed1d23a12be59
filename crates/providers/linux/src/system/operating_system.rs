//! `Win32_OperatingSystem`.

use std::cell::OnceCell;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cim::{ColumnSet, DateTime, Instance, Status};
use linux::mounts::{Mount, device_of};
use linux::now;
use linux::system::chassis::{Kind, machine_info};
use linux::system::count_of_processes;
use linux::system::locale::Locale;
use linux::system::memory::Memory;
use linux::system::os_release::OsRelease;
use linux::system::{OperatingSystem as System, hostname};
use wmi::{Context, MethodCall, ProviderError};

use super::power::{self, End};
use super::{booted, offset, release_of_kernel};
use crate::Machine;
use crate::table::{Fill, Table, failure, host_name, null, returned};

/// The only instance: the running system.
pub(crate) struct OperatingSystem;

/// Sources of the values, each read once when it is needed.
#[derive(Default)]
pub(crate) struct Row {
    release: OnceCell<OsRelease>,
    memory: OnceCell<Memory>,
    locale: OnceCell<Option<Locale>>,
    mounts: OnceCell<Arc<[Mount]>>,
    has_nx: OnceCell<Option<bool>>,
}

impl Row {
    fn release(&self, machine: &Machine) -> &OsRelease {
        self.release.get_or_init(|| OsRelease::of(machine))
    }

    fn memory(&self, machine: &Machine) -> &Memory {
        self.memory.get_or_init(|| Memory::of(machine))
    }

    fn locale(&self, machine: &Machine) -> Option<&Locale> {
        self.locale.get_or_init(|| Locale::of(machine)).as_ref()
    }

    fn mounts(&self, machine: &Machine) -> &[Mount] {
        self.mounts.get_or_init(|| machine.mounts().unwrap_or_default())
    }

    fn has_nx(&self, machine: &Machine) -> Option<bool> {
        *self.has_nx.get_or_init(|| has_nx(machine))
    }

    /// Returns the language identifier of the machine; American English if the language is unknown or not
    /// set.
    fn language(&self, machine: &Machine) -> u16 {
        self.locale(machine).and_then(Locale::identifier).unwrap_or(0x0409)
    }
}

impl Table for OperatingSystem {
    type Row = Row;

    const CLASS: &'static str = "Win32_OperatingSystem";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("BootDevice", |machine, row| device_of(row.mounts(machine), &["/boot", "/"]).into()),
        ("BuildNumber", |machine, row| build_number(machine, row.release(machine)).into()),
        ("BuildType", |_, _| "Multiprocessor Free".into()),
        ("Caption", |machine, row| row.release(machine).pretty_name().to_owned().into()),
        ("CodeSet", |_, _| "65001".into()),
        ("CountryCode", |machine, row| {
            row.locale(machine).and_then(Locale::calling_code).unwrap_or(1).to_string().into()
        }),
        ("CreationClassName", |_, _| "Win32_OperatingSystem".into()),
        ("CSCreationClassName", |_, _| "Win32_ComputerSystem".into()),
        ("CSDVersion", null),
        ("CSName", host_name),
        ("CurrentTimeZone", |machine, _| offset(machine).into()),
        ("DataExecutionPrevention_32BitApplications", |machine, row| row.has_nx(machine).into()),
        ("DataExecutionPrevention_Available", |machine, row| row.has_nx(machine).into()),
        ("DataExecutionPrevention_Drivers", |machine, row| row.has_nx(machine).into()),
        ("DataExecutionPrevention_SupportPolicy", |machine, row| {
            // 1 is "always on": Linux has no list of exceptions.
            row.has_nx(machine).map(|has| if has { 1_u8 } else { 0 }).into()
        }),
        ("Debug", |_, _| false.into()),
        ("Description", |machine, _| machine_info(machine, "PRETTY_HOSTNAME").into()),
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
        ("Locale", |machine, row| format!("{:04x}", row.language(machine)).into()),
        ("Manufacturer", |machine, row| {
            let release = row.release(machine);
            release.field("VENDOR_NAME").or_else(|| release.field("NAME")).map(str::to_owned).into()
        }),
        ("MaxNumberOfProcesses", |machine, _| machine.number::<u32>("proc/sys/kernel/pid_max").into()),
        ("MaxProcessMemorySize", |_, _| {
            // Address space of a process in KiB: 47 bits on 64-bit machines, on others 3 GiB of 4.
            if cfg!(target_pointer_width = "64") { 137_438_953_344_u64 } else { 3 << 20 }.into()
        }),
        ("MUILanguages", |machine, row| row.locale(machine).map(|locale| vec![locale.tag()]).into()),
        ("Name", |machine, row| {
            let device = device_of(row.mounts(machine), &["/"]);
            name_of(&System { name: row.release(machine).pretty_name().to_owned(), device }).into()
        }),
        ("NumberOfLicensedUsers", |_, _| 0_u32.into()),
        ("NumberOfProcesses", |machine, _| count_of_processes(machine).into()),
        ("NumberOfUsers", |machine, _| linux::session::count(machine).into()),
        ("OperatingSystemSKU", |_, _| 0_u32.into()),
        ("Organization", null),
        ("OSArchitecture", |_, _| architecture().into()),
        ("OSLanguage", |machine, row| u32::from(row.language(machine)).into()),
        ("OSProductSuite", |_, _| 0_u32.into()),
        // 36 is LINUX.
        ("OSType", |_, _| 36_u16.into()),
        ("OtherTypeDescription", |machine, row| row.release(machine).field("ID").map(str::to_owned).into()),
        ("PAEEnabled", null),
        ("PlusProductID", null),
        ("PlusVersionNumber", null),
        ("PortableOperatingSystem", |_, _| false.into()),
        ("Primary", |_, _| true.into()),
        // 1 is "Work Station", 3 "Server".
        ("ProductType", |machine, _| match Kind::of(machine) {
            Kind::Desktop | Kind::Mobile => 1_u32.into(),
            Kind::Server | Kind::Unspecified => 3_u32.into(),
        }),
        ("RegisteredUser", null),
        ("SerialNumber", |machine, _| serial_number(machine).into()),
        ("ServicePackMajorVersion", |_, _| 0_u16.into()),
        ("ServicePackMinorVersion", |_, _| 0_u16.into()),
        ("SizeStoredInPagingFiles", |machine, row| row.memory(machine).kib("SwapTotal").into()),
        ("Status", |machine, _| match linux::service::is_degraded(machine) {
            Some(true) => "Degraded".into(),
            _ => "OK".into(),
        }),
        ("SuiteMask", |_, _| 0_u32.into()),
        ("SystemDevice", |machine, row| device_of(row.mounts(machine), &["/"]).into()),
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

    fn all(_: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(std::iter::once(Row::default()))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let code = match call.operation.method.name.as_str() {
            "Reboot" => power::end(machine, End::Reboot, Duration::ZERO, None),
            "Shutdown" => power::end(machine, End::PowerOff, Duration::ZERO, None),
            "Win32Shutdown" | "Win32ShutdownTracker" => power::by_flags(machine, call.input),
            "SetDateTime" => power::set_clock(machine, call.input),
            _ => return Err(ProviderError::NotCapable),
        };
        returned(call, code)
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let class = instance.class();
        let description = class.require("Description")?;
        if changed.iter().any(|column| column != description) {
            return Err(ProviderError::failed(Status::NotSupported, "only Description can be changed"));
        }
        let text = instance.at(description).as_str().unwrap_or_default();
        hostname::describe(machine, text).map_err(failure)
    }
}

/// Returns `Name` of the running system, as used in references from other classes.
pub(crate) fn name_of(system: &System) -> String {
    format!("{}|/|{}", system.name, system.device.as_deref().unwrap_or_default())
}

/// Returns the build of the distribution or, because clients expect a number, the last number of the kernel's
/// release.
pub(crate) fn build_number(machine: &Machine, release: &OsRelease) -> Option<String> {
    let build = release.field("BUILD_ID").map(str::to_owned);
    build.or_else(|| Some(release_of_kernel(machine)?.rsplit('.').next()?.to_owned()))
}

/// Returns whether the processor can protect memory from execution. The result is cached: it does not change
/// while the kernel runs, and reading the data of all processors takes long.
fn has_nx(machine: &Machine) -> Option<bool> {
    static OF_THIS: OnceLock<Option<bool>> = OnceLock::new();
    if machine.is_this() { *OF_THIS.get_or_init(|| flagged_nx(machine)) } else { flagged_nx(machine) }
}

fn flagged_nx(machine: &Machine) -> Option<bool> {
    let text = machine.text("proc/cpuinfo").ok()?;
    let flags = text.lines().find(|line| line.starts_with("flags"))?;
    Some(flags.split_whitespace().any(|flag| flag == "nx"))
}

/// Returns the creation time of the machine ID, which is the time of the installation.
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

/// Returns the first digits of the machine ID in groups of five, in the form of Windows serial numbers.
fn serial_number(machine: &Machine) -> Option<String> {
    let id = machine.line("etc/machine-id")?.to_ascii_uppercase();
    let groups: Vec<&str> = (0..4).filter_map(|group| id.get(group * 5..group * 5 + 5)).collect();
    (groups.len() == 4).then(|| groups.join("-"))
}
