//! Event consumers.

use cim::Instance;

use crate::Problem;
use crate::command_line::CommandLine;
use crate::journal::JournalEntry;
use crate::log_file::LogFile;
use crate::mail::Mail;
use crate::words::Words;

/// An event consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// `LogFileEventConsumer`.
    LogFile(LogFile),
    /// `NTEventLogEventConsumer`.
    JournalEntry(JournalEntry),
    /// `CommandLineEventConsumer`.
    CommandLine(CommandLine),
    /// `SMTPEventConsumer`.
    Mail(Box<Mail>),
}

impl Consumer {
    /// Reads an instance of a consumer class.
    pub(crate) fn read(instance: &Instance, words: Words) -> Result<Self, Problem> {
        let class = instance.class();
        if class.is_a("LogFileEventConsumer") {
            LogFile::read(instance).map(Self::LogFile)
        } else if class.is_a("NTEventLogEventConsumer") {
            JournalEntry::read(instance).map(Self::JournalEntry)
        } else if class.is_a("CommandLineEventConsumer") {
            CommandLine::read(instance, words).map(Self::CommandLine)
        } else if class.is_a("SMTPEventConsumer") {
            Mail::read(instance).map(Box::new).map(Self::Mail)
        } else {
            Err(Problem::Class(class.name().to_string()))
        }
    }

    /// Returns the maximum number of events per minute for one subscription.
    pub(crate) fn events_per_minute(&self) -> u32 {
        match self {
            Self::CommandLine(_) | Self::Mail(_) => 60,
            Self::LogFile(_) | Self::JournalEntry(_) => 6_000,
        }
    }

    pub(crate) async fn consume(&self, event: Instance) -> Result<(), Problem> {
        let blocking = match self {
            Self::CommandLine(command) => return command.consume(&event).await,
            Self::Mail(mail) => return mail.consume(&event).await,
            Self::LogFile(file) => {
                let file = file.clone();
                tokio::task::spawn_blocking(move || file.consume(&event))
            }
            Self::JournalEntry(entry) => {
                let entry = entry.clone();
                tokio::task::spawn_blocking(move || entry.consume(&event))
            }
        };
        blocking.await.unwrap_or_else(|error| Err(Problem::io("the consumer")(error.into())))
    }
}
