//! Errors, their details and advice.

use telarch::{ConnectionOptions, Error, SessionFlags, Wsman, blocking};

#[test]
fn connection_refused_has_number_cause_and_advice() {
    // A port that is no longer in use.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let options = ConnectionOptions::new().credentials("ann", "secret");
    let session = Wsman::new().create_session(&address.to_string(), SessionFlags::USE_NEGOTIATE, options);
    let error = blocking::Session::new(session.unwrap()).unwrap().get("winrm/config").unwrap_err();
    let Error::Connect(failed) = &error else { panic!("{error:?}") };
    assert_eq!((failed.code(), failed.hresult()), (Some(2_150_858_770), Some(-2_144_108_526)));
    assert_eq!(failed.symbol(), Some("ERROR_WSMAN_DESTINATION_UNREACHABLE"));
    assert_eq!(failed.cause().as_deref(), Some("cannot connect: connection refused"));
    assert!(!failed.fix().is_empty() && failed.fault().is_none());
    let xml = failed.xml().unwrap();
    assert!(xml.contains("Code=\"2150858770\" Machine=\"127.0.0.1\""), "{xml}");
    assert!(
        error.to_string().ends_with("(code 2150858770, 0x80338012, ERROR_WSMAN_DESTINATION_UNREACHABLE)")
    );
}

#[test]
fn a_password_is_not_sent_unencrypted() {
    let options = ConnectionOptions::new().credentials("ann", "secret");
    let session = Wsman::new().create_session("node7.invalid", SessionFlags::USE_BASIC, options).unwrap();
    let error = blocking::Session::new(session).unwrap().identify().unwrap_err();
    assert!(matches!(&error, Error::Denied(_)), "{error:?}");
    assert_eq!(error.code(), Some(2_150_858_974));
}

#[test]
fn error_numbers_have_texts() {
    let wsman = Wsman::new();
    assert_eq!(wsman.error_message(5), "access denied");
    assert_eq!(wsman.error_message(1_018), "ERROR_KEY_DELETED");
    assert!(wsman.error_message(0xFFFF_FFFF).starts_with("unknown error"));
    assert!(wsman.command_line().contains("it-"), "{}", wsman.command_line());
}
