//! Tests of restoring the defaults of settings and plug-ins.

use client::{Locator, Session};
use config::{PLUGIN_RESOURCE, Section};
use telarch_loopback::{Loopback, User};
use wsman::{ResourceUri, code};

use crate::config_change::with;
use crate::config_read::{of, settings};
use crate::fault;
use crate::message::fragment;

async fn all(session: &Session) -> Vec<(String, String)> {
    settings(session.get(&of(Section::Config)).await.unwrap().content().unwrap())
}

#[tokio::test]
async fn restoring_the_configuration_undoes_every_change() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let before = all(&session).await;
    for (section, path, value) in [
        (Section::Config, "MaxTimeoutms", "12345"),
        (Section::Winrs, "MaxShellsPerUser", "7"),
        (Section::Client, "TrustedHosts", "a.example"),
    ] {
        session.put(&of(section), &with(section, path, value)).await.unwrap();
    }
    assert_ne!(all(&session).await, before);
    // The input element may spell the action in lower case.
    let body = fragment(|writer| {
        writer.start("p:restore_INPUT").namespace("p", Section::Config.resource()).end();
    });
    let answer = session.invoke(&of(Section::Config), "Restore", Some(&body)).await.unwrap();
    assert_eq!(answer.content().map(|output| output.name().to_owned()).as_deref(), Some("Restore_OUTPUT"));
    // Basic is disabled by default, so no further request is possible; check the file.
    let restored = config::Config::of_files([service.config_file()], &config::Policies::default()).unwrap();
    let differences: Vec<&str> =
        config::Config::default().differences(&restored).map(config::Setting::path).collect();
    assert_eq!(differences, [""; 0]);
    service.close().await;
}

#[tokio::test]
async fn restoring_the_plugins_removes_their_entries() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let resource = ResourceUri::parse(PLUGIN_RESOURCE).unwrap();
    let shell =
        Locator::new(resource.clone()).with_selectors(wsman::SelectorSet::new().with("Name", "Shell"));
    let before = session.get(&shell).await.unwrap().content().unwrap().source().to_owned();
    let changed = before.replace("Enabled=\"true\"", "Enabled=\"false\"");
    assert_ne!(before, changed);
    let body = xml::Document::parse(changed, &xml::Bounds::default()).unwrap();
    let body = fragment(|writer| {
        writer.copy(body.root());
    });
    session.put(&shell, &body).await.unwrap();
    session.invoke(&Locator::new(resource.clone()), "restore", None).await.unwrap();
    let after = session.get(&shell).await.unwrap().content().unwrap().source().to_owned();
    assert!(after.contains("Enabled=\"true\""), "{after}");
    let other = session.invoke(&Locator::new(resource), "destroy", None).await;
    assert_eq!(fault(other).code(), code::ACTION_NOT_SUPPORTED);
    service.close().await;
}

#[tokio::test]
async fn restoring_requires_access() {
    let service = Loopback::start().await;
    let refused = service.session(User::Eve).invoke(&of(Section::Config), "restore", None).await;
    assert_eq!(fault(refused).code(), code::ACCESS_DENIED);
    service.close().await;
}

#[tokio::test]
async fn restoring_requires_more_than_the_right_to_execute() {
    let service = Loopback::start().await;
    let sddl = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GRGX;;;WD)";
    service
        .session(User::Ada)
        .put(&of(Section::Service), &with(Section::Service, "RootSDDL", sddl))
        .await
        .unwrap();
    let eve = service.session(User::Eve);
    eve.get(&of(Section::Config)).await.unwrap();
    assert_eq!(fault(eve.invoke(&of(Section::Config), "restore", None).await).code(), code::ACCESS_DENIED);
    let plugins = Locator::new(ResourceUri::parse(PLUGIN_RESOURCE).unwrap());
    assert_eq!(fault(eve.invoke(&plugins, "restore", None).await).code(), code::ACCESS_DENIED);
    service.close().await;
}
