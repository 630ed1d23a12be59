//! `telarch ipmi`: management of hardware through management controllers.
//!
//! Each action is a module of its own. Most send one request to many controllers (`parallel`) and collect the responses
//! in a report (`report`).

mod arguments;
mod audit;
mod boot;
mod channel;
mod chassis;
mod controller;
mod events;
mod export;
mod follow;
mod fru;
mod group_key;
mod host_command;
mod hosts;
mod hysteresis;
mod identify;
mod info;
mod ipmitool;
mod lan;
mod lan6;
mod parallel;
mod power;
mod prometheus;
mod raw;
mod report;
mod scan;
mod sel;
mod sensor_names;
mod sensors;
mod sign_in;
mod sol;
mod table;
mod targets;
mod threshold;
mod user;
mod watch;
mod watchdog;

use cli_command::{Arguments, Failure};

use self::arguments::{Action, Invocation};

pub use self::table::IPMI;

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let Invocation { action, mut targets } = Invocation::new(arguments)?;
    host_command::resolve(&mut targets)?;
    match action {
        Action::Power(request) => parallel::run(targets, request),
        Action::Boot(request) => parallel::run(targets, request),
        Action::Chassis => parallel::run(targets, chassis::Chassis),
        Action::Restart(how) => parallel::run(targets, how),
        Action::SelfTest => parallel::run(targets, controller::SelfTestRequest),
        Action::Sensors(filters) => {
            let format = targets.format;
            parallel::run(targets, sensors::Sensors { format, filters })
        }
        Action::Threshold(request) => parallel::run(targets, request),
        Action::Sel(request) => parallel::run(targets, request),
        Action::Follow(clock, every) => follow::run(targets, clock, every),
        Action::Fru(request) => parallel::run(targets, request),
        Action::Info => parallel::run(targets, info::Info),
        Action::Lan(request) => parallel::run(targets, request),
        Action::Lan6(request) => parallel::run(targets, request),
        Action::Channel(request) => parallel::run(targets, request),
        Action::Hysteresis(request) => parallel::run(targets, request),
        Action::Events(request) => parallel::run(targets, request),
        Action::GroupKey(group_key::GroupKey::Set(_), file) => {
            let key = sign_in::new_group_key(&targets, file)?;
            parallel::run(targets, group_key::GroupKey::Set(Some(key)))
        }
        Action::GroupKey(request, _) => parallel::run(targets, request),
        Action::Sessions => parallel::run(targets, channel::Sessions),
        Action::Sol(sol::Sol::Open) => sol::terminal::run(targets),
        Action::Sol(request) => parallel::run(targets, request),
        Action::Scan => scan::run(targets),
        Action::Audit => audit::run(targets),
        Action::Watch(every) => watch::run(targets, every),
        Action::Export(every, listen) => export::run(targets, every, listen),
        Action::User(request, file) => match request.needs_password() {
            Some(user) => {
                let password = sign_in::user_password(&format!("user {user}"), &targets, file)?;
                parallel::run(targets, request.with_password(password))
            }
            None => parallel::run(targets, request),
        },
        Action::Watchdog(request) => parallel::run(targets, request),
        Action::Identify(how) => parallel::run(targets, identify::Identify(how)),
        Action::Raw(request) => parallel::run(targets, raw::Raw(request)),
    }
}
