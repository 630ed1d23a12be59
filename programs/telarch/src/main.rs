//! `telarch`: the command line for everything that Windows has no program for.

mod pages;

use std::process::ExitCode;

use cli_command::Program;

static PROGRAM: Program = Program {
    version: env!("CARGO_PKG_VERSION"),
    about: "manage the Telarch service on this machine, PowerShell, files, WMI, and hardware",
    examples: &[
        "telarch account add alice",
        "telarch config show --changed",
        "telarch access show alice",
        "telarch ipmi power status -H bmc7 -U admin",
        "telarch wmi 'SELECT Caption FROM Win32_OperatingSystem'",
    ],
    commands: &[
        &cli_admin::ACCESS,
        &cli_admin::ACCOUNT,
        &cli_admin::CONFIG,
        &cli_admin::POLICY,
        &cli_events::EVENTS,
        &cli_ipmi::IPMI,
        &cli_pwsh::PWSH,
        &cli_copy::CP,
        &cli_mgmt::MGMT,
        &cli_mgmt::WEB,
        &cli_wmi::WMI,
        &cli_wmi::MOFCOMP,
        &cli_admin::EXPLAIN,
        &pages::MAN,
        &pages::COMPLETION,
    ],
};

fn main() -> ExitCode {
    // Must precede everything that opens descriptors.
    confinement::keep_from_children();
    if let Some(code) = cli_mgmt::hidden() {
        return code;
    }
    PROGRAM.main(lexopt::Parser::from_env())
}
