//! Looking for controllers, without signing in (ASF 2.0, 3.2.4.2; IPMI 2.0, 22.13 and 22.15).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ipmi_proto::capabilities::{
    self, AuthenticationCapabilities, Detail, GetAuthenticationCapabilities, GetCipherSuites,
};
use ipmi_proto::{CipherSuite, Command, CompletionCode, Pong, Privilege, ProtoError, ping, pong, presence};
use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use crate::IpmiError;

/// What a controller has told without a login. Nothing proves that it was the controller.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Its answer to a ping; many never answer one.
    pub pong: Option<Pong>,
    /// What it lets people sign in with; none if it did not say so in time.
    pub capabilities: Option<AuthenticationCapabilities>,
    /// The cipher suites that it lists, of those that are known here; none if it lists none.
    pub suites: Option<Vec<CipherSuite>>,
    /// How long its first answer took.
    pub round_trip: Duration,
}

/// Looks whether there is a controller.
///
/// # Errors
/// When nothing answers in the time of the limit.
pub async fn sight(address: SocketAddr, limit: Duration) -> Result<Sighting, IpmiError> {
    let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    socket.connect(address).await?;
    let until = Instant::now() + limit;
    let mut capabilities =
        GetAuthenticationCapabilities { privilege: Privilege::Administrator, detail: Detail::Ipmi20 };
    let begun = Instant::now();
    let (mut pong_seen, mut round_trip) = (None, None);
    let mut told = None;
    let mut pause = FIRST_PAUSE;
    let mut datagram = [0; LONGEST_DATAGRAM];
    'asked: while Instant::now() < until {
        // What is not sent, or lost, is sent again.
        let _ = socket.send(&ping(0)).await;
        let _ = socket.send(&presence::ask(&capabilities)).await;
        let next = (Instant::now() + pause).min(until);
        pause = (pause * 2).min(LONGEST_PAUSE);
        while let Ok(received) = timeout_at(next.into(), socket.recv(&mut datagram)).await {
            let Ok(length) = received else {
                // Somebody says that nobody listens, which proves nothing.
                tokio::time::sleep_until(next.into()).await;
                break;
            };
            let datagram = datagram.get(..length).unwrap_or_default();
            if let Ok(pong) = pong(datagram) {
                pong_seen = Some(pong);
                round_trip.get_or_insert(begun.elapsed());
                continue;
            }
            match presence::answer(&capabilities, datagram) {
                Ok(Ok(answer)) => {
                    told = Some(answer);
                    round_trip.get_or_insert(begun.elapsed());
                    break 'asked;
                }
                // Some of IPMI 1.5 do not know the question with what IPMI 2.0 adds.
                Ok(Err(_)) if capabilities.detail == Detail::Ipmi20 => {
                    capabilities.detail = Detail::Ipmi15;
                    round_trip.get_or_insert(begun.elapsed());
                    continue 'asked;
                }
                Ok(Err(_)) => break 'asked,
                Err(_) => {}
            }
        }
    }
    let Some(round_trip) = round_trip else { return Err(ProtoError::NoAnswer.into()) };
    let suites = match &told {
        Some(told) if told.rmcp_plus => suites(&socket, until).await,
        _ => None,
    };
    Ok(Sighting { pong: pong_seen, capabilities: told, suites, round_trip })
}

/// All pieces of the list; none if one of them is refused or lost for too long.
async fn suites(socket: &UdpSocket, until: Instant) -> Option<Vec<CipherSuite>> {
    let mut list = Vec::new();
    for number in 0..=u8::MAX {
        let ask = GetCipherSuites::here(number);
        let piece = exchange(socket, &ask, until).await?.ok()?;
        list.extend(&piece);
        if ask.is_last(&piece) {
            break;
        }
    }
    Some(capabilities::suites(&list))
}

/// Asks until there is an answer, or the time is over.
async fn exchange<C: Command>(
    socket: &UdpSocket,
    command: &C,
    until: Instant,
) -> Option<Result<C::Reply, CompletionCode>> {
    let mut datagram = [0; LONGEST_DATAGRAM];
    let mut pause = FIRST_PAUSE;
    while Instant::now() < until {
        let _ = socket.send(&presence::ask(command)).await;
        let next = (Instant::now() + pause).min(until);
        pause = (pause * 2).min(LONGEST_PAUSE);
        while let Ok(Ok(length)) = timeout_at(next.into(), socket.recv(&mut datagram)).await {
            let datagram = datagram.get(..length).unwrap_or_default();
            if let Ok(answer) = presence::answer(command, datagram) {
                return Some(answer);
            }
        }
    }
    None
}

const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_DATAGRAM: usize = 2_048;
