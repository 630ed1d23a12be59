//! Tests of changes of the configuration and their effects.

use client::{Error, Locator, Session};
use config::Section;
use telarch_loopback::{Loopback, User};
use wsman::{OptionSet, Subcode, WsmanOption, code};
use xml::Fragment;

use crate::config_read::{of, settings};
use crate::message::{self, fragment};
use crate::{fault, refusal};

/// Returns a section with one setting, given by its path within the section.
pub(crate) fn with(section: Section, path: &str, value: &str) -> Fragment {
    fragment(|writer| {
        writer.start(&format!("cfg:{}", section.element())).namespace("cfg", section.resource());
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            writer.start(&format!("cfg:{folder}"));
        }
        writer.element(&format!("cfg:{name}"), value);
    })
}

async fn put(session: &Session, section: Section, path: &str, value: &str) -> Result<(), Error> {
    let answer = session.put(&of(section), &with(section, path, value)).await?;
    let changed = settings(answer.content().unwrap());
    assert!(changed.contains(&(path.to_owned(), value.to_owned())), "{path} is not {value}: {changed:?}");
    Ok(())
}

#[tokio::test]
async fn a_change_appears_in_the_response_the_next_get_and_the_file() {
    let service = Loopback::start().await;
    let (session, other) = (service.session(User::Ada), service.session(User::Ben));
    let before = settings(session.get(&of(Section::Config)).await.unwrap().content().unwrap());
    for (section, path, value, whole) in [
        (Section::Config, "MaxTimeoutms", "12345", "MaxTimeoutms"),
        (Section::Config, "Service/Auth/CbtHardeningLevel", "Strict", "Service/Auth/CbtHardeningLevel"),
        (Section::Service, "IPv4Filter", "127.0.0.1-127.0.0.9", "Service/IPv4Filter"),
        (Section::Winrs, "MaxShellsPerUser", "7", "Winrs/MaxShellsPerUser"),
        (Section::ServiceAuth, "CredSSP", "true", "Service/Auth/CredSSP"),
        (Section::Client, "TrustedHosts", "a.example, *.b.example", "Client/TrustedHosts"),
        (Section::ClientAuth, "Digest", "false", "Client/Auth/Digest"),
        (Section::ClientDefaultPorts, "HTTP", "80", "Client/DefaultPorts/HTTP"),
    ] {
        put(&session, section, path, value).await.unwrap();
        let seen = settings(other.get(&of(Section::Config)).await.unwrap().content().unwrap());
        assert!(seen.contains(&(whole.to_owned(), value.to_owned())), "{whole} is not {value}: {seen:?}");
        let file = std::fs::read_to_string(service.config_file()).unwrap();
        assert!(file.contains(value), "{file}");
    }
    // Nothing else has changed.
    let after = settings(session.get(&of(Section::Config)).await.unwrap().content().unwrap());
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!((changed, after.len()), (8, before.len()));
    service.close().await;
}

/// Adds the option to check a change without making it.
fn validating(mut target: Locator) -> Locator {
    target.options.push(WsmanOption {
        name: OptionSet::VALIDATE_ONLY.to_owned(),
        value: Some("true".to_owned()),
        must_comply: true,
    });
    target
}

#[tokio::test]
async fn a_change_is_validated_without_being_made() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let winrs = || validating(of(Section::Winrs));
    let before = std::fs::read_to_string(service.config_file()).unwrap_or_default();
    session.put(&winrs(), &with(Section::Winrs, "MaxShellsPerUser", "7")).await.unwrap();
    let invalid = session.put(&winrs(), &with(Section::Winrs, "MaxShellsPerUser", "-1")).await;
    assert_eq!(refusal(invalid), (Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR));
    let deleted = session.delete(&winrs()).await;
    assert_eq!(refusal(deleted), (Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED));
    let invoked = session.invoke(&validating(of(Section::Config)), &restore_action(), None).await;
    assert_eq!(refusal(invoked).1, code::OPTION_NOT_SUPPORTED);
    let after = std::fs::read_to_string(service.config_file()).unwrap_or_default();
    assert_eq!(before, after);
    let eve = service.session(User::Eve).put(&winrs(), &with(Section::Winrs, "MaxShellsPerUser", "7")).await;
    assert_eq!(refusal(eve), (Subcode::AccessDenied, code::ACCESS_DENIED));
    service.close().await;
}

fn restore_action() -> String {
    format!("{}/Restore", Section::Config.resource())
}

#[tokio::test]
async fn the_result_of_get_can_be_put_unchanged() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    for section in Section::ALL {
        let got = session.get(&of(section)).await.unwrap();
        let element = got.content().unwrap();
        let back = fragment(|writer| {
            writer.copy(element);
        });
        let put = session.put(&of(section), &back).await.unwrap();
        assert_eq!(settings(put.content().unwrap()), settings(element), "{section:?}");
    }
    service.close().await;
}

#[tokio::test]
async fn a_smaller_envelope_size_applies_to_the_next_request() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = session.shell(client::ShellOptions::default()).await.unwrap();
    // A command line is one argument, which Linux limits to 128 KiB.
    let line = format!("true {}", "x".repeat(50_000));
    assert_eq!(shell.run(&line).await.unwrap().exit_code, 0);
    put(&session, Section::Config, "MaxEnvelopeSizekb", "32").await.unwrap();
    let refused = shell.run(&line).await.unwrap_err();
    assert!(matches!(refused, Error::Http { status: 413 }), "{refused}");
    assert_eq!(refused.code(), Some(code::HTTP_TOO_LARGE));
    let large = shell.run("seq 1 20000").await.unwrap();
    assert_eq!(large.stdout.len(), 108_894);
    put(&session, Section::Config, "MaxEnvelopeSizekb", "500").await.unwrap();
    assert_eq!(shell.run(&line).await.unwrap().exit_code, 0);
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn disabling_basic_rejects_the_next_request_of_the_connection() {
    let service = Loopback::start().await;
    for session in [service.session(User::Ada), service.over_https(User::Ada).build().unwrap()] {
        // The response to the change itself is still sent.
        put(&session, Section::ServiceAuth, "Basic", "false").await.unwrap();
        let refused = session.get(&of(Section::Config)).await.unwrap_err();
        assert!(matches!(refused, Error::AuthenticationFailed { .. }), "{refused}");
        service.set("Service.Auth.Basic", "true");
        session.get(&of(Section::Config)).await.unwrap();
    }
    service.close().await;
}

#[tokio::test]
async fn forbidding_unencrypted_messages_applies_to_the_next_one() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    put(&session, Section::Service, "AllowUnencrypted", "false").await.unwrap();
    let refused = session.get(&of(Section::Config)).await.unwrap_err();
    assert!(matches!(refused, Error::AuthenticationFailed { .. }), "{refused}");
    let secured = service.over_https(User::Ada).build().unwrap();
    put(&secured, Section::Service, "AllowUnencrypted", "true").await.unwrap();
    session.get(&of(Section::Config)).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn an_invalid_change_has_no_effect_and_is_explained() {
    const SCHEMA: (Subcode, u32) = (Subcode::SchemaValidationError, 2_150_858_817);
    const READ_ONLY: (Subcode, u32) = (Subcode::AccessDenied, 2_150_859_071);
    const DEPRECATED: (Subcode, u32) = (Subcode::AccessDenied, 2_150_859_182);
    const SDDL: (Subcode, u32) = (Subcode::SchemaValidationError, 2_150_859_100);
    const FILTER: (Subcode, u32) = (Subcode::SchemaValidationError, 2_150_858_988);
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let before = service.config();
    for (section, path, value, expected) in [
        (Section::Config, "MaxEnvelopeSizekb", "31", SCHEMA),
        (Section::Config, "MaxEnvelopeSizekb", "4294967296", SCHEMA),
        (Section::Config, "MaxEnvelopeSizekb", "-1", SCHEMA),
        (Section::Config, "MaxTimeoutms", "499", SCHEMA),
        (Section::Config, "MaxBatchItems", "0", SCHEMA),
        (Section::Config, "MaxTimeoutms", "soon", SCHEMA),
        (Section::Config, "MaxTimeoutms", "", SCHEMA),
        (Section::Service, "MaxConnections", "513", SCHEMA),
        (Section::Service, "MaxConcurrentOperationsPerUser", "0", SCHEMA),
        (Section::Service, "EnumerationTimeoutms", "499", SCHEMA),
        (Section::ServiceAuth, "Basic", "perhaps", SCHEMA),
        (Section::ServiceAuth, "CbtHardeningLevel", "Stern", SCHEMA),
        (Section::Service, "CertificateThumbprint", "1234", SCHEMA),
        (Section::Client, "URLPrefix", "/wsman/", SCHEMA),
        (Section::ClientDefaultPorts, "HTTP", "65536", SCHEMA),
        (Section::Service, "RootSDDL", "garbage", SDDL),
        (Section::Service, "RootSDDL", "O:NSG:BAD:P(A;;GA;;;XX)", SDDL),
        (Section::Service, "RootSDDL", "", SDDL),
        (Section::Service, "IPv4Filter", "9.0.0.0-1.0.0.0", FILTER),
        (Section::Service, "IPv6Filter", "everywhere", FILTER),
        (Section::Service, "AllowRemoteAccess", "false", READ_ONLY),
        (Section::Winrs, "MaxShellRunTime", "1000", READ_ONLY),
        (Section::ServiceDefaultPorts, "HTTP", "80", READ_ONLY),
        (Section::Service, "MaxConcurrentOperations", "100", DEPRECATED),
        (Section::Config, "MaxProviderRequests", "100", DEPRECATED),
        (Section::Config, "Service/MaxConcurrentOperations", "100", DEPRECATED),
        (Section::Config, "NoSuchSetting", "1", SCHEMA),
        (Section::Service, "Auth/Digest", "true", SCHEMA),
        (Section::ServiceAuth, "basic", "false", SCHEMA),
    ] {
        let refused = fault(put(&session, section, path, value).await);
        let found = (refused.subcode().clone(), refused.code());
        assert_eq!(found, expected, "{section:?} {path} = {value:?}: {refused}");
        let name = path.rsplit('/').next().unwrap();
        assert!(refused.reason().contains(name), "{name} is not in: {refused}");
        assert_eq!(service.config(), before, "{path} = {value:?}");
    }
    service.close().await;
}

#[tokio::test]
async fn one_invalid_value_rejects_the_whole_change() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let before = service.config();
    let both = fragment(|writer| {
        writer.start("cfg:Winrs").namespace("cfg", Section::Winrs.resource());
        writer.element("cfg:MaxShellsPerUser", "5").element("cfg:MaxConcurrentUsers", "0");
    });
    let refused = fault(session.put(&of(Section::Winrs), &both).await);
    assert_eq!(refused.code(), code::SCHEMA_VALIDATION_ERROR);
    let twice = fragment(|writer| {
        writer.start("cfg:Winrs").namespace("cfg", Section::Winrs.resource());
        writer.element("cfg:MaxShellsPerUser", "5").element("cfg:MaxShellsPerUser", "6");
    });
    let refused = fault(session.put(&of(Section::Winrs), &twice).await);
    assert_eq!(refused.code(), code::SCHEMA_VALIDATION_ERROR);
    assert_eq!(service.config(), before);
    service.close().await;
}

#[tokio::test]
async fn a_section_accepts_only_its_own_element_and_put() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let foreign = with(Section::Winrs, "MaxShellsPerUser", "5");
    let wrong = (Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR);
    assert_eq!(refusal(session.put(&of(Section::Service), &foreign).await), wrong);
    assert_eq!(refusal(session.put(&of(Section::Service), &Fragment::default()).await), wrong);
    let unsupported = (Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED);
    for section in Section::ALL {
        let own = fragment(|writer| service.config().write(section, writer));
        assert_eq!(refusal(session.create(&of(section), &own).await), unsupported, "{section:?}");
        assert_eq!(refusal(session.delete(&of(section)).await), unsupported, "{section:?}");
        let listing = message::enumerate(&session, &of(section), &Default::default()).await;
        assert_eq!(refusal(listing), unsupported, "{section:?}");
        assert_eq!(refusal(session.invoke(&of(section), "Restart", None).await), unsupported, "{section:?}");
    }
    service.close().await;
}

#[tokio::test]
async fn twenty_concurrent_changes_are_all_applied() {
    let service = Loopback::start().await;
    let mut changing = tokio::task::JoinSet::new();
    let changes = [
        (Section::Config, "MaxTimeoutms", "50000"),
        (Section::Config, "MaxBatchItems", "100"),
        (Section::Client, "NetworkDelayms", "6000"),
        (Section::Client, "AllowUnencrypted", "true"),
        (Section::ClientAuth, "Basic", "false"),
        (Section::ClientAuth, "Digest", "false"),
        (Section::ClientAuth, "Kerberos", "false"),
        (Section::ClientAuth, "Negotiate", "false"),
        (Section::ClientAuth, "Certificate", "false"),
        (Section::ClientAuth, "CredSSP", "true"),
        (Section::ClientDefaultPorts, "HTTP", "80"),
        (Section::ClientDefaultPorts, "HTTPS", "443"),
        (Section::Client, "TrustedHosts", "*"),
        (Section::Service, "EnumerationTimeoutms", "1000"),
        (Section::Service, "MaxConnections", "200"),
        (Section::ServiceAuth, "Kerberos", "false"),
        (Section::ServiceAuth, "Negotiate", "false"),
        (Section::Winrs, "IdleTimeout", "90000"),
        (Section::Winrs, "MaxProcessesPerShell", "50"),
        (Section::Winrs, "MaxShellsPerUser", "50"),
    ];
    for (section, path, value) in changes {
        let session = service.session(User::Ada);
        changing.spawn(async move { put(&session, section, path, value).await });
    }
    for outcome in changing.join_all().await {
        outcome.unwrap();
    }
    let differing = config::Config::default().differences(&service.config()).count();
    assert_eq!(differing, changes.len() + 2, "of which two are usual");
    service.close().await;
}
