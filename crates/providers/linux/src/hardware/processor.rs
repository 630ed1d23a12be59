//! `Win32_Processor`: one row for each package.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use linux::hardware::smbios::{Smbios, Structure};
use linux::processors;
use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::performance::processor::{Processor as Times, Reading};
use crate::performance::sampler::Sampler;
use crate::table::{Fill, Push, Table};

/// Processor packages, with the counters of the last query.
#[derive(Default)]
pub(crate) struct Processor {
    times: Arc<Sampler<Reading>>,
}

/// A processor package.
pub(crate) struct Package {
    /// Package id of the kernel.
    number: u32,
    /// Index among the packages, by package id.
    place: usize,
    /// Numbers of its online logical processors.
    threads: Vec<u32>,
    shared: Rc<Shared>,
}

/// Data read once for all packages.
struct Shared {
    times: Arc<Sampler<Reading>>,
    cpuinfo: OnceCell<String>,
    tables: OnceCell<Smbios>,
}

/// Returns the value of a field in a block of `/proc/cpuinfo`.
pub(crate) fn field_in<'b>(block: &'b str, name: &str) -> Option<&'b str> {
    let mut fields = block.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(own, _)| own.trim() == name).map(|(_, value)| value.trim())
}

/// Returns the caption as on Windows from a block of `/proc/cpuinfo`: vendor, family, model and stepping;
/// `None` for processors that do not have these.
pub(crate) fn windows_caption(block: &str) -> Option<String> {
    let maker = match field_in(block, "vendor_id")? {
        "GenuineIntel" => "Intel64",
        "AuthenticAMD" => "AMD64",
        _ => return None,
    };
    let [family, model, stepping] =
        ["cpu family", "model", "stepping"].map(|name| field_in(block, name).unwrap_or("?"));
    Some(format!("{maker} Family {family} Model {model} Stepping {stepping}"))
}

/// Returns the time in which a processor was busy. Nice time is included in user time, interrupt time in
/// privileged time.
fn used(reading: &Reading) -> u64 {
    reading.user.saturating_add(reading.privileged)
}

impl Package {
    /// Returns the block of its first logical processor in `/proc/cpuinfo`.
    fn block<'t>(&'t self, machine: &Machine) -> Option<&'t str> {
        let text = self.shared.cpuinfo.get_or_init(|| machine.text("proc/cpuinfo").unwrap_or_default());
        let first = self.threads.first()?.to_string();
        text.split("\n\n").find(|block| field_in(block, "processor") == Some(&first))
    }

    /// Returns a field of its first logical processor in `/proc/cpuinfo`.
    fn field<'t>(&'t self, machine: &Machine, name: &str) -> Option<&'t str> {
        field_in(self.block(machine)?, name).filter(|value| !value.is_empty())
    }

    /// Returns its SMBIOS structure: populated sockets are in the order of packages.
    fn socket(&self, machine: &Machine) -> Option<&Structure> {
        let tables = self.shared.tables.get_or_init(|| Smbios::of(machine));
        tables
            .of_kind(4)
            .filter(|socket| socket.byte(0x18).is_some_and(|status| status & 0x40 != 0))
            .nth(self.place)
    }

    fn has_flag(&self, machine: &Machine, names: &[&str]) -> Option<bool> {
        let flags = self.field(machine, "flags")?;
        let more = self.field(machine, "vmx flags").unwrap_or_default();
        let mut all = flags.split_whitespace().chain(more.split_whitespace());
        Some(all.any(|flag| names.contains(&flag)))
    }

    fn number_field<N: std::str::FromStr>(&self, machine: &Machine, name: &str) -> Option<N> {
        self.field(machine, name)?.parse().ok()
    }

    /// Returns the number of online cores.
    fn cores(&self, machine: &Machine) -> Option<u32> {
        let cores: Option<BTreeSet<_>> =
            self.threads.iter().map(|thread| core_of(machine, *thread)).collect();
        u32::try_from(cores?.len()).ok()
    }

    /// Returns the total size of its caches of a level in KiB; a shared cache counts once.
    fn cache(&self, machine: &Machine, level: u32) -> Option<u32> {
        let mut seen = BTreeSet::new();
        let mut sum = 0_u32;
        for thread in &self.threads {
            for index in 0..8 {
                let folder = format!("sys/devices/system/cpu/cpu{thread}/cache/index{index}");
                let Some(own) = machine.number::<u32>(format!("{folder}/level")) else { break };
                let shared = machine.line(format!("{folder}/shared_cpu_list"));
                if own == level && seen.insert(shared) {
                    let size = machine.line(format!("{folder}/size"))?;
                    sum = sum.checked_add(size.strip_suffix('K')?.parse().ok()?)?;
                }
            }
        }
        (!seen.is_empty()).then_some(sum)
    }

    fn frequency(&self, machine: &Machine, file: &str) -> Option<u32> {
        let thread = self.threads.first()?;
        let khz: u32 = machine.number(format!("sys/devices/system/cpu/cpu{thread}/cpufreq/{file}"))?;
        Some(khz / 1_000)
    }

    /// Returns the current clock speed in MHz.
    fn speed(&self, machine: &Machine) -> Option<u32> {
        self.frequency(machine, "scaling_cur_freq").or_else(|| {
            let mhz = self.field(machine, "cpu MHz")?;
            mhz.split('.').next()?.parse().ok()
        })
    }

    /// Returns the maximum clock speed in MHz.
    fn most_speed(&self, machine: &Machine) -> Option<u32> {
        self.frequency(machine, "cpuinfo_max_freq")
            .or_else(|| self.socket(machine)?.word(0x14).filter(|mhz| *mhz > 0).map(u32::from))
            .or_else(|| self.speed(machine))
    }

    /// Returns the load in percent between the last two samples.
    fn load(&self, machine: &Machine) -> Option<u16> {
        let pair = self.shared.times.pair::<Times>(machine, &|| Ok(())).ok()?;
        let (mut busy, mut all) = (0_u64, 0_u64);
        let own: BTreeSet<String> = self.threads.iter().map(u32::to_string).collect();
        for (after, before) in pair.iter() {
            let is_own = after.name.as_ref().is_some_and(|name| own.contains(name));
            let Some(before) = before.filter(|_| is_own) else { continue };
            let spent = used(&after.reading).saturating_sub(used(before));
            let rested = after.reading.idle.saturating_sub(before.idle);
            busy = busy.saturating_add(spent);
            all = all.saturating_add(spent).saturating_add(rested);
        }
        u16::try_from(busy.saturating_mul(100).checked_div(all)?).ok()
    }

    /// Returns the caption as on Windows, or else the name.
    fn caption(&self, machine: &Machine) -> Option<String> {
        self.block(machine).and_then(windows_caption).or_else(|| self.name(machine))
    }

    fn name(&self, machine: &Machine) -> Option<String> {
        self.field(machine, "model name").map(str::to_owned).or_else(|| self.socket(machine)?.text(0x10))
    }
}

/// Returns the numbers of a thread's die and core.
fn core_of(machine: &Machine, thread: u32) -> Option<(i64, i64)> {
    let topology = format!("sys/devices/system/cpu/cpu{thread}/topology");
    let die = machine.number(format!("{topology}/die_id")).unwrap_or_default();
    Some((die, machine.number(format!("{topology}/core_id"))?))
}

/// Returns the architecture for which this program was built, as a Windows number.
fn architecture() -> Option<u16> {
    Some(match std::env::consts::ARCH {
        "x86" => 0,
        "mips" | "mips64" => 1,
        "powerpc" | "powerpc64" => 3,
        "arm" => 5,
        "x86_64" => 9,
        "aarch64" => 12,
        _ => return None,
    })
}

const BITS: u16 = if cfg!(target_pointer_width = "64") { 64 } else { 32 };

impl Table for Processor {
    type Row = Package;

    const CLASS: &'static str = "Win32_Processor";

    const COLUMNS: &'static [(&'static str, Fill<Package>)] = &[
        ("AddressWidth", |_, _| BITS.into()),
        ("Architecture", |_, _| architecture().into()),
        ("AssetTag", |machine, cpu| cpu.socket(machine).and_then(|socket| socket.text(0x21)).into()),
        ("Availability", |_, _| 3_u16.into()),
        ("Caption", |machine, cpu| cpu.caption(machine).into()),
        ("Characteristics", |machine, cpu| {
            cpu.socket(machine).and_then(|socket| socket.word(0x26)).map(u32::from).into()
        }),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("CpuStatus", |_, _| 1_u16.into()),
        ("CurrentClockSpeed", |machine, cpu| cpu.speed(machine).into()),
        ("CurrentVoltage", |machine, cpu| {
            // If the highest bit is set, the others are tenths of a volt (DSP0134 7.5.4).
            let voltage = cpu.socket(machine).and_then(|socket| socket.byte(0x11));
            voltage.filter(|voltage| voltage & 0x80 != 0).map(|voltage| u16::from(voltage & 0x7F)).into()
        }),
        ("DataWidth", |_, _| BITS.into()),
        ("Description", |machine, cpu| cpu.caption(machine).into()),
        ("DeviceID", |_, cpu| format!("CPU{}", cpu.number).into()),
        ("ExtClock", |machine, cpu| {
            let clock = cpu.socket(machine).and_then(|socket| socket.word(0x12));
            clock.filter(|mhz| *mhz > 0).map(u32::from).into()
        }),
        ("Family", |machine, cpu| {
            cpu.socket(machine)
                .and_then(|socket| match socket.byte(6)? {
                    0xFE => socket.word(0x28),
                    family => Some(family.into()),
                })
                .into()
        }),
        ("L2CacheSize", |machine, cpu| cpu.cache(machine, 2).into()),
        ("L3CacheSize", |machine, cpu| cpu.cache(machine, 3).into()),
        ("L3CacheSpeed", |_, _| 0_u32.into()),
        ("Level", |machine, cpu| cpu.number_field::<u16>(machine, "cpu family").into()),
        ("LoadPercentage", |machine, cpu| cpu.load(machine).into()),
        ("Manufacturer", |machine, cpu| {
            cpu.field(machine, "vendor_id").map(str::to_owned).or_else(|| cpu.socket(machine)?.text(7)).into()
        }),
        ("MaxClockSpeed", |machine, cpu| cpu.most_speed(machine).into()),
        ("Name", |machine, cpu| cpu.name(machine).into()),
        ("NumberOfCores", |machine, cpu| cpu.cores(machine).into()),
        ("NumberOfEnabledCore", |machine, cpu| cpu.cores(machine).into()),
        ("NumberOfLogicalProcessors", |_, cpu| u32::try_from(cpu.threads.len()).ok().into()),
        ("PartNumber", |machine, cpu| cpu.socket(machine).and_then(|socket| socket.text(0x22)).into()),
        ("PowerManagementSupported", |_, _| false.into()),
        ("ProcessorId", |machine, cpu| {
            // EDX and EAX of CPUID function 1, which SMBIOS has too (DSP0134 7.5.3).
            let reported = cpu.socket(machine).and_then(|socket| socket.quad(8)).filter(|id| *id != 0);
            let registers = reported.or_else(|| processors::signature(machine));
            registers.map(|id| format!("{id:016X}")).into()
        }),
        ("ProcessorType", |_, _| 3_u16.into()),
        ("Revision", |machine, cpu| {
            let (model, step) =
                (cpu.number_field::<u16>(machine, "model"), cpu.number_field::<u16>(machine, "stepping"));
            model.zip(step).map(|(model, step)| (model & 0xFF) << 8 | step & 0xFF).into()
        }),
        ("Role", |_, _| "CPU".into()),
        ("SecondLevelAddressTranslationExtensions", |machine, cpu| {
            cpu.has_flag(machine, &["ept", "npt"]).into()
        }),
        ("SerialNumber", |machine, cpu| cpu.socket(machine).and_then(|socket| socket.text(0x20)).into()),
        ("SocketDesignation", |machine, cpu| cpu.socket(machine).and_then(|socket| socket.text(4)).into()),
        ("Status", |_, _| "OK".into()),
        ("StatusInfo", |_, _| 3_u16.into()),
        ("Stepping", |machine, cpu| cpu.field(machine, "stepping").map(str::to_owned).into()),
        ("ThreadCount", |_, cpu| u32::try_from(cpu.threads.len()).ok().into()),
        ("UpgradeMethod", |machine, cpu| {
            cpu.socket(machine).and_then(|socket| socket.byte(0x19)).map(u16::from).into()
        }),
        ("Version", |machine, cpu| cpu.socket(machine).and_then(|socket| socket.text(0x10)).into()),
        ("VirtualizationFirmwareEnabled", |machine, cpu| cpu.has_flag(machine, &["vmx", "svm"]).into()),
        ("VMMonitorModeExtensions", |machine, cpu| cpu.has_flag(machine, &["vmx", "svm"]).into()),
        ("VoltageCaps", |machine, cpu| {
            let voltage = cpu.socket(machine).and_then(|socket| socket.byte(0x11));
            voltage.filter(|voltage| voltage & 0x80 == 0).map(|voltage| u32::from(voltage & 7)).into()
        }),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Package>,
    ) -> Result<(), ProviderError> {
        let shared =
            Rc::new(Shared { times: self.times.clone(), cpuinfo: OnceCell::new(), tables: OnceCell::new() });
        let mut packages: Vec<Package> = Vec::new();
        for thread in processors::online(machine).unwrap_or_default() {
            let place = format!("sys/devices/system/cpu/cpu{thread}/topology/physical_package_id");
            // If package ids are missing or -1, there is one package.
            let number = machine.number::<u32>(place).unwrap_or_default();
            match packages.iter_mut().find(|package| package.number == number) {
                Some(package) => package.threads.push(thread),
                None => {
                    packages.push(Package {
                        number,
                        place: 0,
                        threads: vec![thread],
                        shared: shared.clone(),
                    });
                }
            }
        }
        packages.sort_by_key(|package| package.number);
        let mut placed = (0..).zip(packages);
        placed.try_for_each(|(place, package)| push(Package { place, ..package }))
    }
}
