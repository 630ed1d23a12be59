//! Parser of expressions: recursive descent with bounded depth.
//!
//! ```text
//! query = ("*" | "Event") predicate* ("/" step)*
//! path  = step ("/" step)*
//! step  = ("@" | "child::" | "attribute::")? (name | "*" | "text()") predicate*
//! predicate = "[" or "]"
//! or    = and ("or" and)*       and = comparison ("and" comparison)*
//! comparison = primary (("=" | "!=" | "<" | "<=" | ">" | ">=") primary)?
//! primary = "(" or ")" | literal | number | path | function
//! function = "position()" | "band(" primary "," primary ")" | "timediff(" primary ("," primary)? ")"
//! ```

use std::ops::Range;

use super::expression::{Axis, Expression, MAX_PREDICATES, Number, Part, PartKind, Step, Test, Time};
use super::literal::{Literal, StringCase};
use super::operator::Operator;
use crate::error::WinEventError;

/// Maximum length of an expression in bytes.
pub const MAX_EXPRESSION: usize = 32 << 10;
/// Maximum nesting of brackets and parentheses.
pub const MAX_DEPTH: usize = 32;
/// Maximum number of conditions of an expression: comparisons, functions, and paths without predicates.
pub const MAX_CONDITIONS: usize = 32;
/// Maximum number of steps of all paths of an expression.
pub const MAX_STEPS: usize = 256;

/// A compiled expression.
pub(super) struct Compiled {
    pub(super) steps: Vec<Step>,
    /// Source ranges of the parts, by their numbers.
    pub(super) parts: Vec<Range<usize>>,
    /// Number of conditions; see [`MAX_CONDITIONS`].
    pub(super) conditions: usize,
}

pub(super) fn parse(text: &str, case: StringCase) -> Result<Compiled, WinEventError> {
    if text.len() > MAX_EXPRESSION {
        return Err(WinEventError::Limit { bound: "bytes of an expression", maximum: MAX_EXPRESSION });
    }
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        level: 0,
        case,
        parts: Vec::new(),
        conditions: 0,
        steps: 0,
        position: None,
    };
    let steps = parser.query()?;
    Ok(Compiled { steps, parts: parser.parts, conditions: parser.conditions })
}

/// A parsed primary or more: a condition, or a value that may be compared.
enum Parsed {
    Condition(Expression),
    Path(Vec<Step>),
    Literal(Literal),
    Position,
    TimeDifference(Time, Option<Time>),
}

struct Parser<'q> {
    text: &'q str,
    at: usize,
    depth: usize,
    /// Number of elements between the context of the current predicate and the document; `Event` has 1.
    level: usize,
    case: StringCase,
    parts: Vec<Range<usize>>,
    conditions: usize,
    steps: usize,
    /// Offset of the first use of the position in the current predicate.
    position: Option<usize>,
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Vec<Step>, WinEventError> {
        self.skip_space();
        if self.rest().is_empty() {
            return self.fail("the expression is empty; * selects every event");
        }
        if self.looking_at("/") {
            return self.fail("absolute paths and // are not part of event queries; begin with * or Event");
        }
        let start = self.at;
        let first = self.step()?;
        let is_event = matches!(&first.test, Test::Any) || first.test == Test::Name("Event".into());
        if first.axis != Axis::Child || !is_event {
            return self.fail_at(start, "an expression begins with * or Event");
        }
        let mut steps = vec![first];
        self.level = 1;
        self.more_steps(&mut steps)?;
        self.skip_space();
        if self.rest().is_empty() { Ok(steps) } else { self.unexpected() }
    }

    fn path(&mut self) -> Result<Vec<Step>, WinEventError> {
        let mut steps = vec![self.step()?];
        self.level += 1;
        self.more_steps(&mut steps)?;
        self.level -= 1;
        Ok(steps)
    }

    /// Parses the steps after the first one. The level is that of the element of the first step.
    fn more_steps(&mut self, steps: &mut Vec<Step>) -> Result<(), WinEventError> {
        let level = self.level;
        loop {
            self.skip_space();
            if self.looking_at("//") {
                return self.fail("// is not part of event queries; write every element of the path");
            }
            let start = self.at;
            if !self.accept("/") {
                break;
            }
            let before = steps.last();
            if before.is_some_and(|step| step.axis == Axis::Attribute || step.test == Test::Text) {
                return self.fail_at(start, "nothing is below an attribute or a text");
            }
            self.skip_space();
            steps.push(self.step()?);
            self.level += 1;
        }
        self.level = level;
        Ok(())
    }

    fn step(&mut self) -> Result<Step, WinEventError> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(WinEventError::Limit { bound: "steps of an expression", maximum: MAX_STEPS });
        }
        let axis = if self.accept("@") || self.accept("attribute::") {
            Axis::Attribute
        } else {
            self.accept("child::");
            Axis::Child
        };
        self.skip_space();
        let start = self.at;
        let test = if self.accept("*") {
            Test::Any
        } else {
            let name = self.name()?.to_owned();
            self.name_test(start, &name)?
        };
        if test == Test::Text && axis == Axis::Attribute {
            return self.fail_at(start, "an attribute has no text(); compare the attribute itself");
        }
        let mut step = Step { axis, test, predicates: Vec::new() };
        let outer = (self.position.take(), self.level);
        self.level += 1;
        let mut position = None;
        while self.predicate(&mut step.predicates)? {
            position = position.or(self.position.take());
        }
        (self.position, self.level) = outer;
        if let Some(at) = position {
            self.skip_space();
            // Windows rejects positions of elements that contain elements.
            let is_inner = self.level < 2 && axis == Axis::Child;
            if is_inner || self.looking_at("/") && !self.looking_at("/@") && !self.looking_at("/text()") {
                return self
                    .fail_at(at, "position is allowed for elements without elements inside, such as Data");
            }
        }
        Ok(step)
    }

    fn name_test(&mut self, start: usize, name: &str) -> Result<Test, WinEventError> {
        if self.looking_at("::") {
            return self.fail_at(start, "the only axes of event queries are child and attribute");
        }
        if self.looking_at(":") {
            return self.fail_at(start, "event queries have no namespace prefixes; write the local name");
        }
        if !self.looking_at("(") {
            return Ok(Test::Name(name.into()));
        }
        if name != "text" {
            return self.fail_at(
                start,
                "the functions of event queries are position(), band(), timediff() and text()",
            );
        }
        self.require("(", "( is expected after text")?;
        self.require(")", "text() has no arguments")?;
        Ok(Test::Text)
    }

    /// Parses a predicate if there is one.
    fn predicate(&mut self, predicates: &mut Vec<Expression>) -> Result<bool, WinEventError> {
        self.skip_space();
        if !self.looking_at("[") {
            return Ok(false);
        }
        if predicates.len() >= MAX_PREDICATES {
            return Err(WinEventError::Limit { bound: "predicates of a step", maximum: MAX_PREDICATES });
        }
        self.at += 1;
        self.descend()?;
        let start = self.at;
        let parsed = self.or()?;
        let condition = self.condition(parsed, start..self.at)?;
        self.require("]", "] is expected here")?;
        self.depth -= 1;
        predicates.push(condition);
        Ok(true)
    }

    fn or(&mut self) -> Result<Parsed, WinEventError> {
        self.chain("or", Self::and, Expression::Or)
    }

    fn and(&mut self) -> Result<Parsed, WinEventError> {
        self.chain("and", Self::comparison, Expression::And)
    }

    /// Parses operands with a word between them.
    fn chain(
        &mut self,
        word: &str,
        operand: fn(&mut Self) -> Result<Parsed, WinEventError>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Result<Parsed, WinEventError> {
        let start = self.at;
        let first = operand(self)?;
        let source = start..self.at;
        if !self.accept_word(word) {
            return Ok(first);
        }
        let mut all = vec![self.condition(first, source)?];
        loop {
            let start = self.at;
            let next = operand(self)?;
            all.push(self.condition(next, start..self.at)?);
            if !self.accept_word(word) {
                return Ok(Parsed::Condition(join(all)));
            }
        }
    }

    fn comparison(&mut self) -> Result<Parsed, WinEventError> {
        self.skip_space();
        let start = self.at;
        let left = self.primary()?;
        self.skip_space();
        let at = self.at;
        let Some(operator) = self.operator() else { return Ok(left) };
        self.skip_space();
        let right = self.primary()?;
        let kind = self.compare(left, operator, right, at)?;
        self.part(kind, start..self.at).map(Parsed::Condition)
    }

    fn operator(&mut self) -> Option<Operator> {
        const OPERATORS: [(&str, Operator); 6] = [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        OPERATORS.into_iter().find(|(text, _)| self.accept(text)).map(|(_, operator)| operator)
    }

    fn compare(
        &self,
        left: Parsed,
        operator: Operator,
        right: Parsed,
        at: usize,
    ) -> Result<PartKind, WinEventError> {
        // The literal is written on the right here.
        let (left, operator, right) = match left {
            Parsed::Literal(_) => (right, operator.flipped(), left),
            _ => (left, operator, right),
        };
        match (left, right) {
            (Parsed::Path(path), Parsed::Literal(literal)) => {
                if operator.is_order() && !literal.has_order() {
                    return self.fail_at(at, "only numbers and times are less or greater than another");
                }
                Ok(PartKind::Literal(path, operator, literal))
            }
            (Parsed::Path(left), Parsed::Path(right)) => Ok(PartKind::Paths(left, operator, right)),
            (Parsed::Position, Parsed::Literal(Literal::Number(number))) => {
                Ok(PartKind::Position(operator, number))
            }
            (Parsed::TimeDifference(from, to), Parsed::Literal(Literal::Number(milliseconds))) => {
                Ok(PartKind::TimeDifference { from, to, operator, milliseconds })
            }
            (Parsed::Position, _) => self.fail_at(at, "position() can only be compared with a number"),
            (Parsed::TimeDifference(..), _) => {
                self.fail_at(at, "timediff() can only be compared with a number of milliseconds")
            }
            (Parsed::Literal(_), _) => {
                self.fail_at(at, "one side of a comparison must be a path or a function")
            }
            (Parsed::Condition(_), _) | (_, Parsed::Condition(_)) => {
                self.fail_at(at, "a condition, such as band(), is not compared; write it alone")
            }
            (Parsed::Path(_), _) => self.fail_at(at, "a path can only be compared with a value or a path"),
        }
    }

    fn primary(&mut self) -> Result<Parsed, WinEventError> {
        self.skip_space();
        let start = self.at;
        match self.rest().as_bytes().first() {
            Some(b'(') => {
                self.at += 1;
                self.descend()?;
                let inner = self.or()?;
                self.require(")", ") is expected here")?;
                self.depth -= 1;
                Ok(inner)
            }
            Some(b'\'' | b'"') => self.quoted().map(Parsed::Literal),
            Some(b'0'..=b'9') => self.number().map(|number| Parsed::Literal(Literal::Number(number))),
            Some(b'a'..=b'z') => match self.function_name() {
                Some(name) => self.function(name, start),
                None => self.path().map(Parsed::Path),
            },
            Some(_) if self.begins_step() => self.path().map(Parsed::Path),
            _ => self.unexpected(),
        }
    }

    fn begins_step(&self) -> bool {
        self.rest().chars().next().is_some_and(|c| matches!(c, '@' | '*') || starts_name(c))
    }

    fn function_name(&self) -> Option<&'static str> {
        let after = |name: &str| {
            self.rest().strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('('))
        };
        ["position", "band", "timediff"].into_iter().find(|name| after(name))
    }

    fn function(&mut self, name: &'static str, start: usize) -> Result<Parsed, WinEventError> {
        self.at += name.len();
        self.skip_space();
        self.require("(", "( is expected here")?;
        self.descend()?;
        let parsed = match name {
            "position" => {
                self.position.get_or_insert(start);
                Parsed::Position
            }
            "band" => {
                let left = self.number_argument()?;
                self.require(",", "band() has two arguments")?;
                let right = self.number_argument()?;
                self.require(")", "band() has two arguments")?;
                self.depth -= 1;
                return self.part(PartKind::Band(left, right), start..self.at).map(Parsed::Condition);
            }
            _ => {
                let first = self.time_argument()?;
                self.skip_space();
                let second = if self.accept(",") { Some(self.time_argument()?) } else { None };
                Parsed::TimeDifference(first, second)
            }
        };
        self.require(")", ") is expected here")?;
        self.depth -= 1;
        Ok(parsed)
    }

    fn number_argument(&mut self) -> Result<Number, WinEventError> {
        self.skip_space();
        let start = self.at;
        match self.primary()? {
            Parsed::Path(path) => Ok(Number::Path(path)),
            Parsed::Literal(Literal::Number(number)) => Ok(Number::Literal(number)),
            _ => self.fail_at(start, "an argument of band() is a path or a number"),
        }
    }

    fn time_argument(&mut self) -> Result<Time, WinEventError> {
        self.skip_space();
        let start = self.at;
        match self.primary()? {
            Parsed::Path(path) => Ok(Time::Path(path)),
            Parsed::Literal(Literal::Time(time)) => Ok(Time::Literal(time)),
            _ => self.fail_at(start, "an argument of timediff() is a path or a time in quotes"),
        }
    }

    /// Returns the condition that a value alone represents.
    fn condition(&mut self, parsed: Parsed, source: Range<usize>) -> Result<Expression, WinEventError> {
        let start = source.start;
        match parsed {
            Parsed::Condition(condition) => Ok(condition),
            Parsed::Path(path) => self.part(PartKind::Exists(path), source),
            Parsed::Literal(Literal::Number(number)) => {
                self.position.get_or_insert(start);
                self.part(PartKind::Position(Operator::Equal, number), source)
            }
            Parsed::Literal(_) => self.fail_at(start, "a text alone is no condition; compare it"),
            Parsed::Position => self.fail_at(start, "position() alone is no condition; compare it"),
            Parsed::TimeDifference(..) => {
                self.fail_at(start, "timediff() alone is no condition; compare it with milliseconds")
            }
        }
    }

    /// Numbers a part. Paths with predicates do not count as conditions, because their predicates do.
    fn part(&mut self, kind: PartKind, source: Range<usize>) -> Result<Expression, WinEventError> {
        let has_predicates =
            matches!(&kind, PartKind::Exists(path) if path.iter().any(|step| !step.predicates.is_empty()));
        self.conditions += usize::from(!has_predicates);
        if self.conditions > MAX_CONDITIONS {
            let bound = "conditions of an expression";
            return Err(WinEventError::Limit { bound, maximum: MAX_CONDITIONS });
        }
        let text = self.text.get(source.clone()).unwrap_or_default();
        let leading = text.len() - text.trim_start().len();
        self.parts.push(source.start + leading..source.start + text.trim_end().len());
        Ok(Expression::Part(Part { number: self.parts.len() - 1, kind }))
    }

    fn quoted(&mut self) -> Result<Literal, WinEventError> {
        let start = self.at;
        let quote = self.rest().get(..1).unwrap_or("'");
        let inner = self.rest().get(1..).unwrap_or_default();
        let Some(length) = inner.find(quote) else {
            return self.fail_at(start, "the text has no closing quote");
        };
        let literal = Literal::quoted(inner.get(..length).unwrap_or_default(), self.case);
        self.at += length + 2;
        Ok(literal)
    }

    fn number(&mut self) -> Result<u64, WinEventError> {
        let start = self.at;
        let length = self.rest().bytes().take_while(u8::is_ascii_alphanumeric).count();
        let text = self.rest().get(..length).unwrap_or_default();
        let value = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        self.at += length;
        if self.looking_at(".") {
            return self.fail_at(start, "numbers of event queries are whole");
        }
        value.or_else(|_| self.fail_at(start, "expected a number up to 18446744073709551615"))
    }

    fn name(&mut self) -> Result<&str, WinEventError> {
        let rest = self.rest();
        if !rest.starts_with(starts_name) {
            return self.unexpected();
        }
        let length = rest.find(|c| !continues_name(c)).unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn descend(&mut self) -> Result<(), WinEventError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(WinEventError::Limit {
                bound: "nested brackets of an expression",
                maximum: MAX_DEPTH,
            });
        }
        Ok(())
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn looking_at(&self, start: &str) -> bool {
        self.rest().starts_with(start)
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.looking_at(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn accept_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let rest = self.rest().strip_prefix(word);
        rest.is_some_and(|rest| !rest.starts_with(continues_name)) && self.accept(word)
    }

    fn require(&mut self, text: &str, reason: &'static str) -> Result<(), WinEventError> {
        self.skip_space();
        if self.accept(text) {
            return Ok(());
        }
        match self.unsupported() {
            Some(reason) => self.fail(reason),
            None => self.fail(reason),
        }
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn unexpected<T>(&self) -> Result<T, WinEventError> {
        self.fail(self.unsupported().unwrap_or(match self.rest() {
            "" => "the expression ends too early",
            _ => "expected a path, a value or a function",
        }))
    }

    /// Returns the reason for XPath that event queries do not have.
    fn unsupported(&self) -> Option<&'static str> {
        let rest = self.rest();
        let is_word = |word: &str| {
            rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
                && !rest.get(word.len()..).is_some_and(|rest| rest.starts_with(continues_name))
        };
        Some(match rest.chars().next()? {
            '|' => "unions are not part of event queries; use several Select elements",
            '+' | '-' => "arithmetic and negative numbers are not part of event queries",
            '*' => "arithmetic is not part of event queries",
            '$' => "variables are not part of event queries",
            '.' => "'.' and '..' are not part of event queries",
            '/' => "absolute paths and // are not part of event queries",
            '!' => "the operator is !=",
            '&' => "conditions are joined by the word and",
            _ if is_word("and") || is_word("or") => "and and or are written in lower case",
            _ if is_word("div") || is_word("mod") => "arithmetic is not part of event queries",
            _ => return None,
        })
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, WinEventError> {
        self.fail_at(self.at, reason)
    }

    fn fail_at<T>(&self, at: usize, reason: &'static str) -> Result<T, WinEventError> {
        Err(WinEventError::Query { at, reason })
    }
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}
