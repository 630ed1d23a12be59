//! New journal records, from a journalctl process that follows the journal (journalctl(1)).

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cim::{Class, Instance, Status};
use linux::journal::{MAX_RECORD, Record, folder};
use linux::program::command_of_system;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use wmi::{BoxFuture, EventSource, Happening, ProviderError, ReportMode};

use crate::Machine;
use crate::table::failure;

/// Event source that reports every record written after a given time once.
pub(super) struct NewRecords {
    machine: Arc<Machine>,
    class: Arc<Class>,
    convert: Conversion,
    journal: Followed,
    /// Position up to which records have been reported.
    position: Position,
    making: Option<JoinHandle<Result<Instance, ProviderError>>>,
}

/// Converts a record to an instance of a class.
pub(super) type Conversion = fn(&Machine, &Arc<Class>, Record) -> Result<Instance, ProviderError>;

/// A position in the journal.
enum Position {
    /// Time in microseconds since 1970; records from then on have not been reported.
    Since(u128),
    /// Cursor of the last reported record.
    After(String),
}

impl NewRecords {
    /// Starts to follow. Records carry the time at which the journal received them, so no record is missed
    /// even if journalctl starts slowly.
    ///
    /// # Errors
    /// Errors of starting journalctl.
    pub(super) fn open(machine: &Arc<Machine>, class: &Arc<Class>, convert: Conversion) -> io::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let position = Position::Since(now);
        let journal = Followed::begin(machine, &position)?;
        Ok(Self {
            machine: Arc::clone(machine),
            class: Arc::clone(class),
            convert,
            journal,
            position,
            making: None,
        })
    }

    /// Waits for the next record and starts to convert it.
    async fn hear(&mut self) -> Result<JoinHandle<Result<Instance, ProviderError>>, ProviderError> {
        loop {
            if let Some(record) = self.journal.next().await.map_err(failure)? {
                if let Some(cursor) = record.text("__CURSOR") {
                    self.position = Position::After(cursor);
                }
                let (machine, class) = (Arc::clone(&self.machine), Arc::clone(&self.class));
                let convert = self.convert;
                // User names are read from files, which may block.
                return Ok(tokio::task::spawn_blocking(move || convert(&machine, &class, record)));
            }
            // If journalctl ended without any output, a restart would fail again.
            if !self.journal.has_told {
                let problem = "journalctl cannot follow the journal\n  run journalctl --follow as the same user to see why";
                return Err(ProviderError::failed(Status::Failed, problem));
            }
            self.journal = Followed::begin(&self.machine, &self.position).map_err(failure)?;
        }
    }
}

impl EventSource for NewRecords {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            if self.making.is_none() {
                self.making = Some(self.hear().await?);
            }
            let Some(making) = &mut self.making else { return Err(ProviderError::NotCapable) };
            let made = making.await;
            self.making = None;
            Ok(Happening::Came(made.map_err(|_| {
                ProviderError::failed(Status::ProviderFailure, "reading a record was given up")
            })??))
        })
    }

    fn report_mode(&self) -> ReportMode {
        ReportMode::Instances
    }
}

/// A journalctl process that follows the journal; killed on drop.
struct Followed {
    _program: Child,
    output: BufReader<ChildStdout>,
    /// Incomplete line.
    line: Vec<u8>,
    /// Whether the line is too long; its rest is skipped.
    is_too_long: bool,
    has_told: bool,
}

impl Followed {
    fn begin(machine: &Machine, position: &Position) -> io::Result<Self> {
        let mut command = command_of_system("journalctl");
        command.args(["--quiet", "--no-pager", "--follow", "--no-tail", "--output=json"]);
        match position {
            Position::Since(moment) => {
                command.arg(format!("--since=@{}.{:06}", moment / 1_000_000, moment % 1_000_000))
            }
            Position::After(cursor) => command.arg(format!("--after-cursor={cursor}")),
        };
        // The journal of this machine may move to another directory while it is followed.
        if let Some(folder) = folder(machine).filter(|_| !machine.is_this()) {
            command.arg("--directory").arg(folder);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = Command::from(command).kill_on_drop(true).spawn()?;
        let output = BufReader::new(program.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        Ok(Self { _program: program, output, line: Vec::new(), is_too_long: false, has_told: false })
    }

    /// Returns the next record; `None` if journalctl has ended. Cancel-safe.
    async fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let there = self.output.fill_buf().await?;
            let end = there.iter().position(|octet| *octet == b'\n');
            let taken = end.map_or(there.len(), |end| end + 1);
            let is_over = there.is_empty();
            self.is_too_long |= u64::try_from(self.line.len() + taken).unwrap_or(u64::MAX) > MAX_RECORD;
            if !self.is_too_long {
                self.line.extend(there.get(..taken).unwrap_or_default());
            }
            self.output.consume(taken);
            if is_over {
                return Ok(None);
            }
            if end.is_none() {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if std::mem::take(&mut self.is_too_long) {
                continue;
            }
            if let Some(record) = Record::parse(&line) {
                self.has_told = true;
                return Ok(Some(record));
            }
        }
    }
}
