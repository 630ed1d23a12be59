//! `Win32_PrintJob`: print jobs of CUPS.

use std::sync::Arc;

use cim::{DateTime, Instance, Interval, Status, Value};
use linux::now;
use linux::printing::ipp::Operation;
use linux::printing::job::{Job, State};
use linux::printing::scheduler::Scheduler;
use wmi::{Lookup, MethodCall, ProviderError, Target};

use crate::Machine;
use crate::table::{Fill, Table, failure, returned};

/// Jobs that are not completed.
pub(super) struct Jobs;

/// Returns printer and number of a job.
fn name(job: &Job) -> Option<String> {
    Some(format!("{}, {}", job.printer()?, job.number))
}

/// Returns the time since printing of a job began.
fn elapsed(job: &Job) -> Option<DateTime> {
    let elapsed = now() - job.time("time-at-processing")?.checked_mul(1_000_000)?;
    Interval::from_micros(u64::try_from(elapsed).ok()?).map(DateTime::Interval)
}

fn submitted(machine: &Machine, job: &Job) -> Option<DateTime> {
    machine.timestamp(job.time("time-at-creation")?.checked_mul(1_000_000)?)
}

impl Table for Jobs {
    type Row = Job;

    const CLASS: &'static str = "Win32_PrintJob";

    const COLUMNS: &'static [(&'static str, Fill<Job>)] = &[
        ("Caption", |_, job| name(job).into()),
        ("Color", |_, job| match job.text("print-color-mode") {
            Some("color") => "Color".into(),
            Some("monochrome" | "bi-level" | "process-monochrome") => "Monochrome".into(),
            _ => Value::Null,
        }),
        ("DataType", |_, job| job.text("document-format").map(str::to_owned).into()),
        ("Description", |_, job| name(job).into()),
        ("Document", |_, job| job.text("job-name").map(str::to_owned).into()),
        ("ElapsedTime", |_, job| elapsed(job).into()),
        ("HostPrintQueue", |_, job| {
            job.text("job-originating-host-name").map(|host| format!("\\\\{host}")).into()
        }),
        ("JobId", |_, job| job.number.into()),
        ("JobStatus", |_, job| match job.state() {
            State::Pending => "Spooling".into(),
            State::Held => "Paused".into(),
            State::Printing => "Printing".into(),
            State::Stopped => "Error".into(),
            State::Over => Value::Null,
        }),
        ("Name", |_, job| name(job).into()),
        ("Owner", |_, job| job.text("job-originating-user-name").map(str::to_owned).into()),
        ("PagesPrinted", |_, job| {
            job.count(&["job-media-sheets-completed", "job-impressions-completed"]).into()
        }),
        ("PaperSize", |_, job| job.text("media").map(str::to_owned).into()),
        ("Priority", |_, job| job.count(&["job-priority"]).into()),
        ("Size", |_, job| job.size().map(|octets| (octets & u64::from(u32::MAX)) as u32).into()),
        ("SizeHigh", |_, job| job.size().map(|octets| (octets >> 32) as u32).into()),
        ("Status", |_, job| if job.state() == State::Stopped { "Error" } else { "OK" }.into()),
        // The bits are those of JOB_INFO_2.
        ("StatusMask", |_, job| {
            match job.state() {
                State::Pending => 0x8_u32,
                State::Held => 0x1,
                State::Printing => 0x10,
                State::Stopped => 0x2,
                State::Over => 0x80,
            }
            .into()
        }),
        ("TimeSubmitted", |machine, job| submitted(machine, job).into()),
        ("TotalPages", |_, job| job.count(&["job-media-sheets", "job-impressions"]).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Job>, ProviderError> {
        Ok(Job::all(machine).map_err(failure)?.into_iter())
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance([key]) = call.target else { return Err(ProviderError::NotCapable) };
        let operation = match call.operation.method.name.as_str() {
            "Pause" => Operation::HoldJob,
            "Resume" => Operation::ReleaseJob,
            _ => return Err(ProviderError::NotCapable),
        };
        let Some(job) = find(machine, key)? else {
            return Err(ProviderError::failed(Status::NotFound, "print job not found or already completed"));
        };
        returned(call, about(&Scheduler::of(machine), operation, job))
    }

    fn delete(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let [key] = lookup.keys else { return Ok(false) };
        let Some(job) = find(machine, key)? else { return Ok(false) };
        match about(&Scheduler::of(machine), Operation::CancelJob, job) {
            0 => Ok(true),
            1801 => Ok(false),
            5 => Err(ProviderError::failed(
                Status::AccessDenied,
                "CUPS denied this user the cancellation of the job",
            )),
            code => Err(ProviderError::failed(
                Status::Failed,
                format!("CUPS did not cancel the job (code {code})"),
            )),
        }
    }
}

/// Returns the number of the job with this key, if it is not completed.
fn find(machine: &Machine, key: &Value) -> Result<Option<u32>, ProviderError> {
    let wanted = key.as_integer();
    let jobs = Job::all(machine).map_err(failure)?;
    Ok(jobs.iter().map(|job| job.number).find(|number| Some(i128::from(*number)) == wanted))
}

fn about(scheduler: &Scheduler<'_>, operation: Operation, job: u32) -> u32 {
    let request = scheduler.request(operation).about("job-uri", &format!("ipp://localhost/jobs/{job}"));
    scheduler.order(request.end(&[]))
}
