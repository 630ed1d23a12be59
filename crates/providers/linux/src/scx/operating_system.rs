//! `SCX_OperatingSystem`: the operating system, with methods that run commands for SCOM.

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cim::{Instance, Status, Value};
use linux::command_line::words;
use linux::program::{Ending, run};
use linux::system::count_of_processes;
use linux::system::memory::Memory;
use linux::system::os_release::OsRelease;
use wmi::{MethodCall, ProviderError};

use crate::Machine;
use crate::system;
use crate::table::{Fill, Table, host_name, null, text_of};

/// Default time limit of a command.
const LIMIT: Duration = Duration::from_secs(60);

/// The only instance.
pub(super) struct OperatingSystem;

/// Sources of the values.
pub(super) struct Row {
    memory: std::cell::OnceCell<Memory>,
}

impl Row {
    fn memory(&self, machine: &Machine) -> &Memory {
        self.memory.get_or_init(|| Memory::of(machine))
    }
}

impl Table for OperatingSystem {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_OperatingSystem";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AvailableRequestedStates", null),
        ("Caption", |machine, _| name(machine).into()),
        ("CommunicationStatus", null),
        ("CreationClassName", |_, _| "SCX_OperatingSystem".into()),
        ("CSCreationClassName", |_, _| "SCX_ComputerSystem".into()),
        ("CSName", host_name),
        ("CurrentTimeZone", |machine, _| system::offset(machine).into()),
        ("Description", |machine, _| name(machine).into()),
        ("DetailedStatus", null),
        ("Distributed", |_, _| false.into()),
        ("ElementName", null),
        ("EnabledDefault", null),
        ("EnabledState", null),
        ("FreePhysicalMemory", |machine, row| row.memory(machine).kib("MemAvailable").into()),
        ("FreeSpaceInPagingFiles", |machine, row| row.memory(machine).kib("SwapFree").into()),
        ("FreeVirtualMemory", |machine, row| row.memory(machine).sum("MemAvailable", "SwapFree").into()),
        ("HealthState", null),
        ("InstallDate", null),
        ("InstanceID", null),
        ("LastBootUpTime", |machine, _| system::booted(machine).into()),
        ("LocalDateTime", |machine, _| machine.timestamp(system::now()).into()),
        ("MaxNumberOfProcesses", |machine, _| machine.number::<u32>("proc/sys/kernel/pid_max").into()),
        ("MaxProcessesPerUser", null),
        ("MaxProcessMemorySize", null),
        ("Name", |machine, _| name(machine).into()),
        ("NumberOfLicensedUsers", null),
        ("NumberOfProcesses", |machine, _| count_of_processes(machine).into()),
        ("NumberOfUsers", null),
        ("OperatingStatus", null),
        ("OperatingSystemCapability", |_, _| {
            if cfg!(target_pointer_width = "64") { "64 bit" } else { "32 bit" }.into()
        }),
        ("OperationalStatus", null),
        // 36 is LINUX.
        ("OSType", |_, _| 36_u16.into()),
        ("OtherEnabledState", null),
        ("OtherTypeDescription", |machine, _| OsRelease::of(machine).field("ID").map(str::to_owned).into()),
        ("PrimaryStatus", null),
        ("RequestedState", null),
        ("SizeStoredInPagingFiles", |machine, row| row.memory(machine).kib("SwapTotal").into()),
        ("Status", null),
        ("StatusDescriptions", null),
        ("SystemUpTime", |machine, _| seconds_up(machine).into()),
        ("TimeOfLastStateChange", null),
        ("TotalSwapSpaceSize", |machine, row| row.memory(machine).kib("SwapTotal").into()),
        ("TotalVirtualMemorySize", |machine, row| row.memory(machine).sum("MemTotal", "SwapTotal").into()),
        ("TotalVisibleMemorySize", |machine, row| row.memory(machine).kib("MemTotal").into()),
        ("TransitioningToState", null),
        ("Version", |machine, _| {
            let release = OsRelease::of(machine);
            release
                .field("VERSION_ID")
                .map(str::to_owned)
                .or_else(|| system::release_of_kernel(machine))
                .into()
        }),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(std::iter::once(Row { memory: std::cell::OnceCell::new() }))
    }

    fn invoke(&self, _: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let limit = match call.input.value("timeout") {
            Some(Value::Uint32(seconds)) if *seconds > 0 => Duration::from_secs((*seconds).into()),
            _ => LIMIT,
        };
        // The command must end before the client stops waiting.
        let limit = call.context.deadline().map_or(limit, |deadline| {
            limit.min(deadline.saturating_duration_since(std::time::Instant::now()))
        });
        // Keeps the file of the script until the program has ended.
        let mut script = None;
        let words = match call.operation.method.name.as_str() {
            "ExecuteCommand" => split("Command", text_of(call.input, "Command"))?,
            "ExecuteShellCommand" => {
                let command = decoded(call.input, "Command")?;
                not_empty("Command", &command)?;
                vec!["/bin/sh".to_owned(), "-c".to_owned(), command]
            }
            "ExecuteScript" => {
                let content = decoded(call.input, "Script")?;
                not_empty("Script", &content)?;
                let file = written(&content)?;
                let mut words = interpreter(&content);
                words.push(file.path().to_string_lossy().into_owned());
                words.extend(split("Arguments", text_of(call.input, "Arguments"))?);
                script = Some(file);
                words
            }
            _ => return Err(ProviderError::NotCapable),
        };
        let words = elevated(text_of(call.input, "ElevationType"), words)?;
        let Some((program, arguments)) = words.split_first() else {
            return Err(wrong("Command is empty\n  pass the program to run"));
        };
        let ending = run(Command::new(program).args(arguments), limit);
        drop(script);
        answer(call, program, limit, ending)
    }
}

fn decoded(input: &Instance, name: &str) -> Result<String, ProviderError> {
    match input.value("b64encoded") {
        Some(Value::Boolean(true)) => decode(name, text_of(input, name)),
        _ => Ok(text_of(input, name).to_owned()),
    }
}

fn answer(
    call: &MethodCall<'_>,
    program: &str,
    limit: Duration,
    ending: std::io::Result<Ending>,
) -> Result<Instance, ProviderError> {
    let (code, output, errors) = match ending {
        Ok(Ending { code: Some(code), output, errors }) => (code, lossy(&output), lossy(&errors)),
        Ok(Ending { code: None, output, errors }) => {
            let errors =
                format!("{}{program} was ended because it took longer than {limit:?}\n", lossy(&errors));
            (-1, lossy(&output), errors)
        }
        // Reported as a shell does.
        Err(error) => (127, String::new(), format!("{program} cannot be run: {error}\n")),
    };
    Ok(Instance::new(call.operation.output.clone())
        .with("ReturnCode", code)?
        .with("StdOut", output)?
        .with("StdErr", errors)?
        .with("ReturnValue", code == 0)?)
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn wrong(problem: impl Into<String>) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, problem)
}

/// Rejects an empty parameter: running nothing would otherwise look like a success.
fn not_empty(parameter: &str, text: &str) -> Result<(), ProviderError> {
    if text.trim().is_empty() {
        return Err(wrong(format!("{parameter} is empty\n  pass the program to run")));
    }
    Ok(())
}

fn split(parameter: &str, text: &str) -> Result<Vec<String>, ProviderError> {
    words(text).ok_or_else(|| wrong(format!("{parameter} has a quotation that does not end\n  close it")))
}

fn decode(parameter: &str, text: &str) -> Result<String, ProviderError> {
    let octets = STANDARD.decode(text.trim()).ok();
    octets.and_then(|octets| String::from_utf8(octets).ok()).ok_or_else(|| {
        wrong(format!("{parameter} is not Base64 of UTF-8\n  leave out b64encoded for plain text"))
    })
}

/// Adds the words that run the command as root, if requested.
fn elevated(kind: &str, words: Vec<String>) -> Result<Vec<String>, ProviderError> {
    match kind {
        "" => Ok(words),
        // Without a terminal, sudo must not ask for a password.
        kind if kind.eq_ignore_ascii_case("sudo") => {
            Ok(["sudo", "-n", "--"].into_iter().map(str::to_owned).chain(words).collect())
        }
        other => Err(wrong(format!("ElevationType is '{other}'\n  it may be 'sudo', or left out"))),
    }
}

/// Writes a script to a temporary file that only its user can read; the file is deleted when the value is
/// dropped.
fn written(content: &str) -> Result<tempfile::NamedTempFile, ProviderError> {
    write(content).map_err(|error| {
        ProviderError::failed(
            Status::ProviderFailure,
            format!("the script cannot be written to a file: {error}"),
        )
    })
}

fn write(content: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(content.as_bytes())?;
    file.flush()?;
    Ok(file)
}

/// Returns the interpreter from the first line of a script, and its argument; the shell without such a line.
fn interpreter(script: &str) -> Vec<String> {
    let line = script.strip_prefix("#!").and_then(|rest| rest.lines().next()).unwrap_or_default().trim();
    // The kernel passes the rest of the line as one argument (execve(2)).
    let (path, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let path = if path.is_empty() { "/bin/sh" } else { path };
    [path, argument.trim()].into_iter().filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

pub(super) fn name(machine: &Machine) -> String {
    OsRelease::of(machine).pretty_name().to_owned()
}

fn seconds_up(machine: &Machine) -> Option<u64> {
    machine.line("proc/uptime")?.split('.').next()?.parse().ok()
}
