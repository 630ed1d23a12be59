//! `Linux_ControlGroup` and `Linux_Container`: control groups (kernel admin-guide, cgroup-v2).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use cim::Value;
use linux::control_group::{Group, Podman};
use serde_json::Value as Json;
use wmi::{Lookup, ProviderError};

use crate::Machine;
use crate::table::{Fill, Table, text_key};

/// All control groups.
pub(super) struct ControlGroup;

/// Control groups of containers.
pub(super) struct Container;

impl Table for ControlGroup {
    type Row = Group;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_ControlGroup";

    const COLUMNS: &'static [(&'static str, Fill<Group>)] = &[
        ("ContainerID", |_, group| group.container().map(|(_, id)| id).into()),
        ("Controllers", |machine, group| {
            let names = group.text(machine, "cgroup.controllers");
            names.map(|names| names.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()).into()
        }),
        ("CpuPeriodMicroseconds", |machine, group| group.quota(machine, 1).into()),
        ("CpuQuotaMicroseconds", |machine, group| group.quota(machine, 0).into()),
        ("CpuSystemMicroseconds", |machine, group| group.counter(machine, "cpu.stat", "system_usec").into()),
        ("CpuThrottledMicroseconds", |machine, group| {
            group.counter(machine, "cpu.stat", "throttled_usec").into()
        }),
        ("CpuUserMicroseconds", |machine, group| group.counter(machine, "cpu.stat", "user_usec").into()),
        ("CpuWeight", |machine, group| {
            group.number(machine, "cpu.weight").and_then(|weight| u32::try_from(weight).ok()).into()
        }),
        ("IOReadBytes", |machine, group| group.traffic(machine, "rbytes").into()),
        ("IOWriteBytes", |machine, group| group.traffic(machine, "wbytes").into()),
        ("IsFrozen", |machine, group| {
            group.counter(machine, "cgroup.events", "frozen").map(|frozen| frozen == 1).into()
        }),
        ("IsPopulated", |machine, group| {
            group.counter(machine, "cgroup.events", "populated").map(|populated| populated == 1).into()
        }),
        ("MemoryBytes", |machine, group| group.number(machine, "memory.current").into()),
        ("MemoryHighBytes", |machine, group| group.number(machine, "memory.high").into()),
        ("MemoryMaxBytes", |machine, group| group.number(machine, "memory.max").into()),
        ("MemoryPeakBytes", |machine, group| group.number(machine, "memory.peak").into()),
        ("OutOfMemoryKills", |machine, group| group.counter(machine, "memory.events", "oom_kill").into()),
        ("Path", |_, group| group.path.clone().into()),
        ("Processes", |machine, group| u32::try_from(group.processes(machine).len()).ok().into()),
        ("SwapBytes", |machine, group| group.number(machine, "memory.swap.current").into()),
        ("Tasks", |machine, group| group.number(machine, "pids.current").into()),
        ("TasksMax", |machine, group| group.number(machine, "pids.max").into()),
        ("Unit", |_, group| {
            let name = group.path.rsplit('/').next().unwrap_or_default();
            let is_unit = [".service", ".slice", ".scope"].iter().any(|suffix| name.ends_with(suffix));
            is_unit.then(|| name.to_owned()).into()
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Group>, ProviderError> {
        Ok(Group::all(machine))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Group>, ProviderError> {
        match Group::find(machine, text_key(lookup.keys)) {
            Some(group) => Ok(Some(group)),
            // The path may differ in case.
            None => Err(ProviderError::NotCapable),
        }
    }
}

/// A container and its group.
pub(super) struct Contained {
    group: Group,
    runtime: &'static str,
    id: String,
    podman: Rc<Podman>,
}

impl Contained {
    /// Returns the processes in its group and those below.
    fn processes(&self, machine: &Machine) -> Vec<u32> {
        // Starting at this group avoids walking the whole tree for each container; a user with a delegated
        // tree can have thousands.
        let groups = self.group.clone().with_descendants(machine);
        let mut all: Vec<u32> = groups.flat_map(|group| group.processes(machine)).collect();
        all.sort_unstable();
        all
    }

    /// Returns the name, if this user may read it.
    fn name(&self, machine: &Machine) -> Option<String> {
        match self.runtime {
            "docker" => {
                let file = format!("var/lib/docker/containers/{}/config.v2.json", self.id);
                let settings: Json = serde_json::from_slice(&machine.octets(file).ok()?).ok()?;
                Some(settings.get("Name")?.as_str()?.trim_start_matches('/').to_owned())
            }
            "podman" => self.name_of_podman(machine),
            "lxc" | "nspawn" => Some(self.id.clone()),
            _ => None,
        }
    }

    /// Returns the Podman name, from the storage of the machine or of the user in whose slice it runs.
    fn name_of_podman(&self, machine: &Machine) -> Option<String> {
        let slice =
            self.group.path.split('/').find_map(|part| part.strip_prefix("user-")?.strip_suffix(".slice"));
        self.podman.name(machine, slice.and_then(|number| number.parse().ok()), &self.id)
    }
}

impl Table for Container {
    type Row = Contained;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_Container";

    const COLUMNS: &'static [(&'static str, Fill<Contained>)] = &[
        ("ContainerID", |_, container| container.id.clone().into()),
        ("ControlGroup", |_, container| container.group.path.clone().into()),
        ("MainProcessId", |machine, container| container.processes(machine).first().copied().into()),
        ("MemoryBytes", |machine, container| container.group.number(machine, "memory.current").into()),
        ("Name", |machine, container| container.name(machine).into()),
        ("Processes", |machine, container| u32::try_from(container.processes(machine).len()).ok().into()),
        ("Runtime", |_, container| container.runtime.into()),
        ("State", |machine, container| {
            let [populated, frozen] =
                ["populated", "frozen"].map(|name| container.group.counter(machine, "cgroup.events", name));
            match (populated, frozen) {
                (Some(0), _) => Value::from("exited"),
                (_, Some(1)) => "paused".into(),
                (Some(_), _) => "running".into(),
                _ => Value::Null,
            }
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Contained>, ProviderError> {
        // A container may create a group with the same name in its own tree.
        let mut found = BTreeMap::new();
        let podman = Rc::<Podman>::default();
        for group in Group::all(machine) {
            if let Some((runtime, id)) = group.container() {
                let podman = Rc::clone(&podman);
                found.entry(id.clone()).or_insert(Contained { group, runtime, id, podman });
            }
        }
        Ok(found.into_values())
    }
}
