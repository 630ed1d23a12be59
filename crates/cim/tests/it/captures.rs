//! Instances recorded from real Windows services, if the recordings are available.
//!
//! The recordings belong to other projects and are not part of this repository.
//! The tests read them from `wsman/wmi` in the folder of `TELARCH_FIXTURES`, or in `shared/fixtures` beside the
//! repository.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use telarch_cim::uri::UriForm;
use telarch_cim::wscim::{Reader, Writer};
use telarch_cim::{Class, ClassDeclaration, Schema};
use xml::{Bounds, Document, Element};

use crate::{cimv2, declaration, origin};

/// Properties added to Windows after some of the recordings.
const NEWER: [&str; 33] = [
    "AutomaticManagedPagefile",
    "BootVolume",
    "HypervisorPresent",
    "NumberOfLogicalProcessors",
    "OperatingSystemSKU",
    "OSArchitecture",
    "PageFilePresent",
    "PCSystemType",
    "PortableOperatingSystem",
    "SecondLevelAddressTranslationExtensions",
    "SystemVolume",
    "VirtualizationFirmwareEnabled",
    "VMMonitorModeExtensions",
    "AssetTag",
    "Characteristics",
    "ChassisSKUNumber",
    "DelayedAutoStart",
    "NumberOfEnabledCore",
    "PartNumber",
    "PCSystemTypeEx",
    "SerialNumber",
    "SystemFamily",
    "SystemSKUNumber",
    "ThreadCount",
    "L3CacheSize",
    "L3CacheSpeed",
    "NumberOfCores",
    "OffloadedConnections",
    "TCPActiveRSCConnections",
    "TCPRSCAveragePacketSize",
    "TCPRSCCoalescedPacketsPersec",
    "TCPRSCExceptionsPersec",
    "WorkingSetPrivate",
];

/// Number of instances and projections in the default part of the recordings.
const SELECTION: (usize, usize) = (68, 199);

/// Number of instances and projections in all recordings of their project, 1 438 items.
const WHOLE: (usize, usize) = (719, 719);

#[test]
fn every_recorded_instance_survives_a_round_trip() {
    let schema = schema();
    let (mut instances, mut projections) = (0, 0);
    each_item(|server, class_name, item| {
        let written = if item.name() == "XmlFragment" {
            projections += 1;
            rewrite_projection(&schema, class_name, item)
        } else {
            instances += 1;
            rewrite_instance(&schema, item)
        };
        // Server 2003 wrote quotes literally, its successors write character references.
        let quotes = |text: &str| text.replace("&quot;", "\"").replace("&apos;", "'");
        let same = if server == "server_2003" { quotes(&written) } else { written };
        assert_eq!(same, item.source());
    });
    let counted = (instances, projections);
    assert!(
        [(0, 0), SELECTION, WHOLE].contains(&counted),
        "not every item that was recorded was found: {counted:?}"
    );
}

#[test]
fn the_properties_of_recorded_instances_match_the_classes() {
    let schema = schema();
    let mut missing = BTreeSet::new();
    each_item(|_, _, item| {
        if item.name() == "XmlFragment" {
            return;
        }
        let class = class_of(&schema, item.name(), item);
        let read = Reader::new(&schema).properties(item, &class).unwrap();
        for (column, property) in class.columns().iter().zip(class.properties()) {
            // An array without a value is not written.
            if !read.present.contains(column) && !property.kind.is_array() {
                missing.insert(format!("{}.{}", class.name(), property.name));
            }
        }
    });
    missing.retain(|name| !NEWER.iter().any(|newer| name.ends_with(&format!(".{newer}"))));
    assert_eq!(missing, BTreeSet::new());
}

fn rewrite_instance(schema: &Schema, item: Element<'_>) -> String {
    let class = class_of(schema, item.name(), item);
    let read = Reader::new(schema).properties(item, &class).unwrap();
    let mut out = xml::Writer::new();
    writer().instances(&class, &read.present).write(&mut out, &read.instance);
    out.finish()
}

fn rewrite_projection(schema: &Schema, class_name: &str, item: Element<'_>) -> String {
    let class = class_of(schema, class_name, item);
    let read = Reader::new(schema).properties(item, &class).unwrap();
    let mut out = xml::Writer::new();
    writer().projection(&class, &read.present).write(&mut out, &read.instance);
    out.finish()
}

/// Returns the schema with a class that exists only on Windows and extends its superclass.
fn schema() -> Schema {
    let mut schema = cimv2();
    let terminals = "class Win32_TerminalService : Win32_Service \
                     { uint32 DisconnectedSessions; uint32 TotalSessions; };";
    schema.add(&declaration(terminals)).unwrap();
    schema
}

/// Returns the class, extended by the properties that only Windows Server 2003 had.
fn class_of(schema: &Schema, name: &str, item: Element<'_>) -> Arc<Class> {
    let class = schema.require(name).unwrap();
    let unknown: BTreeSet<_> =
        item.children().map(|child| child.name()).filter(|name| class.column(name).is_none()).collect();
    if unknown.is_empty() {
        return class;
    }
    assert_eq!(unknown, BTreeSet::from(["QuantumLength", "QuantumType"]), "{name}");
    let mut with_older = ClassDeclaration::from(class.as_ref());
    let older = declaration("class X { uint8 QuantumLength; uint8 QuantumType; };");
    with_older.properties.extend(older.properties);
    Arc::new(Class::derive(&with_older, class.superclass()).unwrap())
}

fn writer() -> Writer {
    Writer::new(UriForm::Wmi, origin())
}

/// Calls a function for each item of each recording, with its service and the class that names its file.
fn each_item(mut check: impl FnMut(&str, &str, Element<'_>)) {
    let Some(folder) = skips::recordings("wsman/wmi") else { return };
    for server in ["server_2003", "server_2008", "server_2012"] {
        let mut paths: Vec<_> =
            fs::read_dir(folder.join(server)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
        paths.sort();
        for path in paths {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let class = name.split("_all").next().unwrap().split("_star").next().unwrap();
            // XML readers see line ends as one character (XML 1.0, 2.11).
            let text = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
            let document = Document::parse(text.trim(), &Bounds::default()).unwrap();
            let mut all = vec![document.root()];
            while let Some(element) = all.pop() {
                if element.name() == "Items" {
                    element.children().for_each(|item| check(server, class, item));
                } else {
                    all.extend(element.children());
                }
            }
        }
    }
}
