//! Product code is written in plain technical English; CONTRIBUTING.md has the rules.

use telarch_architecture::language::{Language, Place};
use telarch_architecture::root;

/// Doc comments that begin with a pronoun or a question word, per thousand lines of doc comments.
const OPENINGS: f64 = 5.0;
/// Pronouns in place of nouns, per thousand lines of doc comments.
const PRONOUNS: f64 = 1.0;
/// Closures with a name, per thousand lines of code.
const CLOSURES: f64 = 1.0;

fn product() -> Language {
    Language::of(&root(), &["crates", "programs", "python/src"])
}

fn require_at_most(bound: f64, places: &[Place], lines: usize, rule: &str) {
    let figure = Language::per_thousand(places, lines);
    let list: Vec<_> = places
        .iter()
        .map(|place| format!("  {}:{}: {}", place.path.display(), place.line, place.text))
        .collect();
    assert!(figure <= bound, "{rule}: {figure:.2} per 1000 lines, at most {bound}\n{}", list.join("\n"));
}

#[test]
fn doc_comments_begin_with_a_noun_or_a_verb() {
    let product = product();
    assert!(product.doc_lines > 10_000, "only {} lines were read", product.doc_lines);
    require_at_most(OPENINGS, &product.openings, product.doc_lines, "begin with the thing or with a verb");
}

#[test]
fn doc_comments_name_who_acts() {
    let product = product();
    require_at_most(PRONOUNS, &product.pronouns, product.doc_lines, "name the client, caller or provider");
}

#[test]
fn predicates_neither_fail_nor_change_anything() {
    let product = product();
    require_at_most(
        0.0,
        &product.predicates,
        product.code_lines,
        "use a verb such as require_, check_ or mark_",
    );
}

#[test]
fn named_closures_are_rare() {
    let product = product();
    require_at_most(CLOSURES, &product.closures, product.code_lines, "use a function");
}

#[test]
fn messages_name_the_thing() {
    let product = product();
    require_at_most(0.0, &product.messages, product.code_lines, "say what failed, why, and what to do");
}
