//! The scripting API against the real service, by its blocking face, which stands on the asynchronous one.

use std::time::Duration;

use telarch::blocking::Session;
use telarch::{
    CommandOptions, ConnectionOptions, EnumerationFlags, Error, Filter, Output, ResourceLocator,
    SessionFlags, SignalCode, Wsman,
};
use telarch_peers::{PASSWORD, Telarchd, USER, WayIn};

#[test]
fn listeners_are_listed_created_read_changed_and_deleted() {
    let service = Telarchd::start_for(WayIn::NegotiateOverHttps);
    let session = session(&service, SessionFlags::USE_NEGOTIATE);
    let flags = EnumerationFlags::RETURN_OBJECT_AND_EPR;
    let listed: Vec<_> = session
        .enumerate("winrm/config/listener", None, flags)
        .expect("an enumeration")
        .map(|item| item.expect("an item"))
        .collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|item| item.reference().is_some()));

    let place = ResourceLocator::parse("winrm/config/listener").expect("a locator");
    let place = place.selector("Address", "IP:127.0.0.7").selector("Transport", "HTTP");
    let body = "<Listener xmlns='http://schemas.microsoft.com/wbem/wsman/1/config/listener'>\
                <Port>5999</Port><Enabled>false</Enabled></Listener>";
    let created = session.create(&place, body).expect("a listener");
    let reference = created.reference().expect("its address");
    let listener = session.get(reference).expect("the listener");
    assert_eq!(listener.value("Port").as_deref(), Some("5999"));
    assert!(
        listener.to_text().starts_with("Listener\n    Address = IP:127.0.0.7\n"),
        "{}",
        listener.to_text()
    );
    let changed =
        session.put(&place, &listener.xml().replace(">5999<", ">5998<")).expect("put").expect("content");
    assert_eq!(changed.value("Port").as_deref(), Some("5998"));
    session.delete(&place).expect("deleted");
    let Err(Error::Fault(gone)) = session.get(&place) else { panic!("it is still there") };
    assert!(gone.fault().is_some() && !gone.fix().is_empty(), "{gone}");
}

#[test]
fn files_reach_a_linux_that_calls_its_vendor_microsoft() {
    let service = Telarchd::start(&[("Identify.ProductVendor", "Microsoft Corporation")]);
    let session = session(&service, SessionFlags::USE_BASIC);
    let reported = session.identify().expect("an identity");
    assert_eq!(reported.value("ProductVendor").as_deref(), Some("Microsoft Corporation"));
    assert_eq!(reported.value("Product").as_deref(), Some("Telarch"));
    let folder = tempfile::tempdir().expect("a folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    std::fs::write(&here, b"what is in it").expect("a file");
    let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let copying = session.inner().copy(&here, there.to_str().expect("UTF-8"));
    waiting.block_on(copying).expect("copied");
    assert_eq!(std::fs::read(&there).expect("it is there"), b"what is in it");
}

#[test]
fn a_filter_beside_selectors_is_refused_before_anything_is_sent() {
    let service = Telarchd::start_for(WayIn::BasicOverHttps);
    let session = session(&service, SessionFlags::USE_BASIC);
    let filter = Some(Filter::wql("select * from X"));
    let refused = session.enumerate("shell?ShellId=1", filter, EnumerationFlags::empty());
    assert!(matches!(refused, Err(Error::Argument { .. })), "{refused:?}");
}

#[test]
fn a_command_receives_input_and_is_interrupted() {
    let service = Telarchd::start_for(WayIn::NegotiateOverHttp);
    let options =
        ConnectionOptions::new().credentials(USER, PASSWORD).operation_timeout(Duration::from_secs(60));
    let session = Wsman::new().create_session(service.http(), SessionFlags::USE_NEGOTIATE, options);
    let session = Session::new(session.expect("a session")).expect("a runtime");
    let shell = session.shell(Default::default()).expect("a shell");
    let start = |line: &str| shell.start(line, &[], CommandOptions::default()).expect("a command");

    let mut command = start("cat; exit 3");
    command.write(b"hello").expect("input");
    command.close_input().expect("its end");
    assert_eq!(command.next_output().expect("output"), Output::Stdout(b"hello".to_vec()));
    assert_eq!(command.next_output().expect("the end"), Output::Done { exit_code: 3 });
    assert!(command.write(b"more").is_err(), "its input was ended");
    command.finish().expect("let go");

    let mut command = start("trap 'exit 7' INT; echo ready; while :; do sleep 0.05; done");
    assert_eq!(command.next_output().expect("output"), Output::Stdout(b"ready\n".to_vec()));
    command.signal(SignalCode::CtrlC).expect("a signal");
    assert_eq!(command.next_output().expect("the end"), Output::Done { exit_code: 7 });
    drop(command);
    shell.close().expect("closed");
}

#[test]
fn a_wrong_password_is_an_authentication_error_with_its_code() {
    let service = Telarchd::start_for(WayIn::BasicOverHttps);
    let options = ConnectionOptions::new().credentials(USER, "wrong");
    let flags = SessionFlags::USE_BASIC | SessionFlags::SKIP_CA_CHECK | SessionFlags::SKIP_CN_CHECK;
    let session = Wsman::new().create_session(service.https(), flags, options).expect("a session");
    let refused = Session::new(session).expect("a runtime").identify().expect_err("refused");
    let Error::Authentication(why) = &refused else { panic!("{refused:?}") };
    assert_eq!(why.code(), Some(1_326));
    assert!(why.offered().iter().any(|scheme| scheme == "Negotiate"), "{:?}", why.offered());
}

fn session(service: &Telarchd, scheme: SessionFlags) -> Session {
    let options = ConnectionOptions::new().credentials(USER, PASSWORD);
    let flags = scheme | SessionFlags::SKIP_CA_CHECK | SessionFlags::SKIP_CN_CHECK;
    let session = Wsman::new().create_session(service.https(), flags, options).expect("a session");
    Session::new(session).expect("a runtime")
}
