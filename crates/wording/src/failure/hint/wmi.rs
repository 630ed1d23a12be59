//! Explanations of WMI error numbers (`WBEM_E_…`, MS-WMI 2.2.11).

use super::super::Kind;
use super::{Hint, hint};

pub(super) const HINTS: &[Hint] = &[
    hint(
        &[0x8004_1001, 0x8004_100A],
        Kind::Fault,
        "WMI or a provider failed without giving a reason",
        &["on Windows: winmgmt /verifyrepository, and the log Microsoft-Windows-WMI-Activity/Operational"],
    ),
    hint(
        &[0x8004_1002],
        Kind::Fault,
        "no such instance",
        &["winrm enumerate lists the instances; the selectors are their keys"],
    ),
    hint(
        &[0x8004_1003],
        Kind::Denied,
        "WMI denied access",
        &[
            "only administrators have access; telarch wmi security on {host} grants it to other users",
            "on Windows, use wmimgmt.msc",
        ],
    ),
    hint(
        &[0x8004_1004, 0x8004_1011, 0x8004_1012, 0x8004_1013, 0x8004_1014],
        Kind::Fault,
        "the provider of the class failed or could not be started",
        &["see its log; on Windows: Microsoft-Windows-WMI-Activity/Operational"],
    ),
    hint(
        &[0x8004_1005, 0x8004_1026],
        Kind::Fault,
        "type mismatch: the value does not have the type of its property",
        &["winrm get shows the format of the values"],
    ),
    hint(&[0x8004_1006], Kind::Quota, "WMI is out of memory", &["request less at a time"]),
    hint(
        &[0x8004_1008, 0x8004_102F, 0x8004_1059],
        Kind::Fault,
        "invalid parameter",
        &["use the names and types of the method's parameters"],
    ),
    hint(&[0x8004_1009], Kind::Fault, "the resource is busy or unavailable", &["try again in a moment"]),
    hint(
        &[0x8004_100C],
        Kind::Fault,
        "the provider does not support this operation",
        &["many classes are read-only"],
    ),
    hint(
        &[0x8004_100E],
        Kind::Fault,
        "no such namespace",
        &["the default is wmi/root/cimv2; the namespace's software may not be installed on {host}"],
    ),
    hint(
        &[0x8004_1010],
        Kind::Fault,
        "no such class in the namespace",
        &["check the spelling and the namespace: winrm help uris"],
    ),
    hint(
        &[0x8004_1017, 0x8004_1018, 0x8004_1058],
        Kind::Fault,
        "invalid query",
        &["WQL has no JOIN or ORDER BY; quote the query: -filter:\"select * from Win32_Service\""],
    ),
    hint(
        &[0x8004_1019],
        Kind::Fault,
        "the resource already exists",
        &["change it with winrm set, or delete it first"],
    ),
    hint(
        &[0x8004_1021, 0x8004_103A],
        Kind::Fault,
        "invalid instance path",
        &["write every key as a selector: CLASS?Key=Value+Key2=Value2"],
    ),
    hint(
        &[0x8004_1024, 0x8004_102D, 0x8004_102E, 0x8004_1055],
        Kind::Fault,
        "the class does not have this operation or method",
        &["names are case-sensitive; a static method needs no selectors, others need all keys"],
    ),
    hint(&[0x8004_1028, 0x8004_1031], Kind::Fault, "a value is missing or null", &["specify every key"]),
    hint(
        &[0x8004_1032, 0x8004_1033],
        Kind::Fault,
        "the operation was cancelled, or WMI is shutting down",
        &["try again in a moment"],
    ),
    hint(
        &[0x8004_106C],
        Kind::Quota,
        "a WMI quota is exceeded",
        &["request less at a time; on Windows: __ProviderHostQuotaConfiguration in wmi/root"],
    ),
    hint(&[0x8004_1069], Kind::Timeout, "WMI timed out", &["request less at a time"]),
];
