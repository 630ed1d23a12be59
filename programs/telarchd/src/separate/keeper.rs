//! The process that keeps the session of a user: opens it, starts the host in it, and closes it after the host.
//!
//! It is root's, as modules of PAM need it. The host may ask it for the control groups of its shells, and for nothing
//! else; because it works for one user, whoever keeps it busy delays only their own shells.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::time::Duration;

use accounts::{Pam, UnixUsers};
use broker::{GroupAnswer, GroupRequest, HostReport, HostSession, Link, Variables};
use plugin_shell::ControlGroup;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{HOST, given_socket, this_program, user};
use crate::begin_log;
use crate::persistent::PAM_SERVICE;

/// Opens a session for a user, starts the host in it, and closes the session after the host (pam_open_session(3)).
/// `group` is the folder of the user's control group; empty if there is none.
pub(super) fn keep(name: &str, state: &str, group: &str) -> Result<ExitCode, Box<dyn Error>> {
    let link = Link::from_inherited(given_socket()?)?;
    begin_log(None);
    let keeper = Keeper { name, state, group: Some(Path::new(group)).filter(|_| !group.is_empty()), link };
    let outcome = keeper.keep();
    if let Err(error) = &outcome {
        let reason = error.to_string();
        tracing::error!(account = name, error = reason, "No session");
        let _ = keeper.link.send(&HostReport::StartFailed(reason).encode(), &[]);
    }
    Ok(outcome.unwrap_or(ExitCode::FAILURE))
}

struct Keeper<'a> {
    name: &'a str,
    state: &'a str,
    /// The folder of the user's control group.
    group: Option<&'a Path>,
    /// To the broker, until the host has it.
    link: Link,
}

impl Keeper<'_> {
    fn keep(&self) -> Result<ExitCode, Box<dyn Error>> {
        let users = UnixUsers::of_this_machine();
        let numbers = user::find(&users, self.name)?.ok_or("there is no such user")?;
        rustix::process::setsid()?;
        user::take_groups(&numbers.groups)?;
        let before = ControlGroup::current();
        let run = |variables: Vec<(String, String)>| {
            let (variables, dropped) = Variables::from_session(variables);
            if dropped > 0 {
                tracing::warn!(
                    account = self.name,
                    dropped,
                    "Variables that PAM has set are not for commands: they change how programs are loaded, or are too many"
                );
            }
            // A module has put the session into a group of its own, whose limits hold then.
            let group = self.group.filter(|_| ControlGroup::current() == before);
            self.host(&numbers, variables, group)
        };
        match Pam::load(PAM_SERVICE) {
            Ok(pam) => pam.in_session(self.name, IpAddr::V4(Ipv4Addr::LOCALHOST), run)?,
            Err(error) => {
                tracing::debug!(%error, "There is no PAM, and no session");
                run(Vec::new())
            }
        }
    }

    /// Starts the host and waits for its end.
    fn host(
        &self,
        numbers: &user::Numbers,
        variables: Variables,
        group: Option<&Path>,
    ) -> Result<ExitCode, Box<dyn Error>> {
        let (ours, theirs) = Link::pair()?;
        let mut command = this_program(&format!("telarchd: host of {}", self.name), &[]);
        command.arg(HOST).arg(numbers.uid.to_string()).arg(numbers.gid.to_string()).arg(self.state);
        command.stdin(Stdio::from(self.link.try_clone()?)).stdout(OwnedFd::from(theirs)).current_dir("/");
        let mut child = command.spawn()?;
        drop(command);
        let mut groups = group.and_then(|group| Groups::around(group, &child));
        self.report(&child)?;
        let session = HostSession { variables, has_groups: groups.is_some() };
        // A host that does not read holds up nothing but its own shells.
        if ours.send(&session.encode(), &[]).is_ok() {
            serve(&ours, groups.as_mut());
        }
        ours.close();
        let status = child.wait()?;
        drop(groups);
        if !status.success() {
            tracing::debug!(account = self.name, %status, "The host has ended");
        }
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Gives the broker the process of the host, which its user could stop from now on.
    fn report(&self, child: &Child) -> io::Result<()> {
        let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok();
        let descriptors: Vec<_> = process.iter().map(OwnedFd::as_fd).collect();
        self.link.send(&HostReport::Opened.encode(), &descriptors)
    }
}

/// Answers the requests of the host until it ends, or says what no host says.
fn serve(link: &Link, mut groups: Option<&mut Groups>) {
    while let Ok(Some(frame)) = link.receive_limited(GroupRequest::MAX_LENGTH) {
        let Ok(request) = GroupRequest::decode(&frame.message) else {
            tracing::warn!("A host sent an unknown request for a control group");
            return;
        };
        let answer = match &mut groups {
            Some(groups) => groups.answer(request),
            None => GroupAnswer::Failed("this user has no control groups".to_owned()),
        };
        if link.send(&answer.encode(), &[]).is_err() {
            return;
        }
    }
}

/// The control groups of one host: its own, and one for each shell. All are root's.
struct Groups {
    user: ControlGroup,
    /// Where the host is, and what it has started but commands.
    host: ControlGroup,
    process: Pid,
    shells: BTreeMap<u32, ControlGroup>,
    last: u32,
}

impl Groups {
    /// Moves a host into a group of its own; `None` if it cannot be.
    fn around(user: &Path, host: &Child) -> Option<Self> {
        let above = user.parent()?;
        let (user, process) = (ControlGroup::at(above, user), Pid::from_child(host));
        let moved = user.create_child(&format!("host-{process}")).and_then(|group| {
            group.add_process(process).inspect_err(|_| _ = group.remove())?;
            Ok(group)
        });
        match moved {
            Ok(host) => Some(Self { user, host, process, shells: BTreeMap::new(), last: 0 }),
            Err(error) => {
                tracing::warn!(%error, "The shells of this user cannot have groups of their own");
                None
            }
        }
    }

    fn answer(&mut self, request: GroupRequest) -> GroupAnswer {
        let done = match request {
            GroupRequest::Create { memory, tasks } => {
                let made = self.make(memory.map(u64::from), tasks.map(u64::from));
                return made.unwrap_or_else(|error| GroupAnswer::Failed(error.to_string()));
            }
            GroupRequest::AddProcess { group, process } => self.admit(group, process),
            GroupRequest::Kill { group } => {
                self.shell(group).map(ControlGroup::kill).map(|()| self.kill_strays())
            }
            GroupRequest::Remove { group } => self.remove(group),
        };
        match done {
            Ok(()) => GroupAnswer::Done,
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => GroupAnswer::Busy,
            Err(error) => GroupAnswer::Failed(error.to_string()),
        }
    }

    fn make(&mut self, memory: Option<u64>, tasks: Option<u64>) -> io::Result<GroupAnswer> {
        if self.shells.len() >= MOST_SHELLS {
            return Err(io::Error::other("the user has too many shells with groups"));
        }
        self.last = self.last.checked_add(1).ok_or_else(|| io::Error::other("no numbers are left"))?;
        let shell = self.user.create_child(&format!("shell-{}-{}", self.process, self.last))?;
        let enforced = shell.limit(memory, tasks).inspect_err(|_| _ = shell.remove())?;
        let path = shell.path().display().to_string();
        self.shells.insert(self.last, shell);
        Ok(GroupAnswer::Created { group: self.last, path, limits_memory: enforced.memory })
    }

    /// Moves a command from the group of the host into that of its shell, with what it has started meanwhile.
    fn admit(&self, group: u32, process: u32) -> io::Result<()> {
        let shell = self.shell(group)?;
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        let process =
            process.filter(|process| *process != self.process).ok_or(io::ErrorKind::InvalidInput)?;
        // What is in that group is this user's. A process whose number had been given to another one since would have to
        // have ended, and all other numbers to have been used, within this call.
        let admitted = if self.host.processes().contains(&process) {
            shell.add_process(process)
        } else if shell.processes().contains(&process) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "it is no new process of this host, or has ended"))
        };
        // Also those of a command that has ended already.
        self.for_strays(|stray| _ = shell.add_process(stray));
        admitted
    }

    fn remove(&mut self, group: u32) -> io::Result<()> {
        match self.shell(group)?.remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.shells.remove(&group);
        Ok(())
    }

    fn shell(&self, group: u32) -> io::Result<&ControlGroup> {
        self.shells.get(&group).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn kill_strays(&self) {
        self.for_strays(|stray| {
            // By its descriptor, and only if it is still in the group then: its number could belong to another by now.
            let Ok(process) = pidfd_open(stray, PidfdFlags::empty()) else { return };
            if self.host.processes().contains(&stray) {
                let _ = pidfd_send_signal(&process, Signal::KILL);
            }
            // It takes a moment until it is gone.
            std::thread::sleep(Duration::from_millis(1));
        });
    }

    /// Does something with the processes in the group of the host that neither are the host nor were started by it: a
    /// command has started them before it was moved. Repeated until there are none, because they may start others.
    fn for_strays(&self, mut each: impl FnMut(Pid)) {
        for _ in 0..MOST_ROUNDS {
            let strays = strays(&self.host.processes(), self.process, parent_of);
            if strays.is_empty() {
                return;
            }
            strays.into_iter().for_each(&mut each);
        }
        tracing::warn!("Commands of a user start new processes faster than they are moved or ended");
    }
}

impl Drop for Groups {
    /// Nothing of the user outlives the host.
    fn drop(&mut self) {
        let all: Vec<&ControlGroup> = self.shells.values().chain([&self.host]).collect();
        for _ in 0..MOST_ROUNDS {
            all.iter().for_each(|group| group.kill());
            let is_left = |group: &&&ControlGroup| group.remove().is_err() && group.path().exists();
            if all.iter().filter(is_left).count() == 0 {
                return;
            }
            // The folder can go as soon as the last process has; there is no event for that.
            std::thread::sleep(Duration::from_millis(10));
        }
        tracing::warn!(group = %self.user.path().display(), "Processes of a user do not end");
    }
}

/// Returns those that are not descended from the host through processes of its own group.
fn strays(members: &[Pid], host: Pid, parent_of: impl Fn(Pid) -> Option<Pid>) -> Vec<Pid> {
    let parents: BTreeMap<i32, Option<Pid>> =
        members.iter().map(|member| (member.as_raw_nonzero().get(), parent_of(*member))).collect();
    let is_of_host = |member: &Pid| {
        let mut at = *member;
        for _ in 0..=members.len() {
            if at == host {
                return true;
            }
            match parents.get(&at.as_raw_nonzero().get()) {
                Some(Some(parent)) => at = *parent,
                // It has ended, or is in another group.
                _ => return false,
            }
        }
        false
    };
    // A process that has ended has no parent to be found, and nothing can be done with it.
    let is_there = |member: &&Pid| parents.get(&member.as_raw_nonzero().get()).is_some_and(Option::is_some);
    members.iter().filter(is_there).filter(|member| !is_of_host(member)).copied().collect()
}

/// Returns the parent of a process that runs (proc_pid_stat(5)).
fn parent_of(process: Pid) -> Option<Pid> {
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    // The name of the program is in brackets and may hold anything.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let mut fields = str::from_utf8(stat.get(end..)?).ok()?.split(' ').skip(1);
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // One of another namespace has the number 0.
    if matches!(state, "Z" | "X") { None } else { Pid::from_raw(parent).or(Some(Pid::INIT)) }
}

/// Maximum number of shells with groups, whatever the settings say.
const MOST_SHELLS: usize = 10_000;
/// How often processes that start others are looked for again.
const MOST_ROUNDS: u32 = 100;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    #[test]
    fn a_process_that_a_command_started_before_it_was_moved_is_a_stray_and_a_program_of_the_host_is_not() {
        // 10 is the host, 11 and 12 a program of it and its child; 20 is a command that was moved away, 21 and 22 its child and
        // grandchild, 30 one whose parent has ended, 40 is a zombie.
        let parents = [(10, 1), (11, 10), (12, 11), (21, 20), (22, 21), (30, 1)];
        let parent = |process: Pid| {
            parents.iter().find(|(child, _)| pid(*child) == process).map(|(_, parent)| pid(*parent))
        };
        let members = [10, 11, 12, 21, 22, 30, 40].map(pid);
        assert_eq!(strays(&members, pid(10), parent), [21, 22, 30].map(pid));
        assert_eq!(strays(&[pid(10)], pid(10), parent), []);
    }

    #[test]
    fn the_parent_of_a_process_is_found() {
        let own = rustix::process::getpid();
        assert_eq!(parent_of(own), rustix::process::getppid().or(Some(Pid::INIT)));
        assert_eq!(parent_of(pid(i32::MAX)), None);
    }

    #[test]
    fn a_host_cannot_have_a_process_moved_that_it_has_not_started() {
        let root = tempfile::tempdir().unwrap();
        let user = ControlGroup::at(root.path(), root.path());
        let host = user.create_child("host-10").unwrap();
        fs::write(host.path().join("cgroup.procs"), "10\n").unwrap();
        let mut groups = Groups { user, host, process: pid(10), shells: BTreeMap::new(), last: 0 };
        let GroupAnswer::Created { group, path, .. } =
            groups.answer(GroupRequest::Create { memory: None, tasks: None })
        else {
            panic!("a group")
        };
        fs::write(Path::new(&path).join("cgroup.procs"), "").unwrap();
        for process in [10, 4_711, 0, u32::MAX] {
            let answer = groups.answer(GroupRequest::AddProcess { group, process });
            assert!(matches!(answer, GroupAnswer::Failed(_)), "{process} {answer:?}");
        }
        assert_eq!(fs::read_to_string(Path::new(&path).join("cgroup.procs")).unwrap(), "");
        assert!(matches!(groups.answer(GroupRequest::Kill { group: 99 }), GroupAnswer::Failed(_)));
        std::mem::forget(groups);
    }
}
