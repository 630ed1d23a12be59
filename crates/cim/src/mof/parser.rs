//! Grammar of MOF.

use super::lexer::{Kind, Lexer, Token};
use super::{InstanceDeclaration, Item, Literal, Located, MAX_DEPTH, MAX_TEXT, QualifierDeclaration};
use crate::{
    CimType, Class, ClassDeclaration, Error, Flavors, Method, Name, Parameter, Propagation, Property,
    Qualifier, Qualifiers, Shape, Type, Value,
};

pub(super) fn parse(text: &str) -> Result<Vec<Located>, Error> {
    if text.len() > MAX_TEXT {
        return Err(Error::TooMuch { what: "bytes of MOF", limit: MAX_TEXT });
    }
    let mut lexer = Lexer::new(text);
    let next = lexer.next()?;
    let mut parser = Parser { lexer, next };
    let mut items = Vec::new();
    // Positions increase, so line counting continues from the previous item.
    let (mut counted, mut line, mut start) = (0, 1, 0);
    while parser.next.kind != Kind::End {
        let at = parser.next.at;
        let between = text.get(counted..at).unwrap_or_default();
        line += between.matches('\n').count();
        start = between.rfind('\n').map_or(start, |end| counted + end + 1);
        counted = at;
        let column = text.get(start..at).unwrap_or_default().chars().count() + 1;
        items.push(Located { item: parser.item()?, line, column });
    }
    Ok(items)
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    next: Token,
}

impl Parser<'_> {
    fn item(&mut self) -> Result<Item, Error> {
        if self.next.kind == Kind::Pragma {
            return self.pragma();
        }
        let qualifiers = self.qualifiers()?;
        if self.eat_word("class")? {
            return self.class(qualifiers).map(Item::Class);
        }
        if self.is_word("instance") {
            let instance = self.instance(0)?;
            self.sign(';')?;
            return Ok(Item::Instance(instance));
        }
        if qualifiers.is_empty() && self.eat_word("qualifier")? {
            return self.qualifier_declaration().map(Item::Qualifier);
        }
        Err(self.expected("class, instance of, Qualifier or #pragma"))
    }

    fn pragma(&mut self) -> Result<Item, Error> {
        self.advance()?;
        let name = self.word("the name of a pragma")?;
        let mut arguments = Vec::new();
        if !self.eat('(')? {
            return Ok(Item::Pragma { name, arguments });
        }
        loop {
            let is_word = matches!(self.next.kind, Kind::Word(_));
            arguments.push(if is_word { self.word("a word")? } else { self.text()? });
            if !self.eat(',')? {
                break;
            }
        }
        self.sign(')')?;
        Ok(Item::Pragma { name, arguments })
    }

    fn qualifier_declaration(&mut self) -> Result<QualifierDeclaration, Error> {
        let name = self.name("the name of a qualifier")?;
        self.sign(':')?;
        let at = self.next.at;
        let word = self.word("the type of a qualifier")?;
        let Some(element) = CimType::from_keyword(&word) else {
            return Err(self.lexer.error_at(at, format!("\"{word}\" is not a qualifier type")));
        };
        let kind = Type { element, shape: self.shape()? };
        let default = if self.eat('=')? { self.value(&kind)? } else { Value::Null };
        let mut declaration =
            QualifierDeclaration { flavors: Flavors::of(&name), name, kind, default, scope: Vec::new() };
        while self.eat(',')? {
            let at = self.next.at;
            let part = self.word("Scope or Flavor")?;
            self.sign('(')?;
            loop {
                let word_at = self.next.at;
                let word = self.word("a word")?;
                if part.eq_ignore_ascii_case("scope") {
                    declaration.scope.push(word);
                } else if part.eq_ignore_ascii_case("flavor") {
                    self.flavor(&mut declaration.flavors, &word, word_at)?;
                } else {
                    return Err(self.lexer.error_at(at, "expected Scope or Flavor".to_owned()));
                }
                if !self.eat(',')? {
                    break;
                }
            }
            self.sign(')')?;
        }
        self.sign(';')?;
        Ok(declaration)
    }

    fn class(&mut self, qualifiers: Qualifiers) -> Result<ClassDeclaration, Error> {
        let name = self.name("the name of a class")?;
        // The alias of a class is not stored: references use the name of the class.
        if self.eat_word("as")? {
            self.alias()?;
        }
        let superclass = if self.eat(':')? { Some(self.name("the name of a superclass")?) } else { None };
        let mut class = ClassDeclaration { qualifiers, ..ClassDeclaration::new(name, superclass) };
        self.sign('{')?;
        while !self.eat('}')? {
            if class.properties.len() + class.methods.len() >= Class::MAX_PROPERTIES + Class::MAX_METHODS {
                let limit = Class::MAX_PROPERTIES + Class::MAX_METHODS;
                return Err(Error::TooMuch { what: "properties and methods of a class", limit });
            }
            self.feature(&mut class)?;
        }
        self.sign(';')?;
        Ok(class)
    }

    fn feature(&mut self, class: &mut ClassDeclaration) -> Result<(), Error> {
        let mut qualifiers = self.qualifiers()?;
        let (returns, name) = self.typed_name(true)?;
        if self.eat('(')? {
            let parameters = self.parameters()?;
            self.sign(';')?;
            let kind = returns.map(|element| Type::scalar(embed(element, &mut qualifiers)));
            let origin = class.name.clone();
            class.methods.push(Method {
                name,
                returns: kind,
                parameters,
                qualifiers,
                origin,
                propagated: false,
            });
            return Ok(());
        }
        let Some(element) = returns else { return Err(self.expected("'(', because only methods are void")) };
        let kind = Type { element: embed(element, &mut qualifiers), shape: self.shape()? };
        let default = if self.eat('=')? { self.value(&kind)? } else { Value::Null };
        self.sign(';')?;
        let origin = class.name.clone();
        class.properties.push(Property { name, kind, qualifiers, default, origin, propagated: false });
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>, Error> {
        let mut parameters = Vec::new();
        if self.eat(')')? {
            return Ok(parameters);
        }
        loop {
            if parameters.len() >= Class::MAX_PROPERTIES {
                return Err(Error::TooMuch { what: "parameters of a method", limit: Class::MAX_PROPERTIES });
            }
            let mut qualifiers = self.qualifiers()?;
            let (element, name) = self.typed_name(false)?;
            let Some(element) = element else { return Err(self.expected("a type")) };
            let kind = Type { element: embed(element, &mut qualifiers), shape: self.shape()? };
            let default = if self.eat('=')? { self.value(&kind)? } else { Value::Null };
            parameters.push(Parameter { name, kind, qualifiers, default });
            if !self.eat(',')? {
                self.sign(')')?;
                return Ok(parameters);
            }
        }
    }

    /// Reads `uint32 Name`, `X ref Name` or `X Name`, or `void Name` for a method, without a type.
    fn typed_name(&mut self, allow_void: bool) -> Result<(Option<CimType>, Name), Error> {
        let at = self.next.at;
        let word = self.word("a type")?;
        let element = if allow_void && word.eq_ignore_ascii_case("void") {
            None
        } else if let Some(element) = CimType::from_keyword(&word) {
            Some(element)
        } else {
            let class = Name::parse(&word).map_err(|error| self.lexer.error_at(at, error.to_string()))?;
            let class = (class != *"object").then_some(class);
            Some(if self.eat_word("ref")? { CimType::Reference(class) } else { CimType::Object(class) })
        };
        Ok((element, self.name("a name")?))
    }

    fn shape(&mut self) -> Result<Shape, Error> {
        if !self.eat('[')? {
            return Ok(Shape::Scalar);
        }
        let at = self.next.at;
        let shape = match self.next.kind {
            Kind::Integer(size) => {
                self.advance()?;
                let size = u32::try_from(size).ok().filter(|size| *size > 0);
                Shape::FixedArray(
                    size.ok_or_else(|| self.lexer.error_at(at, "invalid array size".to_owned()))?,
                )
            }
            _ => Shape::Array,
        };
        self.sign(']')?;
        Ok(shape)
    }

    fn qualifiers(&mut self) -> Result<Qualifiers, Error> {
        let mut qualifiers = Qualifiers::new();
        if !self.eat('[')? {
            return Ok(qualifiers);
        }
        loop {
            let at = self.next.at;
            let qualifier = self.qualifier()?;
            if qualifiers.find(qualifier.name.as_str()).is_some() {
                return Err(self.lexer.error_at(at, format!("duplicate qualifier {}", qualifier.name)));
            }
            if qualifiers.len() >= Qualifiers::MAX {
                return Err(Error::TooMuch { what: "qualifiers of one element", limit: Qualifiers::MAX });
            }
            qualifiers.set(qualifier);
            if !self.eat(',')? {
                self.sign(']')?;
                return Ok(qualifiers);
            }
        }
    }

    fn qualifier(&mut self) -> Result<Qualifier, Error> {
        let name = self.name("the name of a qualifier")?;
        let at = self.next.at;
        let literal = if self.eat('(')? {
            let literal = self.literal(0)?;
            self.sign(')')?;
            literal
        } else if self.next.kind == Kind::Sign('{') {
            self.literal(0)?
        } else {
            Literal::Boolean(true)
        };
        let value = untyped(&literal).ok_or_else(|| {
            self.lexer.error_at(
                at,
                format!("the value of the qualifier {name} is an alias, an instance or out of range"),
            )
        })?;
        let mut qualifier = Qualifier::new(name, value);
        if self.eat(':')? {
            while let Kind::Word(word) = &self.next.kind {
                let (word, at) = (word.clone(), self.next.at);
                self.flavor(&mut qualifier.flavors, &word, at)?;
                self.advance()?;
            }
        }
        Ok(qualifier)
    }

    fn flavor(&mut self, flavors: &mut Flavors, word: &str, at: usize) -> Result<(), Error> {
        match word.to_ascii_lowercase().as_str() {
            "restricted" => flavors.subclass = Propagation::Restricted,
            "tosubclass" if flavors.subclass == Propagation::Restricted => {
                flavors.subclass = Propagation::Overridable;
            }
            "tosubclass" => {}
            "enableoverride" => flavors.subclass = Propagation::Overridable,
            "disableoverride" => flavors.subclass = Propagation::Fixed,
            "toinstance" => flavors.to_instance = true,
            "amended" | "translatable" => flavors.translatable = true,
            _ => return Err(self.lexer.error_at(at, format!("\"{word}\" is not a qualifier flavor"))),
        }
        Ok(())
    }

    fn instance(&mut self, depth: usize) -> Result<InstanceDeclaration, Error> {
        self.advance()?;
        if !self.eat_word("of")? {
            return Err(self.expected("of"));
        }
        let class = self.name("the name of a class")?;
        let alias = if self.eat_word("as")? { Some(self.alias()?) } else { None };
        let mut instance = InstanceDeclaration { class, alias, values: Vec::new() };
        self.sign('{')?;
        while !self.eat('}')? {
            // Qualifiers on the values of an instance occur only in old texts and have no effect.
            self.qualifiers()?;
            let at = self.next.at;
            let name = self.name("the name of a property")?;
            if instance.values.iter().any(|(before, _)| *before == name) {
                return Err(self.lexer.error_at(at, format!("duplicate property {name}")));
            }
            if instance.values.len() >= Class::MAX_PROPERTIES {
                return Err(Error::TooMuch { what: "values of an instance", limit: Class::MAX_PROPERTIES });
            }
            self.sign('=')?;
            let literal = self.literal(depth + 1)?;
            self.sign(';')?;
            instance.values.push((name, literal));
        }
        Ok(instance)
    }

    fn alias(&mut self) -> Result<String, Error> {
        match &self.next.kind {
            Kind::Alias(name) => {
                let name = name.clone();
                self.advance()?;
                Ok(name)
            }
            _ => Err(self.expected("an alias such as $Name")),
        }
    }

    /// Reads a value of a known type.
    fn value(&mut self, kind: &Type) -> Result<Value, Error> {
        let at = self.next.at;
        let literal = self.literal(0)?;
        literal.typed(kind).map_err(|error| self.lexer.error_at(at, error.to_string()))
    }

    fn literal(&mut self, depth: usize) -> Result<Literal, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooMuch { what: "nested values in MOF", limit: MAX_DEPTH });
        }
        let literal = match &self.next.kind {
            Kind::Integer(number) => Literal::Integer(*number),
            Kind::Real(number) => Literal::Real(*number),
            Kind::Character(unit) => Literal::Character(*unit),
            Kind::Alias(name) => Literal::Alias(name.clone()),
            Kind::Text(_) => return self.text().map(Literal::Text),
            Kind::Sign('{') => return self.array(depth),
            Kind::Word(word) if word.eq_ignore_ascii_case("null") => Literal::Null,
            Kind::Word(word) if word.eq_ignore_ascii_case("true") => Literal::Boolean(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("false") => Literal::Boolean(false),
            Kind::Word(word) if word.eq_ignore_ascii_case("instance") => {
                return self.instance(depth).map(|instance| Literal::Instance(Box::new(instance)));
            }
            _ => return Err(self.expected("a value")),
        };
        self.advance()?;
        Ok(literal)
    }

    fn array(&mut self, depth: usize) -> Result<Literal, Error> {
        self.sign('{')?;
        let mut values = Vec::new();
        if self.eat('}')? {
            return Ok(Literal::Array(values));
        }
        loop {
            if self.next.kind == Kind::Sign('{') {
                return Err(self.expected("a value other than an array"));
            }
            values.push(self.literal(depth + 1)?);
            if !self.eat(',')? {
                self.sign('}')?;
                return Ok(Literal::Array(values));
            }
        }
    }

    /// Reads a string, joining adjacent literals.
    fn text(&mut self) -> Result<String, Error> {
        let mut whole = match &self.next.kind {
            Kind::Text(text) => text.clone(),
            _ => return Err(self.expected("a string")),
        };
        self.advance()?;
        while let Kind::Text(text) = &self.next.kind {
            whole.push_str(text);
            self.advance()?;
        }
        Ok(whole)
    }

    fn name(&mut self, expected: &str) -> Result<Name, Error> {
        let at = self.next.at;
        let word = self.word(expected)?;
        Name::parse(&word).map_err(|error| self.lexer.error_at(at, error.to_string()))
    }

    fn word(&mut self, expected: &str) -> Result<String, Error> {
        match &self.next.kind {
            Kind::Word(word) => {
                let word = word.clone();
                self.advance()?;
                Ok(word)
            }
            _ => Err(self.expected(expected)),
        }
    }

    fn sign(&mut self, sign: char) -> Result<(), Error> {
        if self.eat(sign)? { Ok(()) } else { Err(self.expected(&format!("'{sign}'"))) }
    }

    fn eat(&mut self, sign: char) -> Result<bool, Error> {
        let found = self.next.kind == Kind::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn eat_word(&mut self, keyword: &str) -> Result<bool, Error> {
        let found = self.is_word(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(&self.next.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn advance(&mut self) -> Result<(), Error> {
        self.next = self.lexer.next()?;
        Ok(())
    }

    fn expected(&self, expected: &str) -> Error {
        self.lexer.error_at(self.next.at, format!("expected {expected}, found {}", self.next.kind.describe()))
    }
}

/// Returns the type of an element with its qualifiers (DSP0004 5.6.3.16 and 5.6.3.17).
///
/// A string with `EmbeddedInstance` or `EmbeddedObject` holds an instance, and an element that holds an instance always
/// has one of the two. `object` without a class is of the class of `EmbeddedInstance`.
fn embed(element: CimType, qualifiers: &mut Qualifiers) -> CimType {
    let named = qualifiers.text("EmbeddedInstance").and_then(|class| Name::parse(class).ok());
    match element {
        CimType::String if named.is_some() || qualifiers.says("EmbeddedObject") => CimType::Object(named),
        CimType::Object(class) => {
            let class = class.or(named);
            let (name, value) = match &class {
                Some(class) => ("EmbeddedInstance", Value::text(class.as_str())),
                None => ("EmbeddedObject", Value::Boolean(true)),
            };
            if let Ok(name) = Name::parse(name) {
                qualifiers.set(Qualifier::new(name, value));
            }
            CimType::Object(class)
        }
        other => other,
    }
}

/// Returns the value of a qualifier, with the type of its literal.
fn untyped(literal: &Literal) -> Option<Value> {
    Some(match literal {
        Literal::Null => Value::Null,
        Literal::Boolean(value) => Value::Boolean(*value),
        Literal::Integer(number) => [CimType::Sint32, CimType::Sint64, CimType::Uint64]
            .iter()
            .find_map(|kind| kind.integer(*number).ok())?,
        Literal::Real(number) => Value::Real64(*number),
        Literal::Character(unit) => Value::Char16(*unit),
        Literal::Text(text) => Value::text(text.as_str()),
        Literal::Array(literals) => Value::Array(literals.iter().map(untyped).collect::<Option<_>>()?),
        Literal::Alias(_) | Literal::Instance(_) => return None,
    })
}
