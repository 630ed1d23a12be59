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
use super::page::Collector;

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
        "/metrics" => exported.iter().for_each(|one| page.append(&one.host.to_string(), one.page(None))),
        "/ipmi" => {
            let Some(wanted) = parameter(query, "target") else {
                return (400, "the parameter target is missing\n".to_owned());
            };
            // As in ipmi_exporter, an unknown module is an error.
            let collector = match parameter(query, "module").as_deref() {
                None | Some("" | "default") => None,
                Some(module) => {
                    let known = Collector::ALL.into_iter().find(|collector| collector.name() == module);
                    if known.is_none() {
                        let names = Collector::ALL.map(Collector::name).join(", ");
                        return (400, format!("unknown module; expected default or one of {names}\n"));
                    }
                    known
                }
            };
            // Only controllers of the command line are exported: a client that could choose any target would receive
            // the credentials.
            let Some(found) = exported.iter().find(|one| one.host.is_named(&wanted)) else {
                return (400, NOT_EXPORTED.to_owned());
            };
            // The target is a label that Prometheus adds, as with ipmi_exporter.
            page = found.page(collector);
        }
        _ => return (404, "not found; use /metrics or /ipmi?target=HOST\n".to_owned()),
    }
    (200, page.to_text())
}

/// Returns the decoded value of a parameter of a query (RFC 3986, 2.1); `None` if it is missing or not valid.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let encoded = { pairs }.find(|(known, _)| *known == name).map(|(_, value)| value)?;
    let mut octets = encoded.bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => {
                let digits = [octets.next()?, octets.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            octet => octet,
        });
    }
    String::from_utf8(decoded).ok()
}

const NOT_EXPORTED: &str = "this target is not exported; name it at the start of the exporter with -H, which takes \
    lists, ranges, networks and files: -H bmc[01-20].example.com,10.0.7.0/24 or -H @FILE\n";
const METHOD_NOT_ALLOWED: u16 = 405;
const MAX_CONNECTIONS: usize = 64;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_or_missing() {
        let query = "module=bmc-watchdog&target=%5B2001%3adb8::1%5d:6230&empty=";
        assert_eq!(parameter(query, "target").as_deref(), Some("[2001:db8::1]:6230"));
        assert_eq!(parameter(query, "module").as_deref(), Some("bmc-watchdog"));
        assert_eq!(parameter(query, "empty").as_deref(), Some(""));
        assert_eq!(parameter(query, "get"), None);
        for invalid in ["target=%", "target=%4", "target=%zz", "target=%ff"] {
            assert_eq!(parameter(invalid, "target"), None, "{invalid}");
        }
    }
}
