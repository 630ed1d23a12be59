//! `telarch ipmi`: the hardware of machines, through their management controllers.
//!
//! Each action is a file of its own; what they have in common is one question to many controllers, and a report.

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
mod hosts;
mod hysteresis;
mod identify;
mod info;
mod ipmitool;
mod known;
mod lan;
mod lan6;
mod many;
mod named;
mod power;
mod prometheus;
mod raw;
mod report;
mod scan;
mod sel;
mod sensors;
mod sign_in;
mod sol;
mod threshold;
mod user;
mod watch;
mod watchdog;

use lexopt::{Arg, Parser};

pub use self::arguments::ACTIONS;
use self::arguments::{Action, Invocation};
use cli_command::Subcommand;
use cli_command::Failure;

/// The command `telarch ipmi`.
pub const SUBCOMMAND: Subcommand = Subcommand {
    name: "ipmi",
    about: "the hardware of machines, through their management controllers",
    help: HELP,
    run,
};

/// The names of all actions.
pub fn action_names() -> Vec<&'static str> {
    ACTIONS.iter().map(|(action, _)| *action).collect()
}

fn run(parser: Parser) -> Result<String, Failure> {
    let mut ahead = parser.clone();
    if matches!(ahead.next(), Ok(Some(Arg::Value(word))) if word == "host") {
        return known::run(ahead);
    }
    let Some(Invocation { action, mut place }) = Invocation::parse(parser)? else {
        return Ok(HELP.to_owned());
    };
    known::find(&mut place)?;
    match action {
        Action::Power(what) => many::ask(place, what),
        Action::Boot(what) => many::ask(place, what),
        Action::Chassis => many::ask(place, chassis::Chassis),
        Action::Restart(how) => many::ask(place, how),
        Action::SelfTest => many::ask(place, controller::Examined),
        Action::Sensors(wanted) => {
            let format = place.format;
            many::ask(place, sensors::Sensors { format, wanted })
        }
        Action::Threshold(what) => many::ask(place, what),
        Action::Sel(what) => many::ask(place, what),
        Action::Follow(clock, every) => follow::run(place, clock, every),
        Action::Fru(what) => many::ask(place, what),
        Action::Info => many::ask(place, info::Info),
        Action::Lan(what) => many::ask(place, what),
        Action::Lan6(what) => many::ask(place, what),
        Action::Channel(what) => many::ask(place, what),
        Action::Hysteresis(what) => many::ask(place, what),
        Action::Events(what) => many::ask(place, what),
        Action::GroupKey(group_key::GroupKey::Set(_), file) => {
            let key = sign_in::group_key_of(&place, file)?;
            many::ask(place, group_key::GroupKey::Set(Some(key)))
        }
        Action::GroupKey(what, _) => many::ask(place, what),
        Action::Sessions => many::ask(place, channel::Sessions),
        Action::Sol(sol::Sol::Open) => sol::terminal::run(place),
        Action::Sol(what) => many::ask(place, what),
        Action::Scan => scan::run(place),
        Action::Audit => audit::run(place),
        Action::Watch(every) => watch::run(place, every),
        Action::Export(every, listen) => export::run(place, every, listen),
        Action::User(what, file) => match what.needs_password() {
            Some(user) => {
                let password = sign_in::password_of(&format!("user {user}"), &place, file)?;
                many::ask(place, what.with_password(password))
            }
            None => many::ask(place, what),
        },
        Action::Watchdog(what) => many::ask(place, what),
        Action::Identify(how) => many::ask(place, identify::Identify(how)),
        Action::Raw(request) => many::ask(place, raw::Raw(request)),
    }
}

const HELP: &str = r"telarch ipmi: the hardware of machines, through their management controllers (BMC).

Examples:
  telarch ipmi power status -H 10.0.0.7 -U admin
  telarch ipmi power cycle -H 'bmc[01-40].example' -U admin --password-file ~/.bmc
  telarch ipmi sensors -H bmc1,bmc2 -U admin --format json
  telarch ipmi raw 0x06 0x01 -H bmc1 -U admin

Actions:
  power WHAT            status, on, off, cycle, reset, diag (an interrupt for a dump), or soft (asks the system to
                        shut down); cause is why it was started last, hours how long it has been on in its life, and
                        watts what it takes, where the controller knows DCMI
  power policy [WHAT]   what happens when power comes back: always-off, previous or always-on
  boot [DEVICE [HOW]]   what the machine starts from next: none, pxe, disk, safe, diag, cdrom, bios, floppy,
                        remote-floppy, remote-cdrom, remote-media or remote-disk; HOW is once or always, legacy or efi
  chassis               the box: power and what is wrong with it, intrusion, drives and fans, and the lamp
  sensors [WANTED]...   what the sensors measure: name, number, reading or states, and ok, nc, cr or nr (beyond a
                        non-critical, critical or non-recoverable threshold, or in a state as bad), or ns for no reading.
                        WANTED is bad, a type such as temperature or fan, or a name, with * for any letters.
                        Where several have the same name, what they are of stands behind it; SENSOR below is a name,
                        with that where it is needed, or a number such as 0Ah
  threshold SENSOR [WHICH VALUE]
                        the thresholds of a sensor, or a new one in its unit: lnr, lcr, lnc, unc, ucr or unr (lower and
                        upper; non-critical, critical, non-recoverable)
  hysteresis SENSOR [POSITIVE NEGATIVE]
                        how far a reading must go back, in the unit of the sensor, before an event is over: below upper
                        thresholds, and above lower ones
  events SENSOR [CHANGE]
                        which events a sensor sends; CHANGE is on or off (all of them), scan on|off (whether it is
                        measured), or enable|disable assert|deassert|both EVENT..., where EVENT is a threshold with
                        + for going high or - for going low, such as unc+, or the number of a state
  sel [list|info|clear] the event log: number, date, sensor, and what happened; how full it is; or clear it. Dates are of
                        the controller's own clock; start+ is seconds since it started, if that was not set
  sel last NUMBER       the last records of it
  sel follow            what is logged from now on, until Ctrl-C, also of many controllers; a line each as text, json or
                        csv
  sel time [now]        the clock of the event log; now sets it to that of this machine
  fru [DEVICE|all]      the inventory of the machine (device 0), or of another device, or of all: who made it, and its
                        numbers; fru list names the devices
  fru set AREA FIELD TEXT [DEVICE]
                        changes a field, such as: fru set product 'Asset Tag' A-17
  info                  what the controller is, and what its machine has told it: firmware, name, operating system
  selftest              what the controller finds wrong with itself (exit status 1 if there is anything)
  restart [warm]        the controller itself starts anew, and its machine goes on; it keeps what it can with warm
  lan [set NAME VALUE]  its network; NAME is address, mask, gateway, backup-gateway, source (static, dhcp, bios), vlan (a
                        number, or off), community or arp (on, off). The connection may be lost by that
  lan set suite NUMBER LEVEL
                        the most that a cipher suite allows: a level, or off
  lan6 [set NAME VALUE] the same for IPv6; NAME is use (ipv4, ipv6, both), address (ADDRESS/PREFIX or off, and then the
                        slot if it is not 0), routers (static, dynamic, both, none) or router
  user                  its users; user name ID NAME, user level ID LEVEL (none, callback, user, operator, administrator),
                        user enable ID, user disable ID, user password ID, and user test ID, which compares
                        (exit status 1 if the password is another one)
  channel [NUMBER]      what a channel is, and who may use it; channel ciphers [NUMBER] lists its cipher suites
  channel set NAME VALUE [NUMBER]
                        changes who may use it, now and later; NAME is mode (disabled, pre-boot, always, shared), limit
                        (a level), alerting, per-message or user-level (on, off; the last two are about proofs)
  kg [set]              whether the controller has a key (K_g) that logins need besides the password, or a new one; an
                        empty key takes it away
  sessions              who has a session
  scan                  which of the addresses have a controller, and what it lets people sign in with; nobody signs in.
                        One that does not answer is no failure, a name that nobody knows is
  audit                 what is dangerous: cipher suite 0, users without names, passwords as delivered, weak algorithms,
                        hashes for everybody, old firmware; and what to do. With -U it looks inside, too. A wrong
                        password is tried once for each of a few names
  watch                 the sensors as they change, on the terminal; q ends
  export                serves metrics for Prometheus at http://127.0.0.1:9290/metrics, until it is told to end; who does
                        not answer, and why, is said once on standard error
  watchdog [WHAT]       the timer that acts when the machine is silent: reset begins it anew, off stops it, and
                        set none|reset|off|cycle SECONDS sets it up
  sol                   the serial console of the machine, on this terminal. At the beginning of a line, ~. ends it, ~B
                        sends a break, ~? tells more; a connection that is lost is opened again
  sol info              how the console is set; sol set enabled on|off, sol set rate RATE (9.6 to 115.2, or serial)
  sol deactivate        takes the console from whoever has it
  identify [SECONDS|on] let the lamp of the box blink for 15 seconds, or so many; 0 ends it, on is until then
  host WHAT             the controllers that the service of this machine knows: telarch ipmi host --help tells more
  raw NETFN CMD [DATA]  send octets (06, 0x06 and 6 are the same), and print those of the answer

Options:
  -H, --host HOSTS      the controllers: names or addresses, [IPV6], with :PORT if it is not 623, separated by commas;
                        bmc[01-20] is twenty of them, 10.0.7.0/24 all of a network, and @FILE a file with such lists;
                        local is the controller of this machine, which root asks through /dev/ipmi0; a name of
                        telarch ipmi host list is that controller, with the user and the password that are kept of it,
                        unless -U names another user
  -U, --user NAME       who signs in; if left away, the anonymous user
  --password-file PATH  a file only its owner can read, whose first line is the password. If left away, the password is
                        that in TELARCH_IPMI_PASSWORD, or asked for on the terminal; at most 20 octets
  --kg-file PATH        the same for the key of controllers that need a second one (K_g); behind 0x it is two digits for
                        each octet, else text
  --level LEVEL         sign in as user, operator or administrator; if left away, as low as the action allows
  --suite NUMBER        the cipher suite: 17, 3, 8, 12, 16, 15, 11, 7, 6, 2, 1 or 0. If left away, 17, or 3 where
                        it is refused. 0 proves nobody's identity; 0, 1, 2, 6, 7, 11, 15 and 16 hide nothing
  --ipmi15 TYPE         sign in as IPMI 1.5 does: md5, md2 (broken), password or none; they protect little and hide nothing
  --target ADDRESS      ask the controller with this address behind the one that is named, such as 0x82 (ipmitool -t)
  --target-channel NUMBER
                        the channel it is on; 0 if left away (ipmitool -b)
  --transit ADDRESS     the controller behind the one that is named that passes everything on to it (ipmitool -T)
  --transit-channel NUMBER
                        the channel that one is on; 0 if left away (ipmitool -B)
  --state DIRECTORY     where the service keeps what telarch ipmi host has been told, if that is not the usual directory
  --limit SECONDS       how long to wait for an answer; 10 if left away, for scan 2
  --parallel COUNT      how many controllers to ask at the same time; 64 if left away, for scan 256
  --format FORMAT       text, table, json or csv; and prometheus for sensors and power status or watts. Text and json
                        are in the order of the controllers, and each is printed as soon as those before it are done;
                        the others are printed at the end, and so is who did not answer
  --utc                 dates of the event log in UTC, if the controller knows how far it is from that
  --every SECONDS       how often sel follow, watch and export look; 5, 2 and 30 if left away
  --listen ADDRESS:PORT where export is reached; everybody who can reach it reads it
  --new-password-file PATH
                        the password of user password and user test; if left away, it is asked for on the terminal
  --new-kg-file PATH    the same for the key of kg set
  -h, --help            print this text

The exit status is 0, 1 if a controller did not answer or did not do it, and 2 if the command line was not understood.
";
