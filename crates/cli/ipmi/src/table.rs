//! The command table of `telarch ipmi` and `telarch ipmi host`.

use cli_command::format::Format;
use cli_command::{Action, Command, Opt, Scope, Value};

use super::{host_command, ipmitool};

/// The command `telarch ipmi`.
pub static IPMI: Command =
    Command::new("ipmi", "manage hardware through its management controllers (BMC)", super::run)
        .examples(&[
            "telarch ipmi power status -H 10.0.0.7 -U admin",
            "telarch ipmi power cycle -H 'bmc[01-40].example' -U admin --password-file ~/.bmc",
            "telarch ipmi sensors -H bmc1,bmc2 -U admin --format json",
            "telarch ipmi raw 0x06 0x01 -H bmc1 -U admin",
        ])
        .actions(ACTIONS)
        .options(&[
            &HOST,
            &USER,
            &PASSWORD_FILE,
            &KG_FILE,
            &LEVEL,
            &SUITE,
            &IPMI15,
            &TARGET,
            &TARGET_CHANNEL,
            &TRANSIT,
            &TRANSIT_CHANNEL,
            &STATE,
            &LIMIT,
            &PARALLEL,
            &FORMAT,
            &UTC,
            &EVERY,
            &LISTEN,
            &NEW_PASSWORD_FILE,
            &NEW_KG_FILE,
        ])
        .exclusive(&[&[&SUITE, &IPMI15]])
        .subcommands(&[&HOST_COMMAND])
        .hint(ipmitool::hint)
        .exit_status_1("a controller that did not respond or reported a failure");

const ACTIONS: &[Action] = &[
    Action::new(
        "power",
        &[
            (
                "WHAT",
                "control or report power: status, on, off, cycle, reset, diag (diagnostic interrupt), soft (ask the \
                 operating system to shut down), cause (of the last restart), hours (total time powered on), or watts \
                 (consumption, if the controller supports DCMI)",
            ),
            (
                "policy [WHAT]",
                "show or set what happens when mains power returns: always-off, previous or always-on",
            ),
        ],
    )
    .takes_any()
    .completions(&[
        "status",
        "on",
        "off",
        "cycle",
        "reset",
        "diag",
        "soft",
        "cause",
        "hours",
        "watts",
        "policy",
        "always-off",
        "previous",
        "always-on",
    ]),
    Action::new(
        "boot",
        &[(
            "[DEVICE [HOW...]]",
            "show or set the boot device: none, pxe, disk, safe, diag, cdrom, bios, floppy, remote-floppy, \
             remote-cdrom, remote-media or remote-disk; HOW is once (default) or always, and legacy (default) or efi",
        )],
    )
    .takes_any()
    .completions(&[
        "none",
        "pxe",
        "disk",
        "safe",
        "diag",
        "cdrom",
        "bios",
        "floppy",
        "remote-floppy",
        "remote-cdrom",
        "remote-media",
        "remote-disk",
        "once",
        "always",
        "legacy",
        "efi",
    ]),
    Action::new(
        "chassis",
        &[("", "show the chassis status: power and its faults, intrusion, drives, fans, and the identify LED")],
    ),
    Action::new(
        "sensors",
        &[(
            "[FILTER...]",
            "list sensor readings: name, number, reading or states, and a status: ok; nc, cr or nr (beyond a \
             non-critical, critical or non-recoverable threshold, or in a state as severe); ns (no reading). FILTER \
             is bad, a type such as temperature or fan, or a name, where * matches any text. Sensors of the same \
             name are shown with their entity. SENSOR below is a name, with its entity if needed, or a number such \
             as 0Ah",
        )],
    )
    .takes_any()
    .completions(&["bad", "temperature", "voltage", "current", "fan", "power_supply"]),
    Action::new(
        "threshold",
        &[(
            "SENSOR [THRESHOLD VALUE]",
            "show the thresholds of a sensor, or set one in the unit of the sensor: lnr, lcr, lnc, unc, ucr or unr \
             (lower or upper; non-critical, critical or non-recoverable)",
        )],
    )
    .takes_any()
    .completions(&["lnr", "lcr", "lnc", "unc", "ucr", "unr"]),
    Action::new(
        "hysteresis",
        &[(
            "SENSOR [POSITIVE NEGATIVE]",
            "show or set how far a reading must return before an event ends, in the unit of the sensor: below upper \
             thresholds (POSITIVE) and above lower ones (NEGATIVE)",
        )],
    )
    .takes_any(),
    Action::new(
        "events",
        &[(
            "SENSOR [CHANGE]",
            "show or change which events a sensor sends. CHANGE is on or off (all events), scan on|off (whether the \
             sensor is scanned), or enable|disable assert|deassert|both EVENT..., where EVENT is a threshold followed \
             by + (going high) or - (going low), such as unc+, or the number of a state",
        )],
    )
    .takes_any()
    .completions(&[
        "on", "off", "scan", "enable", "disable", "assert", "deassert", "both", "lnc-", "lnc+", "lcr-", "lcr+",
        "lnr-", "lnr+", "unc-", "unc+", "ucr-", "ucr+", "unr-", "unr+",
    ]),
    Action::new(
        "sel",
        &[
            (
                "[list|info|clear]",
                "list the system event log (number, date, sensor, event), show how full it is, or clear it. Dates are \
                 those of the controller's clock; start+ counts seconds since its start if the clock was not set",
            ),
            ("last NUMBER", "list the last records"),
            (
                "follow",
                "print new records as they are logged, from any number of controllers, one line each as text, JSON \
                 or CSV, until Ctrl-C",
            ),
            ("time [now]", "show the clock of the event log, or set it to the time of this machine"),
        ],
    )
    .takes_any()
    .completions(&["list", "last", "info", "clear", "follow", "time", "now"]),
    Action::new(
        "fru",
        &[
            (
                "[DEVICE|all|list]",
                "show the inventory (manufacturer, part and serial numbers) of the machine (device 0), of another \
                 device, or of all; list names the devices",
            ),
            ("set AREA FIELD TEXT [DEVICE]", "change a field, as in: fru set product 'Asset Tag' A-17"),
        ],
    )
    .takes_any()
    .completions(&["list", "all", "set", "chassis", "board", "product"]),
    Action::new(
        "info",
        &[("", "show the controller: firmware, and the host name and operating system that it was told")],
    ),
    Action::new("selftest", &[("", "show the self-test result (exit status 1 if it failed)")]),
    Action::new(
        "restart",
        &[("[warm]", "restart the controller, not its machine; warm keeps as much of its state as possible")],
    )
    .takes(0, 1)
    .completions(&["warm"]),
    Action::new(
        "lan",
        &[
            (
                "[set NAME VALUE]",
                "show or change network settings: address, mask, gateway, backup-gateway, source (static, dhcp, \
                 bios), vlan (a number, or off), community or arp (on, off). A change may interrupt the connection",
            ),
            ("set suite NUMBER LEVEL", "set the highest privilege level of a cipher suite: a level, or off"),
        ],
    )
    .takes_any()
    .completions(&[
        "show",
        "set",
        "address",
        "mask",
        "gateway",
        "backup-gateway",
        "source",
        "vlan",
        "community",
        "arp",
        "suite",
    ]),
    Action::new(
        "lan6",
        &[(
            "[set NAME VALUE]",
            "show or change IPv6 settings: use (ipv4, ipv6, both), address (ADDRESS/PREFIX or off, followed by the \
             slot if it is not 0), routers (static, dynamic, both, none) or router",
        )],
    )
    .takes_any()
    .completions(&["show", "set", "use", "address", "routers", "router"]),
    Action::new(
        "user",
        &[
            ("[list]", "list the users of the controller"),
            (
                "VERB ID [VALUE]",
                "change a user: name ID NAME, level ID LEVEL (none, callback, user, operator, administrator), enable \
                 ID, disable ID, or password ID",
            ),
            ("test ID", "compare a password (exit status 1 if it differs)"),
        ],
    )
    .takes_any()
    .completions(&["list", "name", "level", "enable", "disable", "password", "test"]),
    Action::new(
        "channel",
        &[
            ("[NUMBER]", "show a channel and its access settings"),
            ("ciphers [NUMBER]", "list the cipher suites of a channel"),
            (
                "set NAME VALUE [NUMBER]",
                "change access, now and after a restart: mode (disabled, pre-boot, always, shared), limit (a \
                 privilege level), or alerting, per-message or user-level authentication (on, off)",
            ),
        ],
    )
    .takes_any()
    .completions(&["ciphers", "set", "mode", "limit", "alerting", "per-message", "user-level"]),
    Action::new(
        "kg",
        &[(
            "[set]",
            "show whether the controller requires a key (K_g) in addition to the password, or set a new one; an \
             empty key removes it",
        )],
    )
    .takes_any()
    .completions(&["set"]),
    Action::new("sessions", &[("", "list the active sessions")]),
    Action::new(
        "scan",
        &[(
            "",
            "find controllers among the addresses, and list the authentication that each supports, without signing \
             in. Hosts that do not respond are not an error; unresolvable names are",
        )],
    ),
    Action::new(
        "audit",
        &[(
            "",
            "report weaknesses and how to fix them: cipher suite 0, anonymous users, default passwords, weak \
             algorithms, password hashes disclosed to unauthenticated clients, old firmware. With -U, settings that \
             require a session are checked too. One wrong password is tried for each of a few user names",
        )],
    ),
    Action::new("watch", &[("", "show sensor readings live on the terminal; q quits")]),
    Action::new(
        "export",
        &[(
            "",
            "serve metrics for Prometheus at http://127.0.0.1:9290/metrics, and of one controller at \
             /ipmi?target=HOST, until terminated. A controller that does not respond is reported once on standard error",
        )],
    ),
    Action::new(
        "watchdog",
        &[(
            "[WHAT]",
            "show or control the watchdog timer: reset restarts the countdown, off stops it, and set \
             none|reset|off|cycle SECONDS configures it",
        )],
    )
    .takes_any()
    .completions(&["show", "reset", "off", "set", "none", "cycle"]),
    Action::new(
        "sol",
        &[
            (
                "",
                "open the serial console of the machine on this terminal. At the beginning of a line, ~. quits, ~B \
                 sends a break, ~? lists more; a lost connection is reopened",
            ),
            (
                "WHAT",
                "info shows the console settings; set enabled on|off and set rate RATE (9.6 to 115.2, or serial) \
                 change them; deactivate ends the console session of any user",
            ),
        ],
    )
    .takes_any()
    .completions(&["info", "set", "enabled", "rate", "deactivate"]),
    Action::new(
        "identify",
        &[(
            "[SECONDS|on]",
            "blink the identify LED for SECONDS (default 15); on keeps it on, 0 turns it off",
        )],
    )
    .takes(0, 1)
    .completions(&["on"]),
    Action::new(
        "raw",
        &[(
            "NETFN CMD [BYTE...]",
            "send a request of bytes (06h is written 6, 06 or 0x06), and print the bytes of the response",
        )],
    )
    .takes_any(),
];

pub(crate) static HOST: Opt = Opt::new(
    "host",
    Value::Text("HOSTS"),
    "controllers: names or addresses separated by commas, with :PORT if it is not 623; IPv6 addresses with a port are \
     written [ADDRESS]:PORT. bmc[01-20] is twenty names, 10.0.7.0/24 a network, and @FILE a file with such lists. \
     local is the controller of this machine, by /dev/ipmi0 (root only). A name of telarch ipmi host list is that \
     controller with its stored user and password, unless -U names another user",
)
.short('H')
.repeatable();
pub(crate) static USER: Opt =
    Opt::new("user", Value::Text("NAME"), "user name (default: the anonymous user)").short('U');
pub(crate) static PASSWORD_FILE: Opt = Opt::new(
    "password-file",
    Value::Path("PATH"),
    "file whose first line is the password, readable by its owner only (default: TELARCH_IPMI_PASSWORD, or a prompt); \
     at most 20 bytes",
);
pub(crate) static KG_FILE: Opt = Opt::new(
    "kg-file",
    Value::Path("PATH"),
    "file whose first line is the second key (K_g) that some controllers require: text, or 0x and two digits for each \
     byte",
);
pub(crate) static LEVEL: Opt = Opt::new(
    "level",
    Value::Completed("LEVEL", || vec!["user", "operator", "administrator"]),
    "privilege level to sign in with (default: the lowest that the action needs, or once the highest of the user if the \
     controller rejects that)",
);
pub(crate) static SUITE: Opt = Opt::new(
    "suite",
    Value::Completed("NUMBER", || vec!["17", "3", "8", "12", "16", "15", "11", "7", "6", "2", "1", "0"]),
    "cipher suite: 17, 3, 8, 12, 16, 15, 11, 7, 6, 2, 1 or 0 (default: 17, or 3 if the controller rejects 17). Suite 0 \
     authenticates nothing; 0, 1, 2, 6, 7, 11, 15 and 16 do not encrypt",
);
pub(crate) static IPMI15: Opt = Opt::new(
    "ipmi15",
    Value::Completed("TYPE", || vec!["md5", "md2", "password", "none"]),
    "sign in with IPMI 1.5: md5, md2 (broken), password or none. All are weak, and none encrypts",
);
pub(crate) static TARGET: Opt = Opt::new(
    "target",
    Value::Text("ADDRESS"),
    "send requests to the controller with this address behind the host, such as 0x82 (ipmitool -t)",
);
pub(crate) static TARGET_CHANNEL: Opt =
    Opt::new("target-channel", Value::Text("NUMBER"), "channel of the target (default: 0; ipmitool -b)")
        .only_with(&[Scope::Option(&TARGET)]);
pub(crate) static TRANSIT: Opt = Opt::new(
    "transit",
    Value::Text("ADDRESS"),
    "address of the controller that forwards requests to the target (ipmitool -T)",
)
.only_with(&[Scope::Option(&TARGET)]);
pub(crate) static TRANSIT_CHANNEL: Opt = Opt::new(
    "transit-channel",
    Value::Text("NUMBER"),
    "channel of the transit controller (default: 0; ipmitool -B)",
)
.only_with(&[Scope::Option(&TRANSIT)]);
pub(crate) static STATE: Opt = Opt::new(
    "state",
    Value::Path("DIRECTORY"),
    "state directory with the controllers of telarch ipmi host (default: that of the service)",
);
pub(crate) static LIMIT: Opt = Opt::new(
    "limit",
    Value::Text("SECONDS"),
    "timeout for the response of a controller (default: 10; scan: 2)",
);
pub(crate) static PARALLEL: Opt = Opt::new(
    "parallel",
    Value::Text("COUNT"),
    "number of controllers contacted at the same time (default: 64; scan: 256)",
);
pub(crate) static FORMAT: Opt = Opt::new(
    "format",
    Value::OneOf("FORMAT", || {
        Format::words(&[Format::Text, Format::Table, Format::Json, Format::Csv, Format::Prometheus])
    }),
    "text, table, json or csv (default: text), or prometheus for sensors, power status and power watts. Text and json \
     are printed in the order of the hosts as responses arrive; the other formats are printed at the end. Errors are \
     printed at the end",
);
pub(crate) static UTC: Opt =
    Opt::new("utc", Value::None, "show dates of the event log in UTC, if the controller reports its offset")
        .only_with(&[Scope::Action("sel")]);
pub(crate) static EVERY: Opt = Opt::new(
    "every",
    Value::Text("SECONDS"),
    "poll interval (default: 5 for sel follow, 2 for watch, 30 for export)",
)
.only_with(&[Scope::Action("sel"), Scope::Action("watch"), Scope::Action("export")]);
pub(crate) static LISTEN: Opt = Opt::new(
    "listen",
    Value::Text("ADDRESS:PORT"),
    "address to serve metrics at; clients are not authenticated (default: 127.0.0.1:9290)",
)
.only_with(&[Scope::Action("export")]);
pub(crate) static NEW_PASSWORD_FILE: Opt = Opt::new(
    "new-password-file",
    Value::Path("PATH"),
    "file with the new password, or the password to test (default: a prompt)",
)
.only_with(&[Scope::Action("user")]);
pub(crate) static NEW_KG_FILE: Opt =
    Opt::new("new-kg-file", Value::Path("PATH"), "file with the new key (default: a prompt)")
        .only_with(&[Scope::Action("kg")]);

/// The command `telarch ipmi host`.
pub(crate) static HOST_COMMAND: Command = Command::new(
    "ipmi host",
    "manage the controllers that the service of this machine knows and publishes in root/hardware",
    host_command::run,
)
.examples(&[
    "telarch ipmi host add node7 10.0.0.7 -U admin --password-file ~/.bmc",
    "telarch ipmi host list",
    "winrm enumerate wmi/root/hardware/NumericSensor",
])
.actions(&[
    Action::new(
        "add",
        &[(
            "NAME ADDRESS",
            "store the controller at this address, or ADDRESS:PORT, with its user and password; replaces a \
             controller of the same name",
        )],
    )
    .takes(2, 2),
    Action::new("list", &[("", "list the stored controllers")]),
    Action::new("remove", &[("NAME", "delete a stored controller")]).takes(1, 1),
])
.options(&[
    &USER,
    &PASSWORD_FILE,
    &KG_FILE,
    &HIGHEST_LEVEL,
    &ONLY_SUITE,
    &LIST_FORMAT,
    &STATE,
])
.notes(&[
    "Passwords and keys are encrypted with the key of this machine, each for one name, address and user. A running \
     service uses a change when it next receives a request.",
]);

pub(crate) static HIGHEST_LEVEL: Opt = Opt::new(
    "level",
    Value::Completed("LEVEL", || vec!["user", "operator", "administrator"]),
    "highest privilege level to request (default: administrator)",
);
pub(crate) static ONLY_SUITE: Opt = Opt::new(
    "suite",
    Value::Completed("NUMBER", || vec!["17", "3", "8", "12", "16", "15", "11", "7", "6", "2", "1", "0"]),
    "the only cipher suite to use (default: 17, or 3 if the controller rejects 17)",
);
pub(crate) static LIST_FORMAT: Opt = Opt::new(
    "format",
    Value::OneOf("FORMAT", || Format::words(&[Format::Text, Format::Table, Format::Json, Format::Csv])),
    "text, table, json or csv (default: text)",
)
.only_with(&[Scope::Action("list")]);
