//! Queries, answered by providers with and without key lookup.

use std::cell::LazyCell;
use std::sync::Arc;

use cim::wql;
use cim::{Instance, Name, Namespace, ObjectPath, Value, mof};
use wmi::{Context, Engine, Lookup, Outcome, Provider, ProviderError, Scan, Sink};

/// Checks that a query returns the same rows whether a provider looks them up by key or enumerates all rows,
/// that no row is returned twice unless several associations lead to it, and that nothing panics.
///
/// # Panics
/// If a property does not hold.
pub fn query(octets: &[u8]) {
    thread_local! {
        static MACHINES: LazyCell<(tokio::runtime::Runtime, [Engine; 2])> = LazyCell::new(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            (runtime.expect("a runtime"), [Finding::ByKeys, Finding::ByLooking].map(engine))
        });
    }
    let Ok(text) = std::str::from_utf8(octets) else { return };
    // Most generated inputs are not valid queries and are rejected early.
    let Ok(query) = wql::parse(text) else { return };
    let [by_keys, by_looking] = MACHINES.with(|machines| {
        let (runtime, engines) = &**machines;
        engines.each_ref().map(|engine| runtime.block_on(answer(engine, text)))
    });
    assert_eq!(by_keys, by_looking, "{text}");
    if let Ok(mut rows) = by_keys {
        let count = rows.len();
        rows.dedup();
        assert!(
            rows.len() == count || matches!(query, wql::Query::Associators(_)),
            "{text}: a row came twice: {rows:#?}"
        );
        assert!(!rows.iter().any(|row| row.contains("panicked")), "{text}: {rows:#?}");
    }
}

/// Returns the sorted result of a query.
async fn answer(engine: &Engine, text: &str) -> Result<Vec<String>, String> {
    let context = Context::of_this_process("alice");
    let mut all = match engine.run(&context, &namespace(), text).map_err(|error| error.to_string())? {
        Outcome::Classes(classes) => classes.iter().map(|class| class.name().to_string()).collect(),
        Outcome::Rows(mut rows, names) => {
            let mut all = Vec::new();
            while let Some(row) = rows.next().await {
                match row {
                    Ok(row) => all.push(shown(&row, names.as_deref())),
                    // Without key lookup, the engine assumes that the source of an association query exists.
                    Err(wmi::Error::NotFound(_)) => {}
                    Err(error) => all.push(error.to_string()),
                }
            }
            all
        }
    };
    all.sort();
    Ok(all)
}

/// Formats the selected properties of a row, with its path.
fn shown(row: &Instance, names: Option<&[Name]>) -> String {
    let class = row.class();
    let is_asked = |name: &Name| names.is_none_or(|names| names.contains(name));
    let mut text = row.path().map_or_else(|error| error.to_string(), |path| path.to_string());
    for property in class.properties().iter().filter(|property| is_asked(&property.name)) {
        text += &format!(" {}={:?}", property.name, row.value(property.name.as_str()));
    }
    text
}

fn namespace() -> Namespace {
    Namespace::parse("root/site").expect("it is one")
}

/// Returns an engine with things, parts (which are things), and links between them.
fn engine(finding: Finding) -> Engine {
    let text = "class Site_Thing { [Key] string Name; [Key] uint32 Id; boolean Flag; string Text; datetime When; \
        sint32 Many[]; };\nclass Site_Part : Site_Thing { real64 Size; };\n\
        [Association] class Site_Link { [Key] Site_Thing REF Whole; [Key] Site_Thing REF Part; uint32 Weight; };";
    let items = mof::parse(text).expect("the text is right");
    let classes: Vec<_> = items
        .into_iter()
        .filter_map(|item| if let mof::Item::Class(class) = item { Some(class) } else { None })
        .collect();
    let builder =
        Engine::builder("node7", 60).declare(&namespace(), &classes).expect("the classes are right");
    builder.provider(Arc::new(Fixture { finding })).build().expect("they are there")
}

/// Lookup strategy of the provider.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finding {
    ByKeys,
    ByLooking,
}

struct Fixture {
    finding: Finding,
}

impl Fixture {
    fn rows(class: &Arc<cim::Class>) -> Result<Vec<Instance>, ProviderError> {
        let row = || Instance::new(class.clone());
        let thing = |name: &'static str, id: u32| row().with("Name", name)?.with("Id", id);
        Ok(match class.name().as_str() {
            "Site_Thing" => vec![
                thing("a", 1)?.with("Flag", true)?.with("Text", "größe")?.with("Many", vec![1, -2])?,
                thing("a", 2)?.with("Flag", false)?.with("Text", "")?,
                thing("\"B\\\u{ff5e}", 0)?,
            ],
            "Site_Part" => vec![
                thing("A", u32::MAX)?.with("Size", 0.1)?.with("Text", "%_[")?,
                thing("", 1)?.with("Many", Vec::<i32>::new())?.with("Size", -0.0)?,
            ],
            _ => {
                let path = |text: &str| ObjectPath::parse(text);
                let (one, two) =
                    (path("Site_Thing.Name=\"a\",Id=1")?, path("Site_Part.Name=\"A\",Id=4294967295")?);
                let gone = path("Site_Thing.Name=\"gone\",Id=7")?;
                let link = |whole: &ObjectPath, part: &ObjectPath| {
                    row().with("Whole", whole.clone())?.with("Part", part.clone())
                };
                vec![link(&one, &two)?.with("Weight", 3_u32)?, link(&two, &two)?, link(&one, &gone)?]
            }
        })
    }
}

impl Provider for Fixture {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        let class = |name| (namespace(), Name::parse(name).expect("it is one"));
        ["Site_Thing", "Site_Part", "Site_Link"].map(class).into()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let pinned = match self.finding {
            Finding::ByKeys => ["Text", "Id"].map(|name| Some((scan.pinned(&[name])?, name))),
            Finding::ByLooking => [None, None],
        };
        for row in Self::rows(scan.class())? {
            let is_one = |(values, name): &(Vec<Vec<Value>>, &str)| {
                let own = row.value(name).cloned().unwrap_or_default();
                values.iter().flatten().any(|value| same(value, &own))
            };
            if pinned.iter().flatten().all(is_one) {
                rows.push(row)?;
            }
        }
        Ok(())
    }

    fn get(&self, lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        let has_references = lookup.class.name() == "Site_Link";
        if self.finding == Finding::ByLooking || has_references {
            return Err(ProviderError::NotCapable);
        }
        let is_it = |row: &Instance| {
            let mut keys = row.class().keys().iter().zip(lookup.keys);
            keys.all(|(key, value)| same(row.at(*key), value))
        };
        Ok(Self::rows(lookup.class)?.into_iter().find(is_it))
    }
}

/// Compares values; texts case-insensitively.
fn same(left: &Value, right: &Value) -> bool {
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => wql::equal(left, right),
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_association_of_an_instance_with_itself_is_one_reference() {
        for finding in [Finding::ByKeys, Finding::ByLooking] {
            let query = "REFERENCES OF {Site_Part.Name='A',Id=4294967295}";
            let rows = answer(&engine(finding), query).await.expect("the query is right");
            assert_eq!(rows.len(), 2, "{rows:#?}");
        }
    }
}
