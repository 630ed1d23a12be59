//! What must hold for any octets at all; fuzz targets and the corpus test call these.

use std::time::{Duration, Instant};

use crate::command::boot::GetBootFlags;
use crate::command::channel::{ChannelNumber, GetChannelAccess, GetChannelInfo, GetSessionInfo, Setting};
use crate::command::chassis::GetStatus;
use crate::command::device_id::GetDeviceId;
use crate::command::event_log::GetSelUtcOffset;
use crate::command::guid::GetSystemGuid;
use crate::command::lan::{GetLanParameter, LanParameter};
use crate::command::payload::{ActivateSerial, GetSerialParameter, Protection, SerialParameter};
use crate::command::power::{GetPowerOnHours, SetRestorePolicy};
use crate::command::sensor::GetReading;
use crate::command::storage::{GetSdrRepositoryInfo, GetSelEntry, GetSelInfo};
use crate::command::threshold::{GetEventEnables, GetHysteresis, GetThresholds};
use crate::command::user::{GetUserAccess, GetUserName, UserId};
use crate::command::watchdog::GetWatchdog;
use crate::fru::Inventory;
use crate::sdr::{Body, Record};
use crate::sel::SelRecord;
use crate::{Command as _, Event, Login, NetFn, Password, Request, Session, Timing, UserName, pong};

/// Whatever arrives during a login, nothing panics, nothing grows without bound, and the login ends in its time.
///
/// # Panics
/// When the promise is broken; that is its purpose.
#[allow(clippy::expect_used)]
pub fn datagrams(octets: &[u8], now: Instant) {
    let user = UserName::new("admin").expect("a name");
    let password = Password::new(b"admin-pw").expect("a password");
    let limit = Duration::from_secs(5);
    let mut session =
        Session::start(Login::new(user, password), [7; 32], Timing { limit, open_requests: 4 }, now);
    session.request(Request::new(NetFn::APP, 1, &[]));
    let _ = pong(octets);
    let mut time = now;
    let mut sent = 0;
    for datagram in octets.split(|octet| *octet == 0xfe).take(64) {
        let _ = session.receive(datagram, time);
        while session.transmit(time).is_some() {
            sent += 1;
        }
    }
    while let Some(deadline) = session.deadline() {
        assert!(deadline <= now + limit + limit, "it waits for longer than the limit");
        time = time.max(deadline);
        session.tick(time);
        while session.transmit(time).is_some() {
            sent += 1;
        }
    }
    assert!(sent < 256, "{sent} datagrams were sent");
    let mut ends = 0;
    while let Some(event) = session.event() {
        ends += u32::from(matches!(event, Event::Ended(Err(_))));
    }
    assert_eq!(ends, 1, "a login that nobody can have passed has not failed once");
}

/// Records are read or refused, and what they say of readings is finite.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn record(octets: &[u8]) {
    let Ok(Record { body: Body::Sensors(sensors), .. }) = Record::decode(octets) else { return };
    for sensor in sensors {
        let quantities = (0..=u8::MAX).filter_map(|raw| sensor.quantity(raw));
        for quantity in quantities {
            assert!(quantity.to_f64().is_finite(), "{quantity:?}");
        }
        let _ = sensor.units.sign();
    }
}

/// Answers to commands are read or refused.
pub fn replies(octets: &[u8]) {
    let _ = GetDeviceId.reply(octets);
    let _ = GetStatus.reply(octets);
    let _ = GetReading(1).reply(octets);
    let _ = GetSdrRepositoryInfo.reply(octets);
    let _ = GetSelInfo.reply(octets);
    let _ = SelRecord::decode(octets);
    let _ = Inventory::decode(octets);
    let _ = GetSelEntry(0).reply(octets);
    let _ = (GetBootFlags.reply(octets), GetSystemGuid.reply(octets).map(|guid| guid.to_string()));
    let _ = (SetRestorePolicy::Ask.reply(octets), GetPowerOnHours.reply(octets));
    let _ =
        (GetThresholds(1).reply(octets), GetEventEnables(1).reply(octets), GetHysteresis(1).reply(octets));
    let _ = (GetWatchdog.reply(octets), GetSelUtcOffset.reply(octets));
    let channel = ChannelNumber::THIS;
    let _ = (GetChannelInfo(channel).reply(octets), GetSessionInfo::Own.reply(octets));
    let _ = GetChannelAccess { channel, setting: Setting::Volatile }.reply(octets);
    if let Ok(user) = UserId::new(1) {
        let _ = (GetUserName(user).reply(octets), GetUserAccess { channel, user }.reply(octets));
    }
    for parameter in [
        LanParameter::AuthenticationEnables,
        LanParameter::Address,
        LanParameter::Source,
        LanParameter::Hardware,
        LanParameter::Arp,
        LanParameter::Community,
        LanParameter::Vlan,
        LanParameter::Suites,
        LanParameter::SuiteLimits,
    ] {
        let _ = GetLanParameter { channel, parameter }.reply(octets);
    }
    for parameter in [
        SerialParameter::Enabled,
        SerialParameter::Authentication,
        SerialParameter::Accumulation,
        SerialParameter::Retry,
        SerialParameter::LastingRate,
        SerialParameter::Port,
    ] {
        let _ = GetSerialParameter { channel, parameter }.reply(octets);
    }
    let _ = ActivateSerial { protection: Protection::Full }.reply(octets);
}
