//! Arguments of `telarch cp`.

use std::path::{Path, PathBuf};

use cli::remote::{machine_switch, selects_machines};
use cli_command::format::{Format, TEXT_OR_JSON};
use cli_command::{Arguments, Failure, Keyword, Opt, Value, keywords};
use copy::{CarrierChoice, CopyError, CopyOptions, RemotePath};

use super::location::Location;

pub(super) static RECURSIVE: Opt =
    Opt::new("recursive", Value::None, "copy directories with their entries").short('r');
pub(super) static RESUME: Opt = Opt::new(
    "resume",
    Value::None,
    "continue an interrupted copy of the same content, and keep the partial file if the copy fails",
);
pub(super) static PRESERVE: Opt = Opt::new(
    "preserve",
    Value::None,
    "give copies exactly the permissions and the time of modification of their sources",
)
.short('p');
pub(super) static VERBOSE: Opt =
    Opt::new("verbose", Value::None, "print each copied file, and how it was copied").short('v');
pub(super) static CARRIER: Opt = Opt::new(
    "carrier",
    Value::OneOf("CARRIER", keywords::<Carrier>),
    "auto: the file resource of the service, PowerShell remoting where it has none, or commands where it has neither; \
     psrp: always PowerShell remoting; winrs: always commands (default: auto)",
);
pub(super) static FORMAT: Opt = TEXT_OR_JSON;

/// Word for a choice of carriers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carrier(pub(super) CarrierChoice);

impl Keyword for Carrier {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self(CarrierChoice::Automatic)),
        ("psrp", Self(CarrierChoice::Remoting)),
        ("winrs", Self(CarrierChoice::Shell)),
    ];
}

/// Request of a command line.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) request: Request,
    /// Switches of `winrm` that select machines and the user.
    pub(super) switches: Vec<String>,
    pub(super) options: CopyOptions,
    pub(super) carrier: CarrierChoice,
    /// Whether directories are copied.
    pub(super) is_recursive: bool,
    pub(super) is_verbose: bool,
    pub(super) format: Format,
}

/// Files to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Copies local files to other machines.
    Upload { sources: Vec<PathBuf>, target: RemotePath },
    /// Copies files of another machine.
    Download { sources: Vec<RemotePath>, target: PathBuf },
}

impl Invocation {
    /// Interprets a command line that obeys the command table.
    pub(super) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let mut switches = arguments.switches().to_vec();
        let mut locations: Vec<Location> = arguments.words().into_iter().map(Location::parse).collect();
        let target = locations.pop().filter(|_| !locations.is_empty());
        let target = target.ok_or_else(|| arguments.usage_error("expected a source and a destination"))?;
        let machines = locations.iter().chain([&target]).filter_map(|location| match location {
            Location::Remote { machine, .. } => Some(machine.as_deref()),
            Location::Local(_) => None,
        });
        let mut machines: Vec<Option<&str>> = machines.collect();
        machines.dedup();
        let machine = match machines.as_slice() {
            [machine] => *machine,
            [] => {
                let problem =
                    "neither the sources nor the destination are on another machine; write HOST:PATH";
                return Err(arguments.usage_error(problem));
            }
            _ => return Err(arguments.usage_error("all sources, or the destination, must be on one machine")),
        };
        match (machine, selects_machines(&switches)) {
            (Some(machine), false) => switches.extend(machine_switch(machine)),
            (None, true) => {}
            (Some(_), true) => {
                return Err(arguments.usage_error("switches select the machines; write :PATH without a host"));
            }
            (None, false) => {
                return Err(arguments.usage_error("no machine given; write HOST:PATH, or add -hosts:LIST"));
            }
        }
        let request = request(arguments, locations, target)?;
        let options =
            CopyOptions { preserve: arguments.is_given(&PRESERVE), resume: arguments.is_given(&RESUME) };
        Ok(Self {
            request,
            switches,
            options,
            carrier: arguments.keyword::<Carrier>(&CARRIER).unwrap_or_default().0,
            is_recursive: arguments.is_given(&RECURSIVE),
            is_verbose: arguments.is_given(&VERBOSE),
            format: arguments.keyword(&FORMAT).unwrap_or_default(),
        })
    }
}

/// Returns the direction of a copy; only one side can be on another machine.
fn request(arguments: &Arguments, sources: Vec<Location>, target: Location) -> Result<Request, Failure> {
    let mixed = || arguments.usage_error("all sources, or only the destination, must be on another machine");
    match target {
        Location::Remote { path: target, .. } => {
            let sources = sources.into_iter().map(|source| match source {
                Location::Local(path) => Ok(path),
                Location::Remote { .. } => Err(mixed()),
            });
            Ok(Request::Upload { sources: sources.collect::<Result<_, _>>()?, target })
        }
        Location::Local(target) => {
            let sources = sources.into_iter().map(|source| match source {
                Location::Remote { path, .. } => Ok(path),
                Location::Local(_) => Err(mixed()),
            });
            let sources: Vec<RemotePath> = sources.collect::<Result<_, _>>()?;
            let is_directory = target.is_dir() || target.as_os_str().as_encoded_bytes().ends_with(b"/");
            if sources.len() > 1 && !is_directory {
                return Err(arguments.usage_error(format!("{} is not a directory", target.display())));
            }
            Ok(Request::Download { sources, target })
        }
    }
}

/// Returns the local path of the copy of a remote file: the target, or the name of the source in it.
pub(super) fn local_target(target: &Path, source: &RemotePath) -> Result<PathBuf, CopyError> {
    let is_directory = target.is_dir() || target.as_os_str().as_encoded_bytes().ends_with(b"/");
    if !is_directory {
        return Ok(target.to_owned());
    }
    match source.file_name() {
        Some(name) => Ok(target.join(name)),
        None => Err(CopyError::Remote {
            path: source.to_string(),
            reason: "it has no name for the copy; add one to the destination".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::CP;

    fn parse(words: &[&str]) -> Result<Invocation, String> {
        let parsed = Arguments::parse_words(&CP, words).map_err(|failure| failure.to_string())?;
        Invocation::new(&parsed.expect("no request for help")).map_err(|failure| failure.to_string())
    }

    #[test]
    fn one_side_is_on_another_machine() {
        let upload = parse(&["a", "b", "server7:/srv/", "-u:ann", "--resume", "-p"]).unwrap();
        assert_eq!(upload.switches, ["-u:ann", "-r:server7"]);
        assert_eq!(upload.options, CopyOptions { preserve: true, resume: true });
        let sources = vec![PathBuf::from("a"), PathBuf::from("b")];
        assert_eq!(upload.request, Request::Upload { sources, target: RemotePath::from("/srv/") });
        let many = parse(&["a", ":/srv/", "-hosts:web[1-3]"]).unwrap();
        assert_eq!(many.switches, ["-hosts:web[1-3]"]);
        let download = parse(&["localhost:a", "localhost:b", "/tmp"]).unwrap();
        assert!(download.switches.is_empty());
        let sources = vec![RemotePath::from("a"), RemotePath::from("b")];
        assert_eq!(download.request, Request::Download { sources, target: PathBuf::from("/tmp") });
        for (words, part) in [
            (&["a"][..], "expected a source and a destination"),
            (&["a", "b"], "write HOST:PATH"),
            (&["server7:a", "server8:b"], "must be on one machine"),
            (&["server7:a", "server7:b"], "only the destination"),
            (&["server7:a", "b", "/tmp"], "only the destination"),
            (&["server7:a", "server7:b", "/nonexistent"], "/nonexistent is not a directory"),
            (&["a", "server7:b", "-hosts:x"], "write :PATH without a host"),
            (&["a", ":b"], "no machine given"),
        ] {
            let refused = parse(words).expect_err("refused");
            assert!(refused.contains(part), "{words:?}: {refused}");
        }
    }

    #[test]
    fn copies_in_directories_have_the_names_of_their_sources() {
        let of = |target: &str, source: &str| local_target(Path::new(target), &RemotePath::from(source));
        assert_eq!(of("/tmp", "/a/b").unwrap(), PathBuf::from("/tmp/b"));
        assert_eq!(of("/tmp/x", "/a/b").unwrap(), PathBuf::from("/tmp/x"));
        assert_eq!(of("new/", "C:\\b").unwrap(), PathBuf::from("new/b"));
        assert!(of("/tmp", "/a/..").is_err());
    }
}
