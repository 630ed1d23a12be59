//! What must hold for any octets at all; fuzz targets and the corpus test call these.

use std::time::{Duration, Instant};

use crate::capabilities::{self, Detail, GetAuthenticationCapabilities, GetCipherSuites};
use crate::command::boot::GetBootFlags;
use crate::command::channel::{ChannelNumber, GetChannelAccess, GetChannelInfo, GetSessionInfo, Setting};
use crate::command::chassis::GetStatus;
use crate::command::device_id::GetDeviceId;
use crate::command::event_log::GetSelUtcOffset;
use crate::command::guid::GetSystemGuid;
use crate::command::lan::{GetLanParameter, LanParameter};
use crate::command::payload::{
    ActivateSerial, GetSerialParameter, Protection, SerialParameter, SerialPayload,
};
use crate::command::power::{GetPowerOnHours, SetRestorePolicy};
use crate::command::sensor::GetReading;
use crate::command::storage::{GetSdrRepositoryInfo, GetSelEntry, GetSelInfo};
use crate::command::threshold::{GetEventEnables, GetHysteresis, GetThresholds};
use crate::command::user::{GetUserAccess, GetUserName, UserId};
use crate::command::watchdog::GetWatchdog;
use crate::device_sdr::{GetDeviceSdrInfo, GetReadingFactors};
use crate::fru::{Area, Inventory, Patch};
use crate::responder::{Account, Asked, Device, Responder, Settings};
use crate::sdr::{Body, Record};
use crate::sel::SelRecord;
use crate::serial::SerialConsole;
use crate::{
    AnalogFormat, AuthenticationType, CipherSuite, Command as _, Event, Login, NetFn, Password, Privilege,
    Request, Response, Session, Timing, UserName, pong, presence,
};

/// Whatever arrives during a login, nothing panics, nothing grows without bound, and the login ends in its time.
///
/// # Panics
/// When the promise is broken; that is its purpose.
#[allow(clippy::expect_used)]
pub fn datagrams(octets: &[u8], now: Instant) {
    let user = UserName::new("admin").expect("a name");
    let password = Password::new(b"admin-pw").expect("a password");
    let login = Login::new(user, password);
    let old = |kind| login.clone().lan15(kind).expect("a short password");
    let weak = login.clone().suite(CipherSuite::new(12).expect("a suite"));
    let mut console = SerialConsole::new(
        SerialPayload { most_in: 64, most_out: 64, port: 623 },
        Duration::from_millis(250),
    );
    console.write(b"typed");
    for packet in octets.split(|octet| *octet == 0xfe).take(64) {
        let _ = (console.receive(packet, now), console.transmit(now));
    }
    let (md5, md2) = (old(AuthenticationType::Md5), old(AuthenticationType::Md2));
    for login in [login.clone(), login.discover(), weak, md5, md2] {
        let limit = Duration::from_secs(5);
        let mut session = Session::start(login, [7; 32], Timing { limit, ..Timing::default() }, now);
        session.request(Request::new(NetFn::APP, 1, &[]));
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
    let _ = pong(octets);
}

/// Whatever arrives at a controller, nothing panics, its sessions and its answers stay within bounds, nobody who does
/// not know a password reaches the device, and logins that were begun are forgotten.
///
/// # Panics
/// When the promise is broken; that is its purpose.
#[allow(clippy::expect_used)]
pub fn responder(octets: &[u8], now: Instant) {
    struct Untouched;
    impl Device for Untouched {
        fn answer(&mut self, asked: &Asked) -> Response {
            panic!("nobody has signed in, and yet the device was asked: {asked:?}")
        }
    }
    let account = Account {
        name: UserName::new("admin").expect("a name"),
        password: Password::new(b"not in any corpus").expect("a password"),
        limit: Privilege::Administrator,
    };
    let most = 4;
    let mut settings = Settings::new([9; 16]).account(account).most_sessions(most);
    settings = settings.lan15(vec![AuthenticationType::Md5, AuthenticationType::Md2]);
    let mut responder = Responder::new(settings, [7; 32]);
    for datagram in octets.split(|octet| *octet == 0xfe).take(64) {
        let answers = responder.receive(datagram, &mut Untouched, now).unwrap_or_default();
        assert!(answers.len() <= 3 && answers.iter().all(|answer| answer.len() < 256), "{answers:02x?}");
        assert!(responder.sessions() <= most, "{} sessions", responder.sessions());
    }
    let later = now + Duration::from_secs(6);
    let _ = responder.receive(&crate::lan15::in_clear(&[]), &mut Untouched, later);
    assert_eq!(responder.sessions(), 0, "a login that nobody finishes is kept");
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
    let ask = GetAuthenticationCapabilities { privilege: Privilege::User, detail: Detail::Ipmi20 };
    let _ = ask.reply(octets);
    let _ = GetCipherSuites(0).reply(octets);
    assert!(capabilities::suites(octets).len() <= 12, "a suite is listed twice");
    let _ = presence::answer(&ask, octets);
    if let Ok(patch) = Patch::new(octets, Area::Product, "Asset Tag", "A-17") {
        let end = patch.offset + patch.octets.len();
        assert!(
            end <= octets.len() && patch.octets.len().is_multiple_of(8),
            "an area grows beyond the device"
        );
    }
    let _ = GetDeviceSdrInfo.reply(octets);
    for format in [AnalogFormat::Unsigned, AnalogFormat::OnesComplement, AnalogFormat::TwosComplement] {
        if let Ok(factors) = (GetReadingFactors { sensor: 0, raw: 0, format }).reply(octets) {
            let is_finite = |raw| factors.quantity(raw).is_none_or(|quantity| quantity.to_f64().is_finite());
            assert!((0..=u8::MAX).all(is_finite), "{factors:?}");
        }
    }
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
