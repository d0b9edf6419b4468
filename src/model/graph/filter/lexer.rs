//! A text as words, numbers, texts and symbols, each with its place.

use winnow::{
    Parser, Result,
    combinator::{alt, delimited, preceded, repeat},
    error::EmptyError,
    token::{any, one_of, rest, take_till, take_while},
};

use crate::model::id::shown;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'t> {
    /// A keyword or the name of a field.
    Word(&'t str),
    /// Begins with a digit; may have points, which no number has that can be used.
    Number(&'t str),
    /// What stands between single quotes, which are still doubled inside.
    Text(&'t str),
    /// An operator, a bracket, a comma.
    Symbol(&'t str),
    /// A quote without its other one.
    Unclosed,
    /// A character that means nothing here.
    Stray(&'t str),
    /// There is no more.
    End,
}

impl Token<'_> {
    /// How messages name it.
    pub(super) fn shown(self) -> String {
        match self {
            Token::Word(text) | Token::Symbol(text) => format!("'{}'", shown(text)),
            Token::Stray(text) => format!("'{}'", text.escape_debug()),
            Token::Number(text) => shown(text),
            Token::Text(text) => format!("the text '{}'", shown(&text.replace("''", "'"))),
            Token::Unclosed => "a text without its closing quote".to_owned(),
            Token::End => "the end".to_owned(),
        }
    }
}

/// All parts with the character at which each begins, counted from 1. The last one is [`Token::End`].
pub(super) fn tokens(text: &str) -> Vec<(usize, Token<'_>)> {
    let (mut found, mut left, mut at) = (Vec::new(), text, 1);
    loop {
        at += taken(&mut left, blank).map_or(0, |(_, length)| length);
        let Some((token, length)) = taken(&mut left, token) else { break };
        found.push((at, token));
        at += length;
    }
    found.push((at, Token::End));
    found
}

/// What a parser finds, and how many characters that took.
fn taken<'t, T>(left: &mut &'t str, parser: impl Parser<&'t str, T, EmptyError>) -> Option<(T, usize)> {
    let (found, text) = parser.with_taken().parse_next(left).ok()?;
    Some((found, text.chars().count()))
}

fn blank<'t>(left: &mut &'t str) -> Result<&'t str, EmptyError> {
    take_while(0.., char::is_whitespace).parse_next(left)
}

fn token<'t>(left: &mut &'t str) -> Result<Token<'t>, EmptyError> {
    let begins = |c: char| c.is_alphabetic() || c == '_';
    let word = (one_of(begins), take_while(0.., |c: char| c.is_alphanumeric() || matches!(c, '_' | '.'))).take();
    let number = (one_of('0'..='9'), take_while(0.., |c: char| c.is_ascii_digit() || c == '.')).take();
    let inside = repeat(0.., alt((take_till(1.., '\''), "''"))).map(|()| ()).take();
    let symbol = alt(("==", "!=", "<=", ">=", one_of(|c: char| "<>()[],+-".contains(c)).take()));
    alt((
        word.map(Token::Word),
        number.map(Token::Number),
        delimited('\'', inside, '\'').map(Token::Text),
        preceded('\'', rest).value(Token::Unclosed),
        symbol.map(Token::Symbol),
        any.take().map(Token::Stray),
    ))
    .parse_next(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_its_parts() {
        use Token::{End, Number, Stray, Symbol, Text, Unclosed, Word};
        let table: [(&str, &[(usize, Token<'_>)]); 7] = [
            ("", &[(1, End)]),
            (" \t\r\n\u{a0}", &[(6, End)]),
            ("a.b<=7", &[(1, Word("a.b")), (4, Symbol("<=")), (6, Number("7")), (7, End)]),
            ("ä 'ü''x''' #", &[(1, Word("ä")), (3, Text("ü''x''")), (12, Stray("#")), (13, End)]),
            ("''''", &[(1, Text("''")), (5, End)]),
            ("x='a''", &[(1, Word("x")), (2, Stray("=")), (3, Unclosed), (7, End)]),
            (
                "now-7days 1.5",
                &[
                    (1, Word("now")),
                    (4, Symbol("-")),
                    (5, Number("7")),
                    (6, Word("days")),
                    (11, Number("1.5")),
                    (14, End),
                ],
            ),
        ];
        for (text, expected) in table {
            assert_eq!(tokens(text), expected, "{text}");
        }
    }
}
