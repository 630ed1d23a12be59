//! A minimal HTTP server for Prometheus.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Limits, Method, RequestHead, ResponseWriter};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::prometheus::Page;
use super::ExportedHost;

/// Serves connections without end. Excess connections wait, and slow ones are closed.
pub(super) async fn serve(listener: TcpListener, exported: Arc<[ExportedHost]>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // File descriptors may be exhausted for a while.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let exported = Arc::clone(&exported);
        tokio::spawn(async move {
            let _permit = permit;
            let _ = timeout(REQUEST_TIMEOUT, answer(stream, &exported)).await;
        });
    }
}

/// Answers one request and closes the connection.
async fn answer(mut stream: TcpStream, exported: &[ExportedHost]) -> io::Result<()> {
    let mut received = Vec::new();
    let mut buffer = [0; 4_096];
    let (is_head, (status, text)) = loop {
        match RequestHead::parse(&received, &Limits::default()) {
            Ok(Some((head, _))) => {
                break (head.method() == Method::Head, reply(head.method(), head.target(), exported));
            }
            Ok(None) => {}
            Err(error) => break (false, (error.status(), "bad request\n".to_owned())),
        }
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        received.extend(buffer.get(..length).unwrap_or_default());
    };
    let mut out = Vec::new();
    let written = ResponseWriter::new(&mut out, status).and_then(|mut writer| {
        writer.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")?;
        writer.header("Connection", "close")?;
        if status == METHOD_NOT_ALLOWED {
            writer.header("Allow", "GET, HEAD")?;
        }
        writer.end(u64::try_from(text.len()).unwrap_or_default())
    });
    written.map_err(io::Error::other)?;
    if !is_head {
        out.extend(text.as_bytes());
    }
    stream.write_all(&out).await?;
    stream.shutdown().await
}

fn reply(method: Method, target: &str, exported: &[ExportedHost]) -> (u16, String) {
    if !matches!(method, Method::Get | Method::Head) {
        return (METHOD_NOT_ALLOWED, "method not allowed; use GET or HEAD\n".to_owned());
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut page = Page::default();
    match path {
        "/" => return (200, "telarch ipmi export: /metrics, or /ipmi?target=HOST\n".to_owned()),
        "/metrics" => exported.iter().for_each(|one| page.append(&one.host.to_string(), one.page())),
        "/ipmi" => {
            // Only controllers of the command line are exported, so that clients cannot choose targets.
            let wanted = query.split('&').find_map(|pair| pair.strip_prefix("target=")).unwrap_or_default();
            let wanted = wanted.replace("%3A", ":").replace("%5B", "[").replace("%5D", "]");
            let Some(found) = exported.iter().find(|one| one.host.to_string() == wanted) else {
                return (404, "this controller is not exported\n".to_owned());
            };
            page.append(&wanted, found.page());
        }
        _ => return (404, "not found; use /metrics or /ipmi?target=HOST\n".to_owned()),
    }
    (200, page.to_text())
}

const METHOD_NOT_ALLOWED: u16 = 405;
const MAX_CONNECTIONS: usize = 64;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
