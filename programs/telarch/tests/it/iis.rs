//! `telarch web` with the IIS of another machine, which serves instances made from the documentation.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::service::{Request, Service, fault};
use super::web_administration::Windows;
use super::{Ran, run, telarch};

/// A machine with IIS, and a folder for the history.
struct Machine {
    windows: Windows,
    service: Service,
    state: TempDir,
}

impl Machine {
    fn start() -> Self {
        let instances = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/iis/tests/instances");
        let windows = Windows::new(&instances);
        Self { service: windows.serve(), windows, state: tempfile::tempdir().unwrap() }
    }

    fn web(&self, words: &[&str]) -> Ran {
        web(&self.service, self.state.path(), words)
    }

    /// Returns the output of a command that succeeds.
    fn printed(&self, words: &[&str]) -> String {
        let ran = self.web(words);
        assert_eq!(ran.code, 0, "{words:?}: {}{}", ran.out, ran.errors);
        ran.out
    }
}

fn web(service: &Service, state: &Path, words: &[&str]) -> Ran {
    let mut command = telarch(&["web"]);
    command.args(words).arg("--directory").arg(state);
    command.arg("-r").arg(format!("http://127.0.0.1:{}", service.port)).args([
        "-auth",
        "none",
        "-unencrypted",
    ]);
    run(&mut command, "")
}

#[test]
fn sites_features_and_pools_of_a_windows_machine_are_printed() {
    let machine = Machine::start();
    let sites = machine.printed(&["sites"]);
    let default = sites.lines().find(|line| line.starts_with("Default_Web_Site")).unwrap();
    assert!(default.contains("started") && default.contains(r"%SystemDrive%\inetpub\wwwroot"), "{sites}");
    let shop = machine.printed(&["site", "shop.example"]);
    assert!(
        shop.contains("Bindings: 80, 443 TLS\n") && shop.contains("Not shown: net.tcp 808:*\n"),
        "{shop}"
    );
    assert!(shop.contains(r"Location: /images → D:\images (/sites/shop:"), "{shop}");
    let json: Value =
        serde_json::from_str(&machine.printed(&["features", "shop", "--format", "json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 7);
    let pools = machine.printed(&["pools"]);
    let net = pools.lines().find(|line| line.starts_with(".NET v4.5")).unwrap();
    assert!(net.contains("started") && net.trim_end().ends_with("shop/cart"), "{pools}");
    let stopped = machine.printed(&["pool", ".NET v4.5", "stop"]);
    assert!(stopped.contains("stopped"), "{stopped}");
    assert!(machine.printed(&["pool", ".net v4.5"]).contains("stopped"));
    assert_eq!(machine.web(&["pool", "Other"]).code, 1);
}

#[test]
fn a_site_of_a_windows_machine_is_created_bound_and_deleted() {
    let machine = Machine::start();
    let create =
        ["site", "blog", "create", "--folder", r"C:\inetpub\blog", "--binding", "http/*:8080:blog.example"];
    let preview = machine.printed(&[&create[..], &["--what-if"]].concat());
    assert!(preview.contains(r"C:\\inetpub\\blog") && preview.contains("*:8080:blog.example"), "{preview}");
    assert!(!machine.windows.dump().contains("blog.example"));
    machine.printed(&create);
    assert_eq!(machine.printed(&["bind", "blog"]), "http/*:8080:blog.example\n");
    machine.printed(&["bind", "blog", "add", "http/*:8080:www.blog.example"]);
    assert!(machine.windows.dump().contains("*:8080:www.blog.example"));
    machine.printed(&["site", "blog", "folder", r"%SystemDrive%\inetpub\new"]);
    assert!(machine.printed(&["site", "blog"]).contains(r"Folder: %SystemDrive%\inetpub\new"));
    machine.printed(&["location", "blog", "/images", r"D:\images"]);
    assert!(machine.printed(&["site", "blog"]).contains(r"Location: /images → D:\images"));
    machine.printed(&["site", "blog", "delete"]);
    assert!(!machine.windows.dump().contains("blog.example"));
    let pools = machine.web(&["pool", "backend", "set", "10.0.0.1:80"]);
    assert!(pools.code == 1 && !pools.errors.is_empty(), "{}", pools.errors);
}

#[test]
fn changes_of_a_windows_machine_are_previewed_made_and_rolled_back() {
    let machine = Machine::start();
    let value = r#"{"files": ["welcome.htm"]}"#;
    let words = ["features", "shop", "default-documents", value];
    let before = machine.windows.dump();
    let preview = machine.printed(&[&words[..], &["--what-if"]].concat());
    assert!(
        preview.contains("+++ b/sites/shop\n") && preview.contains(r#"+          "Value": "welcome.htm""#),
        "{preview}"
    );
    assert!(!before.contains("welcome.htm") && !machine.windows.dump().contains("welcome.htm"));
    let made = machine.printed(&[&words[..], &["--message", "new start page"]].concat());
    assert!(made.ends_with("Commit 2: active\n"), "{made}");
    assert!(machine.windows.dump().contains("welcome.htm"));
    assert!(machine.printed(&words).contains("nothing was changed"));
    let shown = machine.printed(&["features", "shop", "default-documents"]);
    assert!(shown.contains("Source: set here\n") && shown.contains("Position: /sites/shop:"), "{shown}");
    machine.printed(&["site", "shop", "stop"]);
    assert!(machine.printed(&["sites"]).contains("stopped"));
    machine.printed(&["rollback", "1"]);
    assert!(
        !machine.windows.dump().contains("welcome.htm") && !machine.printed(&["sites"]).contains("stopped")
    );
    let history = machine.printed(&["history"]);
    assert!(history.lines().count() == 5 && history.contains("new start page"), "{history}");
    machine.windows.fail("Stop", 2_150_859_011, "the service does not answer");
    let failed = machine.web(&["site", "shop", "stop"]);
    assert!(failed.code == 1 && failed.errors.contains("the service does not answer"), "{}", failed.errors);
}

#[test]
fn machines_without_iis_and_wrong_options_get_advice() {
    let state = tempfile::tempdir().unwrap();
    let missing =
        Service::start(|_: &Request| fault(2_150_858_752, "a:DestinationUnreachable", "no such resource"));
    let ran = web(&missing, state.path(), &["sites"]);
    assert!(
        ran.code == 1 && ran.errors.contains("Install-WindowsFeature Web-Server, Web-Scripting-Tools"),
        "{}",
        ran.errors
    );
    let denied = Service::start(|_: &Request| fault(5, "w:AccessDenied", "Access is denied."));
    let ran = web(&denied, state.path(), &["sites"]);
    assert!(ran.errors.contains("members of the group Administrators"), "{}", ran.errors);
    for (words, advice) in [
        (&["sites", "--nginx", "/etc/nginx"][..], "omit them with -r"),
        (&["deploy", "shop", "a.zip"], "telarch cp"),
        (&["pools", "DefaultAppPool"], "unexpected argument \"DefaultAppPool\""),
        (&["pool", "DefaultAppPool", "pause"], "or POOL delete|start|stop|recycle"),
    ] {
        let ran = web(&denied, state.path(), words);
        assert!(ran.code == 2 && ran.errors.contains(advice), "{words:?}: {}", ran.errors);
    }
    let alone = run(&mut telarch(&["web", "sites", "-u", "ada"]), "");
    assert!(alone.code == 2 && alone.errors.contains("select it with -r"), "{}", alone.errors);
}
