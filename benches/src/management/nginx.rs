//! An nginx with made-up sites, as this user and on the loopback interface.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;

/// Response header that the measurement changes.
pub(super) const HEADER: &str = "X-Bench";

/// A running nginx; dropping it ends the process.
pub(super) struct Nginx {
    folder: TempDir,
    program: PathBuf,
    address: SocketAddr,
}

impl Nginx {
    /// Starts nginx with this number of sites.
    pub(super) fn start(sites: usize) -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/sbin")])
            .map(|folder| folder.join("nginx"))
            .find(|program| program.is_file())
            .ok_or("nginx is not installed")?;
        let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
        let root = folder.path();
        for name in ["sites", "logs", "temp", "content"] {
            fs::create_dir(root.join(name))?;
        }
        fs::write(root.join("content/index.html"), "content")?;
        fs::write(root.join("nginx.conf"), main_file(root)?)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        for number in 0..sites {
            fs::write(root.join(format!("sites/{number}.conf")), site(root, address, number))?;
        }
        let nginx = Self { folder, program, address };
        nginx.run(&[])?;
        Ok(nginx)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn access_log(&self) -> PathBuf {
        self.folder.path().join("logs/access.log")
    }

    /// Changes the header of the first site without the service, and returns the seconds until nginx sends it.
    pub(super) fn change(&self, value: &str) -> Result<f64> {
        let file = self.folder.path().join("sites/0.conf");
        let text = fs::read_to_string(&file)?;
        let mut changed: String =
            text.lines().filter(|line| !line.contains(HEADER)).map(|line| format!("{line}\n")).collect();
        let end = changed.rfind('}').ok_or("the file of the site has no end")?;
        changed.insert_str(end, &format!("add_header {HEADER} {value};\n"));
        let begin = Instant::now();
        fs::write(&file, changed)?;
        self.run(&["-t", "-q"])?;
        self.run(&["-s", "reload"])?;
        while self.header()?.as_deref() != Some(value) {
            if begin.elapsed() > PATIENCE {
                return Err("nginx did not use the new configuration".into());
            }
        }
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Requests the first site and returns the value of the header.
    pub(super) fn header(&self) -> Result<Option<String>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.0\r\nHost: site0.example\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let lines = answer.lines().take_while(|line| !line.is_empty());
        let mut fields = lines.filter_map(|line| line.split_once(": "));
        Ok(fields.find(|(name, _)| name.eq_ignore_ascii_case(HEADER)).map(|(_, value)| value.to_owned()))
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let root = self.folder.path();
        let mut command = Command::new(&self.program);
        command.arg("-p").arg(root).arg("-c").arg(root.join("nginx.conf"));
        command.arg("-e").arg(root.join("logs/error.log")).args(arguments);
        // The service inherits nothing from this process, so that no pipe stays open.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(format!("nginx {arguments:?} ended with {status}").into()) }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.run(&["-s", "stop"]);
    }
}

fn main_file(root: &Path) -> Result<String> {
    let at = root.display();
    // Workers of an nginx that root starts are another user, who may not read the directory.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let mut text = format!(
        "{user}pid {at}/nginx.pid;\nerror_log {at}/logs/error.log;\nevents {{}}\nhttp {{\naccess_log {at}/logs/access.log;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "{kind}_temp_path {at}/temp/{kind};")?;
    }
    text.push_str("include sites/*.conf;\n}\n");
    Ok(text)
}

fn site(root: &Path, address: SocketAddr, number: usize) -> String {
    format!(
        "# A made-up site.\nserver {{\n    listen {address};\n    server_name site{number}.example;\n    root \
         {}/content;\n}}\n",
        root.display()
    )
}

/// Time after which nginx counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);
