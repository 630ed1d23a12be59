//! A tunnel through a proxy (RFC 9110 9.3.6).

use http::ResponseFraming;
use tokio::net::TcpStream;

use super::{Gate, Proxy, ProxyError};
use crate::Endpoint;
use crate::authentication::Proof;
use crate::connection::{Connection, seen};
use crate::error::{Error, Violation};
use crate::patience::Patience;

/// A connection to the proxy that has become one to the service; `connect` makes the first.
pub(crate) async fn through(
    proxy: &Proxy,
    endpoint: &Endpoint,
    patience: &Patience,
    connect: impl AsyncFn(&Endpoint) -> Result<TcpStream, Error>,
) -> Result<Connection, Error> {
    let mut gate = Gate::new(proxy)?;
    let connected = async || {
        let stream = connect(proxy.endpoint()).await.map_err(|error| proxy.unreached(error))?;
        Ok::<_, Error>(Connection::plain(Box::new(stream), Proof::Anonymous, proxy.place()))
    };
    let mut connection = connected().await?;
    // Each scheme asks twice at most; one that is asked again has been refused.
    for _ in 0..MOST_ATTEMPTS {
        let target = endpoint.authority();
        let authorization = gate.authorization("CONNECT", &target, patience).await?;
        let head = connection.ask_for_tunnel(&target, authorization.as_deref(), patience).await?;
        if (200..300).contains(&head.status()) {
            // A service of TLS says nothing before it is spoken to: this would be read as its first words.
            if connection.has_received() {
                return Err(gate.failed(Violation::Unasked.into()));
            }
            return Ok(connection);
        }
        let body = match head.body() {
            // Where the body ends with the connection, there is nothing to go on with.
            ResponseFraming::UntilClose => Vec::new(),
            _ => connection.read_body(&head, MOST_OCTETS, patience).await?,
        };
        if head.status() != 407 {
            let reason =
                ProxyError::Status { status: head.status(), seen: seen(head.header("Content-Type"), &body) };
            return Err(gate.failed(reason));
        }
        gate.challenged(&head)?;
        if !head.keep_alive() {
            if !gate.outlives_connection() {
                return Err(gate.failed(Violation::ClosedDuringSignIn.into()));
            }
            connection = connected().await?;
        }
    }
    Err(gate.failed(Violation::ClosedDuringSignIn.into()))
}

/// The largest page of a proxy that is read.
const MOST_OCTETS: usize = 256 * 1_024;
const MOST_ATTEMPTS: usize = 4;
