//! Event source for network adapters and their configurations.

use std::io;
use std::sync::Arc;

use cim::Status;
use linux::network::multicast::Groups;
use readiness::FileChanges;
use wmi::{BoxFuture, EventSource, Happening, ProviderError};

use super::kernel::Multicast;
use crate::Machine;

/// Event source: netlink messages, and files of name servers and DHCP leases.
struct NetworkChanges {
    machine: Arc<Machine>,
    kernel: Multicast,
    files: FileChanges,
}

/// Returns a source that reports possible changes of adapters or their configurations; `None` if the kernel
/// does not report them, so that polling is used.
pub(crate) fn of_network(machine: &Arc<Machine>) -> Option<Box<dyn EventSource>> {
    let kernel = Multicast::open(Groups::Network).ok()?;
    let files = listen(machine).ok()?;
    Some(Box::new(NetworkChanges { machine: Arc::clone(machine), kernel, files }))
}

impl EventSource for NetworkChanges {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            tokio::select! {
                notification = self.kernel.next() => drop(notification.map_err(|error| failed(&error))?),
                // If a directory was deleted or the link changed, the watches are installed again.
                _ = self.files.next() => self.files = listen(&self.machine).map_err(|error| failed(&error))?,
            }
            Ok(Happening::Changed)
        })
    }
}

fn failed(error: &io::Error) -> ProviderError {
    ProviderError::failed(Status::Failed, error.to_string())
}

/// Watches the files that are read in addition to kernel data, as far as their directories exist.
fn listen(machine: &Machine) -> io::Result<FileChanges> {
    let own = machine.path("etc/resolv.conf");
    // Usually a symbolic link to a generated file.
    let target = std::fs::canonicalize(&own).ok();
    let behind = machine.path("run/systemd/resolve/resolv.conf");
    let files = [Some(own), target, Some(behind)]
        .into_iter()
        .flatten()
        .filter(|path| path.parent().is_some_and(std::path::Path::is_dir));
    let folders = FOLDERS.iter().map(|folder| machine.path(folder)).filter(|folder| folder.is_dir());
    FileChanges::of(files)?.and_all_in(folders)
}

/// Directories for the state of networkd links, and for DHCP leases of networkd and dhclient.
const FOLDERS: [&str; 4] =
    ["run/systemd/netif/links", "run/systemd/netif/leases", "var/lib/dhcp", "var/lib/dhclient"];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn virtual_machine_options_identify_servers() {
        let folder = tempfile::tempdir().expect("there is room");
        let at = |path: &str| folder.path().join(path);
        for path in ["etc", "run/systemd/resolve", "run/systemd/netif/leases", "run/other"] {
            fs::create_dir_all(at(path)).expect("there is room");
        }
        fs::write(at("run/other/resolv.conf"), "").expect("there is room");
        std::os::unix::fs::symlink("../run/other/resolv.conf", at("etc/resolv.conf")).expect("there is room");
        let machine = Machine::at(folder.path());
        for path in [
            "run/other/resolv.conf",
            "run/systemd/resolve/resolv.conf",
            "run/systemd/netif/leases/2",
            "etc/resolv.conf",
        ] {
            let mut changes = listen(&machine).expect("there are folders");
            fs::write(at(path), "nameserver 192.0.2.1\n").expect("there is room");
            let change = tokio::time::timeout(std::time::Duration::from_secs(60), changes.next()).await;
            change.unwrap_or_else(|_| panic!("{path} is not listened to")).expect("it is listened to");
        }
    }
}
