//! The table of settings: each line is the only description of one setting.
//!
//! A line gives its meaning, its name in messages, its field, its type with the range, its default and
//! whether it may be changed. Structs, defaults, parsers, errors, XML, listings and `docs/settings.md` follow.
//! Names and order are those of `winrm get winrm/config` on a current Windows Server; what only this service has stands
//! last, and in the file only.

use std::collections::BTreeMap;

use crate::Mutability::{Deprecated, FileOnly, ReadOnly, Writable};
use crate::schema::{Member, Setting, Source, exchange};
use crate::value::{
    CbtHardeningLevel, Count, Descriptor, IPv4Filter, IPv6Filter, Kilobytes, LoginShell, Megabytes,
    Milliseconds, Number, Port, ProductVendor, Profiles, Quota, Seconds, Thumbprint, TrustedHosts, UrlPrefix,
    Value,
};

/// The largest value of the quotas and times that Windows keeps in 31 bits.
const MAX_31: u32 = 0x7FFF_FFFF;

sections! {
    /// The whole of `winrm/config` as one value; cheap to read, every field is in its range.
    ///
    /// [`Config::default`] is the preset `telarch`; [`Preset`](crate::Preset) has others.
    Config ["", ()] {
        /// Largest SOAP envelope that is sent or accepted; above 1039440 without guarantee.
        "MaxEnvelopeSizekb" max_envelope_sizekb: Kilobytes<32, { u32::MAX }> = Number::of::<500>(), Writable;
        /// Longest time any operation but Pull may ask for.
        "MaxTimeoutms" max_timeoutms: Milliseconds<500, { u32::MAX }> = Number::of::<60_000>(), Writable;
        /// Most elements in one reply to Pull.
        "MaxBatchItems" max_batch_items: Count<1, { u32::MAX }> = Number::of::<32_000>(), Writable;
        /// Most concurrent requests to providers; has no effect.
        "MaxProviderRequests" max_provider_requests: Count<1, { u32::MAX }>
            = Number::of::<{ u32::MAX }>(), Deprecated;
        /// What this machine's clients do.
        "Client" client: Client;
        /// What this machine's service does.
        "Service" service: Service;
        /// What remote shells may use.
        "Winrs" winrs: Winrs;
        /// How remote shells begin on this machine.
        "Shell" shell: Shell;
        /// What is done for WMI without anybody asking.
        "WMI" wmi: Wmi;
        /// What the service says of itself.
        "Identify" identify: Identify;
        /// Connections of the service.
        "Connections" connections: Connections;
        + sources: BTreeMap<&'static str, Source>
    }

    /// What this machine's clients do.
    Client ["Client/", (client)] {
        /// Time a client waits beyond the operation's own timeout, for the network.
        "NetworkDelayms" network_delayms: Milliseconds<500, { u32::MAX }> = Number::of::<5_000>(), Writable;
        /// Path of the services that clients call.
        "URLPrefix" url_prefix: UrlPrefix = UrlPrefix::default(), Writable;
        /// Whether clients may send unencrypted messages over HTTP.
        "AllowUnencrypted" allow_unencrypted: bool = false, Writable;
        /// With which schemes clients may authenticate.
        "Auth" auth: ClientAuth;
        /// The ports clients call when none is given.
        "DefaultPorts" default_ports: ClientDefaultPorts;
        /// Hosts that clients may talk to although nothing proves who they are.
        "TrustedHosts" trusted_hosts: TrustedHosts = TrustedHosts::default(), Writable;
    }

    /// With which schemes clients may authenticate.
    ClientAuth ["Client/Auth/", (client.auth)] {
        /// Whether clients may use Basic, which sends the password itself.
        "Basic" basic: bool = true, Writable;
        /// Whether clients may use Digest.
        "Digest" digest: bool = true, Writable;
        /// Whether clients may use Kerberos.
        "Kerberos" kerberos: bool = true, Writable;
        /// Whether clients may use Negotiate, which is Kerberos or NTLM.
        "Negotiate" negotiate: bool = true, Writable;
        /// Whether clients may use a client certificate.
        "Certificate" certificate: bool = true, Writable;
        /// Whether clients may use CredSSP, which hands the password to the service.
        "CredSSP" credssp: bool = false, Writable;
    }

    /// The ports clients call when none is given.
    ClientDefaultPorts ["Client/DefaultPorts/", (client.default_ports)] {
        /// Port that clients call over HTTP when none is given.
        "HTTP" http: Port = Number::of::<5_985>(), Writable;
        /// Port that clients call over HTTPS when none is given.
        "HTTPS" https: Port = Number::of::<5_986>(), Writable;
    }

    /// What this machine's service does.
    Service ["Service/", (service)] {
        /// Security descriptor that decides who may do what where a resource has none of its own.
        "RootSDDL" root_sddl: Descriptor = Descriptor::default(), Writable;
        /// Most concurrent operations of all users; replaced by MaxConcurrentOperationsPerUser.
        "MaxConcurrentOperations" max_concurrent_operations: Count<1, { u32::MAX }>
            = Number::of::<{ u32::MAX }>(), Deprecated;
        /// Most operations one user may have open at the same time.
        "MaxConcurrentOperationsPerUser" max_concurrent_operations_per_user: Count<1, { u32::MAX }>
            = Number::of::<1_500>(), Writable;
        /// Longest pause between two Pull messages before the enumeration is forgotten.
        "EnumerationTimeoutms" enumeration_timeoutms: Milliseconds<500, { u32::MAX }>
            = Number::of::<240_000>(), Writable;
        /// Most requests the service works on at the same time.
        "MaxConnections" max_connections: Count<1, 512> = Number::of::<300>(), Writable;
        /// Longest time the service takes to receive one message.
        "MaxPacketRetrievalTimeSeconds" max_packet_retrieval_time_seconds: Seconds<1, { u32::MAX }>
            = Number::of::<120>(), Writable;
        /// Whether the service accepts unencrypted messages over HTTP.
        "AllowUnencrypted" allow_unencrypted: bool = false, Writable;
        /// With which schemes callers may authenticate.
        "Auth" auth: ServiceAuth;
        /// The ports of listeners that name none.
        "DefaultPorts" default_ports: ServiceDefaultPorts;
        /// IPv4 addresses of this machine that listeners with the address * use.
        "IPv4Filter" ipv4_filter: IPv4Filter = IPv4Filter::Any, Writable;
        /// IPv6 addresses of this machine that listeners with the address * use.
        "IPv6Filter" ipv6_filter: IPv6Filter = IPv6Filter::Any, Writable;
        /// Whether the service also listens for HTTP on port 80.
        "EnableCompatibilityHttpListener" enable_compatibility_http_listener: bool = false, Writable;
        /// Whether the service also listens for HTTPS on port 443.
        "EnableCompatibilityHttpsListener" enable_compatibility_https_listener: bool = false, Writable;
        /// Certificate of HTTPS listeners that name none.
        "CertificateThumbprint" certificate_thumbprint: Option<Thumbprint> = None, Writable;
        /// Whether other machines may use the service.
        "AllowRemoteAccess" allow_remote_access: bool = true, ReadOnly;
        + auto_config: bool
    }

    /// With which schemes callers may authenticate.
    ServiceAuth ["Service/Auth/", (service.auth)] {
        /// Whether the service accepts Basic, which sends the password itself.
        "Basic" basic: bool = false, Writable;
        /// Whether the service accepts Kerberos.
        "Kerberos" kerberos: bool = true, Writable;
        /// Whether the service accepts Negotiate, which is Kerberos or NTLM.
        "Negotiate" negotiate: bool = true, Writable;
        /// Whether the service accepts client certificates.
        "Certificate" certificate: bool = false, Writable;
        /// Whether the service accepts CredSSP, which hands it the caller's password.
        "CredSSP" credssp: bool = false, Writable;
        /// What is asked of channel-binding tokens over HTTPS.
        "CbtHardeningLevel" cbt_hardening_level: CbtHardeningLevel = CbtHardeningLevel::Relaxed, Writable;
    }

    /// The ports of listeners that name none.
    ServiceDefaultPorts ["Service/DefaultPorts/", (service.default_ports)] {
        /// Port of HTTP listeners that name none.
        "HTTP" http: Port = Number::of::<5_985>(), ReadOnly;
        /// Port of HTTPS listeners that name none.
        "HTTPS" https: Port = Number::of::<5_986>(), ReadOnly;
    }

    /// What remote shells may use.
    Winrs ["Winrs/", (winrs)] {
        /// Whether new remote shells may be opened.
        "AllowRemoteShellAccess" allow_remote_shell_access: bool = true, Writable;
        /// Time without activity after which a shell is deleted; less than 60000 counts as 60000.
        "IdleTimeout" idle_timeout: Milliseconds<0, MAX_31> = Number::of::<7_200_000>(), Writable;
        /// Most users that may have shells open at the same time.
        "MaxConcurrentUsers" max_concurrent_users: Count<1, MAX_31> = Number::of::<10>(), Writable;
        /// Longest time a shell may be there, whatever it was opened for; 0 and 2147483647 are for ever.
        "MaxShellRunTime" max_shell_run_time: Milliseconds<0, MAX_31> = Number::of::<MAX_31>(), ReadOnly;
        /// Most processes in one shell; threads do not count.
        "MaxProcessesPerShell" max_processes_per_shell: Quota<MAX_31> = Number::of::<25>(), Writable;
        /// Most memory of one shell with all its processes.
        "MaxMemoryPerShellMB" max_memory_per_shell_mb: Megabytes<MAX_31> = Number::of::<1_024>(), Writable;
        /// Most shells one user may have open at the same time.
        "MaxShellsPerUser" max_shells_per_user: Quota<MAX_31> = Number::of::<30>(), Writable;
    }

    /// How remote shells begin on this machine; Windows has no such settings.
    Shell ["Shell/", (shell)] {
        /// Program that reads command lines, called with -c and the line.
        "LoginShell" login_shell: LoginShell = LoginShell::default(), FileOnly;
        /// Whether a shell reads the profiles of system and user first.
        "Profiles" profiles: Profiles = Profiles::Never, FileOnly;
    }

    /// What is done for WMI without anybody asking; Windows has no such settings.
    Wmi ["WMI/", (wmi)] {
        /// Whether permanent subscriptions to events are carried out.
        "PermanentSubscriptions" permanent_subscriptions: bool = false, FileOnly;
        /// Whether they may run programs (CommandLineEventConsumer).
        "CommandLineConsumers" command_line_consumers: bool = false, FileOnly;
    }

    /// What the service says of itself; Windows has no such settings.
    Identify ["Identify/", (identify)] {
        /// Who has made the service, as everybody is told who asks.
        "ProductVendor" product_vendor: ProductVendor = ProductVendor::default(), FileOnly;
    }

    /// Connections of the service; Windows has no such settings.
    Connections ["Connections/", (connections)] {
        /// Maximum number of open connections; MaxConnections limits requests.
        "MaxOpen" max_open: Count<640, 65_536> = Number::of::<640>(), FileOnly;
    }
}
