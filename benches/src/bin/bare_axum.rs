//! The lower bound for the API of the Web Management Service: axum over TLS, which sends the same bytes.
//!
//! `bare_axum CERTIFICATE KEY FILE...` takes a certificate and a key in PEM, listens on one port for each file, answers
//! GET of every path with the bytes of that file, and writes the ports to standard output in one line. It ends when its
//! standard input ends.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

fn main() -> Result<(), Box<dyn Error>> {
    // The same kind of runtime as that of the service.
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(certificate), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare_axum CERTIFICATE KEY FILE...".into());
    };
    let acceptor = acceptor(certificate.as_ref(), key.as_ref())?;
    let mut ports = Vec::new();
    for file in arguments {
        let answer = Bytes::from(std::fs::read(file)?);
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        ports.push(socket.local_addr()?.port().to_string());
        let listener = TlsListener { socket, acceptor: acceptor.clone() };
        let router = Router::new().fallback(move || reply(answer.clone()));
        tokio::spawn(axum::serve(listener, router).into_future());
    }
    println!("{}", ports.join(" "));
    let mut ignored = Vec::new();
    tokio::io::stdin().read_to_end(&mut ignored).await?;
    Ok(())
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Box<dyn Error>> {
    let chain = vec![CertificateDer::from_pem_file(certificate)?];
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn reply(answer: Bytes) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], answer)
}

/// Listener that completes the TLS handshake of one connection after the other. Handshakes are not measured.
struct TlsListener {
    socket: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.socket.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}
