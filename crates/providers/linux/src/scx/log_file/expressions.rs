//! Regular expressions that select lines of a log file.

use cim::Value;
use regex::{RegexBuilder, RegexSet, RegexSetBuilder};
use wmi::ProviderError;

use super::wrong;

/// Regular expressions of a query, matched together.
pub(super) struct Expressions {
    together: RegexSet,
    /// Position of each valid expression in the query.
    numbers: Vec<usize>,
    /// Positions of the expressions that are invalid or too large.
    pub(super) invalid: Vec<usize>,
}

impl Expressions {
    /// Compiles the expressions of a query.
    ///
    /// # Errors
    /// If there are too many expressions, or all together are too large.
    pub(super) fn of(expressions: &[Value]) -> Result<Self, ProviderError> {
        if expressions.len() > MAX_EXPRESSIONS {
            return Err(wrong(&format!(
                "there are more than {MAX_EXPRESSIONS} expressions\n  ask for some of them at a time"
            )));
        }
        // Compiles each expression alone first, which needs little memory.
        let (mut numbers, mut valid, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
        for (number, expression) in expressions.iter().enumerate() {
            match expression
                .as_str()
                .filter(|text| RegexBuilder::new(text).size_limit(MAX_EXPRESSION).build().is_ok())
            {
                Some(text) => {
                    numbers.push(number);
                    valid.push(text);
                }
                None => invalid.push(number),
            }
        }
        let together = RegexSetBuilder::new(valid).size_limit(MAX_TOGETHER).build();
        let together = together.map_err(|_| {
            wrong("the expressions are too large together\n  ask for some of them at a time, or for shorter ones")
        })?;
        Ok(Self { together, numbers, invalid })
    }

    /// Returns the positions of the expressions that match a line.
    pub(super) fn matching(&self, text: &str) -> impl Iterator<Item = usize> {
        self.together.matches(text).into_iter().filter_map(|at| self.numbers.get(at).copied())
    }
}

/// Maximum number of expressions, and maximum compiled size in bytes of each and of all together.
const MAX_EXPRESSIONS: usize = 1000;
const MAX_EXPRESSION: usize = 1 << 20;
const MAX_TOGETHER: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_limited() {
        let wanted = |texts: &[&str]| {
            Expressions::of(&texts.iter().map(|text| Value::from((*text).to_owned())).collect::<Vec<_>>())
        };
        let some =
            wanted(&["a(b", "[[:digit:]]+ (error|warn)", "(((x{1000}){1000}){1000})", "12"]).expect("few");
        assert_eq!(some.invalid, [0, 2]);
        assert_eq!(some.matching("at 12 error").collect::<Vec<_>>(), [1, 3]);
        assert_eq!(some.matching("at 13").count(), 0);
        let many = ["[a-z]{1,200}[0-9]{1,200}"; MAX_EXPRESSIONS];
        let refused = wanted(&many).err().expect("they are too large").to_string();
        assert!(refused.contains("too large together"), "{refused}");
        assert!(wanted(&["a"; MAX_EXPRESSIONS + 1]).is_err());
    }
}
