//! Words to conditions.

use super::token::{Kind, Token, tokens};
use super::{Comparison, Condition, Dialect, Literal, Operator, split_name, unquoted};
use crate::error::{Result, TrackingError};

/// Filters that are nested more deeply than this are refused.
const DEEPEST: usize = 64;

/// See [`super::parse`].
pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Condition> {
    let tokens = tokens(text).map_err(|place| {
        // What is not closed is one clause that means nothing.
        TrackingError::invalid(format!("Invalid clause(s) in filter string: '{}'", &text[place..]))
    })?;
    if let Some(end) = tokens.iter().position(|token| token.is_sign(";"))
        && end + 1 < tokens.len()
    {
        let message = format!("Search filter contained multiple expression '{text}'. Provide AND-ed expression list.");
        return Err(TrackingError::invalid(message));
    }
    let mut parser = Parser { text, tokens, place: 0 };
    match dialect {
        Dialect::Plain => parser.joined(),
        Dialect::Extended => parser.whole(),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    place: usize,
}

impl<'a> Parser<'a> {
    /// Comparisons joined by `AND`. Like MLflow's, it skips every `AND`, and lists all that is no comparison.
    fn joined(&mut self) -> Result<Condition> {
        let (mut found, mut wrong) = (Vec::new(), Vec::new());
        while let Some(token) = self.peek() {
            if token.is_word("AND") {
                self.place += 1;
            } else if let Some(comparison) = self.comparison()? {
                found.push(Condition::Is(comparison));
            } else {
                wrong.push(format!("'{}'", self.skipped()));
            }
        }
        if wrong.is_empty() {
            return Ok(Condition::All(found));
        }
        Err(TrackingError::invalid(format!("Invalid clause(s) in filter string: {}", wrong.join(", "))))
    }

    /// Any condition, to the end.
    fn whole(&mut self) -> Result<Condition> {
        if self.tokens.is_empty() {
            return Ok(Condition::All(Vec::new()));
        }
        let condition = self.any(0)?;
        match self.peek() {
            None => Ok(condition),
            Some(_) => Err(self.unexpected()),
        }
    }

    fn any(&mut self, depth: usize) -> Result<Condition> {
        let mut found = vec![self.all(depth)?];
        while self.take_word("OR") {
            found.push(self.all(depth)?);
        }
        Ok(single_or(found, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition> {
        let mut found = vec![self.one(depth)?];
        while self.take_word("AND") {
            // MLflow takes an `AND` at the end for nothing.
            if self.peek().is_none() {
                break;
            }
            found.push(self.one(depth)?);
        }
        Ok(single_or(found, Condition::All))
    }

    fn one(&mut self, depth: usize) -> Result<Condition> {
        if depth > DEEPEST {
            return Err(TrackingError::invalid(format!("filter string is nested more than {DEEPEST} deep")));
        }
        if self.take_word("NOT") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.peek().is_some_and(|token| token.is_sign("(")) {
            self.place += 1;
            let condition = self.any(depth + 1)?;
            if !self.peek().is_some_and(|token| token.is_sign(")")) {
                return Err(self.unexpected());
            }
            self.place += 1;
            return Ok(condition);
        }
        self.comparison()?.map(Condition::Is).ok_or_else(|| self.unexpected())
    }

    /// A comparison, if the next words are one.
    fn comparison(&mut self) -> Result<Option<Comparison>> {
        let Some(left) = self.peek().cloned() else { return Ok(None) };
        let Some((operator, n_words)) = self.operator(self.place + 1)? else { return Ok(None) };
        let after = self.place + 1 + n_words;
        let value = match operator {
            Operator::IsNull | Operator::IsNotNull => Some((Literal::None, after)),
            Operator::In | Operator::NotIn => self.list(after)?,
            _ => self.tokens.get(after).and_then(literal).map(|value| (value, after + 1)),
        };
        let Some((value, end)) = value else { return Ok(None) };
        match left.kind {
            Kind::Name if !is_key_word(&left) => {}
            Kind::Number | Kind::Text => {
                let message = format!("Invalid comparison clause. Expected 'Identifier' found '{}'", left.text);
                return Err(TrackingError::invalid(message));
            }
            _ => return Ok(None),
        }
        self.place = end;
        let (entity, key) = split_name(left.text);
        Ok(Some(Comparison { entity, key, operator, value }))
    }

    /// The operator at `place`, and how many words it has.
    fn operator(&self, place: usize) -> Result<Option<(Operator, usize)>> {
        let Some(token) = self.tokens.get(place) else { return Ok(None) };
        let word = |offset: usize, word: &str| self.tokens.get(place + offset).is_some_and(|token| token.is_word(word));
        if token.kind == Kind::Operator {
            return signs(token.text).map(|operator| Some((operator, 1)));
        }
        Ok(match token.text.to_ascii_uppercase().as_str() {
            _ if token.kind != Kind::Name => None,
            "LIKE" => Some((Operator::Like, 1)),
            "ILIKE" => Some((Operator::ILike, 1)),
            "RLIKE" => Some((Operator::RLike, 1)),
            "IN" => Some((Operator::In, 1)),
            "NOT" if word(1, "IN") => Some((Operator::NotIn, 2)),
            "IS" if word(1, "NULL") => Some((Operator::IsNull, 2)),
            "IS" if word(1, "NOT") && word(2, "NULL") => Some((Operator::IsNotNull, 3)),
            _ => None,
        })
    }

    /// The texts in parentheses at `place`, and the place behind them.
    fn list(&self, place: usize) -> Result<Option<(Literal, usize)>> {
        if !self.tokens.get(place).is_some_and(|token| token.is_sign("(")) {
            return Ok(None);
        }
        let Some(length) = self.tokens[place..].iter().position(|token| token.is_sign(")")) else { return Ok(None) };
        let mut texts = Vec::new();
        for (number, token) in self.tokens[place + 1..place + length].iter().enumerate() {
            match (number % 2, literal(token)) {
                (0, Some(Literal::Text(text))) => texts.push(text),
                (1, _) if token.is_sign(",") => {}
                _ => return Err(ill_formed()),
            }
        }
        if texts.is_empty() {
            return Err(ill_formed());
        }
        Ok(Some((Literal::List(texts), place + length + 1)))
    }

    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.place)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.peek().is_some_and(|token| token.is_word(word));
        self.place += usize::from(is_next);
        is_next
    }

    /// Steps over what is no comparison: a word, or all that stands in parentheses.
    fn skipped(&mut self) -> &'a str {
        let start = self.place;
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.place) {
            depth = if token.is_sign("(") { depth + 1 } else { depth - usize::from(token.is_sign(")") && depth > 0) };
            self.place += 1;
            if depth == 0 {
                break;
            }
        }
        let end = self.tokens[self.place - 1].end();
        &self.text[self.tokens[start].start..end]
    }

    fn unexpected(&self) -> TrackingError {
        let found = self.peek().map_or("the end", |token| token.text);
        TrackingError::invalid(format!("Invalid clause(s) in filter string: '{found}'"))
    }
}

fn single_or(mut found: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if found.len() == 1 { found.remove(0) } else { join(found) }
}

fn is_key_word(token: &Token) -> bool {
    ["AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "RLIKE"].iter().any(|word| token.is_word(word))
}

fn signs(text: &str) -> Result<Operator> {
    Ok(match text {
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        other => return Err(TrackingError::invalid(format!("Invalid comparator '{other}'"))),
    })
}

fn literal(token: &Token) -> Option<Literal> {
    match token.kind {
        Kind::Number => Some(Literal::Number(token.text.to_owned(), token.text.parse().ok()?)),
        // Doubled quotes stay doubled, as they do in MLflow.
        Kind::Text => Some(Literal::Text(token.text[1..token.text.len() - 1].to_owned())),
        Kind::Name if token.text.starts_with('"') => Some(Literal::Text(unquoted(token.text))),
        Kind::Name if !is_key_word(token) => Some(Literal::Bare(token.text.to_owned())),
        _ => None,
    }
}

fn ill_formed() -> TrackingError {
    let message =
        "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.";
    TrackingError::invalid(message)
}
