//! Shutdown and restart of the machine, and setting of its clock.

use std::time::Duration;

use cim::{Instance, Value};
use linux::bus::{BusError, Object};
use linux::now;
use linux::session::Session;

use crate::Machine;

/// Action at the end of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    PowerOff,
    Reboot,
}

/// Schedules a shutdown or restart with logind, late enough that the answer reaches the client first.
///
/// Returns a Windows error code.
pub(super) fn end(machine: &Machine, end: End, delay: Duration, message: Option<&str>) -> u32 {
    let (kind, question) = match end {
        End::PowerOff => ("poweroff", "CanPowerOff"),
        End::Reboot => ("reboot", "CanReboot"),
    };
    let delay = i64::try_from(delay.max(SHORTEST_DELAY).as_micros()).unwrap_or(i64::MAX);
    let at = u64::try_from(now().saturating_add(delay)).unwrap_or_default();
    let requested = machine.bus().wait(async |bus| {
        // Checks the permission first: a scheduled action would be refused only when its time has come.
        let can: String = LOGIND.ask(&bus, question, &()).await?;
        match can.as_str() {
            "yes" => {}
            "na" => return Ok(NOT_SUPPORTED),
            _ => return Ok(PRIVILEGE_NOT_HELD),
        }
        if let Some(message) = message.filter(|message| !message.is_empty()) {
            let message: String = message.chars().filter(|letter| !letter.is_control()).take(512).collect();
            // A user who may shut down the machine may still lack permission to set the message.
            let _ = LOGIND.call(&bus, "SetWallMessage", &(message, true)).await;
        }
        LOGIND.call(&bus, "ScheduleShutdown", &(kind, at)).await?;
        Ok(DONE)
    });
    requested.unwrap_or_else(|error| code(&error))
}

/// Implements `Win32Shutdown` and `Win32ShutdownTracker`; returns their code.
pub(super) fn by_flags(machine: &Machine, input: &Instance) -> u32 {
    let delay = u64::try_from(number_of(input, "Timeout")).unwrap_or_default();
    let message = input.value("Comment").and_then(Value::as_str);
    // 4 forces programs to end, which always happens here.
    match number_of(input, "Flags") & !4 {
        0 => log_off(machine),
        1 | 8 => end(machine, End::PowerOff, Duration::from_secs(delay), message),
        2 => end(machine, End::Reboot, Duration::from_secs(delay), message),
        _ => INVALID_PARAMETER,
    }
}

fn number_of(input: &Instance, name: &str) -> i128 {
    input.value(name).and_then(Value::as_integer).unwrap_or_default()
}

/// Ends the sessions of this process's user at terminals and screens.
fn log_off(machine: &Machine) -> u32 {
    let user = rustix::process::getuid().as_raw();
    let Some(sessions) = Session::of_users(machine) else { return NOT_SUPPORTED };
    let mut own =
        sessions.into_iter().filter(|session| session.uid == user && session.is_interactive()).peekable();
    if own.peek().is_none() {
        return DONE;
    }
    let ended = machine.bus().wait(async |bus| {
        for session in own {
            LOGIND.call(&bus, "TerminateSession", &(session.id,)).await?;
        }
        Ok(())
    });
    ended.map_or_else(|error| code(&error), |()| DONE)
}

/// Implements `SetDateTime`; returns its code.
pub(super) fn set_clock(machine: &Machine, input: &Instance) -> u32 {
    let Some(Value::DateTime(cim::DateTime::Timestamp(time))) = input.value("LocalDateTime") else {
        return INVALID_PARAMETER;
    };
    let set = machine
        .bus()
        .wait(async |bus| TIMEDATED.call(&bus, "SetTime", &(time.unix_micros(), false, false)).await);
    match set {
        Ok(_) => DONE,
        // While the clock is synchronized with the network, a change would be undone at once.
        Err(BusError::Refused { name, .. }) if name.ends_with("AutomaticTimeSyncEnabled") => BUSY,
        Err(error) => code(&error),
    }
}

/// Converts an error of D-Bus to a Windows error code.
pub(super) fn code(error: &BusError) -> u32 {
    match error {
        error if error.is_denied() => ACCESS_DENIED,
        BusError::Absent(_) => NOT_SUPPORTED,
        BusError::Silent(_) => TIMED_OUT,
        BusError::Refused { message, .. } => {
            tracing::debug!(error = %message, "D-Bus service refused the request");
            INVALID_PARAMETER
        }
        BusError::Unintelligible(_) => INTERNAL_ERROR,
    }
}

/// Service that manages sessions and shutdown (org.freedesktop.login1(5)).
const LOGIND: Object<'_> = Object {
    service: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
};

const TIMEDATED: Object<'_> = Object {
    service: "org.freedesktop.timedate1",
    path: "/org/freedesktop/timedate1",
    interface: "org.freedesktop.timedate1",
};

/// Minimum delay, in which the answer reaches the client.
const SHORTEST_DELAY: Duration = Duration::from_millis(2_500);

pub(super) const DONE: u32 = 0;
pub(super) const ACCESS_DENIED: u32 = 5;
pub(super) const NOT_SUPPORTED: u32 = 50;
pub(super) const INVALID_PARAMETER: u32 = 87;
pub(super) const INVALID_NAME: u32 = 123;
const BUSY: u32 = 170;
const PRIVILEGE_NOT_HELD: u32 = 1_314;
const INTERNAL_ERROR: u32 = 1_359;
const TIMED_OUT: u32 = 1_460;
