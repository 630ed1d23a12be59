//! Compares counters with other programs' readings of the same kernel, and with each other.

use std::process::{Child, Command};
use std::sync::Arc;

use cim::{Instance, Value};
use telarch_provider_linux::Machine;

use crate::{rows, rows_of, text};

fn number(row: &Instance, property: &str) -> u64 {
    match row.value(property) {
        Some(Value::Uint64(number)) => *number,
        Some(Value::Uint32(number)) => u64::from(*number),
        other => panic!("{property} is {other:?}"),
    }
}

/// Returns the output of a shell command as numbers.
fn numbers(command: &str) -> Vec<u64> {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

#[tokio::test]
async fn raw_times_of_processors_are_those_of_the_kernel() {
    let before = numbers("awk '/^cpu[0-9]/ {print $2 + $3, $5 + $6}' /proc/stat");
    let found = rows("SELECT * FROM Win32_PerfRawData_PerfOS_Processor").await;
    let after = numbers("awk '/^cpu[0-9]/ {print $2 + $3, $5 + $6}' /proc/stat");
    assert_eq!(found.len(), before.len() / 2 + 1, "each processor, and all of them");
    let ticks = 10_000_000 / numbers("getconf CLK_TCK")[0];
    for (index, row) in found.iter().take(before.len() / 2).enumerate() {
        assert_eq!(text(row, "Name"), index.to_string());
        for (property, place) in [("PercentUserTime", 0), ("PercentProcessorTime", 1)] {
            let (low, high) = (before[index * 2 + place] * ticks, after[index * 2 + place] * ticks);
            let raw = number(row, property);
            assert!((low..=high).contains(&raw), "{property}: {raw} is not between {low} and {high}");
        }
    }
    let total = found.last().unwrap();
    assert_eq!(text(total, "Name"), "_Total");
    let users: Vec<u64> =
        found.iter().take(before.len() / 2).map(|row| number(row, "PercentUserTime")).collect();
    assert_eq!(
        number(total, "PercentUserTime"),
        users.iter().sum::<u64>() / users.len() as u64,
        "an average"
    );
}

#[tokio::test]
async fn load_is_measured_over_the_last_second() {
    // Keeps every processor busy until the answer arrives.
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let workers: Vec<_> = (0..std::thread::available_parallelism().unwrap().get())
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let query = "SELECT PercentProcessorTime, PercentIdleTime FROM Win32_PerfFormattedData_PerfOS_Processor \
                 WHERE Name = '_Total'";
    let found = rows(query).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    let (busy, idle) = (number(row, "PercentProcessorTime"), number(row, "PercentIdleTime"));
    assert!(busy > 80, "{busy} %");
    assert!(idle < 20 && (99..=101).contains(&(busy + idle)), "{busy} % and {idle} %");
}

#[tokio::test]
async fn memory_and_system_match_the_kernel() {
    let found =
        rows("SELECT CommitLimit, PercentCommittedBytesInUse FROM Win32_PerfFormattedData_PerfOS_Memory")
            .await;
    let limit = numbers("awk '/^CommitLimit/ {print $2}' /proc/meminfo")[0];
    assert_eq!(number(&found[0], "CommitLimit"), limit * 1024);
    assert!(number(&found[0], "PercentCommittedBytesInUse") <= 1_000, "it is a percentage");

    let found = rows("SELECT SystemUpTime FROM Win32_PerfFormattedData_PerfOS_System").await;
    let up = numbers("cut -d. -f1 /proc/uptime")[0];
    assert!(up.abs_diff(number(&found[0], "SystemUpTime")) <= 2);
    let query =
        "SELECT SystemUpTime, Timestamp_Object, Frequency_Object FROM Win32_PerfRawData_PerfOS_System";
    let raw = &rows(query).await[0];
    let computed =
        (number(raw, "Timestamp_Object") - number(raw, "SystemUpTime")) / number(raw, "Frequency_Object");
    assert!(up.abs_diff(computed) <= 2, "as clients compute it");
}

#[tokio::test]
async fn only_rates_need_a_second_sample() {
    let machine = Arc::new(Machine::this());
    rows_of(&machine, "SELECT AvailableBytes FROM Win32_PerfFormattedData_PerfOS_Memory").await;
    let once = machine.opened();
    rows_of(&machine, "SELECT AvailableBytes, PageFaultsPersec FROM Win32_PerfFormattedData_PerfOS_Memory")
        .await;
    assert_eq!(machine.opened() - once, 2 * once);
}

/// A machine made of files, with a disk, a partition on it, and traffic.
fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "proc/diskstats",
        "   8      16 sdb 100 0 800 50 20 0 400 10 3 45 60\n   8      17 sdb1 90 0 700 40 20 0 400 10 0 40 50\n   7       0 loop0 1 0 8 0 0 0 0 0 0 0 0\n",
    );
    write(
        "proc/self/mountinfo",
        "22 1 8:17 / /data rw - ext4 /dev/sdb1 rw\n23 1 0:20 / /proc rw - proc proc rw\n",
    );
    write("sys/block/sdb/device/model", "disk\n");
    write(
        "proc/net/snmp",
        "Ip: InReceives ForwDatagrams OutRequests\nIp: 50 3 40\nIcmp: InMsgs InEchos OutMsgs\nIcmp: 6 2 5\n\
         Tcp: CurrEstab InSegs\nTcp: 7 9\nUdp: NoPorts\nUdp: 1\n",
    );
    write("proc/net/snmp6", "Ip6InReceives                   \t70\nIp6OutRequests\t30\nIcmp6InEchos\t4\n");
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    folder
}

#[tokio::test]
async fn disks_and_file_systems_have_their_own_numbers() {
    let tree = tree();
    let machine = Arc::new(Machine::at(tree.path()));
    let found = rows_of(&machine, "SELECT * FROM Win32_PerfRawData_PerfDisk_PhysicalDisk").await;
    assert_eq!(found.iter().map(|row| text(row, "Name")).collect::<Vec<_>>(), ["1 sdb", "_Total"]);
    for row in &found {
        assert_eq!(number(row, "AvgDiskBytesPerRead"), 800 * 512);
        assert_eq!(number(row, "AvgDiskBytesPerRead_Base"), 100);
        assert_eq!(number(row, "AvgDisksecPerTransfer"), 60 * 10_000, "in ticks of the time base");
        assert_eq!(number(row, "CurrentDiskQueueLength"), 3);
        assert_eq!(number(row, "PercentDiskTime"), 45 * 10_000);
        assert_eq!(number(row, "PercentDiskTime_Base"), number(row, "Timestamp_Sys100NS"));
    }
    let found = rows_of(&machine, "SELECT * FROM Win32_PerfRawData_PerfDisk_LogicalDisk").await;
    assert_eq!(found.iter().map(|row| text(row, "Name")).collect::<Vec<_>>(), ["/data", "_Total"]);
    assert_eq!(number(&found[0], "DiskReadsPersec"), 90);
    assert!(number(&found[0], "PercentFreeSpace_Base") > 0, "the file system of the folder has a size");
}

#[tokio::test]
async fn protocols_and_interfaces_have_the_numbers_under_their_names() {
    let tree = tree();
    let machine = Arc::new(Machine::at(tree.path()));
    let query =
        "SELECT Name, ConnectionsEstablished, ConnectionsReset FROM Win32_PerfFormattedData_Tcpip_TCPv4";
    let found = rows_of(&machine, query).await;
    assert_eq!((text(&found[0], "Name").as_str(), number(&found[0], "ConnectionsEstablished")), ("TCPv4", 7));
    assert_eq!(found[0].value("ConnectionsReset"), Some(&Value::Null), "this kernel does not tell it");

    let before = numbers("cat /sys/class/net/lo/statistics/rx_bytes");
    let found = rows("SELECT Name, BytesReceivedPersec FROM Win32_PerfRawData_Tcpip_NetworkInterface").await;
    let after = numbers("cat /sys/class/net/lo/statistics/rx_bytes");
    let loopback = found.iter().find(|row| text(row, "Name") == "lo").unwrap();
    assert!((before[0]..=after[0]).contains(&number(loopback, "BytesReceivedPersec")));
}

/// A process that uses a processor until it is dropped.
struct BusyProcess(Child);

impl BusyProcess {
    fn start() -> Self {
        Self(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap())
    }
}

impl Drop for BusyProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn processes_are_counted_one_by_one_and_together() {
    let child = BusyProcess::start();
    let ticks = 10_000_000 / numbers("getconf CLK_TCK")[0];
    let query = format!(
        "SELECT Name, IDProcess, PercentProcessorTime, PercentUserTime, CreatingProcessID \
         FROM Win32_PerfFormattedData_PerfProc_Process WHERE IDProcess = {}",
        child.0.id()
    );
    let found = rows(&query).await;
    let used = format!("awk '{{print $14 + $15}}' /proc/{}/stat", child.0.id());
    let before = numbers(&used)[0] * ticks;
    let raw = rows(&query.replace("Formatted", "Raw")).await;
    let after = numbers(&used)[0] * ticks;
    drop(child);
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    assert!(
        text(row, "Name").starts_with("dash") || text(row, "Name").contains("sh"),
        "{}",
        text(row, "Name")
    );
    assert_eq!(number(row, "CreatingProcessID"), u64::from(std::process::id()));
    // The kernel counts in ticks, so that a full second can be one or two of them too long.
    assert!(
        (1..=110).contains(&number(row, "PercentProcessorTime")),
        "{}",
        number(row, "PercentProcessorTime")
    );
    assert!(
        (before..=after).contains(&number(&raw[0], "PercentProcessorTime")),
        "between two looks at the kernel"
    );

    let all = rows("SELECT Name, IDProcess FROM Win32_PerfRawData_PerfProc_Process").await;
    let mut names: Vec<String> = all.iter().map(|row| text(row, "Name")).collect();
    let ends = ["Idle", "_Total"];
    assert!(ends.iter().all(|end| names.iter().any(|name| name == end)));
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "each name once: it is the key");
}

#[tokio::test]
async fn internet_protocols_have_the_numbers_under_their_names() {
    let tree = tree();
    let machine = Arc::new(Machine::at(tree.path()));
    let one = async |class: &str| {
        let mut found = rows_of(&machine, &format!("SELECT * FROM Win32_PerfRawData_Tcpip_{class}")).await;
        assert_eq!(found.len(), 1, "{class}");
        found.remove(0)
    };
    let of = |row: &Instance, names: [&str; 3]| names.map(|name| text(row, name));
    let names = ["DatagramsReceivedPersec", "DatagramsForwardedPersec", "DatagramsPersec"];
    assert_eq!(of(&one("IPv4").await, names), ["50", "3", "90"]);
    let v6 = one("IPv6").await;
    assert_eq!(["DatagramsReceivedPersec", "DatagramsPersec"].map(|name| text(&v6, name)), ["70", "100"]);
    assert_eq!(v6.value("FragmentationFailures"), Some(&Value::Null), "this kernel does not tell it");
    let names = ["MessagesPersec", "ReceivedEchoPersec", "MessagesReceivedPersec"];
    assert_eq!(of(&one("ICMP").await, names), ["11", "2", "6"]);
    assert_eq!(text(&one("ICMPv6").await, "ReceivedEchoPersec"), "4");
}

#[tokio::test]
async fn connections_are_counted_by_protocol() {
    let listener = std::net::TcpListener::bind("[::1]:0").ok();
    let client =
        listener.as_ref().map(|one| std::net::TcpStream::connect(one.local_addr().unwrap()).unwrap());
    let query = |protocol: &str| {
        format!("SELECT ConnectionsEstablished FROM Win32_PerfFormattedData_Tcpip_{protocol}")
    };
    let v6 = number(&rows(&query("TCPv6")).await[0], "ConnectionsEstablished");
    assert!(client.is_none() || v6 >= 2, "both ends of a connection over IPv6: {v6}");
    let (_tree, machine) = crate::tree::Tree::new()
        .file("proc/net/snmp", "Tcp: CurrEstab InSegs\nTcp: 3 9\n")
        .file(
            "proc/net/tcp",
            "  sl  local_address rem_address   st\n\
             0: 0100007F:1F90 0100007F:0016 01 0:0 0:0 0 0 0 11\n1: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 12\n",
        )
        .file(
            "proc/net/tcp6",
            "  sl  local_address rem_address   st\n\
             0: 00000000000000000000000001000000:0016 00000000000000000000000001000000:1F90 01 0:0 0:0 0 0 0 13\n\
             1: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000100007F:1F90 08 0:0 0:0 0 0 0 14\n",
        )
        .machine_kept();
    let of = async |protocol: &str| {
        number(&rows_of(&machine, &query(protocol)).await[0], "ConnectionsEstablished")
    };
    assert_eq!((of("TCPv4").await, of("TCPv6").await), (2, 1), "a mapped address carries IPv4");
}

#[tokio::test]
async fn processor_information_names_nodes_and_agrees_with_the_other_class() {
    let found =
        rows("SELECT Name, PercentUserTime FROM Win32_PerfRawData_Counters_ProcessorInformation").await;
    let names: Vec<String> = found.iter().map(|row| text(row, "Name")).collect();
    let count = numbers("grep -c '^cpu[0-9]' /proc/stat")[0];
    let processors = names.iter().filter(|name| name.contains(',') && !name.ends_with("_Total"));
    assert_eq!(u64::try_from(processors.count()).unwrap(), count, "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("_Total"));
    let nodes = numbers("ls -d /sys/devices/system/node/node[0-9]* 2>/dev/null | wc -l")[0].max(1);
    let totals = names.iter().filter(|name| name.ends_with(",_Total")).count();
    assert_eq!(u64::try_from(totals).unwrap(), nodes);
    let other =
        rows("SELECT PercentUserTime FROM Win32_PerfRawData_PerfOS_Processor WHERE Name = '_Total'").await;
    let before = number(found.last().unwrap(), "PercentUserTime");
    assert!(number(&other[0], "PercentUserTime") >= before, "the same time, read later");
}

#[tokio::test]
async fn threads_are_those_of_the_kernel() {
    let number_of_this = std::process::id();
    let query = format!("SELECT * FROM Win32_PerfRawData_PerfProc_Thread WHERE IDProcess = {number_of_this}");
    let found = rows(&query).await;
    let main = found.iter().find(|row| number(row, "IDThread") == u64::from(number_of_this)).unwrap();
    assert!(
        text(main, "Name").ends_with("/0") || text(main, "Name").contains("/0#"),
        "{}",
        text(main, "Name")
    );
    let after = numbers(&format!(
        "awk '/ctxt_switches/ {{sum += $2}} END {{print sum}}' /proc/{number_of_this}/task/{number_of_this}/status"
    ));
    assert!((1..=after[0]).contains(&number(main, "ContextSwitchesPersec")));
    let total = rows("SELECT Name FROM Win32_PerfRawData_PerfProc_Thread WHERE Name = '_Total/_Total'").await;
    assert_eq!(total.len(), 1);
}

#[tokio::test]
async fn cache_counters_are_those_of_the_kernel() {
    let row = &rows("SELECT * FROM Win32_PerfRawData_PerfOS_Cache").await[0];
    let before = number(row, "DataFlushPagesPersec");
    let limit = numbers("awk '/^nr_dirty_threshold / {print $2} /^nr_written / {print $2}' /proc/vmstat");
    assert!(limit.iter().any(|written| *written >= before), "{before} of {limit:?}");
    assert!(number(row, "DirtyPageThreshold") > 0);
    assert_eq!(row.value("CopyReadHitsPercent"), Some(&Value::Null), "the kernel does not count it");
}
