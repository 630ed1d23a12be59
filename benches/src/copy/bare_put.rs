//! The lower bound for a copy: a HTTPS server that stores the body of each request in one file and does nothing else.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::Result;

/// A listening server; it runs until this process ends.
pub(super) struct BarePut {
    address: SocketAddr,
}

impl BarePut {
    /// Starts a server that stores the body of each request in `file`.
    pub(super) fn start(file: &Path) -> Result<Self> {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes())?;
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (config, file) = (Arc::new(config), file.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Err(error) = store(stream, &config, &file) {
                    eprintln!("the bare HTTPS server: {error}");
                }
            }
        });
        Ok(Self { address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn store(stream: TcpStream, config: &Arc<ServerConfig>, file: &PathBuf) -> Result<()> {
    let connection = ServerConnection::new(Arc::clone(config))?;
    let mut stream = BufReader::with_capacity(64 << 10, StreamOwned::new(connection, stream));
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.starts_with("expect:") {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
    }
    let mut file = File::create(file)?;
    std::io::copy(&mut (&mut stream).take(length), &mut file)?;
    file.sync_all()?;
    stream.get_mut().write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    stream.get_mut().conn.send_close_notify();
    Ok(stream.get_mut().flush()?)
}
