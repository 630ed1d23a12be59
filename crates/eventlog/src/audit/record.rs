//! One record: a line of the audit log.

/// Record of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Machine that wrote the record (`node=`).
    pub node: Option<String>,
    /// Name of the type, such as `SYSCALL`.
    pub kind: String,
    /// Time of the event in milliseconds since 1970.
    pub milliseconds: u64,
    /// Serial number of the event.
    pub serial: u64,
    /// Names and values. Hexadecimal values of fields that auditd encodes are decoded.
    pub fields: Vec<(String, Vec<u8>)>,
}

/// Maximum number of fields of a record.
const MAX_FIELDS: usize = 512;
/// Maximum length of a record in bytes: auditd writes at most 8970.
pub(super) const MAX_RECORD: usize = 16 << 10;
/// Separator before the fields that auditd adds with resolved names (`log_format = ENRICHED`).
const ENRICHED: char = '\u{1D}';

impl AuditRecord {
    /// Parses a line; `None` if it is not a record.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut rest = line.trim();
        if rest.len() > MAX_RECORD {
            return None;
        }
        let mut node = None;
        if let Some(named) = rest.strip_prefix("node=") {
            let (name, after) = named.split_once(' ')?;
            node = Some(name.to_owned());
            rest = after;
        }
        let (kind, rest) = rest.strip_prefix("type=")?.split_once(' ')?;
        let (stamp, rest) = rest.strip_prefix("msg=audit(")?.split_once("):")?;
        let (time, serial) = stamp.split_once(':')?;
        let (seconds, fraction) = time.split_once('.')?;
        let seconds: u64 = seconds.parse().ok()?;
        let fraction: u64 = fraction.parse().ok().filter(|fraction| *fraction < 1_000)?;
        if kind.is_empty() || kind.len() > 64 || !kind.chars().all(is_kind_char) {
            return None;
        }
        let (plain, enriched) = rest.split_once(ENRICHED).unwrap_or((rest, ""));
        let mut fields = Vec::new();
        read_fields(plain, kind, &mut fields);
        read_fields(enriched, kind, &mut fields);
        Some(Self {
            node,
            kind: kind.to_owned(),
            milliseconds: seconds.checked_mul(1_000)?.checked_add(fraction)?,
            serial: serial.parse().ok()?,
            fields,
        })
    }

    /// Returns the number of the type (`linux/audit.h`); 0 if it is unknown.
    #[must_use]
    pub fn number(&self) -> u16 {
        if let Some(number) = self.kind.strip_prefix("UNKNOWN[").and_then(|rest| rest.strip_suffix(']')) {
            return number.parse().unwrap_or_default();
        }
        KINDS.iter().find(|(_, name)| *name == self.kind).map_or(0, |(number, _)| *number)
    }

    /// Returns the first value of a field as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Reads `NAME=VALUE` pairs: values in double quotes, lists in single quotes, or words.
fn read_fields(text: &str, kind: &str, fields: &mut Vec<(String, Vec<u8>)>) {
    let mut rest = text.trim_start();
    while !rest.is_empty() && fields.len() < MAX_FIELDS {
        let word = rest.find(' ').unwrap_or(rest.len());
        let Some(sign) = rest.find('=').filter(|sign| *sign < word) else {
            // A word without a name, as in messages of the kernel.
            rest = rest.get(word..).unwrap_or_default().trim_start();
            continue;
        };
        let name = rest.get(..sign).unwrap_or_default();
        let value = rest.get(sign + 1..).unwrap_or_default();
        if let Some(quoted) = value.strip_prefix('"') {
            let (value, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            fields.push((name.to_owned(), value.as_bytes().to_vec()));
            rest = after.trim_start();
        } else if let Some(list) = value.strip_prefix('\'') {
            let (list, after) = list.rsplit_once('\'').unwrap_or((list, ""));
            read_list(list, kind, fields);
            rest = after.trim_start();
        } else {
            let (value, after) = value.split_once(' ').unwrap_or((value, ""));
            fields.push((name.to_owned(), decode(name, value, kind)));
            rest = after.trim_start();
        }
    }
}

/// Reads the list inside `msg='…'`, which contains no further list.
fn read_list(list: &str, kind: &str, fields: &mut Vec<(String, Vec<u8>)>) {
    read_fields(&list.replace('\'', " "), kind, fields);
}

/// Returns the bytes of a value without quotes. Auditd writes texts of users as hexadecimal digits if they contain
/// spaces, quotes or control characters; other fields may consist of hexadecimal digits without being encoded.
fn decode(name: &str, value: &str, kind: &str) -> Vec<u8> {
    const ENCODED: [&str; 20] = [
        "acct",
        "cgroup",
        "cmd",
        "comm",
        "cwd",
        "data",
        "device",
        "dir",
        "exe",
        "file",
        "grp",
        "invalid_context",
        "key",
        "name",
        "new-disk",
        "old-disk",
        "path",
        "proctitle",
        "watch",
        "vm",
    ];
    let is_argument = kind == "EXECVE"
        && name.strip_prefix('a').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let is_encoded = ENCODED.contains(&name) || is_argument;
    let digits = value.as_bytes();
    if !is_encoded || digits.is_empty() || !digits.len().is_multiple_of(2) {
        return value.as_bytes().to_vec();
    }
    let bytes = digits.chunks_exact(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    match bytes.collect::<Option<Vec<u8>>>() {
        // Arguments of the process are separated by zeros.
        Some(bytes) if name == "proctitle" => {
            bytes.into_iter().map(|byte| if byte == 0 { b' ' } else { byte }).collect()
        }
        Some(bytes) => bytes,
        None => value.as_bytes().to_vec(),
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn is_kind_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '[' | ']')
}

/// Types of records.
const KINDS: [(u16, &str); 74] = [
    (1100, "USER_AUTH"),
    (1101, "USER_ACCT"),
    (1102, "USER_MGMT"),
    (1103, "CRED_ACQ"),
    (1104, "CRED_DISP"),
    (1105, "USER_START"),
    (1106, "USER_END"),
    (1107, "USER_AVC"),
    (1108, "USER_CHAUTHTOK"),
    (1109, "USER_ERR"),
    (1110, "CRED_REFR"),
    (1111, "USYS_CONFIG"),
    (1112, "USER_LOGIN"),
    (1113, "USER_LOGOUT"),
    (1114, "ADD_USER"),
    (1115, "DEL_USER"),
    (1116, "ADD_GROUP"),
    (1117, "DEL_GROUP"),
    (1118, "DAC_CHECK"),
    (1119, "CHGRP_ID"),
    (1120, "TEST"),
    (1121, "TRUSTED_APP"),
    (1122, "USER_SELINUX_ERR"),
    (1123, "USER_CMD"),
    (1124, "USER_TTY"),
    (1125, "CHUSER_ID"),
    (1126, "GRP_AUTH"),
    (1127, "SYSTEM_BOOT"),
    (1128, "SYSTEM_SHUTDOWN"),
    (1129, "SYSTEM_RUNLEVEL"),
    (1130, "SERVICE_START"),
    (1131, "SERVICE_STOP"),
    (1132, "GRP_MGMT"),
    (1133, "GRP_CHAUTHTOK"),
    (1134, "MAC_CHECK"),
    (1135, "ACCT_LOCK"),
    (1136, "ACCT_UNLOCK"),
    (1137, "USER_DEVICE"),
    (1138, "SOFTWARE_UPDATE"),
    (1200, "DAEMON_START"),
    (1201, "DAEMON_END"),
    (1202, "DAEMON_ABORT"),
    (1203, "DAEMON_CONFIG"),
    (1205, "DAEMON_ROTATE"),
    (1206, "DAEMON_RESUME"),
    (1300, "SYSCALL"),
    (1302, "PATH"),
    (1303, "IPC"),
    (1304, "SOCKETCALL"),
    (1305, "CONFIG_CHANGE"),
    (1306, "SOCKADDR"),
    (1307, "CWD"),
    (1309, "EXECVE"),
    (1318, "OBJ_PID"),
    (1319, "TTY"),
    (1320, "EOE"),
    (1321, "BPRM_FCAPS"),
    (1322, "CAPSET"),
    (1323, "MMAP"),
    (1325, "NETFILTER_CFG"),
    (1326, "SECCOMP"),
    (1327, "PROCTITLE"),
    (1328, "FEATURE_CHANGE"),
    (1330, "KERN_MODULE"),
    (1331, "FANOTIFY"),
    (1334, "BPF"),
    (1400, "AVC"),
    (1403, "MAC_POLICY_LOAD"),
    (1404, "MAC_STATUS"),
    (1700, "ANOM_PROMISCUOUS"),
    (1701, "ANOM_ABEND"),
    (1806, "INTEGRITY_RULE"),
    (2000, "KERNEL"),
    (1006, "LOGIN"),
];
