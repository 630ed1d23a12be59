//! Network links of the kernel (`/sys/class/net`).

use std::cell::OnceCell;

use crate::Machine;
use crate::guid;
use crate::storage::block::folder_of;
use crate::udev::Udev;

/// A network link.
pub struct Link {
    /// Interface name, such as `eth0`.
    pub name: String,
    /// Interface index.
    pub index: u32,
    udev: OnceCell<Udev>,
}

impl Link {
    /// Returns all links, by index.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let names = machine.names("sys/class/net").unwrap_or_default();
        let mut links: Vec<Self> =
            names.iter().filter_map(|name| Self::of_name(machine, name.to_str()?)).collect();
        links.sort_by_key(|link| link.index);
        links
    }

    fn of_name(machine: &Machine, name: &str) -> Option<Self> {
        let index = machine.number(format!("sys/class/net/{name}/ifindex"))?;
        Some(Self { name: name.to_owned(), index, udev: OnceCell::new() })
    }

    /// Returns the link with this index.
    pub fn numbered(machine: &Machine, index: u32) -> Option<Self> {
        Self::all(machine).into_iter().find(|link| link.index == index)
    }

    /// Returns a line of an attribute.
    pub fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        machine.line(format!("sys/class/net/{}/{file}", self.name))
    }

    /// Returns a number of an attribute.
    pub fn number<N: std::str::FromStr>(&self, machine: &Machine, file: &str) -> Option<N> {
        machine.number(format!("sys/class/net/{}/{file}", self.name))
    }

    /// Returns the interface flags (`IFF_*`, netdevice(7)).
    pub fn flags(&self, machine: &Machine) -> u32 {
        let digits = self.line(machine, "flags").unwrap_or_default();
        u32::from_str_radix(digits.trim_start_matches("0x"), 16).unwrap_or_default()
    }

    /// Returns whether the link is administratively up.
    pub fn is_up(&self, machine: &Machine) -> bool {
        self.flags(machine) & 0x1 != 0
    }

    /// Returns whether it is the loopback link.
    pub fn is_loopback(&self, machine: &Machine) -> bool {
        self.flags(machine) & 0x8 != 0
    }

    /// Returns the link with this name.
    pub fn named(machine: &Machine, name: &str) -> Option<Self> {
        Self::all(machine).into_iter().find(|link| link.name == name)
    }

    /// Returns whether there is a carrier; `None` while the link is down.
    pub fn has_carrier(&self, machine: &Machine) -> Option<bool> {
        Some(self.number::<u8>(machine, "carrier")? == 1)
    }

    /// Returns the indexes of the links below (`lower`) or above (`upper`) it, in order.
    pub fn others(&self, machine: &Machine, side: &str) -> Vec<u32> {
        let names = machine.names(format!("sys/class/net/{}", self.name)).unwrap_or_default();
        let mut others: Vec<u32> = names
            .iter()
            .filter_map(|name| {
                let name = name.to_str()?.strip_prefix(side)?.strip_prefix('_')?;
                machine.number(format!("sys/class/net/{name}/ifindex"))
            })
            .collect();
        others.sort_unstable();
        others
    }

    /// Returns the speed in bits per second, if known.
    pub fn speed(&self, machine: &Machine) -> Option<u64> {
        // A link that is down reports -1.
        let mbits = self.number::<u64>(machine, "speed").filter(|mbits| *mbits > 0)?;
        mbits.checked_mul(1_000_000)
    }

    /// Returns the hardware address in upper case, if it has one.
    pub fn hardware_address(&self, machine: &Machine) -> Option<String> {
        let address = self.line(machine, "address")?.to_ascii_uppercase();
        (!address.bytes().all(|octet| matches!(octet, b'0' | b':'))).then_some(address)
    }

    /// Returns whether it is a physical device rather than a virtual link.
    pub fn is_physical(&self, machine: &Machine) -> bool {
        machine.path(format!("sys/class/net/{}/device", self.name)).exists()
    }

    /// Returns whether it is a wireless link.
    pub fn is_wireless(&self, machine: &Machine) -> bool {
        machine.path(format!("sys/class/net/{}/wireless", self.name)).exists()
            || machine.path(format!("sys/class/net/{}/phy80211", self.name)).exists()
    }

    /// Returns the driver, or the kind of a virtual link.
    pub fn driver(&self, machine: &Machine) -> Option<String> {
        let target = folder_of(machine, &format!("sys/class/net/{}/device/driver", self.name));
        let of_device = target.and_then(|folder| folder.rsplit('/').next().map(str::to_owned));
        of_device.or_else(|| {
            let text = machine.text(format!("sys/class/net/{}/uevent", self.name)).ok()?;
            text.lines().find_map(|line| line.strip_prefix("DEVTYPE=")).map(str::to_owned)
        })
    }

    /// Returns the directory of its device below `/sys`.
    pub fn device(&self, machine: &Machine) -> Option<String> {
        let own = folder_of(machine, &format!("sys/class/net/{}", self.name))?;
        let (device, _) = own.rsplit_once("/net/")?;
        self.is_physical(machine).then(|| device.to_owned())
    }

    /// Returns a description: the model, or the driver with the name.
    pub fn description(&self, machine: &Machine) -> String {
        let model = self.udev(machine).property("ID_MODEL_FROM_DATABASE").map(str::to_owned);
        model
            .or_else(|| self.driver(machine).map(|driver| format!("{driver} {}", self.name)))
            .unwrap_or_else(|| self.name.clone())
    }

    /// Returns the properties recorded by udev.
    pub fn udev(&self, machine: &Machine) -> &Udev {
        self.udev.get_or_init(|| Udev::of_link(machine, self.index))
    }

    /// Returns the GUID, derived from hardware address and name.
    pub fn guid(&self, machine: &Machine) -> String {
        guid::of(&[&self.hardware_address(machine).unwrap_or_default(), &self.name])
    }
}
