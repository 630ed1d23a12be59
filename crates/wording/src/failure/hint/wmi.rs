//! What is known about the numbers of WMI (`WBEM_E_…`).

use super::super::Kind;
use super::{Hint, hint};

pub(super) const HINTS: &[Hint] = &[
    hint(
        &[0x8004_1001, 0x8004_100A],
        Kind::Fault,
        "WMI or a provider of it failed and gives no reason",
        &["on Windows: winmgmt /verifyrepository, and the log Microsoft-Windows-WMI-Activity/Operational"],
    ),
    hint(
        &[0x8004_1002],
        Kind::Fault,
        "there is no such instance",
        &["winrm enumerate lists those there are; selectors are its keys"],
    ),
    hint(
        &[0x8004_1003],
        Kind::Denied,
        "WMI does not let the user in",
        &[
            "administrators are let in; telarch wmi security there lets others into a namespace",
            "on Windows wmimgmt.msc does",
        ],
    ),
    hint(
        &[0x8004_1004, 0x8004_1011, 0x8004_1012, 0x8004_1013, 0x8004_1014],
        Kind::Fault,
        "the provider of the class failed, or could not be started",
        &["its log tells why; on Windows: Microsoft-Windows-WMI-Activity/Operational"],
    ),
    hint(
        &[0x8004_1005, 0x8004_1026],
        Kind::Fault,
        "a value is not of the type of its property",
        &["winrm get shows how it is written"],
    ),
    hint(&[0x8004_1006], Kind::Quota, "WMI has no memory left", &["ask for less at a time"]),
    hint(
        &[0x8004_1008, 0x8004_102F, 0x8004_1059],
        Kind::Fault,
        "a parameter was not accepted",
        &["names and types must be those of the method"],
    ),
    hint(&[0x8004_1009], Kind::Fault, "the resource is busy or not there", &["try again in a moment"]),
    hint(&[0x8004_100C], Kind::Fault, "the provider cannot do this", &["many classes can be read only"]),
    hint(
        &[0x8004_100E],
        Kind::Fault,
        "there is no such namespace",
        &["wmi/root/cimv2 is the usual one; its software may not be installed on {host}"],
    ),
    hint(
        &[0x8004_1010],
        Kind::Fault,
        "there is no such class in the namespace",
        &["check spelling and namespace: winrm help uris"],
    ),
    hint(
        &[0x8004_1017, 0x8004_1018, 0x8004_1058],
        Kind::Fault,
        "the query is not well-formed",
        &["WQL has no JOIN and no ORDER BY; put it in quotes: -filter:\"select * from Win32_Service\""],
    ),
    hint(&[0x8004_1019], Kind::Fault, "it exists already", &["change it with winrm set, or delete it first"]),
    hint(
        &[0x8004_1021, 0x8004_103A],
        Kind::Fault,
        "the path of the instance is not well-formed",
        &["write every key as a selector: CLASS?Key=Value+Key2=Value2"],
    ),
    hint(
        &[0x8004_1024, 0x8004_102D, 0x8004_102E, 0x8004_1055],
        Kind::Fault,
        "the class does not have this operation or method",
        &["names keep their case; a static method takes no selectors, others take all keys"],
    ),
    hint(&[0x8004_1028, 0x8004_1031], Kind::Fault, "a value is missing or has none", &["give every key"]),
    hint(
        &[0x8004_1032, 0x8004_1033],
        Kind::Fault,
        "the operation was ended, or WMI ends",
        &["try again in a moment"],
    ),
    hint(
        &[0x8004_106C],
        Kind::Quota,
        "a quota of WMI is used up",
        &["ask for less at a time; on Windows: __ProviderHostQuotaConfiguration in wmi/root"],
    ),
    hint(&[0x8004_1069], Kind::Timeout, "WMI was too slow", &["ask for less at a time"]),
];
