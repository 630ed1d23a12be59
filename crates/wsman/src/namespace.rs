//! Namespace and dialect URIs, with the prefixes that Windows uses (MS-WSMV 2.2.1).

/// SOAP 1.2 envelope, prefix `s`.
pub const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Addressing of August 2004, prefix `a`.
pub const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// WS-Transfer, prefix `x`.
pub const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
/// WS-Enumeration, prefix `n`.
pub const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
/// WS-Eventing, prefix `e`.
pub const EVENTING: &str = "http://schemas.xmlsoap.org/ws/2004/08/eventing";
/// WS-Management, prefix `w`.
pub const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
/// CIM over WS-Management (DSP0227), prefix `b`.
pub const CIM_BINDING: &str = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd";
/// Microsoft's extensions to WS-Management, prefix `p`.
pub const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";
/// Remote shell, prefix `rsp`.
pub const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
/// Fault details, prefix `f`.
pub const FAULT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
/// Configuration of the service, prefix `cfg`; also its resource URI.
pub const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
/// Description of a plug-in, whose values are attributes (MS-WSMV 2.2.4).
pub const PLUGIN_CONFIGURATION: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration";
/// Identify, prefix `wsmid`.
pub const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";
/// Telarch's extension to Identify; services may add elements of their own (DSP0226 11).
pub const OWN_IDENTITY: &str = "urn:telarch:identity";
/// Telarch's header for missing sources, prefix `t`; see [`Omission`](crate::Omission).
pub const PARTIAL_RESULTS: &str = "urn:telarch:partial-results";
/// Attributes `xml:lang` and `xml:space`.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// XML Schema instance attributes, prefix `xsi`.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// WS-Trust of February 2005, for credentials that Subscribe contains (DSP0226).
pub const TRUST: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust";

/// Anonymous address: the sender on the same connection.
pub const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
/// Resource of command shells.
pub const SHELL_CMD: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
/// Namespace of PowerShell remoting; also the prefix of the resource URIs of its endpoints.
pub const POWERSHELL: &str = "http://schemas.microsoft.com/powershell";
/// Prefix of fault detail URIs (DSP0226 14.6).
pub const FAULT_DETAIL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/";

/// WQL as a filter dialect.
pub const DIALECT_WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
/// Event queries as a filter dialect.
pub const DIALECT_EVENT_QUERY: &str = "http://schemas.microsoft.com/win/2004/08/events/eventquery";
/// Selectors as a filter dialect (DSP0226 annex E).
pub const DIALECT_SELECTOR: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter";
/// Namespace of the attribute `Origin`, the origin of a configuration value; an extension, sent only on request with
/// [`OptionSet::SOURCES`](crate::OptionSet::SOURCES).
pub const SOURCES: &str = "urn:telarch:sources";
/// Element `MissingSource`, the name of the data source that a WMI class lacks, or nothing; an extension, sent only on
/// request with [`OptionSet::MISSING_SOURCE`](crate::OptionSet::MISSING_SOURCE).
pub const MISSING_SOURCE: &str = "urn:telarch:missing-source";
/// Associations as a filter dialect (DSP0227 16).
pub const DIALECT_ASSOCIATION: &str = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter";
/// XPath 1.0 as a filter or fragment dialect.
pub const DIALECT_XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";

/// Prefix and URI of a namespace declaration.
pub(crate) type Declared = (&'static str, &'static str);

pub(crate) const S: Declared = ("s", SOAP);
pub(crate) const A: Declared = ("a", ADDRESSING);
pub(crate) const X: Declared = ("x", TRANSFER);
pub(crate) const N: Declared = ("n", ENUMERATION);
pub(crate) const E: Declared = ("e", EVENTING);
pub(crate) const W: Declared = ("w", WSMAN);
pub(crate) const B: Declared = ("b", CIM_BINDING);
pub(crate) const RSP: Declared = ("rsp", SHELL);
pub(crate) const P: Declared = ("p", MICROSOFT);
