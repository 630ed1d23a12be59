//! Confinement of the gateway before it reads the first byte from the network.
//!
//! All files and sockets of the gateway are open by then. It can still listen, read and write open descriptors, and
//! create threads. [`allowed`] lists the permitted system calls, with conditions on arguments where they matter; all
//! other calls fail with `EPERM`. Calls introduced in Linux 5.3 or later fail with `ENOSYS`, so that libraries fall
//! back as on an older kernel. To see refused calls, trace the gateway: `strace -f -p PID -e status=failed`.
//!
//! No permitted call takes the address of another socket: connect(2), sendmsg(2) and new datagram sockets are
//! forbidden, and sendto(2) must not have an address. No permitted call writes at a file position or can send a
//! descriptor.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter, sock_filter,
};

/// Confines the calling thread, which reads the network, and all threads it creates. No other thread may exist.
///
/// # Errors
/// The error of the first system call that failed; the thread may be confined in part.
pub fn confine() -> Result<(), Box<dyn Error>> {
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    restrict_files()?;
    apply_filter(&program()?)?;
    Ok(())
}

/// Forbids all files but the list of host names, outgoing TCP connections and signals (landlock(7)). Restrictions that
/// the kernel does not support are omitted.
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
        tracing::debug!("This kernel has no Landlock; only file permissions apply");
    }
    Ok(())
}

/// Confines the calling thread, which collects events, and all threads it creates (landlock(7)): it can write only in
/// `folder`, read what libraries need to connect to outputs, and not listen on ports. No other thread may exist.
///
/// # Errors
/// The error of the first system call that failed; the thread may be confined in part.
pub fn confine_collector(folder: &Path) -> Result<(), Box<dyn Error>> {
    restrict_to(&[folder])
}

/// Confines the calling thread, which sends metrics to a server, and all threads it creates (landlock(7)): it can read
/// what libraries need to connect, and neither write files nor listen on ports. No other thread may exist.
///
/// # Errors
/// The error of the first system call that failed; the thread may be confined in part.
pub fn confine_sender() -> Result<(), Box<dyn Error>> {
    restrict_to(&[])
}

/// Permits files of libraries, these folders and outgoing connections.
fn restrict_to(folders: &[&Path]) -> Result<(), Box<dyn Error>> {
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(LIBRARY_FILES, AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules(folders, AccessFs::from_all(abi)))?
        .restrict_self()?;
    if status.ruleset == RulesetStatus::NotEnforced {
        tracing::debug!("This kernel has no Landlock; only file permissions apply");
    }
    Ok(())
}

/// Files and directories that the C library, TLS and Kerberos read when they resolve host names, verify certificates and
/// request tickets.
const LIBRARY_FILES: [&str; 15] = [
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/krb5.conf",
    "/etc/krb5.conf.d",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/usr",
    "/lib",
    "/run/systemd/resolve",
];

/// Returns the system call filter (seccomp(2)).
fn program() -> Result<BpfProgram, Box<dyn Error>> {
    let refused = SeccompAction::Errno(u32::try_from(libc::EPERM)?);
    let architecture = std::env::consts::ARCH.try_into()?;
    // A system call of another architecture kills the process.
    let filter: BpfProgram =
        SeccompFilter::new(allowed()?, refused, SeccompAction::Allow, architecture)?.try_into()?;
    let missing = u32::from(SeccompAction::Errno(u32::try_from(libc::ENOSYS)?));
    // Jumps are relative, so instructions can be put in front of the filter.
    let newer = [
        // Number of the system call, the first field of struct seccomp_data.
        sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: 0 },
        // UserIds of the x32 ABI are larger than all others and are refused here, too.
        sock_filter { code: JUMP_IF_AT_LEAST, jt: 0, jf: 1, k: u32::try_from(FIRST_OF_LINUX_5_3)? },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: missing },
    ];
    Ok(newer.into_iter().chain(filter).collect())
}

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JGE | BPF_K` and `BPF_RET | BPF_K` (linux/bpf_common.h).
const LOAD_WORD: u16 = 0x20;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// First number that is the same on all architectures; libraries handle the absence of these calls.
const FIRST_OF_LINUX_5_3: i64 = libc::SYS_clone3;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Returns the permitted system calls with their conditions; an empty list permits every argument.
fn allowed() -> Result<Rules, Box<dyn Error>> {
    let mut rules: Rules = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend(OLD.iter().map(|call| (*call, Vec::new())));
    rules.extend(sockets()?);
    rules.extend(memory_and_files()?);
    rules.extend(process()?);
    Ok(rules)
}

/// Permits TCP sockets, pairs of stream sockets, and the kernel's list of addresses.
fn sockets() -> Result<Rules, Box<dyn Error>> {
    let (protocol, stream) = (2, bits(1, SOCK_TYPE, libc::SOCK_STREAM));
    let mut sockets = vec![rule([is(0, libc::AF_NETLINK)?, is(protocol, libc::NETLINK_ROUTE)?])?];
    for family in [libc::AF_INET, libc::AF_INET6] {
        for number in [0, libc::IPPROTO_TCP] {
            sockets.push(rule([
                is(0, family)?,
                bits(1, SOCK_TYPE, libc::SOCK_STREAM)?,
                is(protocol, number)?,
            ])?);
        }
    }
    let pairs = rule([is(0, libc::AF_UNIX)?, stream?, is(protocol, 0)?])?;
    // sendto(2) could connect, by a flag or by an address.
    let no_address = null_argument(4)?;
    let send = rule([bits(3, libc::MSG_FASTOPEN, 0)?, no_address])?;
    let options = SOCKET_OPTIONS.iter().map(|(level, option)| rule([is(1, *level)?, is(2, *option)?]));
    Ok(BTreeMap::from([
        (libc::SYS_socket, sockets),
        (libc::SYS_socketpair, vec![pairs]),
        (libc::SYS_sendto, vec![send]),
        (libc::SYS_setsockopt, options.collect::<Result<_, Box<dyn Error>>>()?),
    ]))
}

/// Permits memory that is not executable, and opening files for reading.
fn memory_and_files() -> Result<Rules, Box<dyn Error>> {
    let not_executable = rule([bits(2, libc::PROT_EXEC, 0)?])?;
    let writes = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);
    let rules = BTreeMap::from([
        (libc::SYS_mmap, vec![not_executable.clone()]),
        (libc::SYS_mprotect, vec![not_executable]),
        (libc::SYS_openat, vec![rule([bits(2, writes, libc::O_RDONLY)?])?]),
        (libc::SYS_fcntl, one_of(1, &FILE_COMMANDS)?),
        (libc::SYS_ioctl, one_of_requests(1, &REQUESTS)?),
        // musl opens files with this call.
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, vec![rule([bits(1, writes, libc::O_RDONLY)?])?]),
    ]);
    Ok(rules)
}

/// Permits threads, their names, and signals of this process to itself.
fn process() -> Result<Rules, Box<dyn Error>> {
    let own = i32::try_from(std::process::id())?;
    let thread =
        libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
    // Flags for namespaces, tracing and process descriptors.
    let never = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_PTRACE
        | libc::CLONE_VFORK
        | libc::CLONE_PIDFD;
    Ok(BTreeMap::from([
        (libc::SYS_clone, vec![rule([bits(0, thread | never, thread)?])?]),
        // Reading limits of this process.
        (
            libc::SYS_prlimit64,
            vec![rule([is(0, 0)?, null_argument(2)?])?, rule([is(0, own)?, null_argument(2)?])?],
        ),
        (libc::SYS_prctl, one_of(0, &[libc::PR_SET_NAME, libc::PR_GET_NAME, PR_SET_VMA])?),
        // abort(3) sends a signal to its own thread.
        (libc::SYS_tgkill, vec![rule([is(0, own)?])?]),
    ]))
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, Box<dyn Error>> {
    Ok(SeccompRule::new(conditions.to_vec())?)
}

/// Condition: the lower 32 bits of an argument equal `value`.
fn is(argument: u8, value: i32) -> Result<SeccompCondition, Box<dyn Error>> {
    let value = u64::from(value.cast_unsigned());
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?)
}

/// Condition: the bits of an argument selected by `mask` equal `value`.
fn bits(argument: u8, mask: i32, value: i32) -> Result<SeccompCondition, Box<dyn Error>> {
    let (mask, value) = (u64::from(mask.cast_unsigned()), u64::from(value.cast_unsigned()));
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)?)
}

/// Condition: an argument is a null pointer.
fn null_argument(argument: u8) -> Result<SeccompCondition, Box<dyn Error>> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?)
}

fn one_of(argument: u8, values: &[i32]) -> Result<Vec<SeccompRule>, Box<dyn Error>> {
    values.iter().map(|value| rule([is(argument, *value)?])).collect()
}

fn one_of_requests(argument: u8, values: &[u32]) -> Result<Vec<SeccompRule>, Box<dyn Error>> {
    values.iter().map(|value| rule([is(argument, value.cast_signed())?])).collect()
}

/// Mask of the socket type without flags (`SOCK_TYPE_MASK` of the kernel).
const SOCK_TYPE: i32 = 0xF;

/// `PR_SET_VMA`, with which the C library names memory.
const PR_SET_VMA: i32 = 0x5356_4d41;

/// Commands of fcntl(2) except flags and owners: changing flags could allow overwriting an append-only file.
const FILE_COMMANDS: [i32; 5] =
    [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];

/// Requests of ioctl(2): `FIONBIO`, `FIOCLEX`, and `SIOCOUTQ` for unacknowledged data of a connection. The numbers are
/// the same on both architectures; libraries differ in their type.
const REQUESTS: [u32; 3] = [0x5421, 0x5451, 0x5411];

/// Socket options set by listeners, connections and the list of addresses.
const SOCKET_OPTIONS: [(i32, i32); 9] = [
    (libc::SOL_SOCKET, libc::SO_REUSEADDR),
    (libc::SOL_SOCKET, libc::SO_LINGER),
    (libc::SOL_SOCKET, libc::SO_RCVTIMEO),
    (libc::SOL_SOCKET, libc::SO_SNDTIMEO),
    // 64-bit variants: `SO_RCVTIMEO_NEW` and `SO_SNDTIMEO_NEW`.
    (libc::SOL_SOCKET, 66),
    (libc::SOL_SOCKET, 67),
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
];

/// System calls permitted with any arguments.
const ALWAYS: &[i64] = &[
    // Reading, writing, polling and closing open descriptors.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    // File metadata, restricted by Landlock and permissions.
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    // Sockets.
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signal handlers of the process.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time and randomness.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    // Information about the process and the machine.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_uname,
    libc::SYS_sysinfo,
];

/// Older variants of the same calls, which newer architectures lack.
#[cfg(target_arch = "x86_64")]
const OLD: &[i64] = &[
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_pipe,
    libc::SYS_dup2,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_getrlimit,
    libc::SYS_time,
];

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::process::Command;

    use rustix::fs::OFlags;
    use rustix::io::{Errno, IoSlice, ReadWriteFlags};
    use rustix::net::{AddressFamily, Protocol, SendFlags, SocketFlags, SocketType, socketpair};

    use super::*;

    /// Runs a function in a confined thread; every restriction applies to the calling thread.
    fn confined<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
        let confined = std::thread::spawn(|| {
            confine().unwrap();
            run()
        });
        confined.join().unwrap()
    }

    fn socket(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> Result<OwnedFd, Errno> {
        rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, protocol)
    }

    fn protocol(number: u32) -> Option<Protocol> {
        std::num::NonZeroU32::new(number).map(Protocol::from_raw)
    }

    #[test]
    fn a_confined_thread_can_only_serve_sockets() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = there.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "before").unwrap();
        let growing = File::options().append(true).open(&file).unwrap();
        let is_known = std::thread::spawn(landlock_is_known).join().unwrap();
        let is_confined = confined(move || {
            assert!(Command::new("/bin/true").spawn().is_err(), "a program");
            assert!(TcpStream::connect(address).is_err(), "a connection");
            assert!(UdpSocket::bind("127.0.0.1:0").is_err(), "a socket for messages");
            assert!(UnixStream::connect("/run/dbus/system_bus_socket").is_err());
            assert!(File::create(&file).is_err() && File::options().append(true).open(&file).is_err());
            assert!(fs::remove_file(&file).is_err() && fs::create_dir(file.with_extension("d")).is_err());
            let me = rustix::process::getpid();
            assert!(rustix::process::kill_process(me, rustix::process::Signal::URG).is_err());
            assert!(rustix::thread::set_thread_uid(rustix::fs::Uid::ROOT).is_err());
            assert_eq!(File::open("/etc/passwd").is_err(), is_known, "Landlock restricts files");
            assert!(
                rustix::fs::fcntl_setfl(&growing, OFlags::WRONLY).is_err(),
                "changing flags would allow overwriting"
            );

            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            assert!(listener.local_addr().is_ok() && UnixStream::pair().is_ok());
            assert!(
                fs::read_to_string("/etc/hosts").is_ok() || !fs::exists("/etc/hosts").unwrap_or_default()
            );
            std::thread::spawn(|| Command::new("/bin/true").spawn().is_err()).join().unwrap()
        });
        assert!(is_confined, "new threads are confined as well");
        assert!(TcpStream::connect(address).is_ok(), "other threads are not confined");
        assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "before");
    }

    #[test]
    fn a_confined_thread_cannot_reach_other_local_services() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        log.set_nonblocking(true).unwrap();
        let (before, _kept) = UnixDatagram::pair().unwrap();
        confined(move || {
            let none = SocketFlags::CLOEXEC;
            for kind in [SocketType::DGRAM, SocketType::SEQPACKET, SocketType::RAW] {
                let pair = socketpair(AddressFamily::UNIX, kind, none, None);
                assert_eq!(pair.err(), Some(Errno::PERM), "{kind:?}");
            }
            // An existing datagram socket cannot send to an address either.
            assert!(before.send_to(b"forged", &path).is_err());
            let to = rustix::net::SocketAddrUnix::new(&path).unwrap();
            let parts = [IoSlice::new(b"forged")];
            let mut no_descriptors = rustix::net::SendAncillaryBuffer::default();
            let sent =
                rustix::net::sendmsg_addr(&before, &to, &parts, &mut no_descriptors, SendFlags::empty());
            assert_eq!(sent, Err(Errno::PERM));
            assert!(before.connect(&path).is_err());
            let stream = (AddressFamily::INET, SocketType::STREAM);
            for (name, number) in [("SCTP", 132), ("MPTCP", 262), ("SMC", 256), ("UDP", 17)] {
                let made = socket(stream.0, stream.1, protocol(number));
                assert_eq!(made.err(), Some(Errno::PERM), "{name}");
            }
            for (name, number) in [("AUDIT", 9), ("XFRM", 6), ("NETFILTER", 12), ("KOBJECT_UEVENT", 15)] {
                let made = socket(AddressFamily::NETLINK, SocketType::RAW, protocol(number));
                assert_eq!(made.err(), Some(Errno::PERM), "{name}");
            }
            for family in [AddressFamily::UNIX, AddressFamily::PACKET, AddressFamily::VSOCK] {
                let made = socket(family, SocketType::STREAM, None);
                assert_eq!(made.err(), Some(Errno::PERM), "{family:?}");
            }
            // TCP fast open connects with the first send.
            let tcp = socket(stream.0, stream.1, protocol(6)).unwrap();
            assert_eq!(
                rustix::net::send(&tcp, b"x", SendFlags::from_bits_retain(0x2000_0000)),
                Err(Errno::PERM)
            );
            assert_eq!(rustix::net::sockopt::set_socket_broadcast(&tcp, true), Err(Errno::PERM));
        });
        assert!(log.recv(&mut [0; 16]).is_err(), "nothing was received");
    }

    #[test]
    fn a_confined_thread_cannot_change_written_data() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "before").unwrap();
        let file = File::options().append(true).open(&path).unwrap();
        confined(move || {
            let parts = [IoSlice::new(b"after")];
            // RWF_NOAPPEND
            let anywhere = ReadWriteFlags::from_bits_retain(0x20);
            assert_eq!(rustix::io::pwritev2(&file, &parts, 0, anywhere), Err(Errno::PERM));
            assert_eq!(rustix::io::pwritev(&file, &parts, 0), Err(Errno::PERM));
            assert_eq!(rustix::io::pwrite(&file, b"after", 0), Err(Errno::PERM));
            assert_eq!(rustix::fs::ftruncate(&file, 0), Err(Errno::PERM));
            let from_start = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::PUNCH_HOLE, 0, 1);
            assert_eq!(from_start, Err(Errno::PERM));
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    }

    /// Checks the list itself, because some of these calls have no safe wrapper.
    #[test]
    fn dangerous_system_calls_are_not_permitted() {
        let rules = allowed().unwrap();
        let refused = [
            libc::SYS_io_setup,
            libc::SYS_io_submit,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_pwritev2,
            libc::SYS_preadv2,
            libc::SYS_pwrite64,
            libc::SYS_sendmsg,
            libc::SYS_sendmmsg,
            libc::SYS_connect,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_writev,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_mount,
            libc::SYS_memfd_create,
            libc::SYS_splice,
            libc::SYS_vmsplice,
            libc::SYS_copy_file_range,
            libc::SYS_fanotify_init,
            libc::SYS_kill,
            libc::SYS_pidfd_getfd,
            libc::SYS_seccomp,
            libc::SYS_userfaultfd,
            libc::SYS_perf_event_open,
        ];
        for call in refused {
            assert!(!rules.contains_key(&call), "{call}");
        }
        assert!(rules.keys().all(|call| *call < FIRST_OF_LINUX_5_3));
    }

    #[test]
    fn newer_system_calls_are_reported_as_missing() {
        confined(|| {
            let how = rustix::fs::ResolveFlags::empty();
            let opened = rustix::fs::openat2(
                rustix::fs::CWD,
                "/etc/hosts",
                OFlags::RDONLY,
                rustix::fs::Mode::empty(),
                how,
            );
            assert_eq!(opened.err(), Some(Errno::NOSYS));
            // clone3(2) is missing as well, so clone(2) is used.
            assert_eq!(std::thread::spawn(|| 1).join().unwrap(), 1);
        });
    }

    #[test]
    fn a_confined_thread_can_do_everything_that_serving_requires() {
        let port = confined(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let listener =
                TcpListener::bind("[::1]:0").or_else(|_| TcpListener::bind("127.0.0.1:0")).unwrap();
            let port = listener.local_addr().unwrap();
            listener.set_nonblocking(true).unwrap();
            let (sender, receiver) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let mut stream = stream.into_std().unwrap();
                    stream.set_nonblocking(false).unwrap();
                    stream.write_all(b"served").unwrap();
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                });
                sender.send(()).unwrap();
            });
            // The list of addresses is requested without a socket address.
            let routes = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
            let mut question = [0_u8; 32];
            // struct nlmsghdr: length, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP.
            question[0] = 32;
            question[4] = 22;
            question[6..8].copy_from_slice(&0x301_u16.to_ne_bytes());
            rustix::net::send(&routes, &question, SendFlags::empty()).unwrap();
            let mut answer = [0; 4_096];
            let (_, length) =
                rustix::net::recv(&routes, &mut answer, rustix::net::RecvFlags::empty()).unwrap();
            assert!(length > 0);
            // Memory can grow and shrink.
            drop(vec![1_u8; 64 << 20]);
            assert!(std::panic::catch_unwind(|| panic!("as a test")).is_err());
            assert!(std::thread::available_parallelism().is_ok());
            (port, receiver)
        });
        let (address, served) = port;
        let mut text = String::new();
        TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "served");
        served.recv().unwrap();
    }

    fn landlock_is_known() -> bool {
        let status = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1)).unwrap().create().unwrap();
        status.restrict_self().unwrap().ruleset != RulesetStatus::NotEnforced
    }
}
