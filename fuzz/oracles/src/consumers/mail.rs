//! Mails for any event, and responses of mail servers.

use std::time::SystemTime;

use consumers::fuzzing::{Field, Mailbox, Message, smtp};

/// Checks that a mail has the intended header and end, wherever a text is inserted.
pub(super) fn text(text: &str) {
    let field = Field::parse(text);
    if let Some(mailbox) = Mailbox::parse(text) {
        let address = mailbox.address();
        assert!(
            address.is_ascii() && !address.contains(|letter: char| letter <= ' ' || "<>,;".contains(letter))
        );
        assert_eq!(Mailbox::parse(address).as_ref().map(Mailbox::address), Some(address));
    }
    let sender = Mailbox::parse("a@b").expect("an address");
    let message = Message {
        from: Mailbox::parse(text).unwrap_or_else(|| sender.clone()),
        reply_to: Vec::new(),
        to: vec![
            sender,
            Mailbox::parse(&format!("{text} <c@d>"))
                .unwrap_or_else(|| Mailbox::parse("c@d").expect("an address")),
        ],
        cc: Vec::new(),
        bcc: vec![Mailbox::parse("nobody.knows@c").expect("an address")],
        fields: field.clone().into_iter().collect(),
        subject: text.to_owned(),
        text: text.to_owned(),
        host: "node7".to_owned(),
    };
    let mail = message.write(SystemTime::UNIX_EPOCH);
    assert!(mail.is_ascii() && !mail.replace("\r\n", "").contains(['\r', '\n', '\0']), "{mail:?}");
    assert!(mail.split("\r\n").all(|line| line.len() <= 998), "{mail:?}");
    let (head, _) = mail.split_once("\r\n\r\n").expect("a head and a body");
    let fields = head.split("\r\n").filter(|line| !line.starts_with(' ')).count();
    // Date, From, To, Subject, Message-ID, Auto-Submitted, which may be that field, and three MIME fields.
    let is_more = field.is_some() && !text.to_ascii_lowercase().starts_with("auto-submitted:");
    assert_eq!(fields, 9 + usize::from(is_more), "{head:?}");
    assert!(!smtp::stuffed(&mail).contains("\r\n.\r\n"), "{mail:?}");
}

/// Checks that a response of a server is read within limits.
pub(super) fn answer(octets: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    if let Ok(answer) = runtime.block_on(smtp::answer(&mut &*octets)) {
        assert!((200..600).contains(&answer.code) && answer.text.len() <= octets.len() * 3);
        let reported = answer.refusal("x").to_string();
        assert!(!reported.contains(char::is_control), "{reported:?}");
    }
}
