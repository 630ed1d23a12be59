//! Error numbers that clients evaluate (`f:WSManFault/@Code`), named as in the Windows SDK where it defines names.

/// WSMan error, another HRESULT, or a Win32 error, unsigned as on the wire.
pub type Code = u32;

macro_rules! codes {
    ($($(#[$doc:meta])+ $name:ident = $value:literal;)+) => {
        $($(#[$doc])+ pub const $name: Code = $value;)+
    };
}

codes! {
    /// Win32: access denied.
    ACCESS_DENIED = 5;
    /// Win32: not supported.
    NOT_SUPPORTED = 50;
    /// Win32: invalid parameter.
    INVALID_PARAMETER = 87;
    /// Win32: another operation is still running, and only one is allowed at a time.
    BUSY = 170;
    /// Win32: aborted because the shell or command ended.
    OPERATION_ABORTED = 995;
    /// Win32: wrong user name or password.
    LOGON_FAILURE = 1_326;
    /// Win32: the quota for processes is exceeded.
    NOT_ENOUGH_QUOTA = 1_816;
    /// HRESULT: no such file or directory.
    FILE_NOT_FOUND = 2_147_942_402;
    /// HRESULT: no such directory.
    PATH_NOT_FOUND = 2_147_942_403;
    /// HRESULT: invalid directory name.
    DIRECTORY_INVALID = 2_147_942_667;
    /// HRESULT: the command line is too long.
    NAME_TOO_LONG = 2_147_942_606;
    /// Unknown resource URI.
    INVALID_RESOURCE_URI = 2_150_858_752;
    /// Invalid message identifier or other addressing header.
    INVALID_MESSAGE_INFORMATION_HEADER = 2_150_858_753;
    /// Internal error of the service.
    INTERNAL_ERROR = 2_150_858_755;
    /// The envelope is not SOAP 1.2.
    VERSION_MISMATCH = 2_150_858_765;
    /// Unknown encoding style.
    DATA_ENCODING_UNKNOWN = 2_150_858_766;
    /// Invalid header.
    INVALID_HEADER = 2_150_858_767;
    /// A header marked mustUnderstand is unknown.
    MUST_UNDERSTAND = 2_150_858_768;
    /// Missing header.
    HEADER_REQUIRED = 2_150_858_769;
    /// The client cannot reach the service.
    CANNOT_CONNECT = 2_150_858_770;
    /// The resource does not support the action.
    ACTION_NOT_SUPPORTED = 2_150_858_771;
    /// The service is temporarily unavailable.
    ENDPOINT_UNAVAILABLE = 2_150_858_772;
    /// The body is not a valid representation of the resource.
    INVALID_REPRESENTATION = 2_150_858_773;
    /// The enumeration would expire before it begins.
    INVALID_EXPIRATION_TIME = 2_150_858_774;
    /// The resource does not support filters.
    FILTERING_NOT_SUPPORTED = 2_150_858_776;
    /// Unknown filter dialect.
    FILTER_DIALECT_UNAVAILABLE = 2_150_858_777;
    /// Invalid filter.
    CANNOT_PROCESS_FILTER = 2_150_858_778;
    /// Invalid or expired enumeration context.
    INVALID_ENUMERATION_CONTEXT = 2_150_858_779;
    /// Unsupported delivery mode.
    DELIVERY_MODE_UNAVAILABLE = 2_150_858_782;
    /// The subscription would expire before it begins.
    EVENTING_INVALID_EXPIRATION_TIME = 2_150_858_783;
    /// The expiration is a date instead of a duration.
    EVENTING_UNSUPPORTED_EXPIRATION_TYPE = 2_150_858_784;
    /// The resource does not support event filters.
    EVENTING_FILTERING_NOT_SUPPORTED = 2_150_858_785;
    /// Unknown event filter dialect.
    EVENTING_FILTER_UNAVAILABLE = 2_150_858_786;
    /// The event source cannot process the request.
    EVENT_SOURCE_UNABLE = 2_150_858_787;
    /// The subscription cannot be renewed.
    UNABLE_TO_RENEW = 2_150_858_788;
    /// Unknown subscription.
    EVENTING_INVALID_MESSAGE = 2_150_858_789;
    /// No result within OperationTimeout; the client repeats the request.
    TIMED_OUT = 2_150_858_793;
    /// The instance already exists.
    ALREADY_EXISTS = 2_150_858_803;
    /// An encoding limit of the service is exceeded.
    ENCODING_LIMIT = 2_150_858_805;
    /// Invalid option.
    INVALID_OPTIONS = 2_150_858_809;
    /// Invalid method parameter.
    WSMAN_INVALID_PARAMETER = 2_150_858_810;
    /// Invalid selector.
    INVALID_SELECTORS = 2_150_858_813;
    /// A quota of the service is exceeded.
    QUOTA_LIMIT = 2_150_858_815;
    /// An element of the body is missing or invalid.
    SCHEMA_VALIDATION_ERROR = 2_150_858_817;
    /// Unsupported feature.
    UNSUPPORTED_FEATURE = 2_150_858_818;
    /// The message is not well-formed XML.
    INVALID_XML = 2_150_858_819;
    /// The resource URI is too long.
    URI_LIMIT_EXCEEDED = 2_150_858_797;
    /// The response exceeds the client's MaxEnvelopeSize.
    MAX_ENVELOPE_SIZE = 2_150_858_823;
    /// The response exceeds the maximum envelope size.
    MAX_ENVELOPE_SIZE_EXCEEDED = 2_150_858_824;
    /// The request exceeds the service's maximum envelope size.
    SERVICE_ENVELOPE_LIMIT = 2_150_858_825;
    /// Too many selectors.
    SELECTOR_LIMIT = 2_150_858_826;
    /// Too many options.
    OPTION_LIMIT = 2_150_858_827;
    /// Neither UTF-8 nor UTF-16.
    CHARACTER_SET = 2_150_858_828;
    /// Unsupported option.
    OPTION_NOT_SUPPORTED = 2_150_858_833;
    /// Invalid option name.
    INVALID_OPTION_NAME = 2_150_858_834;
    /// Invalid option value.
    INVALID_OPTION_VALUE = 2_150_858_835;
    /// Wrong type of a method parameter.
    PARAMETER_TYPE_MISMATCH = 2_150_858_836;
    /// Unknown method parameter.
    INVALID_PARAMETER_NAME = 2_150_858_837;
    /// A value in the body is out of range.
    INVALID_VALUES = 2_150_858_838;
    /// A value in the body is missing.
    MISSING_VALUES = 2_150_858_839;
    /// Too few selectors.
    INSUFFICIENT_SELECTORS = 2_150_858_842;
    /// No instance matches the selectors; also an unknown shell or command.
    UNEXPECTED_SELECTORS = 2_150_858_843;
    /// Wrong type of a selector.
    SELECTOR_TYPE_MISMATCH = 2_150_858_844;
    /// Invalid selector value.
    INVALID_SELECTOR_VALUE = 2_150_858_845;
    /// The selectors match several instances.
    AMBIGUOUS_SELECTORS = 2_150_858_846;
    /// Duplicate selector.
    DUPLICATE_SELECTORS = 2_150_858_847;
    /// The resource can only be enumerated with a filter.
    FILTERING_REQUIRED = 2_150_858_864;
    /// A ReplyTo or FaultTo other than anonymous.
    ADDRESSING_MODE = 2_150_858_870;
    /// The resource does not support fragments.
    FRAGMENT_LEVEL_ACCESS = 2_150_858_871;
    /// MaxEnvelopeSize is below 8192 bytes.
    MINIMUM_ENVELOPE_LIMIT = 2_150_858_878;
    /// The bookmark is invalid.
    INVALID_BOOKMARK = 2_150_858_808;
    /// The resource does not support bookmarks.
    BOOKMARKS = 2_150_858_859;
    /// Unknown enumeration mode.
    ENUMERATION_MODE = 2_150_858_886;
    /// A language marked mustUnderstand is not supported.
    LOCALE = 2_150_858_887;
    /// Concurrent Pull requests for one subscription.
    CONCURRENT_PULL = 2_150_858_891;
    /// Invalid listener address.
    LISTENER_ADDRESS = 2_150_858_889;
    /// The value is controlled by a policy.
    GOVERNED_BY_POLICY = 2_150_858_890;
    /// Unknown fragment dialect.
    FRAGMENT_DIALECT_UNAVAILABLE = 2_150_858_896;
    /// Unencrypted messages are disabled in the client.
    UNENCRYPTED_DISABLED = 2_150_858_974;
    /// Basic authentication is disabled in the client.
    BASIC_DISABLED = 2_150_858_975;
    /// The host is not in the client's TrustedHosts.
    NOT_TRUSTED = 2_150_858_980;
    /// Invalid IP filter.
    INVALID_FILTER = 2_150_858_988;
    /// Keys are read-only.
    CANNOT_CHANGE_KEYS = 2_150_858_989;
    /// The class has keys and more than one instance, so selectors are required.
    SELECTORS_REQUIRED = 2_150_859_002;
    /// Embedded instances are nested too deeply.
    NESTED_TOO_DEEP = 2_150_859_008;
    /// The provider does not support the operation.
    PROVIDER_NOT_CAPABLE = 2_150_859_010;
    /// The provider returned an invalid value.
    PROVIDER_INVALID_VALUE = 2_150_859_011;
    /// WMI denied access.
    WMI_ACCESS_DENIED = 2_150_859_012;
    /// The provider denied access.
    PROVIDER_ACCESS_DENIED = 2_150_859_013;
    /// An enumeration of instances must not have selectors.
    ENUMERATION_WITH_SELECTORS = 2_150_859_016;
    /// FragmentTransfer without an expression.
    BLANK_FRAGMENT_PATH = 2_150_859_017;
    /// HTTP 413 from the service.
    HTTP_TOO_LARGE = 2_150_859_025;
    /// HTTP 503 from the service.
    HTTP_UNAVAILABLE = 2_150_859_026;
    /// HTTP 404 from the service.
    HTTP_NOT_FOUND = 2_150_859_027;
    /// The expiration of an enumeration is a date instead of a duration.
    UNSUPPORTED_EXPIRATION_TYPE = 2_150_859_036;
    /// The provider rejected a parameter.
    PROVIDER_INVALID_PARAMETER = 2_150_859_038;
    /// Network timeout.
    NETWORK_TIMED_OUT = 2_150_859_046;
    /// Unknown polymorphism mode.
    POLYMORPHISM_MODE_UNSUPPORTED = 2_150_859_063;
    /// The selector `__cimnamespace` and the URI name different namespaces.
    DIFFERENT_NAMESPACE_SELECTOR = 2_150_859_067;
    /// The setting is read-only.
    READ_ONLY_SETTING = 2_150_859_071;
    /// Invalid security descriptor.
    INVALID_SECURITY_DESCRIPTOR = 2_150_859_100;
    /// HTTP error.
    HTTP_ERROR = 2_150_859_121;
    /// Send for a stream that the shell does not have.
    UNDECLARED_STREAM = 2_150_859_147;
    /// Receive for a stream that the shell does not have.
    INVALID_DESIRED_STREAMS = 2_150_859_149;
    /// MaxShellsPerUser is exceeded.
    MAX_SHELLS_PER_USER = 2_150_859_173;
    /// MaxConcurrentOperationsPerUser is exceeded.
    MAX_OPERATIONS_PER_USER = 2_150_859_174;
    /// MaxConcurrentUsers is exceeded.
    MAX_SHELL_USERS = 2_150_859_179;
    /// Remote shells are disabled.
    SHELL_ACCESS_DISABLED = 2_150_859_180;
    /// The setting no longer has an effect.
    DEPRECATED_SETTING = 2_150_859_182;
    /// The host name cannot be resolved.
    NAME_NOT_RESOLVED = 2_150_859_193;
    /// The commands of a shell can only be enumerated with a filter for the ShellId.
    SHELL_FILTER_REQUIRED = 2_150_859_200;
    /// The commands of a shell have no endpoint references.
    SHELL_EPR_UNSUPPORTED = 2_150_859_201;
    /// The command was terminated.
    COMMAND_TERMINATED = 2_150_859_212;
    /// The shell is connected to another client.
    SHELL_IN_USE = 2_150_859_213;
    /// The stream ended because its shell was disconnected.
    STREAM_DISCONNECTED = 2_150_859_230;
    /// The service does not support the client's version of PowerShell remoting.
    POWERSHELL_VERSION = 2_152_991_685;
    /// A subscription must not have selectors.
    SUBSCRIPTION_WITH_SELECTORS = 2_150_859_225;
    /// Requests from other hosts are disabled.
    REMOTE_ACCESS_DISABLED = 2_150_859_229;
    /// The process of a shell cannot run as the account that its plug-in names.
    RUN_AS_FAILED = 2_150_859_231;
    /// A policy refuses plug-ins that run as another account.
    RUN_AS_DISABLED = 2_150_859_232;
}
