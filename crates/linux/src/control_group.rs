//! Control groups of version 2, and the containers that run in them.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::Machine;
use crate::account::User;

/// Possible roots of the tree; on machines with both versions, that of version 2.
const ROOTS: [&str; 2] = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];

/// Maximum depth of nested groups.
const DEEPEST: usize = 64;

/// A group, by its path in the tree, such as `/system.slice/cron.service`.
#[derive(Clone, Debug)]
pub struct Group {
    /// Root of the tree, below the root of the machine.
    pub root: &'static str,
    /// Path in the tree.
    pub path: String,
}

impl Group {
    /// Returns the group with this path, if it exists.
    pub fn find(machine: &Machine, path: &str) -> Option<Self> {
        let is_place = path.starts_with('/') && !path.split('/').any(|part| part == "..");
        let root = root(machine).filter(|_| is_place)?;
        let group = Self { root, path: path.to_owned() };
        machine.path(group.file("cgroup.procs")).exists().then_some(group)
    }

    /// Returns every group, parents first; none without control groups version 2.
    pub fn all(machine: &Machine) -> impl Iterator<Item = Self> {
        let root = root(machine).map(|root| Self { root, path: "/".to_owned() });
        root.into_iter().flat_map(|root| root.with_descendants(machine))
    }

    /// Returns the group and those below it, parents first.
    pub fn with_descendants(self, machine: &Machine) -> impl Iterator<Item = Self> {
        let mut waiting = vec![(self, 0)];
        std::iter::from_fn(move || {
            let (group, depth) = waiting.pop()?;
            if depth < DEEPEST {
                waiting.extend(group.children(machine).map(|child| (child, depth + 1)));
            }
            Some(group)
        })
    }

    /// Returns the groups directly below, in descending order of their names.
    fn children(&self, machine: &Machine) -> impl Iterator<Item = Self> {
        let names = machine.names(self.file("")).unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort_unstable_by(|left, right| right.cmp(left));
        // Entries that are not directories are skipped, and so are groups that no longer exist.
        names
            .into_iter()
            .filter(|name| machine.path(self.file(name)).is_dir())
            .map(|name| Self { root: self.root, path: format!("{}/{name}", self.path.trim_end_matches('/')) })
    }

    /// Returns the path of a file of the group.
    pub fn file(&self, name: &str) -> String {
        format!("{}{}/{name}", self.root, self.path.trim_end_matches('/'))
    }

    /// Returns the text of a file of the group.
    pub fn text(&self, machine: &Machine, name: &str) -> Option<String> {
        machine.text(self.file(name)).ok()
    }

    /// Returns the number in a file; `None` also for `max`.
    pub fn number(&self, machine: &Machine, name: &str) -> Option<u64> {
        machine.number(self.file(name))
    }

    /// Returns a named number in a file with several.
    pub fn counter(&self, machine: &Machine, file: &str, name: &str) -> Option<u64> {
        let text = self.text(machine, file)?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value?.trim().parse().ok()
    }

    /// Returns a number of `io.stat`, summed over all devices.
    pub fn traffic(&self, machine: &Machine, name: &str) -> Option<u64> {
        let text = self.text(machine, "io.stat")?;
        let values = text.split_ascii_whitespace().filter_map(|field| field.split_once('='));
        Some(
            values
                .filter(|(own, _)| *own == name)
                .filter_map(|(_, value)| value.parse::<u64>().ok())
                .fold(0, u64::saturating_add),
        )
    }

    /// Returns quota or period of `cpu.max`.
    pub fn quota(&self, machine: &Machine, place: usize) -> Option<u64> {
        self.text(machine, "cpu.max")?.split_ascii_whitespace().nth(place)?.parse().ok()
    }

    /// Returns the processes in this group itself.
    pub fn processes(&self, machine: &Machine) -> Vec<u32> {
        let text = self.text(machine, "cgroup.procs").unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Returns runtime and identifier of the container of the group.
    pub fn container(&self) -> Option<(&'static str, String)> {
        container(self.path.rsplit('/').next()?)
    }
}

/// Returns the root of the tree; `None` without control groups version 2.
fn root(machine: &Machine) -> Option<&'static str> {
    ROOTS.into_iter().find(|root| machine.path(format!("{root}/cgroup.procs")).exists())
}

/// Returns runtime and identifier from the name of a container's group: Docker, Podman, CRI-O, containerd,
/// LXC and systemd-nspawn.
fn container(name: &str) -> Option<(&'static str, String)> {
    for (prefix, runtime) in
        [("docker-", "docker"), ("libpod-", "podman"), ("crio-", "cri-o"), ("cri-containerd-", "containerd")]
    {
        if let Some(id) = inner(name, prefix, ".scope").filter(|id| is_identifier(id)) {
            return Some((runtime, id.to_owned()));
        }
    }
    // Without systemd, Docker's groups are named by the identifier alone.
    if is_identifier(name) {
        return Some(("docker", name.to_owned()));
    }
    if let Some(name) = inner(name, "lxc.payload.", "") {
        return Some(("lxc", name.to_owned()));
    }
    inner(name, "machine-", ".scope").map(|name| ("nspawn", name.replace("\\x2d", "-")))
}

/// Returns the part of a name between a prefix and a suffix, unless it is empty.
fn inner<'n>(name: &'n str, prefix: &str, suffix: &str) -> Option<&'n str> {
    name.strip_prefix(prefix)?.strip_suffix(suffix).filter(|inner| !inner.is_empty())
}

/// Returns whether it has the form of a container's identifier.
fn is_identifier(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// Container names in Podman storages (containers-storage). Each storage is read once, because it may be
/// large and its user may have many containers.
#[derive(Default)]
pub struct Podman(RefCell<HashMap<Option<u32>, HashMap<String, String>>>);

/// A container in the list of a storage.
#[derive(serde::Deserialize)]
struct Stored {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
}

impl Podman {
    /// Returns the name of a container of a user, or of the machine.
    pub fn name(&self, machine: &Machine, uid: Option<u32>, id: &str) -> Option<String> {
        let mut storages = self.0.borrow_mut();
        let storage = storages.entry(uid).or_insert_with(|| Self::names(machine, uid).unwrap_or_default());
        storage.get(id).cloned()
    }

    fn names(machine: &Machine, uid: Option<u32>) -> Option<HashMap<String, String>> {
        let storage = match uid {
            Some(uid) => {
                let user = User::with_uid(machine, uid).ok()??;
                format!("{}/.local/share/containers/storage", user.home)
            }
            None => "var/lib/containers/storage".to_owned(),
        };
        let file = format!("{storage}/overlay-containers/containers.json");
        let known: Vec<Stored> = serde_json::from_slice(&machine.octets_of_others(file).ok()?).ok()?;
        Some(
            known
                .into_iter()
                .filter_map(|Stored { id, names }: Stored| Some((id, names?.into_iter().next()?)))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_names_identify_runtimes_and_containers() {
        let id = "0123456789abcdef".repeat(4);
        for (name, runtime, wanted) in [
            (format!("docker-{id}.scope"), "docker", id.as_str()),
            (format!("libpod-{id}.scope"), "podman", &id),
            (format!("cri-containerd-{id}.scope"), "containerd", &id),
            (id.clone(), "docker", &id),
            ("lxc.payload.web".to_owned(), "lxc", "web"),
            ("machine-old\\x2ddb.scope".to_owned(), "nspawn", "old-db"),
        ] {
            assert_eq!(container(&name), Some((runtime, wanted.to_owned())), "{name}");
        }
        for name in ["docker-1234.scope", "cron.service", "user.slice", "lxc.payload.", &id[1..]] {
            assert_eq!(container(name), None, "{name}");
        }
    }
}
