//! Plug-ins and groups in the file and in messages.

use std::fs;

use telarch_config::{
    DescriptorOrigin, EndpointName, PLUGIN_NAMESPACE, PluginError, PluginKind, SecurityEntry, State, Store,
    StoreError,
};
use tempfile::TempDir;
use xml::{Bounds, Document, Writer};

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";

fn opened(text: &str) -> (Result<Store, StoreError>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    (Store::open(path), folder)
}

fn refusal(text: &str) -> String {
    opened(text).0.unwrap_err().to_string()
}

fn shown(state: &State, name: &str) -> String {
    let mut writer = Writer::new();
    state.plugins.find(name).unwrap().write(state.security_defaults(), &mut writer);
    writer.finish()
}

fn put(state: &State, name: &str, body: &str) -> Result<telarch_config::Plugin, PluginError> {
    let document = Document::parse(body.to_owned(), &Bounds::default()).unwrap();
    state.plugins.find(name).unwrap().put(document.root(), state.security_defaults())
}

fn body(attributes: &str, within: &str) -> String {
    format!("<PlugInConfiguration xmlns=\"{PLUGIN_NAMESPACE}\" {attributes}>{within}</PlugInConfiguration>")
}

fn resource(uri: &str, within: &str) -> String {
    format!("<Resources><Resource ResourceUri=\"{uri}\">{within}</Resource></Resources>")
}

#[test]
fn settings_of_plug_ins_and_groups_in_the_file_apply() {
    let text = format!(
        "[Groups]\nAdministrators = [\"wheel\", \"sudo\"]\nRemoteManagementUsers = []\n\n\
         [[Plugin]]\nName = \"shell\"\nEnabled = false\n\n[[Plugin.Security]]\nUri = \"{SHELL}/cmd\"\n\
         Sddl = \"D:P(A;;GA;;;BU)\"\nExactMatch = true\n\n\
         [[Plugin]]\nName = \"WMI Provider\"\nSecurity = []\n"
    );
    let (store, _folder) = opened(&text);
    let state = store.unwrap().state();
    assert_eq!(state.groups.administrators, ["wheel", "sudo"]);
    assert!(state.groups.remote_management_users.is_empty());
    assert_eq!(state.groups.event_log_readers, ["winrm-event-readers"]);
    assert!(!state.plugins.find_by_uri(&format!("{SHELL}/cmd")).unwrap().is_enabled());
    assert!(state.plugins.find("configuration").unwrap().is_enabled());
    assert_eq!(state.access.of(&format!("{SHELL}/CMD")).guard.to_string(), "D:P(A;;GA;;;BU)");
    assert_eq!(state.access.of(SHELL).origin, DescriptorOrigin::Root);
    assert_eq!(
        state.access.of("http://schemas.microsoft.com/wbem/wsman/1/wmi/x").origin,
        DescriptorOrigin::Root
    );
}

#[test]
fn errors_in_the_file_are_reported_with_their_line() {
    let plugin = |rest: &str| format!("[[Plugin]]\nName = \"Shell\"\n{rest}\n");
    let endpoint = |rest: &str| format!("[[Plugin]]\nName = \"PowerShell\"\n[[Plugin.Endpoint]]\n{rest}");
    let entry = |rest: &str| plugin(&format!("[[Plugin.Security]]\nUri = \"{SHELL}\"\n{rest}"));
    for (text, line, part) in [
        (
            "[[Plugin]]\nName = \"Shel\"".to_owned(),
            2,
            "unknown plug-in \"Shel\"; the plug-ins are Configuration, Shell,",
        ),
        ("[[Plugin]]\nEnabled = true".to_owned(), 1, "Plugin/Name"),
        ("Plugin = 1".to_owned(), 1, "begin each plug-in with the line [[Plugin]]"),
        (plugin("Enable = true"), 3, "did you mean Enabled?"),
        (plugin("Enabled = 7"), 3, "is not true or false"),
        (plugin("[[Plugin]]\nName = \"SHELL\""), 4, "given more than once"),
        ("[[Plugin]]\nName = \"Configuration\"\nEnabled = false".to_owned(), 3, "cannot be disabled"),
        (entry("Sddl = \"O:BAG:BA\""), 3, "to deny access to all users, use D:P"),
        (entry(""), 3, "Security/Sddl"),
        (entry("Sddl = \"D:\"\nUris = 1"), 3, "did you mean Uri?"),
        (
            plugin("Security = [{ Uri = \"http://x\", Sddl = \"D:\" }]"),
            3,
            "does not serve this URI, only http",
        ),
        (plugin("[[Plugin.Endpoint]]\nName = \"PowerShell.7\""), 3, "the plug-in Shell has no endpoints"),
        (endpoint("Name = \"a b\""), 3, "the name of an endpoint"),
        (endpoint("Enabled = false"), 3, "Endpoint/Name"),
        (endpoint("Name = \"x\"\nEnable = false"), 3, "did you mean Enabled?"),
        (endpoint("Name = \"x\"\n[[Plugin.Endpoint]]\nName = \"X\""), 3, "Endpoint X: given more than once"),
        (plugin("Security = 1"), 3, "begin each entry with the line [[Plugin.Security]]"),
        ("[Groups]\nAdministrator = []".to_owned(), 2, "did you mean Groups/Administrators?"),
        ("[Groups]\nAdministrators = [\"a b\"]".to_owned(), 2, "valid name of a local group"),
        ("[Groups]\nAdministrators = \"wheel\"".to_owned(), 2, "a list of group names"),
    ] {
        let reported = refusal(&text);
        assert!(reported.contains(part), "{text}\n{reported}");
        assert!(reported.contains(&format!("line {line}")), "{text}\n{reported}");
    }
}

#[test]
fn a_change_is_saved_and_keeps_the_rest_of_the_file() {
    let before = "# mine\n[Groups]\nAdministrators = [\"wheel\"] # them\n";
    let (store, folder) = opened(before);
    let store = store.unwrap();
    let change = |draft: &mut telarch_config::Draft| -> Result<(), StoreError> {
        let shell = draft.plugins.find_mut("Shell").unwrap();
        shell.set_enabled(false).unwrap();
        shell.set_entries(vec![SecurityEntry::parse(SHELL, "D:P(A;;GX;;;BU)", false).unwrap()]).unwrap();
        Ok(())
    };
    let changed = store.update(change).unwrap();
    let text = fs::read_to_string(folder.path().join("config.toml")).unwrap();
    assert!(text.starts_with(before), "{text}");
    assert!(text.contains("[[Plugin]]\nName = \"Shell\"\nEnabled = false\n"), "{text}");
    let again = Store::open(folder.path().join("config.toml")).unwrap().state();
    assert_eq!(again.plugins, changed.plugins);
    assert_eq!(again.access.of(&format!("{SHELL}/cmd")).guard.to_string(), "D:P(A;;GX;;;BU)");
    let back = store.update(|draft| -> Result<(), StoreError> {
        let shell = draft.plugins.find_mut("Shell").unwrap();
        shell.set_enabled(true).unwrap();
        shell.set_entries(Vec::new()).unwrap();
        Ok(())
    });
    assert_eq!(back.unwrap().access.of(SHELL).origin, DescriptorOrigin::Root);
}

#[test]
fn the_shell_uses_rootsddl_until_it_has_its_own_entries() {
    let (store, _folder) = opened("Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;BU)\"\n");
    let state = store.unwrap().state();
    let expected = "O:NSG:BAD:P(A;;GA;;;BU)(A;;GA;;;RM)";
    assert_eq!(state.access.of(SHELL).guard.to_string(), expected);
    assert!(shown(&state, "Shell").contains(expected));
}

#[test]
fn an_empty_file_and_no_file_have_the_same_default_entries() {
    let (store, _folder) = opened("");
    assert_eq!(*store.unwrap().state(), State::default());
    assert!(State::default().access.of(SHELL).guard.to_string().contains(";;RM)"));
}

#[test]
fn a_plug_in_can_be_put_back_unchanged() {
    let state = State::default();
    for kind in PluginKind::all() {
        let text = shown(&state, kind.name);
        let put = put(&state, kind.name, &text).unwrap();
        assert_eq!(Some(&put), state.plugins.find(kind.name), "{text}");
        assert!(!put.has_configured_entries());
    }
}

#[test]
fn put_replaces_the_entries_of_the_resources_it_contains() {
    let state = State::default();
    let wmi = "http://schemas.microsoft.com/wbem/wsman/1/wmi";
    let entry = format!("<Security Uri=\"{wmi}/root\" Sddl=\"D:(A;;GR;;;BU)\" ExactMatch=\"true\"/>");
    let put =
        put(&state, "WMI Provider", &body("Name=\"wmi provider\" Enabled=\"false\"", &resource(wmi, &entry)));
    let put = put.unwrap();
    assert!(!put.is_enabled());
    let entries = put.security(state.security_defaults());
    let shown: Vec<_> = entries.iter().map(|entry| (entry.uri.as_str(), entry.exact_match)).collect();
    let [dmtf, scx, classes] = [
        "http://schemas.dmtf.org/wbem/wscim/1",
        "http://schemas.microsoft.com/wbem/wscim/1",
        "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2",
    ];
    let expected = [(&*format!("{wmi}/root"), true), (dmtf, false), (scx, false), (classes, false)];
    assert_eq!(shown, expected);
}

#[test]
fn an_invalid_put_is_rejected_with_its_reason() {
    let state = State::default();
    let security = |attributes: &str| resource(SHELL, &format!("<Security {attributes}/>"));
    let good = format!("Uri=\"{SHELL}\" Sddl=\"D:P(A;;GA;;;BA)\"");
    for (body, part) in [
        ("<Plugin/>".to_owned(), "send \"PlugInConfiguration\""),
        (body("Name=\"Other\"", ""), "Name of the plug-in Shell cannot be changed"),
        (body("RunAsUser=\"root\"", ""), "RunAsUser of the plug-in Shell cannot be changed"),
        (body("Enabled=\"maybe\"", ""), "is not true or false"),
        (body("Other=\"x\"", ""), "Plugin/Other: unknown setting"),
        (body("", "<Quotas MaxShells=\"1\"/>"), "Quotas of the plug-in Shell cannot be changed"),
        (body("", &resource("http://x", "")), "the list of resources (http://x)"),
        (body("", &resource(SHELL, "<Capability Type=\"Subscribe\"/>")), "the capability Subscribe"),
        (
            body("", &security(&format!("Uri=\"{SHELL}\" Sddl=\"O:BAG:BA\""))),
            "to deny access to all users, use D:P",
        ),
        (body("", &security(&format!("Uri=\"{SHELL}\" Sddl=\"\""))), "Security of http"),
        (body("", &security("Uri=\"\" Sddl=\"D:\"")), "is not the URI of a resource"),
        (body("", &security("Uri=\"http://x\" Sddl=\"D:\"")), "does not serve this URI"),
        (body("", &security(&format!("{good} ParentResourceUri=\"x\""))), "ParentResourceUri"),
        (body("", &resource(SHELL, &format!("<Security {good}/><Security {good}/>"))), "duplicate entry"),
        (body("", &resource(SHELL, &format!("<Security {good}/>").repeat(65))), "more than 64"),
    ] {
        let reported = put(&state, "Shell", &body).unwrap_err().to_string();
        assert!(reported.contains(part), "{body}\n{reported}");
    }
}

const POWERSHELL: &str = "http://schemas.microsoft.com/powershell";

fn shown_endpoint(state: &State, name: &str) -> String {
    let mut writer = Writer::new();
    let plugin = state.plugins.find("PowerShell").unwrap();
    let name = EndpointName::parse(name).unwrap();
    plugin.write_endpoint(&name, state.security_defaults(), &state.config.winrs, &mut writer);
    writer.finish()
}

fn put_endpoint(state: &State, name: &str, body: &str) -> Result<telarch_config::Plugin, PluginError> {
    let document = Document::parse(body.to_owned(), &Bounds::default()).unwrap();
    let plugin = state.plugins.find("PowerShell").unwrap();
    let name = EndpointName::parse(name).unwrap();
    plugin.put_endpoint(&name, document.root(), state.security_defaults(), &state.config.winrs)
}

#[test]
fn an_endpoint_shows_its_switch_descriptor_and_quotas() {
    let (store, _folder) = opened(&format!(
        "Winrs.MaxShellsPerUser = 7\n[[Plugin]]\nName = \"PowerShell\"\n\
         [[Plugin.Endpoint]]\nName = \"powershell.7\"\nEnabled = false\n\
         [[Plugin.Security]]\nUri = \"{POWERSHELL}/PowerShell.7.4\"\nSddl = \"D:P(A;;GA;;;BA)\"\n"
    ));
    let state = store.unwrap().state();
    let text = shown_endpoint(&state, "PowerShell.7.4");
    for part in [
        "Name=\"PowerShell.7.4\"",
        "Enabled=\"false\"",
        "RunAsUser=\"\"",
        "ResourceUri=\"http://schemas.microsoft.com/powershell/PowerShell.7.4\"",
        "Sddl=\"D:P(A;;GA;;;BA)\"",
        "MaxShellsPerUser=\"7\"",
        "IdleTimeoutms=\"7200000\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = shown_endpoint(&state, "Backup");
    assert!(text.contains("Enabled=\"true\"") && text.contains("Sddl=\"O:NSG:BAD:"), "{text}");
}

#[test]
fn an_endpoint_shows_its_account_which_no_message_changes() {
    let (store, folder) = opened(
        "[[Plugin]]\nName = \"PowerShell\"\n\
         [[Plugin.Endpoint]]\nName = \"PowerShell.7\"\nRunAsUser = \"ops\"\n\
         [[Plugin.Endpoint]]\nName = \"Other\"\nRunAsUser = \"\"\n",
    );
    let store = store.unwrap();
    let state = store.state();
    let shown = shown_endpoint(&state, "powershell.7.4");
    assert!(shown.contains("RunAsUser=\"ops\" RunAsPassword=\"\""), "{shown}");
    assert!(shown_endpoint(&state, "Other").contains("RunAsUser=\"\""));
    let unchanged = put_endpoint(&state, "powershell.7.4", &shown).unwrap();
    assert_eq!(Some(&unchanged), state.plugins.find("PowerShell"));
    for changed in ["root", ""] {
        let body = shown.replace("RunAsUser=\"ops\"", &format!("RunAsUser=\"{changed}\""));
        let refused = put_endpoint(&state, "PowerShell.7.4", &body).unwrap_err().to_string();
        assert!(refused.contains("root sets RunAsUser of an endpoint in the settings file"), "{refused}");
    }
    let put = put_endpoint(&state, "PowerShell.7", &body("Enabled=\"false\"", "")).unwrap();
    let changed = store.update(|draft| -> Result<(), StoreError> {
        *draft.plugins.find_mut("PowerShell").unwrap() = put;
        Ok(())
    });
    changed.unwrap();
    let text = fs::read_to_string(folder.path().join("config.toml")).unwrap();
    assert!(text.contains("Name = \"PowerShell.7\"\nEnabled = false\nRunAsUser = \"ops\"\n"), "{text}");
    let (invalid, _folder) =
        opened("[[Plugin]]\nName = \"PowerShell\"\n[[Plugin.Endpoint]]\nName = \"X\"\nRunAsUser = \"a b\"\n");
    let error = invalid.err().unwrap().to_string();
    assert!(error.contains("the name of an account of this machine"), "{error}");
}

#[test]
fn an_endpoint_can_be_put_back_unchanged_and_its_changes_are_saved() {
    let (store, folder) = opened("# mine\n");
    let store = store.unwrap();
    let before = store.state();
    let shown = shown_endpoint(&before, "Backup");
    let unchanged = put_endpoint(&before, "Backup", &shown).unwrap();
    assert_eq!(Some(&unchanged), before.plugins.find("PowerShell"), "{shown}");

    let uri = format!("{POWERSHELL}/Backup");
    let entry = format!("<Security Uri=\"{uri}\" Sddl=\"D:P(A;;GA;;;BA)\"/>");
    let disabled = body("Name=\"backup\" Enabled=\"false\"", &resource(&uri, &entry));
    let put = put_endpoint(&before, "Backup", &disabled).unwrap();
    let changed = store.update(|draft| -> Result<(), StoreError> {
        *draft.plugins.find_mut("PowerShell").unwrap() = put;
        Ok(())
    });
    let changed = changed.unwrap();
    assert_eq!(changed.access.of(&uri).guard.to_string(), "D:P(A;;GA;;;BA)");
    assert!(changed.access.of(&format!("{POWERSHELL}/Other")).guard.to_string().contains(";;RM)"));
    let text = fs::read_to_string(folder.path().join("config.toml")).unwrap();
    assert!(text.contains("[[Plugin.Endpoint]]\nName = \"Backup\"\nEnabled = false\n"), "{text}");
    let again = Store::open(folder.path().join("config.toml")).unwrap();
    assert_eq!(again.state().plugins, changed.plugins);

    let enabled = put_endpoint(&again.state(), "BACKUP", &body("Enabled=\"true\"", "")).unwrap();
    again
        .update(|draft| -> Result<(), StoreError> {
            *draft.plugins.find_mut("PowerShell").unwrap() = enabled;
            Ok(())
        })
        .unwrap();
    let text = fs::read_to_string(folder.path().join("config.toml")).unwrap();
    assert!(!text.contains("Endpoint") && text.contains("/Backup"), "{text}");
}

#[test]
fn an_invalid_put_of_an_endpoint_is_rejected_with_its_reason() {
    let state = State::default();
    let uri = format!("{POWERSHELL}/Backup");
    let foreign = "<Security Uri=\"http://schemas.microsoft.com/powershell/Other\" Sddl=\"D:\"/>";
    for (body, part) in [
        ("<Plugin/>".to_owned(), "send \"PlugInConfiguration\""),
        (body("Name=\"Other\"", ""), "Name of the plug-in PowerShell cannot be changed"),
        (body("RunAsUser=\"root\"", ""), "RunAsUser of the plug-in PowerShell cannot be changed"),
        (body("", "<Quotas MaxShellsPerUser=\"31\"/>"), "the settings of winrm/config/winrs limit shells"),
        (body("", "<Quotas MaxShells=\"25\"/>"), "the quota MaxShells"),
        (body("", &resource(POWERSHELL, "")), "the list of resources"),
        (body("", &resource(&uri, foreign)), "does not serve this URI"),
        (body("", "<Other/>"), "Plugin/Other: unknown setting"),
    ] {
        let reported = put_endpoint(&state, "Backup", &body).unwrap_err().to_string();
        assert!(reported.contains(part), "{body}\n{reported}");
    }
    assert!(put_endpoint(&state, "Backup", &body("", "<Quotas MaxShellsPerUser=\"30\"/>")).is_ok());
}
