//! `Win32_SystemDriver`: kernel modules.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cim::{Instance, Status, Value};
use linux::program;
use wmi::{Lookup, MethodCall, ProviderError, Target};

use super::code;
use crate::Machine;
use crate::table::{Fill, Table, failure, returned};

/// Loaded kernel modules.
pub(crate) struct SystemDriver;

/// A module (`/proc/modules`).
pub(crate) struct Module {
    name: String,
    /// Number of users of the module.
    used: u32,
    state: String,
    files: Rc<OnceCell<Files>>,
    descriptions: Rc<OnceCell<HashMap<String, String>>>,
}

/// Paths of module files, by the names of the modules.
type Files = HashMap<String, String>;

impl Table for SystemDriver {
    type Row = Module;

    const CLASS: &'static str = "Win32_SystemDriver";

    const COLUMNS: &'static [(&'static str, Fill<Module>)] = &[
        ("AcceptPause", |_, _| false.into()),
        ("Caption", |machine, module| module.description(machine).into()),
        ("AcceptStop", |_, module| (module.used == 0).into()),
        ("Description", |machine, module| module.description(machine).into()),
        ("DesktopInteract", |_, _| false.into()),
        ("DisplayName", |_, module| module.name.clone().into()),
        ("ErrorControl", |_, _| "Normal".into()),
        ("ExitCode", |_, _| 0_u32.into()),
        ("Name", |_, module| module.name.clone().into()),
        ("PathName", |machine, module| module.file(machine).into()),
        ("ServiceSpecificExitCode", |_, _| 0_u32.into()),
        ("ServiceType", |_, _| "Kernel Driver".into()),
        ("Started", |_, module| (module.state == "Live").into()),
        ("StartMode", |_, _| "Manual".into()),
        ("State", |_, module| {
            match module.state.as_str() {
                "Live" => "Running",
                "Loading" => "Start Pending",
                "Unloading" => "Stop Pending",
                _ => "Unknown",
            }
            .into()
        }),
        ("Status", |_, _| "OK".into()),
        ("TagId", |_, _| 0_u32.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Module>, ProviderError> {
        Ok(modules(machine)?.into_iter())
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Module>, ProviderError> {
        let name = lookup.keys.first().and_then(Value::as_str).unwrap_or_default();
        Ok(modules(machine)?.into_iter().find(|module| module.name.eq_ignore_ascii_case(name)))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        if let Target::Instance([Value::String(name), ..]) = call.target
            && !modules(machine)?.iter().any(|module| module.name.eq_ignore_ascii_case(name))
        {
            return Err(ProviderError::failed(Status::NotFound, "module not found"));
        }
        let code = match call.operation.method.name.as_str() {
            "InterrogateService" => code::DONE,
            "StartService" => code::ALREADY_RUNNING,
            _ => code::NOT_SUPPORTED,
        };
        returned(call, code)
    }
}

impl Module {
    fn file(&self, machine: &Machine) -> Option<String> {
        self.files.get_or_init(|| files(machine)).get(&self.name).cloned()
    }

    /// Returns the description in the module file.
    fn description(&self, machine: &Machine) -> Option<String> {
        self.descriptions
            .get_or_init(|| {
                let files = self.files.get_or_init(|| files(machine));
                descriptions(machine, files)
            })
            .get(&self.name)
            .cloned()
    }
}

/// Returns the descriptions of the loaded modules, by name. `modinfo` reads them from the module files, which
/// may be compressed.
fn descriptions(machine: &Machine, files: &Files) -> HashMap<String, String> {
    let loaded = machine.text("proc/modules").unwrap_or_default();
    let names = loaded.lines().filter_map(|line| line.split_ascii_whitespace().next());
    let paths: Vec<_> =
        names.filter_map(|name| files.get(name)).take(MAX_MODULES).map(|file| machine.path(file)).collect();
    if paths.is_empty() {
        return HashMap::new();
    }
    let words = std::iter::once("-0".into()).chain(paths.into_iter().map(std::path::PathBuf::into_os_string));
    // Files that `modinfo` cannot read do not prevent output for the others.
    let Ok(reported) = program::of_system("modinfo", words, LIMIT) else { return HashMap::new() };
    let mut descriptions = HashMap::new();
    let mut module = None;
    for entry in reported.stdout.split('\0') {
        // The file name follows a colon, other fields an equals sign.
        match entry.split_once([':', '=']).map(|(field, value)| (field, value.trim())) {
            Some(("filename", path)) => module = name_of(path),
            Some(("description", text)) => {
                if let Some(module) = &module {
                    descriptions.entry(module.clone()).or_insert_with(|| text.to_owned());
                }
            }
            _ => {}
        }
    }
    descriptions
}

/// Returns the name of the module in a file, in the form the kernel uses.
fn name_of(path: &str) -> Option<String> {
    Some(path.rsplit('/').next()?.split('.').next()?.replace('-', "_"))
}

/// Maximum number of modules given to `modinfo`.
const MAX_MODULES: usize = 2000;

/// Time limit for `modinfo`.
const LIMIT: Duration = Duration::from_secs(10);

fn modules(machine: &Machine) -> Result<Vec<Module>, ProviderError> {
    let text = match machine.text("proc/modules") {
        // A kernel without module support has no such file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(failure)?,
    };
    let (files, descriptions) = (Rc::default(), Rc::default());
    let mut modules: Vec<Module> =
        text.lines().filter_map(|line| module(line, &files, &descriptions)).collect();
    modules.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(modules)
}

fn module(
    line: &str,
    files: &Rc<OnceCell<Files>>,
    descriptions: &Rc<OnceCell<HashMap<String, String>>>,
) -> Option<Module> {
    let mut fields = line.split_ascii_whitespace();
    let (name, used) = (fields.next()?.to_owned(), fields.nth(1)?.parse().unwrap_or_default());
    let state = fields.nth(1)?.to_owned();
    Some(Module { name, used, state, files: Rc::clone(files), descriptions: Rc::clone(descriptions) })
}

/// Reads the list of module files that `depmod` has written (modules.dep(5)).
fn files(machine: &Machine) -> Files {
    let release = machine.line("proc/sys/kernel/osrelease").unwrap_or_default();
    let folder = format!("lib/modules/{release}");
    let text = machine.text(format!("{folder}/modules.dep")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let path = line.split_once(':')?.0;
            Some((name_of(path)?, format!("/{folder}/{path}")))
        })
        .collect()
}
