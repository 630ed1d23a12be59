//! Grammar of `winrm` command lines.

use telarch_cli::connection::{Login, PasswordScheme};
use telarch_cli::endpoint::Transport;
use telarch_cli::failure::ExitCodes;
use telarch_cli::help::Page;
use telarch_cli::input::KeyValues;
use telarch_cli::locator::LocatorError;
use telarch_cli::secret::{PasswordSource, Secret};
use telarch_cli::winrm::{
    self, Confirmation, Dialect, Filter, Hierarchy, Input, Invocation, Operation, PublicZone, ReturnType,
    SddlTarget,
};
use telarch_cli::{Error, Format};
use wsman::AssociationResult;

use crate::{command, parse, refusal, words};

fn kind(operation: &Operation) -> &'static str {
    match operation {
        Operation::Get { .. } => "get",
        Operation::Set { .. } => "set",
        Operation::Create { .. } => "create",
        Operation::Delete { .. } => "delete",
        Operation::Enumerate { .. } => "enumerate",
        Operation::Invoke { .. } => "invoke",
        Operation::Identify => "identify",
        Operation::QuickConfig { .. } => "quickconfig",
        Operation::ConfigSddl { .. } => "configSDDL",
        _ => "another",
    }
}

#[test]
fn every_operation_has_its_long_and_short_names_in_any_case() {
    for (line, expected) in [
        ("get winrm/config", "get"),
        ("g winrm/config", "get"),
        ("GET winrm/config", "get"),
        ("set winrm/config @{A=1}", "set"),
        ("s winrm/config @{A=1}", "set"),
        ("p winrm/config @{A=1}", "set"),
        ("put winrm/config @{A=1}", "set"),
        ("create winrm/config/listener", "create"),
        ("c winrm/config/listener @{A=1}", "create"),
        ("delete winrm/config/listener", "delete"),
        ("d winrm/config/listener", "delete"),
        ("enumerate winrm/config/listener", "enumerate"),
        ("e winrm/config/listener", "enumerate"),
        ("enum winrm/config/listener", "enumerate"),
        ("invoke restore winrm/config @{}", "invoke"),
        ("i restore winrm/config", "invoke"),
        ("identify", "identify"),
        ("id", "identify"),
        ("Id -r:server7", "identify"),
        ("quickconfig", "quickconfig"),
        ("QC -q", "quickconfig"),
        ("configSDDL default", "configSDDL"),
        ("configsddl winrm/config", "configSDDL"),
    ] {
        assert_eq!(kind(&command(line).operation), expected, "of {line}");
    }
}

#[test]
fn a_wrong_number_of_arguments_is_rejected() {
    for line in [
        "get",
        "get winrm/config more",
        "set winrm/config/client more @{A=1}",
        "invoke restore",
        "invoke a b c",
        "identify winrm/config",
        "quickconfig now",
        "configSDDL",
        "helpmsg",
        "helpmsg 1 2",
        "help uris alias",
    ] {
        let error = parse(line).expect_err(line);
        assert!(matches!(error, Error::WrongArgumentCount { .. }), "{line}: {error}");
        assert!(error.way_out().is_some_and(|usage| usage.starts_with("usage: winrm ")), "{line}");
    }
}

#[test]
fn switches_are_accepted_in_every_spelling() {
    for line in [
        "id -remote:server7",
        "id /remote:server7",
        "id -REMOTE:server7",
        "id -r:server7",
        "id -machine:server7",
        "id -r:\"server7\"",
    ] {
        assert_eq!(command(line).connection.target.host(), "server7", "of {line}");
    }
}

#[test]
fn the_value_is_everything_after_the_first_colon() {
    let endpoint = crate::endpoint(command("id -r:https://server7:5986/wsman").connection);
    assert_eq!((endpoint.transport(), endpoint.port()), (Transport::Https, 5986));
}

#[test]
fn invalid_switches_are_rejected() {
    let long = |name: &str| name.to_owned();
    for (line, expected) in [
        ("id -r:a -r:b", Error::RepeatedSwitch { name: "remote" }),
        ("id -r:a /machine:b", Error::RepeatedSwitch { name: "remote" }),
        ("id -nonsense", Error::UnknownSwitch { name: long("nonsense"), nearest: None }),
        ("id -remtoe:a", Error::UnknownSwitch { name: long("remtoe"), nearest: Some("remote") }),
        ("id -", Error::NamelessSwitch { text: long("-") }),
        ("id -:x", Error::NamelessSwitch { text: long("-:x") }),
        ("id -r", Error::ValueMissing { name: "remote", placeholder: long("ENDPOINT") }),
        ("id -r:", Error::ValueMissing { name: "remote", placeholder: long("ENDPOINT") }),
        ("id -ssl:yes", Error::ValueUnexpected { name: "usessl" }),
        ("id -r:\"a", Error::UnbalancedQuote { name: "remote" }),
        ("id -r:a\"", Error::UnbalancedQuote { name: "remote" }),
        ("get winrm/config -filter:x", Error::SwitchNotValid { name: "filter", operation: "get" }),
        ("delete shell -file:x", Error::SwitchNotValid { name: "file", operation: "delete" }),
        ("qc -filter:a", Error::SwitchNotValid { name: "filter", operation: "quickconfig" }),
        ("id -quiet", Error::SwitchNotValid { name: "quiet", operation: "identify" }),
        ("id -options:{A=1}", Error::SwitchNotValid { name: "options", operation: "identify" }),
        ("help -f:xml", Error::SwitchNotValid { name: "format", operation: "help" }),
    ] {
        assert_eq!(parse(line), Err(expected), "of {line}");
    }
}

#[test]
fn arguments_precede_switches_and_input_may_follow_them() {
    assert_eq!(
        parse("get -r:server7 winrm/config"),
        Err(Error::ArgumentAfterSwitch { word: "winrm/config".to_owned() })
    );
    assert!(matches!(parse("-r:server7 id"), Err(Error::ArgumentAfterSwitch { .. })));
    let before = command("set winrm/config/client @{TrustedHosts=a} -r:server7");
    let after = command("set winrm/config/client -r:server7 @{TrustedHosts=a}");
    assert_eq!(before, after);
}

#[test]
fn enclosing_quotation_marks_are_removed() {
    assert_eq!(command("get \"winrm/config\""), command("get winrm/config"));
}

#[test]
fn a_path_is_not_parsed_as_a_switch() {
    // `/name` is a switch only if the table contains the name.
    let error = parse("get /etc/passwd").expect_err("no alias");
    assert_eq!(error, LocatorError::UnknownAlias { uri: "/etc/passwd".to_owned() }.into());
    let Operation::Set { input, .. } = command("set winrm/config -file:/tmp/a.xml").operation else {
        panic!()
    };
    assert_eq!(input, Input::File("/tmp/a.xml".into()));
}

#[test]
fn arguments_with_two_dashes_or_slashes_are_ignored() {
    let mut odd = command("id --whatever //else -r:server7");
    assert_eq!(odd.notices.len(), 2, "{:?}", odd.notices);
    odd.notices.clear();
    assert_eq!(odd, command("id -r:server7"));
}

#[test]
fn every_request_for_help_is_recognised() {
    for (line, page) in [
        ("", Page::General),
        ("-?", Page::General),
        ("/?", Page::General),
        ("--help", Page::General),
        ("help", Page::General),
        ("?", Page::General),
        ("help nonsense", Page::General),
        ("help customremoteshell", Page::General),
        ("help all", Page::All),
        ("get -?", Page::Operation("get")),
        ("g winrm/config /?", Page::Operation("get")),
        ("help get", Page::Operation("get")),
        ("help ENUM", Page::Operation("enumerate")),
        ("id --help", Page::Operation("identify")),
        ("help alias", Page::Topic("alias")),
        ("help aliases", Page::Topic("alias")),
        ("help URIs", Page::Topic("uris")),
    ] {
        assert_eq!(parse(line), Ok(Invocation::Help(page)), "of {line:?}");
    }
    assert_eq!(parse("--version"), Ok(Invocation::Version));
}

#[test]
fn helpmsg_accepts_negative_codes() {
    for code in ["-2144108526", "0x80338012", "5", "nonsense"] {
        let line = format!("helpmsg {code}");
        assert_eq!(parse(&line), Ok(Invocation::HelpMessage(code.to_owned())), "of {line}");
    }
}

#[test]
fn an_unknown_operation_is_reported_with_a_suggestion() {
    assert_eq!(refusal("enumerat shell").1, "did you mean enumerate?");
    assert_eq!(
        parse("frobnicate"),
        Err(Error::UnknownOperation { word: "frobnicate".to_owned(), nearest: None })
    );
}

#[test]
fn input_comes_from_braces_switches_or_a_file() {
    let values = |text: &str| Input::Values(KeyValues::parse_input(text).unwrap());
    for (line, expected) in [
        ("create shell", values("@{}")),
        ("create shell @{A=\"1\"}", values("@{A=\"1\"}")),
        ("create shell @{A=1} -set:B=2", values("@{A=1;B=2}")),
        ("create shell -set:A=1 -set:B=2", values("@{A=1;B=2}")),
        ("create shell -file:a.xml", Input::File("a.xml".into())),
        ("create shell -file:a.xml @{}", Input::File("a.xml".into())),
        ("create shell -file:a.xml @{A=1}", values("@{A=1}")),
    ] {
        let Operation::Create { input, .. } = command(line).operation else { panic!("{line}") };
        assert_eq!(input, expected, "of {line}");
    }
    assert_eq!(parse("set winrm/config"), Err(Error::InputMissing { operation: "set" }));
    assert_eq!(parse("get winrm/config @{A=1}"), Err(Error::InputUnexpected { operation: "get" }));
    assert_eq!(parse("create shell @{A=1} -set:A=2"), Err(Error::DuplicateKey { key: "A".to_owned() }));
    assert!(matches!(parse("create shell @{A=1} @{B=2}"), Err(Error::WrongArgumentCount { .. })));
}

#[test]
fn braces_changed_by_a_shell_are_explained() {
    // Without quotes, bash passes these for @{A="1";B="2"}, @{A="1", B="2"} and @{A=1,B=2}.
    for line in ["set winrm/config @{A=1", "set winrm/config @{A=1, B=2}", "set winrm/config @A=1 @B=2"] {
        let (_, way_out) = refusal(line);
        assert!(way_out.starts_with("use single quotes"), "{line}: {way_out}");
    }
}

/// Returns the arguments that a shell passes to `winrm` for a typed command line.
fn split_by(shell: &str, typed: &str) -> Vec<String> {
    let script = format!("winrm() {{ printf '%s\\0' \"$@\"; }}\nwinrm {typed}");
    let output = std::process::Command::new(shell).args(["-c", &script]).output();
    let output = output.unwrap_or_else(|error| panic!("{shell}: {error} (Debian: apt-get install {shell})"));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn braces_typed_in_shells_are_accepted_or_explained() {
    let read = |shell: &str, typed: &str| winrm::parse(&split_by(shell, typed));
    let expected = read("bash", "set winrm/config/client '@{TrustedHosts=\"a,b\"}'").expect("quoted");
    for shell in ["bash", "dash"] {
        for typed in [
            "set winrm/config/client '@{TrustedHosts=\"a,b\"}'",
            "set winrm/config/client @{TrustedHosts=\"a,b\"}",
            "set winrm/config/client @{TrustedHosts='\"a,b\"'}",
            "set winrm/config/client -set:TrustedHosts=a,b",
            "set winrm/config/client \"@{TrustedHosts=\\\"a,b\\\"}\"",
        ] {
            assert_eq!(read(shell, typed).as_ref(), Ok(&expected), "{shell}: {typed}");
        }
        for typed in [
            "set winrm/config/client @{A=\"1\";B=\"2\"}",
            "set winrm/config/client @{A=$null}",
            "set winrm/config/client @{A=1,B=2}",
            "set winrm/config/client @{A=1, B=2}",
        ] {
            let error = read(shell, typed).expect_err(typed);
            let way_out = error.way_out().unwrap_or_default();
            assert!(way_out.starts_with("use single quotes"), "{shell}: {typed}: {error}");
        }
    }
}

#[test]
fn selectors_can_be_given_as_switches() {
    let Operation::Get { locator, .. } =
        command("get winrm/config/listener?Address=* -selector:Transport=HTTP+S").operation
    else {
        panic!()
    };
    assert!(locator.to_string().ends_with("?Address=*+Transport=HTTP+S"), "{locator}");
}

#[test]
fn switches_select_the_password_source() {
    for (line, expected) in [
        ("id -r:h -u:me", PasswordSource::Ask),
        ("id -r:h -u:me -p", PasswordSource::Ask),
        ("id -r:h -u:me -p:", PasswordSource::Ask),
        ("id -r:h -u:me -password:-", PasswordSource::StandardInput),
        ("id -r:h -u:me -passwordfile:/run/secret", PasswordSource::File("/run/secret".into())),
        ("id -r:h -u:me -p:a:b", PasswordSource::Argument(Secret::new("a:b".to_owned()))),
        ("id -r:h -u:me -p:\"a·b\"", PasswordSource::Argument(Secret::new("a b".to_owned()))),
        ("id -r:h -u:me -p:a\\\"b", PasswordSource::Argument(Secret::new("a\"b".to_owned()))),
    ] {
        let Login::Password { user, password, .. } = command(line).connection.login else { panic!("{line}") };
        assert_eq!((user.as_str(), password), ("me", expected), "of {line}");
    }
}

#[test]
fn authentication_schemes_are_case_insensitive_keywords() {
    let login = command("id -r:h -a:BASIC -u:me -p:x").connection.login;
    assert!(matches!(login, Login::Password { scheme: Some(PasswordScheme::Basic), .. }), "{login:?}");
    assert_eq!(command("id -r:h -auth:none").connection.login, Login::Anonymous);
    let (message, way_out) = refusal("id -r:h -auth:ntlm");
    assert_eq!(message, "-authentication: invalid value 'ntlm'");
    assert_eq!(way_out, "valid values: none, basic, digest, negotiate, kerberos, certificate, credssp");
}

#[test]
fn numbers_are_whole_and_bounded() {
    let timeout = command("id -timeout:60000").connection.timeout;
    assert_eq!(timeout, Some(std::time::Duration::from_secs(60)));
    for line in
        ["id -timeout:1s", "id -timeout:0", "id -timeout:-1", "id -timeout:4294967296", "id -port:65536"]
    {
        assert!(matches!(parse(line), Err(Error::NotInRange { .. })), "{line}");
    }
}

#[test]
fn formats_may_begin_with_a_hash() {
    for (line, format) in [
        ("id", Format::Text),
        ("id -f:text", Format::Text),
        ("id -f:#pretty", Format::Pretty),
        ("id -format:XML", Format::Xml),
        ("id -format:json", Format::Json),
        ("id -format:ndjson", Format::Ndjson),
    ] {
        assert_eq!(command(line).format, format, "of {line}");
    }
    assert!(matches!(parse("id -f:toml"), Err(Error::NotOneOf { .. })));
}

#[test]
fn filters_are_parsed_in_their_dialect() {
    let filter = |line: &str| match command(line).operation {
        Operation::Enumerate { enumeration, .. } => enumeration.filter.expect(line),
        other => panic!("{line} became {other:?}"),
    };
    for line in [
        "e wmicimv2/* -filter:select·*·from·Win32_Share",
        "e wmicimv2/* -filter:select·*·from·Win32_Share -dialect:WQL",
        "e wmicimv2/* /filter:\"select·*·from·Win32_Share\"",
    ] {
        assert_eq!(filter(line), Filter::Wql("select * from Win32_Share".to_owned()), "of {line}");
    }
    assert_eq!(
        filter("e wmicimv2/X -dialect:selector -filter:{State=\"Running\"}"),
        Filter::Selectors(vec![("State".to_owned(), "Running".to_owned())])
    );
    let Filter::Association(association) =
        filter("e wmicimv2/* -dialect:association -associations -filter:{Object=Svc?Name=a;Role=Dependent}")
    else {
        panic!()
    };
    assert_eq!(association.result, AssociationResult::Associations);
    assert_eq!(association.role.as_deref(), Some("Dependent"));
    assert!(association.object.resource_uri().ends_with("/root/cimv2/Svc"), "{}", association.object);
    assert_eq!(association.object.selectors(), [("Name".to_owned(), "a".to_owned())]);
    let xpath = filter("e wmicimv2/X -filter:a/b -dialect:http://www.w3.org/TR/1999/REC-xpath-19991116");
    assert_eq!(xpath, Filter::Other { dialect: Dialect::default(), text: "a/b".to_owned() });
    for line in [
        "e wmicimv2/* -dialect:association -filter:Object=a",
        "e wmicimv2/* -dialect:association -filter:{Role=a}",
        "e wmicimv2/* -dialect:association -filter:{Object=a;Object=b}",
        "e wmicimv2/* -dialect:association -filter:{Object=a;Other=b}",
    ] {
        assert!(matches!(parse(line), Err(Error::AssociationFilter(_))), "{line}");
    }
    assert_eq!(parse("e wmicimv2/X -dialect:selector -filter:State=1"), Err(Error::InputSyntax));
}

#[test]
fn enumeration_switches_are_parsed() {
    let Operation::Enumerate { enumeration, .. } =
        command("e wmicimv2/X -returntype:ObjectAndEPR -basepropertiesonly -shallow").operation
    else {
        panic!()
    };
    assert_eq!(enumeration.returns, ReturnType::ObjectAndEpr);
    assert_eq!(enumeration.hierarchy, Hierarchy::Shallow);
}

#[test]
fn quickconfig_asks_unless_quiet_or_force() {
    for (line, confirmation, zone) in [
        ("qc", Confirmation::Ask, PublicZone::Blocks),
        ("qc -q", Confirmation::Skip, PublicZone::Blocks),
        ("qc -quiet -force -transport:HTTPS", Confirmation::Skip, PublicZone::Ignored),
    ] {
        let Operation::QuickConfig { confirmation: found, public_zone, .. } = command(line).operation else {
            panic!("{line}")
        };
        assert_eq!((found, public_zone), (confirmation, zone), "of {line}");
    }
}

#[test]
fn configsddl_edits_the_root_or_a_resource() {
    let target = |line: &str| match command(line).operation {
        Operation::ConfigSddl { target, sddl } => (target, sddl),
        other => panic!("{line} became {other:?}"),
    };
    assert_eq!(target("configSDDL Default"), (SddlTarget::Root, None));
    let (SddlTarget::Resource(locator), Some(sddl)) = target("configSDDL shell/cmd -sddl:O:NSG:BA") else {
        panic!()
    };
    assert!(locator.resource_uri().ends_with("/windows/shell/cmd"));
    assert_eq!(sddl, "O:NSG:BA");
}

#[test]
fn options_are_keys_and_values_without_the_at_sign() {
    let options = command("get winrm/config -options:{A_B=\"TRUE\";C=$null}").options;
    assert_eq!(options, KeyValues::parse("{A_B=\"TRUE\";C=$null}").unwrap());
    assert_eq!(parse("get winrm/config -options:@{A=1}"), Err(Error::InputSyntax));
}

#[test]
fn exit_statuses_are_read_from_invalid_command_lines() {
    assert_eq!(winrm::exit_codes(&words("gett -exitcode:detailed")), ExitCodes::Detailed);
    assert_eq!(winrm::exit_codes(&words("gett /ExitCode:Detailed -x")), ExitCodes::Detailed);
    assert_eq!(winrm::exit_codes(&words("get winrm/config")), ExitCodes::Plain);
    assert_eq!(command("id -exitcode:detailed").exit_codes, ExitCodes::Detailed);
}
