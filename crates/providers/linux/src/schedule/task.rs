//! `MSFT_ScheduledTask` of `root/microsoft/windows/taskscheduler`: lines of cron and timers of systemd.

use std::sync::Arc;

use cim::{Instance, Namespace, Schema, Value};
use linux::schedule::cron::Time;
use wmi::{ProviderError, Scan};

use super::job::{Job, jobs};
use crate::Machine;
use crate::table::{Fill, Push, Table, push_listing};

/// Tasks that run at certain times.
pub(crate) struct ScheduledTask;

const NAMESPACE: &str = "root/microsoft/windows/taskscheduler";

/// State of a task that waits for its next time.
const READY: u32 = 3;

/// Returns an embedded object; NULL if a value does not fit, which the tests exclude.
fn embedded<const N: usize>(class: &str, values: [(&str, Value); N]) -> Value {
    let object = || {
        let class = Schema::of(Namespace::parse(NAMESPACE).ok()?).class(class)?;
        let object = values
            .into_iter()
            .try_fold(Instance::new(class), |object, (name, value)| object.with(name, value));
        object.ok()
    };
    object().map_or(Value::Null, |object| Value::Object(Box::new(object)))
}

/// Returns a time in local time, as in the definition of a task (MS-TSCH 2.5.3).
fn local(micros: i64) -> Option<jiff::civil::DateTime> {
    let time = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(jiff::tz::TimeZone::system().to_datetime(time))
}

fn written(time: jiff::civil::DateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Returns the time of the last change of the table of a job of cron.
fn changed(machine: &Machine, job: &Job) -> Option<jiff::civil::DateTime> {
    local(job.changed(machine)?)
}

/// Returns path and name of a task: a job of cron has the path of its table, with its number, because a table can have
/// several jobs.
fn name(job: &Job) -> (String, String) {
    match job.name.strip_prefix('/').and_then(|table| table.rsplit_once('/')) {
        Some((folder, file)) => {
            (format!("\\{}\\", folder.replace('/', "\\")), format!("{file}-{}", job.number))
        }
        None if job.name.starts_with('/') => {
            ("\\".to_owned(), format!("{}-{}", job.name.trim_start_matches('/'), job.number))
        }
        None => ("\\systemd\\".to_owned(), job.name.clone()),
    }
}

/// Returns the trigger: that of systemd has the next time; jobs of cron run daily or weekly, unless their times have no
/// form on Windows.
fn trigger(machine: &Machine, job: &Job) -> Value {
    let Time { at, days_of_month, days_of_week } = job.time;
    let next = job.next.and_then(local).map(written);
    let start = at.and_then(|(hour, minute)| {
        let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
        Some(written(changed(machine, job)?.date().at(hour, minute, 0, 0)))
    });
    let enabled = ("Enabled", true.into());
    match (next, start, days_of_month, days_of_week) {
        (Some(next), ..) => embedded("MSFT_TaskTimeTrigger", [enabled, ("StartBoundary", next.into())]),
        (None, Some(start), None, None) => embedded(
            "MSFT_TaskDailyTrigger",
            [enabled, ("StartBoundary", start.into()), ("DaysInterval", 1_u16.into())],
        ),
        (None, Some(start), None, Some(days)) => embedded(
            "MSFT_TaskWeeklyTrigger",
            [
                enabled,
                ("StartBoundary", start.into()),
                ("DaysOfWeek", from_sunday(days).into()),
                ("WeeksInterval", 1_u16.into()),
            ],
        ),
        (None, start, ..) => embedded("MSFT_TaskTrigger", [enabled, ("StartBoundary", start.into())]),
    }
}

/// Converts days of the week with Monday in the lowest bit to days with Sunday in the lowest bit.
fn from_sunday(days: u32) -> Option<u16> {
    u16::try_from(days << 1 & 0x7E | days >> 6 & 1).ok()
}

impl Table for ScheduledTask {
    type Row = Job;

    const NAMESPACE: &'static str = NAMESPACE;

    const CLASS: &'static str = "MSFT_ScheduledTask";

    const COLUMNS: &'static [(&'static str, Fill<Job>)] = &[
        ("Actions", |_, job| match &job.command {
            Some(command) => Value::Array(Box::new([embedded(
                "MSFT_TaskExecAction",
                [("Execute", command.clone().into())],
            )])),
            None => Value::Null,
        }),
        ("Date", |machine, job| changed(machine, job).map(written).into()),
        ("Principal", |_, job| match &job.owner {
            Some(owner) => embedded("MSFT_TaskPrincipal", [("UserId", owner.clone().into())]),
            None => Value::Null,
        }),
        ("Source", |_, job| if job.name.starts_with('/') { "cron" } else { "systemd" }.into()),
        ("State", |_, _| READY.into()),
        ("TaskName", |_, job| name(job).1.into()),
        ("TaskPath", |_, job| name(job).0.into()),
        ("Triggers", |machine, job| Value::Array(Box::new([trigger(machine, job)]))),
        ("URI", |_, job| {
            let (path, name) = name(job);
            format!("{path}{name}").into()
        }),
    ];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Job>) -> Result<(), ProviderError> {
        push_listing(jobs(machine), push)
    }
}
