//! Values of each preset, repeated here independently of the implementation.

use std::fs;

use telarch_config::{Config, Listener, ListenerKey, Preset, Setting, Source, Store, StoreError};
use tempfile::TempDir;

#[test]
fn the_default_preset_has_these_values() {
    assert_eq!(Preset::default(), Preset::Telarch);
    assert_eq!(Preset::Telarch.config(), Config::default());
    assert_values(&Config::default(), |[_, ours, _]| ours);
}

#[test]
fn winrm_2_0_has_the_values_of_its_article() {
    assert_values(&Preset::Winrm20.config(), |[_, _, article]| article);
}

#[test]
fn the_descriptors_of_both_presets_are_valid() {
    for preset in Preset::ALL {
        let text = preset.config().service.root_sddl.as_str().to_owned();
        preset.config().set("Service/RootSDDL", &text).unwrap();
        assert!(sddl::Guard::parse(&text).is_ok(), "{preset}");
    }
}

#[test]
fn presets_are_found_by_name_without_case() {
    for preset in Preset::ALL {
        assert_eq!(Preset::find(preset.name()), Some(preset));
    }
    assert_eq!(Preset::find("WinRM-2.0"), Some(Preset::Winrm20));
    assert_eq!(Preset::find("vista"), None);
}

struct Fixture {
    _folder: TempDir,
    store: Store,
}

impl Fixture {
    fn with(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        Self { store: Store::open(path).unwrap(), _folder: folder }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.store.path()).unwrap()
    }
}

#[test]
fn setting_the_preset_changes_memory_and_file() {
    let fixture = Fixture::with("");
    let mut states = fixture.store.subscribe();
    for (preset, column) in [
        (Preset::Winrm20, (|[_, _, article]| article) as fn([&'static str; 3]) -> &'static str),
        (Preset::Telarch, |[_, ours, _]| ours),
    ] {
        let state = fixture.store.set_preset(preset).unwrap();
        assert_eq!(state.preset, preset);
        assert_values(&state.config, column);
        assert_values(&fixture.store.snapshot(), column);
        assert_values(&Store::open(fixture.store.path()).unwrap().snapshot(), column);
        assert!(states.has_changed().unwrap(), "{preset}");
        assert_eq!(states.borrow_and_update().preset, preset);
        assert_eq!(fixture.text(), format!("Preset = \"{preset}\"\n"));
    }
}

#[test]
fn setting_the_default_preset_adds_no_line_to_the_file() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    fixture.store.set_preset(Preset::Telarch).unwrap();
    assert_eq!(fixture.text(), "MaxTimeoutms = 1000\n");
}

#[test]
fn setting_the_preset_changes_one_line_and_no_explicit_value() {
    let fixture = Fixture::with(
        "# ours\nWinrs.MaxShellsPerUser = 7\n\n# quiet\n[Service]\nMaxConnections = 300\n\n\
         [[Listener]]\nAddress = \"*\" # all\nTransport = \"HTTP\"\n",
    );
    let before = fixture.store.state();
    let state = fixture.store.set_preset(Preset::Winrm20).unwrap();
    assert_eq!(
        fixture.text(),
        "# ours\nWinrs.MaxShellsPerUser = 7\nPreset = \"winrm-2.0\"\n\n# quiet\n[Service]\nMaxConnections = 300\n\n\
         [[Listener]]\nAddress = \"*\" # all\nTransport = \"HTTP\"\n"
    );
    assert_eq!(state.config.winrs.max_shells_per_user.get(), 7);
    assert_eq!(
        state.config.service.max_connections.get(),
        300,
        "the file contains the value, which is also the default of `telarch`"
    );
    assert_eq!(state.config.winrs.max_processes_per_shell.get(), 15);
    assert_eq!(state.listeners, before.listeners);

    fs::write(fixture.store.path(), "Preset = \"winrm-2.0\" # as in 2009\n").unwrap();
    fixture.store.set_preset(Preset::Telarch).unwrap();
    assert_eq!(fixture.text(), "Preset = \"telarch\" # as in 2009\n");
}

#[test]
fn a_value_that_only_the_old_preset_allows_prevents_the_change() {
    let text = "Preset = \"winrm-2.0\"\nMaxProviderRequests = 25\n";
    let fixture = Fixture::with(text);
    let error = fixture.store.set_preset(Preset::Telarch).unwrap_err();
    assert!(matches!(error, StoreError::Content { line: 2, .. }), "{error}");
    assert_eq!(fixture.text(), text);
    assert_eq!(fixture.store.state().preset, Preset::Winrm20);
    // A file that was broken meanwhile is not edited.
    fs::write(fixture.store.path(), "Nonsense = 1\n").unwrap();
    assert!(fixture.store.set_preset(Preset::Telarch).is_err());
    assert_eq!(fixture.text(), "Nonsense = 1\n");
}

#[test]
fn another_store_sees_the_preset_after_its_next_change_or_reload() {
    let fixture = Fixture::with("");
    let others = [(); 2].map(|()| Store::open(fixture.store.path()).unwrap());
    fixture.store.set_preset(Preset::Winrm20).unwrap();
    others[0].reload().unwrap();
    others[1].update(|draft| Ok::<_, StoreError>(draft.config.set("MaxTimeoutms", "1000")?)).unwrap();
    for other in others {
        assert_eq!(other.state().preset, Preset::Winrm20);
        assert_eq!(other.snapshot().max_envelope_sizekb.get(), 150);
    }
    assert_eq!(fixture.text(), "Preset = \"winrm-2.0\"\nMaxTimeoutms = 1000\n");
}

#[test]
fn a_default_value_in_the_file_has_the_source_local() {
    let fixture = Fixture::with("MaxTimeoutms = 60000\n");
    let source = |name: &str| fixture.store.snapshot().source(Setting::find(name).unwrap());
    assert_eq!((source("MaxTimeoutms"), source("MaxBatchItems")), (Source::Local, Source::Default));
}

#[test]
fn a_configuration_printed_line_by_line_is_parsed_as_the_same() {
    for preset in Preset::ALL {
        let mut config = preset.config();
        for (name, value) in [
            ("Client/TrustedHosts", "<local>, *.example.com, [fe80::1]"),
            ("Service/IPv4Filter", ""),
            ("Service/CertificateThumbprint", "00112233445566778899AABBCCDDEEFF00112233"),
            ("Winrs/AllowRemoteShellAccess", "false"),
            ("Shell/LoginShell", "/bin/my \"shell\""),
            ("Shell/Profiles", "WhenAsked"),
            ("Shell/AbandonedCommandTimeoutms", "0"),
            ("Identify/ProductVendor", "Example \"and\" sons"),
        ] {
            config.set(name, value).unwrap();
        }
        let key = ListenerKey::parse("IP:fe80::1", "HTTPS").unwrap();
        let mut listener = Listener::new(key, &config.service);
        listener.hostname = "node7.example.com".parse().unwrap();
        listener.enabled = false;
        let lines: Vec<_> = Setting::all().iter().map(|setting| setting.line(&config)).collect();
        let text = format!("Preset = \"{preset}\"\n{}\n[[Listener]]\n{}", lines.join("\n"), listener.lines());
        let read = Fixture::with(&text).store.state();
        let differing: Vec<_> = read.config.differences(&config).map(Setting::path).collect();
        assert_eq!((read.preset, differing), (preset, vec![]), "{text}");
        assert_eq!(read.listeners.iter().collect::<Vec<_>>(), [&listener], "{text}");
    }
}

fn assert_values(config: &Config, column: fn([&'static str; 3]) -> &'static str) {
    assert_eq!(VALUES.len(), Setting::all().len());
    for row in VALUES {
        let setting = Setting::find(row[0]).unwrap();
        assert_eq!(setting.show(config), column(row), "{}", setting.path());
    }
}

/// Path, preset `telarch`, and the article "Installation and Configuration for Windows Remote Management" for WinRM 2.0.
const VALUES: [[&str; 3]; 79] = [
    ["MaxEnvelopeSizekb", "500", "150"],
    ["MaxTimeoutms", "60000", "60000"],
    ["MaxBatchItems", "32000", "32000"],
    ["MaxProviderRequests", "4294967295", "25"],
    ["Client/NetworkDelayms", "5000", "5000"],
    ["Client/URLPrefix", "wsman", "wsman"],
    ["Client/AllowUnencrypted", "false", "false"],
    ["Client/Auth/Basic", "true", "true"],
    ["Client/Auth/Digest", "true", "true"],
    ["Client/Auth/Kerberos", "true", "true"],
    ["Client/Auth/Negotiate", "true", "true"],
    ["Client/Auth/Certificate", "true", "true"],
    ["Client/Auth/CredSSP", "false", "false"],
    ["Client/DefaultPorts/HTTP", "5985", "5985"],
    ["Client/DefaultPorts/HTTPS", "5986", "5986"],
    ["Client/TrustedHosts", "", ""],
    [
        "Service/RootSDDL",
        "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)",
        "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;ER)S:P(AU;FA;GA;;;WD)(AU;SA;GWGX;;;WD)",
    ],
    ["Service/MaxConcurrentOperations", "4294967295", "100"],
    ["Service/MaxConcurrentOperationsPerUser", "1500", "1500"],
    ["Service/EnumerationTimeoutms", "240000", "60000"],
    ["Service/MaxConnections", "300", "25"],
    ["Service/MaxPacketRetrievalTimeSeconds", "120", "120"],
    ["Service/AllowUnencrypted", "false", "false"],
    ["Service/Auth/Basic", "false", "false"],
    ["Service/Auth/Kerberos", "true", "true"],
    ["Service/Auth/Negotiate", "true", "true"],
    ["Service/Auth/Certificate", "false", "false"],
    ["Service/Auth/CredSSP", "false", "false"],
    ["Service/Auth/CbtHardeningLevel", "Relaxed", "Relaxed"],
    ["Service/DefaultPorts/HTTP", "5985", "5985"],
    ["Service/DefaultPorts/HTTPS", "5986", "5986"],
    ["Service/IPv4Filter", "*", "*"],
    ["Service/IPv6Filter", "*", "*"],
    ["Service/EnableCompatibilityHttpListener", "false", "false"],
    ["Service/EnableCompatibilityHttpsListener", "false", "false"],
    ["Service/CertificateThumbprint", "", ""],
    ["Service/AllowRemoteAccess", "true", "true"],
    ["Winrs/AllowRemoteShellAccess", "true", "true"],
    ["Winrs/IdleTimeout", "7200000", "180000"],
    ["Winrs/MaxConcurrentUsers", "10", "5"],
    ["Winrs/MaxShellRunTime", "2147483647", "28800000"],
    ["Winrs/MaxProcessesPerShell", "25", "15"],
    ["Winrs/MaxMemoryPerShellMB", "1024", "150"],
    ["Winrs/MaxShellsPerUser", "30", "5"],
    ["Shell/LoginShell", "", ""],
    ["Shell/Profiles", "Never", "Never"],
    ["Shell/AbandonedCommandTimeoutms", "600000", "600000"],
    ["PowerShell/Program", "", ""],
    ["PowerShell/Configurations", "", ""],
    ["File/AllowFileTransfer", "true", "true"],
    ["File/MaxTransfersPerUser", "20", "20"],
    ["File/IdleTimeoutms", "180000", "180000"],
    ["WMI/PermanentSubscriptions", "false", "false"],
    ["WMI/CommandLineConsumers", "false", "false"],
    ["EventCollector/Enabled", "false", "false"],
    ["EventCollector/IdentityCheck", "Mark", "Mark"],
    ["EventCollector/RawXml", "false", "false"],
    ["EventCollector/MaxFileSizekb", "65536", "65536"],
    ["EventCollector/MaxFiles", "8", "8"],
    ["EventCollector/MaxTotalMB", "0", "0"],
    ["EventCollector/MaxConnectedSources", "256", "256"],
    ["EventCollector/DeliveryUrl", "", ""],
    ["EventCollector/MachineKeytab", "", ""],
    ["EventCollector/MachineCertificate", "", ""],
    ["EventForwarding/MaxForwardingRate", "0", "0"],
    ["EventForwarding/CertificateThumbprint", "", ""],
    ["EventForwarding/SyslogFiles", "", ""],
    ["EventForwarding/TextFiles", "", ""],
    ["EventForwarding/PushAuthorities", "", ""],
    ["EventForwarding/PushKeytab", "", ""],
    ["EventForwarding/PushCertificate", "", ""],
    ["Identify/ProductVendor", "", ""],
    ["Connections/MaxOpen", "640", "640"],
    ["Metrics/Enabled", "false", "false"],
    ["Metrics/Port", "9985", "9985"],
    ["Metrics/OtlpUrl", "", ""],
    ["Metrics/OtlpInterval", "60", "60"],
    ["Metrics/OtlpCertificateAuthority", "", ""],
    ["Metrics/OtlpHeaders", "", ""],
];
