//! Health check: the service sends a request to itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::connection::{self, Peer};
use crate::connection_table::Source;
use crate::endpoint::Transport;
use crate::route::Route;
use crate::service::Service;

impl Service {
    /// Sends Identify to the service over an in-memory connection. Returns whether it responded in time.
    ///
    /// A response shows that the runtime runs tasks and timers, and that no lock on the request path is stuck.
    pub async fn check_health(self: &Arc<Self>, limit: Duration) -> bool {
        let (mut client, server) = tokio::io::duplex(4_096);
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        // The connection is not authenticated, so it has no more rights than any client on the network.
        let peer = Peer {
            address,
            transport: Transport::Http,
            route: Route::local(),
            channel: None,
            certificate: None,
        };
        let service = Arc::clone(self);
        // Every connection has a request in progress: the service is busy, but not stuck.
        let Ok(slot) = service.connections.admit([Source::HealthCheck; 3], &service.config()) else {
            return true;
        };
        let serving = tokio::spawn(async move { connection::serve(server, peer, &slot, &service).await });
        let asking = async {
            let head = format!(
                "POST /wsman-anon/identify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
                IDENTIFY.len()
            );
            client.write_all(head.as_bytes()).await?;
            client.write_all(IDENTIFY.as_bytes()).await?;
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(limit, asking).await;
        serving.abort();
        // Any HTTP status shows that the service works, even one that refuses the request.
        matches!(answer, Ok(Ok(answer)) if answer.starts_with(b"HTTP/1.1 "))
    }
}

/// Identify request (MS-WSMV 3.1.4.17).
const IDENTIFY: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
     xmlns:wsmid=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
     <s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>";
