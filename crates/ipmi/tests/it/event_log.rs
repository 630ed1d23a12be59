//! Tests of the event log with `ipmi_sim`.

use telarch_ipmi::proto::sel::{Direction, Entry};
use telarch_ipmi::proto::storage::GetSelInfo;
use telarch_simulated_bmc::SimulatedBmc;

use crate::sessions::{login, open};

#[tokio::test]
async fn the_log_is_read_and_cleared() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let connection = open(&bmc, login("admin", "admin-pw")).await.unwrap();
    let events = connection.events().await.unwrap();
    assert_eq!(events.len(), usize::from(connection.run(&GetSelInfo).await.unwrap().records));
    let thresholds: Vec<_> = events
        .iter()
        .filter_map(|record| match record.entry {
            Entry::Event(event) => event.threshold().map(|text| (event.sensor, event.direction, text)),
            _ => None,
        })
        .collect();
    let high = "Upper Critical going high";
    assert_eq!(thresholds, [(1, Direction::Asserted, high), (1, Direction::Deasserted, high)]);
    assert!(
        events.iter().any(|record| matches!(record.entry, Entry::Manufacturer { manufacturer: 311, .. }))
    );
    connection.clear_events().await.unwrap();
    assert_eq!(connection.events().await.unwrap(), []);
    connection.close().await;
}
