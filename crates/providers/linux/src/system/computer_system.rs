//! `Win32_ComputerSystem`.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use cim::{Instance, Status, Value};
use linux::now;
use linux::processors;
use linux::system::chassis::{Kind, Structure};
use linux::system::hostname;
use linux::system::memory::Memory;
use wmi::{MethodCall, ProviderError, Target};

use super::{domain, offset, power};
use crate::Machine;
use crate::table::{Fill, Table, returned, text_key};

/// The only computer system.
pub(crate) struct ComputerSystem;

/// Sources of the values.
#[derive(Default)]
pub(crate) struct Row {
    case: OnceCell<Structure>,
    passwords: OnceCell<Structure>,
    membership: OnceCell<domain::Membership>,
}

impl Row {
    fn case(&self, machine: &Machine) -> &Structure {
        self.case.get_or_init(|| Structure::first(machine, 3))
    }

    /// Returns a two-bit field about passwords and buttons (DSP0134, 7.25); 3 is "unknown".
    fn setting(&self, machine: &Machine, shift: u32) -> u16 {
        let settings = self.passwords.get_or_init(|| Structure::first(machine, 24)).octet(4);
        settings.map_or(3, |settings| u16::from(settings >> shift) & 3)
    }

    fn membership(&self, machine: &Machine) -> &domain::Membership {
        self.membership.get_or_init(|| domain::Membership::of(machine))
    }
}

impl Table for ComputerSystem {
    type Row = Row;

    const CLASS: &'static str = "Win32_ComputerSystem";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AdminPasswordStatus", |machine, row| row.setting(machine, 2).into()),
        ("AutomaticManagedPagefile", |_, _| false.into()),
        ("AutomaticResetBootOption", |machine, _| {
            machine.number::<i64>("proc/sys/kernel/panic").map(|seconds| seconds != 0).into()
        }),
        ("AutomaticResetCapability", |_, _| true.into()),
        ("BootROMSupported", |_, _| true.into()),
        ("BootupState", |machine, _| bootup_state(machine).into()),
        ("Caption", |machine, _| machine.host_name().into()),
        ("ChassisBootupState", |machine, row| row.case(machine).octet(9).map(u16::from).into()),
        ("ChassisSKUNumber", |machine, row| {
            let case = row.case(machine);
            // The field follows the list of contained elements.
            let elements = case.octet(0x13).zip(case.octet(0x14));
            elements.and_then(|(count, size)| case.text(0x15 + usize::from(count) * usize::from(size))).into()
        }),
        ("CurrentTimeZone", |machine, _| offset(machine).into()),
        ("DaylightInEffect", |_, _| is_daylight_saving().into()),
        ("Description", |_, _| match std::env::consts::ARCH {
            "x86" | "x86_64" => "AT/AT COMPATIBLE".into(),
            other => other.into(),
        }),
        ("DNSHostName", |machine, _| machine.host_name().into()),
        ("Domain", |machine, row| row.membership(machine).name().to_owned().into()),
        ("DomainRole", |machine, row| if row.membership(machine).is_member() { 3_u16 } else { 2 }.into()),
        ("EnableDaylightSavingsTime", |_, _| true.into()),
        ("FrontPanelResetStatus", |machine, row| row.setting(machine, 0).into()),
        ("HypervisorPresent", |machine, _| {
            let text = machine.text("proc/cpuinfo").unwrap_or_default();
            let flags = text.lines().find(|line| line.starts_with("flags"));
            flags.map(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor")).into()
        }),
        ("InfraredSupported", |_, _| false.into()),
        ("KeyboardPasswordStatus", |machine, row| row.setting(machine, 4).into()),
        ("Manufacturer", |machine, _| machine.line("sys/class/dmi/id/sys_vendor").into()),
        ("Model", |machine, _| machine.line("sys/class/dmi/id/product_name").into()),
        ("Name", |machine, _| machine.host_name().into()),
        ("NetworkServerModeEnabled", |_, _| true.into()),
        ("NumberOfLogicalProcessors", |machine, _| {
            processors::online(machine).and_then(|numbers| u32::try_from(numbers.len()).ok()).into()
        }),
        ("NumberOfProcessors", |machine, _| packages(machine).into()),
        ("OEMStringArray", |machine, _| {
            let texts: Vec<String> = Structure::first(machine, 11).texts().collect();
            if texts.is_empty() { Value::Null } else { texts.into() }
        }),
        ("PartOfDomain", |machine, row| row.membership(machine).is_member().into()),
        ("PauseAfterReset", |_, _| (-1_i64).into()),
        ("PCSystemType", |machine, _| number(Kind::of(machine)).into()),
        ("PCSystemTypeEx", |machine, _| number(Kind::of(machine)).into()),
        ("PowerManagementSupported", |_, _| false.into()),
        ("PowerOnPasswordStatus", |machine, row| row.setting(machine, 6).into()),
        ("PowerState", |_, _| 0_u16.into()),
        ("PowerSupplyState", |machine, row| row.case(machine).octet(10).map(u16::from).into()),
        ("ResetCapability", |_, _| 1_u16.into()),
        ("ResetCount", |_, _| (-1_i16).into()),
        ("ResetLimit", |_, _| (-1_i16).into()),
        ("Roles", |_, _| vec!["LM_Workstation", "LM_Server", "NT", "Server_NT"].into()),
        ("Status", |_, _| "OK".into()),
        ("SystemFamily", |machine, _| machine.line("sys/class/dmi/id/product_family").into()),
        ("SystemSKUNumber", |machine, _| machine.line("sys/class/dmi/id/product_sku").into()),
        ("SystemType", |_, _| match std::env::consts::ARCH {
            "x86_64" => "x64-based PC".into(),
            "x86" => "X86-based PC".into(),
            "aarch64" => "ARM64-based PC".into(),
            other => format!("{other}-based PC").into(),
        }),
        ("ThermalState", |machine, row| row.case(machine).octet(11).map(u16::from).into()),
        ("TotalPhysicalMemory", |machine, _| {
            Memory::of(machine).kib("MemTotal").and_then(|kib| kib.checked_mul(1024)).into()
        }),
        ("UserName", |machine, _| {
            let sessions = linux::session::Session::of_users(machine).unwrap_or_default();
            let console = sessions.into_iter().find(|session| session.is_at_console);
            console.map(|session| format!("{}\\{}", machine.host_name(), session.user)).into()
        }),
        ("WakeUpType", |machine, _| Structure::first(machine, 1).octet(0x18).map(u16::from).into()),
        ("Workgroup", |machine, row| {
            let membership = row.membership(machine);
            (!membership.is_member()).then(|| membership.name().to_owned()).into()
        }),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(std::iter::once(Row::default()))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance(keys) = call.target else { return Err(ProviderError::NotCapable) };
        if !machine.host_name().eq_ignore_ascii_case(text_key(keys)) {
            return Err(ProviderError::failed(Status::NotFound, "that is another computer"));
        }
        let code = match call.operation.method.name.as_str() {
            "Rename" => rename(machine, call.input.value("Name").and_then(Value::as_str)),
            "JoinDomainOrWorkgroup" => domain::join(machine, call.input),
            "UnjoinDomainOrWorkgroup" => domain::leave(machine, call.input),
            // Power states are managed by the kernel.
            _ => power::NOT_SUPPORTED,
        };
        returned(call, code)
    }
}

fn bootup_state(machine: &Machine) -> &'static str {
    let text = machine.line("proc/cmdline").unwrap_or_default();
    if text.split_ascii_whitespace().any(|word| {
        matches!(word, "rescue" | "emergency" | "single" | "s" | "S" | "1" | "-b")
            || matches!(word, "systemd.unit=rescue.target" | "systemd.unit=emergency.target")
    }) {
        "Fail-safe boot"
    } else {
        "Normal boot"
    }
}

fn is_daylight_saving() -> Option<bool> {
    let time = jiff::Timestamp::from_microsecond(now()).ok()?;
    Some(jiff::tz::TimeZone::system().to_offset_info(time).dst().is_dst())
}

/// Returns the number of sockets with a processor that is online.
fn packages(machine: &Machine) -> Option<u32> {
    let online = processors::online(machine)?;
    let packages: BTreeSet<i32> = online
        .into_iter()
        .filter_map(|number| {
            machine.number::<i32>(format!("sys/devices/system/cpu/cpu{number}/topology/physical_package_id"))
        })
        .collect();
    // Machines without sockets have no such files.
    Some(u32::try_from(packages.len()).ok()?.max(1))
}

/// Implements `Rename`; returns its code.
fn rename(machine: &Machine, name: Option<&str>) -> u32 {
    let Some(name) = name.filter(|name| hostname::is_name(name)) else { return power::INVALID_NAME };
    hostname::set(machine, name).map_or_else(|error| power::code(&error), |()| power::DONE)
}

/// Returns the number of a kind of machine (`PCSystemType`).
fn number(kind: Kind) -> u16 {
    match kind {
        Kind::Unspecified => 0,
        Kind::Desktop => 1,
        Kind::Mobile => 2,
        Kind::Server => 4,
    }
}
