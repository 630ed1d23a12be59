//! Mappings of client certificates: instances with the keys Issuer, Subject and URI (MS-WSMV 3.1.4.1.35).
//!
//! The password of the account is taken and never given.

mod change;
mod fault;

use std::sync::Arc;

use accounts::ClientCertificateFile;
use auth::Authenticator;
use auth::account_file::Standing;
use auth::certificate_mapping::{CertificateThumbprint, Mapping, MappingKeys, SubjectPattern, UriPattern};
use service::{Answer, Call, Item};
use wsman::{Action, EndpointReference, Fault, ResourceUri, SelectorSet, namespace, write_resource_created};
use xml::Writer;

use self::change::Change;
use self::fault::MappingFault;
use crate::fault as common;

/// Where the mappings are, and who knows whether a password is right.
#[derive(Clone)]
pub(crate) struct Mappings {
    pub(crate) file: ClientCertificateFile,
    pub(crate) authenticator: Arc<dyn Authenticator>,
}

impl Mappings {
    pub(crate) async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        match &call.request.head().action {
            Action::Enumerate => self.enumerate(&call).await,
            Action::Get => self.show(keys(&call)?, &call).await,
            Action::Put => {
                let keys = keys(&call)?;
                let change = Change::read(call.request.require_body(ELEMENT)?, &keys)?;
                let from = call.caller.address();
                let asked = keys.clone();
                self.on_disk(move |mappings| change.put(&asked, &mappings, from)).await?;
                self.show(keys, &call).await
            }
            Action::Create => self.create(&call).await,
            Action::Delete => {
                let keys = keys(&call)?;
                self.on_disk(move |mappings| Ok(mappings.file.delete(&keys)?)).await?;
                call.finish(call.reply())
            }
            other => Err(common::action_not_supported(other)),
        }
    }

    async fn enumerate(&self, call: &Call) -> Result<Answer, Fault> {
        common::refuse_selectors_and_filter(call)?;
        let items = self.all().await?.iter().map(item).collect::<Result<Vec<_>, Fault>>()?;
        Ok(Answer::items(items.into_iter()))
    }

    async fn show(&self, keys: MappingKeys, call: &Call) -> Result<Answer, Fault> {
        let all = self.all().await?;
        let mapping = all.iter().find(|mapping| mapping.keys() == keys);
        let mapping = mapping.ok_or_else(|| Fault::from(MappingFault::Missing(keys)))?;
        let mut reply = call.reply();
        write(mapping, reply.body());
        call.finish(reply)
    }

    async fn create(&self, call: &Call) -> Result<Answer, Fault> {
        let keys = keys(call)?;
        let change = Change::read(call.request.require_body(ELEMENT)?, &keys)?;
        let from = call.caller.address();
        let asked = keys.clone();
        self.on_disk(move |mappings| change.create(asked, &mappings, from)).await?;
        let mut reply = call.reply();
        let mut reference = reference(&keys)?;
        if let Some(to) = &call.request.head().to {
            reference.address.clone_from(to);
        }
        write_resource_created(reply.body(), &reference);
        call.finish(reply)
    }

    /// Every mapping as the file has it now.
    async fn all(&self) -> Result<Vec<Mapping>, Fault> {
        let reading = |mappings: Self| {
            mappings.file.reload().map_err(MappingFault::File)?;
            let known = mappings.file.known().map_err(MappingFault::Unusable)?;
            Ok(known.mappings.entries().to_vec())
        };
        self.on_disk(reading).await
    }

    /// Works on a thread that may wait for the disk, and for whoever judges passwords.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> Result<T, MappingFault> + Send + 'static,
    ) -> Result<T, Fault> {
        let mappings = self.clone();
        let worked = tokio::task::spawn_blocking(move || work(mappings)).await;
        Ok(worked.unwrap_or(Err(MappingFault::Interrupted))?)
    }
}

fn keys(call: &Call) -> Result<MappingKeys, Fault> {
    let selectors = &call.request.head().selectors;
    let known = |name: &str| KEYS.iter().any(|key| name.eq_ignore_ascii_case(key));
    if let Some(unknown) = selectors.iter().find(|selector| !known(&selector.name)) {
        return Err(common::unexpected_selector(&unknown.name));
    }
    let value =
        |name| selectors.text(name).ok_or_else(|| common::missing_selector("certificate mapping", name));
    let (issuer, subject, uri) = (value(ISSUER)?, value(SUBJECT)?, value(URI)?);
    Ok(MappingKeys {
        issuer: CertificateThumbprint::parse(issuer).map_err(MappingFault::Issuer)?,
        subject: SubjectPattern::parse(subject).map_err(MappingFault::Subject)?,
        uri: UriPattern::parse(uri).map_err(MappingFault::Uri)?,
    })
}

fn item(mapping: &Mapping) -> Result<Item, Fault> {
    let mut object = Writer::new();
    write(mapping, &mut object);
    Ok(Item { object: object.into_fragment(), reference: Some(reference(&mapping.keys())?) })
}

fn reference(keys: &MappingKeys) -> Result<EndpointReference, Fault> {
    let selectors = SelectorSet::new()
        .with(ISSUER, keys.issuer.to_string())
        .with(SUBJECT, keys.subject.to_string())
        .with(URI, keys.uri.to_string());
    let resource = ResourceUri::parse(RESOURCE)?;
    Ok(EndpointReference { address: namespace::ANONYMOUS.to_owned(), resource, selectors })
}

/// Writes `cfg:CertMapping` as Windows does, without the password.
fn write(mapping: &Mapping, writer: &mut Writer) {
    let Mapping { issuer, subject, uri, user, standing } = mapping;
    writer.start("cfg:CertMapping").namespace("cfg", RESOURCE).attribute("xml:lang", "en-US");
    writer.element("cfg:URI", &uri.to_string());
    writer.element("cfg:Subject", &subject.to_string());
    writer.element("cfg:Issuer", &issuer.to_string());
    writer.element("cfg:UserName", &user.to_string());
    writer.element("cfg:Enabled", if *standing == Standing::Enabled { "true" } else { "false" });
    writer.end();
}

const RESOURCE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/certmapping";
const ELEMENT: &str = "CertMapping";
const ISSUER: &str = "Issuer";
const SUBJECT: &str = "Subject";
const URI: &str = "URI";
const KEYS: [&str; 3] = [ISSUER, SUBJECT, URI];
