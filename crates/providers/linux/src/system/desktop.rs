//! `Win32_Desktop`: desktop settings of users, as stored by GNOME and KDE in their homes.
//!
//! Defaults that a user has not changed are known only to those programs, and are NULL here.

use cim::Value;
use linux::account::User;
use linux::system::dconf::{Database, Setting};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};

/// Desktops of local users who have one.
pub(crate) struct Desktop;

/// Desktop settings of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices {
    /// User name, with the machine before it.
    name: String,
    /// Time between blinks of the cursor, in milliseconds.
    blink: Option<u32>,
    /// Name of a font, and its size in points.
    font: Option<(String, u32)>,
    /// Seconds until the screen goes dark; 0 for never.
    timeout: Option<u32>,
    /// Whether the screen saver is active.
    is_saved: Option<bool>,
    /// Whether it asks for a password.
    is_locked: Option<bool>,
    wallpaper: Option<String>,
    /// Placement of the wallpaper, in the terms of GNOME.
    placement: Option<String>,
}

impl Choices {
    /// Reads the settings of a user; `None` if the user has no desktop.
    fn of(machine: &Machine, user: &User) -> Option<Self> {
        let home = user.home.trim_end_matches('/');
        // Users without a home, or with the root folder as home, have no desktop.
        let home = Some(home).filter(|home| !home.is_empty())?;
        let database = machine.file_of_others(format!("{home}/.config/dconf/user"));
        let gnome = database.ok().and_then(|file| Self::of_gnome(&Database::open(file)?));
        let name = format!("{}\\{}", machine.host_name(), user.name);
        gnome
            .or_else(|| {
                let [lock, global] = ["kscreenlockerrc", "kdeglobals"]
                    .map(|file| machine.text_of_others(format!("{home}/.config/{file}")).ok());
                Self::of_kde(lock.as_deref(), global.as_deref())
            })
            .map(|choices| Self { name, ..choices })
    }

    /// Reads the keys of GNOME's schemas (gsettings(1)); `None` if none was ever changed.
    fn of_gnome(database: &Database) -> Option<Self> {
        let get = |key: &str| database.get(&format!("/org/gnome/desktop/{key}"));
        let text = |key: &str| get(key).as_ref().and_then(Setting::text);
        let number = |key: &str| get(key).as_ref().and_then(Setting::number);
        let timeout = number("session/idle-delay");
        let choices = Self {
            name: String::new(),
            // GNOME stores the length of a whole cycle.
            blink: number("interface/cursor-blink-time").map(|cycle| cycle / 2),
            font: text("interface/font-name").and_then(|font| {
                let (name, size) = font.rsplit_once(' ')?;
                Some((name.to_owned(), size.parse().ok()?))
            }),
            timeout,
            is_saved: timeout.map(|seconds| seconds > 0),
            is_locked: get("screensaver/lock-enabled").as_ref().and_then(Setting::boolean),
            wallpaper: text("background/picture-uri").map(path_of),
            placement: text("background/picture-options"),
        };
        (choices != Self::default()).then_some(choices)
    }

    /// Reads `kscreenlockerrc` and `kdeglobals` of KDE; `None` if neither file exists.
    fn of_kde(locker: Option<&str>, globals: Option<&str>) -> Option<Self> {
        if locker.is_none() && globals.is_none() {
            return None;
        }
        let number =
            |text: Option<&str>, group: &str, key: &str| chosen(text?, group, key)?.parse::<u32>().ok();
        let is_locked = locker.and_then(|text| chosen(text, "Daemon", "Autolock")).map(|says| says == "true");
        Some(Self {
            blink: number(globals, "KDE", "CursorBlinkRate").map(|cycle| cycle / 2),
            // In minutes.
            timeout: number(locker, "Daemon", "Timeout").and_then(|minutes| minutes.checked_mul(60)),
            is_saved: is_locked,
            is_locked,
            ..Self::default()
        })
    }
}

/// Returns the path of a `file:` URI; other URIs unchanged.
fn path_of(uri: String) -> String {
    match uri.strip_prefix("file://") {
        // A URI with percent-encoded characters is not decoded.
        Some(path) if !path.contains('%') => path.to_owned(),
        _ => uri,
    }
}

/// Returns the value of a key in a group of a KDE configuration file (KConfig).
fn chosen<'t>(text: &'t str, group: &str, key: &str) -> Option<&'t str> {
    let mut is_here = false;
    text.lines().find_map(|line| {
        if let Some(name) = line.trim().strip_prefix('[') {
            is_here = name.strip_suffix(']') == Some(group);
            return None;
        }
        let (own, value) = line.split_once('=').filter(|_| is_here)?;
        (own.trim() == key).then_some(value.trim())
    })
}

impl Table for Desktop {
    type Row = Choices;

    const CLASS: &'static str = "Win32_Desktop";

    const COLUMNS: &'static [(&'static str, Fill<Choices>)] = &[
        ("CursorBlinkRate", |_, choices| choices.blink.into()),
        ("IconTitleFaceName", |_, choices| choices.font.as_ref().map(|(name, _)| name.clone()).into()),
        ("IconTitleSize", |_, choices| choices.font.as_ref().map(|(_, size)| *size).into()),
        ("Name", |_, choices| choices.name.clone().into()),
        ("ScreenSaverActive", |_, choices| choices.is_saved.into()),
        ("ScreenSaverSecure", |_, choices| choices.is_locked.into()),
        ("ScreenSaverTimeout", |_, choices| choices.timeout.into()),
        ("Wallpaper", |_, choices| choices.wallpaper.clone().into()),
        ("WallpaperStretched", |_, choices| lies(choices, "stretched")),
        ("WallpaperTiled", |_, choices| lies(choices, "wallpaper")),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Choices>, ProviderError> {
        let users = machine.users().complete().map_err(failure)?;
        Ok(users.into_iter().filter_map(|user| Choices::of(machine, &user)))
    }
}

fn lies(choices: &Choices, placement: &str) -> Value {
    choices.placement.as_ref().map(|own| own == placement).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kde_settings_are_read_by_group() {
        let locker = "[$Version]\nTimeout=1\n\n[Daemon]\nAutolock=false\nTimeout=10\n[Greeter]\nTimeout=2\n";
        let choices = Choices::of_kde(Some(locker), Some("[KDE]\nCursorBlinkRate=1000\n"));
        let expected = Choices {
            blink: Some(500),
            timeout: Some(600),
            is_saved: Some(false),
            is_locked: Some(false),
            ..Choices::default()
        };
        assert_eq!(choices, Some(expected));
        assert_eq!(Choices::of_kde(None, None), None);
    }
}
