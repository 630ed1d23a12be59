//! Eventing messages of both ends.

use std::time::Duration;

use telarch_wsman::enumeration::Filter;
use telarch_wsman::eventing::{
    Subscribe, SubscribeResponse, write_dropped_events, write_get_status, write_renew, write_status,
    write_unsubscribe,
};
use telarch_wsman::{Action, Head, Reply, ResourceUri, namespace};
use xml::Writer;

use super::{ENDPOINT, golden, message_id, request_id};

const IDENTIFIER: &str = "C0FFEE00-0000-4000-8000-000000000002";
const EVENTS: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*";

#[test]
fn subscribe_in_pull_mode() {
    let filter = Filter {
        dialect: namespace::DIALECT_WQL.to_owned(),
        text: "SELECT * FROM __InstanceCreationEvent WITHIN 5 WHERE TargetInstance ISA 'Win32_Process'"
            .to_owned(),
        ..Filter::default()
    };
    let subscribe = Subscribe { expires: Some(Duration::from_secs(600)), ..Subscribe::pull(filter) };
    golden("subscribe.xml", &head(Action::Subscribe).envelope(&[], |body| subscribe.write(body)));
}

#[test]
fn renew_get_status_and_unsubscribe_have_the_identifier() {
    let about = |action| {
        let mut head = head(action);
        head.subscription = Some(IDENTIFIER.to_owned());
        head
    };
    let longer = Some(Duration::from_secs(600));
    golden("renew.xml", &about(Action::Renew).envelope(&[], |body| write_renew(body, longer)));
    golden("get-status.xml", &about(Action::GetStatus).envelope(&[], write_get_status));
    golden("unsubscribe.xml", &about(Action::Unsubscribe).envelope(&[], write_unsubscribe));
}

#[test]
fn subscribe_response_has_identifier_and_context() {
    let text = reply(Action::Subscribe, |body| {
        let subscribed = SubscribeResponse {
            identifier: IDENTIFIER.to_owned(),
            expires: Some(Duration::from_secs(600)),
            context: Some(format!("uuid:{IDENTIFIER}")),
        };
        subscribed.write(body, Some(ENDPOINT), &ResourceUri::parse(EVENTS).unwrap());
    });
    golden("subscribe-response.xml", &text);
}

#[test]
fn renew_response_has_the_expiration() {
    let expires = Some(Duration::from_secs(600));
    let text = reply(Action::Renew, |body| write_status(body, "e:RenewResponse", expires));
    golden("renew-response.xml", &text);
}

#[test]
fn dropped_events_are_reported_among_the_events() {
    let text = reply(Action::Pull, |body| {
        body.start("n:PullResponse").start("n:Items");
        write_dropped_events(body, 12);
        body.end().end();
    });
    golden("pull-dropped-response.xml", &text);
}

fn head(action: Action) -> Head {
    let mut head = Head::new(action, message_id());
    head.to = Some(ENDPOINT.to_owned());
    head.resource = Some(ResourceUri::parse(EVENTS).unwrap());
    head
}

fn reply(action: Action, write: impl FnOnce(&mut Writer)) -> String {
    let mut request = head(action);
    request.message_id = format!("uuid:{}", request_id());
    let mut reply = Reply::to(&request, message_id());
    write(reply.body());
    reply.finish(u32::MAX).unwrap()
}
