//! A machine with nginx and the Web Management Service, and a browser.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use browser::{Browser, Page, Theme};
use rustix::process::{Pid, Signal, kill_process};
use telarch_peers::{own_program, telarch};
use tempfile::TempDir;

/// The administrator, whose password is [`PASSWORD`].
pub(crate) const ADMINISTRATOR: &str = "ada";
/// A user without rights until they are granted, with the same password.
pub(crate) const DELEGATED: &str = "ben";
pub(crate) const PASSWORD: &str = "correct horse";

/// An nginx with the site `shop.example`, the service, and a browser.
pub(crate) struct Machine {
    // The browser and the service end before the web server and the directory.
    browser: Browser,
    service: Service,
    pub(crate) nginx: Nginx,
}

impl Machine {
    /// Starts everything; `None`, with a record of the skipped test, without nginx or Chromium.
    fn start_with(start: impl FnOnce(&Nginx) -> Service) -> Option<Self> {
        let Some(chromium) = Browser::installed() else {
            skips::skip!("chromium is not installed");
            return None;
        };
        let Some(program) = nginx_program() else {
            skips::skip!("nginx is not installed");
            return None;
        };
        let nginx = Nginx::start(&program);
        let service = start(&nginx);
        Some(Self { browser: Browser::start(&chromium), service, nginx })
    }

    /// Starts everything as usual.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|nginx| Service::start(nginx, None))
    }

    /// Starts everything with terminals.
    pub(crate) fn start_with_terminals() -> Option<Self> {
        Self::start_with(|nginx| Service::start_with(nginx, None, &["--terminal"]))
    }

    /// Starts everything with terminals that end after ten seconds without input.
    pub(crate) fn start_with_idle_limit() -> Option<Self> {
        Self::start_with(|nginx| Service::start_with(nginx, None, &["--terminal", "--terminal-idle", "10"]))
    }

    /// Starts everything beside the WS-Management service with a state directory.
    pub(crate) fn start_beside(state: &Path) -> Option<Self> {
        Self::start_with(|nginx| Service::start(nginx, Some(state)))
    }

    /// Starts everything with a service that is not ephemeral: as root, the two processes of a machine's service. Its
    /// directory is `state` of [`Nginx::root`]; `prepare` can write files there.
    pub(crate) fn start_stored(prepare: impl FnOnce(&Path)) -> Option<Self> {
        Self::start_with(|nginx| {
            let state = nginx.root().join("state");
            fs::create_dir(&state).expect("a directory");
            fs::set_permissions(&state, Permissions::from_mode(0o700)).expect("its mode");
            prepare(&state);
            Service::start_stored(nginx, &state)
        })
    }

    /// Opens a page of a browser that has never been here.
    pub(crate) fn open(&self, path: &str) -> Page {
        let page = self.browser.page(Theme::Light, 1_280);
        self.go(&page, path);
        page
    }

    /// Loads a path in a page.
    pub(crate) fn go(&self, page: &Page, path: &str) {
        page.open(&format!("{}{path}", self.service.url));
    }

    /// Opens a page and signs a user in.
    pub(crate) fn signed_in(&self, user: &str, path: &str) -> Page {
        let page = self.open(path);
        sign_in(&page, user, PASSWORD);
        page.wait_for_button("Sign out");
        page
    }

    /// Returns the identifier of the site `shop.example`.
    pub(crate) fn shop(&self, page: &Page) -> String {
        let sites = page.evaluate("fetch('/api/v1/web/sites').then((response) => response.json())");
        sites["sites"][0]["id"].as_str().expect("the site").to_owned()
    }
}

/// Fills in the form of the sign-in page, and sends it.
pub(crate) fn sign_in(page: &Page, user: &str, password: &str) {
    page.fill("User name", user);
    page.fill("Password", password);
    page.click_button("Sign in");
}

/// Confirms the preview that is shown, and waits for the result.
pub(crate) fn apply(page: &Page) {
    page.wait_for_text("The validator of the web server accepts the new files.");
    page.click_button("Apply");
    page.wait_until(
        "!document.querySelector('dialog') && document.body.innerText.includes('the web server uses the new files')",
    );
}

/// Returns the installed nginx.
pub(crate) fn nginx_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("nginx")).find(|program| program.is_file())
}

/// Returns a command that starts a program. The program ends with the test, also if the test is killed.
fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

/// Ends a program and waits for its end.
fn end(child: &mut Child) {
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    let _ = child.wait();
}

/// A running nginx.
pub(crate) struct Nginx {
    child: Child,
    folder: TempDir,
    /// Port of the site `shop.example`.
    pub(crate) port: u16,
}

impl Nginx {
    fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        // nginx inherits the socket, so that the port cannot be taken meanwhile, and requests wait for the start.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        write_configuration(folder.path(), port);
        let nginx = Self::run(program, folder, listener);
        assert!(Self::get(port, "/").ends_with("the shop"), "nginx does not start");
        nginx
    }

    /// Starts nginx with the `nginx.conf` of a folder, which listens on the address of `listener`. Connections wait for
    /// the start.
    pub(crate) fn run(program: &Path, folder: TempDir, listener: TcpListener) -> Self {
        let port = listener.local_addr().expect("its address").port();
        fs::create_dir_all(folder.path().join("logs")).expect("a directory");
        let mut command = tied(Path::new("sh"));
        command.args(["-c", "exec \"$@\" 3<&0 </dev/null", "sh"]).arg(program).env("NGINX", "3;");
        command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
        command.arg("-e").arg(folder.path().join("logs/error.log")).args(["-g", "daemon off;"]);
        let child = command.stdin(OwnedFd::from(listener)).spawn().expect("setpriv");
        Self { child, folder, port }
    }

    /// Returns the directory with `nginx.conf`, `sites`, `shop` and `blog`.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the complete response to a request for a page.
    pub(crate) fn get(port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a limit");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: shop.example\r\n\r\n").expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("a response");
        text
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn write_configuration(root: &Path, port: u16) {
    for name in ["sites", "logs", "temp", "shop", "blog"] {
        fs::create_dir(root.join(name)).expect("a directory");
    }
    for site in ["shop", "blog"] {
        fs::write(root.join(site).join("index.html"), format!("the {site}")).expect("a page");
    }
    let at = root.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {at}/temp/{kind};\n"))
        .concat();
    // Workers of an nginx that root starts are another user, who cannot read the directory.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let main = format!(
        "{user}pid {at}/nginx.pid;\nerror_log {at}/logs/error.log;\nevents {{}}\nhttp {{\n    access_log \
         {at}/logs/access.log;\n{temporary}    include sites/*.conf;\n}}\n"
    );
    fs::write(root.join("nginx.conf"), main).expect("a file");
    let site = format!(
        "# The shop.\nserver {{\n    listen 127.0.0.1:{port};\n    server_name shop.example;\n    root \
         {at}/shop;\n    error_page 404 /404.html;\n    allow 127.0.0.1;\n    deny all;\n}}\n"
    );
    fs::write(root.join("sites/shop.conf"), site).expect("a file");
}

/// The running service. Dropping it ends it.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    /// Starts the service, which deletes its state at the end. `state` is the directory of a WS-Management service.
    fn start(nginx: &Nginx, state: Option<&Path>) -> Self {
        Self::start_with(nginx, state, &[])
    }

    fn start_with(nginx: &Nginx, state: Option<&Path>, options: &[&str]) -> Self {
        let accounts = nginx.root().join("accounts");
        fs::write(&accounts, format!("{ADMINISTRATOR}:{PASSWORD}\n{DELEGATED}:{PASSWORD}\n"))
            .expect("a file");
        fs::set_permissions(&accounts, Permissions::from_mode(0o600)).expect("its mode");
        let mut command = tied(&own_program("telarch"));
        command.args(["mgmt", "serve", "--ephemeral", "--accounts"]).arg(&accounts).args(options);
        if let Some(state) = state {
            command.arg("--directory").arg(state);
        }
        Self::run(command, nginx)
    }

    /// Starts the service of a machine or user with a directory.
    fn start_stored(nginx: &Nginx, state: &Path) -> Self {
        let directory = state.display().to_string();
        let add =
            ["mgmt", "users", "add", ADMINISTRATOR, "--directory", directory.as_str(), "--password-stdin"];
        let added = telarch(&add, &format!("{PASSWORD}\n"));
        assert_eq!(added.code, 0, "{added:?}");
        let mut command = tied(&own_program("telarch"));
        command.args(["mgmt", "serve", "--directory"]).arg(state);
        if rustix::process::geteuid().is_root() {
            command.args(["--web-user", "nobody"]);
        }
        Self::run(command, nginx)
    }

    fn run(mut command: Command, nginx: &Nginx) -> Self {
        command.args(["--listen", "127.0.0.1:0", "--nginx"]).arg(nginx.root()).env("TELARCH_LOG", "info");
        let mut child = command.stderr(Stdio::piped()).spawn().expect("telarch");
        // The line says that connections are accepted.
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut lines = String::new();
        while !lines.contains("Listening") {
            let read = log.read_line(&mut lines).expect("a log");
            assert!(read > 0, "the service does not start: {lines}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let (_, rest) = lines.split_once("https://").unwrap_or_else(|| panic!("a URL in {lines}"));
        let end = rest.find(|one: char| !one.is_ascii_digit() && !".:".contains(one));
        Self { child, url: format!("https://{}", &rest[..end.unwrap_or(rest.len())]) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
