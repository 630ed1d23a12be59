//! Table of all settings; each line is the only description of one setting.
//! A line gives the description, the name in messages, the field, the type with its range, the default and the
//! mutability. Structs, defaults, parsers, errors, XML, listings and `docs/settings.md` are derived from it. Names
//! and order are those of `winrm get winrm/config` on a current Windows Server. Settings that only this service has
//! come last; they exist only in the file.

use std::collections::BTreeMap;

use crate::Mutability::{Deprecated, FileOnly, ReadOnly, Writable};
use crate::schema::{Member, Setting, Source, exchange};
use crate::value::{
    CbtHardeningLevel, Count, Descriptor, IPv4Filter, IPv6Filter, IdentityCheck, Kilobytes, LogFiles,
    Megabytes, Milliseconds, Number, OptionalHttpUrl, OptionalPath, Port, PortOrAny, ProductVendor, Profiles,
    Quota, Seconds, Thumbprint, TrustedHosts, UrlPrefix, Value,
};

/// Maximum of the quotas and times that Windows stores in 31 bits.
const MAX_31: u32 = 0x7FFF_FFFF;

sections! {
    /// The complete `winrm/config` tree as one value; every field is within its range.
    ///
    /// [`Config::default`] is the preset `telarch`; [`Preset`](crate::Preset) has others.
    Config ["", ()] {
        /// Maximum size of a SOAP envelope sent or accepted.
        "MaxEnvelopeSizekb" max_envelope_sizekb: Kilobytes<32, 1_039_440> = Number::of::<500>(), Writable;
        /// Maximum timeout that a client may request for any operation except Pull.
        "MaxTimeoutms" max_timeoutms: Milliseconds<500, { u32::MAX }> = Number::of::<60_000>(), Writable;
        /// Maximum number of elements in one Pull response.
        "MaxBatchItems" max_batch_items: Count<1, { u32::MAX }> = Number::of::<32_000>(), Writable;
        /// Maximum number of concurrent requests to providers; has no effect.
        "MaxProviderRequests" max_provider_requests: Count<1, { u32::MAX }>
            = Number::of::<{ u32::MAX }>(), Deprecated;
        /// Settings of the clients on this machine.
        "Client" client: Client;
        /// Settings of the service on this machine.
        "Service" service: Service;
        /// Limits of remote shells.
        "Winrs" winrs: Winrs;
        /// Start and end of remote shells on this machine.
        "Shell" shell: Shell;
        /// PowerShell remoting to this machine.
        "PowerShell" powershell: PowerShell;
        /// File transfer to and from this machine.
        "File" file: File;
        /// WMI tasks that run without a request.
        "WMI" wmi: Wmi;
        /// Collector of forwarded events.
        "EventCollector" event_collector: EventCollector;
        /// Forwarder of local events.
        "EventForwarding" event_forwarding: EventForwarding;
        /// Information returned by Identify.
        "Identify" identify: Identify;
        /// Connections of the service.
        "Connections" connections: Connections;
        /// Metrics for Prometheus and OpenTelemetry.
        "Metrics" metrics: Metrics;
        + sources: BTreeMap<&'static str, Source>
    }

    /// Settings of the clients on this machine.
    Client ["Client/", (client)] {
        /// Time a client waits for the network in addition to the timeout of the operation.
        "NetworkDelayms" network_delayms: Milliseconds<500, { u32::MAX }> = Number::of::<5_000>(), Writable;
        /// URL path of the services that clients connect to.
        "URLPrefix" url_prefix: UrlPrefix = UrlPrefix::default(), Writable;
        /// Whether clients may send unencrypted messages over HTTP.
        "AllowUnencrypted" allow_unencrypted: bool = false, Writable;
        /// Authentication schemes that clients may use.
        "Auth" auth: ClientAuth;
        /// Ports that clients use if none is given.
        "DefaultPorts" default_ports: ClientDefaultPorts;
        /// Hosts that clients may connect to without verifying the identity of the host.
        "TrustedHosts" trusted_hosts: TrustedHosts = TrustedHosts::default(), Writable;
    }

    /// Authentication schemes that clients may use.
    ClientAuth ["Client/Auth/", (client.auth)] {
        /// Whether clients may use Basic, which sends the password itself.
        "Basic" basic: bool = true, Writable;
        /// Whether clients may use Digest.
        "Digest" digest: bool = true, Writable;
        /// Whether clients may use Kerberos.
        "Kerberos" kerberos: bool = true, Writable;
        /// Whether clients may use Negotiate (Kerberos or NTLM).
        "Negotiate" negotiate: bool = true, Writable;
        /// Whether clients may use client certificates.
        "Certificate" certificate: bool = true, Writable;
        /// Whether clients may use CredSSP, which delegates the password to the service.
        "CredSSP" credssp: bool = false, Writable;
    }

    /// Ports that clients use if none is given.
    ClientDefaultPorts ["Client/DefaultPorts/", (client.default_ports)] {
        /// Port that clients use for HTTP if none is given.
        "HTTP" http: Port = Number::of::<5_985>(), Writable;
        /// Port that clients use for HTTPS if none is given.
        "HTTPS" https: Port = Number::of::<5_986>(), Writable;
    }

    /// Settings of the service on this machine.
    Service ["Service/", (service)] {
        /// Security descriptor of all resources that have none of their own.
        "RootSDDL" root_sddl: Descriptor = Descriptor::default(), Writable;
        /// Maximum number of concurrent operations of all users; replaced by MaxConcurrentOperationsPerUser.
        "MaxConcurrentOperations" max_concurrent_operations: Count<1, { u32::MAX }>
            = Number::of::<{ u32::MAX }>(), Deprecated;
        /// Maximum number of concurrent operations per user.
        "MaxConcurrentOperationsPerUser" max_concurrent_operations_per_user: Count<1, { u32::MAX }>
            = Number::of::<1_500>(), Writable;
        /// Maximum time between two Pull requests before the enumeration is discarded.
        "EnumerationTimeoutms" enumeration_timeoutms: Milliseconds<500, { u32::MAX }>
            = Number::of::<240_000>(), Writable;
        /// Maximum number of requests that the service processes concurrently.
        "MaxConnections" max_connections: Count<1, 512> = Number::of::<300>(), Writable;
        /// Maximum time to receive one message.
        "MaxPacketRetrievalTimeSeconds" max_packet_retrieval_time_seconds: Seconds<1, { u32::MAX }>
            = Number::of::<120>(), Writable;
        /// Whether the service accepts unencrypted messages over HTTP.
        "AllowUnencrypted" allow_unencrypted: bool = false, Writable;
        /// Authentication schemes that the service accepts.
        "Auth" auth: ServiceAuth;
        /// Ports of listeners without a port of their own.
        "DefaultPorts" default_ports: ServiceDefaultPorts;
        /// Local IPv4 addresses that listeners may use.
        "IPv4Filter" ipv4_filter: IPv4Filter = IPv4Filter::Any, Writable;
        /// Local IPv6 addresses that listeners may use.
        "IPv6Filter" ipv6_filter: IPv6Filter = IPv6Filter::Any, Writable;
        /// Whether the service also listens for HTTP on port 80.
        "EnableCompatibilityHttpListener" enable_compatibility_http_listener: bool = false, Writable;
        /// Whether the service also listens for HTTPS on port 443.
        "EnableCompatibilityHttpsListener" enable_compatibility_https_listener: bool = false, Writable;
        /// Certificate of HTTPS listeners without a certificate of their own.
        "CertificateThumbprint" certificate_thumbprint: Option<Thumbprint> = None, Writable;
        /// Whether the service accepts requests from other machines.
        "AllowRemoteAccess" allow_remote_access: bool = true, ReadOnly;
        + auto_config: bool
    }

    /// Authentication schemes that the service accepts.
    ServiceAuth ["Service/Auth/", (service.auth)] {
        /// Whether the service accepts Basic, which sends the password itself.
        "Basic" basic: bool = false, Writable;
        /// Whether the service accepts Kerberos.
        "Kerberos" kerberos: bool = true, Writable;
        /// Whether the service accepts Negotiate (Kerberos or NTLM).
        "Negotiate" negotiate: bool = true, Writable;
        /// Whether the service accepts client certificates.
        "Certificate" certificate: bool = false, Writable;
        /// Whether the service accepts CredSSP, which delegates the client's password to it.
        "CredSSP" credssp: bool = false, Writable;
        /// Verification of channel binding tokens over HTTPS.
        "CbtHardeningLevel" cbt_hardening_level: CbtHardeningLevel = CbtHardeningLevel::Relaxed, Writable;
    }

    /// Ports of listeners without a port of their own.
    ServiceDefaultPorts ["Service/DefaultPorts/", (service.default_ports)] {
        /// Port of HTTP listeners without a port of their own.
        "HTTP" http: Port = Number::of::<5_985>(), ReadOnly;
        /// Port of HTTPS listeners without a port of their own.
        "HTTPS" https: Port = Number::of::<5_986>(), ReadOnly;
    }

    /// Limits of remote shells.
    Winrs ["Winrs/", (winrs)] {
        /// Whether clients may open new remote shells.
        "AllowRemoteShellAccess" allow_remote_shell_access: bool = true, Writable;
        /// Idle time after which a shell is deleted; values below 60000 count as 60000.
        "IdleTimeout" idle_timeout: Milliseconds<0, MAX_31> = Number::of::<7_200_000>(), Writable;
        /// Maximum number of users with open shells.
        "MaxConcurrentUsers" max_concurrent_users: Count<1, MAX_31> = Number::of::<10>(), Writable;
        /// Maximum lifetime of a shell; 0 and 2147483647 mean no limit.
        "MaxShellRunTime" max_shell_run_time: Milliseconds<0, MAX_31> = Number::of::<MAX_31>(), ReadOnly;
        /// Maximum number of processes in one shell, threads not included.
        "MaxProcessesPerShell" max_processes_per_shell: Quota<MAX_31> = Number::of::<25>(), Writable;
        /// Maximum memory of one shell including all its processes.
        "MaxMemoryPerShellMB" max_memory_per_shell_mb: Megabytes<MAX_31> = Number::of::<1_024>(), Writable;
        /// Maximum number of open shells per user.
        "MaxShellsPerUser" max_shells_per_user: Quota<MAX_31> = Number::of::<30>(), Writable;
    }

    /// Start and end of remote shells on this machine. Windows has no such settings.
    Shell ["Shell/", (shell)] {
        /// Program that interprets command lines; it is called with -c and the command line.
        "LoginShell" login_shell: OptionalPath = OptionalPath::default(), FileOnly;
        /// Whether shells read the system and user profiles before the first command.
        "Profiles" profiles: Profiles = Profiles::Never, FileOnly;
        /// Time without Receive or Send after which a running command is terminated; 0 means never.
        "AbandonedCommandTimeoutms" abandoned_command_timeoutms: Milliseconds<0, MAX_31>
            = Number::of::<600_000>(), FileOnly;
    }

    /// PowerShell remoting to this machine. Windows has no such settings.
    PowerShell ["PowerShell/", (powershell)] {
        /// Program that is called with the arguments of pwsh.
        "Program" program: OptionalPath = OptionalPath::default(), FileOnly;
        /// Folder with session configuration files; the file NAME.pssc configures the endpoint NAME.
        "Configurations" configurations: OptionalPath = OptionalPath::default(), FileOnly;
    }

    /// File transfer to and from this machine. Windows has no such settings.
    File ["File/", (file)] {
        /// Whether clients may transfer files; AllowRemoteShellAccess must be true as well.
        "AllowFileTransfer" allow_file_transfer: bool = true, FileOnly;
        /// Maximum number of transfers per user at the same time.
        "MaxTransfersPerUser" max_transfers_per_user: Quota<10_000> = Number::of::<20>(), FileOnly;
        /// Time without requests after which a transfer is abandoned; values below 10000 count as 10000.
        "IdleTimeoutms" idle_timeoutms: Milliseconds<0, MAX_31> = Number::of::<180_000>(), FileOnly;
    }

    /// WMI tasks that run without a request. Windows has no such settings.
    Wmi ["WMI/", (wmi)] {
        /// Whether permanent event subscriptions are active.
        "PermanentSubscriptions" permanent_subscriptions: bool = false, FileOnly;
        /// Whether permanent event subscriptions may run programs (CommandLineEventConsumer).
        "CommandLineConsumers" command_line_consumers: bool = false, FileOnly;
    }

    /// Collector of forwarded events. Windows has no such settings.
    EventCollector ["EventCollector/", (event_collector)] {
        /// Whether the service collects events that other machines forward.
        "Enabled" enabled: bool = false, FileOnly;
        /// Action for events of another computer than their source: Mark, Reject, or Relays: and a list of sources.
        "IdentityCheck" identity_check: IdentityCheck = IdentityCheck::Mark, FileOnly;
        /// Whether events are also stored as XML, in addition to JSON.
        "RawXml" raw_xml: bool = false, FileOnly;
        /// Maximum size of one file of events of a source.
        "MaxFileSizekb" max_file_sizekb: Kilobytes<1_024, 1_039_440> = Number::of::<65_536>(), FileOnly;
        /// Number of files of events per source, including the current one; the oldest is removed.
        "MaxFiles" max_files: Count<1, 1_000> = Number::of::<8>(), FileOnly;
        /// Maximum size of all files of events in MiB, 0 for no limit; the oldest of the largest source are removed.
        "MaxTotalMB" max_total_mb: Count<0, { MAX_31 }> = Number::of::<0>(), FileOnly;
        /// Maximum number of sources to which the collector is connected at the same time; further ones take turns.
        "MaxConnectedSources" max_connected_sources: Count<1, 65_536> = Number::of::<256>(), FileOnly;
        /// URL of this collector for sources that push; empty for the name of this machine, port 5986 and /wsman.
        "DeliveryUrl" delivery_url: OptionalHttpUrl = OptionalHttpUrl::default(), FileOnly;
        /// Keytab of this machine for sources with the credentials type LocalMachine.
        "MachineKeytab" machine_keytab: OptionalPath = OptionalPath::default(), FileOnly;
        /// PEM file with certificate and key of this machine for sources with the credentials type LocalMachine and HTTPS.
        "MachineCertificate" machine_certificate: OptionalPath = OptionalPath::default(), FileOnly;
    }

    /// Forwarder of local events. Windows has no such settings.
    EventForwarding ["EventForwarding/", (event_forwarding)] {
        /// Maximum number of events per second that each subscription forwards; 0 means no limit.
        "MaxForwardingRate" max_forwarding_rate: Count<0, 1_000_000> = Number::of::<0>(), FileOnly;
        /// SHA-1 thumbprint of the certificate for collectors with HTTPS; without it Kerberos is used.
        "CertificateThumbprint" certificate_thumbprint: Option<Thumbprint> = None, FileOnly;
        /// Files of syslog whose lines are forwarded, as absolute paths separated by commas.
        "SyslogFiles" syslog_files: LogFiles = LogFiles::default(), FileOnly;
        /// Text files whose lines are forwarded, as absolute paths separated by commas.
        "TextFiles" text_files: LogFiles = LogFiles::default(), FileOnly;
        /// PEM file with further authorities for the certificates of subscribers to which this machine pushes events.
        "PushAuthorities" push_authorities: OptionalPath = OptionalPath::default(), FileOnly;
        /// Keytab for subscribers that require Kerberos for events that this machine pushes.
        "PushKeytab" push_keytab: OptionalPath = OptionalPath::default(), FileOnly;
        /// PEM file with certificate and key for subscribers that require a certificate for events that this machine pushes.
        "PushCertificate" push_certificate: OptionalPath = OptionalPath::default(), FileOnly;
    }

    /// Information returned by Identify. Windows has no such settings.
    Identify ["Identify/", (identify)] {
        /// Vendor name that Identify returns.
        "ProductVendor" product_vendor: ProductVendor = ProductVendor::default(), FileOnly;
    }

    /// Connections of the service. Windows has no such settings.
    Connections ["Connections/", (connections)] {
        /// Maximum number of open connections; MaxConnections limits requests.
        "MaxOpen" max_open: Count<640, 65_536> = Number::of::<640>(), FileOnly;
    }

    /// Metrics for Prometheus and OpenTelemetry. Windows has no such settings.
    Metrics ["Metrics/", (metrics)] {
        /// Whether the service serves its metrics at 127.0.0.1, without authentication.
        "Enabled" enabled: bool = false, FileOnly;
        /// Port of the metrics; 0 selects any free port.
        "Port" port: PortOrAny = Number::of::<9_985>(), FileOnly;
        /// URL of a receiver of OpenTelemetry to which the service sends its metrics by OTLP over HTTP; nothing for none.
        "OtlpUrl" otlp_url: OptionalHttpUrl = OptionalHttpUrl::default(), FileOnly;
        /// Time between two OTLP requests.
        "OtlpInterval" otlp_interval: Seconds<1, 86_400> = Number::of::<60>(), FileOnly;
        /// File with the authorities for the certificate of the OTLP receiver; nothing for those of the system.
        "OtlpCertificateAuthority" otlp_certificate_authority: OptionalPath = OptionalPath::default(), FileOnly;
        /// File with additional headers of the OTLP requests, such as Authorization, which only its owner may read.
        "OtlpHeaders" otlp_headers: OptionalPath = OptionalPath::default(), FileOnly;
    }
}
