//! Tunnel through a proxy (RFC 9110 9.3.6).

use http::ResponseFraming;
use tokio::net::TcpStream;

use super::{Proxy, ProxyAuthenticator, ProxyError};
use crate::Endpoint;
use crate::authentication::AuthState;
use crate::connection::{Connection, describe_body};
use crate::error::{Error, Violation};
use crate::timeouts::Timeouts;

/// Opens a tunnel through the proxy to the endpoint; `connect` opens the TCP connections to the proxy.
pub(crate) async fn through(
    proxy: &Proxy,
    endpoint: &Endpoint,
    timeouts: &Timeouts,
    connect: impl AsyncFn(&Endpoint) -> Result<TcpStream, Error>,
) -> Result<Connection, Error> {
    let mut authenticator = ProxyAuthenticator::new(proxy)?;
    let mut connection = connect_proxy(proxy, &connect).await?;
    // Each scheme needs two requests at most; another challenge means that the credentials were rejected.
    for _ in 0..MOST_ATTEMPTS {
        let target = endpoint.authority();
        let authorization = authenticator.authorization("CONNECT", &target, timeouts).await?;
        let head = connection.ask_for_tunnel(&target, authorization.as_deref(), timeouts).await?;
        if (200..300).contains(&head.status()) {
            // A TLS server sends nothing first; early data could be mistaken for its handshake.
            if connection.has_received() {
                return Err(authenticator.failed(Violation::Unsolicited.into()));
            }
            return Ok(connection);
        }
        let body = match head.body() {
            // A body that ends with the connection is skipped, because the connection cannot be used afterwards.
            ResponseFraming::UntilClose => Vec::new(),
            _ => connection.read_body(&head, MOST_OCTETS, timeouts).await?,
        };
        if head.status() != 407 {
            let reason = ProxyError::Status {
                status: head.status(),
                body: describe_body(head.header("Content-Type"), &body),
            };
            return Err(authenticator.failed(reason));
        }
        authenticator.accept_challenge(&head)?;
        if !head.keep_alive() {
            if !authenticator.is_transferable() {
                return Err(authenticator.failed(Violation::ClosedDuringSignIn.into()));
            }
            connection = connect_proxy(proxy, &connect).await?;
        }
    }
    Err(authenticator.failed(Violation::ClosedDuringSignIn.into()))
}

async fn connect_proxy(
    proxy: &Proxy,
    connect: &impl AsyncFn(&Endpoint) -> Result<TcpStream, Error>,
) -> Result<Connection, Error> {
    let stream = connect(proxy.endpoint()).await.map_err(|error| proxy.unreachable(error))?;
    Ok(Connection::plain(Box::new(stream), AuthState::Anonymous, proxy.address()))
}

/// Maximum size of a proxy's response body, in bytes.
const MOST_OCTETS: usize = 256 * 1_024;
const MOST_ATTEMPTS: usize = 4;
