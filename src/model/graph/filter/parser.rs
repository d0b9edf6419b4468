//! The grammar over the parts of a text. Written by hand, one function a rule: each refusal names its place and what
//! would have fitted.

use super::{Fault, MAX_DEPTH, duration, lexer::Token};
use crate::model::{
    graph::{
        Condition, Field, Node, Operator, Test, Value,
        check::{self, Given, MAX_TESTS, MAX_VALUES},
    },
    id::shown,
};

/// What is no name of a field.
pub(super) const KEYWORDS: [&str; 11] =
    ["and", "or", "not", "anyof", "allof", "contains", "startswith", "now", "null", "true", "false"];

/// Reads parts one after the other.
#[derive(Debug)]
pub(super) struct Parser<'t> {
    node: Node,
    left: std::slice::Iter<'t, (usize, Token<'t>)>,
    at: usize,
    token: Token<'t>,
    depth: usize,
    tests: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(node: Node, tokens: &'t [(usize, Token<'t>)]) -> Parser<'t> {
        let mut parser = Parser { node, left: tokens.iter(), at: 1, token: Token::End, depth: 0, tests: 0 };
        parser.advance();
        parser
    }

    /// `[ or ] end`
    pub(super) fn whole(mut self) -> Result<Condition, Fault> {
        if self.token == Token::End {
            return Ok(Condition::All(Vec::new()));
        }
        let condition = self.or()?;
        match self.token {
            Token::End => Ok(condition),
            _ => Err(self.unexpected("'and', 'or' or the end")),
        }
    }

    /// `and { "or" and }`
    fn or(&mut self) -> Result<Condition, Fault> {
        let mut parts = vec![self.and()?];
        while self.take_keyword("or") {
            parts.push(self.and()?);
        }
        Ok(Condition::any(parts))
    }

    /// `not { "and" not }`
    fn and(&mut self) -> Result<Condition, Fault> {
        let mut parts = vec![self.not()?];
        while self.take_keyword("and") {
            parts.push(self.not()?);
        }
        Ok(Condition::all(parts))
    }

    /// `"not" not | "(" or ")" | test`
    fn not(&mut self) -> Result<Condition, Fault> {
        let at = self.at;
        if self.take_keyword("not") {
            self.deeper(at)?;
            let inner = self.not()?;
            self.depth -= 1;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.take_symbol("(") {
            self.deeper(at)?;
            let inner = self.or()?;
            if !self.take_symbol(")") {
                return Err(self.unexpected("'and', 'or' or ')'"));
            }
            self.depth -= 1;
            return Ok(inner);
        }
        self.test()
    }

    fn deeper(&mut self, at: usize) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("expected at most {MAX_DEPTH} levels of not and parentheses, got {}", self.depth);
            return Err(Fault { at, message });
        }
        Ok(())
    }

    /// `field operator ( value | "[" value { "," value } "]" )`
    fn test(&mut self) -> Result<Condition, Fault> {
        let name = match self.token {
            Token::Word(name) if keyword(name).is_none() => name,
            _ => return Err(self.unexpected("a field, 'not' or '('")),
        };
        let field = check::field(self.node, name).map_err(|message| self.fault(message))?;
        self.tests += 1;
        if self.tests > MAX_TESTS {
            return Err(self.fault(format!("expected at most {MAX_TESTS} comparisons, got {}", self.tests)));
        }
        self.advance();
        let Some(operator) = operator(self.token) else {
            let has: Vec<&str> = field.kind.operators().iter().map(|operator| operator.text()).collect();
            return Err(self.unexpected(&format!("{} after {name}", check::choice(&has))));
        };
        check::operator(field, operator, |operator| Some(operator.text())).map_err(|message| self.fault(message))?;
        self.advance();
        let values = match operator {
            Operator::AnyOf | Operator::AllOf => self.list(field, operator)?,
            _ => vec![self.value(field, operator, operator.text())?],
        };
        Ok(Condition::Test(Test { field, operator, values }))
    }

    fn list(&mut self, field: &'static Field, operator: Operator) -> Result<Vec<Value>, Fault> {
        if !self.take_symbol("[") {
            return Err(self.unexpected(&format!("'[' after {}", operator.text())));
        }
        let mut values = vec![self.value(field, operator, "[")?];
        while self.take_symbol(",") {
            if values.len() == MAX_VALUES {
                return Err(self.fault(format!("expected at most {MAX_VALUES} values in a list, got more")));
            }
            values.push(self.value(field, operator, ",")?);
        }
        if !self.take_symbol("]") {
            return Err(self.unexpected("',' or ']'"));
        }
        Ok(values)
    }

    /// `text | [ "-" ] number | "true" | "false" | "null" | now`
    fn value(&mut self, field: &Field, operator: Operator, after: &str) -> Result<Value, Fault> {
        let at = self.at;
        let given = match self.token {
            Token::Text(text) => Given::Text(text.replace("''", "'")),
            Token::Number(digits) => Given::Number(digits.to_owned()),
            Token::Symbol("-") => {
                self.advance();
                match self.token {
                    Token::Number(digits) => Given::Number(format!("-{digits}")),
                    _ => return Err(self.unexpected("a number after -")),
                }
            }
            Token::Word(word) => match keyword(word) {
                Some("true") => Given::Bool(true),
                Some("false") => Given::Bool(false),
                Some("null") => Given::Null,
                Some("now") => Given::Now(0),
                Some(_) => return Err(self.unexpected(&format!("a value after {after}"))),
                None => return Err(self.unquoted(after)),
            },
            Token::Stray("\"") => return Err(self.unquoted(after)),
            _ => return Err(self.unexpected(&format!("a value after {after}"))),
        };
        self.advance();
        let given = if let Given::Now(_) = given { Given::Now(self.moved()?) } else { given };
        check::value(field, operator, given).map_err(|message| Fault { at, message })
    }

    /// `{ ( "+" | "-" ) number unit }`, in milliseconds
    fn moved(&mut self) -> Result<i64, Fault> {
        let mut sum = 0;
        while let Token::Symbol(sign @ ("+" | "-")) = self.token {
            self.advance();
            let at = self.at;
            let number = match self.token {
                Token::Number(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits,
                _ => return Err(self.unexpected(&format!("a whole number of seconds to weeks after {sign}"))),
            };
            self.advance();
            let unit = match self.token {
                Token::Word(word) => duration::unit(word).map(|millis| (word, millis)),
                _ => None,
            };
            let Some((word, unit)) = unit else {
                let number = shown(number);
                return Err(self.unexpected(&format!("seconds, minutes, hours, days or weeks after {number}")));
            };
            self.advance();
            sum = duration::moved(sum, sign == "+", number, unit).ok_or_else(|| {
                let (most, number) = (duration::MAX_DAYS, shown(number));
                let message =
                    format!("expected a time within {most} days of now, got farther by {sign} {number} {word}");
                Fault { at, message }
            })?;
        }
        Ok(sum)
    }

    fn advance(&mut self) {
        // the last part says that it is the last, so that one is always left to look at
        if let Some((at, token)) = self.left.next() {
            (self.at, self.token) = (*at, *token);
        }
    }

    fn take_keyword(&mut self, expected: &str) -> bool {
        let met = matches!(self.token, Token::Word(word) if word.eq_ignore_ascii_case(expected));
        if met {
            self.advance();
        }
        met
    }

    fn take_symbol(&mut self, expected: &str) -> bool {
        let met = matches!(self.token, Token::Symbol(symbol) if symbol == expected);
        if met {
            self.advance();
        }
        met
    }

    fn fault(&self, message: String) -> Fault {
        Fault { at: self.at, message }
    }

    fn unexpected(&self, expected: &str) -> Fault {
        self.fault(format!("expected {expected}, got {}", self.token.shown()))
    }

    fn unquoted(&self, after: &str) -> Fault {
        let got = self.token.shown();
        self.fault(format!("expected a value after {after}, got {got}; texts stand in single quotes"))
    }
}

/// The keyword that a word is, in any case.
fn keyword(word: &str) -> Option<&'static str> {
    KEYWORDS.into_iter().find(|keyword| keyword.eq_ignore_ascii_case(word))
}

fn operator(token: Token<'_>) -> Option<Operator> {
    match token {
        Token::Word(text) | Token::Symbol(text) => {
            Operator::ALL.into_iter().find(|operator| operator.text().eq_ignore_ascii_case(text))
        }
        _ => None,
    }
}
