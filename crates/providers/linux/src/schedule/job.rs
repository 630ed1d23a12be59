//! `Win32_ScheduledJob`: lines of cron and timers of systemd.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;

use cim::{DateTime, Instance, Status, Value};
use linux::guid;
use linux::listing::Listing;
use linux::schedule::command;
use linux::schedule::cron::{self, Time};
use linux::service::unit::{Timer, timers};
use wmi::{Lookup, MethodCall, ProviderError, Scan, Target};

use crate::Machine;
use crate::table::{Fill, Push, Table, failure, is_set, push_listing, returned};

/// Commands that run at certain times.
pub(crate) struct ScheduledJob;

/// A job of cron or systemd.
pub(crate) struct Job {
    /// Job number: a hash of the file and the line, so that it does not depend on other jobs; see [`number`].
    pub(super) number: u32,
    /// Path of the table, or name of the timer.
    pub(super) name: String,
    pub(super) owner: Option<String>,
    pub(super) command: Option<String>,
    pub(super) time: Time,
    /// Next time of a timer, in microseconds since 1970.
    pub(super) next: Option<i64>,
}

impl Job {
    /// Returns the time of the last change of its table, in microseconds since 1970; `None` for timers, whose name is
    /// not a path.
    pub(super) fn changed(&self, machine: &Machine) -> Option<i64> {
        let file = std::fs::metadata(machine.path(&self.name)).ok().filter(|_| self.name.starts_with('/'))?;
        file.mtime().checked_mul(1_000_000)
    }
}

impl Table for ScheduledJob {
    type Row = Job;

    const CLASS: &'static str = "Win32_ScheduledJob";

    const COLUMNS: &'static [(&'static str, Fill<Job>)] = &[
        ("Caption", |_, job| job.name.clone().into()),
        ("Command", |_, job| job.command.clone().into()),
        ("DaysOfMonth", |_, job| job.time.days_of_month.into()),
        ("DaysOfWeek", |_, job| job.time.days_of_week.into()),
        ("Description", |_, job| job.name.clone().into()),
        ("InteractWithDesktop", |_, _| false.into()),
        ("JobId", |_, job| job.number.into()),
        ("Name", |_, job| job.name.clone().into()),
        ("Owner", |_, job| job.owner.clone().into()),
        ("RunRepeatedly", |_, _| true.into()),
        ("StartTime", |machine, job| match (job.time.at, job.next) {
            (Some((hour, minute)), _) => clock_time(machine, hour, minute).into(),
            (None, next) => next.and_then(|next| machine.timestamp(next)).into(),
        }),
        ("TimeSubmitted", |machine, job| {
            job.changed(machine).and_then(|changed| machine.timestamp(changed)).into()
        }),
    ];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Job>) -> Result<(), ProviderError> {
        push_listing(jobs(machine), push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Job>, ProviderError> {
        job(machine, lookup.keys)
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance(keys) = call.target else {
            return match create(machine, call.input) {
                Ok(number) => Ok(returned(call, DONE)?.with("JobId", number)?),
                Err(code) => returned(call, code),
            };
        };
        let job =
            job(machine, keys)?.ok_or_else(|| ProviderError::failed(Status::NotFound, "job not found"))?;
        let code = match is_ours(&job.name).then(|| std::fs::remove_file(machine.path(&job.name))) {
            None => NOT_SUPPORTED,
            Some(removed) => removed.map_or_else(|error| of_disk(&error), |()| DONE),
        };
        returned(call, code)
    }
}

/// Returns the job with the number in the key.
fn job(machine: &Machine, keys: &[Value]) -> Result<Option<Job>, ProviderError> {
    let number = keys.first().and_then(Value::as_integer);
    jobs(machine).find(|job| Some(i128::from(job.number)) == number).map_err(failure)
}

/// Returns all jobs of cron and systemd.
pub(super) fn jobs(machine: &Machine) -> Listing<Job> {
    let mut jobs = cron::of_system(machine).map(Job::from);
    jobs.add(timers(machine).map(|timers| timers.into_iter().map(Job::from)));
    // Added last, so that lines written by users do not change the numbers of other jobs.
    jobs.append(cron::of_users(machine).map(Job::from));
    number(&mut jobs.found);
    jobs.found.sort_by_key(|job| job.number);
    jobs
}

/// Makes the job numbers unique. If a number is in use by an earlier job, because the lines are equal or
/// their hashes collide by chance or intent, the job gets the next free one.
fn number(jobs: &mut [Job]) {
    // Maps each number in use to the next candidate; all numbers in between are in use.
    let mut taken: HashMap<u32, u32> = HashMap::with_capacity(jobs.len());
    for job in jobs {
        let first = job.number;
        while let Some(next) = taken.get(&job.number) {
            job.number = *next;
        }
        let next = job.number.wrapping_add(1);
        taken.insert(job.number, next);
        // Skips the numbers found in use, so that many equal lines do not take quadratic time.
        taken.insert(first, next);
    }
}

impl From<cron::Line> for Job {
    fn from(line: cron::Line) -> Self {
        let number = number_of(&[&line.file, &line.text]);
        let command = if is_ours(&line.file) { command::read(&line.command) } else { line.command };
        Self {
            number,
            name: line.file,
            owner: Some(line.owner),
            command: Some(command),
            time: line.time,
            next: None,
        }
    }
}

impl From<Timer> for Job {
    fn from(timer: Timer) -> Self {
        Self {
            number: number_of(&[&timer.name]),
            name: timer.name,
            owner: None,
            command: timer.starts,
            time: Time::default(),
            next: timer.next,
        }
    }
}

/// Computes a hash of texts (FNV-1a).
fn number_of(texts: &[&str]) -> u32 {
    let octets = texts.iter().flat_map(|text| text.bytes().chain([0]));
    octets.fold(0x811c_9dc5, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

/// Returns a time of day as a datetime with the date left open, in the offset of this machine.
fn clock_time(machine: &Machine, hour: u32, minute: u32) -> Option<DateTime> {
    let offset = crate::system::offset(machine)?;
    let sign = if offset < 0 { '-' } else { '+' };
    DateTime::parse(&format!("********{hour:02}{minute:02}00.000000{sign}{:03}", offset.unsigned_abs())).ok()
}

/// Implements `Win32_ScheduledJob.Create`: writes a cron line, run as root, into a file of its own.
///
/// # Errors
/// The code of the method for the reason of the failure.
fn create(machine: &Machine, input: &Instance) -> Result<u32, u32> {
    let command = input.value("Command").and_then(Value::as_str).unwrap_or_default().trim();
    if command.is_empty() || command.contains(char::is_control) {
        return Err(INVALID_PARAMETER);
    }
    // Commands that run once are not supported, and services have no desktop.
    if !is_set(input, "RunRepeatedly") || is_set(input, "InteractWithDesktop") {
        return Err(NOT_SUPPORTED);
    }
    let time = input.value("StartTime").and_then(|time| time_of(machine, time));
    let (hour, minute) = time.ok_or(INVALID_PARAMETER)?;
    let of_week = days(input.value("DaysOfWeek"), 7, |day| (day + 1) % 7)?;
    let of_month = days(input.value("DaysOfMonth"), 31, |day| day + 1)?;
    let command = command::written(command).ok_or(INVALID_PARAMETER)?;
    let line = format!("{minute} {hour} {of_month} * {of_week} root {command}\n");
    // The file name is derived from the line, so that another job gets another file.
    let path = format!("{OURS}{}", guid::of(&[&line]).trim_matches(['{', '}']).to_ascii_lowercase());
    write_table(machine, &path, &line).map_err(|error| of_disk(&error))?;
    let mut jobs = cron::of_system(machine).map(Job::from).found;
    number(&mut jobs);
    let made = jobs.into_iter().find(|job| job.name == format!("/{path}"));
    made.map(|job| job.number).ok_or(UNKNOWN_FAILURE)
}

/// Writes a table of cron with one line.
fn write_table(machine: &Machine, path: &str, line: &str) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        // Cron does not read files with a dot in their names.
        .prefix(".telarch-")
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(machine.path("etc/cron.d"))?;
    write!(file, "# Made by telarch for Win32_ScheduledJob; its Delete removes it.\n{line}")?;
    file.as_file().sync_all()?;
    file.persist(machine.path(path)).map_err(|error| error.error)?;
    Ok(())
}

/// Lists the days of a set of bits as cron does.
fn days(bits: Option<&Value>, count: u32, number: fn(u32) -> u32) -> Result<String, u32> {
    let bits = bits.and_then(Value::as_integer).unwrap_or_default();
    if bits >> count != 0 {
        return Err(INVALID_PARAMETER);
    }
    let days = (0..count).filter(|day| (bits >> day) & 1 == 1).map(|day| number(day).to_string());
    let days: Vec<String> = days.collect();
    Ok(if days.is_empty() { "*".to_owned() } else { days.join(",") })
}

/// Returns hour and minute in the time zone of the machine.
fn time_of(machine: &Machine, time: &Value) -> Option<(u32, u32)> {
    let here = i32::from(crate::system::offset(machine)?);
    let text = time.to_text();
    let (hour, minute) = (number_at(&text, 8..10)?, number_at(&text, 10..12)?);
    let there = match text.get(21..22)? {
        "-" => -number_at(&text, 22..25)?,
        // Without an offset, the time is local.
        _ => number_at(&text, 22..25).unwrap_or(here),
    };
    let minutes = (hour * 60 + minute - there + here).rem_euclid(24 * 60);
    u32::try_from(minutes / 60).ok().zip(u32::try_from(minutes % 60).ok())
}

fn number_at(text: &str, place: std::ops::Range<usize>) -> Option<i32> {
    text.get(place)?.parse().ok()
}

fn of_disk(error: &io::Error) -> u32 {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ACCESS_DENIED,
        // The folder is missing: cron is not installed.
        io::ErrorKind::NotFound => SERVICE_NOT_STARTED,
        _ => UNKNOWN_FAILURE,
    }
}

/// Returns whether a job was created by this service, from its absolute path; only such a job is alone in its
/// file.
fn is_ours(file: &str) -> bool {
    file.strip_prefix('/').is_some_and(|path| path.starts_with(OURS))
}

/// Prefix of the files of created jobs.
const OURS: &str = "etc/cron.d/telarch-job-";

const DONE: u32 = 0;
const NOT_SUPPORTED: u32 = 1;
const ACCESS_DENIED: u32 = 2;
const UNKNOWN_FAILURE: u32 = 8;
const INVALID_PARAMETER: u32 = 21;
const SERVICE_NOT_STARTED: u32 = 22;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(numbers: &[u32]) -> Vec<u32> {
        let timer = |number: &u32| {
            let timer = Timer { name: String::new(), starts: None, next: None };
            Job { number: *number, ..Job::from(timer) }
        };
        let mut jobs: Vec<Job> = numbers.iter().map(timer).collect();
        number(&mut jobs);
        jobs.iter().map(|job| job.number).collect()
    }

    #[test]
    fn job_numbers_are_made_unique() {
        assert_eq!(numbered(&[7, 9, 7, 8, 7, 9, 7]), [7, 9, 8, 10, 11, 12, 13]);
        assert_eq!(numbered(&[u32::MAX, u32::MAX, 0]), [u32::MAX, 0, 1]);
    }

    #[test]
    fn making_job_numbers_unique_is_linear() {
        let numbers = numbered(&vec![5; 300_000]);
        assert_eq!(numbers.last(), Some(&300_004));
    }
}
