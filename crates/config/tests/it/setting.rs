use telarch_config::{Config, Kind, Mutability, Reason, Setting, SettingError, Source};

fn failure(name: &str, value: &str) -> SettingError {
    Config::default().set(name, value).unwrap_err()
}

#[test]
fn settings_have_the_order_of_windows() {
    let paths: Vec<_> = Setting::all().iter().map(|setting| setting.path()).collect();
    assert_eq!(paths, ORDER);
}

#[test]
fn names_may_have_dots_or_slashes_and_any_case() {
    for name in ["Service/Auth/Basic", "Service.Auth.Basic", "service.AUTH/basic"] {
        let mut config = Config::default();
        config.set(name, "true").unwrap();
        assert!(config.service.auth.basic, "{name}");
    }
}

#[test]
fn the_error_for_a_value_out_of_range_contains_the_range() {
    let error = failure("Service.MaxConcurrentOperationsPerUser", "0");
    assert_eq!(error.to_string(), "Service/MaxConcurrentOperationsPerUser: 0 is outside 1 to 4294967295");
    assert_eq!(
        failure("Service/MaxConnections", "513").to_string(),
        "Service/MaxConnections: 513 is outside 1 to 512"
    );
}

#[test]
fn the_error_for_a_malformed_value_describes_valid_values() {
    let error = failure("Service/AllowUnencrypted", "maybe");
    assert_eq!(error.to_string(), "Service/AllowUnencrypted: \"maybe\" is not true or false");
    let error = failure("MaxTimeoutms", "1 minute");
    assert_eq!(error.to_string(), "MaxTimeoutms: \"1 minute\" is not a whole number from 500 to 4294967295");
}

#[test]
fn the_error_for_an_unknown_name_suggests_the_most_similar_one() {
    let error = failure("Service/Auth/Basik", "true");
    assert_eq!(error.to_string(), "Service/Auth/Basik: unknown setting; did you mean Service/Auth/Basic?");
    assert_eq!(
        failure("SoapTraceEnabled", "1").to_string(),
        "SoapTraceEnabled: unknown setting; list the settings with winrm get winrm/config"
    );
    for name in
        ["", "Service", "Service/Auth", "Service/Auth/Basic/", "/Service/Auth/Basic", &"é".repeat(5_000)]
    {
        assert!(matches!(failure(name, "1").reason, Reason::Unknown { .. }), "{name:?}");
    }
}

#[test]
fn unchangeable_settings_may_be_set_to_their_current_value() {
    for setting in Setting::all() {
        let mut config = Config::default();
        let shown = setting.show(&config).into_owned();
        config.set(setting.path(), &shown).unwrap();
        assert_eq!(config, Config::default(), "{}", setting.path());
    }
}

#[test]
fn read_only_and_deprecated_settings_have_different_errors() {
    for (name, value, reason) in [
        ("Service/DefaultPorts/HTTP", "80", Reason::ReadOnly),
        ("Service/AllowRemoteAccess", "false", Reason::ReadOnly),
        ("Winrs/MaxShellRunTime", "nonsense", Reason::ReadOnly),
        ("Service/MaxConcurrentOperations", "100", Reason::Deprecated),
        ("MaxProviderRequests", "25", Reason::Deprecated),
    ] {
        assert_eq!(failure(name, value).reason, reason, "{name}");
    }
    let is_fixed =
        |setting: &&&Setting| matches!(setting.mutability(), Mutability::ReadOnly | Mutability::Deprecated);
    assert_eq!(Setting::all().iter().filter(is_fixed).count(), 6);
}

#[test]
fn descriptors_and_filters_have_specific_errors() {
    assert!(matches!(failure("Service/RootSDDL", "O:BA").reason, Reason::Sddl(_)));
    assert!(matches!(failure("Service/IPv4Filter", "10.0.0.1-").reason, Reason::Filter(_)));
    assert!(matches!(failure("Service/IPv6Filter", "10.0.0.1").reason, Reason::Filter(_)));
}

#[test]
fn ranges_include_both_ends_and_nothing_beyond() {
    let mut tested = 0;
    for setting in Setting::all() {
        let (Kind::Number { min, max, .. }, Mutability::Writable) = (setting.kind(), setting.mutability())
        else {
            continue;
        };
        tested += 1;
        for inside in [min, max] {
            let mut config = Config::default();
            config.set(setting.path(), &inside.to_string()).unwrap();
            assert_eq!(setting.show(&config), inside.to_string());
        }
        for outside in [i64::from(min) - 1, i64::from(max) + 1] {
            let error = failure(setting.path(), &outside.to_string());
            assert_eq!(error.to_string(), format!("{}: {outside} is outside {min} to {max}", setting.path()));
        }
    }
    assert_eq!(tested, 15);
}

#[test]
fn a_failed_change_changes_nothing() {
    let mut config = Config::default();
    config.set("Winrs/IdleTimeout", "4294967295").unwrap_err();
    assert_eq!(config, Config::default());
}

#[test]
fn the_source_of_a_value_is_known_and_policy_overrides_others() {
    let basic = Setting::find("Client/Auth/Basic").unwrap();
    let mut config = Config::default();
    assert_eq!(config.source(basic), Source::Default);
    config.set("Client/Auth/Basic", "false").unwrap();
    assert_eq!(config.source(basic), Source::Local);
    config.enforce("Client/Auth/Basic", "true").unwrap();
    assert_eq!(config.source(basic), Source::Policy);
    assert!(config.client.auth.basic);
    assert_eq!(config.set("Client/Auth/Basic", "false").unwrap_err().reason, Reason::GovernedByPolicy);
    config.set("Client/Auth/Basic", "true").unwrap();
    config.enforce("Service/AllowRemoteAccess", "false").unwrap();
    assert!(!config.service.allow_remote_access);
}

#[test]
fn a_shell_stays_idle_for_at_least_a_minute() {
    let mut config = Config::default();
    for (set, seconds) in [("0", 60), ("59999", 60), ("60001", 60), ("7200000", 7_200)] {
        config.set("Winrs/IdleTimeout", set).unwrap();
        assert_eq!(config.winrs.effective_idle_timeout().as_secs(), seconds);
    }
}

#[test]
fn every_setting_has_a_description_in_one_sentence() {
    for setting in Setting::all() {
        let about = setting.about();
        assert!(
            about.ends_with('.') && about.len() > 20 && about.trim() == about,
            "{}: {about}",
            setting.path()
        );
    }
}

#[test]
fn the_login_shell_is_an_absolute_path_or_empty() {
    let mut config = Config::default();
    for (value, path) in
        [("/bin/bash", Some("/bin/bash")), (" /opt/my shell ", Some("/opt/my shell")), ("", None)]
    {
        config.set("Shell/LoginShell", value).unwrap();
        assert_eq!(config.shell.login_shell.path(), path.map(std::path::Path::new), "{value:?}");
    }
    for wrong in ["bash", "bin/bash", "/bin/bash\n-x", "~/bin/sh"] {
        assert!(matches!(failure("Shell/LoginShell", wrong).reason, Reason::Malformed { .. }), "{wrong:?}");
    }
}

#[test]
fn the_vendor_is_a_printable_text_or_empty() {
    let mut config = Config::default();
    let longest = "ü".repeat(256);
    for (value, reported) in [
        ("Microsoft Corporation", Some("Microsoft Corporation")),
        (" A & B <c> ", Some("A & B <c>")),
        (longest.as_str(), Some(longest.as_str())),
        ("  ", None),
    ] {
        config.set("Identify/ProductVendor", value).unwrap();
        assert_eq!(config.identify.product_vendor.configured(), reported);
    }
    let too_long = "x".repeat(257);
    for wrong in ["one\ntwo", "a\u{7}", "a\u{85}b", "a\u{FFFE}", too_long.as_str()] {
        let error = failure("Identify/ProductVendor", wrong);
        assert!(matches!(error.reason, Reason::Malformed { .. }), "{wrong:?}");
        assert!(error.to_string().ends_with("or nothing for the real vendor name"), "{error}");
    }
}

const ORDER: [&str; 79] = [
    "MaxEnvelopeSizekb",
    "MaxTimeoutms",
    "MaxBatchItems",
    "MaxProviderRequests",
    "Client/NetworkDelayms",
    "Client/URLPrefix",
    "Client/AllowUnencrypted",
    "Client/Auth/Basic",
    "Client/Auth/Digest",
    "Client/Auth/Kerberos",
    "Client/Auth/Negotiate",
    "Client/Auth/Certificate",
    "Client/Auth/CredSSP",
    "Client/DefaultPorts/HTTP",
    "Client/DefaultPorts/HTTPS",
    "Client/TrustedHosts",
    "Service/RootSDDL",
    "Service/MaxConcurrentOperations",
    "Service/MaxConcurrentOperationsPerUser",
    "Service/EnumerationTimeoutms",
    "Service/MaxConnections",
    "Service/MaxPacketRetrievalTimeSeconds",
    "Service/AllowUnencrypted",
    "Service/Auth/Basic",
    "Service/Auth/Kerberos",
    "Service/Auth/Negotiate",
    "Service/Auth/Certificate",
    "Service/Auth/CredSSP",
    "Service/Auth/CbtHardeningLevel",
    "Service/DefaultPorts/HTTP",
    "Service/DefaultPorts/HTTPS",
    "Service/IPv4Filter",
    "Service/IPv6Filter",
    "Service/EnableCompatibilityHttpListener",
    "Service/EnableCompatibilityHttpsListener",
    "Service/CertificateThumbprint",
    "Service/AllowRemoteAccess",
    "Winrs/AllowRemoteShellAccess",
    "Winrs/IdleTimeout",
    "Winrs/MaxConcurrentUsers",
    "Winrs/MaxShellRunTime",
    "Winrs/MaxProcessesPerShell",
    "Winrs/MaxMemoryPerShellMB",
    "Winrs/MaxShellsPerUser",
    "Shell/LoginShell",
    "Shell/Profiles",
    "Shell/AbandonedCommandTimeoutms",
    "PowerShell/Program",
    "PowerShell/Configurations",
    "File/AllowFileTransfer",
    "File/MaxTransfersPerUser",
    "File/IdleTimeoutms",
    "WMI/PermanentSubscriptions",
    "WMI/CommandLineConsumers",
    "EventCollector/Enabled",
    "EventCollector/IdentityCheck",
    "EventCollector/RawXml",
    "EventCollector/MaxFileSizekb",
    "EventCollector/MaxFiles",
    "EventCollector/MaxTotalMB",
    "EventCollector/MaxConnectedSources",
    "EventCollector/DeliveryUrl",
    "EventCollector/MachineKeytab",
    "EventCollector/MachineCertificate",
    "EventForwarding/MaxForwardingRate",
    "EventForwarding/CertificateThumbprint",
    "EventForwarding/SyslogFiles",
    "EventForwarding/TextFiles",
    "EventForwarding/PushAuthorities",
    "EventForwarding/PushKeytab",
    "EventForwarding/PushCertificate",
    "Identify/ProductVendor",
    "Connections/MaxOpen",
    "Metrics/Enabled",
    "Metrics/Port",
    "Metrics/OtlpUrl",
    "Metrics/OtlpInterval",
    "Metrics/OtlpCertificateAuthority",
    "Metrics/OtlpHeaders",
];
