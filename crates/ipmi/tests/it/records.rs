//! Tests of sensor records: read ahead, cached, and read again after changes.

use std::sync::Arc;

use telarch_ipmi::proto::{Login, Timing};
use telarch_ipmi::{Connection, Endpoint, RecordCache};
use telarch_simulated_bmc::{Board, ControllerGroup, Network, SimulatedBmc, settings};

use crate::sessions::login;

async fn open(group: &ControllerGroup) -> Connection {
    Connection::open(group.addresses()[0], admin(), Timing::default()).await.unwrap()
}

fn admin() -> Login {
    login("admin", "admin-pw")
}

fn one(change: impl FnOnce(&mut Board)) -> ControllerGroup {
    let mut board = Board::default();
    change(&mut board);
    ControllerGroup::of(vec![(settings(1), board)], Network::default())
}

#[tokio::test]
async fn our_simulator_responds_like_ipmi_sim() {
    let Some(theirs) = SimulatedBmc::start() else { return };
    let ours = one(|_| {});
    let mut scans = Vec::new();
    for address in [ours.addresses()[0], theirs.address().parse().unwrap()] {
        let connection = Connection::open(address, admin(), Timing::default()).await.unwrap();
        let records = connection.records().await.unwrap();
        let measured = connection.measure(&records).await.unwrap();
        let said: Vec<String> = measured
            .iter()
            .map(|one| {
                let value = one.quantity().map(|quantity| quantity.to_string());
                format!("{} {value:?} {:?}", one.sensor.name, one.states())
            })
            .collect();
        let mut bodies: Vec<_> = records.iter().map(|record| record.body.clone()).collect();
        bodies.sort_by_key(|body| format!("{body:?}"));
        scans.push((bodies, said));
        connection.close().await;
    }
    assert_eq!(scans[0], scans[1]);
    assert_eq!((scans[0].0.len(), scans[0].1.len()), (35, 29));
}

#[tokio::test]
async fn records_are_read_with_any_maximum_piece_size() {
    let whole = one(|_| {});
    let connection = open(&whole).await;
    let expected = connection.records().await.unwrap();
    connection.close().await;
    for longest in [5, 7, 16, 31, 255] {
        let bmc = one(|board| board.longest_piece = longest);
        let connection = open(&bmc).await;
        assert_eq!(connection.records().await.unwrap(), expected, "{longest}");
        connection.close().await;
    }
}

#[tokio::test]
async fn a_lost_reservation_is_renewed() {
    let bmc = one(|board| board.lose_reservations = 2);
    let connection = open(&bmc).await;
    assert_eq!(connection.records().await.unwrap().len(), 35);
    connection.close().await;
}

#[tokio::test]
async fn records_are_read_once_until_they_change() {
    let home = tempfile::tempdir().unwrap();
    let bmc = one(|_| {});
    let folder = || RecordCache::in_folder(home.path().join("ipmi"));
    let endpoint = Endpoint::with_cache(folder());
    let open = async |endpoint: &Endpoint| {
        endpoint.open(bmc.addresses()[0], admin(), Timing::default()).await.unwrap()
    };
    let connection = open(&endpoint).await;
    let cold = connection.records().await.unwrap();
    let requested = bmc.first(|board| std::mem::take(&mut board.pieces));
    assert!(requested > 35, "{requested}");
    // From memory, and from the folder as another process would.
    for endpoint in [endpoint.clone(), Endpoint::with_cache(folder())] {
        let connection = open(&endpoint).await;
        assert_eq!(connection.records().await.unwrap(), cold);
        connection.close().await;
    }
    assert_eq!(bmc.first(|board| board.pieces), 0, "they were read again");
    bmc.first(|board| {
        let mut records = board.records.to_vec();
        records.pop();
        board.records = Arc::new(records);
        board.stamps.1 += 1;
    });
    assert_eq!(connection.records().await.unwrap().len(), 34);
    assert!(bmc.first(|board| board.pieces) > 34);
    connection.close().await;
}

#[tokio::test]
async fn an_impersonating_controller_does_not_change_cached_records() {
    let honest = Board::default();
    let mut liar = Board::default();
    let mut records = honest.records.to_vec();
    records.rotate_left(1);
    liar.records = Arc::new(records);
    // Same GUID, firmware, number of records and times of change.
    let group = ControllerGroup::of(vec![(settings(1), liar), (settings(1), honest)], Network::default());
    let endpoint = Endpoint::new();
    let mut reported = Vec::new();
    for address in group.addresses() {
        let connection = endpoint.open(*address, admin(), Timing::default()).await.unwrap();
        reported.push((connection.guid(), connection.records().await.unwrap()));
        connection.close().await;
    }
    assert_eq!(reported[0].0, reported[1].0);
    assert_ne!(reported[0].1, reported[1].1);
}

#[tokio::test]
async fn records_without_a_change_indicator_are_always_read() {
    let bmc = one(|board| board.stamps = (0, u32::MAX));
    let connection = open(&bmc).await;
    for _ in 0..2 {
        assert_eq!(connection.records().await.unwrap().len(), 35);
        assert!(bmc.first(|board| std::mem::take(&mut board.pieces)) > 35);
    }
    connection.close().await;
}

#[tokio::test]
async fn device_sdrs_are_read_in_addition_to_the_repository() {
    let bmc = one(|board| {
        // The last sensor of the repository belongs to the device, which also has a sensor that only it
        // knows.
        let mut records = board.records.to_vec();
        let known = records[3].clone();
        let mut own = known.clone();
        own[7] = 0x77;
        board.sensors.insert((0, 0x77), [0x30, 0xc0, 0, 0]);
        own[..2].copy_from_slice(&2_u16.to_le_bytes());
        board.device_records = vec![known, own];
        records.truncate(30);
        board.records = Arc::new(records);
    });
    let connection = open(&bmc).await;
    let records = connection.records().await.unwrap();
    assert_eq!(records.len(), 31, "the one that both have counts once");
    let measured = connection.measure(&records).await.unwrap();
    let own = measured.iter().find(|one| one.sensor.number == 0x77).unwrap();
    assert_eq!(own.quantity().unwrap().to_string(), "48");
    connection.close().await;
}

#[tokio::test]
async fn sensors_of_other_units_and_controllers_are_read() {
    let bmc = one(|board| {
        let template = board.records[3].clone();
        let sensor = |owner: u8, unit: u8, number: u8, id: u16| {
            let mut record = template.clone();
            record[..2].copy_from_slice(&id.to_le_bytes());
            (record[5], record[6], record[7]) = (owner, unit, number);
            record
        };
        board.records = Arc::new(vec![
            template.clone(),
            sensor(0x20, 2, 1, 2),
            sensor(0x2c, 0, 7, 3),
            sensor(0x2e, 0, 8, 4),
            sensor(0x81, 0, 9, 5),
        ]);
        let first = template[5 + 2];
        board.sensors.insert((0, first), [0x21, 0xc0, 0, 0]);
        board.sensors.insert((2, 1), [0x22, 0xc0, 0, 0]);
        board.satellites.insert((0x2c, 7), [0x23, 0xc0, 0, 0]);
    });
    let connection = open(&bmc).await;
    let records = connection.records().await.unwrap();
    let measured = connection.measure(&records).await.unwrap();
    let values: Vec<Option<String>> =
        measured.iter().map(|one| one.quantity().map(|quantity| quantity.to_string())).collect();
    let there = |value: &str| Some(value.to_owned());
    assert_eq!(values, [there("33"), there("34"), there("35"), None, None]);
    connection.close().await;
}

#[tokio::test]
async fn a_non_linear_sensor_uses_the_factors_of_its_reading() {
    let bmc = one(|board| {
        let mut record = board.records[3].clone();
        // Its linearization, after the header of 5 bytes and 18 others.
        record[5 + 18] = 0x70;
        let number = record[5 + 2];
        board.records = Arc::new(vec![record]);
        board.sensors.insert((0, number), [0x40, 0xc0, 0, 0]);
        // Factors: twice the value, minus one, times ten.
        board.factors.insert((number, 0x40), [2, 0, 0xff, 0xc0, 0, 0xf0]);
    });
    let connection = open(&bmc).await;
    let records = connection.records().await.unwrap();
    let measured = connection.measure(&records).await.unwrap();
    assert_eq!(measured[0].quantity().unwrap().to_string(), "12.7");
    assert_eq!(measured[0].sensor.quantity(0x41), None, "the factors of other values are unknown");
    connection.close().await;
}
