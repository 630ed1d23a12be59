//! Encoding of quickconfig requests and responses, between gateway and broker and between the broker and the quickconfig
//! process.

use std::num::NonZeroU16;

use auth::{SchemeReport, SchemeState, SignInReport};
use quickconfig::{
    ChangeRecord, Firewall, FirewallKind, MAX_OPENINGS, MachineRequest, MachineResponse, Network, Opening,
    Outcome, ServiceAfter, SettingChange, Source, Survey, Transport, Unit, Zone,
};
use sddl::Sid;
use zeroize::Zeroizing;

use crate::scheme_number::{scheme, scheme_number};
use crate::wire::{Malformed, Reader, Writer};

/// Maximum length of a request or response in bytes; a response lists at most a few thousand short texts.
pub const MAX_MESSAGE_LENGTH: usize = 4 << 20;

/// Encodes a request as a whole message.
#[must_use]
pub fn encode_request(request: &MachineRequest) -> Zeroizing<Vec<u8>> {
    let mut w = Writer::default();
    write_request(&mut w, request);
    w.finish()
}

/// Decodes a request that is a whole message.
///
/// # Errors
/// [`Malformed`] if the bytes are not a request.
pub fn decode_request(message: &[u8]) -> Result<MachineRequest, Malformed> {
    let mut r = Reader::new(message);
    let request = read_request(&mut r)?;
    r.finish()?;
    Ok(request)
}

/// Encodes a response as a whole message.
#[must_use]
pub fn encode_response(response: &MachineResponse) -> Zeroizing<Vec<u8>> {
    let mut w = Writer::default();
    write_response(&mut w, response);
    w.finish()
}

/// Decodes a response that is a whole message.
///
/// # Errors
/// [`Malformed`] if the bytes are not a response.
pub fn decode_response(message: &[u8]) -> Result<MachineResponse, Malformed> {
    let mut r = Reader::new(message);
    let response = read_response(&mut r)?;
    r.finish()?;
    Ok(response)
}

pub(crate) fn write_request<'w>(w: &'w mut Writer, request: &MachineRequest) -> &'w mut Writer {
    match request {
        MachineRequest::Survey(openings) => write_all(w.u8(1), openings, write_opening),
        MachineRequest::Enable => w.u8(2),
        MachineRequest::Open(opening) => {
            write_opening(w.u8(3), opening);
            w
        }
        MachineRequest::Record(change) => {
            write_setting_change(w.u8(4), change);
            w
        }
        MachineRequest::Undo(number) => w.u8(5).u32(*number),
        MachineRequest::SignIn => w.u8(6),
    }
}

pub(crate) fn read_request(r: &mut Reader<'_>) -> Result<MachineRequest, Malformed> {
    Ok(match r.u8()? {
        1 => MachineRequest::Survey(read_all(r, MAX_OPENINGS, read_opening)?),
        2 => MachineRequest::Enable,
        3 => MachineRequest::Open(read_opening(r)?),
        4 => MachineRequest::Record(read_setting_change(r)?),
        5 => MachineRequest::Undo(r.u32()?),
        6 => MachineRequest::SignIn,
        _ => return Err(Malformed("unknown quickconfig request")),
    })
}

pub(crate) fn write_response<'w>(w: &'w mut Writer, response: &MachineResponse) -> &'w mut Writer {
    match response {
        MachineResponse::Survey(survey) => write_survey(w.u8(1), survey),
        MachineResponse::Done(Outcome::Done(how)) => w.u8(2).text(how),
        MachineResponse::Done(Outcome::Already) => w.u8(3),
        MachineResponse::Done(Outcome::Failed(why)) => w.u8(4).text(why),
        MachineResponse::SignIn(report) => write_sign_in(w.u8(5), report),
    }
}

pub(crate) fn read_response(r: &mut Reader<'_>) -> Result<MachineResponse, Malformed> {
    Ok(match r.u8()? {
        1 => MachineResponse::Survey(read_survey(r)?),
        2 => MachineResponse::Done(Outcome::Done(r.text()?.to_owned())),
        3 => MachineResponse::Done(Outcome::Already),
        4 => MachineResponse::Done(Outcome::Failed(r.text()?.to_owned())),
        5 => MachineResponse::SignIn(read_sign_in(r)?),
        _ => return Err(Malformed("unknown quickconfig response")),
    })
}

fn write_sign_in<'w>(w: &'w mut Writer, report: &SignInReport) -> &'w mut Writer {
    let SignInReport { listens, schemes, remedies, verifies_passwords, allow_unencrypted, account_options } =
        report;
    w.u8(u8::from(*listens)).u8(u8::from(*verifies_passwords)).u8(u8::from(*allow_unencrypted));
    write_all(w, account_options, |w, word| _ = w.text(word));
    write_all(w, schemes, |w, own| {
        w.u8(scheme_number(own.scheme));
        match &own.state {
            SchemeState::Usable(by) => w.u8(1).text(by),
            SchemeState::Unusable(reason) => w.u8(2).text(reason),
            SchemeState::Disabled => w.u8(3),
        };
    });
    write_all(w, remedies, |w, remedy| _ = w.text(remedy))
}

fn read_sign_in(r: &mut Reader<'_>) -> Result<SignInReport, Malformed> {
    let (listens, verifies_passwords, allow_unencrypted) = (yes_or_no(r)?, yes_or_no(r)?, yes_or_no(r)?);
    let account_options = read_all(r, MAX_ITEMS, |r| r.text().map(str::to_owned))?;
    let schemes = read_all(r, MAX_ITEMS, |r| {
        let scheme = scheme(r.u8()?)?;
        let state = match r.u8()? {
            1 => SchemeState::Usable(r.text()?.to_owned()),
            2 => SchemeState::Unusable(r.text()?.to_owned()),
            3 => SchemeState::Disabled,
            _ => return Err(Malformed("unknown state of a scheme")),
        };
        Ok(SchemeReport { scheme, state })
    })?;
    let remedies = read_all(r, MAX_ITEMS, |r| r.text().map(str::to_owned))?;
    Ok(SignInReport { listens, schemes, remedies, verifies_passwords, allow_unencrypted, account_options })
}

fn write_survey<'w>(w: &'w mut Writer, survey: &Survey) -> &'w mut Writer {
    let Survey { unit, firewall, recorded, certificates } = survey;
    match unit {
        Unit::NoSystemd => w.u8(1),
        Unit::NotInstalled => w.u8(2),
        Unit::Known { active, enabled } => w.u8(3).u8(u8::from(*active)).u8(u8::from(*enabled)),
        Unit::Private => w.u8(4),
    };
    match &firewall.kind {
        FirewallKind::None => w.u8(1),
        FirewallKind::Firewalld => w.u8(2),
        FirewallKind::Ufw => w.u8(3),
        FirewallKind::Nftables => w.u8(4),
        FirewallKind::Unseen(why) => w.u8(5).text(why),
    };
    write_all(w, &firewall.places, |w, place| _ = w.text(place));
    w.u8(u8::from(firewall.public));
    write_all(w, &firewall.open, |w, open| _ = w.u8(u8::from(*open)));
    write_all(w, recorded, |w, record| {
        w.u32(record.number).text(&record.what).optional(record.own.as_ref(), write_setting_change);
        w.u8(u8::from(record.service == ServiceAfter::Stopped));
    });
    write_all(w, certificates, |w, certificate| _ = w.fixed(certificate))
}

fn read_survey(r: &mut Reader<'_>) -> Result<Survey, Malformed> {
    let unit = match r.u8()? {
        1 => Unit::NoSystemd,
        2 => Unit::NotInstalled,
        3 => Unit::Known { active: yes_or_no(r)?, enabled: yes_or_no(r)? },
        4 => Unit::Private,
        _ => return Err(Malformed("unknown state of the unit")),
    };
    let kind = match r.u8()? {
        1 => FirewallKind::None,
        2 => FirewallKind::Firewalld,
        3 => FirewallKind::Ufw,
        4 => FirewallKind::Nftables,
        5 => FirewallKind::Unseen(r.text()?.to_owned()),
        _ => return Err(Malformed("unknown firewall")),
    };
    let places = read_all(r, MAX_ITEMS, |r| r.text().map(str::to_owned))?;
    let public = yes_or_no(r)?;
    let open = read_all(r, MAX_OPENINGS, yes_or_no)?;
    let recorded = read_all(r, MAX_ITEMS, |r| {
        let (number, what, own) = (r.u32()?, r.text()?.to_owned(), r.optional(read_setting_change)?);
        let service = if yes_or_no(r)? { ServiceAfter::Stopped } else { ServiceAfter::Running };
        Ok(ChangeRecord { number, what, own, service })
    })?;
    let certificates = read_all(r, MAX_ITEMS, Reader::fixed)?;
    Ok(Survey { unit, firewall: Firewall { kind, places, public, open }, recorded, certificates })
}

fn write_opening(w: &mut Writer, opening: &Opening) {
    write_transport(w, opening.transport);
    w.u32(opening.port.get().into());
    write_all(w, &opening.sources, |w, source| match source {
        Source::LocalSubnet => _ = w.u8(1),
        Source::Network(network) => _ = w.u8(2).address(network.address()).u8(network.length()),
    });
    w.optional(opening.zone.as_ref(), |w, zone| _ = w.text(zone.as_str()));
}

fn read_opening(r: &mut Reader<'_>) -> Result<Opening, Malformed> {
    let transport = read_transport(r)?;
    let port = u16::try_from(r.u32()?).ok().and_then(NonZeroU16::new).ok_or(Malformed("invalid port"))?;
    let sources = read_all(r, Source::MAX, |r| match r.u8()? {
        1 => Ok(Source::LocalSubnet),
        2 => {
            let (address, length) = (r.address()?, r.u8()?);
            let network = Network::of(address, length).filter(|network| network.address() == address);
            network.map(Source::Network).ok_or(Malformed("invalid network"))
        }
        _ => Err(Malformed("unknown source")),
    })?;
    let zone = r.optional(|r| Zone::parse(r.text()?).map_err(|_| Malformed("invalid zone")))?;
    Ok(Opening { transport, port, sources, zone })
}

fn write_setting_change(w: &mut Writer, change: &SettingChange) {
    match change {
        SettingChange::Listener(transport) => write_transport(w.u8(1), *transport),
        SettingChange::ListenerEnabled(transport) => write_transport(w.u8(2), *transport),
        SettingChange::Allowed(sid) => _ = w.u8(3).text(sid),
    }
}

fn read_setting_change(r: &mut Reader<'_>) -> Result<SettingChange, Malformed> {
    Ok(match r.u8()? {
        1 => SettingChange::Listener(read_transport(r)?),
        2 => SettingChange::ListenerEnabled(read_transport(r)?),
        3 => {
            let text = r.text()?;
            Sid::parse(text).map_err(|_| Malformed("invalid SID"))?;
            SettingChange::Allowed(text.to_owned())
        }
        _ => return Err(Malformed("unknown journal note")),
    })
}

fn write_transport(w: &mut Writer, transport: Transport) {
    w.u8(match transport {
        Transport::Http => 1,
        Transport::Https => 2,
    });
}

fn read_transport(r: &mut Reader<'_>) -> Result<Transport, Malformed> {
    match r.u8()? {
        1 => Ok(Transport::Http),
        2 => Ok(Transport::Https),
        _ => Err(Malformed("unknown transport")),
    }
}

fn yes_or_no(r: &mut Reader<'_>) -> Result<bool, Malformed> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed("invalid boolean")),
    }
}

fn write_all<'w, T>(w: &'w mut Writer, all: &[T], write: impl Fn(&mut Writer, &T)) -> &'w mut Writer {
    w.u32(u32::try_from(all.len()).unwrap_or(u32::MAX));
    for one in all {
        write(w, one);
    }
    w
}

fn read_all<'a, T>(
    r: &mut Reader<'a>,
    most: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = r.u32()?;
    if usize::try_from(count).map_or(true, |count| count > most) {
        return Err(Malformed("too many items"));
    }
    (0..count).map(|_| read(r)).collect()
}

/// Maximum number of journal records, zones or certificates, far above that of a real machine.
const MAX_ITEMS: usize = 1_024;

#[cfg(test)]
mod tests {
    use auth::Scheme;

    use super::*;

    #[test]
    fn every_request_and_answer_survives_a_round_trip() {
        let opening = Opening {
            transport: Transport::Https,
            port: NonZeroU16::new(5_986).unwrap(),
            sources: vec![
                Source::LocalSubnet,
                Source::parse("10.0.0.0/8").unwrap(),
                Source::parse("::1").unwrap(),
            ],
            zone: Some(Zone::parse("internal").unwrap()),
        };
        let plain =
            Opening { transport: Transport::Http, sources: Vec::new(), zone: None, ..opening.clone() };
        let changes = [
            SettingChange::Listener(Transport::Http),
            SettingChange::ListenerEnabled(Transport::Https),
            SettingChange::Allowed("S-1-5-32-544".to_owned()),
        ];
        let requests = [
            MachineRequest::Survey(vec![opening.clone(), plain]),
            MachineRequest::Survey(Vec::new()),
            MachineRequest::Enable,
            MachineRequest::SignIn,
            MachineRequest::Open(opening),
            MachineRequest::Undo(7),
        ];
        for request in requests.into_iter().chain(changes.clone().map(MachineRequest::Record)) {
            assert_eq!(decode_request(&encode_request(&request)), Ok(request));
        }
        let mut recorded = vec![ChangeRecord {
            number: 4,
            what: "record 4".to_owned(),
            own: None,
            service: ServiceAfter::Stopped,
        }];
        for (number, own) in (1..).zip(changes) {
            let what = format!("record {number}");
            recorded.push(ChangeRecord { number, what, own: Some(own), service: ServiceAfter::Running });
        }
        let mut survey = Survey {
            unit: Unit::Known { active: true, enabled: false },
            firewall: Firewall {
                kind: FirewallKind::Firewalld,
                places: vec!["public".to_owned()],
                public: true,
                open: vec![true, false],
            },
            recorded,
            certificates: vec![[7; 20]],
        };
        let mut responses = vec![MachineResponse::Survey(survey.clone())];
        for (unit, kind) in [
            (Unit::NoSystemd, FirewallKind::Unseen("why".to_owned())),
            (Unit::NotInstalled, FirewallKind::Ufw),
            (Unit::Private, FirewallKind::Nftables),
        ] {
            (survey.unit, survey.firewall.kind) = (unit, kind);
            responses.push(MachineResponse::Survey(survey.clone()));
        }
        let states = [
            SchemeState::Usable("ann".to_owned()),
            SchemeState::Unusable("no key".to_owned()),
            SchemeState::Disabled,
        ];
        let schemes = [Scheme::Negotiate, Scheme::Kerberos, Scheme::Basic].into_iter().zip(states);
        responses.push(MachineResponse::SignIn(SignInReport {
            listens: true,
            schemes: schemes.map(|(scheme, state)| SchemeReport { scheme, state }).collect(),
            remedies: vec!["do this".to_owned()],
            verifies_passwords: true,
            allow_unencrypted: false,
            account_options: vec!["--file".to_owned(), "/x".to_owned()],
        }));
        responses.extend([
            MachineResponse::Done(Outcome::Done("so".to_owned())),
            MachineResponse::Done(Outcome::Already),
            MachineResponse::Done(Outcome::Failed("no".to_owned())),
        ]);
        for response in responses {
            assert_eq!(decode_response(&encode_response(&response)), Ok(response));
        }
    }

    #[test]
    fn unknown_and_truncated_requests_are_refused() {
        for wrong in
            [&[9][..], &[3, 1, 0, 0, 0, 0], &[3, 3], &[1, 0, 0, 0, 200], &[2, 0], &[4, 3, 0, 0, 0, 1, b'x']]
        {
            assert!(decode_request(wrong).is_err(), "{wrong:?}");
        }
    }
}
