use telarch_config::{Config, Preset, Section};

use crate::golden;

fn written(config: &Config, section: Section) -> String {
    let mut writer = xml::Writer::new();
    config.write(section, &mut writer);
    writer.finish()
}

#[test]
fn the_complete_tree_has_the_names_and_order_of_windows() {
    golden("config.xml", &written(&Config::default(), Section::Config));
    golden("config-winrm-2.0.xml", &written(&Preset::Winrm20.config(), Section::Config));
}

#[test]
fn every_section_can_be_written_alone() {
    let all: Vec<_> =
        Section::ALL.into_iter().skip(1).map(|part| written(&Config::default(), part) + "\n").collect();
    golden("sections.xml", &all.concat());
}

#[test]
fn values_set_by_policy_are_marked_in_messages_and_listings() {
    let mut config = Config::default();
    config.enforce("Client/Auth/Basic", "false").unwrap();
    config.enforce("Client/TrustedHosts", "*.example.com").unwrap();
    golden("client-policy.xml", &written(&config, Section::Client));
    golden("client-policy.txt", &config.listing(Section::Client));
}

#[test]
fn values_are_escaped_in_xml() {
    let mut config = Config::default();
    config.set("Client/TrustedHosts", "<local>").unwrap();
    assert!(written(&config, Section::Client).contains("<cfg:TrustedHosts>&lt;local&gt;</cfg:TrustedHosts>"));
}

#[test]
fn sections_are_found_by_resource_uri_without_case() {
    for section in Section::ALL {
        assert_eq!(Section::of_resource(&section.resource().to_uppercase()), Some(section));
    }
    for (suffix, section) in [
        ("", Some(Section::Config)),
        ("/", Some(Section::Config)),
        ("/Service/Auth", Some(Section::ServiceAuth)),
        ("client/DefaultPorts", Some(Section::ClientDefaultPorts)),
        ("/listener", None),
        ("auth", None),
        ("/service/auth/basic", None),
    ] {
        assert_eq!(Section::of_suffix(suffix), section, "{suffix:?}");
    }
    assert_eq!(Section::of_resource("http://schemas.microsoft.com/wbem/wsman/1/configuration"), None);
}
