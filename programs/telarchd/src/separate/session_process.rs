//! Session process of a user: opens the PAM session, starts the host in it, and closes the session after the host.
//!
//! It runs as root, which PAM modules require. The host can request control groups for its shells and nothing else.
//! Since the process serves one user, a busy host delays only that user's shells.

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
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use shells::ControlGroup;

use super::{HOST, user};
use crate::child_process::{stdin_socket, this_program};
use crate::event_layers::begin_log;

/// Opens a session for a user, starts the host in it, and closes the session after the host (pam_open_session(3)).
/// `group` is the directory of the user's control group, or empty without control groups.
pub(super) fn run(name: &str, state: &str, group: &str) -> Result<ExitCode, Box<dyn Error>> {
    let link = Link::from_inherited(stdin_socket()?)?;
    begin_log(None);
    let process =
        SessionProcess { name, state, group: Some(Path::new(group)).filter(|_| !group.is_empty()), link };
    let outcome = process.run_session();
    if let Err(error) = &outcome {
        let reason = error.to_string();
        tracing::error!(account = name, error = reason, "Cannot open a session");
        let _ = process.link.send(&HostReport::StartFailed(reason).encode(), &[]);
    }
    Ok(outcome.unwrap_or(ExitCode::FAILURE))
}

struct SessionProcess<'a> {
    name: &'a str,
    state: &'a str,
    /// Directory of the user's control group.
    group: Option<&'a Path>,
    /// Link to the broker, which the host inherits.
    link: Link,
}

impl SessionProcess<'_> {
    fn run_session(&self) -> Result<ExitCode, Box<dyn Error>> {
        let users = UnixUsers::of_this_machine();
        let numbers = user::find(&users, self.name)?.ok_or("the user does not exist")?;
        rustix::process::setsid()?;
        confinement::set_groups(&numbers.groups)?;
        let before = ControlGroup::current();
        match Pam::load(accounts::PAM_SERVICE) {
            Ok(pam) => pam.in_session(self.name, IpAddr::V4(Ipv4Addr::LOCALHOST), |variables| {
                self.run_host(&numbers, variables, before.as_ref())
            })?,
            Err(error) => {
                tracing::debug!(%error, "PAM is not available; no session opened");
                self.run_host(&numbers, Vec::new(), before.as_ref())
            }
        }
    }

    /// Runs the host with the variables of the PAM session. `before` is the control group before the session.
    fn run_host(
        &self,
        numbers: &user::UserIds,
        variables: Vec<(String, String)>,
        before: Option<&ControlGroup>,
    ) -> Result<ExitCode, Box<dyn Error>> {
        let (variables, dropped) = Variables::from_session(variables);
        if dropped > 0 {
            tracing::warn!(
                account = self.name,
                dropped,
                "Dropped variables of the PAM session that change how programs are loaded, or are too many"
            );
        }
        // If a PAM module has moved the session into another group, the limits of that group apply.
        let group = self.group.filter(|_| ControlGroup::current().as_ref() == before);
        self.host(numbers, variables, group)
    }

    /// Starts the host and waits for its end.
    fn host(
        &self,
        numbers: &user::UserIds,
        variables: Variables,
        group: Option<&Path>,
    ) -> Result<ExitCode, Box<dyn Error>> {
        let (ours, theirs) = Link::pair()?;
        let mut command = this_program(&format!("telarchd: host of {}", self.name), &[]);
        command.arg(HOST).arg(numbers.uid.to_string()).arg(numbers.gid.to_string()).arg(self.state);
        command.stdin(Stdio::from(self.link.try_clone()?)).stdout(OwnedFd::from(theirs)).current_dir("/");
        let mut child = command.spawn()?;
        drop(command);
        let mut groups = group.and_then(|group| HostGroups::around(group, &child));
        self.report(&child)?;
        let session = HostSession { variables, has_groups: groups.is_some() };
        // A host that does not read delays only its own shells.
        if ours.send(&session.encode(), &[]).is_ok() {
            serve(&ours, groups.as_mut());
        }
        ours.close();
        let status = child.wait()?;
        drop(groups);
        if !status.success() {
            tracing::debug!(account = self.name, %status, "Host has ended with an error");
        }
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Sends the process descriptor of the host to the broker. From here on the user could stop the host.
    fn report(&self, child: &Child) -> io::Result<()> {
        let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok();
        let descriptors: Vec<_> = process.iter().map(OwnedFd::as_fd).collect();
        self.link.send(&HostReport::Opened.encode(), &descriptors)
    }
}

/// Answers the requests of the host until it ends or sends an invalid one.
fn serve(link: &Link, mut groups: Option<&mut HostGroups>) {
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

/// Control groups of a host and its shells. All of them belong to root.
struct HostGroups {
    user: ControlGroup,
    /// Group of the host and of its child processes other than commands.
    host: ControlGroup,
    process: Pid,
    shells: BTreeMap<u32, ControlGroup>,
    last: u32,
}

impl HostGroups {
    /// Moves a host into a new group; returns `None` if that fails.
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
                tracing::warn!(%error, "Cannot create the control group of a host");
                None
            }
        }
    }

    fn answer(&mut self, request: GroupRequest) -> GroupAnswer {
        let done = match request {
            GroupRequest::Create { memory, tasks } => {
                let made = self.create(memory.map(u64::from), tasks.map(u64::from));
                return made.unwrap_or_else(|error| GroupAnswer::Failed(error.to_string()));
            }
            GroupRequest::AddProcess { group, process } => self.add_process(group, process),
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

    fn create(&mut self, memory: Option<u64>, tasks: Option<u64>) -> io::Result<GroupAnswer> {
        if self.shells.len() >= MAX_SHELLS {
            return Err(io::Error::other("too many shells with control groups"));
        }
        self.last = self.last.checked_add(1).ok_or_else(|| io::Error::other("no group numbers left"))?;
        let shell = self.user.create_child(&format!("shell-{}-{}", self.process, self.last))?;
        let enforced = shell.set_limits(memory, tasks).inspect_err(|_| _ = shell.remove())?;
        let path = shell.path().display().to_string();
        self.shells.insert(self.last, shell);
        Ok(GroupAnswer::Created { group: self.last, path, limits_memory: enforced.memory })
    }

    /// Moves a command with its child processes from the group of the host to that of its shell.
    fn add_process(&self, group: u32, process: u32) -> io::Result<()> {
        let shell = self.shell(group)?;
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        let process =
            process.filter(|process| *process != self.process).ok_or(io::ErrorKind::InvalidInput)?;
        // All processes in that group belong to this user. For the ID to be reused, the process would have to
        // end and all other IDs to be used during this call.
        let moved = if self.host.processes().contains(&process) {
            shell.add_process(process)
        } else if shell.processes().contains(&process) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "not a new process of this host, or it has ended"))
        };
        // Includes children of a command that has already ended.
        self.for_strays(|stray| _ = shell.add_process(stray));
        moved
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
            // The descriptor excludes a later process with the same ID; only processes still in the group are killed.
            let Ok(process) = pidfd_open(stray, PidfdFlags::empty()) else { return };
            if self.host.processes().contains(&stray) {
                let _ = pidfd_send_signal(&process, Signal::KILL);
            }
            // The process needs a moment to end.
            std::thread::sleep(Duration::from_millis(1));
        });
    }

    /// Calls a function for all processes in the host's group that are neither the host nor descend from it: a command
    /// has started them before it was moved. Repeats until all are handled, because they may start others.
    fn for_strays(&self, mut each: impl FnMut(Pid)) {
        for _ in 0..MAX_ROUNDS {
            let strays = strays(&self.host.processes(), self.process, parent_of);
            if strays.is_empty() {
                return;
            }
            strays.into_iter().for_each(&mut each);
        }
        tracing::warn!("Commands of a user start processes faster than they can be moved or killed");
    }
}

impl Drop for HostGroups {
    /// Kills all processes of the host and its shells, so that none outlives the host.
    fn drop(&mut self) {
        let all: Vec<&ControlGroup> = self.shells.values().chain([&self.host]).collect();
        for _ in 0..MAX_ROUNDS {
            all.iter().for_each(|group| group.kill());
            let are_removed = all.iter().all(|group| group.remove().is_ok() || !group.path().exists());
            if are_removed {
                return;
            }
            // A directory can be removed once the last process has ended, for which there is no event.
            std::thread::sleep(Duration::from_millis(10));
        }
        tracing::warn!(group = %self.user.path().display(), "Processes of a user cannot be killed");
    }
}

/// Returns the processes that do not descend from the host through processes in its own group.
fn strays(members: &[Pid], host: Pid, parent_of: impl Fn(Pid) -> Option<Pid>) -> Vec<Pid> {
    let parents: BTreeMap<i32, Option<Pid>> =
        members.iter().map(|member| (member.as_raw_nonzero().get(), parent_of(*member))).collect();
    let mut strays: Vec<Pid> = members.to_vec();
    // A process that has ended has no known parent, and needs no action.
    strays.retain(|member| {
        parents.get(&member.as_raw_nonzero().get()).is_some_and(Option::is_some)
            && !descends_from(*member, host, &parents)
    });
    strays
}

fn descends_from(process: Pid, ancestor: Pid, parents: &BTreeMap<i32, Option<Pid>>) -> bool {
    let mut current = process;
    // Bounded, because reused IDs could form a cycle.
    for _ in 0..=parents.len() {
        if current == ancestor {
            return true;
        }
        match parents.get(&current.as_raw_nonzero().get()) {
            Some(Some(parent)) => current = *parent,
            // The parent has ended or is in another group.
            _ => return false,
        }
    }
    false
}

/// Returns the parent of a running process (proc_pid_stat(5)).
fn parent_of(process: Pid) -> Option<Pid> {
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    // The program name in parentheses may contain any character.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let mut fields = str::from_utf8(stat.get(end..)?).ok()?.split(' ').skip(1);
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // A parent in another PID namespace is reported as 0.
    if matches!(state, "Z" | "X") { None } else { Pid::from_raw(parent).or(Some(Pid::INIT)) }
}

/// Maximum number of shells with groups, independent of the settings.
const MAX_SHELLS: usize = 10_000;
/// Maximum number of searches for processes that start others.
const MAX_ROUNDS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    #[test]
    fn children_of_a_moved_command_are_found_and_host_programs_are_not() {
        // 10 is the host; 11 and 12 are a program of it and its child; 20 is a command that was moved; 21 and
        // 22 are its child and grandchild; the parent of 30 has ended; 40 is a zombie.
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
    fn a_host_cannot_move_processes_that_it_has_not_started() {
        let root = tempfile::tempdir().unwrap();
        let user = ControlGroup::at(root.path(), root.path());
        let host = user.create_child("host-10").unwrap();
        fs::write(host.path().join("cgroup.procs"), "10\n").unwrap();
        let mut groups = HostGroups { user, host, process: pid(10), shells: BTreeMap::new(), last: 0 };
        let GroupAnswer::Created { group, path, .. } =
            groups.answer(GroupRequest::Create { memory: None, tasks: None })
        else {
            panic!("no group")
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
