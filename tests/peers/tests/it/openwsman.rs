//! The client of openwsman, where it is installed.

use telarch_peers::{Openwsman, Telarchd};

use crate::sleeper::Sleeper;

const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";
const DMTF: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2";
const WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
const SELECTORS: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter";
const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";

/// The resource of a process, with its key.
fn uri(sleeper: &Sleeper) -> String {
    format!("{CIMV2}/Win32_Process?Handle={}", sleeper.id())
}

fn service() -> Telarchd {
    Telarchd::start(&[("Service.AllowUnencrypted", "true")])
}

/// What stands between the first two tags of a name.
fn content<'t>(text: &'t str, name: &str) -> &'t str {
    let found = text.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next());
    found.unwrap_or_else(|| panic!("no <{name}> in {text}"))
}

#[test]
fn it_identifies_the_service_with_and_without_an_account() {
    let service = service();
    let Some(wsman) = Openwsman::against(&service) else { return };
    for action in ["identify", "anonid"] {
        let reported = wsman.say(&[action]);
        assert_eq!(content(&reported, "wsmid:ProductVendor"), "Telarch");
    }
}

#[test]
fn it_pulls_a_query_to_its_end_one_row_at_a_time() {
    let (service, sleepers) = (service(), [Sleeper::start(), Sleeper::start(), Sleeper::start()]);
    let Some(wsman) = Openwsman::against(&service) else { return };
    let handles = sleepers.each_ref().map(|sleeper| format!("Handle = '{}'", sleeper.id())).join(" OR ");
    let query = format!("SELECT Name, Handle FROM Win32_Process WHERE {handles}");
    let pages = |more: &[&str]| {
        let reported = wsman
            .say(&[&["enumerate", &format!("{CIMV2}/*"), "-D", WQL, "-x", &query, "-m", "1"], more].concat());
        for sleeper in &sleepers {
            assert!(reported.contains(&format!("<Handle>{}</Handle>", sleeper.id())), "{reported}");
        }
        assert!(reported.contains("EndOfSequence/>"), "{reported}");
        reported.matches("<a:RelatesTo>").count()
    };
    // The first answer has a row only if it was asked to be quick.
    assert_eq!((pages(&[]), pages(&["-o"])), (4, 3));
}

#[test]
fn it_lists_references_and_instances_with_references() {
    let (service, sleeper) = (service(), Sleeper::start());
    let Some(wsman) = Openwsman::against(&service) else { return };
    let (class, key) = (format!("{CIMV2}/Win32_Process"), format!("Handle={}", sleeper.id()));
    let list = |mode| wsman.say(&["enumerate", &class, "-D", SELECTORS, "-x", &key, "-M", mode]);
    let selector = format!("<w:Selector Name=\"Handle\">{}</w:Selector>", sleeper.id());
    let references = list("epr");
    assert!(references.contains(&selector) && !references.contains("<p:Handle>"), "{references}");
    let both = list("objepr");
    assert!(both.contains(&selector) && both.contains("<w:Item>"), "{both}");
    assert_eq!(content(&both, "p:Handle"), sleeper.id().to_string());
}

#[test]
fn it_selects_the_form_of_instances_of_subclasses() {
    let service = service();
    let Some(wsman) = Openwsman::against(&service) else { return };
    let list = |mode| wsman.say(&["enumerate", &format!("{CIMV2}/CIM_OperatingSystem"), "-B", mode, "-o"]);
    let (include, exclude, none) = (list("include"), list("exclude"), list("none"));
    assert!(include.contains("<p:Win32_OperatingSystem ") && include.contains("<p:BootDevice>"), "{include}");
    assert!(exclude.contains("<p:CIM_OperatingSystem ") && !exclude.contains("BootDevice"), "{exclude}");
    assert!(none.contains("<w:EndOfSequence/>") && !none.contains("OperatingSystem "), "{none}");
}

#[test]
fn it_finds_associated_instances_and_associations() {
    let (service, sleeper) = (service(), Sleeper::start());
    let Some(wsman) = Openwsman::against(&service) else { return };
    let ways = |action| wsman.say(&[action, &format!("{CIMV2}/*"), "-x", &uri(&sleeper)]);
    let (associators, references) = (ways("associators"), ways("references"));
    assert!(associators.contains("<p:Win32_ComputerSystem "), "{associators}");
    assert!(references.contains("<p:Win32_SystemProcesses "), "{references}");
}

#[test]
fn it_gets_an_instance_a_fragment_and_the_class() {
    let (service, sleeper) = (service(), Sleeper::start());
    let Some(wsman) = Openwsman::against(&service) else { return };
    assert_eq!(content(&wsman.say(&["get", &uri(&sleeper)]), "p:Name"), "sleep");
    assert_eq!(content(&wsman.say(&["get", &uri(&sleeper), "-F", "Name"]), "Name"), "sleep");
    let text = wsman.say(&["get", &uri(&sleeper), "-F", "Name/text()"]);
    assert!(text.contains(">sleep</w:XmlFragment>"), "{text}");
    let dmtf = format!("{DMTF}/Win32_Process?Handle={}", sleeper.id());
    let got = wsman.say(&["get", &dmtf, "-N", "root/cimv2"]);
    assert!(got.contains(&format!("xmlns:p=\"{DMTF}/Win32_Process\"")), "{got}");
    let class = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*?__cimnamespace=root/cimv2&ClassName=";
    let class = wsman.say(&["get", &format!("{class}Win32_Process")]);
    assert!(class.contains("<CLASS NAME=\"Win32_Process\" SUPERCLASS=\"CIM_Process\""), "{class}");
}

#[test]
fn it_calls_methods_and_deletes_the_created_process() {
    let service = service();
    let Some(wsman) = Openwsman::against(&service) else { return };
    let class = format!("{CIMV2}/Win32_Process");
    let created = wsman.say(&["invoke", "-a", "Create", &class, "-k", "CommandLine=sleep 600"]);
    assert_eq!(content(&created, "p:ReturnValue"), "0");
    let process = format!("{class}?Handle={}", content(&created, "p:ProcessId"));
    assert_eq!(content(&wsman.say(&["invoke", "-a", "GetOwner", &process]), "p:ReturnValue"), "0");
    let deleted = wsman.say(&["delete", &process]);
    assert!(deleted.contains("DeleteResponse"), "{deleted}");
    let refused = wsman.say(&["invoke", "-a", "Missing", &process]);
    assert!(refused.contains("a:ActionNotSupported"), "{refused}");
}

#[test]
fn it_changes_a_setting_and_receives_the_range_in_the_fault() {
    let service = service();
    let Some(wsman) = Openwsman::against(&service) else { return };
    let put = |value: &str| {
        let words = ["put", "http://schemas.microsoft.com/wbem/wsman/1/config/winrs", "-k", value];
        wsman.say(&words)
    };
    assert_eq!(content(&put("MaxShellsPerUser=29"), "cfg:MaxShellsPerUser"), "29");
    let refused = put("MaxShellsPerUser=-1");
    assert!(refused.contains("-1 is outside 0 to 2147483647"), "{refused}");
}

#[test]
fn it_subscribes_pulls_renews_and_unsubscribes() {
    let service = service();
    let Some(wsman) = Openwsman::against(&service) else { return };
    let all = format!("{CIMV2}/*");
    let query =
        "SELECT * FROM __InstanceModificationEvent WITHIN 1 WHERE TargetInstance ISA 'Win32_LocalTime'";
    let opened = wsman.say(&["subscribe", &all, "-G", "pull", "-r", "120", "-D", WQL, "-x", query]);
    assert_eq!(content(&opened, "e:Expires"), "PT120.000S");
    let (identifier, context) = (content(&opened, "e:Identifier"), content(&opened, "n:EnumerationContext"));
    let pulled = wsman.say(&["pull", &all, "-U", context]);
    assert!(pulled.contains("<p:__InstanceModificationEvent "), "{pulled}");
    assert!(pulled.contains(":Second>"), "{pulled}");
    let renewed = wsman.say(&["renew", &all, "-i", identifier, "-r", "60"]);
    assert_eq!(content(&renewed, "e:Expires"), "PT60.000S");
    let ended = wsman.say(&["unsubscribe", &all, "-i", identifier]);
    assert!(ended.contains("UnsubscribeResponse"), "{ended}");
    let refused = wsman.say(&["pull", &all, "-U", context]);
    assert!(refused.contains("n:InvalidEnumerationContext"), "{refused}");
    let pushed =
        wsman.say(&["subscribe", &all, "-G", "push", "-Z", "http://127.0.0.1:1/", "-D", WQL, "-x", query]);
    assert!(pushed.contains("e:DeliveryModeRequestedUnavailable"), "{pushed}");
}

#[test]
fn it_releases_an_unfinished_enumeration() {
    let service = service();
    let Some(wsman) = Openwsman::against(&service) else { return };
    let class = format!("{CIMV2}/Win32_Process");
    let opened = wsman.say(&["enumerate", &class, "-S"]);
    let context = content(&opened, "n:EnumerationContext");
    assert!(wsman.say(&["release", &class, "-U", context]).contains("ReleaseResponse"));
    let refused = wsman.say(&["pull", &class, "-U", context]);
    assert!(refused.contains("n:InvalidEnumerationContext"), "{refused}");
}

#[test]
fn its_invalid_requests_are_faults_with_the_reason() {
    let service = service();
    let Some(wsman) = Openwsman::against(&service) else { return };
    let (all, process) = (format!("{CIMV2}/*"), format!("{CIMV2}/Win32_Process"));
    let cases: [(&[&str], &str); 8] = [
        (&["get", &format!("{CIMV2}/Missing")], "unknown class Missing"),
        (&["get", &process], "w:InvalidSelectors"),
        (&["get", &format!("{process}?Handle=0")], "a:DestinationUnreachable"),
        (&["enumerate", &format!("{process}?Handle=1")], "w:InvalidSelectors"),
        (&["enumerate", &all, "-D", WQL, "-x", "SELECT"], "n:CannotProcessFilter"),
        (&["enumerate", &all, "-D", "urn:other", "-x", "x"], "n:FilterDialectRequestedUnavailable"),
        (&["enumerate", &process, "-D", XPATH, "-x", "a/b/c"], "n:CannotProcessFilter"),
        (&["enumerate", &process, "-e", "4000"], "w:EncodingLimit"),
    ];
    for (words, wanted) in cases {
        let reported = wsman.say(words);
        assert!(reported.contains(wanted), "{words:?}: {reported}");
    }
}
