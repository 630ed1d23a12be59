//! Discovery of controllers, without a login (ASF 2.0, 3.2.4.2; IPMI 2.0, 22.13 and 22.15).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ipmi_proto::capabilities::{
    self, AuthenticationCapabilities, Detail, GetAuthenticationCapabilities, GetCipherSuites,
};
use ipmi_proto::{CipherSuite, Command, CompletionCode, Pong, Privilege, ProtoError, ping, pong, presence};
use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use crate::IpmiError;

/// Unauthenticated information from a controller.
#[derive(Clone, Debug)]
pub struct DiscoveredController {
    /// Response to a presence ping; many controllers never send one.
    pub pong: Option<Pong>,
    /// Authentication capabilities; `None` if the controller did not report them in time.
    pub capabilities: Option<AuthenticationCapabilities>,
    /// Supported ones among the listed cipher suites; `None` if the controller did not report them.
    pub suites: Option<Vec<CipherSuite>>,
    /// Time until the first response.
    pub round_trip: Duration,
}

/// Checks whether there is a controller at this address.
///
/// # Errors
/// If nothing responds within the time limit, or only with invalid data.
pub async fn discover(address: SocketAddr, limit: Duration) -> Result<DiscoveredController, IpmiError> {
    let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    socket.connect(address).await?;
    let until = Instant::now() + limit;
    let mut request =
        GetAuthenticationCapabilities { privilege: Privilege::Administrator, detail: Detail::Ipmi20 };
    let begun = Instant::now();
    let (mut pong_seen, mut round_trip, mut invalid) = (None, None, None);
    let mut capabilities = None;
    let mut pause = FIRST_PAUSE;
    let mut datagram = [0; LONGEST_DATAGRAM];
    'attempts: while Instant::now() < until {
        // Send errors are ignored: the datagram is sent again after a pause.
        let _ = socket.send(&ping(0)).await;
        let _ = socket.send(&presence::ask(&request)).await;
        let next = (Instant::now() + pause).min(until);
        pause = (pause * 2).min(LONGEST_PAUSE);
        while let Ok(received) = timeout_at(next.into(), socket.recv(&mut datagram)).await {
            let Ok(length) = received else {
                // An ICMP error is not authenticated and proves nothing.
                tokio::time::sleep_until(next.into()).await;
                break;
            };
            let datagram = datagram.get(..length).unwrap_or_default();
            if let Ok(pong) = pong(datagram) {
                pong_seen = Some(pong);
                round_trip.get_or_insert(begun.elapsed());
                continue;
            }
            match presence::answer(&request, datagram) {
                Ok(Ok(answer)) => {
                    capabilities = Some(answer);
                    round_trip.get_or_insert(begun.elapsed());
                    break 'attempts;
                }
                // Some IPMI 1.5 controllers reject a request for IPMI 2.0 data.
                Ok(Err(_)) if request.detail == Detail::Ipmi20 => {
                    request.detail = Detail::Ipmi15;
                    round_trip.get_or_insert(begun.elapsed());
                    continue 'attempts;
                }
                Ok(Err(_)) => break 'attempts,
                Err(error) => invalid = invalid.or(Some(error)),
            }
        }
    }
    let Some(round_trip) = round_trip else {
        return Err(match invalid {
            Some(error) => ProtoError::NoValidAnswer { reason: error.to_string() }.into(),
            None => ProtoError::NoAnswer.into(),
        });
    };
    let suites = match &capabilities {
        Some(capabilities) if capabilities.rmcp_plus => suites(&socket, until).await,
        _ => None,
    };
    Ok(DiscoveredController { pong: pong_seen, capabilities, suites, round_trip })
}

/// Reads the list of cipher suites; `None` if a piece is rejected or gets no response in time.
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

/// Sends a command repeatedly until there is a response or the time is over.
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
