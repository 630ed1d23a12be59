//! Responses as the service writes them, directly into the buffer that is sent.

use xml::Writer;

use crate::eventing::write_bookmark;
use crate::fault::{Detail, Fault, Subcode, code};
use crate::namespace::{A, ANONYMOUS, B, Declared, E, N, P, RSP, S, W, X};
use crate::{Action, Head, Omission, Uuid, partial_results};

/// Response being written: the headers are complete, the body is open.
#[derive(Debug)]
pub struct Reply {
    writer: Writer,
}

impl Reply {
    /// Starts the response to a request, with the namespace declarations that Windows uses for its action.
    #[must_use]
    pub fn to(request: &Head, message_id: Uuid) -> Self {
        Self::with_omissions(request, message_id, &[])
    }

    /// Starts the response to a request, with a header that names missing sources, if there are any.
    #[must_use]
    pub fn with_omissions(request: &Head, message_id: Uuid, omissions: &[Omission]) -> Self {
        Self::with_events(request, message_id, omissions, None)
    }

    /// Starts the response to a request for events. `bookmark` is the position behind them, as XML.
    #[must_use]
    pub fn with_events(
        request: &Head,
        message_id: Uuid,
        omissions: &[Omission],
        bookmark: Option<&str>,
    ) -> Self {
        if request.action == Action::Identify {
            return Self::without_headers();
        }
        let action = request.action.response_uri();
        let mut writer = begin(declared_for(&request.action));
        write_headers(&mut writer, &action, Some(request), Some(&request.message_id), message_id);
        // The response to a fragment request repeats the header (DSP0226 7.7).
        if let Some(fragment) = &request.fragment {
            fragment.write(&mut writer);
        }
        partial_results::write(&mut writer, omissions);
        if let Some(bookmark) = bookmark {
            write_bookmark(&mut writer, bookmark);
        }
        writer.end().start("s:Body");
        Self { writer }
    }

    /// Writer for the body.
    pub fn body(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// Number of bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writer.len()
    }

    /// Always `false`, because the headers are already written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Completes the response.
    ///
    /// # Errors
    /// `w:EncodingLimit` if it exceeds `limit` bytes; it is never truncated.
    pub fn finish(self, limit: u32) -> Result<String, Fault> {
        let text = self.writer.finish();
        if u32::try_from(text.len()).is_ok_and(|octets| octets <= limit) {
            return Ok(text);
        }
        Err(Fault::new(
            Subcode::EncodingLimit,
            code::MAX_ENVELOPE_SIZE_EXCEEDED,
            format!(
                "the response has {} bytes and the limit is {limit}: \
                 increase MaxEnvelopeSize of the request or MaxEnvelopeSizekb of the service",
                text.len()
            ),
        )
        .with_detail(Detail::MAX_ENVELOPE_SIZE))
    }

    fn without_headers() -> Self {
        let mut writer = Writer::with_capacity(1_024);
        writer.start("s:Envelope").attribute("xml:lang", "en-US").namespace(S.0, S.1);
        writer.start("s:Header").end_empty().start("s:Body");
        Self { writer }
    }
}

impl Fault {
    /// Returns the complete fault message; the message it relates to may be unknown.
    #[must_use]
    pub fn envelope(&self, request: Option<&Head>, relates_to: Option<&str>, message_id: Uuid) -> String {
        let mut writer = match self.subcode() {
            // Windows does not declare this prefix, but the subcode needs it.
            Subcode::PolymorphismModeNotSupported => begin(&[S, A, X, E, N, W, P, B]),
            _ => begin(&[S, A, X, E, N, W, P]),
        };
        let relates_to = relates_to.or(request.map(|head| head.message_id.as_str()));
        write_headers(&mut writer, &self.action(), request, relates_to, message_id);
        self.write_headers(&mut writer);
        writer.end().start("s:Body");
        self.write_body(&mut writer);
        writer.finish()
    }
}

fn begin(namespaces: &[Declared]) -> Writer {
    let mut writer = Writer::with_capacity(2_048);
    writer.start("s:Envelope").attribute("xml:lang", "en-US");
    for (prefix, uri) in namespaces {
        writer.namespace(prefix, uri);
    }
    writer.start("s:Header");
    writer
}

/// Writes the headers in the order of Windows, because some clients match them as text.
fn write_headers(
    writer: &mut Writer,
    action: &str,
    request: Option<&Head>,
    relates_to: Option<&str>,
    message_id: Uuid,
) {
    writer.element("a:Action", action);
    writer.start("a:MessageID").text("uuid:").text(&message_id.to_string()).end();
    if let Some(head) = request {
        for (name, value) in [("p:OperationID", &head.operation_id), ("p:SequenceId", &head.sequence_id)] {
            if let Some(value) = value {
                writer.start(name).attribute("s:mustUnderstand", "false").text(value).end();
            }
        }
    }
    writer.element("a:To", ANONYMOUS);
    if let Some(relates_to) = relates_to.filter(|id| !id.is_empty()) {
        writer.element("a:RelatesTo", relates_to);
    }
}

fn declared_for(action: &Action) -> &'static [Declared] {
    use crate::ShellVerb::Receive;
    match action {
        Action::Create | Action::Shell(_) if *action != Action::Shell(Receive) => &[S, A, X, W, RSP, P],
        Action::Shell(_) => &[S, A, W, RSP, P],
        Action::Delete => &[S, A, W, P],
        Action::Enumerate | Action::Pull | Action::Release => &[S, A, N, W, P],
        Action::Subscribe | Action::Renew | Action::GetStatus | Action::Unsubscribe => &[S, A, E, N, W, P],
        _ => &[S, A, X, W, P],
    }
}
