//! The policies that are known: each line is the only description of one.
//!
//! Names, keys and values are those of the templates that come with Windows (WindowsRemoteManagement.admx,
//! WindowsRemoteShell.admx, EventForwarding.admx, CredSsp.admx).

use std::ops::RangeInclusive;

use crate::Setting;

/// A policy, as an administrator of a domain knows it.
#[derive(Debug)]
pub struct Policy {
    name: &'static str,
    key: &'static str,
    reads: Reads,
    about: &'static str,
}

/// Which values of the registry a policy is, and what they decide.
#[derive(Debug)]
pub enum Reads {
    /// The number 0 or 1, which switches a setting off or on.
    Switch {
        /// The name of the value.
        value: &'static str,
        /// The path of the setting.
        setting: &'static str,
        /// The number that stands for an enabled policy: 0 for those that forbid.
        enabled: u32,
    },
    /// A number, which a setting has then.
    Number {
        /// The name of the value.
        value: &'static str,
        /// The path of the setting.
        setting: &'static str,
        /// What it may be.
        range: RangeInclusive<u32>,
    },
    /// A text, which a setting has as long as a switch beside it is 1.
    Text {
        /// The name of the switch.
        switch: &'static str,
        /// The name of the text.
        value: &'static str,
        /// The path of the setting.
        setting: &'static str,
    },
    /// `AllowAutoConfig`, with the filters of addresses beside it.
    AutoConfig,
    /// The number 0 or 1, which governs nothing here.
    Nothing {
        /// The name of the value.
        value: &'static str,
    },
    /// Numbered texts.
    List {
        /// The key below that of the policy in which they are, if it is one of its own.
        folder: Option<&'static str>,
        /// The name of the value that must be 1 beside it.
        switch: Option<&'static str>,
    },
}

impl Policy {
    /// Every policy.
    #[must_use]
    pub fn all() -> &'static [Self] {
        TABLE
    }

    /// The policy of a name; the case of letters does not count.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|policy| policy.name.eq_ignore_ascii_case(name))
    }

    /// The policies that a word is about: their name, the path of a setting, or `key\value`, of which the beginning
    /// down to `WinRM` may be left out.
    #[must_use]
    pub fn about_word(word: &str) -> Vec<&'static Self> {
        let setting = Setting::find(word).ok();
        let is_meant = |policy: &&Self| {
            let governed =
                setting.is_some_and(|asked| policy.settings().any(|own| own.path() == asked.path()));
            governed || policy.name.eq_ignore_ascii_case(word) || policy.has_place(word)
        };
        TABLE.iter().filter(is_meant).collect()
    }

    /// The name in the template: `AllowBasic_1`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The key of the registry, without the hive.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// Which values it is.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// What it does, in sentences.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// The settings it governs.
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        let paths: &[&str] = match &self.reads {
            Reads::Switch { setting, .. } | Reads::Number { setting, .. } | Reads::Text { setting, .. } => {
                std::slice::from_ref(setting)
            }
            Reads::AutoConfig => &[REMOTE_ACCESS, IPV4_FILTER, IPV6_FILTER],
            Reads::Nothing { .. } | Reads::List { .. } => &[],
        };
        paths.iter().filter_map(|path| Setting::find(path).ok())
    }

    /// The names of its values, with what may stand in each; those of lists are `1`, `2` and so on.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, String)> {
        let state = |on: u32, does: &str| format!("{on} {does}, {} does the opposite", 1 - on);
        match &self.reads {
            Reads::Switch { value, setting, enabled } => vec![(
                *value,
                match enabled {
                    1 => format!("REG_DWORD: 1 (enabled) makes {setting} true, 0 (disabled) false"),
                    _ => format!("REG_DWORD: 0 (enabled) makes {setting} false, 1 (disabled) true"),
                },
            )],
            Reads::Number { value, setting, range } => {
                vec![(*value, format!("REG_DWORD: {} to {}, for {setting}", range.start(), range.end()))]
            }
            Reads::Text { switch, value, setting } => vec![
                (
                    *switch,
                    "REG_DWORD: 1 (enabled) has the text count, 0 leaves the choice to this machine"
                        .to_owned(),
                ),
                (*value, format!("REG_SZ: the text, for {setting}")),
            ],
            Reads::AutoConfig => vec![
                (
                    AUTO_CONFIG,
                    "REG_DWORD: 1 (enabled) makes the listener, 0 (disabled) refuses other machines"
                        .to_owned(),
                ),
                (
                    "IPv4Filter",
                    "REG_SZ: *, or ranges first-last separated by commas; nothing is no address".to_owned(),
                ),
                ("IPv6Filter", "REG_SZ: the same for IPv6".to_owned()),
            ],
            Reads::Nothing { value } => vec![(*value, format!("REG_DWORD: {}", state(1, "forbids")))],
            Reads::List { switch, folder } => {
                let switch = switch.map(|name| (name, "REG_DWORD: 1 has the list count".to_owned()));
                let place = folder.map(|folder| format!(" in the key {folder} below")).unwrap_or_default();
                let list = ("1, 2, …", format!("REG_SZ: an entry each{place}"));
                switch.into_iter().chain([list]).collect()
            }
        }
    }

    /// Whether a word is the key or a value of this policy.
    fn has_place(&self, word: &str) -> bool {
        let word = word.trim_matches('\\').to_ascii_lowercase();
        let word = word.strip_prefix("hklm\\").unwrap_or(&word);
        let word = word.strip_prefix("hkey_local_machine\\").unwrap_or(word);
        let key = self.key.to_ascii_lowercase();
        let ends_with = |whole: &str| {
            whole.strip_suffix(word).is_some_and(|before| before.is_empty() || before.ends_with('\\'))
        };
        let of_value =
            |value: &str| word.contains('\\') && ends_with(&format!("{key}\\{}", value.to_ascii_lowercase()));
        key == word || self.values().iter().any(|(value, _)| of_value(value))
    }
}

/// A name means one policy.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Policy {}

pub(super) const AUTO_CONFIG: &str = "AllowAutoConfig";
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
    Policy { name, key, reads: Reads::Switch { value, setting, enabled }, about }
}

/// A policy of remote shells, whose name is that of its value.
const fn quota(
    name: &'static str,
    setting: &'static str,
    range: RangeInclusive<u32>,
    about: &'static str,
) -> Policy {
    Policy { name, key: WINRS, reads: Reads::Number { value: name, setting, range }, about }
}

const TABLE: &[Policy] = &[
    switch(
        ["AllowBasic_2", CLIENT, "AllowBasic"],
        "Client/Auth/Basic",
        1,
        "Whether clients of this machine may sign in with Basic, which hands the password to the service.",
    ),
    switch(
        ["AllowCredSSP_2", CLIENT, "AllowCredSSP"],
        "Client/Auth/CredSSP",
        1,
        "Whether clients of this machine may sign in with CredSSP, after which the service has the password.",
    ),
    switch(
        ["DisallowDigest", CLIENT, "AllowDigest"],
        "Client/Auth/Digest",
        0,
        "Enabled, it keeps clients of this machine from signing in with Digest; disabled, they may.",
    ),
    switch(
        ["DisallowNegotiate_2", CLIENT, "AllowNegotiate"],
        "Client/Auth/Negotiate",
        0,
        "Enabled, it keeps clients of this machine from signing in with Negotiate; disabled, they may.",
    ),
    switch(
        ["DisallowKerberos_2", CLIENT, "AllowKerberos"],
        "Client/Auth/Kerberos",
        0,
        "Enabled, it keeps clients of this machine from signing in with Kerberos alone; disabled, they may.",
    ),
    switch(
        ["AllowUnencrypted_2", CLIENT, "AllowUnencryptedTraffic"],
        "Client/AllowUnencrypted",
        1,
        "Whether clients of this machine may send what everybody on the way can read.",
    ),
    Policy {
        name: "TrustedHosts",
        key: CLIENT,
        reads: Reads::Text {
            switch: "TrustedHosts",
            value: "TrustedHostsList",
            setting: "Client/TrustedHosts",
        },
        about: "Enabled, its list says which hosts clients of this machine may talk to although nothing proves who they are; disabled, each machine has a list of its own.",
    },
    Policy {
        name: AUTO_CONFIG,
        key: SERVICE,
        reads: Reads::AutoConfig,
        about: "Enabled, the service listens for HTTP on the addresses that its filters admit, by a listener that nobody here can change or delete; a filter without text admits none. Disabled, no other machine is served, whatever listeners there are.",
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
        "Whether the service lets callers sign in with Basic, which hands it their password.",
    ),
    switch(
        ["AllowCredSSP_1", SERVICE, "AllowCredSSP"],
        "Service/Auth/CredSSP",
        1,
        "Whether the service lets callers sign in with CredSSP, after which it has their password.",
    ),
    switch(
        ["AllowUnencrypted_1", SERVICE, "AllowUnencryptedTraffic"],
        "Service/AllowUnencrypted",
        1,
        "Whether the service takes and sends what everybody on the way can read.",
    ),
    switch(
        ["DisallowNegotiate_1", SERVICE, "AllowNegotiate"],
        "Service/Auth/Negotiate",
        0,
        "Enabled, nobody signs in to the service with Negotiate; disabled, everybody may.",
    ),
    switch(
        ["DisallowKerberos_1", SERVICE, "AllowKerberos"],
        "Service/Auth/Kerberos",
        0,
        "Enabled, nobody signs in to the service with Kerberos alone; disabled, everybody may.",
    ),
    Policy {
        name: "DisableRunAs",
        key: SERVICE,
        reads: Reads::Nothing { value: "DisableRunAs" },
        about: "Enabled, it forbids that passwords are kept for plug-ins to run as somebody else. There is nothing here that it could govern: a plug-in of this service runs as its caller or as the service, and no such password can be stored.",
    },
    Policy {
        name: "CBTHardeningLevel_1",
        key: SERVICE,
        reads: Reads::Text {
            switch: "CBTHardeningLevelStatus",
            value: "CbtHardeningLevel",
            setting: "Service/Auth/CbtHardeningLevel",
        },
        about: "Enabled, its text (None, Relaxed or Strict) says what is asked of channel-binding tokens, which keep a sign-in from being passed on to another connection.",
    },
    switch(
        ["AllowRemoteShellAccess", WINRS, "AllowRemoteShellAccess"],
        "Winrs/AllowRemoteShellAccess",
        1,
        "Whether new remote shells may be opened.",
    ),
    quota(
        "IdleTimeout",
        "Winrs/IdleTimeout",
        0..=MAX_31,
        "Milliseconds without activity after which a remote shell is deleted; less than a minute counts as one.",
    ),
    quota(
        "MaxConcurrentUsers",
        "Winrs/MaxConcurrentUsers",
        1..=100,
        "How many users may have remote shells at the same time.",
    ),
    quota(
        "MaxMemoryPerShellMB",
        "Winrs/MaxMemoryPerShellMB",
        0..=MAX_31,
        "MiB of memory that a remote shell with all its processes may use; 0 is no limit.",
    ),
    quota(
        "MaxProcessesPerShell",
        "Winrs/MaxProcessesPerShell",
        0..=MAX_31,
        "How many processes one remote shell may have; 0 is no limit.",
    ),
    quota(
        "MaxShellsPerUser",
        "Winrs/MaxShellsPerUser",
        0..=MAX_31,
        "How many remote shells one user may have; 0 is no limit.",
    ),
    quota(
        "ShellTimeOut",
        "Winrs/MaxShellRunTime",
        0..=MAX_31,
        "Milliseconds after which a remote shell is deleted, whatever it does; 0 and 2147483647 are for ever.",
    ),
    Policy {
        name: "SubscriptionManager",
        key: below!(r"EventLog\EventForwarding\SubscriptionManager"),
        reads: Reads::List { folder: None, switch: None },
        about: "Which collectors this machine asks for subscriptions of events, each as Server=URL,Refresh=SECONDS and for HTTPS IssuerCA=THUMBPRINT. It is kept and listed; this service does not forward events yet.",
    },
    Policy {
        name: "AllowFreshCredentials",
        key: below!("CredentialsDelegation"),
        reads: Reads::List { folder: Some("AllowFreshCredentials"), switch: Some("AllowFreshCredentials") },
        about: "To which services, such as WSMAN/*.example.com, passwords may be handed over with CredSSP. It is kept and listed; whether clients may use CredSSP at all is AllowCredSSP_2.",
    },
    Policy {
        name: "AllowFreshCredentialsWhenNTLMOnly",
        key: below!("CredentialsDelegation"),
        reads: Reads::List {
            folder: Some("AllowFreshCredentialsWhenNTLMOnly"),
            switch: Some("AllowFreshCredentialsWhenNTLMOnly"),
        },
        about: "The same where NTLM alone proves who the service is. It is kept and listed.",
    },
];
