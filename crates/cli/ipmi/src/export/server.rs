//! The few answers of HTTP that Prometheus needs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Limits, Method, RequestHead, ResponseWriter};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::prometheus::Page;
use super::Known;

/// Answers for ever. Who is slow, or comes in crowds, waits, or is let go.
pub(super) async fn serve(listener: TcpListener, known: Arc<[Known]>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(seat) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // There may be no file descriptors for a while.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let known = Arc::clone(&known);
        tokio::spawn(async move {
            let _seat = seat;
            let _ = timeout(PATIENCE, answer(stream, &known)).await;
        });
    }
}

/// One question, one answer.
async fn answer(mut stream: TcpStream, known: &[Known]) -> io::Result<()> {
    let mut received = Vec::new();
    let mut buffer = [0; 4_096];
    let (is_head, (status, text)) = loop {
        match RequestHead::parse(&received, &Limits::default()) {
            Ok(Some((head, _))) => {
                break (head.method() == Method::Head, reply(head.method(), head.target(), known));
            }
            Ok(None) => {}
            Err(error) => break (false, (error.status(), "not understood\n".to_owned())),
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

fn reply(method: Method, target: &str, known: &[Known]) -> (u16, String) {
    if !matches!(method, Method::Get | Method::Head) {
        return (METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut page = Page::default();
    match path {
        "/" => return (200, "telarch ipmi export: /metrics, or /ipmi?target=HOST\n".to_owned()),
        "/metrics" => known.iter().for_each(|known| page.append(&known.host.to_string(), known.page())),
        "/ipmi" => {
            // Nobody is asked who was not named on the command line.
            let wanted = query.split('&').find_map(|pair| pair.strip_prefix("target=")).unwrap_or_default();
            let wanted = wanted.replace("%3A", ":").replace("%5B", "[").replace("%5D", "]");
            let Some(found) = known.iter().find(|known| known.host.to_string() == wanted) else {
                return (404, "this controller is not exported\n".to_owned());
            };
            page.append(&wanted, found.page());
        }
        _ => return (404, "there is /metrics, and /ipmi?target=HOST\n".to_owned()),
    }
    (200, page.written())
}

const METHOD_NOT_ALLOWED: u16 = 405;
const MOST_CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);
