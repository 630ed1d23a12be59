//! The links that the kernel knows (`/sys/class/net`).

use std::cell::OnceCell;

use crate::Machine;
use crate::guid;
use crate::storage::folder_of;
use crate::udev::Udev;

/// A link.
pub(crate) struct Link {
    /// What the kernel calls it, such as `eth0`.
    pub(crate) name: String,
    /// Its number.
    pub(crate) index: u32,
    udev: OnceCell<Udev>,
}

impl Link {
    /// All of them, by number.
    pub(crate) fn all(machine: &Machine) -> Vec<Self> {
        let names = machine.names("sys/class/net").unwrap_or_default();
        let link = |name: &std::ffi::OsString| {
            let name = name.to_str()?.to_owned();
            let index = machine.number(format!("sys/class/net/{name}/ifindex"))?;
            Some(Self { name, index, udev: OnceCell::new() })
        };
        let mut links: Vec<Self> = names.iter().filter_map(link).collect();
        links.sort_by_key(|link| link.index);
        links
    }

    /// The one of a number.
    pub(crate) fn numbered(machine: &Machine, index: u32) -> Option<Self> {
        Self::all(machine).into_iter().find(|link| link.index == index)
    }

    /// A line of its folder.
    pub(crate) fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        machine.line(format!("sys/class/net/{}/{file}", self.name))
    }

    /// A number of its folder.
    pub(crate) fn number<N: std::str::FromStr>(&self, machine: &Machine, file: &str) -> Option<N> {
        machine.number(format!("sys/class/net/{}/{file}", self.name))
    }

    /// Its flags (`IFF_*`, netdevice(7)).
    pub(crate) fn flags(&self, machine: &Machine) -> u32 {
        let digits = self.line(machine, "flags").unwrap_or_default();
        u32::from_str_radix(digits.trim_start_matches("0x"), 16).unwrap_or_default()
    }

    /// Whether somebody has switched it on.
    pub(crate) fn is_up(&self, machine: &Machine) -> bool {
        self.flags(machine) & 0x1 != 0
    }

    /// Whether it leads to this machine only.
    pub(crate) fn is_loopback(&self, machine: &Machine) -> bool {
        self.flags(machine) & 0x8 != 0
    }

    /// The one of a name.
    pub(crate) fn named(machine: &Machine, name: &str) -> Option<Self> {
        Self::all(machine).into_iter().find(|link| link.name == name)
    }

    /// Whether something is at its other end; `None` while it is switched off.
    pub(crate) fn has_carrier(&self, machine: &Machine) -> Option<bool> {
        Some(self.number::<u8>(machine, "carrier")? == 1)
    }

    /// The numbers of the links that it stands on (`lower`) or that stand on it (`upper`), in their order.
    pub(crate) fn others(&self, machine: &Machine, side: &str) -> Vec<u32> {
        let names = machine.names(format!("sys/class/net/{}", self.name)).unwrap_or_default();
        let other = |name: &std::ffi::OsString| {
            let name = name.to_str()?.strip_prefix(side)?.strip_prefix('_')?;
            machine.number(format!("sys/class/net/{name}/ifindex"))
        };
        let mut others: Vec<u32> = names.iter().filter_map(other).collect();
        others.sort_unstable();
        others
    }

    /// How many bits it sends and receives a second, if it tells.
    pub(crate) fn speed(&self, machine: &Machine) -> Option<u64> {
        // A link that is down tells -1.
        let mbits = self.number::<u64>(machine, "speed").filter(|mbits| *mbits > 0)?;
        mbits.checked_mul(1_000_000)
    }

    /// Its address in capitals, if it has one.
    pub(crate) fn hardware_address(&self, machine: &Machine) -> Option<String> {
        let address = self.line(machine, "address")?.to_ascii_uppercase();
        (!address.bytes().all(|octet| matches!(octet, b'0' | b':'))).then_some(address)
    }

    /// Whether it is a device and not made by software.
    pub(crate) fn is_physical(&self, machine: &Machine) -> bool {
        machine.path(format!("sys/class/net/{}/device", self.name)).exists()
    }

    pub(crate) fn is_wireless(&self, machine: &Machine) -> bool {
        machine.path(format!("sys/class/net/{}/wireless", self.name)).exists()
            || machine.path(format!("sys/class/net/{}/phy80211", self.name)).exists()
    }

    /// What drives it: a driver, or the kind of link that the kernel makes of others.
    pub(crate) fn driver(&self, machine: &Machine) -> Option<String> {
        let target = folder_of(machine, &format!("sys/class/net/{}/device/driver", self.name));
        let of_device = target.and_then(|folder| folder.rsplit('/').next().map(str::to_owned));
        of_device.or_else(|| {
            let text = machine.text(format!("sys/class/net/{}/uevent", self.name)).ok()?;
            text.lines().find_map(|line| line.strip_prefix("DEVTYPE=")).map(str::to_owned)
        })
    }

    /// The folder of its device below `/sys`.
    pub(crate) fn device(&self, machine: &Machine) -> Option<String> {
        let own = folder_of(machine, &format!("sys/class/net/{}", self.name))?;
        let (device, _) = own.rsplit_once("/net/")?;
        self.is_physical(machine).then(|| device.to_owned())
    }

    /// What it is, in words: the model, or the driver with the name.
    pub(crate) fn description(&self, machine: &Machine) -> String {
        let model = self.udev(machine).property("ID_MODEL_FROM_DATABASE").map(str::to_owned);
        let made = || self.driver(machine).map(|driver| format!("{driver} {}", self.name));
        model.or_else(made).unwrap_or_else(|| self.name.clone())
    }

    /// What udev knows of it.
    pub(crate) fn udev(&self, machine: &Machine) -> &Udev {
        self.udev.get_or_init(|| Udev::of_link(machine, self.index))
    }

    /// The name it keeps, in the form of Windows: made of what stays the same, its address and its name.
    pub(crate) fn guid(&self, machine: &Machine) -> String {
        guid::of(&[&self.hardware_address(machine).unwrap_or_default(), &self.name])
    }
}
