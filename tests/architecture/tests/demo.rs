//! Checks that the documents quote what `./demo` shows; `./demo --record` writes the transcripts.

use std::fs;

use telarch_architecture::root;

const BEGIN: &str = "<!-- ./demo --record: begin -->\n";
const END: &str = "<!-- ./demo --record: end -->\n";

#[test]
fn the_recorded_transcript_has_all_scenes_of_the_demo() {
    assert_eq!(recorded("docs/demo.md"), scenes());
}

#[test]
fn the_readme_quotes_scenes_of_the_demo() {
    let scenes = scenes();
    let quoted = recorded("README.md");
    assert!(!quoted.is_empty(), "README.md: no transcript; run ./demo --record");
    for scene in quoted {
        assert!(scenes.contains(&scene), "README.md: the demo has no scene {scene:?}; run ./demo --record");
    }
}

/// Returns the titles of the scenes in the script.
fn scenes() -> Vec<String> {
    let script = read("demo");
    let title = |line: &str| Some(line.trim().strip_prefix("scene \"")?.strip_suffix('"')?.to_owned());
    let scenes: Vec<String> = script.lines().filter_map(title).collect();
    assert!(scenes.len() > 5, "{scenes:?}");
    scenes
}

/// Returns the titles of the scenes in a document.
fn recorded(path: &str) -> Vec<String> {
    let text = read(path);
    let (_, after) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{path}: no line {BEGIN}"));
    let (transcript, _) = after.split_once(END).unwrap_or_else(|| panic!("{path}: no line {END}"));
    let is_title = |line: &&str| !line.starts_with([' ', '`']) && !line.is_empty();
    let titles = transcript.lines().filter(is_title).map(str::to_owned);
    titles.filter(|title| !title.starts_with("Starting the service")).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
