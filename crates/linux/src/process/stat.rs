//! Parsers for `/proc/PID/stat`, `status`, `io` and `statm` (proc_pid_stat(5) and related pages).

use std::sync::LazyLock;

/// Contents of `stat`: one line with most properties of a process or thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Name of the program, cut at 15 bytes.
    pub name: String,
    /// State, such as `R` for running and `S` for sleeping.
    pub state: char,
    /// Process ID of the parent.
    pub parent: u32,
    /// Process group.
    pub group: u64,
    /// Session.
    pub session: u64,
    /// Device number of the terminal; zero without one.
    pub terminal: u32,
    /// Page faults that needed no access to a disk.
    pub minor_faults: u64,
    /// Page faults that were served from a disk.
    pub major_faults: u64,
    /// In clock ticks.
    pub user_time: u64,
    /// In clock ticks.
    pub kernel_time: u64,
    /// In clock ticks, of children that have ended and were waited for.
    pub user_time_of_children: u64,
    /// In clock ticks, of children that have ended and were waited for.
    pub kernel_time_of_children: u64,
    /// Nice value, -20 to 19.
    pub nice: i32,
    /// Number of threads.
    pub threads: u32,
    /// In clock ticks since the start of the kernel.
    pub start: u64,
    /// In bytes.
    pub virtual_size: u64,
    /// In pages.
    pub resident: u64,
    /// In bytes; `None` without a limit.
    pub resident_limit: Option<u64>,
    /// Zero for processes that are not scheduled in real time.
    pub real_time_priority: u32,
    /// Whether this is a thread other than the first of its process.
    pub is_follower: bool,
}

impl Stat {
    /// Parses the line; `None` if it is malformed.
    pub fn parse(line: &[u8]) -> Option<Self> {
        // The name may contain any character, including blanks and brackets; after its closing bracket there
        // are only numbers.
        let (before, rest) = line.split_at_checked(line.iter().rposition(|octet| *octet == b')')?)?;
        let name = before.splitn(2, |octet| *octet == b'(').nth(1)?;
        let rest = std::str::from_utf8(rest.get(1..)?).ok()?;
        let mut fields = [None; LAST_FIELD - FIRST_FIELD + 1];
        for (place, field) in fields.iter_mut().zip(rest.split_ascii_whitespace()) {
            *place = Some(field);
        }
        let field = |number: usize| fields.get(number - FIRST_FIELD).copied().flatten();
        let number = |place: usize| field(place)?.parse::<u64>().ok();
        Some(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            group: number(5).unwrap_or_default(),
            session: number(6).unwrap_or_default(),
            terminal: field(7)?.parse::<i32>().ok()?.cast_unsigned(),
            minor_faults: number(10)?,
            major_faults: number(12)?,
            user_time: number(14)?,
            kernel_time: number(15)?,
            user_time_of_children: number(16).unwrap_or_default(),
            kernel_time_of_children: number(17).unwrap_or_default(),
            nice: field(19)?.parse().ok()?,
            threads: field(20)?.parse().ok()?,
            start: number(22)?,
            virtual_size: number(23)?,
            // Briefly negative while a process ends.
            resident: number(24).unwrap_or_default(),
            resident_limit: number(25).filter(|limit| *limit != u64::MAX),
            real_time_priority: field(40).and_then(|field| field.parse().ok()).unwrap_or_default(),
            is_follower: field(38) == Some("-1"),
        })
    }
}

/// Fields of `status` in use; the memory fields are `None` for kernel threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// User who started the process.
    pub real_user: Option<u32>,
    /// User whose rights the process has.
    pub user: Option<u32>,
    /// Peak size in bytes.
    pub virtual_peak: Option<u64>,
    /// Peak size in bytes.
    pub resident_peak: Option<u64>,
    /// Resident memory that is not backed by a file, in bytes.
    pub anonymous: Option<u64>,
    /// In bytes.
    pub swapped: Option<u64>,
}

impl Status {
    /// Parses the content of `status`.
    pub fn parse(text: &[u8]) -> Self {
        let mut status = Self::default();
        for (name, value) in named(text) {
            match name {
                b"Uid" => {
                    let mut users = value.split(u8::is_ascii_whitespace).map(number);
                    (status.real_user, status.user) = (users.next().flatten(), users.next().flatten());
                }
                b"VmPeak" => status.virtual_peak = octets(value),
                b"VmHWM" => status.resident_peak = octets(value),
                b"RssAnon" => status.anonymous = octets(value),
                // The last field in use, about half-way through the file.
                b"VmSwap" => {
                    status.swapped = octets(value);
                    break;
                }
                _ => {}
            }
        }
        status
    }
}

/// Parses a size such as `12 kB`.
fn octets(value: &[u8]) -> Option<u64> {
    number::<u64>(value.strip_suffix(b" kB")?)?.checked_mul(1024)
}

/// Fields of `io` in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// In bytes.
    pub read: Option<u64>,
    /// In bytes.
    pub written: Option<u64>,
    /// Number of calls that have read.
    pub reads: Option<u64>,
    /// Number of calls that have written.
    pub writes: Option<u64>,
}

impl Counters {
    /// Parses the content of `io`.
    pub fn parse(text: &[u8]) -> Self {
        let mut counters = Self::default();
        for (name, value) in named(text) {
            let number = number(value);
            match name {
                b"rchar" => counters.read = number,
                b"wchar" => counters.written = number,
                b"syscr" => counters.reads = number,
                b"syscw" => counters.writes = number,
                _ => {}
            }
        }
        counters
    }
}

/// Returns the names and values of the lines of `status` or `io`.
pub fn named(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|octet| *octet == b'\n').filter_map(|line| {
        let (name, value) = line.split_at_checked(line.iter().position(|octet| *octet == b':')?)?;
        Some((name, value.strip_prefix(b":")?.trim_ascii()))
    })
}

/// Parses a decimal number.
fn number<N: std::str::FromStr>(octets: &[u8]) -> Option<N> {
    std::str::from_utf8(octets).ok()?.parse().ok()
}

/// Converts clock ticks to units of 100 ns.
pub fn ticks_to_100ns(ticks: u64) -> u64 {
    ticks.saturating_mul(TICK_100NS.0)
}

/// Returns the priority on the scale of Windows, from 0 to 31: 24 for real-time scheduling, otherwise 13 for
/// the lowest niceness down to 4 for the highest.
pub fn priority(nice: i32, real_time_priority: u32) -> u32 {
    if real_time_priority > 0 {
        return 24;
    }
    let above_lowest = 19 - nice.clamp(-20, 19);
    u32::try_from(4 + (above_lowest * 9 + 19) / 39).unwrap_or(8)
}

/// Number of the field "state" in the manual, which counts from one.
const FIRST_FIELD: usize = 3;
/// Number of the field with the real-time priority, the last one in use.
const LAST_FIELD: usize = 40;

struct Tick(u64);

static TICK_100NS: LazyLock<Tick> =
    LazyLock::new(|| Tick(10_000_000 / rustix::param::clock_ticks_per_second().clamp(1, 10_000_000)));

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "42 (a) b (c)) S 1 42 42 0 -1 4194304 10 20 3 40 5 6 7 8 20 -5 2 0 777 1000 250 \
                        18446744073709551615 1 2 3 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n";

    #[test]
    fn names_may_hold_blanks_and_brackets() {
        let stat = Stat::parse(LINE.as_bytes()).expect("it is one");
        assert_eq!((stat.name.as_str(), stat.state, stat.parent), ("a) b (c)", 'S', 1));
        assert_eq!((stat.minor_faults, stat.major_faults, stat.user_time, stat.kernel_time), (10, 3, 5, 6));
        assert_eq!(
            (stat.nice, stat.threads, stat.start, stat.virtual_size, stat.resident),
            (-5, 2, 777, 1000, 250)
        );
        assert_eq!((stat.resident_limit, stat.is_follower, stat.real_time_priority), (None, false, 0));
    }

    #[test]
    fn other_lines_are_ignored() {
        for line in ["", "42", "42 (", "42 (x)", "42 (x) S", "42 (x) S 1 2 3", "42 )x( S 1 2 3 4"] {
            assert_eq!(Stat::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn fields_of_status_and_io_are_parsed() {
        let text = "Name:\tVmSwap: 7 kB\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nVmPeak:\t    8 kB\nVmHWM:\t 4 kB\n\
                    RssAnon:\t       2 kB\nVmSwap:\t1 kB\nThreads:\t1\n";
        let status = Status::parse(text.as_bytes());
        assert_eq!((status.real_user, status.user), (Some(1000), Some(0)));
        assert_eq!((status.virtual_peak, status.resident_peak), (Some(8192), Some(4096)));
        assert_eq!((status.anonymous, status.swapped), (Some(2048), Some(1024)));
        assert_eq!(Status::parse(b"Name:\tkthreadd\nUid:\tx\nVmPeak:\t8\n"), Status::default());
        let counters = Counters::parse(b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\n");
        assert_eq!((counters.read, counters.written), (Some(1), Some(2)));
        assert_eq!((counters.reads, counters.writes), (Some(3), Some(4)));
        assert_eq!(Counters::parse(b""), Counters::default());
    }

    #[test]
    fn niceness_is_a_priority_of_windows() {
        let found: Vec<u32> = [-20, -10, 0, 10, 19].into_iter().map(|nice| priority(nice, 0)).collect();
        assert_eq!(found, [13, 11, 8, 6, 4]);
        assert_eq!(priority(0, 1), 24);
    }
}
