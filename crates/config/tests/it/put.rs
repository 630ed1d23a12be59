use telarch_config::{Config, PutError, Reason, Section};

use crate::element;

fn put(section: Section, text: &str) -> Result<Config, PutError> {
    Config::default().put(section, element(text).root())
}

fn errors(section: Section, text: &str) -> Vec<(String, Reason)> {
    match put(section, text) {
        Err(PutError::Settings(errors)) => {
            errors.into_iter().map(|error| (error.path, error.reason)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_section_can_be_put_back_unchanged() {
    for section in Section::ALL {
        let mut writer = xml::Writer::new();
        Config::default().write(section, &mut writer);
        assert_eq!(put(section, &writer.finish()), Ok(Config::default()), "{section:?}");
    }
}

#[test]
fn missing_elements_keep_their_values() {
    let config = put(
        Section::Service,
        r#"<p:Service xmlns:p="urn:any"><p:MaxConnections> 25 </p:MaxConnections><p:Auth><p:Basic>True</p:Basic></p:Auth></p:Service>"#,
    )
    .unwrap();
    let paths: Vec<_> = Config::default().differences(&config).map(telarch_config::Setting::path).collect();
    assert_eq!(paths, ["Service/MaxConnections", "Service/Auth/Basic"]);
    assert_eq!((config.service.max_connections.get(), config.service.auth.basic), (25, true));
}

#[test]
fn the_root_element_is_matched_without_case() {
    assert_eq!(
        put(Section::Winrs, "<winrs><MaxShellsPerUser>7</MaxShellsPerUser></winrs>")
            .unwrap()
            .winrs
            .max_shells_per_user
            .get(),
        7
    );
    assert!(matches!(put(Section::Winrs, "<Shells/>"), Err(PutError::Root { expected: "Winrs", .. })));
}

#[test]
fn a_section_and_the_complete_tree_change_the_same_setting() {
    let whole =
        put(Section::Config, "<Config><Client><Auth><Digest>0</Digest></Auth></Client></Config>").unwrap();
    let part = put(Section::ClientAuth, "<Auth><Digest>false</Digest></Auth>").unwrap();
    assert!(!whole.client.auth.digest);
    assert_eq!(whole, part);
}

#[test]
fn all_errors_are_reported_with_their_paths_and_nothing_changes() {
    let found = errors(
        Section::Config,
        "<Config><MaxTimeoutms>499</MaxTimeoutms><MaxProviderRequests>25</MaxProviderRequests>\
         <Service><RootSDDL>x</RootSDDL><IPv4Filter>x</IPv4Filter><Auth><Basic>maybe</Basic><basic>true</basic></Auth>\
         <AllowRemoteAccess>false</AllowRemoteAccess><MaxConnections>10</MaxConnections></Service>\
         <Soap/><Winrs><MaxShellsPerUser>1</MaxShellsPerUser><MaxShellsPerUser>2</MaxShellsPerUser></Winrs></Config>",
    );
    let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "MaxTimeoutms",
            "MaxProviderRequests",
            "Service/RootSDDL",
            "Service/IPv4Filter",
            "Service/Auth/Basic",
            "Service/Auth/basic",
            "Service/AllowRemoteAccess",
            "Soap",
            "Winrs/MaxShellsPerUser"
        ]
    );
    assert!(matches!(found[0].1, Reason::OutOfRange { min: 500, .. }));
    assert_eq!(found[1].1, Reason::Deprecated);
    assert!(matches!(found[2].1, Reason::Sddl(_)));
    assert!(matches!(found[3].1, Reason::Filter(_)));
    assert!(matches!(found[4].1, Reason::Malformed { .. }));
    assert_eq!(found[5].1, Reason::Unknown { nearest: Some("Service/Auth/Basic".to_owned()) });
    assert_eq!(found[6].1, Reason::ReadOnly);
    assert_eq!(found[7].1, Reason::Unknown { nearest: None });
    assert_eq!(found[8].1, Reason::Repeated);
}

#[test]
fn a_value_set_by_policy_can_be_put_back_but_not_changed() {
    let mut config = Config::default();
    config.enforce("Service/Auth/Basic", "true").unwrap();
    let put = |value: &str| {
        config.put(
            Section::ServiceAuth,
            element(&format!("<Auth><Basic Source=\"GPO\">{value}</Basic></Auth>")).root(),
        )
    };
    assert_eq!(put("true"), Ok(config.clone()));
    let PutError::Settings(errors) = put("false").unwrap_err() else { panic!("another error") };
    assert_eq!(errors[0].reason, Reason::GovernedByPolicy);
}

#[test]
fn the_element_of_another_resource_is_rejected() {
    let error = put(Section::Service, "<Client/>").unwrap_err();
    assert_eq!(error, PutError::Root { expected: "Service", found: "Client".to_owned() });
    assert_eq!(error.to_string(), "unexpected element \"Client\"; send \"Service\"");
}

#[test]
fn child_elements_in_place_of_a_value_are_rejected() {
    let found = errors(Section::ServiceAuth, "<Auth><Basic><Basic>true</Basic></Basic></Auth>");
    assert!(matches!(&found[0].1, Reason::Malformed { value, .. } if value == "<Basic>"));
}

#[test]
fn the_number_of_reported_errors_is_limited() {
    let many = "<a/>".repeat(5_000);
    assert_eq!(errors(Section::Winrs, &format!("<Winrs>{many}</Winrs>")).len(), 100);
}
