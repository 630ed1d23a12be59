//! `CommandLineEventConsumer`: runs a program for each event, as the user of this process.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cim::{Instance, Value};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::process::Command;

use crate::Problem;
use crate::template::Template;
use crate::words::Words;

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    program: PathBuf,
    /// Program name (argument 0) and arguments.
    words: Vec<Template>,
    folder: PathBuf,
    longest: Duration,
}

/// Time limit of a program if the consumer sets none.
const USUAL_LONGEST: Duration = Duration::from_secs(600);

/// Directories of programs, for programs without a path and for the programs that they run.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Maximum time limit.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

impl CommandLine {
    pub(crate) fn read(consumer: &Instance, words: Words) -> Result<Self, Problem> {
        let line = text(consumer, "CommandLineTemplate").unwrap_or_default();
        let what = "unterminated quotation";
        // The command line is split before templates are filled, so an event cannot add arguments.
        let mut words: Vec<Template> = words(line)
            .ok_or(Problem::Property { property: "CommandLineTemplate", what })?
            .iter()
            .map(|word| Template::parse(word))
            .collect();
        let program = match text(consumer, "ExecutablePath") {
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            Some(_) => {
                return Err(Problem::Property {
                    property: "ExecutablePath",
                    what: "must be an absolute path",
                });
            }
            None => program_of(consumer, &words)?,
        };
        if words.is_empty() {
            words.push(Template::parse(&program.display().to_string().replace('%', "%%")));
        }
        let folder = text(consumer, "WorkingDirectory").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        if !folder.is_absolute() {
            return Err(Problem::Property { property: "WorkingDirectory", what: "must be an absolute path" });
        }
        let longest = consumer.value("KillTimeout").and_then(Value::as_integer).unwrap_or(0);
        let longest = match u64::try_from(longest) {
            Ok(0) | Err(_) => USUAL_LONGEST,
            Ok(seconds) => Duration::from_secs(seconds).min(LONGEST),
        };
        Ok(Self { program, words, folder, longest })
    }

    /// Runs the program and waits until it ends. Dropping the future kills it.
    pub(crate) async fn consume(&self, event: &Instance) -> Result<(), Problem> {
        let program = self.program.display().to_string();
        let mut words = self.words.iter().map(|word| word.fill(event).replace('\0', ""));
        let mut command = std::process::Command::new(&self.program);
        command.arg0(words.next().unwrap_or_default()).args(words);
        command.current_dir(&self.folder).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env_clear().env("PATH", SYSTEM_PATH);
        for name in ["HOME", "USER", "LOGNAME", "LANG", "TZ"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let mut child =
            Command::from(command).kill_on_drop(true).spawn().map_err(Problem::io(program.as_str()))?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let ended = tokio::time::timeout(self.longest, group.leader_ended()).await;
        // Until its exit status is read, the process id and group id are not reused.
        drop(group);
        let status = child.wait().await.map_err(Problem::io(program.as_str()))?;
        match ended {
            Ok(Err(error)) => Err(Problem::io(program)(error)),
            Ok(Ok(())) if status.success() => Ok(()),
            Ok(Ok(())) => Err(Problem::Status { program, status }),
            Err(_) => Err(Problem::TooLong { program, seconds: self.longest.as_secs() }),
        }
    }
}

/// Returns the program that a command line begins with: an absolute path, or a name in the directories of
/// [`SYSTEM_PATH`].
fn program_of(consumer: &Instance, words: &[Template]) -> Result<PathBuf, Problem> {
    let problem = |what| Problem::Property { property: "CommandLineTemplate", what };
    let first = words.first().filter(|first| first.is_fixed());
    let first =
        first.ok_or_else(|| problem("must begin with the name of a program, without placeholders"))?;
    let program = first.fill(&Instance::new(consumer.class().clone()));
    if program.is_empty() || (program.contains('/') && !program.starts_with('/')) {
        return Err(problem("must begin with a program in the system directories or an absolute path"));
    }
    Ok(PathBuf::from(program))
}

/// Returns a property as non-empty text.
fn text<'i>(consumer: &'i Instance, name: &str) -> Option<&'i str> {
    consumer.value(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Process group of a program; killed on drop.
struct Group(Option<Pid>);

impl Group {
    /// Waits until the program has ended, without reading its exit status.
    async fn leader_ended(&self) -> io::Result<()> {
        let leader = self.0.ok_or(io::ErrorKind::NotFound)?;
        let ending = pidfd_open(leader, PidfdFlags::NONBLOCK)?;
        let _ended = readiness::watch(ending, Interest::READABLE)?.readable().await?;
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Kills processes that the program left behind; it is not an error if there are no more.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
