//! Terminals of accounts, over a WebSocket that the test writes itself.

use std::io::{Read as _, Write as _};
use std::process::{ChildStdin, ChildStdout};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::*;

/// A WebSocket over `openssl s_client`.
struct Socket {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    received: Vec<u8>,
}

impl Socket {
    /// Opens a terminal; `None` without openssl.
    fn open(service: &Service, session: &Session, ticket: &str) -> Option<Self> {
        let host = service.url.strip_prefix("https://").unwrap();
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-connect", host]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            skips::skip!("openssl is not installed");
            return None;
        };
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut socket = Self { child, input, output, received: Vec::new() };
        let jar = fs::read_to_string(&session.jar).unwrap();
        let cookie = jar.lines().find_map(|line| line.split_once("__Host-telarch\t")).unwrap().1;
        let head = format!(
            "GET /api/v1/terminals/socket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: \
             websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: telarch.terminal, {ticket}\r\nOrigin: https://{host}\r\nCookie: \
             __Host-telarch={cookie}\r\n\r\n"
        );
        socket.input.write_all(head.as_bytes()).unwrap();
        Some(socket)
    }

    /// Sends a binary message, masked with zeros.
    fn send(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        let head = [0x82, 0xFE, length[0], length[1], 0, 0, 0, 0];
        self.input.write_all(&[&head, text.as_bytes()].concat()).unwrap();
    }

    /// Returns the text between two words, which the received messages contain in one piece.
    fn value(&mut self, begin: &str, end: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.received).into_owned();
            let found = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
            if let Some((value, _)) = found {
                return value.to_owned();
            }
            let mut buffer = [0; 4_096];
            let read = self.output.read(&mut buffer).unwrap();
            assert!(read > 0, "the connection has ended: {text}");
            self.received.extend_from_slice(&buffer[..read]);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_account_has_a_shell_of_its_own_that_ends_with_the_connection() {
    let pam = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n\
               session required pam_exec.so quiet /bin/sh FOLDER/session\n";
    let Some(service) = Service::start("EnableTerminals = true\n", pam) else { return };
    let Some(user) = SystemUser::create("correct horse", "/bin/sh") else { return };
    let name = &user.0;
    assert!(
        Command::new("usermod").args(["--append", "--groups", "games", name]).status().unwrap().success()
    );
    let sessions = service.path("sessions");
    let script = format!("echo $PAM_TYPE $PAM_USER $PAM_RHOST >> {}\n", sessions.display());
    fs::write(service.path("pam/session"), script).unwrap();

    // An administrator has no terminal either before the permission was given.
    let session = service.sign_in(name, "correct horse").expect("an administrator");
    let (status, refused) = service.send("POST", "/terminals", Some(&session), None);
    assert_eq!((status, &refused["type"]), (403, &json!("urn:telarch:problem:forbidden")), "{refused}");
    let grant = json!({ "user": format!(".\\{name}"), "scope": "terminal" });
    assert_eq!(service.send("POST", "/management/permissions", Some(&session), Some(&grant)).0, 204);
    let (status, created) = service.send("POST", "/terminals", Some(&session), None);
    assert_eq!(status, 201, "{created}");
    let Some(mut socket) = Socket::open(&service, &session, created["ticket"].as_str().unwrap()) else {
        return;
    };
    assert!(socket.value("HTTP/1.1 ", "\r\n").starts_with("101"), "{}", service.log());
    // The terminal echoes the line, in which the words are divided.
    socket.send(
        "echo \"<us\"\"er>$(id -un)<groups>$(id -Gn)<tty>$(tty)<owner>$(stat -c %U $(tty))<env>$HOME,$SHELL,$TERM\
         <umask>$(umask)<end>\"\n",
    );
    let found = socket.value("<user>", "<end>");
    let of = |from: &str, to: &str| {
        let (_, rest) = found.split_once(from).unwrap();
        rest.split(to).next().unwrap().to_owned()
    };
    assert!(found.starts_with(&format!("{name}<")), "{found}");
    assert!(of("<groups>", "<").split(' ').any(|group| group == "games"), "{found}");
    assert!(of("<tty>", "<").starts_with("/dev/pts/"), "{found}");
    assert_eq!(of("<owner>", "<"), *name);
    assert_eq!(of("<env>", "<"), format!("/home/{name},/bin/sh,xterm-256color"));
    assert!(found.ends_with("<umask>0022"), "{found}");

    // The end of the connection ends a process in a session of its own, too.
    socket.send("trap '' HUP; setsid sh -c 'echo \"<chi\"\"ld>$$<end>\"; exec sleep 1000' &\n");
    let child: i32 = socket.value("<child>", "<end>").parse().unwrap();
    let process = pidfd_open(Pid::from_raw(child).unwrap(), PidfdFlags::empty()).unwrap();
    drop(socket);
    poll(&mut [PollFd::new(&process, PollFlags::IN)], None).unwrap();
    let audit = || fs::read_to_string(service.path("state/management-audit.jsonl")).unwrap();
    while !audit().contains("\"END\"") {
        std::thread::sleep(Duration::from_millis(50));
    }
    for action in ["\"START\"", "\"END\""] {
        let text = audit();
        let line = text.lines().find(|line| line.contains(action)).unwrap();
        assert!(line.contains(&format!(".\\\\{name}")) && line.contains("127.0.0.1"), "{line}");
    }
    let text = fs::read_to_string(sessions).unwrap();
    assert_eq!(text, format!("open_session {name} 127.0.0.1\nclose_session {name} 127.0.0.1\n"));
}
