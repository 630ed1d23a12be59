//! Contents as MOF text, the stored form.

use std::path::Path;

use cim::Namespace;
use cim::mof::{self, InstanceDeclaration, Item, Located};
use cim::wql::equal;

use crate::compiler::namespace_of;
use crate::{Contents, Error, Existing, Place, Problem};

/// Header of the file.
const HEAD: &str = "\
// WMI repository of this machine: classes and instances added to the built-in ones.
// Written by telarch mofcomp, which does not preserve comments.

";

/// Pragma that sets the security descriptor of the namespace; other compilers ignore unknown pragmas.
const SECURITY: &str = "security";

/// Parses text produced by [`write()`]; `path` is named in errors.
///
/// # Errors
/// The first item that is not valid, with its position.
pub fn read(path: &Path, text: &str) -> Result<Contents, Error> {
    let mut contents = Contents::default();
    let mut namespace: Option<Namespace> = None;
    let start = Place { file: path.to_owned(), line: 1, column: 1 };
    let items = mof::parse_located(text).map_err(|error| Problem::Model(error).at(start.clone()))?;
    for Located { item, line, column } in items {
        put(&mut contents, &mut namespace, &item)
            .map_err(|problem| problem.at(Place { line, column, ..start.clone() }))?;
    }
    Ok(contents)
}

fn put(contents: &mut Contents, namespace: &mut Option<Namespace>, item: &Item) -> Result<(), Problem> {
    if let Item::Pragma { name, arguments } = item
        && equal(name, "namespace")
    {
        let next = namespace_of(name, arguments)?;
        contents.make_namespace(&next)?;
        *namespace = Some(next);
        return Ok(());
    }
    let namespace = namespace.as_ref().ok_or_else(|| Problem::Pragma {
        name: "namespace".to_owned(),
        problem: "missing before the first item".to_owned(),
    })?;
    match item {
        Item::Pragma { name, arguments } if equal(name, SECURITY) => {
            let text = arguments.first().map(String::as_str).unwrap_or_default();
            contents.secure(namespace, sddl::Guard::parse(text)?);
        }
        Item::Class(declaration) => {
            contents.put_class(namespace, declaration, Existing::Refuse)?;
        }
        Item::Instance(declaration) => {
            let schema = contents.namespace(namespace)?.schema();
            let instance = declaration.resolve(schema, &|_| None)?;
            contents.put_instance(namespace, instance, Existing::Refuse)?;
        }
        Item::Pragma { name, .. } => {
            let problem = "not allowed in a repository file".to_owned();
            return Err(Problem::Pragma { name: name.clone(), problem });
        }
        Item::Qualifier(_) => {}
    }
    Ok(())
}

/// Returns the text of all added items, in an order independent of how they were added; optionally
/// only those of one namespace.
#[must_use]
pub fn write(contents: &Contents, only: Option<&Namespace>) -> String {
    let mut items = Vec::new();
    for (namespace, stored) in contents.namespaces() {
        let is_empty = stored.is_builtin()
            && stored.descriptor().is_none()
            && stored.declarations().is_empty()
            && stored.instances().next().is_none();
        if is_empty || only.is_some_and(|only| only != namespace) {
            continue;
        }
        let path = format!("\\\\.\\{}", namespace.to_backslashes());
        items.push(Item::Pragma { name: "namespace".to_owned(), arguments: vec![path] });
        if let Some(descriptor) = stored.descriptor() {
            let arguments = vec![descriptor.to_string()];
            items.push(Item::Pragma { name: SECURITY.to_owned(), arguments });
        }
        items.extend(stored.declarations().iter().cloned().map(Item::Class));
        items.extend(stored.instances().map(InstanceDeclaration::of).map(Item::Instance));
    }
    format!("{HEAD}{}", mof::print(&items))
}
