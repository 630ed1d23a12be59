use std::fs;
use std::path::Path;

use telarch_config::{Config, Kind, Mutability, Preset, Setting};

/// Returns the rows of the table in `docs/settings.md`, split into cells.
fn rows() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    let text = fs::read_to_string(&path).unwrap();
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    let (_, defaults) = text.split_once("## Defaults").unwrap();
    defaults.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

#[test]
fn the_table_of_settings_matches_the_schema() {
    let rows = rows();
    assert_eq!(rows.len(), Setting::all().len());
    for (row, setting) in rows.iter().zip(Setting::all()) {
        let [path, about, values, article, windows, ours, why] = &row[..] else { panic!("{row:?}") };
        let fixed = match setting.mutability() {
            Mutability::Writable => "",
            Mutability::ReadOnly => ", read-only",
            Mutability::Deprecated => ", deprecated",
            Mutability::FileOnly => ", in the file only",
        };
        assert_eq!(path, setting.path());
        assert_eq!(about, setting.about(), "{path}");
        assert_eq!(*values, format!("{}{fixed}", values_of(setting.kind())), "{path}");
        assert_eq!(*ours, shown(setting, &Preset::Telarch.config()), "{path}");
        let of_article = shown(setting, &Preset::Winrm20.config());
        assert!(
            *article == of_article || (article == "not named" && *ours == of_article),
            "{path}: {article}"
        );
        if !["none", "has none"].contains(&windows.as_str()) {
            Config::default().enforce(path, windows).unwrap();
        }
        assert!(why.is_empty() || why.ends_with('.'), "{path}: {why}");
        assert!(ours == windows || !why.is_empty(), "{path} differs from Windows without a reason");
    }
}

fn values_of(kind: Kind) -> String {
    match kind {
        Kind::Text { .. } => "see above".to_owned(),
        Kind::Number { unit: "", .. } => kind.expected().into_owned(),
        Kind::Number { unit, .. } => format!("{} ({unit})", kind.expected()),
        _ => kind.expected().into_owned(),
    }
}

fn shown(setting: &Setting, config: &Config) -> String {
    let value = setting.show(config);
    if value.is_empty() { "none".to_owned() } else { value.into_owned() }
}
