//! Grammar of WQL.

use std::time::Duration;

use super::error::{QueryError, Reason, Span, SqlConstruct};
use super::lexer::{Kind, Lexer, Token};
use super::{
    Associators, Columns, Condition, Constant, Detail, Group, MAX_DEPTH, MAX_TEXT, Operator, PropertyPath,
    Query, References, Select,
};
use crate::{Name, ObjectPath};

pub(super) fn parse(text: &str) -> Result<Query, QueryError> {
    if text.len() > MAX_TEXT {
        return Err(QueryError { reason: Reason::TooLong, span: Span { start: 0, end: text.len() } });
    }
    let mut lexer = Lexer::new(text);
    let next = lexer.next()?;
    let mut parser = Parser { lexer, next };
    let query = parser.query()?;
    parser.eat(';')?;
    match parser.next.kind {
        Kind::End => Ok(query),
        _ => Err(parser.expected("the end of the query")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    next: Token,
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Query, QueryError> {
        if self.eat_word("select")? {
            return self.select().map(Query::Select);
        }
        if self.eat_word("associators")? {
            return self.associators().map(Query::Associators);
        }
        if self.eat_word("references")? {
            return self.references().map(Query::References);
        }
        Err(self.expected("SELECT, ASSOCIATORS OF or REFERENCES OF"))
    }

    fn select(&mut self) -> Result<Select, QueryError> {
        let columns = if self.eat('*')? { Columns::All } else { Columns::Some(self.properties()?) };
        self.columns_end(&columns)?;
        self.keyword("from", "FROM")?;
        let from_span = self.next.span;
        let from = self.name("the name of a class")?;
        let within = if self.eat_word("within")? { Some(self.seconds()?) } else { None };
        let condition = if self.eat_word("where")? { Some(self.condition(0)?) } else { None };
        let group = if self.eat_word("group")? { Some(self.group()?) } else { None };
        if group.is_none() && self.is_word("having") {
            return Err(self.no_group("HAVING"));
        }
        for (word, construct) in [("order", SqlConstruct::OrderBy), ("limit", SqlConstruct::Limit)] {
            if self.is_word(word) {
                return Err(sql(construct, self.next.span));
            }
        }
        Ok(Select { columns, from, from_span, within, condition, group })
    }

    /// Checks that the columns are not a construct of SQL, whose first word was read as a property.
    fn columns_end(&self, columns: &Columns) -> Result<(), QueryError> {
        let Columns::Some(paths) = columns else { return Ok(()) };
        if self.is_word("from") {
            return Ok(());
        }
        if let [only] = paths.as_slice()
            && let [word] = only.parts.as_slice()
        {
            if *word == *"DISTINCT" {
                return Err(sql(SqlConstruct::Distinct, only.span));
            }
            if *word == *"TOP" && matches!(self.next.kind, Kind::Integer(_)) {
                return Err(sql(SqlConstruct::Top, only.span));
            }
        }
        match paths.last() {
            Some(last) if self.next.kind == Kind::Sign('(') => Err(sql(SqlConstruct::Function, last.span)),
            _ => Ok(()),
        }
    }

    fn group(&mut self) -> Result<Group, QueryError> {
        if self.is_word("by") {
            return Err(self.no_group("BY"));
        }
        self.keyword("within", "WITHIN")?;
        let within = self.seconds()?;
        let by = if self.eat_word("by")? { self.grouping()? } else { Vec::new() };
        let having = if self.eat_word("having")? {
            self.keyword("numberofevents", "NumberOfEvents")?;
            let operator = self.operator()?;
            let number = match self.next.kind {
                Kind::Integer(number) => u32::try_from(number).ok(),
                _ => None,
            };
            let number = number.ok_or_else(|| self.expected("a number of events"))?;
            self.advance()?;
            Some((operator, number))
        } else {
            None
        };
        Ok(Group { within, by, having })
    }

    fn grouping(&mut self) -> Result<Vec<PropertyPath>, QueryError> {
        if matches!(self.next.kind, Kind::End) || self.is_word("having") {
            return Err(QueryError { reason: Reason::NoAggregation, span: self.next.span });
        }
        self.properties()
    }

    fn no_group(&self, word: &'static str) -> QueryError {
        QueryError { reason: Reason::NoGroup(word), span: self.next.span }
    }

    fn condition(&mut self, depth: usize) -> Result<Condition, QueryError> {
        if depth > MAX_DEPTH {
            return Err(QueryError { reason: Reason::TooDeep, span: self.next.span });
        }
        let mut alternatives = vec![self.all_of(depth)?];
        while self.eat_word("or")? {
            alternatives.push(self.all_of(depth)?);
        }
        Ok(only(alternatives, Condition::Or))
    }

    fn all_of(&mut self, depth: usize) -> Result<Condition, QueryError> {
        let mut conditions = vec![self.negated(depth)?];
        while self.eat_word("and")? {
            conditions.push(self.negated(depth)?);
        }
        Ok(only(conditions, Condition::And))
    }

    fn negated(&mut self, depth: usize) -> Result<Condition, QueryError> {
        let from = self.next.span;
        let mut times = 0_usize;
        while self.eat_word("not")? {
            times += 1;
        }
        if depth + times > MAX_DEPTH {
            return Err(QueryError { reason: Reason::TooDeep, span: from });
        }
        let condition = self.primary(depth + times)?;
        Ok((0..times).fold(condition, |condition, _| Condition::Not(Box::new(condition))))
    }

    fn primary(&mut self, depth: usize) -> Result<Condition, QueryError> {
        if self.eat('(')? {
            let condition = self.condition(depth + 1)?;
            self.sign(')', "')'")?;
            return Ok(condition);
        }
        if let Some(constant) = self.constant()? {
            let operator = self.operator()?;
            let property = self.property()?;
            return compare(property, operator.mirrored(), constant);
        }
        let property = self.property()?;
        if self.eat_word("is")? {
            let negated = self.eat_word("not")?;
            self.keyword("null", "NULL")?;
            return Ok(not_if(negated, Condition::IsNull(property)));
        }
        let negated = self.eat_word("not")?;
        if self.eat_word("like")? {
            let Kind::Text(pattern) = &self.next.kind else { return Err(self.expected("a string")) };
            let pattern = pattern.clone();
            self.advance()?;
            return Ok(not_if(negated, Condition::Like { property, pattern }));
        }
        for (word, construct) in [("in", SqlConstruct::In), ("between", SqlConstruct::Between)] {
            if self.is_word(word) {
                return Err(sql(construct, self.next.span));
            }
        }
        if negated {
            return Err(self.expected("LIKE"));
        }
        if self.eat_word("isa")? {
            let class = self.class_name()?;
            let is_row =
                property.index.is_none() && matches!(property.parts.as_slice(), [name] if name == "__this");
            return Ok(Condition::Isa { property: (!is_row).then_some(property), class });
        }
        let operator = self.operator()?;
        match self.constant()? {
            Some(constant) => compare(property, operator, constant),
            None if matches!(self.next.kind, Kind::Word(_)) => {
                Err(QueryError { reason: Reason::TwoProperties, span: self.next.span })
            }
            None => Err(self.expected("a constant")),
        }
    }

    /// Reads a constant, if the next token is one; the inner `None` is NULL.
    fn constant(&mut self) -> Result<Option<(Option<Constant>, Span)>, QueryError> {
        let constant = match &self.next.kind {
            Kind::Text(text) => Some(Constant::Text(text.clone())),
            Kind::Integer(number) => Some(Constant::Integer(*number)),
            Kind::Real(number) => Some(Constant::Real(*number)),
            Kind::Word(word) if word.eq_ignore_ascii_case("true") => Some(Constant::Boolean(true)),
            Kind::Word(word) if word.eq_ignore_ascii_case("false") => Some(Constant::Boolean(false)),
            Kind::Word(word) if word.eq_ignore_ascii_case("null") => None,
            _ => return Ok(None),
        };
        let span = self.next.span;
        self.advance()?;
        Ok(Some((constant, span)))
    }

    fn operator(&mut self) -> Result<Operator, QueryError> {
        match self.next.kind {
            Kind::Operator(operator) => {
                self.advance()?;
                Ok(operator)
            }
            _ => Err(self.expected("an operator")),
        }
    }

    fn properties(&mut self) -> Result<Vec<PropertyPath>, QueryError> {
        let mut properties = vec![self.property()?];
        while self.eat(',')? {
            properties.push(self.property()?);
        }
        Ok(properties)
    }

    fn property(&mut self) -> Result<PropertyPath, QueryError> {
        let mut span = self.next.span;
        // Words with a meaning of their own in a condition are not properties.
        if ["not", "null", "true", "false"].iter().any(|word| self.is_word(word)) {
            return Err(self.expected("the name of a property"));
        }
        let mut parts = vec![self.name("the name of a property")?];
        while self.eat('.')? {
            span.end = self.next.span.end;
            parts.push(self.name("the name of a property")?);
        }
        let mut index = None;
        if self.eat('[')? {
            let Kind::Integer(number) = self.next.kind else { return Err(self.expected("a number")) };
            index = Some(u32::try_from(number).map_err(|_| self.expected("a number from zero"))?);
            self.advance()?;
            span.end = self.next.span.end;
            self.sign(']', "']'")?;
        }
        Ok(PropertyPath { parts, index, span })
    }

    fn associators(&mut self) -> Result<Associators, QueryError> {
        let source = self.source()?;
        let mut words = self.words(&[
            "AssocClass",
            "RequiredAssocQualifier",
            "RequiredQualifier",
            "ResultClass",
            "ResultRole",
            "Role",
        ])?;
        Ok(Associators {
            source,
            association_class: words.take("AssocClass"),
            required_association_qualifier: words.take("RequiredAssocQualifier"),
            required_qualifier: words.take("RequiredQualifier"),
            result_class: words.take("ResultClass"),
            result_role: words.take("ResultRole"),
            role: words.take("Role"),
            detail: words.detail,
        })
    }

    fn references(&mut self) -> Result<References, QueryError> {
        let source = self.source()?;
        let mut words = self.words(&["RequiredQualifier", "ResultClass", "Role"])?;
        Ok(References {
            source,
            required_qualifier: words.take("RequiredQualifier"),
            result_class: words.take("ResultClass"),
            role: words.take("Role"),
            detail: words.detail,
        })
    }

    fn source(&mut self) -> Result<ObjectPath, QueryError> {
        self.keyword("of", "OF")?;
        let Kind::Path(text) = &self.next.kind else { return Err(self.expected("an object path in braces")) };
        let path = ObjectPath::parse(text)
            .map_err(|error| QueryError { reason: Reason::Path(error.to_string()), span: self.next.span })?;
        self.advance()?;
        Ok(path)
    }

    /// Reads the words after WHERE in association queries: separated by blanks, in any order, without duplicates.
    fn words(&mut self, known: &[&'static str]) -> Result<Words, QueryError> {
        let mut words = Words::default();
        if !self.eat_word("where")? {
            return Ok(words);
        }
        let from = self.next.span;
        loop {
            let span = self.next.span;
            let Kind::Word(word) = &self.next.kind else {
                return Err(self.expected("a word such as ResultClass"));
            };
            let word = word.clone();
            let flag = words.detail.flag(&word);
            let duplicate = |word: String| QueryError { reason: Reason::Twice(word), span };
            if let Some(flag) = flag {
                if std::mem::replace(flag, true) {
                    return Err(duplicate(word));
                }
                self.advance()?;
            } else {
                let name = known.iter().copied().find(|name| word.eq_ignore_ascii_case(name));
                let name = name.ok_or_else(|| self.expected("a word such as ResultClass"))?;
                self.advance()?;
                match self.next.kind {
                    Kind::Operator(Operator::Equal) => self.advance()?,
                    _ => return Err(self.expected("'='")),
                }
                let value = self.class_name()?;
                if words.named.iter().any(|(before, _)| *before == name) {
                    return Err(duplicate(word));
                }
                words.named.push((name, value));
            }
            if !matches!(self.next.kind, Kind::Word(_)) {
                break;
            }
        }
        let result_class = words.named.iter().any(|(name, _)| *name == "ResultClass");
        if words.detail.class_definitions_only && result_class {
            let span = Span { start: from.start, end: self.next.span.start };
            return Err(QueryError { reason: Reason::Contradiction, span });
        }
        Ok(words)
    }

    /// Reads a name, with or without quotes.
    fn class_name(&mut self) -> Result<Name, QueryError> {
        let text = match &self.next.kind {
            Kind::Text(text) | Kind::Word(text) => text.clone(),
            _ => return Err(self.expected("a name")),
        };
        let name = Name::parse(text.trim()).map_err(|_| self.expected("a name"))?;
        self.advance()?;
        Ok(name)
    }

    fn seconds(&mut self) -> Result<Duration, QueryError> {
        let longest = f64::from(u32::MAX);
        let seconds = match self.next.kind {
            Kind::Integer(number) => {
                u32::try_from(number).ok().map(|seconds| Duration::from_secs(seconds.into()))
            }
            Kind::Real(number) if (0.0..=longest).contains(&number) => {
                Duration::try_from_secs_f64(number).ok()
            }
            _ => None,
        };
        let seconds = seconds.ok_or_else(|| self.expected("a number of seconds"))?;
        self.advance()?;
        Ok(seconds)
    }

    fn name(&mut self, expected: &'static str) -> Result<Name, QueryError> {
        let Kind::Word(word) = &self.next.kind else { return Err(self.expected(expected)) };
        let name = Name::parse(word).map_err(|_| self.expected(expected))?;
        self.advance()?;
        Ok(name)
    }

    fn keyword(&mut self, keyword: &str, expected: &'static str) -> Result<(), QueryError> {
        if self.eat_word(keyword)? { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn eat_word(&mut self, keyword: &str) -> Result<bool, QueryError> {
        let found = self.is_word(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(&self.next.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn sign(&mut self, sign: char, expected: &'static str) -> Result<(), QueryError> {
        if self.eat(sign)? { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn eat(&mut self, sign: char) -> Result<bool, QueryError> {
        let found = self.next.kind == Kind::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn advance(&mut self) -> Result<(), QueryError> {
        self.next = self.lexer.next()?;
        Ok(())
    }

    fn expected(&self, expected: &'static str) -> QueryError {
        let found = self.next.kind.describe();
        QueryError { reason: Reason::Expected { expected, found }, span: self.next.span }
    }
}

fn sql(construct: SqlConstruct, span: Span) -> QueryError {
    QueryError { reason: Reason::Sql(construct), span }
}

#[derive(Default)]
struct Words {
    named: Vec<(&'static str, Name)>,
    detail: Detail,
}

impl Detail {
    fn flag(&mut self, word: &str) -> Option<&mut bool> {
        match word.to_ascii_lowercase().as_str() {
            "classdefsonly" => Some(&mut self.class_definitions_only),
            "keysonly" => Some(&mut self.keys_only),
            "schemaonly" => Some(&mut self.schema_only),
            _ => None,
        }
    }
}

impl Words {
    fn take(&mut self, name: &str) -> Option<Name> {
        let at = self.named.iter().position(|(known, _)| *known == name)?;
        Some(self.named.swap_remove(at).1)
    }
}

fn compare(
    property: PropertyPath,
    operator: Operator,
    (constant, span): (Option<Constant>, Span),
) -> Result<Condition, QueryError> {
    match (constant, operator) {
        (Some(constant), operator) => Ok(Condition::Compare { property, operator, constant, span }),
        (None, Operator::Equal) => Ok(Condition::IsNull(property)),
        (None, Operator::NotEqual) => Ok(not_if(true, Condition::IsNull(property))),
        (None, _) => Err(QueryError { reason: Reason::NullOrder, span }),
    }
}

fn not_if(negated: bool, condition: Condition) -> Condition {
    if negated { Condition::Not(Box::new(condition)) } else { condition }
}

/// Returns the only condition, or all of them joined.
fn only(mut conditions: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            join(conditions)
        }
        None => join(conditions),
    }
}
