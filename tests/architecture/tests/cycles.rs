//! Inside a crate, modules form no cycles.

use telarch_architecture::cycles::cycles;
use telarch_architecture::modules::dependencies;
use telarch_architecture::{packages, root};

/// A cycle that is allowed; a crate has at most one.
struct Exception {
    package: &'static str,
    /// Module that declares the modules of the cycle; empty for the root of the crate.
    level: &'static str,
    /// Modules that may be part of the cycle.
    modules: &'static [&'static str],
    /// Reason why the modules need each other.
    reason: &'static str,
}

/// Exceptions in the order of their packages.
const EXCEPTIONS: &[Exception] = &[
    Exception {
        package: "crates/cim",
        level: "",
        modules: &[
            "class",
            "datetime",
            "error",
            "instance",
            "name",
            "object_path",
            "qualifier",
            "system",
            "uri",
            "value",
            "wql",
        ],
        reason: "a value may be an instance or an object path, and both consist of values",
    },
    Exception {
        package: "crates/cli",
        level: "",
        modules: &["help", "winrm"],
        reason: "the parser returns a page of help, and pages describe the operations of the parser",
    },
    Exception {
        package: "crates/cli/command",
        level: "",
        modules: &["arguments", "table"],
        reason: "an action is a function of its arguments, which are parsed by the table",
    },
    Exception {
        package: "crates/cli/ipmi",
        level: "",
        modules: &["host_command", "table"],
        reason: "an action of the table runs the command, which reads the options of the table",
    },
    Exception {
        package: "crates/cli/wmi",
        level: "",
        modules: &["arguments", "listing", "local", "print", "remote", "source", "watch"],
        reason: "queries of either source end in listings and events, which are run on a source",
    },
    Exception {
        package: "crates/client",
        level: "",
        modules: &[
            "authentication",
            "client_certificate",
            "connection",
            "endpoint",
            "error",
            "handshake",
            "local",
            "pool",
            "proxy",
            "route",
            "session",
            "ticket",
            "timeouts",
            "tls",
        ],
        reason: "a tunnel through a proxy is a connection, and every connection may begin with a proxy",
    },
    Exception {
        package: "crates/ipmi",
        level: "",
        modules: &["cache", "connection", "endpoint", "repository"],
        reason: "an endpoint has a slot for its session, and the session belongs to an endpoint",
    },
    Exception {
        package: "crates/kerberos",
        level: "",
        modules: &["error", "library", "map", "principal", "spn"],
        reason: "errors name principals, and parsing a principal returns such an error",
    },
    Exception {
        package: "crates/linux",
        level: "",
        modules: &["machine", "mounts", "package"],
        reason: "a machine caches its mounts and packages, which are read from a machine",
    },
    Exception {
        package: "crates/sddl",
        level: "",
        modules: &["ace", "acl", "cursor", "descriptor", "error", "principal", "sid", "token"],
        reason: "a principal is a SID or an alias, and the text of a SID may be an alias",
    },
    Exception {
        package: "crates/wmi",
        level: "",
        modules: &[
            "change",
            "engine",
            "event",
            "generations",
            "namespaces",
            "plan",
            "provider",
            "registration",
            "scan",
            "security",
            "table",
        ],
        reason: "a provider is called with a context of the engine that calls it, and may start events",
    },
    Exception {
        package: "crates/wsman",
        level: "",
        modules: &["endpoint_reference", "head", "resource_uri", "selector"],
        reason: "a selector may be an endpoint reference, which has selectors",
    },
];

#[test]
fn modules_form_no_cycles() {
    let root = root().canonicalize().unwrap_or_else(|_| root());
    let mut complaints = Vec::new();
    let mut allowed = Vec::new();
    for package in packages().values().filter(|package| is_product(&package.folder)) {
        let sources = root.join(&package.folder).join("src");
        for file in ["lib.rs", "main.rs"].map(|file| sources.join(file)) {
            if !file.is_file() {
                continue;
            }
            for cycle in cycles(&dependencies(&file)) {
                let exception = EXCEPTIONS.iter().find(|exception| {
                    exception.package == package.folder
                        && exception.level == cycle.level.join("::")
                        && cycle.nodes.iter().all(|node| exception.modules.contains(&node.as_str()))
                });
                match exception {
                    Some(exception) => allowed.push(exception.package),
                    None => complaints.push(format!("{}: {cycle}", package.folder)),
                }
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "modules need each other; move what they share into a module below them:\n{}",
        complaints.join("\n")
    );
    let expected: Vec<&str> = EXCEPTIONS.iter().map(|exception| exception.package).collect();
    assert_eq!(allowed, expected, "an exception no longer applies: remove it");
}

#[test]
fn a_crate_has_at_most_one_cycle() {
    for pair in EXCEPTIONS.windows(2) {
        let [first, second] = pair else { continue };
        assert!(first.package < second.package, "{}: one exception per crate, in order", second.package);
    }
    for exception in EXCEPTIONS {
        assert!(exception.reason.len() > 20, "{} needs a reason", exception.package);
    }
}

fn is_product(folder: &str) -> bool {
    folder.starts_with("crates/") || folder.starts_with("programs/")
}
