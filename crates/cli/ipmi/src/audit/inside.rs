//! Checks that require a session as an administrator.

use std::net::SocketAddr;

use ipmi::proto::channel::{ChannelNumber, GetChannelAccess, Setting};
use ipmi::proto::device_id::GetDeviceId;
use ipmi::proto::lan::{LanParameter, LanValue};
use ipmi::proto::user::AccessLevel;
use ipmi::proto::{Login, Timing};
use ipmi::{Connection, IpmiError};

use super::{Finding, Severity};

/// Checks users and settings.
pub(super) async fn check(
    address: SocketAddr,
    login: Login,
    timing: Timing,
) -> Result<Vec<Finding>, IpmiError> {
    let bmc = Connection::open(address, login, timing).await?;
    let findings = check_session(&bmc).await;
    bmc.close().await;
    findings
}

async fn check_session(bmc: &Connection) -> Result<Vec<Finding>, IpmiError> {
    let id = bmc.run(&GetDeviceId).await?;
    let mut findings = vec![Finding::new(
        Severity::Note,
        format!(
            "firmware {}.{:02} of manufacturer {}, product {}",
            id.firmware_major, id.firmware_minor, id.manufacturer, id.product
        ),
        "compare it with the latest release of the manufacturer",
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
                format!("user {} has no name and the level {}", user.id, access.limit.name()),
                format!("disable it: user disable {}", user.id),
            ));
        } else if DEFAULT_NAMES.contains(&user.name.as_str()) && access.limit >= AccessLevel::Administrator {
            findings.push(Finding::new(
                Severity::Note,
                format!("administrator {} has the well-known name \"{}\"", user.id, user.name),
                format!("rename it: user name {} NAME", user.id),
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
                    "packets of open IPMI 1.5 sessions are not authenticated",
                    "enable it: channel set per-message on",
                ));
            }
            if access.user_level_authentication_is_off {
                findings.push(Finding::new(
                    Severity::Warning,
                    "commands at user level are not authenticated in IPMI 1.5 sessions",
                    "enable it: channel set user-level on",
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
            "disable it: lan set suite 0 off",
        ));
    }
    Ok(findings)
}

/// Default names of administrators.
const DEFAULT_NAMES: [&str; 6] = ["admin", "ADMIN", "root", "Administrator", "USERID", "sysadmin"];
