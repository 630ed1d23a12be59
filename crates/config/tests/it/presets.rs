//! Each preset value by value, written down a second time on purpose.

use telarch_config::{Config, Preset, Setting};

#[test]
fn ours_is_the_default_and_has_these_values() {
    assert_eq!(Preset::default(), Preset::Telarch);
    assert_eq!(Preset::Telarch.config(), Config::default());
    assert_values(&Config::default(), |[_, ours, _]| ours);
}

#[test]
fn winrm_2_0_has_the_values_of_its_article() {
    assert_values(&Preset::Winrm20.config(), |[_, _, article]| article);
}

#[test]
fn the_descriptors_of_both_presets_are_right_and_may_guard_the_service() {
    for preset in Preset::ALL {
        let text = preset.config().service.root_sddl.as_str().to_owned();
        preset.config().set("Service/RootSDDL", &text).unwrap();
        assert!(sddl::Guard::parse(&text).is_ok(), "{preset}");
    }
}

#[test]
fn presets_are_found_by_name() {
    for preset in Preset::ALL {
        assert_eq!(Preset::find(preset.name()), Some(preset));
    }
    assert_eq!(Preset::find("WinRM-2.0"), Some(Preset::Winrm20));
    assert_eq!(Preset::find("vista"), None);
}

fn assert_values(config: &Config, column: fn([&'static str; 3]) -> &'static str) {
    assert_eq!(VALUES.len(), Setting::all().len());
    for row in VALUES {
        let setting = Setting::find(row[0]).unwrap();
        assert_eq!(setting.show(config), column(row), "{}", setting.path());
    }
}

/// Path, ours, and the article "Installation and Configuration for Windows Remote Management" for WinRM 2.0.
const VALUES: [[&str; 3]; 44] = [
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
];
