//! Requests from the gateway to the broker.

use std::net::IpAddr;

use auth::certificate_mapping::MappingChange;
use auth::{Binding, CertificateProof, ChannelBinding, Hardening, Scheme, Secret};
use quickconfig::MachineRequest;
use sddl::Sid;
use zeroize::Zeroizing;

use super::SessionId;
use super::certificate::{mapping_change, proof, put_mapping_change, put_proof};
use super::values::{binding, secret};
use crate::quick_config;
use crate::scheme_number::{scheme, scheme_number};
use crate::wire::{Malformed, Reader, Writer};

/// Request from the gateway to the broker.
#[derive(Debug)]
pub enum GatewayRequest {
    /// Lists the authentication schemes that are available.
    ListSchemes,
    /// Verifies a user name and password.
    VerifyPassword {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
        /// Client address as claimed by the gateway; used only to count failures.
        source: IpAddr,
    },
    /// Begins a sign-in by tokens.
    BeginHandshake {
        /// Authentication scheme.
        scheme: Scheme,
        /// Client address as claimed by the gateway.
        address: IpAddr,
        /// Channel binding that the client's tokens must contain.
        binding: Binding,
        /// First token of the client.
        token: Vec<u8>,
    },
    /// Continues a sign-in by tokens.
    ContinueHandshake {
        /// Handle of the handshake.
        handshake: u64,
        /// Next token of the client.
        token: Vec<u8>,
    },
    /// Releases a handshake, a security context or a certificate holder.
    Release {
        /// Handle of the object.
        handle: u64,
    },
    /// Seals a message.
    SealMessage {
        /// Handle of the security context.
        context: u64,
        /// Plain text.
        message: Zeroizing<Vec<u8>>,
    },
    /// Unseals a message.
    UnsealMessage {
        /// Handle of the security context.
        context: u64,
        /// Signature header of the sealed message.
        header: Vec<u8>,
        /// Cipher text.
        message: Zeroizing<Vec<u8>>,
    },
    /// Ends a session.
    EndSession(SessionId),
    /// Verifies that the account of a session may still sign in, and opens a new session for it.
    RenewSession(SessionId),
    /// Verifies the signature that a client made with its certificate's key during the TLS handshake.
    VerifyCertificate {
        /// Certificates, signed handshake data and signature.
        proof: CertificateProof,
        /// Client address as claimed by the gateway; used only to count failures.
        source: IpAddr,
    },
    /// Checks that a mapping exists for a verified certificate.
    CheckMapping {
        /// Handle of the certificate holder.
        holder: u64,
    },
    /// Finds the account that a certificate is mapped to, and opens a session for it.
    ResolveAccount {
        /// Handle of the certificate holder.
        holder: u64,
        /// Resource URI of the client's request, which selects the mapping.
        resource: String,
    },
    /// Opens a connection to the host process of a session's user.
    ConnectHost(SessionId),
    /// Opens a connection to the process of a PowerShell endpoint that runs as another account, for a session's user.
    /// The gateway names the endpoint only; the settings of the broker name the account.
    ConnectRunAsHost {
        /// Session of the calling user.
        session: SessionId,
        /// Name of the endpoint.
        endpoint: String,
    },
    /// Lists the PowerShell endpoints that run as another account and have a process for a session's user.
    ListRunAsHosts(SessionId),
    /// Replaces the configuration file.
    ChangeSettings {
        /// Session of the requesting user.
        session: SessionId,
        /// Text of the file that the change is based on.
        before: String,
        /// New text of the file.
        after: String,
    },
    /// Lists the client certificate mappings for the user of a session.
    ListMappings(SessionId),
    /// Creates, changes or deletes a client certificate mapping.
    ChangeMapping {
        /// Session of the requesting user.
        session: SessionId,
        /// The change.
        change: MappingChange,
        /// Client address as claimed by the gateway; used only to count failures.
        source: IpAddr,
    },
    /// Reads certificate chain and key of a listener.
    LoadCertificate(CertificateRequest),
    /// Finds the SID of a local user or group by name.
    LookUpSid(String),
    /// Finds the name of a local user or group by SID.
    LookUpName(Sid),
    /// Lists the PowerShell endpoints of this machine.
    ListEndpoints,
    /// Inspects the machine or performs a quickconfig step.
    RunQuickConfig {
        /// Session of the requesting user.
        session: SessionId,
        /// Requested step.
        request: MachineRequest,
    },
    /// Reports the end of a local connection. No response.
    ReportLocalClosed {
        /// Number of the connection.
        connection: u64,
    },
    /// Reports that the gateway accepts connections. No response.
    ReportReady,
    /// Reports the state of the gateway as a text for the service manager. No response.
    ReportStatus(String),
    /// Reports that the gateway is alive, for the watchdog. No response.
    ReportAlive,
}

/// Certificate of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateRequest {
    /// Certificate with this thumbprint.
    ByThumbprint(String),
    /// Certificate that the service creates itself, for these host names.
    SelfSigned(Vec<String>),
}

impl GatewayRequest {
    /// Encodes the request. Its response carries the same number; 0 means that no response is expected.
    #[must_use]
    pub fn encode(&self, number: u64) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        w.u64(number);
        match self {
            Self::ListSchemes => w.u8(1),
            Self::VerifyPassword { user, password, source } => {
                w.u8(2).text(user).text(password.expose()).address(*source)
            }
            Self::BeginHandshake { scheme, address, binding, token } => {
                let expected = binding.expected.as_ref().map(ChannelBinding::application_data);
                w.u8(3).u8(scheme_number(*scheme)).address(*address).u8(match binding.level {
                    Hardening::None => 0,
                    Hardening::Relaxed => 1,
                    Hardening::Strict => 2,
                });
                w.optional(expected, |w, octets| _ = w.octets(octets)).octets(token)
            }
            Self::ContinueHandshake { handshake, token } => w.u8(4).u64(*handshake).octets(token),
            Self::Release { handle } => w.u8(5).u64(*handle),
            Self::SealMessage { context, message } => w.u8(6).u64(*context).octets(message),
            Self::UnsealMessage { context, header, message } => {
                w.u8(7).u64(*context).octets(header).octets(message)
            }
            Self::EndSession(session) => w.u8(8).fixed(&session.0),
            Self::ConnectHost(session) => w.u8(9).fixed(&session.0),
            Self::ConnectRunAsHost { session, endpoint } => w.u8(27).fixed(&session.0).text(endpoint),
            Self::ListRunAsHosts(session) => w.u8(28).fixed(&session.0),
            Self::ChangeSettings { session, before, after } => {
                w.u8(10).fixed(&session.0).text(before).text(after)
            }
            Self::RenewSession(session) => w.u8(18).fixed(&session.0),
            Self::VerifyCertificate { proof, source } => put_proof(w.u8(19).address(*source), proof),
            Self::CheckMapping { holder } => w.u8(20).u64(*holder),
            Self::ResolveAccount { holder, resource } => w.u8(21).u64(*holder).text(resource),
            Self::ListMappings(session) => w.u8(22).fixed(&session.0),
            Self::ChangeMapping { session, change, source } => {
                put_mapping_change(w.u8(23).fixed(&session.0).address(*source), change)
            }
            Self::ReportLocalClosed { connection } => w.u8(25).u64(*connection),
            Self::ReportReady => w.u8(11),
            Self::ReportStatus(text) => w.u8(12).text(text),
            Self::ReportAlive => w.u8(13),
            Self::LoadCertificate(CertificateRequest::ByThumbprint(thumbprint)) => w.u8(14).text(thumbprint),
            Self::LookUpSid(name) => w.u8(16).text(name),
            Self::LookUpName(sid) => w.u8(17).octets(&sid.encode()),
            Self::ListEndpoints => w.u8(26),
            Self::RunQuickConfig { session, request } => {
                quick_config::write_request(w.u8(24).fixed(&session.0), request)
            }
            Self::LoadCertificate(CertificateRequest::SelfSigned(names)) => {
                w.u8(15).u32(u32::try_from(names.len()).unwrap_or(u32::MAX));
                names.iter().fold(&mut w, |w, name| w.text(name))
            }
        };
        w.finish()
    }

    /// Decodes a request and its number.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not a request.
    pub fn decode(message: &[u8]) -> Result<(u64, Self), Malformed> {
        let mut r = Reader::new(message);
        let number = r.u64()?;
        let request = match r.u8()? {
            1 => Self::ListSchemes,
            2 => Self::VerifyPassword {
                user: r.text()?.to_owned(),
                password: Secret::new(r.text()?.to_owned()),
                source: r.address()?,
            },
            3 => {
                let (scheme, address) = (scheme(r.u8()?)?, r.address()?);
                let level = match r.u8()? {
                    0 => Hardening::None,
                    1 => Hardening::Relaxed,
                    2 => Hardening::Strict,
                    _ => return Err(Malformed("unknown channel binding level")),
                };
                let expected = r.optional(|r| r.octets().map(<[u8]>::to_vec))?;
                let expected = expected.map(|octets| binding(&octets)).transpose()?;
                let token = r.octets()?.to_vec();
                Self::BeginHandshake { scheme, address, binding: Binding { level, expected }, token }
            }
            4 => Self::ContinueHandshake { handshake: r.u64()?, token: r.octets()?.to_vec() },
            5 => Self::Release { handle: r.u64()? },
            6 => Self::SealMessage { context: r.u64()?, message: secret(r.octets()?) },
            7 => Self::UnsealMessage {
                context: r.u64()?,
                header: r.octets()?.to_vec(),
                message: secret(r.octets()?),
            },
            8 => Self::EndSession(SessionId(r.fixed()?)),
            9 => Self::ConnectHost(SessionId(r.fixed()?)),
            27 => Self::ConnectRunAsHost { session: SessionId(r.fixed()?), endpoint: r.text()?.to_owned() },
            28 => Self::ListRunAsHosts(SessionId(r.fixed()?)),
            10 => Self::ChangeSettings {
                session: SessionId(r.fixed()?),
                before: r.text()?.to_owned(),
                after: r.text()?.to_owned(),
            },
            11 => Self::ReportReady,
            12 => Self::ReportStatus(r.text()?.to_owned()),
            13 => Self::ReportAlive,
            16 => Self::LookUpSid(r.text()?.to_owned()),
            18 => Self::RenewSession(SessionId(r.fixed()?)),
            19 => {
                let source = r.address()?;
                Self::VerifyCertificate { proof: proof(&mut r)?, source }
            }
            20 => Self::CheckMapping { holder: r.u64()? },
            21 => Self::ResolveAccount { holder: r.u64()?, resource: r.text()?.to_owned() },
            22 => Self::ListMappings(SessionId(r.fixed()?)),
            23 => {
                let (session, source) = (SessionId(r.fixed()?), r.address()?);
                Self::ChangeMapping { session, change: mapping_change(&mut r)?, source }
            }
            17 => Self::LookUpName(Sid::decode(r.octets()?).map_err(|_| Malformed("invalid SID"))?),
            24 => Self::RunQuickConfig {
                session: SessionId(r.fixed()?),
                request: quick_config::read_request(&mut r)?,
            },
            26 => Self::ListEndpoints,
            25 => Self::ReportLocalClosed { connection: r.u64()? },
            14 => Self::LoadCertificate(CertificateRequest::ByThumbprint(r.text()?.to_owned())),
            15 => {
                let count = r.u32()?;
                if count > MAX_NAMES {
                    return Err(Malformed("too many certificate names"));
                }
                let names = (0..count).map(|_| r.text().map(str::to_owned)).collect::<Result<_, _>>()?;
                Self::LoadCertificate(CertificateRequest::SelfSigned(names))
            }
            _ => return Err(Malformed("unknown request")),
        };
        r.finish()?;
        Ok((number, request))
    }
}

/// Maximum number of names in a certificate request, far above the number of names of a machine.
const MAX_NAMES: u32 = 1_000;
