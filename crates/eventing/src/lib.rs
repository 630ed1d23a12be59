//! Collector of forwarded events: which sources may use which subscriptions, the store of bookmarks, and the files that
//! receive the events.
//!
//! [`Collector::deliver`] returns only after every event of a batch is stored durably and the bookmark is committed,
//! so that the caller may acknowledge the batch. One thread writes the batches of all sources and synchronises the
//! files once for all batches that wait. A batch that a source repeats, because it has missed the
//! acknowledgement, is not stored again.
//!
//! Sources that the collector has asked to send events use an address with a secret, see [`Expected`].
//!
//! The store is a file of SQLite, or a database of PostgreSQL that several collectors share.
//!
//! Not part of this crate: HTTP, authentication, and the messages themselves (`winevent::delivery`).

mod admission;
mod batch;
mod collector;
mod destination;
mod error;
mod expected;
mod formatting;
mod forwarded_file;
mod identity;
mod offering;
mod output;
mod quarantine;
mod record;
mod source;
mod source_passwords;
mod statistics;
mod store;
mod subscription_folder;
mod subscriptions;
mod writer;

pub use batch::{Batch, Delivered};
pub use collector::{Collector, CollectorParts, FormattedBatch, Offered, PullFailure};
pub use destination::{DestinationSettings, Replay, Replayed};
pub use error::CollectorError;
pub use expected::{Activity, DeliveryRequest, DeliveryTurn, Expected, is_delivery_secret};
pub use forwarded_file::{ForwardedFile, ForwardedLine};
pub use identity::IdentityCheck;
pub use output::{Format, Layout, OutputSettings, Rotation};
pub use source::{Source, SourceKind};
pub use source_passwords::{OpenedPasswords, SourcePasswords};
pub use store::{
    DatabaseSettings, Moved, Occupied, SourceState, StoreReader, StoreSettings, StoredSource,
    StoredSubscription, move_to_database,
};
pub use subscription_folder::SubscriptionFolder;
pub use subscriptions::{CollectorSubscription, Subscriptions};
