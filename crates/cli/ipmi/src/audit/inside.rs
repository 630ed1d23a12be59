//! What an administrator of the controller can see.

use std::net::SocketAddr;

use ipmi::proto::channel::{ChannelNumber, GetChannelAccess, Setting};
use ipmi::proto::device_id::GetDeviceId;
use ipmi::proto::lan::{LanParameter, LanValue};
use ipmi::proto::user::AccessLevel;
use ipmi::proto::{Login, Timing};
use ipmi::{Connection, IpmiError};

use super::{Finding, Severity};

pub(super) async fn looked(
    address: SocketAddr,
    login: Login,
    timing: Timing,
) -> Result<Vec<Finding>, IpmiError> {
    let bmc = Connection::open(address, login, timing).await?;
    let findings = look(&bmc).await;
    bmc.close().await;
    findings
}

async fn look(bmc: &Connection) -> Result<Vec<Finding>, IpmiError> {
    let id = bmc.run(&GetDeviceId).await?;
    let mut findings = vec![Finding::new(
        Severity::Note,
        format!(
            "firmware {}.{:02} of manufacturer {}, product {}",
            id.firmware_major, id.firmware_minor, id.manufacturer, id.product
        ),
        "compare it with the manufacturer's latest: controllers are updated too rarely",
    )];
    let channel = bmc.lan_channel().await?;
    findings.extend(users(bmc, channel).await?);
    findings.extend(settings(bmc, channel).await?);
    Ok(findings)
}

async fn users(bmc: &Connection, channel: ChannelNumber) -> Result<Vec<Finding>, IpmiError> {
    let mut findings = Vec::new();
    for user in bmc.users(channel).await? {
        let access = user.access;
        let can_sign_in = access.is_enabled != Some(false)
            && access.messaging
            && access.limit > AccessLevel::Callback
            && access.limit != AccessLevel::Unknown;
        if !can_sign_in {
            continue;
        }
        if user.name.is_empty() {
            let severity =
                if access.limit >= AccessLevel::Operator { Severity::Critical } else { Severity::Warning };
            findings.push(Finding::new(
                severity,
                format!("user {} has no name, and the level {}", user.id, access.limit.name()),
                format!("disable it: user disable {}", user.id),
            ));
        } else if DELIVERED.contains(&user.name.as_str()) && access.limit >= AccessLevel::Administrator {
            findings.push(Finding::new(
                Severity::Note,
                format!(
                    "user {} is called {:?} as everybody expects, and is administrator",
                    user.id, user.name
                ),
                format!("use another name: user name {} NAME", user.id),
            ));
        }
    }
    Ok(findings)
}

async fn settings(bmc: &Connection, channel: ChannelNumber) -> Result<Vec<Finding>, IpmiError> {
    let mut findings = Vec::new();
    match bmc.run(&GetChannelAccess { channel, setting: Setting::Lasting }).await {
        Ok(access) => {
            if access.per_message_authentication_is_off {
                findings.push(Finding::new(
                    Severity::Critical,
                    "packets of IPMI 1.5 sessions need no proof once they are open",
                    "switch per-message authentication on for the channel",
                ));
            }
            if access.user_level_authentication_is_off {
                findings.push(Finding::new(
                    Severity::Warning,
                    "commands of the level of a user need no proof in IPMI 1.5 sessions",
                    "switch user level authentication on for the channel",
                ));
            }
        }
        Err(IpmiError::Completion(_)) => {}
        Err(error) => return Err(error),
    }
    let wanted = [LanParameter::Suites, LanParameter::SuiteLimits];
    let values = match bmc.lan_parameters(channel, &wanted).await {
        Err(IpmiError::Completion(_)) => Vec::new(),
        other => other?,
    };
    if let [(_, LanValue::Suites(suites)), (_, LanValue::SuiteLimits(limits))] = values.as_slice()
        && let Some((_, limit)) = suites.iter().zip(limits).find(|(suite, _)| **suite == 0)
        && !matches!(limit, AccessLevel::NoAccess | AccessLevel::Unknown)
    {
        findings.push(Finding::new(
            Severity::Critical,
            format!("cipher suite 0 is allowed up to the level {}", limit.name()),
            "switch it off: lan set suite 0 off",
        ));
    }
    Ok(findings)
}

const DELIVERED: [&str; 6] = ["admin", "ADMIN", "root", "Administrator", "USERID", "sysadmin"];
