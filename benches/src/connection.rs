//! One connection of the load generator: it sends prepared requests and only measures the length of the answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::Result;

/// A persistent connection with at most one outstanding request.
pub(crate) struct Connection {
    link: Link,
    buffer: Vec<u8>,
}

enum Link {
    Plain(TcpStream),
    Local(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An answer.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// Connects without TLS.
    pub(crate) fn plain(address: SocketAddr) -> Result<Self> {
        Ok(Self { link: Link::Plain(open(address)?), buffer: vec![0; FIRST_BUFFER] })
    }

    /// Connects to a Unix socket.
    pub(crate) fn local(path: &Path) -> Result<Self> {
        let socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { link: Link::Local(socket), buffer: vec![0; FIRST_BUFFER] })
    }

    /// Connects with TLS and completes the handshake.
    pub(crate) fn tls(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        let name = ServerName::try_from("localhost")?;
        let mut socket = open(address)?;
        let mut session = ClientConnection::new(Arc::clone(config), name)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        let link = Link::Tls(Box::new(StreamOwned::new(session, socket)));
        Ok(Self { link, buffer: vec![0; FIRST_BUFFER] })
    }

    /// Sends a request and returns the body of its answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.send(request)?;
        self.receive()
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        match &mut self.link {
            Link::Plain(link) => link.write_all(request)?,
            Link::Local(link) => link.write_all(request)?,
            Link::Tls(link) => {
                link.write_all(request)?;
                link.flush()?;
            }
        }
        Ok(())
    }

    /// Reads the next answer, whose status must be 200, and returns its body.
    pub(crate) fn receive(&mut self) -> Result<&[u8]> {
        match self.receive_any()? {
            Answer { status: 200, body, .. } => Ok(body),
            Answer { status, body, .. } => {
                let body = String::from_utf8_lossy(body);
                Err(format!("the server answered {status}: {body:.2000}").into())
            }
        }
    }

    /// Reads the next answer with any status.
    pub(crate) fn receive_any(&mut self) -> Result<Answer<'_>> {
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled)?;
            if let Some(head) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break head + 4;
            }
        };
        let end = head + content_length(&self.buffer[..head])?;
        while filled < end {
            if end > self.buffer.len() {
                self.buffer.resize(end, 0);
            }
            filled += self.read(filled)?;
        }
        if filled > end {
            return Err("the server sent more than one answer".into());
        }
        let status = self.buffer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = std::str::from_utf8(status.ok_or("an answer is not HTTP/1.1")?)?.parse()?;
        Ok(Answer { status, head: &self.buffer[..head], body: &self.buffer[head..end] })
    }

    /// Reads at least one byte and returns what has arrived.
    pub(crate) fn receive_some(&mut self) -> Result<&[u8]> {
        let read = self.read(0)?;
        Ok(&self.buffer[..read])
    }

    fn read(&mut self, filled: usize) -> Result<usize> {
        let room = &mut self.buffer[filled..];
        let read = match &mut self.link {
            Link::Plain(link) => link.read(room)?,
            Link::Local(link) => link.read(room)?,
            Link::Tls(link) => link.read(room)?,
        };
        if read == 0 {
            Err("the server closed the connection, or its head is too long".into())
        } else {
            Ok(read)
        }
    }
}

fn open(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn content_length(head: &[u8]) -> Result<usize> {
    const NAME: &[u8] = b"content-length:";
    let line = head.split(|&octet| octet == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)
    });
    Ok(std::str::from_utf8(line.ok_or("an answer has no Content-Length")?)?.trim().parse()?)
}

/// Initial buffer size: small, so that hundreds of connections need little memory. A long answer grows the buffer
/// permanently.
const FIRST_BUFFER: usize = 8 * 1_024;

/// Time after which a server that sends nothing counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);
