//! Tests of logins and commands with `ipmi_sim`.

use std::net::UdpSocket;
use std::time::Duration;

use telarch_ipmi::proto::{
    CipherSuite, CompletionCode, Destination, GroupKey, Login, NetFn, Password, Privilege, ProtoError,
    Request, Stage, Timing, UserName, chassis, device_id,
};
use telarch_ipmi::{Connection, IpmiError};
use telarch_simulated_bmc::{Board, ControllerGroup, Network, SimulatedBmc, settings};

pub(crate) fn login(user: &str, password: &str) -> Login {
    Login::new(UserName::new(user).unwrap(), Password::new(password.as_bytes()).unwrap())
}

pub(crate) async fn open(bmc: &SimulatedBmc, login: Login) -> Result<Connection, IpmiError> {
    Connection::open(bmc.address().parse().unwrap(), login, Timing::default()).await
}

#[tokio::test]
async fn after_a_rejected_suite_the_next_is_used_and_the_session_closed() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    // The simulator has few session slots: sessions left open would fill them.
    for _ in 0..40 {
        let connection = open(&bmc, login("admin", "admin-pw")).await.unwrap();
        assert_eq!(connection.suite(), Some(CipherSuite::SHA1));
        let id = connection.run(&device_id::GetDeviceId).await.unwrap();
        assert_eq!((id.ipmi, id.manufacturer, id.product), ((2, 0), 0x1291, 0x0f02));
        connection.close().await;
    }
}

#[tokio::test]
async fn each_suite_of_the_simulator_works_if_selected() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    for number in [0, 1, 2, 3, 6] {
        let suite = CipherSuite::new(number).unwrap();
        let connection = open(&bmc, login("admin", "admin-pw").suite(suite)).await.unwrap();
        assert!(connection.run(&chassis::GetStatus).await.unwrap().power_is_on, "suite {number}");
        connection.close().await;
    }
    let refused = open(&bmc, login("admin", "admin-pw").suite(CipherSuite::SHA256)).await.unwrap_err();
    assert!(
        matches!(refused, IpmiError::Proto(ProtoError::Refused { stage: Stage::OpenSession, .. })),
        "{refused}"
    );
}

#[tokio::test]
async fn wrong_names_and_passwords_differ_from_no_response() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let wrong = open(&bmc, login("admin", "wrong")).await.unwrap_err();
    assert!(matches!(wrong, IpmiError::Proto(ProtoError::WrongPassword)), "{wrong}");
    let unknown = open(&bmc, login("nobody", "x")).await.unwrap_err();
    assert!(
        matches!(unknown, IpmiError::Proto(ProtoError::Refused { stage: Stage::Rakp2, .. })),
        "{unknown}"
    );
    let fitting = open(&bmc, login("viewer", "viewer-pw").privilege(Privilege::User)).await.unwrap();
    let forbidden = fitting.run(&chassis::Control::PowerDown).await.unwrap_err();
    assert!(matches!(forbidden, IpmiError::Completion(code) if code.0 == 0xd4), "{forbidden}");
    fitting.close().await;
    assert_eq!(bmc.chassis_log(), "");
}

#[tokio::test]
async fn requests_end_if_there_is_no_response() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let timing = Timing { limit: Duration::from_millis(300), ..Timing::default() };
    let error =
        Connection::open(silent.local_addr().unwrap(), login("admin", "x"), timing).await.unwrap_err();
    assert!(matches!(error, IpmiError::Proto(ProtoError::NoAnswer)), "{error}");
}

#[tokio::test]
async fn many_tasks_share_one_session() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let connection = open(&bmc, login("admin", "admin-pw")).await.unwrap();
    let mut receivers = tokio::task::JoinSet::new();
    for number in 0..200_u8 {
        let connection = connection.clone();
        receivers.spawn(async move {
            // The answers differ, so that a mix-up would be noticed.
            let known = number.is_multiple_of(2);
            let request = Request::new(NetFn::APP, if known { 0x01 } else { 0x7f }, &[]);
            let response = connection.ask(request).await.unwrap();
            assert_eq!(response.code.0 == 0, known, "{response:?}");
        });
    }
    while let Some(requested) = receivers.join_next().await {
        requested.unwrap();
    }
    connection.close().await;
}

#[tokio::test]
async fn the_power_is_switched() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let connection = open(&bmc, login("oper", "oper-pw").privilege(Privilege::Operator)).await.unwrap();
    connection.run(&chassis::Control::PowerDown).await.unwrap();
    assert!(!connection.run(&chassis::GetStatus).await.unwrap().power_is_on);
    connection.run(&chassis::Control::PowerUp).await.unwrap();
    assert!(connection.run(&chassis::GetStatus).await.unwrap().power_is_on);
    connection.close().await;
    assert!(bmc.chassis_log().starts_with("power=0\npower=1\n"), "{}", bmc.chassis_log());
}

#[tokio::test]
async fn a_controller_with_a_k_g_key_requires_it() {
    let key = || GroupKey::new(b"twenty octets at all").unwrap();
    let group =
        ControllerGroup::of(vec![(settings(0).group_key(key()), Board::default())], Network::default());
    let open = async |login| Connection::open(group.addresses()[0], login, Timing::default()).await;
    let connection = open(login("admin", "admin-pw").group_key(key())).await.unwrap();
    assert!(connection.run(&chassis::GetStatus).await.unwrap().power_is_on);
    connection.close().await;
    let other = GroupKey::new(b"another").unwrap();
    for login in [login("admin", "admin-pw"), login("admin", "admin-pw").group_key(other)] {
        let refused = open(login).await.unwrap_err();
        assert!(matches!(refused, IpmiError::Proto(ProtoError::WrongPassword)), "{refused}");
    }
}

#[tokio::test]
async fn levels_and_commands_above_the_users_level_are_rejected() {
    let group = ControllerGroup::start(1, Network::default());
    let open = async |login| Connection::open(group.addresses()[0], login, Timing::default()).await;
    let refused = open(login("viewer", "viewer-pw").privilege(Privilege::Operator)).await.unwrap_err();
    assert!(matches!(refused, IpmiError::Proto(ProtoError::Level { code: 0x81, .. })), "{refused}");
    let viewer = open(login("viewer", "viewer-pw").privilege(Privilege::User)).await.unwrap();
    let forbidden = viewer.run(&chassis::Control::PowerCycle).await.unwrap_err();
    assert!(matches!(forbidden, IpmiError::Completion(code) if code.0 == 0xd4), "{forbidden}");
    viewer.close().await;
    assert_eq!(group.first(|board| board.controls.clone()), []);
}

#[tokio::test]
async fn a_controller_behind_two_others_responds_and_a_missing_one_does_not() {
    let mut board = Board::default();
    board.behind.insert((0x82, 0x72));
    let ours = ControllerGroup::of(vec![(settings(0), board)], Network::default());
    let connection =
        Connection::open(ours.addresses()[0], login("admin", "admin-pw"), Timing::default()).await.unwrap();
    let far = |transit| Destination::on_channel(7, 0x72, 0).unwrap().through(0, transit).unwrap();
    assert_eq!(connection.run_at(far(0x82), &device_id::GetDeviceId).await.unwrap().id, 0x72);
    let missing = connection.run_at(far(0x84), &device_id::GetDeviceId).await.unwrap_err();
    assert!(matches!(missing, IpmiError::Completion(CompletionCode(0x83))), "{missing}");
    connection.close().await;
}
