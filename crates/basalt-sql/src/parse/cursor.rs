//! The parser's place in a list of tokens: looking, taking, names, and the bounds on nesting.

use super::keywords::{self, Class};
use super::lexer::{Kind, Token};
use super::{ParseError, lexer};
use crate::split;
use crate::tree::{Name, Pos};

/// Deepest nesting of brackets, sub-queries, CASE and prefix operators.
pub(crate) const MAX_DEPTH: u32 = 150;
/// Most stack one parser may use; frames are large without optimisation, and threads have 2 MiB.
const MAX_STACK_BYTES: usize = 640 << 10;
/// Longest chain of operators, set operations or joins, each of which is one level of the tree.
pub(crate) const MAX_CHAIN: u32 = 500;

/// Why a construct was not read to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The text is wrong, or beyond a limit.
    Error(ParseError),
    /// PostgreSQL may know it, the tree has no place for it: its name. The statement becomes `Statement::Other`.
    Other(String, Pos),
}

impl Stop {
    /// The error to give where no `Statement::Other` can stand.
    pub(crate) fn into_error(self) -> ParseError {
        match self {
            Stop::Error(error) => error,
            Stop::Other(construct, pos) => ParseError::unsupported(construct, pos),
        }
    }
}

impl From<ParseError> for Stop {
    fn from(error: ParseError) -> Self {
        Stop::Error(error)
    }
}

/// What parsing functions return.
pub(crate) type Parsed<T> = Result<T, Stop>;

/// Tokens of one statement, query or expression, and where we are.
pub(crate) struct Parser<'a> {
    pub(crate) text: &'a str,
    tokens: Vec<Token<'a>>,
    /// For each opening bracket the index of its closing one; 0 for everything else.
    closing: Vec<u32>,
    pub(crate) at: usize,
    /// Offset of the text in the one positions count in.
    base: u32,
    depth: u32,
    /// Where the stack was when this parser began.
    stack: usize,
    /// Some tokens were passed over without a look: the grammar must read the text as well.
    pub(crate) passed: bool,
    /// The text is PL/pgSQL, where `variable%TYPE` is a type too.
    pub(crate) plpgsql: bool,
}

impl<'a> Parser<'a> {
    /// Reads a text that begins `base` bytes behind where positions count from.
    pub(crate) fn new(text: &'a str, base: u32) -> Result<Self, ParseError> {
        let shifted = |error: ParseError| error.shifted(base);
        let tokens = lexer::tokens(text).map_err(shifted)?;
        let closing = brackets(&tokens).map_err(shifted)?;
        Ok(Self { text, tokens, closing, at: 0, base, depth: 0, stack: stack_address(), passed: false, plpgsql: false })
    }

    /// Makes of the text one statement: takes off semicolons at the end, refuses others.
    pub(crate) fn single(mut self) -> Result<Self, ParseError> {
        while let [.., last, eof] = self.tokens.as_mut_slice()
            && last.kind == Kind::Sym(";")
        {
            eof.start = last.start;
            eof.end = last.start;
            let index = self.tokens.len() - 2;
            self.tokens.remove(index);
            self.closing.remove(index);
        }
        if let Some(index) = split::boundary(&self.tokens, 0) {
            self.at = index;
            return Err(self.unexpected_error());
        }
        Ok(self)
    }

    /// All tokens, the last being [`Kind::Eof`].
    pub(crate) fn tokens(&self) -> &[Token<'a>] {
        &self.tokens
    }

    pub(crate) fn token(&self, ahead: usize) -> &Kind<'a> {
        self.tokens.get(self.at + ahead).map_or(&Kind::Eof, |t| &t.kind)
    }

    pub(crate) fn peek(&self) -> &Kind<'a> {
        self.token(0)
    }

    /// The place of the next token.
    pub(crate) fn pos(&self) -> Pos {
        self.pos_at(self.at)
    }

    pub(crate) fn pos_at(&self, index: usize) -> Pos {
        Pos(self.base + self.start_at(index) as u32)
    }

    /// Where a token begins in the text.
    pub(crate) fn start_at(&self, index: usize) -> usize {
        self.tokens.get(index).or(self.tokens.last()).map_or(0, |t| t.start as usize)
    }

    /// Where the token before this place ends in the text.
    pub(crate) fn end(&self) -> u32 {
        self.at.checked_sub(1).and_then(|i| self.tokens.get(i)).map_or(0, |t| t.end)
    }

    /// The text from a token to the one before this place, as written.
    pub(crate) fn written(&self, from: usize) -> &'a str {
        let start = self.start_at(from);
        self.text.get(start..(self.end() as usize).max(start)).unwrap_or("")
    }

    pub(crate) fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    /// Passes over all that is left.
    pub(crate) fn skip_rest(&mut self) {
        self.passed = true;
        while !self.at_end() {
            self.advance();
        }
    }

    pub(crate) fn at_end(&self) -> bool {
        matches!(self.peek(), Kind::Eof)
    }

    /// PostgreSQL's complaint about the next token.
    pub(crate) fn unexpected<T>(&self) -> Parsed<T> {
        Err(Stop::Error(self.unexpected_error()))
    }

    pub(crate) fn unexpected_error(&self) -> ParseError {
        match self.tokens.get(self.at) {
            Some(token) if token.kind != Kind::Eof => {
                let shown = self.text.get(token.start as usize..token.end as usize).unwrap_or("");
                ParseError::syntax(format!("syntax error at or near \"{shown}\""), self.pos())
            }
            _ => ParseError::syntax("syntax error at end of input".to_owned(), self.pos()),
        }
    }

    pub(crate) fn other<T>(&self, construct: impl Into<String>) -> Parsed<T> {
        Err(Stop::Other(construct.into(), self.pos()))
    }

    // Words and symbols.

    pub(crate) fn is_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.token(ahead), Kind::Word(w) if w == word)
    }

    /// Whether the next token is this keyword.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.is_at(0, word)
    }

    /// Whether the next tokens are these keywords, separated by blanks.
    pub(crate) fn are(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(i, word)| self.is_at(i, word))
    }

    pub(crate) fn is_any(&self, words: &[&str]) -> bool {
        matches!(self.peek(), Kind::Word(w) if words.contains(&w.as_str()))
    }

    /// Takes the keywords if they are next.
    pub(crate) fn eat(&mut self, words: &str) -> bool {
        let found = self.are(words);
        if found {
            for _ in words.split(' ') {
                self.advance();
            }
        }
        found
    }

    /// Takes one of the keywords and says which.
    pub(crate) fn eat_any(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let found = words.iter().find(|word| self.is(word)).copied();
        if found.is_some() {
            self.advance();
        }
        found
    }

    pub(crate) fn expect(&mut self, words: &str) -> Parsed<()> {
        for word in words.split(' ') {
            if !self.eat(word) {
                return self.unexpected();
            }
        }
        Ok(())
    }

    pub(crate) fn is_sym_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.token(ahead), Kind::Sym(s) if *s == symbol)
    }

    pub(crate) fn is_sym(&self, symbol: &str) -> bool {
        self.is_sym_at(0, symbol)
    }

    pub(crate) fn eat_sym(&mut self, symbol: &str) -> bool {
        let found = self.is_sym(symbol);
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn expect_sym(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat_sym(symbol) { Ok(()) } else { self.unexpected() }
    }

    /// The text must end here.
    pub(crate) fn expect_end(&mut self) -> Parsed<()> {
        if self.at_end() { Ok(()) } else { self.unexpected() }
    }

    /// Runs a parser one level deeper.
    pub(crate) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.deeper_by(1, parse)
    }

    /// As [`Self::deeper`], for parsers whose level needs the stack of several.
    pub(crate) fn deeper_by<T>(&mut self, levels: u32, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth + levels > MAX_DEPTH || self.stack.abs_diff(stack_address()) > MAX_STACK_BYTES {
            return Err(Stop::Error(ParseError::too_deep(self.pos())));
        }
        self.depth += levels;
        let result = parse(self);
        self.depth -= levels;
        result
    }

    /// Counts one more link of a chain.
    pub(crate) fn link(&self, count: &mut u32) -> Parsed<()> {
        *count += 1;
        if *count > MAX_CHAIN { Err(Stop::Error(ParseError::too_deep(self.pos()))) } else { Ok(()) }
    }

    /// `item, item, …`, at least one.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_sym(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `( item, … )`, at least one.
    pub(crate) fn parens<T>(&mut self, item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect_sym("(")?;
        let items = self.list(item)?;
        self.expect_sym(")")?;
        Ok(items)
    }

    /// `( inside )`.
    pub(crate) fn paren<T>(&mut self, inside: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.expect_sym("(")?;
        let value = inside(self)?;
        self.expect_sym(")")?;
        Ok(value)
    }

    /// The index of the bracket that closes the one at `index`.
    pub(crate) fn closing(&self, index: usize) -> Option<usize> {
        self.closing.get(index).map(|i| *i as usize).filter(|i| *i > 0)
    }

    /// Passes over a bracketed group and gives its text.
    pub(crate) fn skip_group(&mut self) -> Parsed<&'a str> {
        let from = self.at;
        self.passed = true;
        match self.closing(self.at) {
            Some(closing) => {
                self.at = closing;
                self.advance();
                Ok(self.written(from))
            }
            None => self.unexpected(),
        }
    }

    /// Whether the bracket here opens a query that is nothing but a query, in any number of brackets.
    pub(crate) fn is_query_paren(&self) -> bool {
        let mut inner = 0;
        while self.is_sym_at(inner, "(") {
            inner += 1;
        }
        if inner == 0 {
            return false;
        }
        let starts = self.is_at(inner, "select")
            || self.is_at(inner, "with")
            || self.is_at(inner, "table")
            || (self.is_at(inner, "values") && self.is_sym_at(inner + 1, "("));
        starts
            && (1..inner).rev().all(|level| {
                let Some(close) = self.closing(self.at + level) else { return false };
                match self.tokens.get(close + 1).map(|t| &t.kind) {
                    Some(Kind::Sym(")")) => true,
                    Some(Kind::Word(w)) => {
                        matches!(w.as_str(), "union" | "intersect" | "except" | "order" | "limit" | "offset" | "fetch" | "for")
                    }
                    _ => false,
                }
            })
    }

    // Names.

    fn word_if(&mut self, allowed: impl Fn(&str) -> bool) -> Option<String> {
        let name = match self.peek() {
            Kind::Quoted(name) => name.clone(),
            Kind::Word(word) if allowed(word) => word.clone(),
            _ => return None,
        };
        self.advance();
        Some(name)
    }

    pub(crate) fn is_col_id(&self) -> bool {
        match self.peek() {
            Kind::Quoted(_) => true,
            Kind::Word(word) => matches!(keywords::class(word), Class::Free | Class::ColName),
            _ => false,
        }
    }

    /// A column or table name.
    pub(crate) fn col_id(&mut self) -> Parsed<String> {
        match self.word_if(|w| matches!(keywords::class(w), Class::Free | Class::ColName)) {
            Some(name) => Ok(name),
            None => self.unexpected(),
        }
    }

    /// A name where any keyword may stand.
    pub(crate) fn label(&mut self) -> Parsed<String> {
        match self.word_if(|_| true) {
            Some(name) => Ok(name),
            None => self.unexpected(),
        }
    }

    /// A label without AS in front, if one follows.
    pub(crate) fn bare_label(&mut self) -> Option<String> {
        self.word_if(keywords::is_bare_label)
    }

    /// `name` or `schema.name`; database names in front are refused.
    pub(crate) fn name(&mut self) -> Parsed<Name> {
        let pos = self.pos();
        let from = self.at;
        let first = self.col_id()?;
        self.name_rest(first, from, pos)
    }

    /// A function's name: as [`Self::name`], of other keyword classes.
    pub(crate) fn function_name(&mut self) -> Parsed<Name> {
        let pos = self.pos();
        let from = self.at;
        let qualified = self.is_sym_at(1, ".");
        let first = match self.word_if(|w| match keywords::class(w) {
            Class::Free => true,
            Class::ColName => qualified,
            Class::TypeFunc => !qualified,
            Class::Reserved => false,
        }) {
            Some(first) => first,
            None => return self.unexpected(),
        };
        self.name_rest(first, from, pos)
    }

    fn name_rest(&mut self, first: String, from: usize, pos: Pos) -> Parsed<Name> {
        if !self.eat_sym(".") {
            return Ok(Name { schema: None, name: first, pos });
        }
        let name = self.label()?;
        if self.is_sym(".") {
            while self.eat_sym(".") {
                self.label()?;
            }
            let message = format!("cross-database references are not implemented: {}", self.written(from));
            let code = basalt_types::SqlState::FEATURE_NOT_SUPPORTED;
            return Err(Stop::Error(ParseError { message, pos, code }));
        }
        Ok(Name { schema: Some(first), name, pos })
    }

    /// A role: a name, PUBLIC, CURRENT_USER and so on, folded.
    pub(crate) fn role(&mut self) -> Parsed<String> {
        if let Some(word) = self.eat_any(&["current_user", "session_user", "current_role"]) {
            return Ok(word.to_owned());
        }
        match self.word_if(|w| !matches!(keywords::class(w), Class::Reserved) && w != "none") {
            Some(name) => Ok(name),
            None => self.unexpected(),
        }
    }

    /// A word that is no reserved keyword, or a string: languages and the like.
    pub(crate) fn word_or_string(&mut self) -> Parsed<String> {
        if let Kind::Str(_) = self.peek() {
            return self.string();
        }
        match self.word_if(|w| keywords::class(w) != Class::Reserved) {
            Some(word) => Ok(word),
            None => self.unexpected(),
        }
    }

    /// A string constant.
    pub(crate) fn string(&mut self) -> Parsed<String> {
        match self.peek() {
            Kind::Str(value) => {
                let value = value.clone();
                self.advance();
                Ok(value)
            }
            _ => self.unexpected(),
        }
    }

    /// An integer with an optional sign.
    pub(crate) fn integer(&mut self) -> Parsed<i64> {
        let negative = self.eat_sym("-");
        if !negative {
            self.eat_sym("+");
        }
        if let Kind::Num(text) = self.peek() {
            let text = if negative { format!("-{text}") } else { text.clone() };
            if let Ok(value) = text.parse() {
                self.advance();
                return Ok(value);
            }
        }
        self.unexpected()
    }

    /// IF EXISTS.
    pub(crate) fn if_exists(&mut self) -> bool {
        self.eat("if exists")
    }

    /// IF NOT EXISTS.
    pub(crate) fn if_not_exists(&mut self) -> bool {
        self.eat("if not exists")
    }

    /// CASCADE (true) or RESTRICT.
    pub(crate) fn cascade(&mut self) -> bool {
        self.eat("cascade") || {
            self.eat("restrict");
            false
        }
    }
}

/// About where the stack is now.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// Finds each bracket's partner; too deep nesting is an error before anything recurses.
fn brackets(tokens: &[Token<'_>]) -> Result<Vec<u32>, ParseError> {
    let mut closing = vec![0; tokens.len()];
    let mut open: Vec<(usize, bool)> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sym(symbol @ ("(" | "[")) => {
                if open.len() as u32 >= MAX_DEPTH {
                    return Err(ParseError::too_deep(Pos(token.start)));
                }
                open.push((index, symbol == "("));
            }
            Kind::Sym(symbol @ (")" | "]")) => {
                if open.last().is_some_and(|(_, round)| *round == (symbol == ")"))
                    && let Some((start, _)) = open.pop()
                    && let Some(slot) = closing.get_mut(start)
                {
                    *slot = index as u32;
                }
            }
            _ => {}
        }
    }
    Ok(closing)
}
