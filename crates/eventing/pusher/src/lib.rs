//! Push delivery of events to subscribers (DSP0226 10.2.9): the modes Push, PushWithAck and Events.
//!
//! A plug-in asks [`Pusher::admit`] whether and how a subscriber receives events, opens its events as [`service::Items`], and
//! passes them to [`Delivery::deliver`]. In a push mode a task of this process then sends the events to the address
//! that the subscriber has named. A message is repeated until the subscriber has accepted it; meanwhile the plug-in
//! waits or drops events, as for a subscriber that does not pull. In the mode Pull the service delivers the events.
//!
//! The service connects to any address that a subscriber names, as far as the settings `Client/…` permit. The
//! subscriber is an authenticated user with access to the events. Responses are bounded, and nothing of them is
//! returned to the subscriber. Credentials are those of the request or, if the subscriber
//! requires Kerberos or a certificate, those of the settings; they are used at the server for events only.

#![forbid(unsafe_code)]

mod batch;
mod delivery;
mod error;
mod events;
mod pusher;
mod request;
mod send_error;
mod sink;

pub use pusher::{Delivery, Pusher};
