//! `Win32_SystemDriver`: modules of the kernel.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use cim::{Instance, Status, Value};
use wmi::{Lookup, MethodCall, ProviderError, Scan, Target};

use super::code;
use crate::Machine;
use crate::table::{Fill, Push, Table, failure, returned};

/// The modules that are loaded.
pub(crate) struct SystemDriver;

/// A module (`/proc/modules`).
pub(crate) struct Module {
    name: String,
    /// How many use it.
    used: u32,
    state: String,
    files: Rc<OnceCell<Files>>,
}

/// Where the files of modules are, by their names.
type Files = HashMap<String, String>;

impl Table for SystemDriver {
    type Row = Module;

    const CLASS: &'static str = "Win32_SystemDriver";

    const COLUMNS: &'static [(&'static str, Fill<Module>)] = &[
        ("AcceptPause", |_, _| false.into()),
        ("AcceptStop", |_, module| (module.used == 0).into()),
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

    const UNKNOWN: &'static [&'static str] = &["Caption", "Description", "InstallDate", "StartName"];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Module>,
    ) -> Result<(), ProviderError> {
        modules(machine)?.into_iter().try_for_each(push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Module>, ProviderError> {
        let name = lookup.keys.first().and_then(Value::as_str).unwrap_or_default();
        Ok(modules(machine)?.into_iter().find(|module| module.name.eq_ignore_ascii_case(name)))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        if let Target::Instance([Value::String(name), ..]) = call.target {
            let is_it = |module: &Module| module.name.eq_ignore_ascii_case(name);
            if !modules(machine)?.iter().any(is_it) {
                return Err(ProviderError::failed(Status::NotFound, "there is no such module"));
            }
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
}

fn modules(machine: &Machine) -> Result<Vec<Module>, ProviderError> {
    let text = match machine.text("proc/modules") {
        // A kernel without modules has no such file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(failure)?,
    };
    let files = Rc::default();
    let module = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (name, used) = (fields.next()?.to_owned(), fields.nth(1)?.parse().unwrap_or_default());
        Some(Module { name, used, state: fields.nth(1)?.to_owned(), files: Rc::clone(&files) })
    };
    let mut modules: Vec<Module> = text.lines().filter_map(module).collect();
    modules.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(modules)
}

/// What `depmod` has found (modules.dep(5)).
fn files(machine: &Machine) -> Files {
    let release = machine.line("proc/sys/kernel/osrelease").unwrap_or_default();
    let folder = format!("lib/modules/{release}");
    let text = machine.text(format!("{folder}/modules.dep")).unwrap_or_default();
    let entry = |line: &str| {
        let path = line.split_once(':')?.0;
        let name = path.rsplit('/').next()?.split('.').next()?.replace('-', "_");
        Some((name, format!("/{folder}/{path}")))
    };
    text.lines().filter_map(entry).collect()
}
