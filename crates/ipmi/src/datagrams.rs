//! UDP socket that sends and receives several datagrams per system call, which is most of the cost of a scan
//! of many controllers.
//!
//! Datagrams of equal length for one controller are passed to the kernel together, which splits them as late
//! as possible (segmentation offload). ResponseGroup received datagrams are read with one system call. If kernel or
//! network card do not support this, datagrams are handled one by one.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipmi_proto::Frames;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::trace;

/// UDP socket for datagrams as short as those of IPMI.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    offload: UdpSocketState,
}

/// Receive buffer. Sockets that are read one after another may share it.
#[derive(Debug)]
pub struct Arrivals {
    octets: Vec<u8>,
    places: [RecvMeta; PLACES],
}

impl Default for Arrivals {
    fn default() -> Self {
        // The kernel allocates only those pages that are written to.
        Self { octets: vec![0; PLACES * LONGEST], places: [RecvMeta::default(); PLACES] }
    }
}

impl Datagrams {
    /// Binds a socket to a free port.
    ///
    /// # Errors
    /// If the socket cannot be created.
    pub fn bind(address: IpAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        let offload = UdpSocketState::new((&socket).into())?;
        // IPMI ignores the type-of-service mark, so the kernel need not report it for each datagram.
        let _ = rustix::net::sockopt::set_ip_recvtos(&socket, false);
        // Room for bursts. Responses dropped because the kernel grants less are requested again.
        let _ = offload.set_recv_buffer_size((&socket).into(), RECEIVE_BUFFER);
        Ok(Self { socket: UdpSocket::from_std(socket)?, offload })
    }

    pub(crate) fn anywhere(is_ipv4: bool) -> io::Result<Self> {
        Self::bind(if is_ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() })
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// If the kernel reports an error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits until a datagram has arrived.
    ///
    /// # Errors
    /// If the runtime is shutting down.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Receives datagrams without waiting, and calls `each` for them. Returns whether there may be more.
    pub fn take(&self, arrivals: &mut Arrivals, mut each: impl FnMut(&[u8], SocketAddr)) -> bool {
        let Arrivals { octets, places } = arrivals;
        let mut rooms = octets.chunks_exact_mut(LONGEST);
        let mut rooms: [IoSliceMut<'_>; PLACES] =
            std::array::from_fn(|_| IoSliceMut::new(rooms.next().unwrap_or_default()));
        let taken = self
            .socket
            .try_io(Interest::READABLE, || self.offload.recv((&self.socket).into(), &mut rooms, places));
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // The error may concern any earlier datagram, so it is ignored; time limits apply.
            Err(error) => {
                trace!(%error, "Nothing received");
                return true;
            }
        };
        if taken < PLACES {
            // The queue is empty. Telling the runtime so avoids another system call only to find that out.
            let _ = self.socket.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        }
        for (room, place) in rooms.iter().zip(places.iter()).take(taken) {
            let arrived = room.get(..place.len).unwrap_or_default();
            arrived.chunks(place.stride.max(1)).for_each(|datagram| each(datagram, place.addr));
        }
        taken == PLACES
    }

    /// Sends datagrams, those of equal length together. Errors are ignored, as packets may be lost on any
    /// network.
    pub async fn send(&self, datagrams: &Frames, to: SocketAddr) {
        let most = self.offload.max_gso_segments().clamp(1, MOST_TOGETHER);
        for (together, length) in datagrams.runs(most) {
            if self.send_segments(together, length, to).await || together.len() == length {
                continue;
            }
            for one in together.chunks(length.max(1)) {
                self.send_segments(one, length, to).await;
            }
        }
    }

    async fn send_segments(&self, contents: &[u8], length: usize, destination: SocketAddr) -> bool {
        let segment_size = Some(length);
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
        loop {
            let sent = self
                .socket
                .try_io(Interest::WRITABLE, || self.offload.try_send((&self.socket).into(), &transmit));
            match sent {
                Ok(()) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.writable().await.is_err() {
                        return false;
                    }
                }
                Err(error) => {
                    trace!(peer = %destination, %error, "Datagrams not sent");
                    return false;
                }
            }
        }
    }
}

const RECEIVE_BUFFER: usize = 1 << 20;
/// Number of buffers filled with one system call.
const PLACES: usize = 8;
/// Size of a buffer in bytes: the kernel may coalesce datagrams up to this size.
const LONGEST: usize = 1 << 16;
/// Maximum number of datagrams sent together; more requests are never outstanding.
const MOST_TOGETHER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn datagrams_of_all_lengths_arrive_unchanged() {
        let here = Ipv4Addr::LOCALHOST.into();
        let (from, to) = (Datagrams::bind(here).unwrap(), Datagrams::bind(here).unwrap());
        let mut sent = Frames::new();
        for (length, fill) in [5, 5, 5, 9, 9, 1, 200, 200, 3].into_iter().zip(0..) {
            sent.push(&vec![fill; length]);
        }
        from.send(&sent, to.local_addr().unwrap()).await;
        let (mut arrivals, mut arrived) = (Arrivals::default(), Frames::new());
        while arrived.len() < sent.len() {
            to.readable().await.unwrap();
            to.take(&mut arrivals, |datagram, peer| {
                assert_eq!(peer.port(), from.local_addr().unwrap().port());
                arrived.push(datagram);
            });
        }
        assert_eq!(arrived, sent);
        assert!(!to.take(&mut arrivals, |_, _| ()));
    }
}
