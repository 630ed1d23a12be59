//! Messages from the broker to the gateway: responses and events.

use auth::certificate_mapping::{Mapping, MappingChangeError};
use auth::{AuthError, Scheme, SealError, Secret};
use quickconfig::MachineResponse;
use zeroize::Zeroizing;

use super::certificate::{change_error, mappings, put_change_error, put_mappings};
use super::values::{error, error_number, oid, put_oid, secret};
use super::{ClaimedIdentity, ContextForm, DenialKind, Denied, SignedIn};
use crate::quick_config;
use crate::scheme_number::{scheme, scheme_number};
use crate::wire::{Malformed, Reader, Writer};

/// Message from the broker to the gateway.
#[derive(Debug)]
pub enum BrokerMessage {
    /// Available authentication schemes; sent as a response, and as an event when the list changes.
    Schemes(Vec<Scheme>),
    /// The user has signed in.
    SignedIn(SignedIn),
    /// The sign-in was refused.
    SignInRefused {
        /// Reason for the log.
        error: AuthError,
        /// Last token for the client, which describes the failure.
        token: Option<Vec<u8>>,
        /// Identity that the client claimed.
        claim: ClaimedIdentity,
    },
    /// The client has to answer this token.
    HandshakeContinues {
        /// Handle of the handshake.
        handshake: u64,
        /// Token for the client.
        token: Vec<u8>,
    },
    /// A sign-in by tokens has succeeded.
    HandshakeDone {
        /// Last token for the client, if the mechanism needs one.
        token: Option<Vec<u8>>,
        /// Account and new session.
        signed_in: SignedIn,
        /// Security context for sealed messages.
        context: ContextForm,
    },
    /// A message was sealed or unsealed.
    MessageSealed {
        /// Signature header of a sealed message; empty after unsealing.
        header: Vec<u8>,
        /// Sealed or plain message.
        message: Zeroizing<Vec<u8>>,
    },
    /// A message could not be sealed or unsealed.
    SealFailed(SealError),
    /// The certificate proof is valid, or a mapping exists. Holds the handle of the certificate holder.
    CertificateHolder(u64),
    /// Client certificate mappings, without passwords.
    MappingList(Vec<Mapping>),
    /// A mapping was not changed.
    MappingRejected(MappingChangeError),
    /// Connection to a host process, attached as a descriptor.
    HostConnected,
    /// The change was made.
    ChangeDone,
    /// The request was refused.
    Denied(Denied),
    /// The configuration file has changed since it was read. Holds the current text.
    SettingsOutdated(String),
    /// A local program has connected; the socket is attached.
    LocalConnected {
        /// Number of the connection, with which its end is reported.
        connection: u64,
        /// User ID reported by the kernel.
        uid: u32,
        /// Account and new session of the user.
        signed_in: SignedIn,
    },
    /// Certificate chain and key as PEM.
    CertificateLoaded(Secret),
    /// Name or SID that was looked up; `None` if it does not exist.
    LookupResult(Option<String>),
    /// Names of PowerShell endpoints: those of this machine, or those with a process for a user.
    Endpoints(Vec<String>),
    /// State of the machine, or outcome of a quickconfig step.
    QuickConfigResponse(MachineResponse),
    /// Listening sockets, attached as descriptors.
    ListeningSockets,
    /// The settings have changed. Holds the text of the configuration file.
    SettingsChanged(String),
    /// Effective policies, in the format of `config::Policies::to_text`.
    PoliciesChanged(String),
    /// The service was asked to reload everything. Holds the text of the configuration file.
    Reload(String),
    /// State of the collector of events. The connection to its process is attached as a descriptor, unless the process
    /// is not running.
    EventCollector {
        /// Whether the settings enable the collector.
        is_enabled: bool,
        /// Whether HTTPS clients are asked for certificates of event sources.
        requests_certificates: bool,
    },
    /// Another process sends the metrics of the service to a receiver. The connection to it is attached as a descriptor.
    MetricsExporter,
    /// The service stops.
    Stop,
}

impl BrokerMessage {
    /// Returns a refusal without token and claimed identity.
    #[must_use]
    pub fn refused(error: AuthError) -> Self {
        Self::SignInRefused { error, token: None, claim: ClaimedIdentity::default() }
    }

    /// Encodes the message with the number of its request; 0 for an event.
    #[must_use]
    pub fn encode(&self, number: u64) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        w.u64(number);
        match self {
            Self::Schemes(schemes) => {
                w.u8(1).octets(&schemes.iter().map(|scheme| scheme_number(*scheme)).collect::<Vec<_>>())
            }
            Self::SignedIn(signed_in) => signed_in.write(w.u8(2)),
            Self::SignInRefused { error, token, claim } => {
                let (kind, status) = error_number(*error);
                w.u8(3).u8(kind).u32(status).optional(token.as_deref(), put_bytes);
                w.optional(claim.mechanism.as_ref(), put_oid);
                w.optional(claim.name.as_ref(), |w, name| _ = w.text(name))
            }
            Self::HandshakeContinues { handshake, token } => w.u8(4).u64(*handshake).octets(token),
            Self::HandshakeDone { token, signed_in, context } => {
                signed_in.write(w.u8(5).optional(token.as_deref(), put_bytes));
                match context {
                    ContextForm::Exported(octets) => w.u8(1).octets(octets),
                    ContextForm::Remote { handle, can_seal, max_message } => w
                        .u8(2)
                        .u64(*handle)
                        .u8(u8::from(*can_seal))
                        .optional(*max_message, |w, bytes| _ = w.u64(bytes)),
                }
            }
            Self::MessageSealed { header, message } => w.u8(6).octets(header).octets(message),
            Self::SealFailed(error) => w.u8(7).u8(match error {
                SealError::Forged => 1,
                SealError::Unavailable => 2,
                _ => 3,
            }),
            Self::HostConnected => w.u8(8),
            Self::ChangeDone => w.u8(9),
            Self::Denied(denied) => w.u8(10).text(&denied.reason).u8(match denied.kind {
                DenialKind::Access => 1,
                DenialKind::Failed => 2,
            }),
            Self::LocalConnected { connection, uid, signed_in } => {
                signed_in.write(w.u8(11).u64(*connection).u32(*uid))
            }
            Self::ListeningSockets => w.u8(12),
            Self::SettingsChanged(text) => w.u8(13).text(text),
            Self::Reload(text) => w.u8(14).text(text),
            Self::Stop => w.u8(15),
            Self::MetricsExporter => w.u8(26),
            Self::EventCollector { is_enabled, requests_certificates } => {
                w.u8(24).u8(u8::from(*is_enabled)).u8(u8::from(*requests_certificates))
            }
            Self::SettingsOutdated(text) => w.u8(16).text(text),
            Self::CertificateLoaded(pem) => w.u8(17).text(pem.expose()),
            Self::CertificateHolder(handle) => w.u8(22).u64(*handle),
            Self::MappingList(all) => put_mappings(w.u8(20), all),
            Self::MappingRejected(error) => put_change_error(w.u8(21), error),
            Self::PoliciesChanged(text) => w.u8(19).text(text),
            Self::QuickConfigResponse(answer) => quick_config::write_response(w.u8(23), answer),
            Self::Endpoints(names) => {
                w.u8(25).u32(u32::try_from(names.len()).unwrap_or(u32::MAX));
                names.iter().fold(&mut w, |w, name| w.text(name))
            }
            Self::LookupResult(found) => w.u8(18).optional(found.as_ref(), |w, text| _ = w.text(text)),
        };
        w.finish()
    }

    /// Decodes a message and its number.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not such a message.
    pub fn decode(message: &[u8]) -> Result<(u64, Self), Malformed> {
        let mut r = Reader::new(message);
        let number = r.u64()?;
        let message = match r.u8()? {
            1 => Self::Schemes(r.octets()?.iter().map(|number| scheme(*number)).collect::<Result<_, _>>()?),
            2 => Self::SignedIn(SignedIn::read(&mut r)?),
            3 => {
                let (error, token) = (error(r.u8()?, r.u32()?)?, r.optional(bytes)?);
                let claim = ClaimedIdentity { mechanism: r.optional(oid)?, name: r.optional(text)? };
                Self::SignInRefused { error, token, claim }
            }
            4 => Self::HandshakeContinues { handshake: r.u64()?, token: r.octets()?.to_vec() },
            5 => {
                let (token, signed_in) = (r.optional(bytes)?, SignedIn::read(&mut r)?);
                let context = match r.u8()? {
                    1 => ContextForm::Exported(secret(r.octets()?)),
                    2 => ContextForm::Remote {
                        handle: r.u64()?,
                        can_seal: r.u8()? == 1,
                        max_message: r.optional(Reader::u64)?,
                    },
                    _ => return Err(Malformed("unknown form of security context")),
                };
                Self::HandshakeDone { token, signed_in, context }
            }
            6 => Self::MessageSealed { header: r.octets()?.to_vec(), message: secret(r.octets()?) },
            7 => Self::SealFailed(match r.u8()? {
                1 => SealError::Forged,
                2 => SealError::Unavailable,
                3 => SealError::Failed,
                _ => return Err(Malformed("unknown sealing error")),
            }),
            8 => Self::HostConnected,
            9 => Self::ChangeDone,
            10 => {
                let reason = r.text()?.to_owned();
                let kind = match r.u8()? {
                    1 => DenialKind::Access,
                    2 => DenialKind::Failed,
                    _ => return Err(Malformed("unknown kind of refusal")),
                };
                Self::Denied(Denied { kind, reason })
            }
            11 => Self::LocalConnected {
                connection: r.u64()?,
                uid: r.u32()?,
                signed_in: SignedIn::read(&mut r)?,
            },
            12 => Self::ListeningSockets,
            13 => Self::SettingsChanged(r.text()?.to_owned()),
            14 => Self::Reload(r.text()?.to_owned()),
            15 => Self::Stop,
            26 => Self::MetricsExporter,
            24 => Self::EventCollector { is_enabled: r.u8()? == 1, requests_certificates: r.u8()? == 1 },
            16 => Self::SettingsOutdated(r.text()?.to_owned()),
            25 => {
                let count = r.u32()?;
                if count > MAX_ENDPOINTS {
                    return Err(Malformed("too many endpoints"));
                }
                Self::Endpoints((0..count).map(|_| text(&mut r)).collect::<Result<_, _>>()?)
            }
            18 => Self::LookupResult(r.optional(text)?),
            17 => Self::CertificateLoaded(Secret::new(r.text()?.to_owned())),
            22 => Self::CertificateHolder(r.u64()?),
            20 => Self::MappingList(mappings(&mut r)?),
            21 => Self::MappingRejected(change_error(&mut r)?),
            19 => Self::PoliciesChanged(r.text()?.to_owned()),
            23 => Self::QuickConfigResponse(quick_config::read_response(&mut r)?),
            _ => return Err(Malformed("unknown message")),
        };
        r.finish()?;
        Ok((number, message))
    }
}

/// Maximum number of endpoints in a message, far above the number of session configuration files of a machine.
const MAX_ENDPOINTS: u32 = 10_000;

fn put_bytes(w: &mut Writer, bytes: &[u8]) {
    w.octets(bytes);
}

fn bytes(r: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    r.octets().map(<[u8]>::to_vec)
}

fn text(r: &mut Reader<'_>) -> Result<String, Malformed> {
    r.text().map(str::to_owned)
}
