//! Tests of all classes except those of sensors and logs.

use telarch_simulated_bmc::SimulatedBmc;

use crate::house::{House, MACHINE, number, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_and_its_controller_are_two_systems() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let machine = house.get(MACHINE).await.unwrap();
    assert_eq!(text(&machine, "Description"), "Example Systems Server 9000 PRD000000");
    assert_eq!((number(&machine, "EnabledState"), text(&machine, "Dedicated").as_str()), (Some(2), "0"));
    let controller = house.get(&MACHINE.replace("node7", "node7:32")).await.unwrap();
    assert_eq!(text(&controller, "Dedicated"), "14");
    assert!(text(&controller, "Description").contains("IPMI 2.0, manufacturer 4753"), "{controller:?}");
    let domains = house.rows("SELECT * FROM AdminDomain").await.unwrap();
    assert_eq!(domains.iter().map(|row| text(row, "Name")).collect::<Vec<_>>(), ["keeper"]);
    let above = house.rows("SELECT * FROM CIM_System").await.unwrap();
    assert_eq!(above.len(), 3);
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_accounts_in_groups_by_their_level() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let accounts = house.rows("SELECT * FROM Account").await.unwrap();
    let mut users: Vec<String> = accounts.iter().map(|row| text(row, "UserID")).collect();
    users.sort();
    assert_eq!(users, ["admin", "long16", "oper", "viewer"]);
    assert!(accounts.iter().all(|row| row.value("UserPassword").unwrap().is_null()));
    let operators = "ASSOCIATORS OF {PrivilegeGroup.CreationClassName=\"PrivilegeGroup\",\
        Name=\"IPMI:node7:operator\"} WHERE AssocClass = CIM_MemberOfCollection";
    let found = house.rows(operators).await.unwrap();
    assert_eq!(found.iter().map(|row| text(row, "UserID")).collect::<Vec<_>>(), ["oper"]);
    assert_eq!(house.rows("SELECT * FROM AuthorizedPrivilege").await.unwrap().len(), 4);
    assert_eq!(house.rows("SELECT * FROM RegisteredProfile").await.unwrap().len(), 1);
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_is_found_by_its_keys() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    for class in [
        "AdminDomain",
        "ComputerSystem",
        "SystemSpecificCollection",
        "RecordLog",
        "Account",
        "PrivilegeGroup",
        "AuthorizedPrivilege",
        "ConcreteCollection",
        "RegisteredProfile",
        "CIM_OwningCollectionElement",
        "CIM_UseOfLog",
    ] {
        let rows = house.rows(&format!("SELECT * FROM {class}")).await.unwrap();
        assert!(!rows.is_empty(), "{class} has no rows");
        for row in rows {
            let path = row.path().unwrap().to_string();
            let again = house.get(&path).await.unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(again.path().unwrap().to_string(), path);
        }
    }
    for (class, least) in
        [("CIM_SystemDevice", 29), ("CIM_MemberOfCollection", 29), ("CIM_LogManagesRecord", 5)]
    {
        assert!(house.rows(&format!("SELECT * FROM {class}")).await.unwrap().len() >= least, "{class}");
    }
    house.hardware.close().await;
}
