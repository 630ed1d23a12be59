//! Measures `telarch cp` in comparison with `curl`, which sends the same file to a bare HTTPS server.
//!
//! Both sides store the file and synchronize it to the disk. `telarch cp` also computes its SHA-256 on both ends.

mod bare_put;
mod remoting;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use self::bare_put::BarePut;
use crate::Result;
use crate::effort::Effort;
use crate::process::{megabytes, peak, seconds};
use crate::rounds::{by_turns, median_of};
use crate::table::Row;
use crate::telarchd::{PASSWORD, Telarchd, USER, program};

/// Smallest speed compared with that of `curl`.
const LEAST: f64 = 0.6;
/// Largest memory that a copy of a large file needs above that of a small one, in megabytes.
const GROWTH: f64 = 8.0;
/// Switches for the certificate of the service.
const WITH_TLS: [&str; 2] = ["-skipCAcheck", "-skipCNcheck"];
/// Largest file whose speed is measured, in bytes.
const MEASURED: u64 = 256 << 20;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start(&[])?;
    let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
    let [here, there, back] = ["here", "there", "back"].map(|name| folder.path().join(name));
    let size = effort.file.min(MEASURED);
    write_file(&here, size)?;
    let remote = format!("https://{}:{}", service.https(), there.display());
    let bare = BarePut::start(&folder.path().join("bare"))?;
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--insecure", "--upload-file"]).arg(&here);
    curl.arg(format!("https://{}/file", bare.address()));

    let put = by_turns(
        effort.rounds,
        || seconds(&mut copy(&here.display().to_string(), &remote, &WITH_TLS)),
        || seconds(&mut curl),
    )?;
    for copied in [&there, &folder.path().join("bare")] {
        if fs::metadata(copied)?.len() != size {
            return Err(format!("{} is not complete", copied.display()).into());
        }
    }
    let speed = |seconds: f64| size as f64 / 1e6 / seconds;
    let [ours, theirs] =
        [median_of(&put, |turn| speed(turn.ours)), median_of(&put, |turn| speed(turn.theirs))];
    let ratio = median_of(&put, |turn| turn.theirs / turn.ours);
    let what = format!(
        "telarch cp of {} MiB to the service, with TLS: speed compared with curl and a bare HTTPS server",
        size >> 20
    );
    let mut rows =
        vec![Row::at_least(&what, LEAST, ratio, format!("{ratio:.2} ({ours:.0} to {theirs:.0} MB/s)"))];

    let get = (0..effort.rounds)
        .map(|_| seconds(&mut copy(&remote, &back.display().to_string(), &WITH_TLS)))
        .collect::<Result<Vec<f64>>>()?;
    let from = median_of(&get, |taken| speed(*taken));
    let what = format!("telarch cp of {} MiB from the service, with TLS", size >> 20);
    rows.push(Row::without_goal(&what, format!("{from:.0} MB/s")));
    rows.push(memory(effort, &service, &here, &remote)?);
    match remoting::measure(effort) {
        Ok(measured) => rows.extend(measured),
        Err(error) => rows.push(Row::not_measured("telarch cp beside pypsrp", &error.to_string())),
    }
    Ok(rows)
}

/// Measures how much more memory the client and the service need for a large file than for a small one.
fn memory(effort: &Effort, service: &Telarchd, here: &Path, remote: &str) -> Result<Row> {
    let mut peaks = Vec::new();
    for size in [1 << 20, effort.file] {
        write_file(here, size)?;
        let client = watched(copy(&here.display().to_string(), remote, &WITH_TLS).spawn()?)?;
        peaks.push([client, peak(service.process())?]);
    }
    let [small, large] = peaks[..] else { return Err("there are not two copies".into()) };
    let growth = megabytes(large[0].saturating_sub(small[0]).max(large[1].saturating_sub(small[1])));
    let what = format!("telarch cp of {} MiB: memory above that of 1 MiB", effort.file >> 20);
    let measured = format!(
        "{growth:.1} MB (client {:.1} to {:.1}, service {:.1} to {:.1} MB)",
        megabytes(small[0]),
        megabytes(large[0]),
        megabytes(small[1]),
        megabytes(large[1])
    );
    Ok(Row::at_most(&what, GROWTH, "MB", growth, measured))
}

/// Waits for a process and returns its peak memory in bytes. The peak is read again and again, because it is not
/// available after the end.
fn watched(mut child: Child) -> Result<u64> {
    const BETWEEN: Duration = Duration::from_millis(2);
    let mut highest = 0;
    loop {
        highest = peak(child.id()).unwrap_or_default().max(highest);
        match child.try_wait()? {
            Some(status) if status.success() && highest > 0 => return Ok(highest),
            Some(status) => return Err(format!("telarch cp ended with {status}").into()),
            None => std::thread::sleep(BETWEEN),
        }
    }
}

fn copy(from: &str, to: &str, switches: &[&str]) -> Command {
    let mut command = Command::new(program("telarch"));
    command.args(["cp", from, to, "-auth:basic", &format!("-u:{USER}")]).args(switches);
    command.env("TELARCH_PASSWORD", PASSWORD).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Writes a file whose content cannot be compressed.
fn write_file(path: &Path, size: u64) -> Result<()> {
    let mut block = vec![0_u8; 1 << 20];
    let mut state = 1_u64;
    for bytes in block.chunks_exact_mut(8) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.copy_from_slice(&state.to_le_bytes());
    }
    let mut file = File::create(path)?;
    let mut rest = size;
    while rest > 0 {
        let length = rest.min(1 << 20);
        file.write_all(block.get(..usize::try_from(length)?).unwrap_or(&block))?;
        rest -= length;
    }
    Ok(())
}
