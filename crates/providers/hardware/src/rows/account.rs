//! Account, PrivilegeGroup and AuthorizedPrivilege, which describe users and their rights; and
//! RegisteredProfile.

use std::sync::Arc;

use cim::Instance;
use ipmi::proto::CompletionCode;
use ipmi::proto::channel::ChannelNumber;
use ipmi::proto::user::{AccessLevel, GetUserAccess, GetUserName, UserId};
use ipmi::{Connection, IpmiError};

use crate::controller::Controller;
use crate::health::Health;
use crate::query::Query;
use crate::{HardwareError, names};

/// A user of a controller.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) number: u8,
    pub(super) name: String,
    pub(super) level: AccessLevel,
    is_enabled: Option<bool>,
}

/// Returns the users that have a name or are enabled.
pub(super) async fn accounts(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let users = users(controller).await?;
    users
        .iter()
        .map(|user| {
            let row = query
                .row()
                .with("SystemCreationClassName", "ComputerSystem")?
                .with("SystemName", names::controller_system(controller.name()))?
                .with("CreationClassName", "Account")?
                .with("Name", user.number.to_string())?
                .with("UserID", user.name.clone())?
                .with("ElementName", user.name.clone())?
                .with("Caption", format!("user {} of {}", user.number, controller.name()))?
                .with("Description", format!("level {}", user.level.name()))?;
            // The class has no property EnabledState.
            let said = match (user.is_enabled, user.level) {
                (Some(false), _) | (_, AccessLevel::NoAccess) => "disabled",
                (Some(true), _) => "enabled",
                (None, _) => "not known to be enabled",
            };
            Ok(Health::Ok.fill(row, Some(said.to_owned()))?)
        })
        .collect()
}

/// Returns the users of the channel of the session.
pub(super) async fn users(controller: &Arc<Controller>) -> Result<Vec<User>, HardwareError> {
    controller.run(read_users).await
}

async fn read_users(bmc: Connection) -> Result<Vec<User>, IpmiError> {
    let mut users = Vec::new();
    let mut slots = 1;
    for number in 1..=63 {
        if number > slots {
            break;
        }
        let user = UserId::new(number)?;
        let access = bmc.run(&GetUserAccess { channel: ChannelNumber::THIS, user }).await?;
        slots = access.slots;
        let name = match bmc.run(&GetUserName(user)).await {
            Ok(name) => name,
            // Codes with which some controllers reject the request for a name that was never set.
            Err(IpmiError::Completion(CompletionCode(0xcb | 0xcc))) => String::new(),
            Err(error) => return Err(error),
        };
        let is_used = !name.is_empty() || access.is_enabled == Some(true);
        if is_used {
            users.push(User { number, name, level: access.limit, is_enabled: access.is_enabled });
        }
    }
    Ok(users)
}

/// Returns one group of users for each privilege level.
pub(super) fn groups(controller: &Arc<Controller>, query: &Query) -> Result<Vec<Instance>, HardwareError> {
    LEVELS
        .iter()
        .map(|(level, _)| {
            Ok(query
                .row()
                .with("CreationClassName", "PrivilegeGroup")?
                .with("Name", names::part_id(controller.name(), level.name()))?
                .with("CommonName", level.name())?
                .with("Caption", format!("users of {} with the level {}", controller.name(), level.name()))?
                .with("ElementName", level.name())?)
        })
        .collect()
}

/// Returns the activities that each level permits.
pub(super) fn privileges(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    LEVELS
        .iter()
        .map(|(level, activities)| {
            Ok(query
                .row()
                .with("InstanceID", names::part_id(controller.name(), level.name()))?
                .with("PrivilegeGranted", true)?
                .with("Activities", activities.to_vec())?
                .with("Caption", format!("level {} of {}", level.name(), controller.name()))?
                .with("ElementName", level.name())?)
        })
        .collect()
}

/// Returns the collection of a controller's users.
pub(super) fn collection(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let row = query
        .row()
        .with("InstanceID", names::part_id(controller.name(), USERS))?
        .with("Caption", format!("users of {}", controller.name()))?
        .with("ElementName", format!("users of {}", controller.name()))?;
    Ok(vec![row])
}

/// Returns the profile that the classes follow.
pub(super) fn profiles(query: &Query) -> Result<Vec<Instance>, HardwareError> {
    let row = query
        .row()
        .with("InstanceID", "IPMI:IPMI CIM Mapping")?
        .with("RegisteredName", "IPMI CIM Mapping")?
        // DMTF
        .with("RegisteredOrganization", 2_u16)?
        // Not advertised
        .with("AdvertiseTypes", vec![2_u16])?
        .with("ElementName", "IPMI CIM Mapping")?;
    Ok(vec![row])
}

/// Part of the InstanceID of the collection of users.
pub(super) const USERS: &str = "users";

/// Privilege levels and their activities: 4 detect, 5 read, 6 write, 7 execute (CIM_Privilege).
pub(super) const LEVELS: [(AccessLevel, &[u16]); 4] = [
    (AccessLevel::Callback, &[4]),
    (AccessLevel::User, &[4, 5]),
    (AccessLevel::Operator, &[4, 5, 7]),
    (AccessLevel::Administrator, &[4, 5, 6, 7]),
];
