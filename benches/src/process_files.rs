//! Measures how long it takes to read the files of all processes once without evaluating them: the lower bound for
//! every program that reports processes.

use std::fs;
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::read;

use crate::Result;
use crate::process::thread_cpu;

/// Which files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// The files from which `Win32_Process` is computed while no user is signed in.
    All,
    /// The link to the program, from which its name follows, and `stat` where the link is not readable.
    Name,
    /// `stat`, as the collector `processes` of node_exporter reads it.
    Stat,
}

impl Files {
    /// Reads the files; returns the number of processes and the CPU time.
    pub(crate) fn read(self) -> Result<(usize, Duration)> {
        let before = thread_cpu();
        let mut count = 0;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            if name.to_str().is_none_or(|name| name.parse::<u32>().is_err()) {
                continue;
            }
            let path = Path::new("/proc").join(&name);
            if self == Self::Name && readlinkat(CWD, path.join("exe"), Vec::new()).is_ok() {
                count += 1;
                continue;
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            // Processes that end meanwhile are skipped.
            if let Ok(folder) = openat(CWD, path, flags, Mode::empty()) {
                self.of(&folder);
                count += 1;
            }
        }
        Ok((count, thread_cpu() - before))
    }

    fn of(self, process: &OwnedFd) {
        let names: &[&str] = match self {
            Self::All => &["stat", "cmdline", "status", "io"],
            Self::Name | Self::Stat => &["stat"],
        };
        for name in names {
            if let Ok(file) = openat(process, *name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
                let mut octets = [const { MaybeUninit::uninit() }; 4_096];
                let _ = read(&file, &mut octets);
            }
        }
        if self == Self::All {
            let _ = readlinkat(process, "exe", Vec::new());
            let _ = statat(process, "fd", AtFlags::empty());
        }
    }
}
