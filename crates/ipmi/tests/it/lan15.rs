//! Tests of IPMI 1.5 sessions, and of the capabilities that controllers report.

use std::time::Duration;

use telarch_ipmi::Connection;
use telarch_ipmi::IpmiError;
use telarch_ipmi::proto::capabilities::{Detail, GetAuthenticationCapabilities};
use telarch_ipmi::proto::{
    AuthenticationType, CipherSuite, Login, Password, Privilege, Protection, ProtoError, Timing, UserName,
    device_id,
};
use telarch_simulated_bmc::{Board, ControllerGroup, Network, SimulatedBmc, settings_with_suites};

use crate::sessions::login;

const KINDS: [AuthenticationType; 3] =
    [AuthenticationType::None, AuthenticationType::Md5, AuthenticationType::Password];

#[tokio::test]
async fn a_session_with_md2_is_opened_if_selected() {
    let ours = ControllerGroup::start(1, Network::default());
    let login = login("admin", "admin-pw").lan15("MD2".parse().unwrap()).unwrap();
    let connection = Connection::open(ours.addresses()[0], login, Timing::default()).await.unwrap();
    assert_eq!(connection.protection(), Some(Protection::Lan15(AuthenticationType::Md2)));
    assert_eq!(connection.run(&device_id::GetDeviceId).await.unwrap().manufacturer, 0x1291);
    connection.close().await;
}

#[tokio::test]
async fn ipmi_1_5_sessions_work_with_each_authentication_type() {
    let ours = ControllerGroup::start(1, Network::default());
    let mut addresses = vec![ours.addresses()[0]];
    let theirs = SimulatedBmc::start();
    addresses.extend(theirs.iter().map(|bmc| bmc.address().parse::<std::net::SocketAddr>().unwrap()));
    for address in addresses {
        for kind in KINDS {
            // The controllers have few session slots: sessions left open would fill them.
            for _ in 0..20 {
                let login = login("admin", "admin-pw").lan15(kind).unwrap();
                let connection = Connection::open(address, login, Timing::default()).await.unwrap();
                assert_eq!(connection.protection(), Some(Protection::Lan15(kind)));
                assert_eq!(connection.run(&device_id::GetDeviceId).await.unwrap().manufacturer, 0x1291);
                connection.close().await;
            }
        }
        let connection = Connection::open(
            address,
            login("admin", "admin-pw").lan15(AuthenticationType::Md5).unwrap(),
            Timing::default(),
        );
        let connection = connection.await.unwrap();
        assert_eq!(connection.records().await.unwrap().len(), 35);
        connection.close().await;
    }
}

#[tokio::test]
async fn a_wrong_password_differs_from_an_unknown_user() {
    let ours = ControllerGroup::start(1, Network::default());
    let open = async |user: &str, password: &str| {
        let login = login(user, password).lan15(AuthenticationType::Md5).unwrap();
        Connection::open(ours.addresses()[0], login, Timing::default()).await.unwrap_err()
    };
    let wrong = open("admin", "wrong").await;
    assert!(matches!(wrong, IpmiError::Proto(ProtoError::WrongPassword)), "{wrong}");
    let unknown = open("nobody", "x").await;
    assert!(matches!(unknown, IpmiError::Proto(ProtoError::Lan15Refused { code: 0x81, .. })), "{unknown}");
}

#[test]
fn a_password_too_long_for_ipmi_1_5_is_rejected() {
    let name = UserName::new("admin").unwrap();
    let login = |password: &[u8]| Login::new(name.clone(), Password::new(password).unwrap());
    assert!(login(&[b'x'; 16]).lan15(AuthenticationType::Md5).is_ok());
    let refused = login(&[b'x'; 17]).lan15(AuthenticationType::Md5).unwrap_err();
    assert_eq!(refused, ProtoError::LongForLan15);
}

#[tokio::test]
async fn a_controller_without_ipmi_2_0_gets_no_weaker_login_by_default() {
    let ours = ControllerGroup::of(vec![(settings_with_suites(&[]), Board::default())], Network::default());
    let open = async |login: Login| Connection::open(ours.addresses()[0], login, Timing::default()).await;
    let refused = open(login("admin", "admin-pw").discover()).await.unwrap_err();
    let IpmiError::Proto(ProtoError::OnlyLan15 { kinds }) = &refused else { panic!("{refused}") };
    assert_eq!(kinds, "md5, md2, password, none");
    // Without the question first, the error reports the refusal of every suite.
    let refused = open(login("admin", "admin-pw")).await.unwrap_err();
    let IpmiError::Proto(ProtoError::NoSuite { tried }) = &refused else { panic!("{refused}") };
    assert_eq!(tried, "17, 3");
}

#[tokio::test]
async fn listed_suites_are_tried_first_and_weak_ones_never() {
    for (offered, agreed) in [(&[0, 1, 2, 3][..], CipherSuite::SHA1), (&[3, 17], CipherSuite::SHA256)] {
        let ours =
            ControllerGroup::of(vec![(settings_with_suites(offered), Board::default())], Network::default());
        let login = login("admin", "admin-pw").discover();
        let connection = Connection::open(ours.addresses()[0], login, Timing::default()).await.unwrap();
        assert_eq!(connection.suite(), Some(agreed));
        connection.close().await;
    }
    let weak =
        ControllerGroup::of(vec![(settings_with_suites(&[0, 1, 2]), Board::default())], Network::default());
    let login = login("admin", "admin-pw").discover();
    let refused = Connection::open(weak.addresses()[0], login, Timing::default()).await.unwrap_err();
    let IpmiError::Proto(ProtoError::NoSuite { tried }) = &refused else { panic!("{refused}") };
    assert_eq!(tried, "17, 3");
}

#[tokio::test]
async fn every_suite_works_with_our_controller_if_selected() {
    let all = [0, 1, 2, 3, 6, 7, 8, 11, 12, 15, 16, 17];
    let ours = ControllerGroup::of(vec![(settings_with_suites(&all), Board::default())], Network::default());
    for number in all {
        let suite = CipherSuite::new(number).unwrap();
        let login = login("oper", "oper-pw").suite(suite).privilege(Privilege::Operator);
        let connection = Connection::open(ours.addresses()[0], login, Timing::default()).await.unwrap();
        assert_eq!(connection.suite(), Some(suite));
        let ask = GetAuthenticationCapabilities { privilege: Privilege::User, detail: Detail::Ipmi20 };
        let capabilities = connection.run(&ask).await.unwrap();
        assert!(capabilities.rmcp_plus && capabilities.ipmi15 && capabilities.logins.named);
        connection.close().await;
    }
}

#[tokio::test]
async fn an_ipmi_1_5_login_succeeds_over_a_bad_network() {
    let network = Network { lost: 5, twice: 10, ..Network::default() };
    let ours = ControllerGroup::start(5, network);
    let timing = Timing { limit: Duration::from_secs(60), ..Timing::default() };
    for address in ours.addresses() {
        let login = login("admin", "admin-pw").lan15(AuthenticationType::Password).unwrap();
        let connection = Connection::open(*address, login, timing).await.unwrap();
        for _ in 0..10 {
            assert_eq!(connection.run(&device_id::GetDeviceId).await.unwrap().manufacturer, 0x1291);
        }
        connection.close().await;
    }
}
