//! Mappings of client certificates: instances with the keys Issuer, Subject and URI (MS-WSMV section 3.1.4.1.35).
//!
//! The password of the account can be written, but not read.

mod change;
mod fault;
mod store;

use std::sync::Arc;

use auth::account_file::EnabledState;
use auth::certificate_mapping::{
    CertificateThumbprint, Mapping, MappingChange, MappingChangeError, MappingKeys, SubjectPattern,
    UriPattern,
};
use service::{Answer, Call, Caller, Item};
use wsman::{
    Action, EndpointReference, Fault, OptionSet, ResourceUri, SelectorSet, namespace, write_resource_created,
};
use xml::Writer;

use self::fault::MappingFault;
pub use self::store::{MappingStore, MappingStoreError};
use crate::fault as common;

/// Resource `winrm/config/service/certmapping`.
#[derive(Clone)]
pub(crate) struct Mappings(pub(crate) Arc<dyn MappingStore>);

impl Mappings {
    pub(crate) async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        match &call.request.head().action {
            Action::Enumerate => self.enumerate(&call).await,
            Action::Get => self.show(keys(&call)?, &call).await,
            Action::Put => {
                let keys = keys(&call)?;
                let fields = change::read(call.request.require_body(ELEMENT)?, &keys)?;
                self.change(MappingChange::Put(keys.clone(), fields), &call).await?;
                self.show(keys, &call).await
            }
            Action::Create => self.create(&call).await,
            Action::Delete => {
                self.change(MappingChange::Delete(keys(&call)?), &call).await?;
                call.finish(call.reply())
            }
            other => Err(common::action_not_supported(other)),
        }
    }

    async fn enumerate(&self, call: &Call) -> Result<Answer, Fault> {
        common::refuse_selectors_and_filter(call)?;
        let items = self.all(call).await?.iter().map(item).collect::<Result<Vec<_>, Fault>>()?;
        Ok(Answer::items(items.into_iter()))
    }

    async fn show(&self, keys: MappingKeys, call: &Call) -> Result<Answer, Fault> {
        let all = self.all(call).await?;
        let mapping = all.iter().find(|mapping| mapping.keys() == keys);
        let mapping =
            mapping.ok_or_else(|| Fault::from(MappingFault::from(MappingChangeError::Missing(keys))))?;
        let mut reply = call.reply();
        write(mapping, reply.body());
        call.finish(reply)
    }

    async fn create(&self, call: &Call) -> Result<Answer, Fault> {
        let keys = keys(call)?;
        let fields = change::read(call.request.require_body(ELEMENT)?, &keys)?;
        self.change(MappingChange::Create(keys.clone(), fields), call).await?;
        let mut reply = call.reply();
        let mut reference = reference(&keys)?;
        if let Some(to) = &call.request.head().to {
            reference.address.clone_from(to);
        }
        write_resource_created(reply.body(), &reference);
        call.finish(reply)
    }

    async fn all(&self, call: &Call) -> Result<Vec<Mapping>, Fault> {
        self.call(call, |store, caller| store.all(caller)).await
    }

    /// Makes a change, or only checks it if the client asks for that; the password is not verified then.
    async fn change(&self, change: MappingChange, call: &Call) -> Result<(), Fault> {
        if call.request.head().options.contains(OptionSet::VALIDATE_ONLY) {
            let all = self.all(call).await?;
            return change.check(&all).map_err(|error| MappingFault::from(error).into());
        }
        self.call(call, |store, caller| store.change(caller, change)).await
    }

    /// Calls the store on a thread that may wait for the disk and for the verification of a password.
    async fn call<T: Send + 'static>(
        &self,
        call: &Call,
        operation: impl FnOnce(&dyn MappingStore, &Caller) -> Result<T, MappingStoreError> + Send + 'static,
    ) -> Result<T, Fault> {
        let (store, caller) = (Arc::clone(&self.0), Arc::clone(&call.caller));
        let result = tokio::task::spawn_blocking(move || operation(store.as_ref(), &caller)).await;
        Ok(result.map_err(|_| MappingFault::Interrupted)?.map_err(MappingFault::from)?)
    }
}

fn keys(call: &Call) -> Result<MappingKeys, Fault> {
    let selectors = &call.request.head().selectors;
    let mut all = selectors.iter();
    let unknown = all.find(|selector| !KEYS.iter().any(|key| selector.name.eq_ignore_ascii_case(key)));
    if let Some(unknown) = unknown {
        return Err(common::unexpected_selector(&unknown.name));
    }
    let [issuer, subject, uri] = KEYS
        .map(|key| selectors.text(key).ok_or_else(|| common::missing_selector("certificate mapping", key)));
    // A missing selector is reported before an invalid one.
    let (issuer, subject, uri) = (issuer?, subject?, uri?);
    Ok(MappingKeys {
        issuer: CertificateThumbprint::parse(issuer).map_err(MappingFault::Issuer)?,
        subject: SubjectPattern::parse(subject).map_err(MappingFault::Subject)?,
        uri: UriPattern::parse(uri).map_err(MappingFault::Uri)?,
    })
}

fn item(mapping: &Mapping) -> Result<Item, Fault> {
    let mut object = Writer::new();
    write(mapping, &mut object);
    Ok(Item { object: object.into_fragment(), reference: Some(reference(&mapping.keys())?), bookmark: None })
}

fn reference(keys: &MappingKeys) -> Result<EndpointReference, Fault> {
    let selectors = SelectorSet::new()
        .with(ISSUER, keys.issuer.to_string())
        .with(SUBJECT, keys.subject.to_string())
        .with(URI, keys.uri.to_string());
    let resource = ResourceUri::parse(RESOURCE)?;
    Ok(EndpointReference { address: namespace::ANONYMOUS.to_owned(), resource, selectors })
}

/// Writes `cfg:CertMapping` like Windows, without the password.
fn write(mapping: &Mapping, writer: &mut Writer) {
    let Mapping { issuer, subject, uri, user, state } = mapping;
    writer.start("cfg:CertMapping").namespace("cfg", RESOURCE).attribute("xml:lang", "en-US");
    writer.element("cfg:URI", &uri.to_string());
    writer.element("cfg:Subject", &subject.to_string());
    writer.element("cfg:Issuer", &issuer.to_string());
    writer.element("cfg:UserName", &user.to_string());
    writer.element("cfg:Enabled", if *state == EnabledState::Enabled { "true" } else { "false" });
    writer.end();
}

const RESOURCE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/certmapping";
const ELEMENT: &str = "CertMapping";
const ISSUER: &str = "Issuer";
const SUBJECT: &str = "Subject";
const URI: &str = "URI";
const KEYS: [&str; 3] = [ISSUER, SUBJECT, URI];
