//! The thread that sends the events of a destination.

use std::sync::Arc;
use std::time::Duration;

use super::connection::Connection;
use super::settings::{DestinationSettings, Target};
use super::spool::Spool;
use super::{http_post, syslog};

/// Starts the thread; it ends when the spool is closed.
pub(super) fn start(settings: Arc<DestinationSettings>, spool: Arc<Spool>) -> std::io::Result<()> {
    std::thread::Builder::new().name("event output".to_owned()).spawn(move || run(&settings, &spool))?;
    Ok(())
}

fn run(settings: &DestinationSettings, spool: &Spool) {
    let mut position = spool.position();
    let mut sender = Sender { settings, connection: None };
    let mut pause = FIRST_PAUSE;
    loop {
        let sent = match spool.read(&mut position, settings.batch_size) {
            Ok(None) => return,
            Ok(Some(lines)) => sender.send(&lines.lines).map(|()| lines.end),
            Err(error) => Err(format!("cannot read the spool: {error}")),
        };
        match sent {
            Ok(end) => {
                position = end;
                spool.store(&position);
                if pause != FIRST_PAUSE {
                    tracing::info!(output = settings.name, "Event output accepts events again");
                    pause = FIRST_PAUSE;
                }
            }
            Err(error) => {
                if pause == FIRST_PAUSE {
                    tracing::warn!(output = settings.name, error, "Cannot send events; repeating");
                }
                sender.connection = None;
                if spool.is_closed_after(pause) {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

struct Sender<'s> {
    settings: &'s DestinationSettings,
    connection: Option<Connection>,
}

impl Sender<'_> {
    /// Sends lines. After an error, all of them are sent again.
    fn send(&mut self, lines: &[String]) -> Result<(), String> {
        match &self.settings.target {
            Target::Syslog(address) => {
                let existing = self.connection.take().filter(Connection::is_open);
                let mut connection = match existing {
                    Some(connection) => connection,
                    None => Connection::open(address).map_err(|error| error.to_string())?,
                };
                let messages: Vec<u8> = lines.iter().flat_map(|line| syslog::frame(line)).collect();
                connection.write(&messages).map_err(|error| error.to_string())?;
                self.connection = Some(connection);
                Ok(())
            }
            Target::Http(target) => http_post::send(target, lines),
        }
    }
}

/// First pause after an error.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause after an error.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
