//! Connection to a destination, by TCP or TLS.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Address of a server.
#[derive(Clone)]
pub struct Address {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Configuration of TLS; `None` without TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}, TLS: {}", self.host, self.port, self.tls.is_some())
    }
}

/// Open connection.
pub enum Connection {
    /// Connection without TLS.
    Tcp(TcpStream),
    /// Connection with TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// Connects, and waits for the end of the handshake of TLS.
    ///
    /// # Errors
    /// I/O errors, and those of TLS.
    pub fn open(address: &Address) -> io::Result<Self> {
        match &address.tls {
            None => Self::open_tcp(address),
            Some(config) => Self::open_tcp(address)?.secure(&address.host, config),
        }
    }

    /// Connects without TLS.
    ///
    /// # Errors
    /// I/O errors, and those of TLS.
    pub fn open_tcp(address: &Address) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for candidate in (address.host.as_str(), address.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&candidate, TIMEOUT) {
                Ok(socket) => return Self::begin(socket),
                Err(error) => last = error,
            }
        }
        Err(io::Error::new(
            last.kind(),
            format!("cannot connect to {}:{}: {last}", address.host, address.port),
        ))
    }

    fn begin(socket: TcpStream) -> io::Result<Self> {
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.set_write_timeout(Some(TIMEOUT))?;
        socket.set_nodelay(true)?;
        Ok(Self::Tcp(socket))
    }

    /// Begins TLS on a connection without it, and waits for the end of the handshake.
    ///
    /// # Errors
    /// I/O errors, and those of TLS.
    pub fn secure(self, host: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let mut socket = match self {
            Self::Tcp(socket) => socket,
            Self::Tls(_) => return Ok(self),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    /// Returns whether the server has not closed the connection. Syslog servers send nothing.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let socket = self.socket();
        let mut byte = [0];
        let peeked = socket.set_nonblocking(true).and_then(|()| socket.peek(&mut byte));
        if socket.set_nonblocking(false).is_err() {
            return false;
        }
        // Bytes are session tickets, or an alert that the next write reports.
        match peeked {
            Ok(count) => count > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Waits until the server has sent something or has closed the connection. Returns `false` after a time without both.
    ///
    /// # Errors
    /// I/O errors, and those of TLS.
    pub fn wait_for_data(&self, time: Duration) -> io::Result<bool> {
        let socket = self.socket();
        socket.set_read_timeout(Some(time))?;
        let peeked = socket.peek(&mut [0]);
        socket.set_read_timeout(Some(TIMEOUT))?;
        match peeked {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Tcp(socket) => socket,
            Self::Tls(stream) => stream.get_ref(),
        }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// I/O errors, and those of TLS.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.write_all(bytes),
            Self::Tls(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    /// Reads some bytes; 0 at the end.
    ///
    /// # Errors
    /// I/O errors, and those of TLS.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

/// Time limit for connecting, and for each read and write.
const TIMEOUT: Duration = Duration::from_secs(20);
