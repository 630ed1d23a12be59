//! What the gateway asks.

use std::net::IpAddr;

use auth::certificate_mapping::MappingChange;
use auth::{Binding, CertificateProof, ChannelBinding, Hardening, Scheme, Secret};
use quickconfig::Wish;
use sddl::Sid;
use zeroize::Zeroizing;

use super::SessionId;
use super::certificate::{mapping_change, proof, put_mapping_change, put_proof};
use super::values::{binding, scheme, scheme_number, secret};
use crate::quick_config;
use crate::wire::{Malformed, Reader, Writer};

/// What a gateway asks.
#[derive(Debug)]
pub enum Ask {
    /// Which schemes there are.
    Hello,
    /// Whether a name and a password are right.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
        /// Where they came from, as far as the gateway can be believed: only the counting of failures goes by it.
        from: IpAddr,
    },
    /// To begin a sign-in by tokens.
    Begin {
        /// The scheme.
        scheme: Scheme,
        /// Where the peer is.
        address: IpAddr,
        /// To what its tokens must be bound.
        binding: Binding,
        /// The first token.
        token: Vec<u8>,
    },
    /// To go on with one.
    Step {
        /// Which.
        handshake: u64,
        /// The next token.
        token: Vec<u8>,
    },
    /// To forget a sign-in, or what seals messages.
    Forget {
        /// Which.
        number: u64,
    },
    /// To seal a message.
    Seal {
        /// With what.
        context: u64,
        /// The message.
        message: Zeroizing<Vec<u8>>,
    },
    /// To open a message.
    Unseal {
        /// With what.
        context: u64,
        /// What goes before the message.
        header: Vec<u8>,
        /// The message.
        message: Zeroizing<Vec<u8>>,
    },
    /// To end a session.
    End(SessionId),
    /// Whether the account of a session may still be used; a new session for the same proof.
    Renew(SessionId),
    /// To judge what the key of a client certificate has signed.
    Holder {
        /// What was shown and signed.
        proof: CertificateProof,
        /// Where it came from, as far as the gateway can be believed: only the counting of failures goes by it.
        from: IpAddr,
    },
    /// Whether the certificate of a holder leads anywhere.
    Consider {
        /// Which.
        holder: u64,
    },
    /// Whose account a holder has.
    Account {
        /// Which.
        holder: u64,
        /// Where this resource is asked for.
        resource: String,
    },
    /// A connection to the process that works for the user of a session.
    Host(SessionId),
    /// To change the settings.
    Change {
        /// Who wants it.
        session: SessionId,
        /// The file as it was when the change was thought up.
        before: String,
        /// As it is to be.
        after: String,
    },
    /// The mappings of client certificates, for whom a session is.
    Mappings(SessionId),
    /// To make, change or delete one of them.
    ChangeMapping {
        /// Who wants it.
        session: SessionId,
        /// What.
        change: MappingChange,
        /// Where it came from, as of a password.
        from: IpAddr,
    },
    /// The files of a certificate for listeners.
    Certificate(CertificateWish),
    /// The SID of a user or a group of this machine.
    SidOf(String),
    /// The name of the user or the group of this machine that has a SID.
    NameOf(Sid),
    /// To look at the machine, or to make it ready to be managed.
    QuickConfig {
        /// Who wants it.
        session: SessionId,
        /// What.
        wish: Wish,
    },
    /// Nothing: a local connection has ended.
    LocalClosed {
        /// The number that came with it.
        number: u64,
    },
    /// Nothing: it serves now.
    Ready,
    /// Nothing: how it is, for people.
    Status(String),
    /// Nothing: it still answers.
    Alive,
}

/// Which certificate a gateway needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateWish {
    /// The one with this thumbprint.
    Named(String),
    /// The one that the service makes itself, for these names.
    Own(Vec<String>),
}

impl Ask {
    /// The message, with a number that the answer has, too.
    #[must_use]
    pub fn encode(&self, number: u64) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        w.u64(number);
        match self {
            Self::Hello => w.u8(1),
            Self::Password { user, password, from } => {
                w.u8(2).text(user).text(password.expose()).address(*from)
            }
            Self::Begin { scheme, address, binding, token } => {
                let expected = binding.expected.as_ref().map(ChannelBinding::application_data);
                w.u8(3).u8(scheme_number(*scheme)).address(*address).u8(match binding.level {
                    Hardening::None => 0,
                    Hardening::Relaxed => 1,
                    Hardening::Strict => 2,
                });
                w.optional(expected, |w, octets| _ = w.octets(octets)).octets(token)
            }
            Self::Step { handshake, token } => w.u8(4).u64(*handshake).octets(token),
            Self::Forget { number } => w.u8(5).u64(*number),
            Self::Seal { context, message } => w.u8(6).u64(*context).octets(message),
            Self::Unseal { context, header, message } => w.u8(7).u64(*context).octets(header).octets(message),
            Self::End(session) => w.u8(8).fixed(&session.0),
            Self::Host(session) => w.u8(9).fixed(&session.0),
            Self::Change { session, before, after } => w.u8(10).fixed(&session.0).text(before).text(after),
            Self::Renew(session) => w.u8(18).fixed(&session.0),
            Self::Holder { proof, from } => put_proof(w.u8(19).address(*from), proof),
            Self::Consider { holder } => w.u8(20).u64(*holder),
            Self::Account { holder, resource } => w.u8(21).u64(*holder).text(resource),
            Self::Mappings(session) => w.u8(22).fixed(&session.0),
            Self::ChangeMapping { session, change, from } => {
                put_mapping_change(w.u8(23).fixed(&session.0).address(*from), change)
            }
            Self::LocalClosed { number } => w.u8(25).u64(*number),
            Self::Ready => w.u8(11),
            Self::Status(text) => w.u8(12).text(text),
            Self::Alive => w.u8(13),
            Self::Certificate(CertificateWish::Named(thumbprint)) => w.u8(14).text(thumbprint),
            Self::SidOf(name) => w.u8(16).text(name),
            Self::NameOf(sid) => w.u8(17).octets(&sid.encode()),
            Self::QuickConfig { session, wish } => quick_config::write_wish(w.u8(24).fixed(&session.0), wish),
            Self::Certificate(CertificateWish::Own(names)) => {
                w.u8(15).u32(u32::try_from(names.len()).unwrap_or(u32::MAX));
                names.iter().fold(&mut w, |w, name| w.text(name))
            }
        };
        w.finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(message: &[u8]) -> Result<(u64, Self), Malformed> {
        let mut r = Reader::new(message);
        let number = r.u64()?;
        let ask = match r.u8()? {
            1 => Self::Hello,
            2 => Self::Password {
                user: r.text()?.to_owned(),
                password: Secret::new(r.text()?.to_owned()),
                from: r.address()?,
            },
            3 => {
                let (scheme, address) = (scheme(r.u8()?)?, r.address()?);
                let level = match r.u8()? {
                    0 => Hardening::None,
                    1 => Hardening::Relaxed,
                    2 => Hardening::Strict,
                    _ => return Err(Malformed("a hardening that nobody knows")),
                };
                let expected = r.optional(|r| r.octets().map(<[u8]>::to_vec))?;
                let expected = expected.map(|octets| binding(&octets)).transpose()?;
                let token = r.octets()?.to_vec();
                Self::Begin { scheme, address, binding: Binding { level, expected }, token }
            }
            4 => Self::Step { handshake: r.u64()?, token: r.octets()?.to_vec() },
            5 => Self::Forget { number: r.u64()? },
            6 => Self::Seal { context: r.u64()?, message: secret(r.octets()?) },
            7 => {
                Self::Unseal { context: r.u64()?, header: r.octets()?.to_vec(), message: secret(r.octets()?) }
            }
            8 => Self::End(SessionId(r.fixed()?)),
            9 => Self::Host(SessionId(r.fixed()?)),
            10 => Self::Change {
                session: SessionId(r.fixed()?),
                before: r.text()?.to_owned(),
                after: r.text()?.to_owned(),
            },
            11 => Self::Ready,
            12 => Self::Status(r.text()?.to_owned()),
            13 => Self::Alive,
            16 => Self::SidOf(r.text()?.to_owned()),
            18 => Self::Renew(SessionId(r.fixed()?)),
            19 => {
                let from = r.address()?;
                Self::Holder { proof: proof(&mut r)?, from }
            }
            20 => Self::Consider { holder: r.u64()? },
            21 => Self::Account { holder: r.u64()?, resource: r.text()?.to_owned() },
            22 => Self::Mappings(SessionId(r.fixed()?)),
            23 => {
                let (session, from) = (SessionId(r.fixed()?), r.address()?);
                Self::ChangeMapping { session, change: mapping_change(&mut r)?, from }
            }
            17 => Self::NameOf(Sid::decode(r.octets()?).map_err(|_| Malformed("no SID"))?),
            24 => {
                Self::QuickConfig { session: SessionId(r.fixed()?), wish: quick_config::read_wish(&mut r)? }
            }
            25 => Self::LocalClosed { number: r.u64()? },
            14 => Self::Certificate(CertificateWish::Named(r.text()?.to_owned())),
            15 => {
                let count = r.u32()?;
                if count > MOST_NAMES {
                    return Err(Malformed("more names than any certificate has"));
                }
                let names = (0..count).map(|_| r.text().map(str::to_owned)).collect::<Result<_, _>>()?;
                Self::Certificate(CertificateWish::Own(names))
            }
            _ => return Err(Malformed("nobody knows what is asked")),
        };
        r.finish()?;
        Ok((number, ask))
    }
}

/// Far more than a machine has.
const MOST_NAMES: u32 = 1_000;
