//! A machine with a real `/dev/ipmi0`: QEMU with the controller of [`SimulatedBmc`] behind its KCS interface, a kernel
//! of Debian, and programs of this machine with the libraries they need, in an initramfs that is made for it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::SimulatedBmc;

/// Kernel and programs of a virtual machine.
#[derive(Debug)]
pub struct Guest {
    kernel: PathBuf,
    modules: PathBuf,
    programs: Vec<PathBuf>,
    files: Vec<(PathBuf, String)>,
}

impl Guest {
    /// One with the kernel of a package `linux-image-…` that was unpacked into this folder; none where there is none,
    /// or no QEMU, which it says.
    ///
    /// The flavour for clouds has no modules for IPMI.
    #[must_use]
    pub fn with_kernel(folder: &Path) -> Option<Self> {
        let found = || {
            let boot = fs::read_dir(folder.join("boot")).ok()?;
            let name = boot.filter_map(Result::ok).map(|entry| entry.file_name().into_string());
            let version = name
                .filter_map(Result::ok)
                .find_map(|name| Some(name.strip_prefix("vmlinuz-")?.to_owned()))?;
            let modules = folder.join(format!("lib/modules/{version}/kernel/drivers/char/ipmi"));
            modules
                .join("ipmi_si.ko")
                .exists()
                .then(|| (folder.join("boot").join(format!("vmlinuz-{version}")), modules))
        };
        let Some((kernel, modules)) = found() else {
            skips::skip!("no kernel with modules for IPMI in {}", folder.display());
            return None;
        };
        let needed = [(QEMU, "qemu-system-x86"), ("busybox", "busybox-static")];
        let has_all = needed.iter().all(|(program, package)| crate::is_installed(program, package));
        has_all.then(|| {
            let bare = Self { kernel, modules, programs: Vec::new(), files: Vec::new() };
            bare.program(&found_in_path("busybox"))
        })
    }

    /// And with this program, under its own name.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        self.programs.push(path.to_owned());
        self
    }

    /// And with this file of root's, at a path without the leading slash.
    #[must_use]
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.into(), content.to_owned()));
        self
    }

    /// Starts it, runs these command lines one after another, and ends it; what each has printed, without its errors.
    ///
    /// `bmc` must have been started with [`SimulatedBmc::start_for_machine`].
    #[must_use]
    pub fn run(&self, bmc: &SimulatedBmc, lines: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let initramfs = folder.path().join("initramfs");
        fs::write(&initramfs, self.initramfs(folder.path(), lines)).expect("an initramfs");
        let port = bmc.machine_port().expect("a controller that a machine can be attached to");
        let machine = Command::new(QEMU)
            // Without the processor's help it takes a few seconds, and works everywhere.
            .args(["-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-no-reboot"])
            .args(["-display", "none", "-serial", "stdio", "-kernel"])
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&initramfs)
            .args(["-append", "console=ttyS0 quiet panic=-1"])
            // Connect once: QEMU 7.2 crashes if the controller sends data before the device exists.
            .args(["-chardev", &format!("socket,id=bmc,host=127.0.0.1,port={port},reconnect=10")])
            .args(["-device", "ipmi-bmc-extern,id=controller,chardev=bmc"])
            .args(["-device", "isa-ipmi-kcs,bmc=controller,ioport=0xca2,irq=5"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("QEMU runs");
        let said = said_in_time(machine);
        let outputs: Vec<String> = said
            .split(BEGIN)
            .skip(1)
            .filter_map(|part| part.split_once(END))
            .map(|(output, _)| output.trim_start_matches('\n').to_owned())
            .collect();
        assert_eq!(outputs.len(), lines.len(), "the machine has not run all of {lines:?}: {said}");
        outputs
    }

    fn initramfs(&self, work: &Path, lines: &[&str]) -> Vec<u8> {
        let mut archive = Archive::default();
        archive.file(Path::new("init"), &init(lines).into_bytes());
        for name in MODULES {
            let file = format!("{name}.ko");
            archive.file(&Path::new("lib").join(&file), &read(&self.modules.join(file)));
        }
        for (path, content) in &self.files {
            archive.file(path, content.as_bytes());
        }
        let mut libraries = BTreeSet::new();
        for program in &self.programs {
            let name = program.file_name().expect("the name of a program");
            let stripped = work.join(name);
            // A module that cannot be stripped is loaded as it is.
            let is_stripped = Command::new("strip")
                .arg("-o")
                .args([&stripped, program])
                .status()
                .is_ok_and(|ended| ended.success());
            archive.file(&Path::new("bin").join(name), &read(if is_stripped { &stripped } else { program }));
            libraries.extend(libraries_of(program));
        }
        for library in libraries {
            archive.file(library.strip_prefix("/").expect("a whole path"), &read(&library));
        }
        archive.end()
    }
}

/// The first program of the machine.
fn init(lines: &[&str]) -> String {
    let modules: String = MODULES.iter().map(|name| format!("insmod /lib/{name}.ko\n")).collect();
    let lines: String =
        lines.iter().map(|line| format!("echo {BEGIN}\n({line}) 2>/tmp/errors\necho {END}\n")).collect();
    format!(
        "#!/bin/busybox sh\n/bin/busybox --install -s /bin\nexport PATH=/bin HOME=/root\n\
         mkdir -p /proc /sys /dev /tmp /root\n\
         mount -t proc proc /proc\nmount -t sysfs sys /sys\nmount -t devtmpfs dev /dev\n{modules}\
         n=0; while [ ! -e /dev/ipmi0 ] && [ $n -lt 300 ]; do usleep 100000; n=$((n+1)); done\n{lines}poweroff -f\n"
    )
}

/// Returns the libraries that `ldd` lists for a program; none for a static one.
fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let said = Command::new("ldd").arg(program).output().expect("ldd runs");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// Returns the output until the machine stops; a machine that takes too long is killed.
fn said_in_time(mut machine: Child) -> String {
    let (mut output, mut errors) =
        (machine.stdout.take().expect("its output"), machine.stderr.take().expect("its errors"));
    let (tell, reported) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = output.read_to_end(&mut said).and_then(|_| errors.read_to_end(&mut said));
        let _ = tell.send(());
        said
    });
    let is_in_time = reported.recv_timeout(LIMIT).is_ok();
    let _ = machine.kill();
    let ended = machine.wait().expect("QEMU ends");
    let said = String::from_utf8_lossy(&reader.join().expect("the reader")).replace('\r', "");
    assert!(is_in_time, "the machine has not ended after {LIMIT:?}: {said}");
    assert!(ended.success(), "QEMU: {ended}: {said}");
    said
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn found_in_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .expect("a program")
}

/// An archive as kernels unpack them (the format newc of cpio).
#[derive(Default)]
struct Archive {
    octets: Vec<u8>,
    folders: BTreeSet<PathBuf>,
    entries: usize,
}

impl Archive {
    /// A file that can be run, after the folders it is in.
    fn file(&mut self, path: &Path, content: &[u8]) {
        let folders: Vec<&Path> =
            path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()).collect();
        for folder in folders.into_iter().rev() {
            if self.folders.insert(folder.to_owned()) {
                self.entry(folder, 0o40_755, &[]);
            }
        }
        self.entry(path, 0o100_755, content);
    }

    fn entry(&mut self, path: &Path, mode: u32, content: &[u8]) {
        self.entries += 1;
        let name = path.to_str().expect("a path in UTF-8");
        // Number, mode, owner, group, links, time, length, four of devices, length of the name, and a sum.
        let head = format!(
            "070701{:08x}{mode:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
            self.entries,
            0,
            0,
            1,
            0,
            content.len(),
            0,
            0,
            0,
            0,
            name.len() + 1,
            0
        );
        let _ = write!(self.octets, "{head}{name}\0");
        self.align();
        self.octets.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.entry(Path::new("TRAILER!!!"), 0, &[]);
        self.octets
    }
}

const QEMU: &str = "qemu-system-x86_64";
/// In the order in which they need each other.
const MODULES: [&str; 3] = ["ipmi_msghandler", "ipmi_devintf", "ipmi_si"];
const BEGIN: &str = "== begin ==";
const END: &str = "== end ==";
/// Time limit; a boot takes about ten seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(240);
