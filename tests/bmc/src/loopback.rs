//! A socket on which many controllers respond, each at its own address of the loopback device.
//!
//! A socket for each would be woken for each, and asked for each whether it can be written to: of a scan of a hundred
//! controllers that was a fourth of what their part takes.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use ipmi_proto::Frames;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A socket that has all addresses of the loopback device, and none of any other.
#[derive(Debug)]
pub struct Loopback {
    socket: AsyncFd<OwnedFd>,
    offload: UdpSocketState,
    port: u16,
}

/// Room for what has arrived.
#[derive(Debug)]
pub struct Arrivals {
    octets: Vec<u8>,
    places: [RecvMeta; PLACES],
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { octets: vec![0; PLACES * LONGEST], places: [RecvMeta::default(); PLACES] }
    }
}

impl Loopback {
    /// On a port that the kernel chooses. Nobody outside of this machine reaches it, because it belongs to a device.
    ///
    /// # Errors
    /// When the kernel gives none: before Linux 5.7 a device takes root.
    pub fn bind() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind_device(Some(b"lo"))?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
        let offload = UdpSocketState::new((&socket).into())?;
        let _ = offload.set_recv_buffer_size((&socket).into(), RECEIVE_BUFFER);
        let port = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
        let socket = readiness::watch(OwnedFd::from(socket), Interest::READABLE)?;
        Ok(Self { socket, offload, port })
    }

    /// Returns the port, which is the same at all addresses.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for datagrams and returns those that arrived together, with receiver and sender.
    ///
    /// # Errors
    /// When the runtime ends.
    pub async fn receive(
        &self,
        arrivals: &RefCell<Arrivals>,
        mut each: impl FnMut(std::slice::Chunks<'_, u8>, Ipv4Addr, SocketAddr),
    ) -> io::Result<()> {
        let mut ready = self.socket.readable().await?;
        let Arrivals { octets, places } = &mut *arrivals.borrow_mut();
        let mut rooms = octets.chunks_exact_mut(LONGEST);
        let mut rooms: [IoSliceMut<'_>; PLACES] =
            std::array::from_fn(|_| IoSliceMut::new(rooms.next().unwrap_or_default()));
        let taken = self.offload.recv(self.socket.get_ref().into(), &mut rooms, places).unwrap_or_default();
        if taken < PLACES {
            // The queue is empty; the next datagram wakes the thread.
            ready.clear_ready();
        }
        for (room, place) in rooms.iter().zip(places.iter()).take(taken) {
            if let Some(IpAddr::V4(to)) = place.dst_ip {
                let arrived = room.get(..place.len).unwrap_or_default();
                each(arrived.chunks(place.stride.max(1)), to, place.addr);
            }
        }
        Ok(())
    }

    /// Sends datagrams, as many at once as have the same length. What the kernel has no room for is lost.
    pub fn send(&self, datagrams: &Frames, from: Ipv4Addr, destination: SocketAddr) {
        let most = self.offload.max_gso_segments().clamp(1, MOST_TOGETHER);
        for (contents, length) in datagrams.runs(most) {
            let (src_ip, segment_size) = (Some(IpAddr::V4(from)), Some(length));
            let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip };
            let _ = self.offload.try_send(self.socket.get_ref().into(), &transmit);
        }
    }
}

const RECEIVE_BUFFER: usize = 1 << 20;
/// How many consoles' datagrams are taken with one system call: those that are taken are answered before the next.
const PLACES: usize = 8;
/// Maximum size of datagrams that the kernel coalesces.
const LONGEST: usize = 1 << 16;
const MOST_TOGETHER: usize = 64;
