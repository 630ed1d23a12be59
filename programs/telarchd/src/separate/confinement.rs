//! What the gateway gives up before it reads the first octet from the network.
//!
//! It has everything open by then. What is left to it is to listen, to read and write what it has, and to make
//! threads: it starts no program, opens no file to write, connects to nothing, and can neither look at other
//! processes nor tell them anything but through its sockets.

use std::collections::BTreeMap;
use std::error::Error;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// Gives it up, for this process and all of its threads to come. There must be only one yet.
pub(super) fn confine() -> Result<(), Box<dyn Error>> {
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    restrict_files()?;
    // The C library goes back to clone(2), whose flags a filter can see, if there is no clone3(2).
    let missing = filter(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)?;
    apply_filter(&missing)?;
    apply_filter(&filter(denied()?, libc::EPERM)?)?;
    Ok(())
}

/// No file but the list of names, no TCP to anywhere, no signals (landlock(7)); what the kernel does not know of it is
/// left out.
fn restrict_files() -> Result<(), Box<dyn Error>> {
    let abi = ABI::V6;
    let rules = path_beneath_rules(["/etc/hosts"], AccessFs::ReadFile);
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(rules)?
        .restrict_self()?;
    if status.ruleset == RulesetStatus::NotEnforced {
        tracing::debug!("This kernel has no Landlock: files are as the permissions have it");
    }
    Ok(())
}

fn filter(rules: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> Result<BpfProgram, Box<dyn Error>> {
    let denies = SeccompAction::Errno(u32::try_from(error)?);
    let architecture = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, denies, architecture)?.try_into()?)
}

/// System calls that are refused, always or with these arguments (seccomp(2)).
fn denied() -> Result<BTreeMap<i64, Vec<SeccompRule>>, Box<dyn Error>> {
    let mut denied: BTreeMap<i64, Vec<SeccompRule>> = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    denied.extend(OLD.iter().map(|call| (*call, Vec::new())));
    let has = |argument: u8, bits: i32, value: i32| -> Result<SeccompRule, Box<dyn Error>> {
        let (bits, value) = (u64::try_from(bits)?, u64::try_from(value)?);
        let is = SeccompCmpOp::MaskedEq(bits);
        Ok(SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)?])?)
    };
    // Threads are made, processes are not.
    denied.insert(libc::SYS_clone, vec![has(0, libc::CLONE_THREAD, 0)?]);
    let writes = [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC];
    denied
        .insert(libc::SYS_openat, writes.iter().map(|flag| has(2, *flag, *flag)).collect::<Result<_, _>>()?);
    // A file that only grows stays one (O_APPEND of the audit records).
    let sets_flags =
        SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::try_from(libc::F_SETFL)?)?;
    denied.insert(libc::SYS_fcntl, vec![SeccompRule::new(vec![sets_flags])?]);
    // Sockets for TCP, and for asking the kernel which addresses there are.
    let is = |argument: u8, operator: SeccompCmpOp, value: i32| -> Result<SeccompCondition, Box<dyn Error>> {
        Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, u64::try_from(value)?)?)
    };
    let others =
        [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].map(|family| is(0, SeccompCmpOp::Ne, family));
    let mut sockets = vec![SeccompRule::new(others.into_iter().collect::<Result<_, _>>()?)?];
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_SEQPACKET, libc::SOCK_DCCP]
        {
            let is_kind = SeccompCmpOp::MaskedEq(0xF);
            sockets.push(SeccompRule::new(vec![is(0, SeccompCmpOp::Eq, family)?, is(1, is_kind, kind)?])?);
        }
    }
    denied.insert(libc::SYS_socket, sockets);
    // They can connect as well.
    for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        denied.insert(call, vec![has(flags, libc::MSG_FASTOPEN, libc::MSG_FASTOPEN)?]);
    }
    #[cfg(target_arch = "x86_64")]
    {
        // The same calls by their other numbers, where the kernel has the x32 ABI, and those it has for itself.
        let others: Vec<i64> = denied.keys().copied().chain(512..=547).map(|call| call | X32).collect();
        denied.extend(others.into_iter().map(|call| (call, Vec::new())));
    }
    Ok(denied)
}

/// What a process that serves sockets never needs.
const ALWAYS: &[i64] = &[
    // Programs, other processes, and what they hold.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_setpriority,
    libc::SYS_prlimit64,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    // Who it is.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_personality,
    // Other machines, and other services of this one.
    libc::SYS_connect,
    // Files.
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_quotactl,
    // Where it is.
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    // Parts of the kernel that were ways in before.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_memfd_secret,
    libc::SYS_vmsplice,
    libc::SYS_lookup_dcookie,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_mbind,
];

/// The bit that marks a call of the x32 ABI.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// What newer machines do not have.
#[cfg(target_arch = "x86_64")]
const OLD: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_mkdir,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_setrlimit,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
    libc::SYS_uselib,
    libc::SYS_ustat,
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{self, File};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_confined_thread_serves_sockets_and_does_nothing_else() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = there.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "before").unwrap();
        let growing = File::options().append(true).open(&file).unwrap();
        // All of it is about the thread that asks for it.
        let is_known = std::thread::spawn(landlock_is_known).join().unwrap();
        let confined = std::thread::spawn(move || {
            confine().unwrap();
            assert!(Command::new("/bin/true").spawn().is_err(), "a program");
            assert!(TcpStream::connect(address).is_err(), "a connection");
            assert!(UdpSocket::bind("127.0.0.1:0").is_err(), "a socket for messages");
            assert!(UnixStream::connect("/run/dbus/system_bus_socket").is_err());
            assert!(File::create(&file).is_err() && File::options().append(true).open(&file).is_err());
            assert!(fs::remove_file(&file).is_err() && fs::create_dir(file.with_extension("d")).is_err());
            assert!(
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::URG)
                    .is_err()
            );
            assert!(rustix::thread::set_thread_uid(rustix::fs::Uid::ROOT).is_err());
            assert_eq!(File::open("/etc/passwd").is_err(), is_known, "files are Landlock's");

            let flags = rustix::fs::OFlags::WRONLY;
            assert!(rustix::fs::fcntl_setfl(&growing, flags).is_err(), "to write elsewhere than at the end");

            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            assert!(listener.local_addr().is_ok() && UnixStream::pair().is_ok());
            assert!(
                fs::read_to_string("/etc/hosts").is_ok() || !fs::exists("/etc/hosts").unwrap_or_default()
            );
            std::thread::spawn(|| Command::new("/bin/true").spawn().is_err()).join().unwrap()
        });
        assert!(confined.join().unwrap(), "a thread of its own is confined as well");
        assert!(TcpStream::connect(address).is_ok(), "others are not");
        assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "before");
    }

    fn landlock_is_known() -> bool {
        let status = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1)).unwrap().create().unwrap();
        status.restrict_self().unwrap().ruleset != RulesetStatus::NotEnforced
    }
}
