//! Printer of WQL.

use std::fmt;
use std::time::Duration;

use super::{
    Associators, Columns, Condition, Constant, Detail, Operator, PropertyPath, Query, References, Select,
};
use crate::Name;

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Select(select) => select.fmt(f),
            Self::Associators(associators) => associators.fmt(f),
            Self::References(references) => references.fmt(f),
        }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        match &self.columns {
            Columns::All => f.write_str("*")?,
            Columns::Some(paths) => list(f, paths)?,
        }
        write!(f, " FROM {}", self.from)?;
        if let Some(within) = self.within {
            write!(f, " WITHIN {}", seconds(within))?;
        }
        if let Some(condition) = &self.condition {
            write!(f, " WHERE {condition}")?;
        }
        if let Some(group) = &self.group {
            write!(f, " GROUP WITHIN {}", seconds(group.within))?;
            if !group.by.is_empty() {
                f.write_str(" BY ")?;
                list(f, &group.by)?;
            }
            if let Some((operator, number)) = group.having {
                write!(f, " HAVING NumberOfEvents {operator} {number}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Associators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ASSOCIATORS OF {{{}}}", self.source)?;
        let named = [
            ("AssocClass", &self.association_class),
            ("RequiredAssocQualifier", &self.required_association_qualifier),
            ("RequiredQualifier", &self.required_qualifier),
            ("ResultClass", &self.result_class),
            ("ResultRole", &self.result_role),
            ("Role", &self.role),
        ];
        words(f, self.detail, &named)
    }
}

impl fmt::Display for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "REFERENCES OF {{{}}}", self.source)?;
        let named = [
            ("RequiredQualifier", &self.required_qualifier),
            ("ResultClass", &self.result_class),
            ("Role", &self.role),
        ];
        words(f, self.detail, &named)
    }
}

fn words(f: &mut fmt::Formatter<'_>, detail: Detail, named: &[(&str, &Option<Name>)]) -> fmt::Result {
    let flags = [
        ("ClassDefsOnly", detail.class_definitions_only),
        ("KeysOnly", detail.keys_only),
        ("SchemaOnly", detail.schema_only),
    ];
    let flags = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(word, _)| word.to_owned());
    let named = named.iter().filter_map(|(word, name)| Some(format!("{word} = {}", name.as_ref()?)));
    let all: Vec<_> = flags.chain(named).collect();
    if all.is_empty() { Ok(()) } else { write!(f, " WHERE {}", all.join(" ")) }
}

impl fmt::Display for Condition {
    /// Encloses every nested condition in parentheses, to make precedence explicit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(all) => write_joined(f, all, " AND "),
            Self::Or(all) => write_joined(f, all, " OR "),
            Self::Not(condition) => {
                f.write_str("NOT ")?;
                inner(f, condition)
            }
            Self::Compare { property, operator, constant, .. } => {
                write!(f, "{property} {operator} {constant}")
            }
            Self::IsNull(property) => write!(f, "{property} IS NULL"),
            Self::Like { property, pattern } => {
                write!(f, "{property} LIKE ")?;
                quoted(f, pattern)
            }
            Self::Isa { property: Some(property), class } => write!(f, "{property} ISA \"{class}\""),
            Self::Isa { property: None, class } => write!(f, "__this ISA \"{class}\""),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, conditions: &[Condition], word: &str) -> fmt::Result {
    for (at, condition) in conditions.iter().enumerate() {
        f.write_str(if at == 0 { "" } else { word })?;
        inner(f, condition)?;
    }
    Ok(())
}

fn inner(f: &mut fmt::Formatter<'_>, condition: &Condition) -> fmt::Result {
    match condition {
        Condition::And(_) | Condition::Or(_) => write!(f, "({condition})"),
        plain => write!(f, "{plain}"),
    }
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            write!(f, "{}{part}", if at == 0 { "" } else { "." })?;
        }
        self.index.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => quoted(f, text),
            Self::Integer(number) => write!(f, "{number}"),
            // The exponent keeps it a real number.
            Self::Real(number) => write!(f, "{number:e}"),
            Self::Boolean(true) => f.write_str("TRUE"),
            Self::Boolean(false) => f.write_str("FALSE"),
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn list(f: &mut fmt::Formatter<'_>, paths: &[PropertyPath]) -> fmt::Result {
    for (at, path) in paths.iter().enumerate() {
        write!(f, "{}{path}", if at == 0 { "" } else { ", " })?;
    }
    Ok(())
}

fn seconds(duration: Duration) -> String {
    match duration.subsec_nanos() {
        0 => duration.as_secs().to_string(),
        nanos => format!("{}.{nanos:09}", duration.as_secs()),
    }
}
