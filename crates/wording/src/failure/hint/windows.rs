//! Explanations of Windows error numbers that services pass on: Win32, logon, certificates, names and connections.

use super::super::Kind;
use super::{Hint, hint};

pub(super) const HINTS: &[Hint] = &[
    hint(
        &[2, 3],
        Kind::Fault,
        "the program, file or directory does not exist",
        &["check its name and path on {host}"],
    ),
    hint(
        &[8, 14, 1450, 1455],
        Kind::Quota,
        "out of memory, or the memory quota of the shell is exceeded",
        &["increase MaxMemoryPerShellMB in winrm/config/winrs on {host}, or free memory there"],
    ),
    hint(
        &[32, 33],
        Kind::Fault,
        "the file is in use by another program",
        &["try again after that program has ended"],
    ),
    hint(
        &[50, 120],
        Kind::Fault,
        "the operating system of {host} does not support this",
        &["winrm identify -r:{host} shows its version"],
    ),
    hint(
        &[53, 64, 67, 1231, 1232],
        Kind::Connect,
        "a machine on the network path cannot be reached",
        &["check name, address and route; a file share needs port 445"],
    ),
    hint(&[87], Kind::Fault, "invalid parameter", &["a value is missing or not valid for the method"]),
    hint(&[112], Kind::Quota, "the disk is full", &["free space on {host}"]),
    hint(
        &[206],
        Kind::Fault,
        "the command line is too long",
        &["the limit of cmd is about 8000 characters: pass the rest in a file or on standard input"],
    ),
    hint(
        &[86, 0xC000_006A, 0xC000_006D, 0x8009_030C],
        Kind::Authentication,
        "login refused",
        &[
            "the user name or the password is wrong, or the account may not log on over the network",
            "write a domain account as DOMAIN\\USER or USER@DOMAIN, a local account as .\\USER or USER",
        ],
    ),
    hint(
        &[1317, 0xC000_0064, 1332],
        Kind::Authentication,
        "the account does not exist",
        &["check the spelling; write a domain account as DOMAIN\\USER or USER@DOMAIN"],
    ),
    hint(
        &[1327, 0xC000_006E],
        Kind::Authentication,
        "an account restriction prevents this logon",
        &["Windows rejects network logons with an empty password"],
    ),
    hint(
        &[1328, 0xC000_006F, 1329, 0xC000_0070],
        Kind::Authentication,
        "the account may not log on at this time or from this machine",
        &["its logon hours and workstations are set in the domain"],
    ),
    hint(
        &[1330, 1907, 0xC000_0071, 0xC000_0224],
        Kind::Authentication,
        "the password has expired",
        &["change it on the machine or with kpasswd; WS-Management cannot change it"],
    ),
    hint(
        &[1331, 0xC000_0072],
        Kind::Authentication,
        "the account is disabled",
        &["an administrator can enable it: Enable-LocalUser on Windows, telarch account enable on Linux"],
    ),
    hint(
        &[1793, 0xC000_0193],
        Kind::Authentication,
        "the account has expired",
        &["an administrator must extend its expiration date"],
    ),
    hint(
        &[1909, 0xC000_0234],
        Kind::Authentication,
        "the account is locked out after too many wrong passwords",
        &["wait until the lockout ends or ask an administrator; a program may still use an old password"],
    ),
    hint(
        &[1380, 1385, 0xC000_015B],
        Kind::Authentication,
        "the account does not have the right to log on over the network",
        &["on Windows, grant \"Access this computer from the network\" in the local security policy"],
    ),
    hint(
        &[1311, 0xC000_005E, 0x8009_0311],
        Kind::Authentication,
        "no domain controller or KDC responds",
        &["check the network, and the DNS records of the domain: _kerberos._tcp.DOMAIN"],
    ),
    hint(
        &[1355, 0xC000_00DF, 1212],
        Kind::Authentication,
        "the domain does not exist or cannot be found",
        &["check the name of the domain and its DNS records"],
    ),
    hint(
        &[1787, 1788, 1789, 0xC000_018A, 0xC000_018B, 0xC000_018C, 0xC000_018D],
        Kind::Authentication,
        "the trust relationship between the machine and its domain is broken",
        &["on {host}: Test-ComputerSecureChannel -Repair, or rejoin the domain"],
    ),
    hint(
        &[1314, 0xC000_0061],
        Kind::Denied,
        "the account lacks a privilege",
        &["use an administrator of {host}; UAC filters local ones unless LocalAccountTokenFilterPolicy is 1"],
    ),
    hint(
        &[1398, 0x8009_0324, 0xC000_0133],
        Kind::Authentication,
        "the clock skew is too large",
        &["Kerberos allows five minutes: check timedatectl here and w32tm /query /status on Windows"],
    ),
    hint(
        &[1396, 0x8009_0322, 0x8009_0303],
        Kind::Authentication,
        "the service principal name belongs to another account or is not registered",
        &[
            "setspn -Q HTTP/{host} shows the account it belongs to",
            "use another service principal name: -spn:WSMAN, -spn:HOST or -spn:HTTP/NAME",
        ],
    ),
    hint(
        &[0x8009_030E],
        Kind::Authentication,
        "no credentials are available",
        &["add -username:NAME, or run kinit; a second hop to another machine needs delegation"],
    ),
    hint(
        &[0x8009_0308, 0x8009_030F, 0x8009_0321, 0x8009_0318],
        Kind::Authentication,
        "invalid authentication token or encrypted message",
        &["a proxy may have changed it: use https:// and no proxy that decrypts TLS"],
    ),
    hint(
        &[0x8009_0346],
        Kind::Authentication,
        "the service requires channel binding to the TLS connection, which is missing",
        &[
            "a proxy that decrypts TLS breaks it; see CbtHardeningLevel in winrm/config/service/auth on {host}",
        ],
    ),
    hint(
        &[0x8009_0305, 0x8009_0342, 0x8009_0331],
        Kind::Authentication,
        "the two sides support no common authentication scheme, cipher or key type",
        &["Windows since 2025 disables RC4: accounts need AES keys, so reset their passwords"],
    ),
    hint(
        &[0x8009_0317],
        Kind::Authentication,
        "the ticket or the security context has expired",
        &["get a new ticket: kinit"],
    ),
    hint(
        &[0x8009_0345],
        Kind::Authentication,
        "cannot delegate a ticket to the service",
        &["get a forwardable ticket with kinit -f; the realm must permit it"],
    ),
    // Certificates.
    hint(
        &[0x8009_0325, 0x800B_0109, 0x800B_010A, 0x800B_0112],
        Kind::Connect,
        "certificate is not signed by a trusted authority",
        &["trust its issuer with -ca:FILE; for tests only: -skipCAcheck"],
    ),
    hint(
        &[0x800B_010F],
        Kind::Connect,
        "the certificate is for a different name",
        &["use a name that the certificate contains; for tests only: -skipCNcheck"],
    ),
    hint(&[0x8009_0328], Kind::Connect, "the certificate has expired", &["renew it on {host}"]),
    hint(
        &[0x8009_2010, 0x800B_010C, 0x8009_2012, 0x8009_2013],
        Kind::Connect,
        "the certificate was revoked, or its revocation status cannot be checked",
        &["on Windows: -skipRevocationcheck; the certificate names its revocation list"],
    ),
    hint(
        &[0x8009_0016, 0x8009_000B, 0x8009_2004],
        Kind::Fault,
        "the certificate or its private key is missing or not accessible to this account",
        &["on Windows, NETWORK SERVICE must be able to read the private key"],
    ),
    // RPC, names, connections.
    hint(
        &[1722, 1723, 1753],
        Kind::Connect,
        "the RPC server behind the service is unavailable",
        &["the RPC server must run on {host}; if it is on a third machine, delegation is needed"],
    ),
    hint(
        &[1726, 1727],
        Kind::Connect,
        "a remote procedure call (RPC) failed",
        &["try again; see the log of the service"],
    ),
    hint(
        &[10_060, 12_002, 121],
        Kind::Connect,
        "no response in time",
        &["a firewall may drop the packets: ports 5985 (HTTP) and 5986 (HTTPS) must be open on {host}"],
    ),
    hint(
        &[10_061, 12_029, 1225],
        Kind::Connect,
        "connection refused: no program listens on the port",
        &["check the port, and that the service is running: winrm quickconfig on {host}"],
    ),
    hint(
        &[10_054, 10_053, 12_030, 1236],
        Kind::Connect,
        "the connection was closed",
        &["if the service closes it at once, the port may need HTTPS instead of HTTP, or vice versa"],
    ),
    hint(
        &[10_051, 10_065],
        Kind::Connect,
        "no route to the host",
        &["check its address and the routing table"],
    ),
    hint(
        &[11_001, 11_002, 11_004, 12_007, 9003],
        Kind::Connect,
        "cannot resolve the host name",
        &["check the spelling, or use the fully qualified name or the IP address"],
    ),
    hint(
        &[12_152],
        Kind::Connect,
        "the server does not speak HTTP",
        &["if the port uses HTTPS, write https:// or add -usessl"],
    ),
    hint(
        &[12_180],
        Kind::Connect,
        "no proxy was found by auto-discovery",
        &["use -proxyaccess:no_proxy for a direct connection"],
    ),
    // Services.
    hint(&[1056], Kind::Fault, "the service is already running", &["no action is needed"]),
    hint(
        &[1058],
        Kind::Fault,
        "the service is disabled",
        &["enable it: Set-Service NAME -StartupType Manual"],
    ),
    hint(
        &[1060],
        Kind::Fault,
        "the service does not exist",
        &["use the short name, as listed by Get-Service"],
    ),
    hint(&[1062], Kind::Fault, "the service is not running", &["no action is needed"]),
    hint(
        &[1053],
        Kind::Timeout,
        "the service did not respond to the service manager in time",
        &["see the log of that service"],
    ),
    hint(
        &[1223],
        Kind::Fault,
        "the operation was cancelled by the user",
        &["repeat it and confirm the prompt"],
    ),
    hint(&[1235], Kind::Fault, "the request was aborted", &["try again"]),
    hint(&[3010, 1641], Kind::Fault, "the change takes effect after a restart", &["restart {host}"]),
];
