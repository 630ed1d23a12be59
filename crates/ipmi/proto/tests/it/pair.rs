//! Both ends of a session, connected in memory, with a simulated clock.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use telarch_ipmi_proto::responder::{Account, Device, DeviceCommand, Responder, Settings};
use telarch_ipmi_proto::{
    AuthenticationType, Command as _, CompletionCode, Event, Frames, Login, Password, Privilege, ProtoError,
    Request, Response, Session, Timing, UserName, channel, chassis, device_id,
};

/// Records its requests, and refuses the first of them for insufficient privilege.
#[derive(Default)]
struct Witness(Vec<Request>, usize);

impl Device for Witness {
    fn answer(&mut self, requested: &DeviceCommand<'_>, data: &mut Vec<u8>) -> CompletionCode {
        self.0.push(requested.request());
        if self.0.len() <= self.1 {
            return CompletionCode::PRIVILEGE;
        }
        data.extend([0x20, 1, 2, 0, 2, 0, 0, 0, 0, 0, 0]);
        CompletionCode::OK
    }
}

/// Fate of a datagram.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    AnswerIsLost,
}

struct Pair {
    session: Session,
    responder: Responder,
    device: Witness,
    now: Instant,
    events: Vec<Event>,
    /// Datagrams sent by the console.
    sent: Vec<Vec<u8>>,
}

impl Pair {
    fn start(login: Login, timing: Timing) -> Self {
        let now = Instant::now();
        Self {
            session: Session::start(login, [7; 32], timing, now),
            responder: responder(Privilege::Administrator),
            device: Witness::default(),
            now,
            events: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn established() -> Self {
        let mut pair = Self::start(login(), Timing::default());
        pair.exchange(|_| Fate::Arrives);
        assert!(matches!(pair.events[..], [Event::Established { guid: Some(guid), .. }] if guid == [3; 16]));
        pair
    }

    /// Delivers a datagram to the controller and returns its answers.
    fn tell(&mut self, datagram: &[u8]) -> Result<Vec<Vec<u8>>, ProtoError> {
        self.tell_at(self.now, datagram)
    }

    fn tell_at(&mut self, now: Instant, datagram: &[u8]) -> Result<Vec<Vec<u8>>, ProtoError> {
        self.tell_from(CONSOLE, now, datagram)
    }

    fn tell_from(&mut self, from: IpAddr, now: Instant, datagram: &[u8]) -> Result<Vec<Vec<u8>>, ProtoError> {
        let mut answers = Frames::new();
        self.responder.receive(datagram, from, &mut self.device, now, &mut answers)?;
        Ok(answers.iter().map(<[u8]>::to_vec).collect())
    }

    /// Exchanges datagrams until neither end has anything to send.
    fn exchange(&mut self, fate: impl Fn(usize) -> Fate) {
        while let Some(datagram) = self.session.transmit(self.now) {
            let fate = fate(self.sent.len());
            self.sent.push(datagram.clone());
            let answers = self.tell(&datagram).unwrap_or_default();
            for answer in answers.iter().filter(|_| fate == Fate::Arrives) {
                let _ = self.session.receive(answer, self.now);
            }
            self.events.extend(std::iter::from_fn(|| self.session.event()));
        }
        self.events.extend(std::iter::from_fn(|| self.session.event()));
    }

    /// Advances the clock to the session's deadline; returns whether the session still has one.
    fn sleep(&mut self) -> bool {
        let Some(deadline) = self.session.deadline() else { return false };
        self.now = self.now.max(deadline);
        self.session.tick(self.now);
        true
    }

    fn outcome(&self) -> Option<&Result<Response, ProtoError>> {
        self.events.iter().find_map(|event| match event {
            Event::Answered { outcome, .. } => Some(outcome),
            _ => None,
        })
    }
}

const CONSOLE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Creates a controller that grants at most this privilege level.
fn responder(limit: Privilege) -> Responder {
    let name = UserName::new("admin").unwrap();
    let account = Account { name, password: Password::new(b"admin-pw").unwrap(), limit };
    Responder::new(Settings::new([3; 16]).account(account).lan15(vec![AuthenticationType::Md5]), [9; 32])
}

fn login() -> Login {
    Login::new(UserName::new("admin").unwrap(), Password::new(b"admin-pw").unwrap())
}

#[test]
fn requests_of_a_user_do_not_wait_for_the_privilege_level() {
    for (privilege, together) in [(Privilege::User, 3), (Privilege::Operator, 1)] {
        let mut pair = Pair::start(login().privilege(privilege), Timing::default());
        for _ in 0..3 {
            pair.session.request(device_id::GetDeviceId.request());
        }
        // Open Session, RAKP 1 and RAKP 3.
        for _ in 0..3 {
            let sent = pair.session.transmit(pair.now).unwrap();
            let answers = pair.tell(&sent).unwrap();
            pair.session.receive(&answers[0], pair.now).unwrap();
        }
        let flight: Vec<_> = std::iter::from_fn(|| pair.session.transmit(pair.now)).collect();
        assert_eq!(flight.len(), together, "{privilege:?}");
        // All requests are answered, even if they arrive in reverse order.
        for sent in flight.iter().rev() {
            let answers = pair.tell(sent).unwrap();
            pair.session.receive(&answers[0], pair.now).unwrap();
        }
        pair.exchange(|_| Fate::Arrives);
        let answered =
            pair.events.iter().filter(|event| matches!(event, Event::Answered { outcome: Ok(_), .. }));
        assert_eq!(answered.count(), 3);
        assert_eq!(pair.device.0.len(), 3);
    }
}

#[test]
fn the_level_user_is_set_only_if_sessions_begin_lower() {
    for (refused, packets) in [(0, 3 + 2), (1, 3 + 2 + 2), (2, 3 + 2 + 3)] {
        let mut pair = Pair::start(login().privilege(Privilege::User), Timing::default());
        pair.device.1 = refused;
        for _ in 0..2 {
            pair.session.request(device_id::GetDeviceId.request());
        }
        pair.exchange(|_| Fate::Arrives);
        while pair.device.0.len() < 2 + refused {
            assert!(pair.sleep());
            pair.exchange(|_| Fate::Arrives);
        }
        let answered =
            pair.events.iter().filter(|event| matches!(event, Event::Answered { outcome: Ok(_), .. }));
        assert_eq!((answered.count(), pair.sent.len()), (2, packets));
    }
}

#[test]
fn randomly_lost_requests_are_resent_early_and_others_continue() {
    let mut pair = Pair::established();
    for _ in 0..40 {
        pair.session.request(device_id::GetDeviceId.request());
    }
    let (began, before) = (pair.now, pair.sent.len());
    pair.exchange(|place| if place == before + 20 { Fate::AnswerIsLost } else { Fate::Arrives });
    assert_eq!(pair.sent.len() - before, 40, "nothing waits for it");
    assert!(pair.sleep());
    assert!(pair.now - began < Duration::from_millis(20), "{:?}", pair.now - began);
    pair.exchange(|_| Fate::Arrives);
    assert_eq!((pair.sent.len() - before, pair.session.request_limit()), (41, Some(4)));
}

#[test]
fn a_power_cycle_is_not_resent_because_later_requests_are_answered() {
    let mut pair = Pair::established();
    pair.session.request(chassis::Control::PowerCycle.request());
    for _ in 0..4 {
        pair.session.request(device_id::GetDeviceId.request());
    }
    let (began, before) = (pair.now, pair.sent.len());
    pair.exchange(|place| if place == before { Fate::AnswerIsLost } else { Fate::Arrives });
    assert!(pair.sleep());
    assert!(pair.now - began >= Duration::from_millis(500), "{:?}", pair.now - began);
}

#[test]
fn the_limit_falls_to_one_for_a_sequential_controller() {
    let mut pair = Pair::established();
    for _ in 0..40 {
        pair.session.request(device_id::GetDeviceId.request());
    }
    let (began, mut ticks) = (pair.now, 0);
    while pair.device.0.len() < 40 {
        // The controller receives only the first of the packets that arrive together.
        let flight: Vec<_> = std::iter::from_fn(|| pair.session.transmit(pair.now)).collect();
        if let Some(first) = flight.first() {
            for answer in pair.tell(first).unwrap_or_default() {
                pair.session.receive(&answer, pair.now).unwrap();
            }
        } else {
            ticks += 1;
            assert!(pair.sleep());
        }
    }
    assert!(ticks < 12 && pair.now - began < Duration::from_secs(2), "{ticks}, {:?}", pair.now - began);
}

#[test]
fn a_session_survives_a_silent_network() {
    let mut pair = Pair::established();
    for _ in 0..40 {
        pair.session.request(device_id::GetDeviceId.request());
    }
    let mut silent = 0;
    for _ in 0..3 {
        silent += std::iter::from_fn(|| pair.session.transmit(pair.now)).count();
        assert!(pair.sleep());
    }
    assert!(silent <= 4 + 1 + 1, "{silent}");
    while pair.device.0.len() < 40 {
        pair.exchange(|_| Fate::Arrives);
        assert!(pair.sleep());
    }
}

#[test]
fn a_session_continues_if_any_single_packet_of_a_flight_arrives() {
    for arrives in 0..=FLIGHT {
        let mut pair = Pair::start(login(), Timing::default());
        pair.session.set_initial_limit(FLIGHT);
        pair.exchange(|_| Fate::Arrives);
        for _ in 0..FLIGHT {
            pair.session.request(device_id::GetDeviceId.request());
        }
        // More requests are in flight than the window of the controller allows.
        let flight: Vec<_> = std::iter::from_fn(|| pair.session.transmit(pair.now)).collect();
        assert_eq!(flight.len(), FLIGHT);
        if let Some(one) = flight.get(arrives) {
            let too_far_ahead = pair.tell(one).is_err();
            assert_eq!(too_far_ahead, arrives >= 15, "{arrives}");
        }
        let (began, sent) = (pair.now, pair.sent.len());
        let answered = |pair: &Pair| {
            pair.events.iter().filter(|event| matches!(event, Event::Answered { outcome: Ok(_), .. })).count()
        };
        while answered(&pair) < FLIGHT {
            assert!(pair.sleep());
            pair.exchange(|_| Fate::Arrives);
        }
        let (time, again) = (pair.now - began, pair.sent.len() - sent);
        assert!(time < Duration::from_millis(500) && again < FLIGHT + 8, "{arrives}: {again} in {time:?}");
    }
}

/// Maximum number of requests in flight.
const FLIGHT: usize = 32;

#[test]
fn an_idle_session_ends_unless_it_is_kept_alive() {
    let mut pair = Pair::established();
    let begin = pair.now;
    while pair.now < begin + Duration::from_secs(600) {
        assert!(pair.sleep());
        pair.exchange(|_| Fate::Arrives);
        assert_eq!(pair.responder.sessions(), 1);
    }
    let requested = pair.device.0.len();
    assert!((20..40).contains(&requested), "{requested} requests in ten minutes");
    let ping = telarch_ipmi_proto::ping(0);
    let later = pair.now + Duration::from_secs(61);
    // The session is gone whatever arrives next.
    assert!(pair.tell_at(later, &ping).is_ok());
    let frame = pair.sent.last().unwrap().clone();
    assert!(pair.tell_at(later, &frame).is_err());
    assert_eq!(pair.responder.sessions(), 0);
}

#[test]
fn a_power_cycle_is_resent_in_the_same_packet_and_executed_once() {
    let mut pair = Pair::established();
    pair.session.request(chassis::Control::PowerCycle.request());
    let before = pair.sent.len();
    pair.exchange(|_| Fate::AnswerIsLost);
    while pair.outcome().is_none() {
        assert!(pair.sleep());
        pair.exchange(|_| Fate::AnswerIsLost);
    }
    assert_eq!(pair.outcome(), Some(&Err(ProtoError::Undecided)));
    let sent = &pair.sent[before..];
    assert!(sent.len() > 2 && sent.iter().all(|datagram| *datagram == sent[0]));
    assert_eq!(pair.device.0, [chassis::Control::PowerCycle.request()]);
}

#[test]
fn a_repeatable_request_is_resent_in_a_new_packet() {
    let mut pair = Pair::established();
    pair.session.request(device_id::GetDeviceId.request());
    let before = pair.sent.len();
    pair.exchange(|_| Fate::AnswerIsLost);
    assert!(pair.sleep());
    pair.exchange(|_| Fate::Arrives);
    assert!(matches!(pair.outcome(), Some(Ok(response)) if response.code.0 == 0));
    assert_ne!(pair.sent[before], pair.sent[before + 1]);
    assert_eq!(pair.device.0.len(), 2);
}

#[test]
fn a_replayed_packet_is_rejected() {
    let mut pair = Pair::established();
    pair.session.request(chassis::Control::PowerUp.request());
    pair.exchange(|_| Fate::Arrives);
    let recorded = pair.sent.last().unwrap().clone();
    for _ in 0..3 {
        assert!(pair.tell(&recorded).is_err());
    }
    assert_eq!(pair.device.0.len(), 1);
}

#[test]
fn a_login_succeeds_if_any_of_its_responses_is_lost() {
    for login in [login(), login().discover(), login().lan15(AuthenticationType::Md5).unwrap()] {
        for lost in 0..5 {
            let mut pair = Pair::start(login.clone(), Timing::default());
            pair.exchange(|place| if place == lost { Fate::AnswerIsLost } else { Fate::Arrives });
            while !pair.events.iter().any(|event| matches!(event, Event::Established { .. })) {
                assert!(pair.sleep(), "{lost}: {:?}", pair.events);
                pair.exchange(|_| Fate::Arrives);
            }
            pair.session.close(pair.now);
            pair.exchange(|_| Fate::Arrives);
            assert_eq!(pair.events.last(), Some(&Event::Ended(Ok(()))));
        }
    }
}

#[test]
fn unfinished_logins_are_limited_in_number_and_time() {
    let mut pair = Pair::established();
    let mut first = Vec::new();
    for seed in 0..100 {
        let mut stranger = Session::start(login(), [seed; 32], Timing::default(), pair.now);
        first = stranger.transmit(pair.now).unwrap();
        pair.tell(&first).unwrap();
    }
    assert_eq!(pair.responder.sessions(), 1 + 64);
    let later = pair.now + Duration::from_secs(6);
    pair.tell_at(later, &first).unwrap();
    assert_eq!(pair.responder.sessions(), 2, "the session that was there, and the one login");
}

/// An attacker has one address, or one IPv6 network.
#[test]
fn unfinished_logins_do_not_prevent_other_logins() {
    let v6 = |host: u16| IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 1, 2, 3, host));
    for way in [login(), login().lan15(AuthenticationType::Md5).unwrap()] {
        for flood_is_v6 in [false, true] {
            let mut pair = Pair::start(way.clone(), Timing::default());
            let flood = |pair: &mut Pair| {
                for number in 0..200 {
                    let seed = [u8::try_from(number).unwrap(); 32];
                    let mut stranger = Session::start(way.clone(), seed, Timing::default(), pair.now);
                    let open = stranger.transmit(pair.now).unwrap();
                    let from = if flood_is_v6 { v6(number) } else { Ipv4Addr::new(192, 0, 2, 1).into() };
                    pair.tell_from(from, pair.now, &open).unwrap();
                }
            };
            // The attack continues between any two packets of the legitimate user.
            while !pair.events.iter().any(|event| matches!(event, Event::Established { .. })) {
                flood(&mut pair);
                let sent = pair.session.transmit(pair.now).expect("the login goes on");
                let answers = pair.tell(&sent).unwrap();
                flood(&mut pair);
                pair.session.receive(&answers[0], pair.now).unwrap();
                pair.events.extend(std::iter::from_fn(|| pair.session.event()));
            }
            assert_eq!(pair.responder.sessions(), 1 + 64);
        }
    }
}

#[test]
fn the_last_slot_goes_to_the_first_authenticated_login() {
    // Position of the status or completion code in the last answer, and its expected value.
    let lan15 = login().lan15(AuthenticationType::Md5).unwrap();
    for (way, packets, place, full) in [(login(), 3, 17, 0x01), (lan15, 2, 36, 0x81)] {
        let mut pair = Pair::start(way.clone(), Timing::default());
        let name = UserName::new("admin").unwrap();
        let limit = Privilege::Administrator;
        let account = Account { name, password: Password::new(b"admin-pw").unwrap(), limit };
        let kinds = vec![AuthenticationType::Md5];
        let settings = Settings::new([3; 16]).account(account).lan15(kinds).most_sessions(1);
        pair.responder = Responder::new(settings, [9; 32]);
        let mut refused = 0;
        let mut slower = Session::start(way, [1; 32], Timing::default(), pair.now);
        for packet in 1..=packets {
            if packet == packets {
                pair.exchange(|_| Fate::Arrives);
                assert!(matches!(pair.events[..], [Event::Established { .. }]), "{:?}", pair.events);
            }
            let sent = slower.transmit(pair.now).unwrap();
            let answers = pair.tell(&sent).unwrap();
            refused = answers[0][place.min(answers[0].len() - 1)];
            slower.receive(&answers[0], pair.now).unwrap();
        }
        assert_eq!(refused, full);
    }
}

#[test]
fn a_login_that_repeats_rakp_1_loses_its_slot() {
    let mut pair = Pair::established();
    let mut stranger = Session::start(login(), [1; 32], Timing::default(), pair.now);
    let open = stranger.transmit(pair.now).unwrap();
    let answers = pair.tell(&open).unwrap();
    stranger.receive(&answers[0], pair.now).unwrap();
    let rakp1 = stranger.transmit(pair.now).unwrap();
    for seconds in 1..5 {
        assert!(pair.tell_at(pair.now + Duration::from_secs(seconds), &rakp1).is_ok());
    }
    assert!(pair.tell_at(pair.now + Duration::from_secs(5), &rakp1).is_err());
    assert_eq!(pair.responder.sessions(), 1);
}

#[test]
fn a_level_above_the_limit_is_rejected() {
    let mut pair = Pair::established();
    let mut open = Session::start(login(), [1; 32], Timing::default(), pair.now).transmit(pair.now).unwrap();
    open[17] = 6;
    let answers = pair.tell(&open).unwrap();
    assert_eq!((answers[0][17], pair.responder.sessions()), (0x09, 1));
}

#[test]
fn a_session_with_a_rejected_level_releases_its_slot() {
    for way in [login(), login().lan15(AuthenticationType::Md5).unwrap()] {
        let mut pair = Pair::start(way, Timing::default());
        pair.responder = responder(Privilege::User);
        pair.exchange(|_| Fate::Arrives);
        let refused = ProtoError::Level { level: "administrator", code: 0x81 };
        assert_eq!(pair.events, [Event::Ended(Err(refused))]);
        assert_eq!(pair.responder.sessions(), 0);
    }
}

#[test]
fn a_login_cancelled_before_its_last_response_releases_its_slot() {
    for (way, packets) in [(login(), 3), (login().lan15(AuthenticationType::Md5).unwrap(), 2)] {
        for is_lost in [false, true] {
            let mut pair = Pair::start(way.clone(), Timing::default());
            pair.session.request(device_id::GetDeviceId.request());
            let mut last = Vec::new();
            for packet in 1..=packets {
                let sent = pair.session.transmit(pair.now).unwrap();
                let answers = pair.tell(&sent).unwrap();
                if packet < packets {
                    pair.session.receive(&answers[0], pair.now).unwrap();
                }
                last.clone_from(&answers[0]);
            }
            pair.session.close(pair.now);
            if is_lost {
                assert!(pair.sleep());
            } else {
                pair.session.receive(&last, pair.now).unwrap();
            }
            pair.exchange(|_| Fate::Arrives);
            assert_eq!(pair.events.last(), Some(&Event::Ended(Ok(()))));
            assert_eq!((pair.responder.sessions(), pair.device.0.len()), (usize::from(is_lost), 0));
            assert_eq!(pair.session.deadline(), None);
        }
    }
}

#[test]
fn session_info_contains_the_version_and_no_other_sessions() {
    for (way, protocol) in [(login(), 0x11), (login().lan15(AuthenticationType::Md5).unwrap(), 0x01)] {
        let mut pair = Pair::start(way, Timing::default());
        pair.session.request(channel::GetSessionInfo::Own.request());
        pair.session.request(channel::GetSessionInfo::Active(1).request());
        pair.exchange(|_| Fate::Arrives);
        let reported = pair.events.iter().filter_map(|event| match event {
            Event::Answered { outcome: Ok(response), .. } => Some(response.data.clone()),
            _ => None,
        });
        assert_eq!(reported.collect::<Vec<_>>(), [vec![1, 16, 1, 1, 4, protocol], vec![0, 16, 1]]);
    }
}

#[test]
fn a_session_ends_once_if_several_requests_expire() {
    let mut pair = Pair::start(login(), Timing { limit: Duration::from_secs(1), ..Timing::default() });
    // Only the answer to the request for the privilege level is lost.
    pair.exchange(|place| if place < 3 { Fate::Arrives } else { Fate::AnswerIsLost });
    pair.session.close(pair.now);
    pair.now += Duration::from_secs(1);
    pair.session.tick(pair.now);
    pair.exchange(|_| Fate::AnswerIsLost);
    let ends = pair.events.iter().filter(|event| matches!(event, Event::Ended(_)));
    assert_eq!(ends.count(), 1, "{:?}", pair.events);
}

#[test]
fn a_login_fails_at_once_if_the_controller_chooses_another_suite() {
    let spoil = |place: usize, what: fn(&mut Vec<u8>)| {
        let mut pair = Pair::start(login(), Timing::default());
        let mut packets = 0;
        while let Some(sent) = pair.session.transmit(pair.now) {
            let mut answer = pair.tell(&sent).unwrap().remove(0);
            // Open Session with suite 17, and with 3; the answer to RAKP 1.
            if packets >= place {
                what(&mut answer);
            }
            packets += 1;
            pair.session.receive(&answer, pair.now).unwrap();
        }
        assert_eq!(pair.session.deadline(), None, "after {packets} packets");
        pair.session.event()
    };
    let other = spoil(0, |answer| answer[16 + 16] = 2);
    assert!(matches!(other, Some(Event::Ended(Err(ProtoError::Unexpected { value: 2, .. })))), "{other:?}");
    let cut = |answer: &mut Vec<u8>| {
        answer.truncate(16 + 30);
        answer[14] = 30;
    };
    for place in [0, 1] {
        let half = spoil(place, cut);
        assert!(matches!(half, Some(Event::Ended(Err(ProtoError::Truncated { .. })))), "{half:?}");
    }
}

#[test]
fn a_closed_session_releases_its_slot_even_if_the_response_is_lost() {
    let mut pair = Pair::established();
    pair.session.close(pair.now);
    pair.exchange(|_| Fate::AnswerIsLost);
    assert_eq!(pair.responder.sessions(), 0);
    let closed = pair.now;
    while pair.sleep() {
        pair.exchange(|_| Fate::AnswerIsLost);
    }
    assert_eq!(pair.events.last(), Some(&Event::Ended(Ok(()))));
    assert!(pair.now - closed < Duration::from_secs(2), "{:?}", pair.now - closed);
}
