//! The Web Management Service as root: two processes, curl as the client, Debian's nginx, and PAM with real modules.

mod terminal;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::telarch;

/// A service with its directory, a PAM service and an nginx configuration.
struct Service {
    folder: TempDir,
    child: Child,
    url: String,
}

/// A script decides who may sign in: PAM passes it the password.
const JUDGE: &str = "read_all=$(tr '\\000' '\\n')\n\
    case \"$PAM_USER:$read_all\" in games:right|mail:other) exit 0;; *) exit 1;; esac\n";

/// PAM service with the script.
const BY_SCRIPT: &str =
    "auth required pam_exec.so quiet expose_authtok /bin/sh FOLDER/judge\naccount required pam_permit.so\n";

impl Service {
    /// Starts the service; `None` without root, curl, nginx or the modules of PAM.
    fn start(settings: &str, pam: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skips::skip!("the service of a machine requires root");
            return None;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into()]).collect();
        for program in ["curl", "nginx"] {
            if !folders.iter().any(|folder| folder.join(program).is_file()) {
                skips::skip!("{program} is not installed");
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_owned();
        // The web process and nginx, as other users, must not need the directory.
        fs::set_permissions(&at, fs::Permissions::from_mode(0o700)).unwrap();
        for name in ["state", "pam", "nginx/sites", "outside", "shop"] {
            fs::create_dir_all(at.join(name)).unwrap();
        }
        fs::write(at.join("pam/judge"), JUDGE).unwrap();
        let pam = pam.replace("FOLDER", &at.join("pam").display().to_string());
        fs::write(at.join("pam/winrm"), pam).unwrap();
        write_nginx(&at);
        fs::write(at.join("state/management.toml"), format!("AdministratorGroups = \"games\"\n{settings}"))
            .unwrap();
        fs::set_permissions(at.join("state/management.toml"), fs::Permissions::from_mode(0o600)).unwrap();
        let ready = at.join("ready");
        let mut command = telarch(&["mgmt", "serve", "--web-user", "nobody", "--listen", "127.0.0.1:0"]);
        for (option, value) in
            [("--directory", "state"), ("--nginx", "nginx"), ("--pam", "pam"), ("--ready", "ready")]
        {
            command.arg(option).arg(at.join(value));
        }
        let log = fs::File::create(at.join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut service = Self { folder, child, url: String::new() };
        while !ready.exists() {
            let ended = service.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", service.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        let ready: Value = serde_json::from_str(&fs::read_to_string(ready).unwrap()).unwrap();
        service.url = ready["url"].as_str().unwrap().to_owned();
        Some(service)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Returns the process ID of the web process.
    fn web_process(&self) -> u32 {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        // The children of all threads.
        let tasks = fs::read_dir(format!("/proc/{own}/task")).unwrap();
        let all = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
        let all: String = all.chain([children]).collect();
        let is_web = |pid: &&str| {
            fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.contains("--management-web-process"))
        };
        all.split_whitespace().find(is_web).expect("a web process").parse().unwrap()
    }

    /// Sends a request with curl; returns status and body.
    fn send(
        &self,
        method: &str,
        path: &str,
        session: Option<&Session>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut curl = Command::new("curl");
        curl.args(["-sk", "-X", method, "-w", "\n%{http_code}", "-H", "Sec-Fetch-Site: same-origin"]);
        if let Some(session) = session {
            curl.arg("-b").arg(&session.jar).arg("-c").arg(&session.jar);
            curl.arg("-H").arg(format!("X-CSRF-Token: {}", session.secret));
            curl.arg("-H").arg(format!("If-Match: {}", session.revision));
        }
        if let Some(body) = body {
            curl.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let output = curl.arg(format!("{}/api/v1{path}", self.url)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }

    fn sign_in(&self, name: &str, password: &str) -> Result<Session, u16> {
        static JARS: AtomicUsize = AtomicUsize::new(0);
        let jar = self.path(&format!("jar-{}", JARS.fetch_add(1, Ordering::Relaxed)));
        let session = Session { jar, secret: String::new(), revision: String::new() };
        let body = json!({ "username": name, "password": password });
        let (status, body) = self.send("POST", "/session", Some(&session), Some(&body));
        if status == 201 {
            Ok(Session { secret: body["csrf_token"].as_str().unwrap().to_owned(), ..session })
        } else {
            Err(status)
        }
    }

    /// Reads the revision of the configuration, on which the next change is based.
    fn read_revision(&self, session: &mut Session) -> Value {
        let (status, sites) = self.send("GET", "/web/sites", Some(session), None);
        assert_eq!(status, 200, "{sites} {}", self.log());
        session.revision = format!("\"{}\"", sites["revision"].as_str().unwrap());
        sites
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

struct Session {
    jar: PathBuf,
    secret: String,
    revision: String,
}

/// Writes a configuration with one site; nginx does not run.
fn write_nginx(at: &Path) {
    let shown = at.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {shown}/nginx/{kind};\n"))
        .concat();
    let main = format!(
        "pid {shown}/nginx.pid;\nerror_log {shown}/error.log;\nevents {{}}\nhttp {{\n    access_log {shown}/access.log;\n{temporary}    \
         include sites/*.conf;\n}}\n"
    );
    fs::write(at.join("nginx/nginx.conf"), main).unwrap();
    fs::write(at.join("nginx/sites/shop.conf"), site(at)).unwrap();
}

fn site(at: &Path) -> String {
    format!(
        "server {{\n    # telarch-site: shop\n    listen 127.0.0.1:8080;\n    root {}/shop;\n}}\n",
        at.display()
    )
}

const DOCUMENTS: &str = "/web/sites/shop/features/default-documents";

fn documents(name: &str) -> Value {
    json!({ "feature": "default-documents", "files": [name] })
}

#[test]
fn accounts_of_the_system_administer_nginx_through_an_unprivileged_web_process() {
    let Some(service) = Service::start("", BY_SCRIPT) else { return };
    // The web process: its own user, no capability, a filter of system calls.
    let status = fs::read_to_string(format!("/proc/{}/status", service.web_process())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').trim().to_owned()
    };
    let nobody = fs::metadata("/proc/self").map(|_| "65534").unwrap();
    assert!(field("Uid").split_whitespace().all(|uid| uid == nobody), "{status}");
    assert_eq!(field("CapEff").trim_matches('0'), "");
    assert_eq!((field("Seccomp"), field("NoNewPrivs")), ("2".to_owned(), "1".to_owned()));
    assert_eq!(field("Groups"), "");

    // A member of the administrators' group, and an account with delegated permissions only.
    let mut games = service.sign_in("games", "right").expect("an administrator");
    let (_, session) = service.send("GET", "/session", Some(&games), None);
    assert_eq!((&session["role"], &session["username"]), (&json!("administrator"), &json!(".\\games")));
    let mut mail = service.sign_in(".\\mail", "other").expect("a user");
    assert_eq!(service.send("GET", "/management/users", Some(&mail), None).0, 403);
    assert_eq!(service.read_revision(&mut mail)["sites"], json!([]));
    assert_eq!(service.send("PUT", DOCUMENTS, Some(&mail), Some(&documents("a.html"))).0, 404);
    let grant = json!({ "user": ".\\mail", "scope": "/shop" });
    let granted = service.send("POST", "/management/permissions", Some(&games), Some(&grant));
    assert_eq!(granted.0, 204, "{granted:?}");
    service.read_revision(&mut mail);
    let (status, set) = service.send("PUT", DOCUMENTS, Some(&mail), Some(&documents("a.html")));
    assert_eq!(status, 200, "{set} {}", service.log());
    assert_eq!(set["commit"]["author"], ".\\mail");
    let text = fs::read_to_string(service.path("nginx/sites/shop.conf")).unwrap();
    assert!(text.contains("index a.html;"), "{text}");
    service.read_revision(&mut mail);
    assert_eq!(service.send("PUT", "/web/sites/shop", Some(&mail), None).0, 405);
    assert_eq!(service.send("DELETE", "/web/sites/shop", Some(&mail), None).0, 403);

    // A log that the configuration does not name, and a link of another user in place of one that it names.
    assert_eq!(service.send("GET", "/web/logs/lines?path=/etc/shadow", Some(&games), None).0, 404);
    let log = service.path("access.log");
    let lines = format!("/web/logs/lines?path={}", log.display());
    symlink("/etc/shadow", &log).unwrap();
    rustix::fs::chownat(
        rustix::fs::CWD,
        &log,
        Some(rustix::fs::Uid::from_raw(65_534)),
        None,
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .unwrap();
    let (status, body) = service.send("GET", &lines, Some(&games), None);
    assert!(status >= 400 && !body.to_string().contains("root:"), "{status} {body}");

    // A site whose file was replaced by a link to a file outside the configuration.
    service.read_revision(&mut games);
    let outside = service.path("outside/shop.conf");
    fs::rename(service.path("nginx/sites/shop.conf"), &outside).unwrap();
    symlink(&outside, service.path("nginx/sites/shop.conf")).unwrap();
    let before = fs::read_to_string(&outside).unwrap();
    service.read_revision(&mut games);
    let (status, refused) = service.send("PUT", DOCUMENTS, Some(&games), Some(&documents("b.html")));
    assert_eq!((status, &refused["type"]), (403, &json!("urn:telarch:problem:forbidden")), "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("outside"), "{refused}");
    assert_eq!(fs::read_to_string(&outside).unwrap(), before);
    let audit = fs::read_to_string(service.path("state/management-audit.jsonl")).unwrap();
    assert!(audit.lines().any(|line| line.contains("\"denied\"") && line.contains(".\\\\games")), "{audit}");

    // Files of the service belong to root; the request log is written by the privileged process.
    let logs: Vec<_> = fs::read_dir(service.path("state/wmsvc")).unwrap().collect();
    assert_eq!(logs.len(), 1);
    assert_eq!(fs::metadata(service.path("state/wmsvc")).unwrap().uid(), 0);

    // A killed web process is replaced, and sessions go on.
    let web = service.web_process();
    let pid = rustix::process::Pid::from_raw(web.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    loop {
        // The listener stays open, so a connection waits for the next process.
        if service.send("GET", "/session", Some(&games), None).0 == 200 {
            break;
        }
    }
    assert_ne!(service.web_process(), web);
}

#[test]
fn failures_lock_an_account_of_the_system_whatever_its_spelling() {
    let Some(service) = Service::start("RequiresWindowsCredentials = true\n", BY_SCRIPT) else { return };
    let mut added = telarch(&["mgmt", "users", "add", "games", "--password-stdin", "--directory"]);
    let added = super::run(added.arg(service.path("state")), "manager password\n");
    assert_eq!(added.code, 0, "{}", added.errors);
    // A manager user of the same name is refused.
    assert_eq!(service.sign_in("games", "manager password").err(), Some(401));
    for name in ["games", ".\\games", "games", "games"] {
        assert_eq!(service.sign_in(name, "wrong").err(), Some(401));
    }
    assert_eq!(service.sign_in(".\\games", "right").err(), Some(429));
    assert!(service.sign_in("mail", "other").is_ok(), "another account");
}

#[test]
fn staged_settings_are_applied_and_confirmed_by_the_same_session() {
    let Some(service) = Service::start("", BY_SCRIPT) else { return };
    let games = service.sign_in("games", "right").expect("an administrator");
    let send = |method: &str, path: &str, body: Option<&Value>| {
        service.send(method, &format!("/management/service{path}"), Some(&games), body)
    };
    assert_eq!(send("PATCH", "", Some(&json!({}))).0, 409);
    assert_eq!(send("POST", "/actions/apply", None).0, 409, "nothing is staged");
    let invalid = json!({ "settings": { "Port": 0 } });
    assert_eq!(send("PUT", "/staged", Some(&invalid)).0, 400);
    let staged =
        json!({ "settings": { "EnableLogging": false, "RemoteRestrictions": "deny, allow 10.0.0.0/8" } });
    let (status, state) = send("PUT", "/staged", Some(&staged));
    assert_eq!((status, &state["staged"]["EnableLogging"]), (200, &json!(false)), "{state}");
    assert_eq!(send("POST", "/actions/confirm", None).0, 409, "nothing is applied");
    assert_eq!(send("POST", "/actions/apply", None).0, 202);
    // The session goes on in the new process; until it has started, requests fail or wait.
    let state = loop {
        let (status, state) = send("GET", "/staged", None);
        if status == 200 && state["confirm_within_seconds"].is_u64() {
            break state;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(state["in_force"]["EnableLogging"], json!(false));
    let file = || fs::read_to_string(service.path("state/management.toml")).unwrap();
    assert!(!file().contains("EnableLogging"), "nothing is stored before the confirmation");
    let other = service.sign_in("games", "right").expect("another session");
    let refused = service.send("POST", "/management/service/actions/confirm", Some(&other), None);
    assert_eq!(refused.0, 409, "{refused:?}");
    let (status, state) = send("POST", "/actions/confirm", None);
    assert_eq!((status, &state["confirm_within_seconds"]), (200, &Value::Null), "{state}");
    assert!(file().contains("EnableLogging = false"), "{}", file());
    assert!(service.log().contains("Applied staged settings"), "{}", service.log());
}

/// An account of this machine with a password; it is deleted on drop.
struct SystemUser(String);

impl SystemUser {
    /// Creates the account; `None` without the programs.
    fn create(password: &str, shell: &str) -> Option<Self> {
        let name = format!("telweb{}", std::process::id());
        let created = Command::new("useradd").args(["--no-create-home", "--shell", shell, &name]).status();
        if !created.is_ok_and(|status| status.success()) {
            skips::skip!("useradd is not installed");
            return None;
        }
        let user = Self(name);
        let set = super::run(&mut Command::new("chpasswd"), &format!("{}:{password}\n", user.0));
        assert_eq!(set.code, 0, "{}", set.errors);
        Some(user)
    }
}

impl Drop for SystemUser {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).status();
    }
}

#[test]
fn a_password_of_the_system_signs_in_until_its_account_expires() {
    let pam = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n";
    let Some(service) = Service::start("", pam) else { return };
    let Some(user) = SystemUser::create("correct horse", "/usr/sbin/nologin") else { return };
    assert_eq!(service.sign_in(&user.0, "wrong").err(), Some(401));
    assert_eq!(service.sign_in(&user.0, "").err(), Some(401));
    let session = service.sign_in(&user.0, "correct horse").expect("a user");
    let (status, shown) = service.send("GET", "/session", Some(&session), None);
    assert_eq!((status, &shown["role"]), (200, &json!("delegated")), "{shown}");
    let expired = Command::new("usermod").args(["--expiredate", "1", &user.0]).status().unwrap();
    assert!(expired.success());
    assert_eq!(service.sign_in(&user.0, "correct horse").err(), Some(401));
    // The check of an account is repeated after five seconds.
    while service.send("GET", "/session", Some(&session), None).0 == 200 {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(service.send("GET", "/session", Some(&session), None).0, 401);
}
