//! Tests with controllers that give false answers, without a network: endless lists, wrong lengths and sizes,
//! and unknown commands.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

use telarch_ipmi::proto::fru::Area;
use telarch_ipmi::proto::sel::Entry;
use telarch_ipmi::proto::{CompletionCode, Destination, Request, Response, Timing};
use telarch_ipmi::{Connection, IpmiError, LogPosition, RecordCache, Transport};
use telarch_simulated_bmc::Board;

/// A driver whose controller gives prepared answers; its file is readable while answers are waiting.
struct FaultyController {
    says: Box<dyn Fn(&Request) -> Response + Send + Sync>,
    answers: Mutex<VecDeque<(i64, Response)>>,
    requested: Arc<Mutex<usize>>,
    ours: UnixDatagram,
    theirs: UnixDatagram,
}

impl AsFd for FaultyController {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }
}

impl Transport for FaultyController {
    fn send(&self, id: i64, _: Destination, request: &Request) -> io::Result<()> {
        *self.requested.lock().unwrap() += 1;
        self.answers.lock().unwrap().push_back((id, (self.says)(request)));
        self.theirs.send(b"!").map(drop)
    }

    fn receive(&self) -> io::Result<(i64, Response)> {
        self.ours.recv(&mut [0; 1])?;
        Ok(self.answers.lock().unwrap().pop_front().unwrap())
    }
}

/// Connects to a controller with these answers; returns the connection and the count of requests.
fn with(says: impl Fn(&Request) -> Response + Send + Sync + 'static) -> (Connection, Arc<Mutex<usize>>) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (says, requested) = (Box::new(says), Arc::default());
    let liar =
        FaultyController { says, answers: Mutex::default(), requested: Arc::clone(&requested), ours, theirs };
    (Connection::through(liar, Timing::default(), RecordCache::in_memory()).unwrap(), requested)
}

fn done(data: &[u8]) -> Response {
    Response::done(data.to_vec())
}

/// Answers questions about the repository with this record count, and with records that name their
/// successors.
fn repository(count: u16, records: Vec<(u16, Vec<u8>)>) -> impl Fn(&Request) -> Response + Send + Sync {
    move |request| match (request.net_fn.number(), request.command, &request.data[..]) {
        (0x06, 0x01, _) => done(&[0x20, 1, 2, 0, 2, 0xff, 0, 0, 0, 0, 0]),
        (0x0a, 0x20, _) => {
            done(&[&[0x51], &count.to_le_bytes()[..], &[0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2]].concat())
        }
        (0x0a, 0x22, _) => done(&[1, 0]),
        (0x0a, 0x23, [_, _, low, high, offset, count]) => {
            let place = usize::from(u16::from_le_bytes([*low, *high]).saturating_sub(1));
            let Some((next, record)) = records.get(place) else { return Response::refusal(0xcb) };
            let from = usize::from(*offset);
            match record.get(from..from + usize::from(*count)) {
                Some(piece) => done(&[&next.to_le_bytes()[..], piece].concat()),
                None => Response::refusal(0xca),
            }
        }
        _ => Response::refusal(0xc1),
    }
}

/// Returns sensor records of the simulated controller.
fn sensors(count: usize) -> Vec<Vec<u8>> {
    Board::default().records.iter().skip(3).take(count).cloned().collect()
}

#[tokio::test]
async fn a_circular_list_of_records_is_read_once() {
    let records = sensors(3).into_iter().zip([2, 3, 2]).map(|(record, next)| (next, record)).collect();
    let (bmc, requested) = with(repository(3, records));
    assert_eq!(bmc.records().await.unwrap().len(), 3);
    let requested = *requested.lock().unwrap();
    assert!(requested < 40, "{requested} requests for three records");
}

#[tokio::test]
async fn a_list_that_ends_with_an_invalid_id_ends_there() {
    let records = sensors(2).into_iter().zip([2, 9]).map(|(record, next)| (next, record)).collect();
    let (bmc, _) = with(repository(2, records));
    assert_eq!(bmc.records().await.unwrap().len(), 2);
    let (empty, _) = with(repository(2, Vec::new()));
    let missing = empty.records().await.unwrap_err();
    assert!(matches!(missing, IpmiError::Completion(code) if code.0 == 0xcb), "{missing}");
}

#[tokio::test]
async fn an_unreadably_long_record_is_omitted() {
    let mut long = vec![1, 0, 0x51, 0x01, 0xff];
    long.resize(5 + 0xff, 0xc0);
    let whole = repository(2, vec![(2, long), (0xffff, sensors(1).remove(0))]);
    // After the header, this controller returns seven bytes of a record at a time, however many are
    // requested, and never those beyond 257.
    let (bmc, _) = with(move |request| {
        let mut response = whole(request);
        if request.command == 0x23 && request.data[4] > 0 {
            let returned = response.data.len().min(2 + 7);
            response.data = response.data[..returned].into();
        }
        response
    });
    assert_eq!(bmc.records().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_circular_event_log_is_read_once() {
    let (bmc, _) = with(|request| match (request.command, &request.data[..]) {
        (0x40, _) => done(&[0x51, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]),
        (0x43, [_, _, number, ..]) => {
            let own = (*number).max(1);
            done(&[&[3 - own, 0, own, 0, 2][..], &[0; 13]].concat())
        }
        _ => Response::refusal(0xc1),
    });
    let new = bmc.events_since(&mut LogPosition::default()).await.unwrap();
    assert_eq!(new.records.iter().map(|record| record.id).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_truncated_log_record_does_not_hide_the_others() {
    let (bmc, _) = with(|request| match (request.command, &request.data[..]) {
        (0x40, _) => done(&[0x51, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]),
        (0x43, [_, _, 2, ..]) => done(&[3, 0, 2, 0, 2, 7]),
        (0x43, [_, _, 3, ..]) => done(&[&[0xff, 0xff, 3, 0, 2][..], &[0; 13]].concat()),
        (0x43, _) => done(&[&[2, 0, 1, 0, 2][..], &[0; 13]].concat()),
        _ => Response::refusal(0xc1),
    });
    let records = bmc.events().await.unwrap();
    assert_eq!(records.iter().map(|record| record.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(records[1].entry, Entry::CutOff { octets: vec![2, 0, 2, 7] });
    assert!(matches!((&records[0].entry, &records[2].entry), (Entry::Event(_), Entry::Event(_))));
}

#[tokio::test]
async fn a_log_without_reservations_is_cleared() {
    let (bmc, _) = with(|request| match (request.command, &request.data[..]) {
        (0x47, [0, 0, b'C', b'L', b'R', 0xaa]) => done(&[1]),
        _ => Response::refusal(0xc1),
    });
    bmc.clear_events().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_log_that_stays_full_is_not_reported_as_a_missing_response() {
    let (bmc, requested) = with(|request| match request.command {
        0x42 => done(&[1, 0]),
        0x47 => done(&[0]),
        _ => Response::refusal(0xc1),
    });
    let error = bmc.clear_events().await.unwrap_err();
    assert!(matches!(error, IpmiError::Completion(CompletionCode::TIMEOUT)), "{error}");
    assert_eq!(*requested.lock().unwrap(), 151);
}

/// Answers questions about an inventory of this claimed size.
fn inventory(
    size: u16,
    is_in_words: bool,
    read: impl Fn(usize, usize) -> Result<Vec<u8>, u8> + Send + Sync,
) -> impl Fn(&Request) -> Response + Send + Sync {
    move |request| match (request.command, &request.data[..]) {
        (0x10, _) => done(&[&size.to_le_bytes()[..], &[u8::from(is_in_words)]].concat()),
        (0x11, [_, low, high, count]) => {
            let unit = if is_in_words { 2 } else { 1 };
            let from = usize::from(u16::from_le_bytes([*low, *high])) * unit;
            match read(from, usize::from(*count) * unit) {
                Ok(piece) => done(&[&[u8::try_from(piece.len() / unit).unwrap()], &piece[..]].concat()),
                Err(code) => Response::refusal(code),
            }
        }
        _ => Response::refusal(0xc1),
    }
}

fn stored() -> Vec<u8> {
    Board::default().inventory
}

#[tokio::test]
async fn an_inventory_shorter_than_announced_is_read_to_its_end() {
    for code in [0xc9, 0xca, 0xcb, 0xff] {
        let (bmc, _) = with(inventory(u16::MAX, false, move |from, count| {
            stored().get(from..from + count).map(<[u8]>::to_vec).ok_or(code)
        }));
        let read = bmc.read_inventory(0).await.unwrap();
        assert!(stored().starts_with(&read) && stored().len() - read.len() < 16, "{code:02x}h");
        assert_eq!(bmc.inventory(0).await.unwrap().fields.len(), 15);
    }
    let (bmc, _) = with(inventory(64, false, |_, _| Err(0xd4)));
    assert!(bmc.read_inventory(0).await.is_err(), "that is no end");
}

#[tokio::test]
async fn inventory_pieces_of_wrong_length_do_not_shift_later_ones() {
    let size = u16::try_from(stored().len()).unwrap();
    let (bmc, _) = with(inventory(size, false, |from, count| {
        let mut piece = stored().get(from..from + count).ok_or(0xc9)?.to_vec();
        piece.extend([0xee; 3]);
        Ok(piece)
    }));
    assert_eq!(bmc.read_inventory(0).await.unwrap(), stored());
    let (bmc, _) = with(inventory(size, true, |from, count| {
        let end = (from + count.min(7)).min(stored().len());
        Ok(stored().get(from..end).ok_or(0xc9)?.to_vec())
    }));
    assert_eq!(bmc.read_inventory(0).await.unwrap(), stored());
}

#[tokio::test(start_paused = true)]
async fn a_busy_device_is_queried_again() {
    let (size, busy) = (u16::try_from(stored().len()).unwrap(), Mutex::new(2));
    let (bmc, _) = with(inventory(size, false, move |from, count| {
        let mut busy = busy.lock().unwrap();
        if *busy > 0 {
            *busy -= 1;
            return Err(0x81);
        }
        Ok(stored().get(from..from + count).ok_or(0xc9)?.to_vec())
    }));
    assert_eq!(bmc.read_inventory(0).await.unwrap(), stored());
    let (stuck, _) = with(inventory(64, false, |_, _| Err(0x81)));
    let error = stuck.change_inventory(0, Area::Product, "Asset Tag", "x").await.unwrap_err();
    assert!(matches!(error, IpmiError::Refused { code: 0x81, .. }), "{error}");
}
