//! What is known about numbers of Windows that services pass on: Win32, sign-in, certificates, names and connections.

use super::super::Kind;
use super::{Hint, hint};

pub(super) const HINTS: &[Hint] = &[
    hint(
        &[2, 3],
        Kind::Fault,
        "the program, file or folder is not there",
        &["check its name and path on {host}"],
    ),
    hint(
        &[8, 14, 1450, 1455],
        Kind::Quota,
        "the machine or the quota of the shell has no memory left",
        &["raise MaxMemoryPerShellMB in winrm/config/winrs on {host}, or free memory there"],
    ),
    hint(&[32, 33], Kind::Fault, "another program has it open", &["try again once that has ended"]),
    hint(
        &[50, 120],
        Kind::Fault,
        "the system of {host} cannot do this",
        &["winrm identify -r:{host} tells what it is"],
    ),
    hint(
        &[53, 64, 67, 1231, 1232],
        Kind::Connect,
        "a machine on the way cannot be reached",
        &["check name, address and route; a file share takes port 445"],
    ),
    hint(
        &[87],
        Kind::Fault,
        "a parameter was not accepted",
        &["a value is missing or not what the method takes"],
    ),
    hint(&[112], Kind::Quota, "the disk is full", &["free space on {host}"]),
    hint(
        &[206],
        Kind::Fault,
        "the command line is too long",
        &["cmd takes about 8000 characters: put the rest into a file or into standard input"],
    ),
    hint(
        &[86, 0xC000_006A, 0xC000_006D, 0x8009_030C],
        Kind::Authentication,
        "login refused",
        &[
            "user name or password are wrong, or the account may not log in over the network",
            "a domain account is DOMAIN\\USER or USER@DOMAIN, a local one .\\USER or USER",
        ],
    ),
    hint(
        &[1317, 0xC000_0064, 1332],
        Kind::Authentication,
        "there is no such account",
        &["check the spelling; a domain account is DOMAIN\\USER or USER@DOMAIN"],
    ),
    hint(
        &[1327, 0xC000_006E],
        Kind::Authentication,
        "the account may not log in like this",
        &["Windows lets nobody in over the network with an empty password"],
    ),
    hint(
        &[1328, 0xC000_006F, 1329, 0xC000_0070],
        Kind::Authentication,
        "the account may not log in now, or from here",
        &["its logon hours and workstations are set in the domain"],
    ),
    hint(
        &[1330, 1907, 0xC000_0071, 0xC000_0224],
        Kind::Authentication,
        "the password has expired",
        &["set a new one at the machine or with kpasswd; it cannot be changed over WS-Management"],
    ),
    hint(
        &[1331, 0xC000_0072],
        Kind::Authentication,
        "the account is disabled",
        &["an administrator enables it: Enable-LocalUser on Windows, telarch account enable on Linux"],
    ),
    hint(
        &[1793, 0xC000_0193],
        Kind::Authentication,
        "the account has expired",
        &["an administrator gives it another date"],
    ),
    hint(
        &[1909, 0xC000_0234],
        Kind::Authentication,
        "the account is locked after too many wrong passwords",
        &[
            "wait until the lock ends, or let an administrator end it; something may still use an old password",
        ],
    ),
    hint(
        &[1380, 1385, 0xC000_015B],
        Kind::Authentication,
        "the account does not have the right to log in over the network",
        &["on Windows: Access this computer from the network, in the local security policy"],
    ),
    hint(
        &[1311, 0xC000_005E, 0x8009_0311],
        Kind::Authentication,
        "no domain controller or KDC answers",
        &["check the network to the domain and its names in DNS: _kerberos._tcp.DOMAIN"],
    ),
    hint(
        &[1355, 0xC000_00DF, 1212],
        Kind::Authentication,
        "there is no such domain, or it cannot be found",
        &["check the name of the domain, and that DNS knows it"],
    ),
    hint(
        &[1787, 1788, 1789, 0xC000_018A, 0xC000_018B, 0xC000_018C, 0xC000_018D],
        Kind::Authentication,
        "the machine and its domain do not trust each other any more",
        &["on {host}: Test-ComputerSecureChannel -Repair, or join the domain again"],
    ),
    hint(
        &[1314, 0xC000_0061],
        Kind::Denied,
        "the account lacks a privilege",
        &["an administrator of {host} has it; with UAC a local one may need LocalAccountTokenFilterPolicy"],
    ),
    hint(
        &[1398, 0x8009_0324, 0xC000_0133],
        Kind::Authentication,
        "the clocks are too far apart",
        &["Kerberos allows five minutes: timedatectl here, w32tm /query /status on Windows"],
    ),
    hint(
        &[1396, 0x8009_0322, 0x8009_0303],
        Kind::Authentication,
        "Kerberos knows the service by another name, or under another account",
        &[
            "setspn -Q HTTP/{host} shows whose it is",
            "ask for it by another name: -spn:WSMAN, -spn:HOST or -spn:HTTP/NAME",
        ],
    ),
    hint(
        &[0x8009_030E],
        Kind::Authentication,
        "there is nothing to sign in with",
        &["add -username:NAME, or get a ticket with kinit; on a second machine it needs delegation"],
    ),
    hint(
        &[0x8009_0308, 0x8009_030F, 0x8009_0321, 0x8009_0318],
        Kind::Authentication,
        "a token or a sealed message was not understood",
        &["something on the way may have changed it: use https:// and no proxy that opens it"],
    ),
    hint(
        &[0x8009_0346],
        Kind::Authentication,
        "the sign-in is not bound to this TLS connection, and the service wants it",
        &["a proxy that opens HTTPS breaks it; CbtHardeningLevel in winrm/config/service/auth on {host}"],
    ),
    hint(
        &[0x8009_0305, 0x8009_0342, 0x8009_0331],
        Kind::Authentication,
        "the two ends have no scheme, cipher or type of key in common",
        &["on Windows since 2025 RC4 is off: accounts need AES keys, so set their passwords anew"],
    ),
    hint(
        &[0x8009_0317],
        Kind::Authentication,
        "the ticket or the sign-in has expired",
        &["get a new ticket: kinit"],
    ),
    hint(
        &[0x8009_0345],
        Kind::Authentication,
        "the service cannot be given a ticket to use elsewhere",
        &["get one that can be handed on: kinit -f, and let the realm allow it"],
    ),
    // Certificates.
    hint(
        &[0x8009_0325, 0x800B_0109, 0x800B_010A, 0x800B_0112],
        Kind::Connect,
        "nobody who is trusted has signed the certificate",
        &["trust its issuer with -ca:FILE; for a test only: -skipCAcheck"],
    ),
    hint(
        &[0x800B_010F],
        Kind::Connect,
        "the certificate is for another name",
        &["use a name that stands in it; for a test only: -skipCNcheck"],
    ),
    hint(&[0x8009_0328], Kind::Connect, "the certificate has expired", &["renew it on {host}"]),
    hint(
        &[0x8009_2010, 0x800B_010C, 0x8009_2012, 0x8009_2013],
        Kind::Connect,
        "the certificate was revoked, or nobody could be asked whether it was",
        &["on Windows: -skipRevocationcheck; the address of the list stands in the certificate"],
    ),
    hint(
        &[0x8009_0016, 0x8009_000B, 0x8009_2004],
        Kind::Fault,
        "the certificate or its key is not there, or not for this account",
        &["on Windows NETWORK SERVICE must be able to read the key"],
    ),
    // RPC, names, connections.
    hint(
        &[1722, 1723, 1753],
        Kind::Connect,
        "a service that this one needs does not answer (RPC)",
        &["the service behind it must run on {host}; from a third machine it takes delegation"],
    ),
    hint(
        &[1726, 1727],
        Kind::Connect,
        "a call to another service broke (RPC)",
        &["try again; its log tells why"],
    ),
    hint(
        &[10_060, 12_002, 121],
        Kind::Connect,
        "no answer in time",
        &["a firewall may drop the packets: ports 5985 (HTTP) and 5986 (HTTPS) must be open on {host}"],
    ),
    hint(
        &[10_061, 12_029, 1225],
        Kind::Connect,
        "nobody listens there",
        &["check the port, and that the service runs: winrm quickconfig on {host}"],
    ),
    hint(
        &[10_054, 10_053, 12_030, 1236],
        Kind::Connect,
        "the connection broke",
        &["a service that closes at once may want HTTPS, or HTTP instead of it"],
    ),
    hint(
        &[10_051, 10_065],
        Kind::Connect,
        "there is no way to the host",
        &["check its address and the route"],
    ),
    hint(
        &[11_001, 11_002, 11_004, 12_007, 9003],
        Kind::Connect,
        "the name of the host is not known",
        &["check the spelling, use the full name with its domain, or the address"],
    ),
    hint(
        &[12_152],
        Kind::Connect,
        "what answered does not speak HTTP",
        &["the port may be one for HTTPS: write https://, or add -usessl"],
    ),
    hint(&[12_180], Kind::Connect, "the network announces no proxy", &["-proxyaccess:no_proxy goes without"]),
    // Services.
    hint(&[1056], Kind::Fault, "the service runs already", &["there is nothing to do"]),
    hint(
        &[1058],
        Kind::Fault,
        "the service is disabled",
        &["enable it: Set-Service NAME -StartupType Manual"],
    ),
    hint(
        &[1060],
        Kind::Fault,
        "there is no such service",
        &["the name is the short one: Get-Service lists them"],
    ),
    hint(&[1062], Kind::Fault, "the service does not run", &["there is nothing to stop"]),
    hint(
        &[1053],
        Kind::Timeout,
        "the service did not answer its manager in time",
        &["its own log tells why"],
    ),
    hint(&[1223], Kind::Fault, "somebody said no", &["the question was answered with cancel"]),
    hint(&[1235], Kind::Fault, "the request was aborted", &["try again"]),
    hint(&[3010, 1641], Kind::Fault, "it is done once the machine was started anew", &["restart {host}"]),
];
