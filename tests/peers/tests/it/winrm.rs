//! `winrm` as a real program.

use telarch_peers::{PASSWORD, Password, Telarchd, WayIn, Winrm};

for_each_way_in! {
    identify_prints_the_tree_that_scripts_parse,
    identify_prints_the_bare_element_as_xml,
    the_configuration_prints_as_the_tree_that_scripts_parse,
    the_configuration_prints_as_xml,
    the_password_may_stand_in_the_environment,
    a_wrong_password_is_an_error,
}

fn identify_prints_the_tree_that_scripts_parse(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = Winrm::against(&service, way).run(&["id"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stderr, code), ("", 0), "{run:?}");
    assert!(
        stdout.starts_with(
            "IdentifyResponse\n    ProtocolVersion = http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\n"
        ),
        "{run:?}"
    );
    assert!(
        stdout.contains("\n    ProductVendor = ") && stdout.contains("\n    ProductVersion = OS: "),
        "{run:?}"
    );
    assert!(stdout.ends_with("\n\n"), "a block ends with one blank line: {run:?}");
}

fn identify_prints_the_bare_element_as_xml(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = Winrm::against(&service, way).switch("-f:xml").run(&["id"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stderr, code), ("", 0), "{run:?}");
    assert!(stdout.starts_with("<wsmid:IdentifyResponse "), "{run:?}");
    assert!(stdout.trim_end().ends_with("</wsmid:IdentifyResponse>"), "{run:?}");
}

fn the_configuration_prints_as_the_tree_that_scripts_parse(way: WayIn) {
    let mut settings = way.settings().to_vec();
    settings.push(("MaxEnvelopeSizekb", "321"));
    settings.push(("Winrs.MaxShellsPerUser", "7"));
    let service = Telarchd::start(&settings);
    let run = Winrm::against(&service, way).run(&["get", "winrm/config"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stderr, code), ("", 0), "{run:?}");
    assert!(stdout.starts_with("Config\n    MaxEnvelopeSizekb = 321\n    MaxTimeoutms = 60000\n"), "{run:?}");
    assert!(stdout.contains("\n    Service\n        RootSDDL = "), "{run:?}");
    assert!(stdout.contains("\n        Auth\n            Basic = true\n            Kerberos = "), "{run:?}");
    assert!(stdout.contains("\n        MaxShellsPerUser = 7\n"), "{run:?}");
}

fn the_configuration_prints_as_xml(way: WayIn) {
    let service = Telarchd::start_for(way);
    for format in ["-f:xml", "-f:pretty"] {
        let run = Winrm::against(&service, way).switch(format).run(&["get", "winrm/config"]);
        let (stdout, stderr, code) = run.text();
        assert_eq!((stderr, code), ("", 0), "{run:?}");
        // No namespaces but its own, although the envelope that it came in had others.
        let root =
            "<cfg:Config xmlns:cfg=\"http://schemas.microsoft.com/wbem/wsman/1/config\" xml:lang=\"en-US\">";
        assert!(stdout.starts_with(root), "{run:?}");
        assert!(stdout.contains("<cfg:MaxEnvelopeSizekb>500</cfg:MaxEnvelopeSizekb>"), "{run:?}");
        assert_eq!(stdout.trim_end().contains('\n'), format == "-f:pretty", "{run:?}");
    }
}

fn the_password_may_stand_in_the_environment(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = Winrm::against(&service, way).password(Password::Environment(PASSWORD)).run(&["id"]);
    assert_eq!(run.code, 0, "{run:?}");
}

fn a_wrong_password_is_an_error(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = Winrm::against(&service, way).password(Password::Switch("not-the-password")).run(&["id"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code), ("", 1), "{run:?}");
    assert!(!stderr.is_empty() && !stderr.contains("not-the-password"), "{run:?}");
}

#[test]
fn a_setting_is_changed_and_its_new_value_printed() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    let winrm = Winrm::against(&service, way);
    let run = winrm.run(&["set", "winrm/config/winrs", "@{MaxShellsPerUser=\"2\"}"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stderr, code), ("", 0), "{run:?}");
    assert!(stdout.starts_with("Winrs\n") && stdout.contains("\n    MaxShellsPerUser = 2\n"), "{run:?}");
    assert_eq!(winrm.run(&["get", "winrm/config/winrs"]), run);

    let run = winrm.run(&["set", "winrm/config/winrs", "@{MaxShellRunTime=\"5\"}"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code), ("", 1), "{run:?}");
    assert!(stderr.contains("Winrs/MaxShellRunTime") && stderr.contains("0x803381"), "{run:?}");
}

#[test]
fn a_resource_that_does_not_exist_is_a_fault_on_standard_error() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    let run = Winrm::against(&service, way).run(&["get", "winrm/no-such-thing"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code), ("", 1), "{run:?}");
    assert!(stderr.starts_with("WSManFault\n    Message = "), "{run:?}");
    assert!(stderr.contains("\nError number:  -2144108544 0x80338000\n"), "{run:?}");
}

#[test]
fn options_for_subclasses_do_not_change_lists_of_the_configuration() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    let list = |switches: &[&str]| {
        let winrm = switches.iter().fold(Winrm::against(&service, way), |winrm, switch| winrm.switch(switch));
        winrm.run(&["enumerate", "winrm/config/listener"])
    };
    let all = list(&[]);
    assert!(all.code == 0 && all.text().0.contains("Transport = HTTPS"), "{all:?}");
    for switches in [&["-shallow"][..], &["-basepropertiesonly"], &["-shallow", "-basepropertiesonly"]] {
        assert_eq!(list(switches), all, "{switches:?}");
    }
}
