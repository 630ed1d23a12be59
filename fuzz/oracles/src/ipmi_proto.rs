//! IPMI logins, sessions, commands and records.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ipmi_proto::boot::GetBootFlags;
use ipmi_proto::capabilities::{self, Detail, GetAuthenticationCapabilities, GetCipherSuites};
use ipmi_proto::channel::{ChannelNumber, GetChannelAccess, GetChannelInfo, GetSessionInfo, Setting};
use ipmi_proto::chassis::GetStatus;
use ipmi_proto::device_id::GetDeviceId;
use ipmi_proto::device_sdr::{GetDeviceSdrInfo, GetReadingFactors};
use ipmi_proto::event_log::GetSelUtcOffset;
use ipmi_proto::fru::{self, Area, Inventory, Patch};
use ipmi_proto::guid::GetSystemGuid;
use ipmi_proto::lan::{GetLanParameter, LanParameter};
use ipmi_proto::lan6::{GetAddress, GetAddressFamilies, GetAddressSlots, GetRouter, GetRouterUse, Origin};
use ipmi_proto::payload::{ActivateSerial, GetSerialParameter, Protection, SerialParameter, SerialPayload};
use ipmi_proto::power::{GetPowerOnHours, SetRestorePolicy};
use ipmi_proto::responder::{Account, Device, DeviceCommand, Responder, Settings};
use ipmi_proto::sdr::{Body, Record};
use ipmi_proto::security_key::{GroupKeyRequest, KeyOperation};
use ipmi_proto::sel::SelRecord;
use ipmi_proto::sensor::GetReading;
use ipmi_proto::serial::SerialConsole;
use ipmi_proto::storage::{GetSdrRepositoryInfo, GetSelEntry, GetSelInfo};
use ipmi_proto::threshold::{GetEventEnables, GetHysteresis, GetThresholds};
use ipmi_proto::user::{GetUserAccess, GetUserName, UserId};
use ipmi_proto::watchdog::GetWatchdog;
use ipmi_proto::{
    AnalogFormat, AuthenticationType, CipherSuite, Command as _, CompletionCode, Destination, Event, Frames,
    Login, NetFn, Password, Privilege, Request, Response, Session, Timing, UserName, pong, presence,
};

/// Checks that a login never panics, uses bounded memory and ends within its time limit, whatever datagrams
/// arrive.
///
/// # Panics
/// If a property does not hold.
pub fn datagrams(octets: &[u8], now: Instant) {
    let user = UserName::new("admin").expect("a name");
    let password = Password::new(b"admin-pw").expect("a password");
    let login = Login::new(user, password);
    let weak = login.clone().suite(CipherSuite::new(12).expect("a suite"));
    let mut console = SerialConsole::new(
        SerialPayload { most_in: 64, most_out: 64, port: 623 },
        Duration::from_millis(250),
    );
    console.write(b"typed");
    for packet in octets.split(|octet| *octet == 0xfe).take(64) {
        let _ = (console.receive(packet, now), console.transmit(now));
    }
    let [md5, md2] = [AuthenticationType::Md5, AuthenticationType::Md2]
        .map(|kind| login.clone().lan15(kind).expect("a short password"));
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
        assert_eq!(ends, 1, "a login that cannot succeed must fail exactly once");
    }
    let _ = pong(octets);
}

/// Checks a responder against arbitrary datagrams: it never panics, sessions and responses stay within their
/// limits, no request reaches the device without a valid password, and abandoned logins are removed.
///
/// # Panics
/// If a property does not hold.
pub fn responder(octets: &[u8], now: Instant) {
    struct Untouched;
    impl Device for Untouched {
        fn answer(&mut self, requested: &DeviceCommand<'_>, _: &mut Vec<u8>) -> CompletionCode {
            panic!("the device got a request without a login: {requested:?}")
        }
    }
    let account = Account {
        name: UserName::new("admin").expect("a name"),
        password: Password::new(b"not in any corpus").expect("a password"),
        limit: Privilege::Administrator,
    };
    let mut settings = Settings::new([9; 16]).account(account).most_sessions(4);
    settings = settings.lan15(vec![AuthenticationType::Md5, AuthenticationType::Md2]);
    let mut responder = Responder::new(settings, [7; 32]);
    for datagram in octets.split(|octet| *octet == 0xfe).take(64) {
        let mut answers = Frames::new();
        let taken = responder.receive(datagram, HERE, &mut Untouched, now, &mut answers);
        assert!(answers.len() <= 3 && answers.iter().all(|answer| answer.len() < 256), "{answers:?}");
        assert!(taken.is_ok() || answers.is_empty(), "what was dropped is answered");
        // There is no established session, so every session is a login.
        assert!(responder.sessions() <= 64, "{} logins", responder.sessions());
    }
    let later = now + Duration::from_secs(6);
    let _ = responder.receive(&IN_CLEAR, HERE, &mut Untouched, later, &mut Frames::new());
    assert_eq!(responder.sessions(), 0, "an abandoned login is not removed");
}

/// IPMI 1.5 packet outside a session, with an empty message (IPMI 2.0, section 13.6): RMCP header, authentication type,
/// sequence number, session ID and length.
const IN_CLEAR: [u8; 14] = [6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Checks that a signed-in console receives exactly the response that the device returned, and rejects a
/// response in which one bit was changed in transit.
///
/// The input is split at bytes of FEh. Each part is a response: destination, bit to change, completion code
/// and data.
///
/// # Panics
/// If a property does not hold.
pub fn answers(octets: &[u8], now: Instant) {
    struct Answering(Response);
    impl Device for Answering {
        fn answer(&mut self, _: &DeviceCommand<'_>, data: &mut Vec<u8>) -> CompletionCode {
            data.extend_from_slice(&self.0.data);
            self.0.code
        }
        fn is_there(&self, _: u8, _: u8) -> bool {
            true
        }
        fn is_there_behind(&self, _: Destination) -> bool {
            true
        }
    }
    let name = UserName::new("admin").expect("a name");
    let password = Password::new(b"admin-pw").expect("a password");
    let account = Account { name: name.clone(), password: password.clone(), limit: Privilege::Administrator };
    let mut responder = Responder::new(Settings::new([3; 16]).account(account), [9; 32]);
    let mut session = Session::start(Login::new(name, password), [7; 32], Timing::default(), now);
    let mut device = Answering(Response::done(Vec::new()));
    let (mut time, mut is_established) = (now, false);
    for piece in octets.split(|octet| *octet == 0xfe).take(16) {
        let [to, bit, code, data @ ..] = piece else { continue };
        let data = data.get(..data.len().min(64)).unwrap_or_default();
        device.0 = Response { code: CompletionCode(*code), data: (*data).into() };
        let other = Destination::on_channel(0, 0x72, to >> 2 & 3);
        let destination = match to & 3 {
            0 => Destination::unit(to >> 2 & 3),
            1 => Ok(Destination::CONTROLLER),
            2 => other,
            _ => other.and_then(|other| other.through(7, 0x82)),
        };
        let destination = destination.expect("the destination is valid");
        let requested = session.request_at(destination, Request::new(NetFn::STORAGE, 0x23, &[1]));
        let mut reported = None;
        while reported.is_none() {
            while let Some(datagram) = session.transmit(time) {
                let mut answers = Frames::new();
                let taken = responder.receive(&datagram, HERE, &mut device, time, &mut answers);
                taken.expect("the console sends what can be read");
                for answer in answers.iter() {
                    let mut changed = answer.to_vec();
                    let place = usize::from(*bit) * 8 % changed.len();
                    if let Some(octet) = changed.get_mut(place).filter(|_| is_established) {
                        *octet ^= 1 << (bit & 7);
                        let _ = session.receive(&changed, time);
                    }
                    let _ = session.receive(answer, time);
                }
            }
            while let Some(event) = session.event() {
                match event {
                    Event::Established { .. } => is_established = true,
                    Event::Answered { id, outcome } if id == requested => reported = Some(outcome),
                    other => panic!("unexpected event: {other:?}"),
                }
            }
            if reported.is_none() {
                time = time.max(session.deadline().expect("a session with an open request has a deadline"));
                session.tick(time);
            }
        }
        let reported = reported.expect("it was asked until there was an outcome");
        assert_eq!(reported.as_ref(), Ok(&device.0), "from {destination:?}");
    }
    assert!(responder.sessions() <= 1, "{} sessions", responder.sessions());
}

/// Checks that records are decoded or rejected, and that converted readings are finite.
///
/// # Panics
/// If a property does not hold.
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

/// Checks that changing an inventory field changes only that field.
fn patched(octets: &[u8], area: Area, field: &str) {
    const TEXT: &str = "A-17";
    let Ok(patch) = Patch::new(octets, area, field, TEXT) else { return };
    let end = patch.offset + patch.octets.len();
    assert!(end <= octets.len() && patch.octets.len().is_multiple_of(8), "an area grows beyond the device");
    let (Ok(before), mut written) = (Inventory::decode(octets), octets.to_vec()) else { return };
    written.splice(patch.offset..end, patch.octets);
    let Ok(after) = Inventory::decode(&written) else { panic!("the changed inventory cannot be decoded") };
    let (changed, others) = split_fields(&after, area, field);
    assert_eq!(changed.first().map(|field| &*field.text), Some(TEXT));
    // Areas of a damaged inventory may overlap or extend beyond its end.
    if before.warnings.is_empty() && after.warnings.is_empty() {
        assert_eq!(others, split_fields(&before, area, field).1);
    }
}

/// Returns the fields with this area and name, and all others.
fn split_fields(inventory: &Inventory, area: Area, name: &str) -> (Vec<fru::Field>, Vec<fru::Field>) {
    inventory.fields.iter().cloned().partition(|field| field.area == area && field.name == name)
}

/// Checks that responses to commands are decoded or rejected.
///
/// # Panics
/// If a property does not hold.
pub fn replies(octets: &[u8]) {
    let _ = GetDeviceId.reply(octets);
    let ask = GetAuthenticationCapabilities { privilege: Privilege::User, detail: Detail::Ipmi20 };
    let _ = ask.reply(octets);
    let _ = GetCipherSuites::here(0).reply(octets);
    assert!(capabilities::suites(octets).len() <= 12, "a suite is listed twice");
    let _ = presence::answer(&ask, octets);
    for (area, field) in
        [(Area::Product, "Asset Tag"), (Area::Board, "Serial Number"), (Area::Chassis, "Part Number")]
    {
        patched(octets, area, field);
    }
    let _ = GetDeviceSdrInfo.reply(octets);
    for format in [AnalogFormat::Unsigned, AnalogFormat::OnesComplement, AnalogFormat::TwosComplement] {
        if let Ok((factors, _)) = (GetReadingFactors { sensor: 0, raw: 0, format }).reply(octets) {
            let mut quantities = (0..=u8::MAX).filter_map(|raw| factors.quantity(raw));
            assert!(quantities.all(|quantity| quantity.to_f64().is_finite()), "{factors:?}");
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
    let _ = capabilities::listed_suites(octets);
    let _ = (GetAddressFamilies(channel).reply(octets), GetAddressSlots(channel).reply(octets));
    for origin in [Origin::Fixed, Origin::Dynamic] {
        let address = GetAddress { channel, origin, slot: 0 }.reply(octets);
        let _ = address.map(|address| (address.source_name(), address.status.name()));
    }
    let _ = (GetRouterUse(channel).reply(octets), GetRouter(channel).reply(octets));
    let _ = GroupKeyRequest { channel, operation: KeyOperation::Read }.reply(octets);
    let _ = ActivateSerial { protection: Protection::Full }.reply(octets);
}
