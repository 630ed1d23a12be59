//! Namespaces, actions and other URIs (MS-WSMV 2.2.1, DSP0226 annex A).

pub(super) const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(super) const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
pub(super) const EVENTING: &str = "http://schemas.xmlsoap.org/ws/2004/08/eventing";
pub(super) const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
pub(super) const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
pub(super) const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";
pub(super) const MACHINE_ID: &str = "http://schemas.microsoft.com/wbem/wsman/1/machineid";
pub(super) const SUBSCRIPTION: &str = "http://schemas.microsoft.com/wbem/wsman/1/subscription";
/// Resource that lists the subscriptions of a source.
pub(super) const SUBSCRIPTIONS: &str =
    "http://schemas.microsoft.com/wbem/wsman/1/SubscriptionManager/Subscription";
pub(super) const POLICY: &str = "http://schemas.xmlsoap.org/ws/2002/12/policy";
pub(super) const AUTHENTICATION: &str = "http://schemas.microsoft.com/wbem/wsman/1/authentication";
pub(super) const TRUST: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust";
pub(super) const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
pub(super) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

pub(super) const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
pub(super) const EVENT_LOG: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog";
pub(super) const EVENT_QUERY: &str = "http://schemas.microsoft.com/win/2004/08/events/eventquery";
pub(super) const EARLIEST: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/bookmark/earliest";

pub(super) const ENUMERATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate";
pub(super) const ENUMERATE_RESPONSE: &str =
    "http://schemas.xmlsoap.org/ws/2004/09/enumeration/EnumerateResponse";
pub(super) const PULL: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull";
pub(super) const PULL_RESPONSE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/PullResponse";
pub(super) const SUBSCRIBE: &str = "http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe";
pub(super) const SUBSCRIPTION_END: &str = "http://schemas.xmlsoap.org/ws/2004/08/eventing/SubscriptionEnd";
pub(super) const HEARTBEAT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Heartbeat";
pub(super) const EVENTS: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events";
pub(super) const EVENT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Event";
pub(super) const ACK: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Ack";
pub(super) const END: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman/End";
pub(super) const DELIVERY_MODE_EVENTS: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events";
pub(super) const PROFILE_KERBEROS: &str =
    "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/spnego-kerberos";
pub(super) const PROFILE_KERBEROS_TLS: &str =
    "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/spnego-kerberos";
pub(super) const PROFILE_CERTIFICATE: &str =
    "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
