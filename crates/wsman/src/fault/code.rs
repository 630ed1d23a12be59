//! The numbers that clients decide by (`f:WSManFault/@Code`), named as in the Windows SDK where it has names.

/// A WSMan error, another HRESULT, or a plain Win32 error, unsigned as on the wire.
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
    /// Win32: a parameter is wrong.
    INVALID_PARAMETER = 87;
    /// Win32: the one operation allowed at a time is still running.
    BUSY = 170;
    /// Win32: ended because its shell or command ended.
    OPERATION_ABORTED = 995;
    /// Win32: user name or password wrong.
    LOGON_FAILURE = 1_326;
    /// Win32: one process more than the quota allows.
    NOT_ENOUGH_QUOTA = 1_816;
    /// HRESULT: no such file or directory.
    FILE_NOT_FOUND = 2_147_942_402;
    /// HRESULT: no such folder.
    PATH_NOT_FOUND = 2_147_942_403;
    /// HRESULT: the name of a folder is wrong.
    DIRECTORY_INVALID = 2_147_942_667;
    /// HRESULT: a command line too long.
    NAME_TOO_LONG = 2_147_942_606;
    /// The URI belongs to no resource of the service.
    INVALID_RESOURCE_URI = 2_150_858_752;
    /// A message identifier, or another header, is wrong.
    INVALID_MESSAGE_INFORMATION_HEADER = 2_150_858_753;
    /// Something inside the service went wrong.
    INTERNAL_ERROR = 2_150_858_755;
    /// The envelope is not SOAP 1.2.
    VERSION_MISMATCH = 2_150_858_765;
    /// An encoding style is unknown.
    DATA_ENCODING_UNKNOWN = 2_150_858_766;
    /// A header of the message is not valid.
    INVALID_HEADER = 2_150_858_767;
    /// A header insists on being understood.
    MUST_UNDERSTAND = 2_150_858_768;
    /// A header is missing.
    HEADER_REQUIRED = 2_150_858_769;
    /// The client cannot reach the service.
    CANNOT_CONNECT = 2_150_858_770;
    /// The resource does not know the action.
    ACTION_NOT_SUPPORTED = 2_150_858_771;
    /// The service cannot serve now.
    ENDPOINT_UNAVAILABLE = 2_150_858_772;
    /// The body is not a value the resource can take.
    INVALID_REPRESENTATION = 2_150_858_773;
    /// The resource does not filter.
    FILTERING_NOT_SUPPORTED = 2_150_858_776;
    /// The filter's language is unknown.
    FILTER_DIALECT_UNAVAILABLE = 2_150_858_777;
    /// The filter cannot be understood.
    CANNOT_PROCESS_FILTER = 2_150_858_778;
    /// An enumeration context that is not, or no longer, valid.
    INVALID_ENUMERATION_CONTEXT = 2_150_858_779;
    /// The service does not deliver events in this way.
    DELIVERY_MODE_UNAVAILABLE = 2_150_858_782;
    /// A subscription that would end before it begins.
    EVENTING_INVALID_EXPIRATION_TIME = 2_150_858_783;
    /// The end of a subscription as a date.
    EVENTING_UNSUPPORTED_EXPIRATION_TYPE = 2_150_858_784;
    /// The resource does not filter events.
    EVENTING_FILTERING_NOT_SUPPORTED = 2_150_858_785;
    /// The language of a filter of events is unknown.
    EVENTING_FILTER_UNAVAILABLE = 2_150_858_786;
    /// The source of events cannot do what is asked.
    EVENT_SOURCE_UNABLE = 2_150_858_787;
    /// A subscription that cannot be continued.
    UNABLE_TO_RENEW = 2_150_858_788;
    /// A message about a subscription that names none there is.
    EVENTING_INVALID_MESSAGE = 2_150_858_789;
    /// Nothing to say within OperationTimeout: clients ask again.
    TIMED_OUT = 2_150_858_793;
    /// The instance exists.
    ALREADY_EXISTS = 2_150_858_803;
    /// More than the service can encode.
    ENCODING_LIMIT = 2_150_858_805;
    /// An option is wrong.
    INVALID_OPTIONS = 2_150_858_809;
    /// A parameter of a method is wrong.
    WSMAN_INVALID_PARAMETER = 2_150_858_810;
    /// A selector is wrong.
    INVALID_SELECTORS = 2_150_858_813;
    /// A limit of the service is reached.
    QUOTA_LIMIT = 2_150_858_815;
    /// The body lacks an element or has a wrong one.
    SCHEMA_VALIDATION_ERROR = 2_150_858_817;
    /// A feature that the service does not have.
    UNSUPPORTED_FEATURE = 2_150_858_818;
    /// The message is not well-formed XML.
    INVALID_XML = 2_150_858_819;
    /// A URI that is too long.
    URI_LIMIT_EXCEEDED = 2_150_858_797;
    /// The reply is larger than the client takes.
    MAX_ENVELOPE_SIZE = 2_150_858_823;
    /// The reply is larger than the envelope may be.
    MAX_ENVELOPE_SIZE_EXCEEDED = 2_150_858_824;
    /// The request is larger than the service takes.
    SERVICE_ENVELOPE_LIMIT = 2_150_858_825;
    /// Too many selectors.
    SELECTOR_LIMIT = 2_150_858_826;
    /// Too many options.
    OPTION_LIMIT = 2_150_858_827;
    /// Neither UTF-8 nor UTF-16.
    CHARACTER_SET = 2_150_858_828;
    /// An option that the service does not have.
    OPTION_NOT_SUPPORTED = 2_150_858_833;
    /// An option without a proper name.
    INVALID_OPTION_NAME = 2_150_858_834;
    /// An option with a wrong value.
    INVALID_OPTION_VALUE = 2_150_858_835;
    /// A parameter of a method has another type.
    PARAMETER_TYPE_MISMATCH = 2_150_858_836;
    /// A parameter that the method does not have.
    INVALID_PARAMETER_NAME = 2_150_858_837;
    /// A value in the body is out of its range.
    INVALID_VALUES = 2_150_858_838;
    /// A value in the body is missing.
    MISSING_VALUES = 2_150_858_839;
    /// Too few selectors.
    INSUFFICIENT_SELECTORS = 2_150_858_842;
    /// A selector that leads nowhere; also an unknown shell or command.
    UNEXPECTED_SELECTORS = 2_150_858_843;
    /// A selector of a wrong type.
    SELECTOR_TYPE_MISMATCH = 2_150_858_844;
    /// A selector with a wrong value.
    INVALID_SELECTOR_VALUE = 2_150_858_845;
    /// Selectors that fit several instances.
    AMBIGUOUS_SELECTORS = 2_150_858_846;
    /// The same selector twice.
    DUPLICATE_SELECTORS = 2_150_858_847;
    /// The resource gives nothing without a filter.
    FILTERING_REQUIRED = 2_150_858_864;
    /// A ReplyTo or FaultTo other than anonymous.
    ADDRESSING_MODE = 2_150_858_870;
    /// The resource has no access to parts of an instance.
    FRAGMENT_LEVEL_ACCESS = 2_150_858_871;
    /// MaxEnvelopeSize below 8192 octets.
    MINIMUM_ENVELOPE_LIMIT = 2_150_858_878;
    /// Bookmarks, which the resource does not have.
    BOOKMARKS = 2_150_858_859;
    /// An enumeration mode that is unknown.
    ENUMERATION_MODE = 2_150_858_886;
    /// A language that must be, and is not, supported.
    LOCALE = 2_150_858_887;
    /// Two that ask for events of one subscription at the same time.
    CONCURRENT_PULL = 2_150_858_891;
    /// The address of a listener is wrong.
    LISTENER_ADDRESS = 2_150_858_889;
    /// A policy governs the value.
    GOVERNED_BY_POLICY = 2_150_858_890;
    /// The language of fragments is unknown.
    FRAGMENT_DIALECT_UNAVAILABLE = 2_150_858_896;
    /// The client may not send unencrypted.
    UNENCRYPTED_DISABLED = 2_150_858_974;
    /// The client may not use Basic.
    BASIC_DISABLED = 2_150_858_975;
    /// The host is not in the client's TrustedHosts.
    NOT_TRUSTED = 2_150_858_980;
    /// An IP filter that cannot be read.
    INVALID_FILTER = 2_150_858_988;
    /// Keys cannot be changed.
    CANNOT_CHANGE_KEYS = 2_150_858_989;
    /// A class with keys needs selectors, unless there is only one instance of it.
    SELECTORS_REQUIRED = 2_150_859_002;
    /// Instances too deep inside each other.
    NESTED_TOO_DEEP = 2_150_859_008;
    /// The provider cannot do it.
    PROVIDER_NOT_CAPABLE = 2_150_859_010;
    /// The provider gave something that makes no sense.
    PROVIDER_INVALID_VALUE = 2_150_859_011;
    /// The engine of WMI denies access.
    WMI_ACCESS_DENIED = 2_150_859_012;
    /// A provider denies access.
    PROVIDER_ACCESS_DENIED = 2_150_859_013;
    /// The instances of a class are enumerated without selectors.
    ENUMERATION_WITH_SELECTORS = 2_150_859_016;
    /// FragmentTransfer without an expression.
    BLANK_FRAGMENT_PATH = 2_150_859_017;
    /// The service answered HTTP 413.
    HTTP_TOO_LARGE = 2_150_859_025;
    /// The service answered HTTP 503.
    HTTP_UNAVAILABLE = 2_150_859_026;
    /// The service answered HTTP 404.
    HTTP_NOT_FOUND = 2_150_859_027;
    /// A provider says that a parameter makes no sense.
    PROVIDER_INVALID_PARAMETER = 2_150_859_038;
    /// The network took too long.
    NETWORK_TIMED_OUT = 2_150_859_046;
    /// A way of listing subclasses that is unknown.
    POLYMORPHISM_MODE_UNSUPPORTED = 2_150_859_063;
    /// The selector `__cimnamespace` and the URI name different namespaces.
    DIFFERENT_NAMESPACE_SELECTOR = 2_150_859_067;
    /// A setting that cannot be written.
    READ_ONLY_SETTING = 2_150_859_071;
    /// A security descriptor that cannot be read.
    INVALID_SECURITY_DESCRIPTOR = 2_150_859_100;
    /// The HTTP exchange itself failed.
    HTTP_ERROR = 2_150_859_121;
    /// A Send for a stream the shell has not.
    UNDECLARED_STREAM = 2_150_859_147;
    /// As many shells as one user may have.
    MAX_SHELLS_PER_USER = 2_150_859_173;
    /// As many operations as one user may have.
    MAX_OPERATIONS_PER_USER = 2_150_859_174;
    /// As many users as may have shells.
    MAX_SHELL_USERS = 2_150_859_179;
    /// Remote shells are switched off.
    SHELL_ACCESS_DISABLED = 2_150_859_180;
    /// A setting that has no effect any more.
    DEPRECATED_SETTING = 2_150_859_182;
    /// The name of the host is unknown.
    NAME_NOT_RESOLVED = 2_150_859_193;
    /// The command list of a shell needs a filter on its ShellId.
    SHELL_FILTER_REQUIRED = 2_150_859_200;
    /// The command list of a shell has no endpoint references.
    SHELL_EPR_UNSUPPORTED = 2_150_859_201;
    /// A command was ended from outside.
    COMMAND_TERMINATED = 2_150_859_212;
    /// Selectors where events are subscribed to.
    SUBSCRIPTION_WITH_SELECTORS = 2_150_859_225;
    /// Requests from other hosts are switched off.
    REMOTE_ACCESS_DISABLED = 2_150_859_229;
}
