//! A socket that several datagrams leave and enter at once, which is most of what a scan of many controllers costs.
//!
//! Datagrams of one length for one controller are handed to the kernel together, which parts them as late as it can
//! (segmentation offload); what has arrived is taken with one system call. Where a kernel or a network card does not
//! know that, it is one after another.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipmi_proto::Frames;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::trace;

/// A socket of UDP for datagrams as short as those of IPMI.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    offload: UdpSocketState,
}

/// Room for what has arrived. Sockets that are read one after another may share it.
#[derive(Debug)]
pub struct Arrivals {
    octets: Vec<u8>,
    places: [RecvMeta; PLACES],
}

impl Default for Arrivals {
    fn default() -> Self {
        // The kernel gives memory for those parts only that are written to.
        Self { octets: vec![0; PLACES * LONGEST], places: [RecvMeta::default(); PLACES] }
    }
}

impl Datagrams {
    /// A socket on a port that the kernel chooses.
    ///
    /// # Errors
    /// When there is none.
    pub fn bind(address: IpAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        let offload = UdpSocketState::new((&socket).into())?;
        // How a datagram was marked on its way means nothing to IPMI, and the kernel need not tell it of each.
        let _ = rustix::net::sockopt::set_ip_recvtos(&socket, false);
        // As many as may arrive at once; what the kernel does not grant is sent again.
        let _ = offload.set_recv_buffer_size((&socket).into(), RECEIVE_BUFFER);
        Ok(Self { socket: UdpSocket::from_std(socket)?, offload })
    }

    pub(crate) fn anywhere(is_ipv4: bool) -> io::Result<Self> {
        Self::bind(if is_ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() })
    }

    /// Where it is.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits until something has arrived.
    ///
    /// # Errors
    /// When the runtime ends.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes some of what has arrived, without waiting; whether there may be more.
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
            // It may be about something that was sent to anybody: the limits decide.
            Err(error) => {
                trace!(%error, "Nothing received");
                return true;
            }
        };
        if taken < PLACES {
            // It is empty, as far as the runtime has to know: what arrives from now on wakes it, and so nobody has to
            // ask the kernel only to be told so.
            let _ = self.socket.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        }
        for (room, place) in rooms.iter().zip(places.iter()).take(taken) {
            let arrived = room.get(..place.len).unwrap_or_default();
            arrived.chunks(place.stride.max(1)).for_each(|datagram| each(datagram, place.addr));
        }
        taken == PLACES
    }

    /// Sends datagrams, as many at once as have the same length. What is not sent is lost, as it may be on any network.
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
/// How many controllers' datagrams are taken with one system call.
const PLACES: usize = 8;
/// What may arrive in one piece: all that the kernel puts together.
const LONGEST: usize = 1 << 16;
/// More than are ever open.
const MOST_TOGETHER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn datagrams_of_any_lengths_arrive_as_they_were_sent() {
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
