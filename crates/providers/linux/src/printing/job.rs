//! `Win32_PrintJob`: print jobs of CUPS.

use std::sync::Arc;

use cim::{DateTime, Instance, Interval, Status, Value};
use wmi::{Lookup, MethodCall, ProviderError, Scan, Target};

use super::ipp::{Attributes, Operation};
use super::scheduler::Scheduler;
use crate::Machine;
use crate::machine::now;
use crate::table::{Fill, Push, Table, returned};

/// Jobs that are not completed.
pub(super) struct Jobs;

/// State of a job (RFC 8011 5.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Held,
    Printing,
    Stopped,
    Over,
}

impl Attributes {
    fn job(&self) -> Option<u32> {
        self.number("job-id").and_then(|number| u32::try_from(number).ok())
    }

    fn state_of_job(&self) -> State {
        match self.number("job-state") {
            Some(4) => State::Held,
            Some(5) => State::Printing,
            Some(6) => State::Stopped,
            Some(7..=9) => State::Over,
            _ => State::Pending,
        }
    }

    /// Returns the name of the job's printer: the last segment of the printer's URI.
    fn printer_of_job(&self) -> Option<String> {
        Some(self.text("job-printer-uri")?.rsplit('/').next()?.to_owned())
    }

    fn name_of_job(&self) -> Option<String> {
        Some(format!("{}, {}", self.printer_of_job()?, self.job()?))
    }

    /// Returns a time that the scheduler gives in seconds since 1970.
    fn moment(&self, machine: &Machine, name: &str) -> Option<DateTime> {
        let seconds = self.number(name).filter(|seconds| *seconds > 0)?;
        machine.timestamp(i64::from(seconds).checked_mul(1_000_000)?)
    }

    fn count(&self, names: &[&str]) -> Option<u32> {
        names.iter().find_map(|name| u32::try_from(self.number(name)?).ok())
    }

    fn octets_of_job(&self) -> Option<u64> {
        u64::try_from(self.number("job-k-octets")?).ok()?.checked_mul(1024)
    }
}

impl Table for Jobs {
    type Row = Attributes;

    const CLASS: &'static str = "Win32_PrintJob";

    const COLUMNS: &'static [(&'static str, Fill<Attributes>)] = &[
        ("Caption", |_, job| job.name_of_job().into()),
        ("Color", |_, job| match job.text("print-color-mode") {
            Some("color") => "Color".into(),
            Some("monochrome" | "bi-level" | "process-monochrome") => "Monochrome".into(),
            _ => Value::Null,
        }),
        ("DataType", |_, job| job.text("document-format").map(str::to_owned).into()),
        ("Description", |_, job| job.name_of_job().into()),
        ("Document", |_, job| job.text("job-name").map(str::to_owned).into()),
        ("ElapsedTime", |_, job| {
            let begun = job.number("time-at-processing").filter(|seconds| *seconds > 0);
            let elapsed = begun.and_then(|begun| u64::try_from(now() - i64::from(begun) * 1_000_000).ok());
            elapsed.and_then(Interval::from_micros).map(DateTime::Interval).into()
        }),
        ("HostPrintQueue", |_, job| {
            job.text("job-originating-host-name").map(|host| format!("\\\\{host}")).into()
        }),
        ("JobId", |_, job| job.job().into()),
        ("JobStatus", |_, job| match job.state_of_job() {
            State::Pending => "Spooling".into(),
            State::Held => "Paused".into(),
            State::Printing => "Printing".into(),
            State::Stopped => "Error".into(),
            State::Over => Value::Null,
        }),
        ("Name", |_, job| job.name_of_job().into()),
        ("Owner", |_, job| job.text("job-originating-user-name").map(str::to_owned).into()),
        ("PagesPrinted", |_, job| {
            job.count(&["job-media-sheets-completed", "job-impressions-completed"]).into()
        }),
        ("PaperSize", |_, job| job.text("media").map(str::to_owned).into()),
        ("Priority", |_, job| job.count(&["job-priority"]).into()),
        ("Size", |_, job| job.octets_of_job().map(|octets| (octets & u64::from(u32::MAX)) as u32).into()),
        ("SizeHigh", |_, job| job.octets_of_job().map(|octets| (octets >> 32) as u32).into()),
        ("Status", |_, job| if job.state_of_job() == State::Stopped { "Error" } else { "OK" }.into()),
        // The bits are those of JOB_INFO_2.
        ("StatusMask", |_, job| {
            match job.state_of_job() {
                State::Pending => 0x8_u32,
                State::Held => 0x1,
                State::Printing => 0x10,
                State::Stopped => 0x2,
                State::Over => 0x80,
            }
            .into()
        }),
        ("TimeSubmitted", |machine, job| job.moment(machine, "time-at-creation").into()),
        ("TotalPages", |_, job| job.count(&["job-media-sheets", "job-impressions"]).into()),
    ];

    const UNKNOWN: &'static [&'static str] = &[
        "DriverName",
        "Notify",
        "PaperLength",
        "PaperWidth",
        "Parameters",
        "PrintProcessor",
        "StartTime",
        "UntilTime",
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Attributes>,
    ) -> Result<(), ProviderError> {
        all(machine)?.into_iter().try_for_each(push)
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance([key]) = call.target else { return Err(ProviderError::NotCapable) };
        let operation = match call.operation.method.name.as_str() {
            "Pause" => Operation::HoldJob,
            "Resume" => Operation::ReleaseJob,
            _ => return Err(ProviderError::NotCapable),
        };
        let Some(job) = find(machine, key)? else {
            return Err(ProviderError::failed(Status::NotFound, "there is no such job, or it is done"));
        };
        returned(call, about(&Scheduler::of(machine), operation, job))
    }

    fn delete(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let [key] = lookup.keys else { return Ok(false) };
        let Some(job) = find(machine, key)? else { return Ok(false) };
        match about(&Scheduler::of(machine), Operation::CancelJob, job) {
            0 => Ok(true),
            1801 => Ok(false),
            5 => {
                Err(ProviderError::failed(Status::AccessDenied, "CUPS does not let this user cancel the job"))
            }
            code => Err(ProviderError::failed(
                Status::Failed,
                format!("CUPS did not cancel the job (code {code})"),
            )),
        }
    }
}

fn all(machine: &Machine) -> Result<Vec<Attributes>, ProviderError> {
    let scheduler = Scheduler::of(machine);
    let request = scheduler.request(Operation::GetJobs).about("printer-uri", "ipp://localhost/");
    let request = request.keyword("which-jobs", "not-completed").keyword("requested-attributes", "all");
    let jobs = scheduler.list(request.end(&[]))?;
    Ok(jobs.into_iter().filter(|job| job.job().is_some()).collect())
}

/// Returns the number of the job with this key, if it is not completed.
fn find(machine: &Machine, key: &Value) -> Result<Option<u32>, ProviderError> {
    let wanted = key.as_integer();
    Ok(all(machine)?.iter().filter_map(Attributes::job).find(|job| Some(i128::from(*job)) == wanted))
}

fn about(scheduler: &Scheduler<'_>, operation: Operation, job: u32) -> u32 {
    let request = scheduler.request(operation).about("job-uri", &format!("ipp://localhost/jobs/{job}"));
    scheduler.order(request.end(&[]))
}
