//! `Win32_ServerFeature` and `Win32_OptionalFeature`: server roles of the machine, determined by its unit
//! files.

use std::collections::BTreeSet;

use linux::service::names;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};

/// Installed features.
pub(crate) struct ServerFeature;

/// All known features, installed or not.
pub(crate) struct OptionalFeature;

/// A feature, with its number in Windows and the units of programs that provide it.
pub(crate) struct Feature {
    id: u32,
    name: &'static str,
    caption: &'static str,
    units: &'static [&'static str],
}

impl Table for ServerFeature {
    type Row = &'static Feature;

    const CLASS: &'static str = "Win32_ServerFeature";

    const COLUMNS: &'static [(&'static str, Fill<&'static Feature>)] = &[
        ("ID", |_, feature| feature.id.into()),
        ("Name", |_, feature| feature.caption.into()),
        ("ParentID", |_, _| 0_u32.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = &'static Feature>, ProviderError> {
        let units = names(machine).map_err(failure)?;
        Ok(FEATURES.iter().filter(move |feature| feature.is_among(&units)))
    }
}

impl Table for OptionalFeature {
    type Row = (&'static Feature, bool);

    const CLASS: &'static str = "Win32_OptionalFeature";

    const COLUMNS: &'static [(&'static str, Fill<Self::Row>)] = &[
        ("Caption", |_, (feature, _)| feature.caption.into()),
        ("Description", |_, (feature, _)| feature.caption.into()),
        // 1 is enabled, 3 is absent.
        ("InstallState", |_, (_, is_there)| if *is_there { 1_u32 } else { 3 }.into()),
        ("Name", |_, (feature, _)| feature.name.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Self::Row>, ProviderError> {
        let units = names(machine).map_err(failure)?;
        Ok(FEATURES.iter().map(move |feature| (feature, feature.is_among(&units))))
    }
}

impl Feature {
    fn is_among(&self, units: &BTreeSet<String>) -> bool {
        self.units.iter().any(|unit| units.contains(*unit))
    }
}

/// Known features; the numbers are those of roles of Windows Server.
const FEATURES: &[Feature] = &[
    Feature {
        id: 2,
        name: "Web-Server",
        caption: "Web Server",
        units: &["apache2", "caddy", "httpd", "lighttpd", "nginx"],
    },
    Feature {
        id: 6,
        name: "FileAndStorage-Services",
        caption: "File Services",
        units: &["nfs-server", "smb", "smbd"],
    },
    Feature { id: 7, name: "Print-Services", caption: "Print Services", units: &["cups"] },
    Feature { id: 9, name: "ADLDS", caption: "Directory Services", units: &["dirsrv@", "slapd"] },
    Feature {
        id: 10,
        name: "AD-Domain-Services",
        caption: "Domain Services",
        units: &["samba", "samba-ad-dc"],
    },
    Feature {
        id: 12,
        name: "DHCP",
        caption: "DHCP Server",
        units: &["dhcpd", "isc-dhcp-server", "kea-dhcp4", "kea-dhcp4-server"],
    },
    Feature {
        id: 13,
        name: "DNS",
        caption: "DNS Server",
        units: &["bind9", "knot", "named", "nsd", "pdns", "unbound"],
    },
    Feature { id: 20, name: "Hyper-V", caption: "Virtual Machines", units: &["libvirtd", "virtqemud"] },
];
