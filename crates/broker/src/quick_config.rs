//! Encoding of quickconfig requests and answers, between gateway and broker and between the broker and the quickconfig
//! process.

use std::num::NonZeroU16;

use quickconfig::{
    Answer, Firewall, FirewallKind, MAX_OPENINGS, Network, Noted, Opening, Outcome, Recorded, ServiceAfter,
    Source, Survey, Transport, Unit, Wish, Zone,
};
use sddl::Sid;
use zeroize::Zeroizing;

use crate::wire::{Malformed, Reader, Writer};

/// Maximum length of a request or answer in bytes; an answer lists at most a few thousand short texts.
pub const MAX_MESSAGE_LENGTH: usize = 4 << 20;

/// Encodes a request as a whole message.
#[must_use]
pub fn encode_wish(wish: &Wish) -> Zeroizing<Vec<u8>> {
    let mut w = Writer::default();
    write_wish(&mut w, wish);
    w.finish()
}

/// Decodes a request that is a whole message.
///
/// # Errors
/// [`Malformed`] if the bytes are not a request.
pub fn decode_wish(message: &[u8]) -> Result<Wish, Malformed> {
    let mut r = Reader::new(message);
    let wish = read_wish(&mut r)?;
    r.finish()?;
    Ok(wish)
}

/// Encodes an answer as a whole message.
#[must_use]
pub fn encode_answer(answer: &Answer) -> Zeroizing<Vec<u8>> {
    let mut w = Writer::default();
    write_answer(&mut w, answer);
    w.finish()
}

/// Decodes an answer that is a whole message.
///
/// # Errors
/// [`Malformed`] if the bytes are not an answer.
pub fn decode_answer(message: &[u8]) -> Result<Answer, Malformed> {
    let mut r = Reader::new(message);
    let answer = read_answer(&mut r)?;
    r.finish()?;
    Ok(answer)
}

pub(crate) fn write_wish<'w>(w: &'w mut Writer, wish: &Wish) -> &'w mut Writer {
    match wish {
        Wish::Survey(openings) => write_all(w.u8(1), openings, write_opening),
        Wish::Enable => w.u8(2),
        Wish::Open(opening) => {
            write_opening(w.u8(3), opening);
            w
        }
        Wish::Note(noted) => {
            write_noted(w.u8(4), noted);
            w
        }
        Wish::TakeBack(number) => w.u8(5).u32(*number),
    }
}

pub(crate) fn read_wish(r: &mut Reader<'_>) -> Result<Wish, Malformed> {
    Ok(match r.u8()? {
        1 => Wish::Survey(read_all(r, MAX_OPENINGS, read_opening)?),
        2 => Wish::Enable,
        3 => Wish::Open(read_opening(r)?),
        4 => Wish::Note(read_noted(r)?),
        5 => Wish::TakeBack(r.u32()?),
        _ => return Err(Malformed("unknown quickconfig request")),
    })
}

pub(crate) fn write_answer<'w>(w: &'w mut Writer, answer: &Answer) -> &'w mut Writer {
    match answer {
        Answer::Survey(survey) => write_survey(w.u8(1), survey),
        Answer::Done(Outcome::Done(how)) => w.u8(2).text(how),
        Answer::Done(Outcome::Already) => w.u8(3),
        Answer::Done(Outcome::Failed(why)) => w.u8(4).text(why),
    }
}

pub(crate) fn read_answer(r: &mut Reader<'_>) -> Result<Answer, Malformed> {
    Ok(match r.u8()? {
        1 => Answer::Survey(read_survey(r)?),
        2 => Answer::Done(Outcome::Done(r.text()?.to_owned())),
        3 => Answer::Done(Outcome::Already),
        4 => Answer::Done(Outcome::Failed(r.text()?.to_owned())),
        _ => return Err(Malformed("unknown quickconfig answer")),
    })
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
        w.u32(record.number).text(&record.what).optional(record.own.as_ref(), write_noted);
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
        let (number, what, own) = (r.u32()?, r.text()?.to_owned(), r.optional(read_noted)?);
        let service = if yes_or_no(r)? { ServiceAfter::Stopped } else { ServiceAfter::Running };
        Ok(Recorded { number, what, own, service })
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

fn write_noted(w: &mut Writer, noted: &Noted) {
    match noted {
        Noted::Listener(transport) => write_transport(w.u8(1), *transport),
        Noted::ListenerEnabled(transport) => write_transport(w.u8(2), *transport),
        Noted::Allowed(sid) => _ = w.u8(3).text(sid),
    }
}

fn read_noted(r: &mut Reader<'_>) -> Result<Noted, Malformed> {
    Ok(match r.u8()? {
        1 => Noted::Listener(read_transport(r)?),
        2 => Noted::ListenerEnabled(read_transport(r)?),
        3 => {
            let text = r.text()?;
            Sid::parse(text).map_err(|_| Malformed("invalid SID"))?;
            Noted::Allowed(text.to_owned())
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
#[allow(clippy::unwrap_used)]
mod tests {
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
        let noted = [
            Noted::Listener(Transport::Http),
            Noted::ListenerEnabled(Transport::Https),
            Noted::Allowed("S-1-5-32-544".to_owned()),
        ];
        let wishes = [
            Wish::Survey(vec![opening.clone(), plain]),
            Wish::Survey(Vec::new()),
            Wish::Enable,
            Wish::Open(opening),
            Wish::TakeBack(7),
        ];
        for wish in wishes.into_iter().chain(noted.clone().map(Wish::Note)) {
            assert_eq!(decode_wish(&encode_wish(&wish)), Ok(wish));
        }
        let mut recorded = vec![Recorded {
            number: 4,
            what: "record 4".to_owned(),
            own: None,
            service: ServiceAfter::Stopped,
        }];
        for (number, own) in (1..).zip(noted) {
            let what = format!("record {number}");
            recorded.push(Recorded { number, what, own: Some(own), service: ServiceAfter::Running });
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
        let mut answers = vec![Answer::Survey(survey.clone())];
        for (unit, kind) in [
            (Unit::NoSystemd, FirewallKind::Unseen("why".to_owned())),
            (Unit::NotInstalled, FirewallKind::Ufw),
            (Unit::Private, FirewallKind::Nftables),
        ] {
            (survey.unit, survey.firewall.kind) = (unit, kind);
            answers.push(Answer::Survey(survey.clone()));
        }
        answers.extend([
            Answer::Done(Outcome::Done("so".to_owned())),
            Answer::Done(Outcome::Already),
            Answer::Done(Outcome::Failed("no".to_owned())),
        ]);
        for answer in answers {
            assert_eq!(decode_answer(&encode_answer(&answer)), Ok(answer));
        }
    }

    #[test]
    fn unknown_and_truncated_requests_are_refused() {
        for wrong in
            [&[9][..], &[3, 1, 0, 0, 0, 0], &[3, 3], &[1, 0, 0, 0, 200], &[2, 0], &[4, 3, 0, 0, 0, 1, b'x']]
        {
            assert!(decode_wish(wrong).is_err(), "{wrong:?}");
        }
    }
}
