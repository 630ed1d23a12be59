//! Effects of policy files on the configuration, compared with the table of the specification.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;

use telarch_config::{
    Config, Listener, ListenerKey, ListenerSource, Policies, Policy, Reason, RegistryPol, RegistryRecord,
    Setting, SettingError, Source, Store, StoreError,
};
use tempfile::TempDir;

const CLIENT: &str = r"Software\Policies\Microsoft\Windows\WinRM\Client";
const SERVICE: &str = r"Software\Policies\Microsoft\Windows\WinRM\Service";
const WINRS: &str = r"Software\Policies\Microsoft\Windows\WinRM\Service\WinRS";
const MANAGERS: &str = r"Software\Policies\Microsoft\Windows\EventLog\EventForwarding\SubscriptionManager";
const DELEGATION: &str = r"Software\Policies\Microsoft\Windows\CredentialsDelegation";

/// Policies of the specification with the values 0 and 1, and their settings.
const SWITCHES: [(&str, &str, &str); 15] = [
    (CLIENT, "AllowBasic", "Client/Auth/Basic"),
    (CLIENT, "AllowCredSSP", "Client/Auth/CredSSP"),
    (CLIENT, "AllowDigest", "Client/Auth/Digest"),
    (CLIENT, "AllowNegotiate", "Client/Auth/Negotiate"),
    (CLIENT, "AllowKerberos", "Client/Auth/Kerberos"),
    (CLIENT, "AllowUnencryptedTraffic", "Client/AllowUnencrypted"),
    (SERVICE, "HttpCompatibilityListener", "Service/EnableCompatibilityHttpListener"),
    (SERVICE, "HttpsCompatibilityListener", "Service/EnableCompatibilityHttpsListener"),
    (SERVICE, "AllowBasic", "Service/Auth/Basic"),
    (SERVICE, "AllowUnencryptedTraffic", "Service/AllowUnencrypted"),
    (SERVICE, "AllowCredSSP", "Service/Auth/CredSSP"),
    (SERVICE, "AllowNegotiate", "Service/Auth/Negotiate"),
    (SERVICE, "AllowKerberos", "Service/Auth/Kerberos"),
    (WINRS, "AllowRemoteShellAccess", "Winrs/AllowRemoteShellAccess"),
    (SERVICE, "DisableRunAs", ""),
];
/// Policies with numbers, and their maximum.
const NUMBERS: [(&str, &str, u32); 6] = [
    ("IdleTimeout", "Winrs/IdleTimeout", 0x7FFF_FFFF),
    ("MaxConcurrentUsers", "Winrs/MaxConcurrentUsers", 100),
    ("MaxMemoryPerShellMB", "Winrs/MaxMemoryPerShellMB", 0x7FFF_FFFF),
    ("MaxProcessesPerShell", "Winrs/MaxProcessesPerShell", 0x7FFF_FFFF),
    ("MaxShellsPerUser", "Winrs/MaxShellsPerUser", 0x7FFF_FFFF),
    ("ShellTimeOut", "Winrs/MaxShellRunTime", 0x7FFF_FFFF),
];

/// Directory with a configuration file and policies.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new(settings: &str) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(machine.settings(), settings).unwrap();
        fs::create_dir(machine.policies()).unwrap();
        machine
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    fn policies(&self) -> PathBuf {
        self.folder.path().join("policy.d")
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.policies().join(name);
        fs::write(&path, contents).unwrap();
        path
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open(self.settings())
    }
}

fn pol(records: Vec<RegistryRecord>) -> Vec<u8> {
    RegistryPol { records }.encode()
}

fn number(key: &str, value: &str, number: u32) -> RegistryRecord {
    RegistryRecord::of_number(key, value, number)
}

fn text(key: &str, value: &str, text: &str) -> RegistryRecord {
    RegistryRecord::of_text(key, value, text)
}

fn show(config: &Config, path: &str) -> String {
    Setting::find(path).unwrap().show(config).into_owned()
}

/// Reproducible pseudo-random numbers (Knuth's linear congruential generator).
struct RandomNumbers(u64);

impl RandomNumbers {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(bound)) as u32
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u32) as usize]
    }
}

/// Returns the records of a random policy, and the paths and values of the settings that it sets.
fn random_policy(random: &mut RandomNumbers) -> (Vec<RegistryRecord>, Vec<(&'static str, String)>) {
    let (mut records, mut expected) = (Vec::new(), Vec::new());
    for (key, value, setting) in SWITCHES {
        if random.below(3) == 0 {
            let on = random.below(2);
            records.push(number(key, value, on));
            expected.push((setting, (on == 1).to_string()));
        }
    }
    for (value, setting, most) in NUMBERS {
        if random.below(3) == 0 {
            let amount = 1 + random.below(most);
            records.push(number(WINRS, value, amount));
            expected.push((setting, amount.to_string()));
        }
    }
    if random.below(2) == 0 {
        let (on, list) = (random.below(2), random.pick(&["*", "", "*.example.com", "a,b,[::1]", "<local>"]));
        records.extend([number(CLIENT, "TrustedHosts", on), text(CLIENT, "TrustedHostsList", list)]);
        expected.extend((on == 1).then(|| ("Client/TrustedHosts", list.to_owned())));
    }
    if random.below(2) == 0 {
        let (on, level) = (random.below(2), random.pick(&["None", "Relaxed", "Strict"]));
        records.extend([
            number(SERVICE, "CBTHardeningLevelStatus", on),
            text(SERVICE, "CbtHardeningLevel", level),
        ]);
        expected.extend((on == 1).then(|| ("Service/Auth/CbtHardeningLevel", level.to_owned())));
    }
    if random.below(2) == 0 {
        let on = random.below(2);
        let v4 = random.pick(&["*", "", "10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9,192.0.2.0-192.0.2.255"]);
        let v6 = random.pick(&["*", "", "2001:db8::1-2001:db8::ff"]);
        records.push(number(SERVICE, "AllowAutoConfig", on));
        records.extend([text(SERVICE, "IPv4Filter", v4), text(SERVICE, "IPv6Filter", v6)]);
        expected.push(("Service/AllowRemoteAccess", (on == 1).to_string()));
        if on == 1 {
            expected.push(("Service/IPv4Filter", v4.to_owned()));
            expected.push(("Service/IPv6Filter", v6.to_owned()));
        }
    }
    (records, expected)
}

#[test]
fn a_hundred_random_policies_set_the_values_of_the_specification() {
    let mut random = RandomNumbers(20);
    let mut governed = 0;
    for round in 0..100 {
        let (records, expected) = random_policy(&mut random);
        let local =
            "[Client.Auth]\nCredSSP = true\n[Service.Auth]\nBasic = true\n[Winrs]\nMaxShellsPerUser = 7\n";
        let machine = Machine::new(local);
        let before = machine.open().unwrap().snapshot();
        machine.put("10-domain.pol", pol(records));
        let store = machine.open().unwrap();
        let config = store.snapshot();
        for setting in Setting::all() {
            let demanded = expected.iter().find(|(path, _)| *path == setting.path());
            let wanted = demanded.map_or_else(|| setting.show(&before), |(_, value)| value.as_str().into());
            assert_eq!(setting.show(&config), wanted, "{} in round {round}", setting.path());
            let source = config.source(setting);
            assert_eq!(source == Source::Policy, demanded.is_some(), "{} in round {round}", setting.path());
            governed += usize::from(demanded.is_some());
        }
        let of_policy = |own: &Listener| own.source == ListenerSource::Policy;
        let in_force = store.listeners().in_force(&config.service);
        let has_listener = expected.contains(&("Service/AllowRemoteAccess", "true".to_owned()));
        assert_eq!(in_force.iter().any(of_policy), has_listener, "round {round}");
    }
    assert!(governed > 500, "{governed} values say little");
}

#[test]
fn every_policy_of_the_specification_is_in_the_table() {
    for (key, value, setting) in SWITCHES {
        let found = Policy::search(&format!("{key}\\{value}"));
        assert!(found.len() == 1, "{key}\\{value}");
        assert!(setting.is_empty() || found[0].settings().any(|own| own.path() == setting), "{value}");
    }
    for (word, name) in [
        ("allowbasic_2", "AllowBasic_2"),
        ("WinRM\\Service\\AllowBasic", "AllowBasic_1"),
        ("Service.Auth.Basic", "AllowBasic_1"),
        ("service/ipv4filter", "AllowAutoConfig"),
        ("TrustedHostsList", ""),
        ("Client\\TrustedHostsList", "TrustedHosts"),
        ("ShellTimeOut", "ShellTimeOut"),
        ("CBTHardeningLevel_1", "CBTHardeningLevel_1"),
        ("DisableRunAs", "DisableRunAs"),
        (MANAGERS, "SubscriptionManager"),
        ("HKLM\\Software\\Policies\\Microsoft\\Windows\\WinRM\\Service\\DisableRunAs", "DisableRunAs"),
    ] {
        let found: Vec<_> = Policy::search(word).iter().map(|policy| policy.name()).collect();
        assert_eq!(found.join(" "), name, "{word}");
    }
}

#[test]
fn later_files_win_and_directives_delete_earlier_values() {
    let machine = Machine::new("");
    machine.put(
        "10.pol",
        pol(vec![
            number(SERVICE, "AllowBasic", 1),
            number(SERVICE, "AllowNegotiate", 0),
            number(WINRS, "MaxShellsPerUser", 3),
            number(WINRS, "IdleTimeout", 90_000),
            number(CLIENT, "AllowBasic", 0),
        ]),
    );
    machine.put("20.toml", "service.auth.basic = false\nservice.maxconnections = 17\n");
    machine.put(
        "30.pol",
        pol(vec![
            text(SERVICE, "**Del.AllowNegotiate", " "),
            text(WINRS, "**DelVals.", " "),
            number(WINRS, "MaxConcurrentUsers", 5),
            text(CLIENT, "**DeleteValues", "allowbasic; other"),
        ]),
    );
    machine.put("README", "not a policy");
    machine.put(".40.toml", "Winrs.MaxShellsPerUser = 1");
    machine.put("50.toml~", "Winrs.MaxShellsPerUser = 1");
    let store = machine.open().unwrap();
    let config = store.snapshot();
    let governed: Vec<_> =
        store.state().policies.iter().map(|one| format!("{}={}", one.target, one.value)).collect();
    assert_eq!(
        governed,
        ["Service/Auth/Basic=false", "Service/MaxConnections=17", "Winrs/MaxConcurrentUsers=5"]
    );
    assert_eq!(show(&config, "Winrs/MaxShellsPerUser"), "30");
    let sources = store.sources();
    let of = |path| sources.of(Setting::find(path).unwrap()).to_string();
    let folder = machine.policies().canonicalize().unwrap();
    assert_eq!(of("Service/MaxConnections"), format!("{}, line 2", folder.join("20.toml").display()));
    assert_eq!(of("Winrs/MaxConcurrentUsers"), format!("{}, record 3", folder.join("30.pol").display()));
    assert_eq!(of("Winrs/MaxShellsPerUser"), "default");
}

#[test]
fn deleting_a_key_deletes_its_values() {
    let machine = Machine::new("");
    machine.put("10.pol", pol(vec![number(WINRS, "MaxShellsPerUser", 3), number(SERVICE, "AllowBasic", 1)]));
    machine.put("20.pol", pol(vec![text(SERVICE, "**DeleteKeys", "WinRS")]));
    let state = machine.open().unwrap().state();
    let left: Vec<_> = state.policies.iter().map(|one| one.target.to_string()).collect();
    assert_eq!(left, ["Service/Auth/Basic"]);
}

#[test]
fn values_set_by_policy_cannot_be_changed_and_stay_in_the_file() {
    let machine = Machine::new("[Service.Auth]\nBasic = true # ours\n");
    machine.put("10.toml", "Service.Auth.Basic = false\n");
    let store = machine.open().unwrap();
    assert!(!store.snapshot().service.auth.basic);

    let refused = store.update(|draft| Ok::<_, StoreError>(draft.config.set("Service/Auth/Basic", "true")?));
    let reason = Reason::GovernedByPolicy;
    assert!(
        matches!(refused, Err(StoreError::Setting(SettingError { reason: found, .. })) if found == reason)
    );
    // Unchanged values are accepted, and other settings can be changed.
    store
        .update(|draft| {
            draft.config.set("Service/Auth/Basic", "false")?;
            Ok::<_, StoreError>(draft.config.set("MaxTimeoutms", "70000")?)
        })
        .unwrap();
    let text = fs::read_to_string(machine.settings()).unwrap();
    assert!(text.contains("Basic = true # ours") && text.contains("MaxTimeoutms = 70000"), "{text}");

    // A process that has only the text cannot change it either.
    let refused = store.replace(&text, &text.replace("Basic = true", "Basic = false")).unwrap_err();
    assert!(refused.to_string().contains("set by policy"), "{refused}");

    fs::remove_file(machine.policies().join("10.toml")).unwrap();
    assert!(
        store.reload_policies().unwrap().config.service.auth.basic,
        "the value in the file applies again"
    );
}

#[test]
fn policy_overrides_command_line_options() {
    let machine = Machine::new("");
    machine.put("10.toml", "Service.AllowUnencrypted = false\n");
    let store = Store::open_with(machine.settings(), &[("Service.AllowUnencrypted", "true")]).unwrap();
    assert!(!store.snapshot().service.allow_unencrypted);
    fs::remove_file(machine.policies().join("10.toml")).unwrap();
    assert!(store.reload_policies().unwrap().config.service.allow_unencrypted);
}

#[test]
fn the_listener_of_policy_replaces_one_with_the_same_key() {
    let local = "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\nPort = 8080\n\n\
                 [[Listener]]\nAddress = \"*\"\nTransport = \"HTTPS\"\nPort = 8443\n";
    let machine = Machine::new(local);
    machine.put("10.pol", pol(vec![number(SERVICE, "AllowAutoConfig", 1), text(SERVICE, "IPv4Filter", "*")]));
    let state = machine.open().unwrap().state();
    let in_force = state.listeners.in_force(&state.config.service);
    let shown: Vec<_> =
        in_force.iter().map(|one| (one.key().to_string(), one.port.number(), one.source)).collect();
    assert_eq!(
        shown,
        [
            ("Address=*+Transport=HTTP".to_owned(), 5985, ListenerSource::Policy),
            ("Address=*+Transport=HTTPS".to_owned(), 8443, ListenerSource::Local),
        ]
    );
    let key = ListenerKey::parse("*", "HTTP").unwrap();
    assert_eq!(
        state.listeners.find_in_force(key, &state.config.service),
        Listener::of_policy(&state.config.service)
    );
    // A missing filter admits no address.
    assert_eq!(show(&state.config, "Service/IPv6Filter"), "");
}

#[test]
fn a_toml_file_can_set_policies_that_are_not_settings() {
    let machine = Machine::new("");
    machine.put(
        "10.toml",
        "[Policy]\nAllowAutoConfig = true\nDisableRunAs = true\n\
         SubscriptionManager = [\"Server=http://wec:5985/wsman/SubscriptionManager/WEC,Refresh=60\", \"nonsense\"]\n\
         AllowFreshCredentials = [\"WSMAN/*.example.com\"]\n",
    );
    let policies = machine.open().unwrap().state().policies.clone();
    let managers: Vec<_> = policies.subscription_managers().collect();
    assert_eq!(managers[0].as_ref().unwrap().refresh, Some(60));
    assert!(managers[1].is_err(), "{managers:?}");
    let hosts = policies.of_policy(Policy::find("AllowFreshCredentials").unwrap());
    assert_eq!(hosts.map(|one| one.value.as_str()).collect::<Vec<_>>(), ["WSMAN/*.example.com"]);
    let config = machine.open().unwrap().snapshot();
    assert_eq!(
        show(&config, "Service/IPv4Filter"),
        "*",
        "without a filter in the policy, the local filter applies"
    );
    assert!(Listener::of_policy(&config.service).is_some());
}

#[test]
fn lists_are_parsed_from_the_registry() {
    let machine = Machine::new("");
    let list = format!("{DELEGATION}\\AllowFreshCredentials");
    machine.put(
        "10.pol",
        pol(vec![
            text(MANAGERS, "1", "Server=https://wec:5986/wsman/SubscriptionManager/WEC,Refresh=10"),
            text(MANAGERS, "2", "Server=http://other:5985/x"),
            number(DELEGATION, "AllowFreshCredentials", 1),
            text(&list, "1", "WSMAN/*"),
            number(DELEGATION, "AllowFreshCredentialsWhenNTLMOnly", 0),
            text(&format!("{DELEGATION}\\AllowFreshCredentialsWhenNTLMOnly"), "1", "WSMAN/*"),
            text(r"Software\Policies\Other", "Value", "is nothing to us"),
            text(SERVICE, "Novelty", "1"),
        ]),
    );
    let policies = machine.open().unwrap().state().policies.clone();
    let shown: Vec<_> = policies.iter().map(|one| one.target.to_string()).collect();
    assert_eq!(shown, ["AllowFreshCredentials\\1", "SubscriptionManager\\1", "SubscriptionManager\\2"]);
    assert_eq!(policies.subscription_managers().filter_map(Result::ok).count(), 2);
    let unknown: Vec<_> = policies.unknown().iter().map(|one| one.name.as_str()).collect();
    assert_eq!(unknown, [format!("{SERVICE}\\Novelty")]);
}

#[test]
fn an_invalid_file_is_rejected_and_the_old_policies_stay_in_force() {
    let machine = Machine::new("Service.AllowUnencrypted = true\n");
    machine.put("10.toml", "Service.AllowUnencrypted = false\n");
    let store = machine.open().unwrap();
    for (name, contents, part) in [
        ("20.toml", b"Service.Auth.Basik = true\n".to_vec(), "did you mean Service/Auth/Basic?"),
        ("20.toml", b"\n\nService.MaxConnections = 0\n".to_vec(), "20.toml, line 3)"),
        ("20.toml", b"Service.MaxConcurrentOperations = 7\n".to_vec(), "deprecated"),
        ("20.toml", b"service.auth.basic = true\nService.Auth.Basic = false\n".to_vec(), "more than once"),
        ("20.toml", b"= nonsense".to_vec(), "20.toml, line 1)"),
        ("20.toml", b"\xFF".to_vec(), "UTF-8"),
        ("20.toml", b"[Policy]\nAllowBasic_1 = true\n".to_vec(), "did you mean Service/Auth/Basic?"),
        ("20.toml", b"[Policy]\nAllowAutoConfg = true\n".to_vec(), "did you mean Policy/AllowAutoConfig?"),
        ("20.toml", b"[Policy]\nAllowAutoConfig = 1\n".to_vec(), "true or false"),
        ("20.toml", b"[Policy]\nSubscriptionManager = \"x\"\n".to_vec(), "a list of quoted strings"),
        ("20.pol", b"PReg\x01\0\0\0[\0".to_vec(), "20.pol, record 1)"),
        ("20.pol", b"nonsense".to_vec(), "PReg"),
        ("20.pol", pol(vec![number(SERVICE, "AllowBasic", 2)]), "REG_DWORD of 0 or 1 ("),
        ("20.pol", pol(vec![text(SERVICE, "AllowBasic", "1")]), "(REG_SZ) is not a REG_DWORD"),
        ("20.pol", pol(vec![number(WINRS, "MaxConcurrentUsers", 101)]), "from 1 to 100"),
        (
            "20.pol",
            pol(vec![
                number(SERVICE, "CBTHardeningLevelStatus", 1),
                text(SERVICE, "CbtHardeningLevel", "Hard"),
            ]),
            "Strict, Relaxed or None (",
        ),
    ] {
        let path = machine.put(name, &contents);
        let error = store.reload_policies().unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(name), "{error} does not say {part}");
        assert!(error.contains("\n  fix or remove the file"), "{error}");
        assert!(store.reload().is_err(), "{part}");
        assert!(!store.snapshot().service.allow_unencrypted, "{part}: the old policy is no longer in force");
        assert!(machine.open().is_err(), "{part}: the store opens without a valid policy");
        fs::remove_file(path).unwrap();
    }
    store.reload().unwrap();
}

#[test]
fn files_writable_by_untrusted_users_are_rejected() {
    let machine = Machine::new("");
    let path = machine.put("10.toml", "Service.AllowUnencrypted = true\n");
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let error = machine.open().unwrap_err();
    assert!(matches!(error, StoreError::WorldWritable { .. }), "{error}");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    machine.open().unwrap();

    fs::set_permissions(machine.policies(), Permissions::from_mode(0o777)).unwrap();
    let error = machine.open().unwrap_err();
    assert!(matches!(error, StoreError::WorldWritable { .. }), "{error}");
    fs::set_permissions(machine.policies(), Permissions::from_mode(0o755)).unwrap();

    // Only root can change the owner of a file.
    if chown(&path, Some(12_345), None).is_ok() {
        let error = machine.open().unwrap_err();
        assert!(matches!(error, StoreError::ForeignOwner { owner: 12_345, .. }), "{error}");
        chown(&path, Some(0), Some(0)).unwrap();
        chown(machine.policies(), Some(12_345), None).unwrap();
        let error = machine.open().unwrap_err();
        assert!(matches!(error, StoreError::ForeignOwner { owner: 12_345, .. }), "{error}");
    }
}

#[test]
fn a_file_in_place_of_the_policy_directory_is_an_error() {
    let machine = Machine::new("");
    fs::remove_dir(machine.policies()).unwrap();
    assert!(machine.open().unwrap().state().policies.is_empty(), "without a directory, no value is set");
    fs::write(machine.policies(), "").unwrap();
    assert!(machine.open().unwrap_err().to_string().contains("policy.d: not a directory"));
}

#[test]
fn policies_are_handed_to_another_process_as_text() {
    let machine = Machine::new("Service.Auth.Basic = true\n");
    machine.put("10.pol", pol(vec![number(SERVICE, "AllowBasic", 0), text(MANAGERS, "1", "Server=\"\n")]));
    let reading = machine.open().unwrap();
    let reported = Policies::of_text(&reading.state().policies.to_text()).unwrap();
    let none: [(&str, &str); 0] = [];
    let store = Store::open_with_policies(machine.settings(), &none, reported).unwrap();
    assert_eq!(store.state().policies, reading.state().policies);
    assert!(!store.snapshot().service.auth.basic);
    // It does not read the directory itself.
    fs::remove_file(machine.policies().join("10.pol")).unwrap();
    assert!(!store.reload().unwrap().config.service.auth.basic);
    assert!(store.adopt_policies(Policies::default()).unwrap().config.service.auth.basic);
    for wrong in [
        "Demand = 1",
        "[[Demand]]",
        "=",
        "[[Demand]]\nSetting = \"No\"\nValue = \"1\"\nFile = \"f\"\nLine = 1",
    ] {
        assert!(Policies::of_text(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn policies_override_the_files_of_clients() {
    let machine = Machine::new("Client.AllowUnencrypted = true\nClient.TrustedHosts = \"*\"\n");
    machine.put("10.pol", pol(vec![number(CLIENT, "AllowUnencryptedTraffic", 0)]));
    let policies = Policies::of_folder(&machine.policies()).unwrap();
    let config = Config::of_files([machine.settings()], &policies).unwrap();
    assert!(!config.client.allow_unencrypted);
    assert!(config.client.trusted_hosts.trusts("anybody"));
}
