//! The collector's end: answers the messages that a gateway forwards.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use metrics::CollectorStatistics;
use service::EventEndpoint as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::message::{Call, decode_call, encode_answer, receive, send};
use crate::{EventsPlugin, MAX_IN_WORK, statistics};

/// Answers the messages of a gateway until it closes the connection.
///
/// # Errors
/// I/O errors; [`io::ErrorKind::InvalidData`] for a message that violates the format, and
/// [`io::ErrorKind::PermissionDenied`] for a socket that another user has created.
pub async fn serve(plugin: EventsPlugin, socket: UnixStream) -> io::Result<()> {
    broker::verify_owner(&socket)?;
    socket.set_nonblocking(true)?;
    let (mut reader, mut writer) = tokio::net::UnixStream::from_std(socket)?.into_split();
    let (answers, mut queue) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        while let Some(answer) = queue.recv().await {
            if let Err(error) = send(&mut writer, &answer).await {
                tracing::debug!(%error, "Cannot answer the gateway");
                return;
            }
        }
    });
    let reporting = tokio::spawn(report_statistics(plugin.clone(), answers.clone()));
    let _reporting = Reporting(reporting);
    // Beyond these messages the gateway has to wait.
    let in_work = Arc::new(Semaphore::new(MAX_IN_WORK));
    while let Some(message) = receive(&mut reader).await? {
        let (number, call) =
            decode_call(&message).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let Ok(permit) = Arc::clone(&in_work).acquire_owned().await else { return Ok(()) };
        let (plugin, answers) = (plugin.clone(), answers.clone());
        let message = match call {
            Call::Message(message) => message,
            Call::Question(path) => {
                let answer = plugin.check_secret(&path);
                let _ = answers.send(encode_answer(number, &answer));
                continue;
            }
        };
        tokio::spawn(async move {
            let answer = plugin.answer_on_task(*message).await;
            // The gateway may have ended.
            let _ = answers.send(encode_answer(number, &answer));
            drop(permit);
        });
    }
    Ok(())
}

/// Task that sends the numbers of the collector; it ends with the connection.
struct Reporting(JoinHandle<()>);

impl Drop for Reporting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends the numbers of the collector when they have changed, for the metrics of the gateway.
async fn report_statistics(plugin: EventsPlugin, answers: mpsc::UnboundedSender<Vec<u8>>) {
    let mut reported = CollectorStatistics::default();
    loop {
        let current = plugin.statistics();
        if current != reported {
            if answers.send(statistics::encode(&current)).is_err() {
                return;
            }
            reported = current;
        }
        tokio::time::sleep(REPORT_INTERVAL).await;
    }
}

/// Interval in which the numbers of the collector are sent.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);
