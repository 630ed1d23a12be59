//! A PHP-FPM with an address of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// A running PHP-FPM. It ends with this value.
pub(crate) struct PhpFpm(Child);

impl PhpFpm {
    /// Starts PHP-FPM, and waits until it accepts connections. Returns `None` and records a skip if it is missing.
    pub(crate) fn start(folder: &Path, port: u16) -> Option<Self> {
        let Some(program) = program() else {
            skips::skip!("PHP-FPM is not installed: apt-get install php-fpm");
            return None;
        };
        // PHP-FPM refuses to run scripts as root.
        let is_root = fs::metadata(folder).unwrap().uid() == 0;
        let user = if is_root { "user = nobody\ngroup = nogroup\n" } else { "" };
        let configuration = folder.join("php-fpm.conf");
        let text = format!(
            "[global]\nerror_log = /proc/self/fd/2\ndaemonize = no\n[www]\n{user}listen = 127.0.0.1:{port}\npm = static\n\
             pm.max_children = 1\n"
        );
        fs::write(&configuration, text).unwrap();
        let mut command = Command::new(program);
        command.args(["--nodaemonize", "--no-php-ini", "--fpm-config"]).arg(configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut php = Self(command.spawn().unwrap());
        let mut lines = BufReader::new(php.0.stderr.take().unwrap()).lines();
        let mut log = String::new();
        loop {
            let Some(Ok(line)) = lines.next() else { panic!("PHP-FPM ended: {log}") };
            if line.contains("ready to handle connections") {
                break;
            }
            log += &line;
        }
        // A full pipe would stop PHP-FPM.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(php)
    }
}

impl Drop for PhpFpm {
    fn drop(&mut self) {
        // The workers end with their parent, whose signal they receive.
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

/// Returns the installed program, whose name ends with its version.
fn program() -> Option<PathBuf> {
    let programs = fs::read_dir("/usr/sbin").ok()?.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = programs
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("php-fpm")))
        .collect();
    found.sort();
    found.pop()
}
