//! Table of the known policies; each entry is the only description of one policy.
//!
//! Names, keys and values are those of the administrative templates of Windows (WindowsRemoteManagement.admx,
//! WindowsRemoteShell.admx, EventForwarding.admx, CredSsp.admx).

use std::ops::RangeInclusive;

use crate::Setting;

/// Policy of an administrative template.
#[derive(Debug)]
pub struct Policy {
    name: &'static str,
    key: &'static str,
    kind: PolicyKind,
    about: &'static str,
}

/// Registry values of a policy, and their effect.
#[derive(Debug)]
pub enum PolicyKind {
    /// `REG_DWORD` 0 or 1 that disables or enables a setting.
    Switch {
        /// Name of the registry value.
        value: &'static str,
        /// Path of the setting.
        setting: &'static str,
        /// Number that an enabled policy has: 0 for policies that forbid something.
        enabled: u32,
    },
    /// `REG_DWORD` with the value of a setting.
    Number {
        /// Name of the registry value.
        value: &'static str,
        /// Path of the setting.
        setting: &'static str,
        /// Valid range.
        range: RangeInclusive<u32>,
    },
    /// `REG_SZ` with the value of a setting; it counts only if the switch is 1.
    Text {
        /// Name of the switch.
        switch: &'static str,
        /// Name of the text.
        value: &'static str,
        /// Path of the setting.
        setting: &'static str,
    },
    /// `AllowAutoConfig` with its address filters.
    AutoConfig,
    /// `REG_DWORD` 0 or 1 that corresponds to no setting: 1 enables the policy.
    Flag {
        /// Name of the registry value.
        value: &'static str,
    },
    /// Texts in numbered registry values.
    List {
        /// Subkey with the texts, if they are not in the key of the policy.
        folder: Option<&'static str>,
        /// Name of the registry value that must be 1 for the list to count.
        switch: Option<&'static str>,
    },
}

impl Policy {
    /// Returns every policy.
    #[must_use]
    pub fn all() -> &'static [Self] {
        TABLE
    }

    /// Returns the policy with a name, compared without case.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|policy| policy.name.eq_ignore_ascii_case(name))
    }

    /// Returns the policies with a name, for a setting, or for a registry path `KEY\VALUE`, of which the beginning
    /// down to `WinRM` may be omitted.
    #[must_use]
    pub fn search(word: &str) -> Vec<&'static Self> {
        let requested = Setting::find(word).ok();
        TABLE.iter().filter(|policy| policy.matches(word, requested)).collect()
    }

    fn matches(&self, word: &str, setting: Option<&Setting>) -> bool {
        let governs =
            setting.is_some_and(|requested| self.settings().any(|own| own.path() == requested.path()));
        governs || self.name.eq_ignore_ascii_case(word) || self.matches_registry_path(word)
    }

    /// Name in the template: `AllowBasic_1`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Registry key without the hive.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// Registry values of the policy, and their effect.
    #[must_use]
    pub fn kind(&self) -> &PolicyKind {
        &self.kind
    }

    /// Description in one or more sentences.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Returns the settings that the policy governs.
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        let paths: &[&str] = match &self.kind {
            PolicyKind::Switch { setting, .. }
            | PolicyKind::Number { setting, .. }
            | PolicyKind::Text { setting, .. } => std::slice::from_ref(setting),
            PolicyKind::AutoConfig => &[REMOTE_ACCESS, IPV4_FILTER, IPV6_FILTER],
            PolicyKind::Flag { .. } | PolicyKind::List { .. } => &[],
        };
        paths.iter().filter_map(|path| Setting::find(path).ok())
    }

    /// Returns the names of the registry values, each with a description of its data. The values of lists are named
    /// `1`, `2` and so on.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, String)> {
        match &self.kind {
            PolicyKind::Switch { value, setting, enabled } => vec![(
                *value,
                match enabled {
                    1 => format!("REG_DWORD: 1 (enabled) sets {setting} to true, 0 (disabled) to false"),
                    _ => format!("REG_DWORD: 0 (enabled) sets {setting} to false, 1 (disabled) to true"),
                },
            )],
            PolicyKind::Number { value, setting, range } => {
                vec![(*value, format!("REG_DWORD: {} to {}, for {setting}", range.start(), range.end()))]
            }
            PolicyKind::Text { switch, value, setting } => vec![
                (
                    *switch,
                    "REG_DWORD: 1 (enabled) applies the text, 0 leaves the choice to this machine".to_owned(),
                ),
                (*value, format!("REG_SZ: the text, for {setting}")),
            ],
            PolicyKind::AutoConfig => vec![
                (
                    AUTO_CONFIG,
                    "REG_DWORD: 1 (enabled) creates the listener, 0 (disabled) rejects other machines"
                        .to_owned(),
                ),
                (
                    "IPv4Filter",
                    "REG_SZ: *, or ranges first-last separated by commas; empty means no address".to_owned(),
                ),
                ("IPv6Filter", "REG_SZ: address ranges for IPv6, as in IPv4Filter".to_owned()),
            ],
            PolicyKind::Flag { value } => {
                vec![(*value, "REG_DWORD: 1 (enabled) forbids, 0 (disabled) allows".to_owned())]
            }
            PolicyKind::List { switch, folder } => {
                let switch = switch.map(|name| (name, "REG_DWORD: 1 applies the list".to_owned()));
                let place = folder.map(|folder| format!(" in the subkey {folder}")).unwrap_or_default();
                let list = ("1, 2, …", format!("REG_SZ: one entry each{place}"));
                switch.into_iter().chain([list]).collect()
            }
        }
    }

    /// Returns whether a registry path is the key or a value of this policy.
    fn matches_registry_path(&self, word: &str) -> bool {
        let word = word.trim_matches('\\').to_ascii_lowercase();
        let word = word.strip_prefix("hklm\\").unwrap_or(&word);
        let word = word.strip_prefix("hkey_local_machine\\").unwrap_or(word);
        let key = self.key.to_ascii_lowercase();
        key == word
            || self.values().iter().any(|(value, _)| {
                word.contains('\\') && is_end_of_path(word, &format!("{key}\\{}", value.to_ascii_lowercase()))
            })
    }
}

/// Returns whether `end` is a registry path or its last components.
fn is_end_of_path(end: &str, path: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('\\'))
}

/// Policies are equal if their names are.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Policy {}

pub(super) const AUTO_CONFIG: &str = "AllowAutoConfig";
pub(super) const DISABLE_RUN_AS: &str = "DisableRunAs";
pub(super) const REMOTE_ACCESS: &str = "Service/AllowRemoteAccess";
pub(super) const IPV4_FILTER: &str = "Service/IPv4Filter";
pub(super) const IPV6_FILTER: &str = "Service/IPv6Filter";

macro_rules! below {
    ($key:literal) => {
        concat!(r"Software\Policies\Microsoft\Windows\", $key)
    };
}

const CLIENT: &str = below!(r"WinRM\Client");
const SERVICE: &str = below!(r"WinRM\Service");
const WINRS: &str = below!(r"WinRM\Service\WinRS");
const MAX_31: u32 = 0x7FFF_FFFF;

const fn switch(
    [name, key, value]: [&'static str; 3],
    setting: &'static str,
    enabled: u32,
    about: &'static str,
) -> Policy {
    Policy { name, key, kind: PolicyKind::Switch { value, setting, enabled }, about }
}

/// Returns a policy for a limit of remote shells; the policy has the name of its registry value.
const fn quota(
    name: &'static str,
    setting: &'static str,
    range: RangeInclusive<u32>,
    about: &'static str,
) -> Policy {
    Policy { name, key: WINRS, kind: PolicyKind::Number { value: name, setting, range }, about }
}

const TABLE: &[Policy] = &[
    switch(
        ["AllowBasic_2", CLIENT, "AllowBasic"],
        "Client/Auth/Basic",
        1,
        "Whether clients on this machine may authenticate with Basic, which sends the password to the service.",
    ),
    switch(
        ["AllowCredSSP_2", CLIENT, "AllowCredSSP"],
        "Client/Auth/CredSSP",
        1,
        "Whether clients on this machine may authenticate with CredSSP, which delegates the password to the service.",
    ),
    switch(
        ["DisallowDigest", CLIENT, "AllowDigest"],
        "Client/Auth/Digest",
        0,
        "If enabled, clients on this machine must not authenticate with Digest; if disabled, they may.",
    ),
    switch(
        ["DisallowNegotiate_2", CLIENT, "AllowNegotiate"],
        "Client/Auth/Negotiate",
        0,
        "If enabled, clients on this machine must not authenticate with Negotiate; if disabled, they may.",
    ),
    switch(
        ["DisallowKerberos_2", CLIENT, "AllowKerberos"],
        "Client/Auth/Kerberos",
        0,
        "If enabled, clients on this machine must not authenticate with plain Kerberos; if disabled, they may.",
    ),
    switch(
        ["AllowUnencrypted_2", CLIENT, "AllowUnencryptedTraffic"],
        "Client/AllowUnencrypted",
        1,
        "Whether clients on this machine may send unencrypted messages.",
    ),
    Policy {
        name: "TrustedHosts",
        key: CLIENT,
        kind: PolicyKind::Text {
            switch: "TrustedHosts",
            value: "TrustedHostsList",
            setting: "Client/TrustedHosts",
        },
        about: "If enabled, its list contains the hosts that clients on this machine may connect to without verifying their identity; if disabled, each machine has its own list.",
    },
    Policy {
        name: AUTO_CONFIG,
        key: SERVICE,
        kind: PolicyKind::AutoConfig,
        about: "If enabled, the service has an HTTP listener on the addresses that the filters admit, which cannot be changed or deleted on this machine; an empty filter admits no address. If disabled, the service rejects requests from other machines, regardless of its listeners.",
    },
    switch(
        ["HttpCompatibilityListener", SERVICE, "HttpCompatibilityListener"],
        "Service/EnableCompatibilityHttpListener",
        1,
        "Whether the service also listens for HTTP on port 80.",
    ),
    switch(
        ["HttpsCompatibilityListener", SERVICE, "HttpsCompatibilityListener"],
        "Service/EnableCompatibilityHttpsListener",
        1,
        "Whether the service also listens for HTTPS on port 443.",
    ),
    switch(
        ["AllowBasic_1", SERVICE, "AllowBasic"],
        "Service/Auth/Basic",
        1,
        "Whether the service accepts Basic authentication, which sends it the client's password.",
    ),
    switch(
        ["AllowCredSSP_1", SERVICE, "AllowCredSSP"],
        "Service/Auth/CredSSP",
        1,
        "Whether the service accepts CredSSP authentication, which delegates the client's password to it.",
    ),
    switch(
        ["AllowUnencrypted_1", SERVICE, "AllowUnencryptedTraffic"],
        "Service/AllowUnencrypted",
        1,
        "Whether the service accepts and sends unencrypted messages.",
    ),
    switch(
        ["DisallowNegotiate_1", SERVICE, "AllowNegotiate"],
        "Service/Auth/Negotiate",
        0,
        "If enabled, the service rejects Negotiate authentication; if disabled, it accepts it.",
    ),
    switch(
        ["DisallowKerberos_1", SERVICE, "AllowKerberos"],
        "Service/Auth/Kerberos",
        0,
        "If enabled, the service rejects plain Kerberos authentication; if disabled, it accepts it.",
    ),
    Policy {
        name: DISABLE_RUN_AS,
        key: SERVICE,
        kind: PolicyKind::Flag { value: DISABLE_RUN_AS },
        about: "If enabled, the service refuses PowerShell endpoints that run as another account (RunAsUser), and ends their sessions. Windows also deletes the passwords of such plug-ins; this service never stores one.",
    },
    Policy {
        name: "CBTHardeningLevel_1",
        key: SERVICE,
        kind: PolicyKind::Text {
            switch: "CBTHardeningLevelStatus",
            value: "CbtHardeningLevel",
            setting: "Service/Auth/CbtHardeningLevel",
        },
        about: "If enabled, its text (None, Relaxed or Strict) sets how the service verifies channel binding tokens, which prevent relaying of authentication to another connection.",
    },
    switch(
        ["AllowRemoteShellAccess", WINRS, "AllowRemoteShellAccess"],
        "Winrs/AllowRemoteShellAccess",
        1,
        "Whether clients may open new remote shells.",
    ),
    quota(
        "IdleTimeout",
        "Winrs/IdleTimeout",
        0..=MAX_31,
        "Idle time in milliseconds after which a remote shell is deleted; less than a minute counts as one minute.",
    ),
    quota(
        "MaxConcurrentUsers",
        "Winrs/MaxConcurrentUsers",
        1..=100,
        "Maximum number of users with open remote shells.",
    ),
    quota(
        "MaxMemoryPerShellMB",
        "Winrs/MaxMemoryPerShellMB",
        0..=MAX_31,
        "Maximum memory in MiB of a remote shell including all its processes; 0 means no limit.",
    ),
    quota(
        "MaxProcessesPerShell",
        "Winrs/MaxProcessesPerShell",
        0..=MAX_31,
        "Maximum number of processes in one remote shell; 0 means no limit.",
    ),
    quota(
        "MaxShellsPerUser",
        "Winrs/MaxShellsPerUser",
        0..=MAX_31,
        "Maximum number of open remote shells per user; 0 means no limit.",
    ),
    quota(
        "ShellTimeOut",
        "Winrs/MaxShellRunTime",
        0..=MAX_31,
        "Maximum lifetime of a remote shell in milliseconds; 0 and 2147483647 mean no limit.",
    ),
    Policy {
        name: "SubscriptionManager",
        key: below!(r"EventLog\EventForwarding\SubscriptionManager"),
        kind: PolicyKind::List { folder: None, switch: None },
        about: "Event collectors that this machine queries for subscriptions, each as Server=URL,Refresh=SECONDS and for HTTPS IssuerCA=THUMBPRINT. telarch-forwarder uses the list.",
    },
    Policy {
        name: "AllowFreshCredentials",
        key: below!("CredentialsDelegation"),
        kind: PolicyKind::List {
            folder: Some("AllowFreshCredentials"),
            switch: Some("AllowFreshCredentials"),
        },
        about: "Services, such as WSMAN/*.example.com, to which clients may delegate passwords with CredSSP. The list is shown, but has no effect; AllowCredSSP_2 controls whether clients may use CredSSP.",
    },
    Policy {
        name: "AllowFreshCredentialsWhenNTLMOnly",
        key: below!("CredentialsDelegation"),
        kind: PolicyKind::List {
            folder: Some("AllowFreshCredentialsWhenNTLMOnly"),
            switch: Some("AllowFreshCredentialsWhenNTLMOnly"),
        },
        about: "Services to which clients may delegate passwords with CredSSP if only NTLM authenticates the service. The list is shown, but has no effect.",
    },
];
