//! The program `nginx`: its build, and the messages of its validator.

use std::path::{Path, PathBuf};
use std::process::Command;

use nginx::full_path;

use crate::engine::run;
use crate::error::WebServerError;
use crate::plan::{Problem, Severity};
use crate::position::Position;

/// Facts about the build, from `nginx -V`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Build {
    /// Version: three numbers.
    pub(crate) version: [u32; 3],
    /// Arguments of `configure`.
    arguments: Vec<String>,
}

impl Build {
    /// Runs `nginx -V`.
    pub(crate) fn read(program: &Path, output: &Path) -> Result<Self, WebServerError> {
        let (_, text) = run(Command::new(program).arg("-V"), output)?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let version = text.lines().find_map(|line| line.strip_prefix("nginx version: "));
        let version = version.and_then(|version| version.split('/').nth(1)).unwrap_or_default();
        let mut numbers = version.split(['.', ' ']).map(|number| number.parse().unwrap_or_default());
        let arguments =
            text.lines().find_map(|line| line.strip_prefix("configure arguments: ")).unwrap_or_default();
        Self {
            version: [(); 3].map(|()| numbers.next().unwrap_or_default()),
            arguments: arguments.split(' ').map(str::to_owned).collect(),
        }
    }

    /// Returns the value of an argument such as `--prefix=`.
    pub(crate) fn path(&self, argument: &str) -> Option<&str> {
        self.arguments.iter().find_map(|found| found.strip_prefix(argument))
    }

    pub(crate) fn has(&self, argument: &str) -> bool {
        self.arguments.iter().any(|found| found == argument)
    }

    /// Returns whether HTTP/2 is a directive of its own, not an option of `listen`.
    pub(crate) fn has_http2_directive(&self) -> bool {
        self.version >= [1, 25, 1]
    }

    pub(crate) fn version_text(&self) -> String {
        self.version.map(|number| number.to_string()).join(".")
    }
}

/// Command line that selects a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    /// Prefix for relative paths, if it is not the one of the build.
    pub(crate) prefix: Option<String>,
    /// Main file.
    pub(crate) main: String,
}

impl Invocation {
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(prefix) = &self.prefix {
            command.arg("-p").arg(prefix);
        }
        command.arg("-c").arg(&self.main);
        command
    }

    /// Returns the path of a file that nginx resolves below its prefix, such as logs and the file of the PID.
    pub(crate) fn below_prefix(&self, build: &Build, path: &str) -> String {
        let prefix = self.prefix.as_deref().or(build.path("--prefix=")).unwrap_or("/");
        full_path(prefix, path)
    }
}

/// Parses messages of nginx.
pub(crate) fn problems(output: &str) -> Vec<Problem> {
    output.lines().filter_map(problem).collect()
}

fn problem(line: &str) -> Option<Problem> {
    let levels = [("[emerg] ", Severity::Error), ("[alert] ", Severity::Error), ("[crit] ", Severity::Error)];
    let levels = levels.into_iter().chain([("[error] ", Severity::Error), ("[warn] ", Severity::Warning)]);
    let (text, severity) = levels
        .filter_map(|(level, severity)| line.split_once(level).map(|(_, text)| (text, severity)))
        .next()?;
    // With a date, PID and thread come first.
    let text = match text.split_once(": ") {
        Some((numbers, text)) if numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b'#') => text,
        _ => text,
    };
    let place = text.rsplit_once(" in ").and_then(|(message, place)| {
        let (file, line) = place.rsplit_once(':')?;
        Some((message, Position { file: file.to_owned(), line: line.trim().parse().ok()? }))
    });
    Some(match place {
        Some((message, position)) => {
            Problem { severity, message: message.to_owned(), position: Some(position) }
        }
        None => Problem { severity, message: text.to_owned(), position: None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_nginx_are_parsed() {
        let output = "nginx: [emerg] unknown directive \"x\" in /etc/nginx/nginx.conf:3\n\
            2026/01/01 00:00:00 [warn] 1#1: conflicting server name \"a\" on 0.0.0.0:80, ignored\n\
            nginx: configuration file /etc/nginx/nginx.conf test failed\n";
        let found: Vec<String> = problems(output).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "/etc/nginx/nginx.conf:3: unknown directive \"x\"",
                "conflicting server name \"a\" on 0.0.0.0:80, ignored"
            ]
        );
    }

    #[test]
    fn the_build_is_parsed() {
        let build = Build::parse(
            "nginx version: nginx/1.22.1\nconfigure arguments: --prefix=/usr/share/nginx --with-http_v2_module",
        );
        assert_eq!((build.version, build.path("--prefix=")), ([1, 22, 1], Some("/usr/share/nginx")));
        assert!(build.has("--with-http_v2_module") && !build.has_http2_directive());
    }
}
