//! The browser's process.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::connection::Connection;
use crate::page::Page;

/// Color theme that the user prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// A browser with a profile of its own. It ends when it is dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    connection: Rc<RefCell<Connection>>,
    _profile: TempDir,
}

impl Browser {
    /// Returns the path of Chromium, if it is installed.
    #[must_use]
    pub fn installed() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|program| program.is_file())
    }

    /// Starts the browser.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a directory for the profile");
        // Chromium reads commands from descriptor 3 and writes messages to descriptor 4.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"]).arg(program);
        command.args(ARGUMENTS).arg(format!("--user-data-dir={}", profile.path().display()));
        if rustix::process::geteuid().is_root() {
            // The sandbox requires an ordinary user.
            command.arg("--no-sandbox");
        }
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(name, profile.path());
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell that starts");
        let connection =
            Connection::new(child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let browser = Self { child, connection: Rc::new(RefCell::new(connection)), _profile: profile };
        browser.call("Browser.getVersion", &json!({}));
        browser
    }

    /// Opens a page with cookies and a storage of its own.
    ///
    /// # Panics
    /// If the browser refuses.
    #[must_use]
    pub fn page(&self, theme: Theme, width: u32) -> Page {
        let context = self.call("Target.createBrowserContext", &json!({}))["browserContextId"].clone();
        let target =
            self.call("Target.createTarget", &json!({ "url": "about:blank", "browserContextId": context }));
        let parameters = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", &parameters);
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        Page::new(Rc::clone(&self.connection), session, context, theme, width)
    }

    fn call(&self, method: &str, parameters: &Value) -> Value {
        let result = self.connection.borrow_mut().call(None, method, parameters);
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends its other processes first. It is killed if it does not answer.
        let closed = self.connection.try_borrow_mut().is_ok_and(|mut connection| {
            !std::thread::panicking() && connection.call(None, "Browser.close", &json!({})).is_ok()
        });
        if !closed {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

const ARGUMENTS: [&str; 15] = [
    "--headless=new",
    "--remote-debugging-pipe",
    // Names and roles of elements as assistive technology sees them.
    "--enable-blink-features=ComputedAccessibilityInfo",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    // Tests use the loopback device only.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-crash-reporter",
    // Shared memory of containers is small.
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--lang=en-US",
];
