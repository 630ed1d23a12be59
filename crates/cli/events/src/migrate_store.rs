//! `telarch events migrate-store`.

use cli_command::{Action, Arguments, Failure, Opt, Scope, Value};
use eventing::{Occupied, move_to_database};

use crate::StorePlace;

/// The action `migrate-store`.
pub(crate) const MIGRATE_STORE_ACTION: Action = Action::new(
    "migrate-store",
    &[(
        "",
        "move subscriptions, sources and bookmarks from events.sqlite to the database of event-store.toml; the collector \
         must not run",
    )],
);

/// Replaces the content of the database.
pub(crate) static REPLACE: Opt =
    Opt::new("replace", Value::None, "replace the subscriptions, sources and bookmarks in the database")
        .only_with(&[Scope::Action("migrate-store")]);

/// Runs `migrate-store`.
pub(crate) fn run(place: &StorePlace, arguments: &Arguments) -> Result<String, Failure> {
    let file = place.folder.join("events.sqlite");
    let occupied = if arguments.is_given(&REPLACE) { Occupied::Replace } else { Occupied::Refuse };
    let moved = move_to_database(&file, &place.settings, occupied);
    let moved = moved.map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(format!(
        "moved {} subscriptions, {} sources and {} bookmarks to {}\nthe file is now {}; remove it when the collector works\n",
        moved.subscriptions,
        moved.sources,
        moved.bookmarks,
        place.settings.name(),
        moved.renamed.display(),
    ))
}
