//! Compares `Win32_OperatingSystem` with `uname`, with `/etc/os-release` as read by a shell, and with values
//! of the kernel.

use std::sync::Arc;

use telarch_provider_linux::Machine;

use crate::{output, rows, rows_of, text};

#[tokio::test]
async fn scx_values_match_other_programs() {
    let found = rows("SELECT * FROM Win32_OperatingSystem").await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    assert_eq!(text(row, "Caption"), output("sh", &["-c", ". /etc/os-release; echo \"$PRETTY_NAME\""]));
    assert!(output("uname", &["-r"]).starts_with(&text(row, "Version")));
    assert_eq!(text(row, "CSName"), output("uname", &["-n"]).split('.').next().unwrap());
    assert_eq!(text(row, "OSType"), "36");
    let memory = output("sh", &["-c", "free -k | awk '/^Mem/ {print $2} /^Swap/ {print $2}'"]);
    let numbers: Vec<&str> = memory.lines().collect();
    if let [total, swap] = numbers.as_slice() {
        assert_eq!(text(row, "TotalVisibleMemorySize"), *total);
        assert_eq!(text(row, "SizeStoredInPagingFiles"), *swap);
    }
}

#[tokio::test]
async fn unselected_columns_are_not_read() {
    let machine = Arc::new(Machine::this());
    rows_of(&machine, "SELECT OSType, SystemDrive FROM Win32_OperatingSystem").await;
    assert_eq!(machine.opened(), 0, "constants are no reason to open files");
    rows_of(&machine, "SELECT FreePhysicalMemory, TotalVisibleMemorySize FROM Win32_OperatingSystem").await;
    assert_eq!(machine.opened(), 1, "one file has both");
}
