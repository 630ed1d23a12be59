//! A collector of forwarded events with an authority of its own.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use postgres_server::PostgresServer;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use super::source::Source;
use super::{BookmarkStore, FileFormat};
use crate::Result;
use crate::connection::Connection;
use crate::telarchd::{Started, address, program};

/// A running collector with its files; dropping it ends the service and removes the files.
pub(crate) struct EventCollector {
    started: Started,
    https: SocketAddr,
    authority: CertifiedIssuer<'static, KeyPair>,
    roots: Arc<RootCertStore>,
    events: PathBuf,
    _database: Option<PostgresServer>,
    _folder: TempDir,
}

pub(super) const SUBSCRIPTION: &str =
    "<Subscription xmlns=\"http://schemas.microsoft.com/2006/03/windows/events/subscription\">
<SubscriptionId>Measured</SubscriptionId><SubscriptionType>SourceInitiated</SubscriptionType>
<ConfigurationMode>MinLatency</ConfigurationMode>
<Query><![CDATA[<QueryList><Query Id=\"0\"><Select Path=\"Security\">*</Select></Query></QueryList>]]></Query>
<AllowedSourceNonDomainComputers/></Subscription>";

impl EventCollector {
    pub(crate) fn start(format: FileFormat, store: BookmarkStore) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let authority = authority()?;
        let (server, server_key) = issue(&authority, "localhost", ExtendedKeyUsagePurpose::ServerAuth)?;
        fs::write(path("authority.pem"), authority.pem())?;
        fs::write(path("server.pem"), server)?;
        write_private(&path("server.key"), &server_key)?;
        fs::write(path("subscription.xml"), SUBSCRIPTION)?;
        let events = path(match format {
            FileFormat::Raw => "events.xml",
            FileFormat::Json => "events.jsonl",
        });
        let mut command = Command::new(program("telarchd"));
        command.args(["--ephemeral", "--https", "127.0.0.1:0", "--set", "MaxEnvelopeSizekb=8192"]);
        command.arg("--certificate").arg(path("server.pem")).arg("--key").arg(path("server.key"));
        command.arg("--client-authority").arg(path("authority.pem"));
        command.arg("--subscription").arg(path("subscription.xml"));
        command.arg("--forwarded-events").arg(&events);
        let database = match store {
            BookmarkStore::Sqlite => None,
            BookmarkStore::Postgres => {
                let database = PostgresServer::start().ok_or("PostgreSQL is missing")?;
                write_private(&path("event-store.toml"), &database.settings())?;
                command.arg("--event-store").arg(path("event-store.toml"));
                Some(database)
            }
        };
        let started = Started::launch(command, folder.path())?;
        let https = started.announced.get("https").and_then(|url| url.as_str());
        let https = address(https.ok_or("the ready file has no https")?)?;

        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes())?)?;
        Ok(Self {
            started,
            https,
            authority,
            roots: Arc::new(roots),
            events,
            _database: database,
            _folder: folder,
        })
    }

    pub(crate) fn process(&self) -> u32 {
        self.started.process()
    }

    /// Connects a source with a certificate of its own, which requests its subscription.
    pub(crate) fn source(&self, number: usize) -> Result<Source> {
        let name = format!("source{number}.example.com");
        let (certificate, key) = issue(&self.authority, &name, ExtendedKeyUsagePurpose::ClientAuth)?;
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes())?];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        let roots = Arc::clone(&self.roots);
        let tls = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key)?;
        Source::new(name, Connection::tls(self.https, &Arc::new(tls))?)
    }

    /// Verifies that the file has exactly this number of events.
    pub(crate) fn require_events(&self, delivered: usize) -> Result<()> {
        let mut file = BufReader::new(fs::File::open(&self.events)?);
        let (mut stored, mut line) = (0, Vec::new());
        while file.read_until(b'\n', &mut line)? > 0 {
            stored += 1;
            line.clear();
        }
        match stored == delivered {
            true => Ok(()),
            false => Err(format!("{delivered} events were acknowledged, {stored} are in the file").into()),
        }
    }
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

pub(super) fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority of the measurement");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// Returns a certificate and its key in PEM.
pub(super) fn issue(
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    usage: ExtendedKeyUsagePurpose,
) -> Result<(String, String)> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}
