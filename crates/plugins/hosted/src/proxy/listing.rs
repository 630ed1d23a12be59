//! Lists of the objects of all hosts of a caller: the ordinary one, and those of endpoints that run as another account.

use std::collections::VecDeque;
use std::sync::Arc;

use service::{Answer, BoxFuture, Call, Content, Item, Items};
use wsman::{Action, Fault, Omission, Subcode};

use super::{HostedPlugin, protocol_error};

impl HostedPlugin {
    /// Returns whether a call concerns the objects of all hosts of its caller.
    pub(super) fn is_listing(&self, call: &Call) -> bool {
        let head = call.request.head();
        let is_listed = |uri: &str| self.listings.iter().any(|listing| uri == listing.uri);
        matches!(head.action, Action::Get | Action::Enumerate)
            && head.resource.as_ref().is_some_and(|uri| is_listed(uri.as_str()))
    }

    /// Answers a call from all hosts of its caller.
    pub(super) async fn list(&self, call: &Call) -> Result<Answer, Fault> {
        let is_list = call.operation.enumerate().is_some_and(|enumerate| enumerate.filter.is_none());
        let own = self.forward(call, None).await;
        if !is_list && !may_be_elsewhere(&own) {
            return own;
        }
        let endpoints = self.hosts.run_as_hosts(Arc::clone(&call.caller)).await?;
        match is_list && !endpoints.is_empty() {
            true => self.enumerate_all(call, own, endpoints).await,
            false => self.find(call, own, endpoints).await,
        }
    }

    /// Returns the items of all hosts. An endpoint whose host fails is reported as missing.
    async fn enumerate_all(
        &self,
        call: &Call,
        own: Result<Answer, Fault>,
        endpoints: Vec<String>,
    ) -> Result<Answer, Fault> {
        let mut all = JoinedItems::default();
        match own {
            Ok(answer) => all.add(answer)?,
            // An account that is not a user of this machine has pools of other accounts only.
            Err(fault) if *fault.subcode() == Subcode::AccessDenied => {}
            Err(fault) => return Err(fault),
        }
        for endpoint in endpoints {
            match self.forward(call, Some(endpoint.clone())).await {
                Ok(answer) => all.add(answer)?,
                Err(fault) => {
                    tracing::debug!(endpoint, %fault, "Cannot list the objects of an endpoint");
                    all.omissions.push(Omission { source: endpoint, reason: fault.to_string() });
                }
            }
        }
        Ok(Answer::items(all))
    }

    /// Returns the answer of the first host that knows the object.
    async fn find(
        &self,
        call: &Call,
        own: Result<Answer, Fault>,
        endpoints: Vec<String>,
    ) -> Result<Answer, Fault> {
        let mut last = own;
        for endpoint in endpoints {
            if !may_be_elsewhere(&last) {
                break;
            }
            last = self.forward(call, Some(endpoint)).await;
        }
        last
    }
}

/// Returns whether a host does not know the object, or the caller has no host of its own.
fn may_be_elsewhere(answer: &Result<Answer, Fault>) -> bool {
    match answer {
        Ok(_) => false,
        Err(fault) => matches!(fault.subcode(), Subcode::InvalidSelectors | Subcode::AccessDenied),
    }
}

/// The items of several hosts, one after the other.
#[derive(Default)]
struct JoinedItems {
    parts: VecDeque<Box<dyn Items>>,
    omissions: Vec<Omission>,
}

impl JoinedItems {
    /// Adds the items of a host.
    ///
    /// # Errors
    /// A fault if the host has answered Enumerate with something else.
    fn add(&mut self, answer: Answer) -> Result<(), Fault> {
        match answer.into_parts() {
            (Content::Items(items), _) => self.parts.push_back(items),
            _ => return Err(protocol_error()),
        }
        Ok(())
    }
}

impl Items for JoinedItems {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            while let Some(part) = self.parts.front_mut() {
                if let Some(item) = part.next().await {
                    return Some(item);
                }
                self.omissions.extend(part.take_omissions());
                self.parts.pop_front();
            }
            None
        })
    }

    fn take_omissions(&mut self) -> Vec<Omission> {
        let mut omissions = std::mem::take(&mut self.omissions);
        if let Some(part) = self.parts.front_mut() {
            omissions.extend(part.take_omissions());
        }
        omissions
    }
}
