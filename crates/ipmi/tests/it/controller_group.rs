//! Tests with many controllers at once, bad networks, and commands that must not be repeated.

use std::net::SocketAddr;
use std::time::Duration;

use telarch_ipmi::proto::{NetFn, Privilege, ProtoError, Request, Timing, chassis, device_id};
use telarch_ipmi::{Connection, Endpoint, IpmiError};
use telarch_simulated_bmc::{Board, ControllerGroup, Network, settings};
use tokio::task::JoinSet;

use crate::sessions::login;

const PATIENT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn three_hundred_controllers_share_a_few_sockets() {
    let group = ControllerGroup::start(300, Network::default());
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::new();
    let mut requested = JoinSet::new();
    let silent = [(silent.local_addr().unwrap(), Duration::from_secs(2)); 3];
    for (address, limit) in group.addresses().iter().map(|address| (*address, PATIENT)).chain(silent) {
        let endpoint = endpoint.clone();
        requested.spawn(async move {
            let timing = Timing { limit, ..Timing::default() };
            let connection = endpoint.open(address, login("admin", "admin-pw"), timing).await?;
            let id = connection.run(&device_id::GetDeviceId).await?;
            connection.close().await;
            Ok::<_, IpmiError>(id.manufacturer)
        });
    }
    let sockets = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
        let is_socket = |to: std::path::PathBuf| to.to_string_lossy().starts_with("socket:");
        open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(is_socket)).count()
    };
    let (mut answered, mut silent) = (0, 0);
    // The controllers share sockets in this process; a socket for each session would be too many.
    let most = 60;
    while let Some(done) = requested.join_next().await {
        match done.unwrap() {
            Ok(manufacturer) => answered += u32::from(manufacturer == 0x1291),
            Err(IpmiError::Proto(ProtoError::NoAnswer)) => silent += 1,
            Err(other) => panic!("{other}"),
        }
        assert!(sockets() < most, "{} sockets", sockets());
    }
    assert_eq!((answered, silent), (300, 3));
}

#[tokio::test]
async fn a_scan_survives_loss_duplication_jitter_and_busy_controllers() {
    let network = Network { lost: 5, twice: 5, delay: Duration::ZERO, jitter: Duration::from_millis(20) };
    let busy = Board { busy_every: 7, ..Board::default() };
    let group = ControllerGroup::of(vec![(settings(0), Board::default()), (settings(1), busy)], network);
    let perfect = ControllerGroup::start(1, Network::default());
    let timing = Timing { limit: PATIENT, ..Timing::default() };
    let scan = async |address| {
        let connection = Connection::open(address, login("admin", "admin-pw"), timing).await.unwrap();
        let records = connection.records().await.unwrap();
        let measured = connection.measure(&records).await.unwrap();
        connection.close().await;
        (records, measured)
    };
    let expected = scan(perfect.addresses()[0]).await;
    for address in group.addresses() {
        assert_eq!(scan(*address).await, expected);
    }
}

/// Opens a connection whose requests time out as soon as this machine permits.
async fn open_with_short_limit(address: SocketAddr) -> Connection {
    for limit in [400, 4_000, 60_000].map(Duration::from_millis) {
        let timing = Timing { limit, ..Timing::default() };
        match Connection::open(address, login("admin", "admin-pw"), timing).await {
            Ok(connection) => return connection,
            Err(IpmiError::Proto(ProtoError::NoAnswer)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the controller does not respond");
}

#[tokio::test]
async fn continuous_busy_responses_end_at_the_limit_with_the_reason() {
    let stormy = Board { busy_every: 1, ..Board::default() };
    let group = ControllerGroup::of(vec![(settings(0), stormy)], Network::default());
    let connection = open_with_short_limit(group.addresses()[0]).await;
    let error = connection.run(&device_id::GetDeviceId).await.unwrap_err();
    assert!(matches!(error, IpmiError::Completion(code) if code.0 == 0xc0), "{error}");
    connection.close().await;
}

#[tokio::test]
async fn a_power_cycle_is_executed_once_even_if_resent() {
    let network = Network { lost: 30, twice: 20, ..Network::default() };
    let mut cycles = 0;
    // Ten connections, and more if none of these was fast enough on a busy machine.
    for attempt in 0..100 {
        if attempt >= 10 && cycles > 0 {
            break;
        }
        let group = ControllerGroup::start(1, network);
        let timing = Timing { limit: Duration::from_secs(1), ..Timing::default() };
        let login = login("oper", "oper-pw").privilege(Privilege::Operator);
        let Ok(connection) = Connection::open(group.addresses()[0], login, timing).await else { continue };
        let cycled = connection.run(&chassis::Control::PowerCycle).await;
        let done = group.first(|board| board.controls.clone());
        match cycled {
            Ok(()) => assert_eq!(done, [2]),
            // The answer was lost, and the error says that the result is unknown.
            Err(IpmiError::Proto(ProtoError::Undecided)) => assert!(done.len() <= 1, "{done:?}"),
            Err(other) => panic!("{other}"),
        }
        cycles += done.len();
        connection.close().await;
    }
    assert!(cycles > 0);
}

#[tokio::test]
async fn a_console_with_an_undecodable_response_is_deactivated() {
    let board = Board { console: Some(vec![0; 5]), ..Board::default() };
    let group = ControllerGroup::of(vec![(settings(0), board)], Network::default());
    let opened = Connection::open(group.addresses()[0], login("admin", "admin-pw"), Timing::default()).await;
    let connection = opened.unwrap();
    let error = connection.console().await.unwrap_err();
    assert!(matches!(error, IpmiError::Proto(ProtoError::Truncated { .. })), "{error}");
    assert!(!group.first(|board| board.console_is_active));
    // A console of another user is not taken over.
    group.first(|board| board.console_is_active = true);
    let error = connection.console().await.unwrap_err();
    assert!(matches!(error, IpmiError::Refused { code: 0x80, .. }), "{error}");
    assert!(group.first(|board| board.console_is_active));
    connection.close().await;
}

#[tokio::test]
async fn a_dropped_login_releases_its_slot() {
    let group =
        ControllerGroup::of(vec![(settings(0).most_sessions(2), Board::default())], Network::default());
    let endpoint = Endpoint::new();
    for _ in 0..10 {
        let opened = endpoint.open(group.addresses()[0], login("admin", "admin-pw"), Timing::default()).await;
        drop(opened.unwrap());
    }
}

#[tokio::test]
async fn a_controller_that_stops_responding_ends_the_session() {
    let group = ControllerGroup::start(1, Network::default());
    let connection = open_with_short_limit(group.addresses()[0]).await;
    // Reading the records may take longer than the limit.
    let patient = Timing { limit: PATIENT, ..Timing::default() };
    let other = Connection::open(group.addresses()[0], login("admin", "admin-pw"), patient).await.unwrap();
    let records = other.records().await.unwrap();
    drop(group);
    let error = connection.measure(&records).await.unwrap_err();
    assert!(matches!(error, IpmiError::Proto(ProtoError::NoAnswer)), "{error}");
    let error = connection.ask(Request::new(NetFn::APP, 1, &[])).await.unwrap_err();
    assert!(matches!(error, IpmiError::Proto(ProtoError::Ended)), "{error}");
}
