//! JSON Path (RFC 9535), of whose functions only `search()` is known.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Map, Value};

use super::Node;

/// Parentheses and queries inside one another.
const DEEPEST: usize = 24;

/// Nodes looked at in one evaluation: a path with several `..` could else look at any number of them.
const MOST_NODES: usize = 10_000;

#[derive(Debug, Clone)]
pub struct Path(Vec<Segment>);

#[derive(Debug, Clone)]
struct Segment {
    /// `..`: the node itself and all below it.
    is_descendant: bool,
    selectors: Vec<Selector>,
}

#[derive(Debug, Clone)]
enum Selector {
    Name(String),
    Index(i64),
    Wildcard,
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Filter(Condition),
}

#[derive(Debug, Clone)]
enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Exists(Query),
    Compare(Operand, Comparison, Operand),
    Search(Operand, Regex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone)]
struct Query {
    /// `$`, else `@`.
    from_root: bool,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone)]
enum Operand {
    Literal(Value),
    Query(Query),
}

impl Path {
    /// Reads a path that begins with `$`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut reader = Reader { rest: text, depth: 0 };
        reader.expect("$")?;
        let segments = reader.segments()?;
        if reader.rest.is_empty() { Ok(Self(segments)) } else { Err("there is more behind its end") }
    }

    /// The name of a path that is one member's name.
    pub fn single_name(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Segment { is_descendant: false, selectors }] => match selectors.as_slice() {
                [Selector::Name(name)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The first value found. The claims themselves are none.
    pub fn first<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let root = Node::Claims(claims);
        let mut budget = MOST_NODES;
        select(&self.0, root, root, &mut budget).into_iter().find_map(|node| match node {
            Node::Value(value) => Some(value),
            Node::Claims(_) => None,
        })
    }
}

fn select<'c>(segments: &[Segment], from: Node<'c>, root: Node<'c>, budget: &mut usize) -> Vec<Node<'c>> {
    let mut nodes = vec![from];
    for segment in segments {
        let starts = if segment.is_descendant { below(&nodes, budget) } else { nodes };
        let mut found = Vec::new();
        for node in starts {
            for selector in &segment.selectors {
                selector.apply(node, root, budget, &mut found);
            }
        }
        if found.len() > *budget {
            return Vec::new();
        }
        *budget -= found.len();
        nodes = found;
    }
    nodes
}

/// These nodes and all below them.
fn below<'c>(nodes: &[Node<'c>], budget: &mut usize) -> Vec<Node<'c>> {
    let mut all = Vec::new();
    let mut open: Vec<Node<'c>> = nodes.iter().rev().copied().collect();
    while let Some(node) = open.pop() {
        if *budget == 0 {
            return Vec::new();
        }
        *budget -= 1;
        all.push(node);
        open.extend(node.children().into_iter().rev());
    }
    all
}

impl Selector {
    fn apply<'c>(&self, node: Node<'c>, root: Node<'c>, budget: &mut usize, found: &mut Vec<Node<'c>>) {
        match self {
            Self::Name(name) => found.extend(node.member(name).map(Node::Value)),
            Self::Index(index) => found.extend(at(node.items(), *index).map(Node::Value)),
            Self::Wildcard => found.extend(node.children()),
            Self::Slice { start, end, step } => slice(node.items(), (*start, *end, *step), found),
            Self::Filter(condition) => {
                for child in node.children() {
                    if condition.holds(child, root, budget) {
                        found.push(child);
                    }
                }
            }
        }
    }
}

fn at(items: &[Value], index: i64) -> Option<&Value> {
    let length = i64::try_from(items.len()).ok()?;
    let index = if index < 0 { length.checked_add(index)? } else { index };
    items.get(usize::try_from(index).ok()?)
}

/// RFC 9535, section 2.3.4.2.2.
fn slice<'c>(items: &'c [Value], (start, end, step): (Option<i64>, Option<i64>, i64), found: &mut Vec<Node<'c>>) {
    let Ok(length) = i64::try_from(items.len()) else { return };
    let normal = |i: i64| if i >= 0 { i } else { length.saturating_add(i) };
    if step > 0 {
        let (from, to) = (normal(start.unwrap_or(0)).clamp(0, length), normal(end.unwrap_or(length)).clamp(0, length));
        let mut i = from;
        while i < to {
            found.extend(at(items, i).map(Node::Value));
            i = i.saturating_add(step);
        }
    } else if step < 0 {
        let from = start.map_or(length - 1, normal).clamp(-1, length - 1);
        let to = end.map_or(-1, normal).clamp(-1, length - 1);
        let mut i = from;
        while i > to {
            found.extend(at(items, i).map(Node::Value));
            i = i.saturating_add(step);
        }
    }
}

impl Condition {
    fn holds(&self, node: Node<'_>, root: Node<'_>, budget: &mut usize) -> bool {
        match self {
            Self::Any(conditions) => conditions.iter().any(|c| c.holds(node, root, budget)),
            Self::All(conditions) => conditions.iter().all(|c| c.holds(node, root, budget)),
            Self::Not(condition) => !condition.holds(node, root, budget),
            Self::Exists(query) => !query.nodes(node, root, budget).is_empty(),
            Self::Compare(left, comparison, right) => {
                let (left, right) = (left.value(node, root, budget), right.value(node, root, budget));
                comparison.holds(left, right)
            }
            Self::Search(operand, pattern) => {
                operand.value(node, root, budget).and_then(Value::as_str).is_some_and(|text| pattern.is_match(text))
            }
        }
    }
}

impl Comparison {
    /// A value that is not there equals only another that is not there (RFC 9535, section 2.3.5.2.2).
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let equal = match (left, right) {
            (Some(left), Some(right)) => is_equal(left, right),
            (left, right) => left.is_none() && right.is_none(),
        };
        let order = match (left, right) {
            (Some(Value::String(left)), Some(Value::String(right))) => Some(left.cmp(right)),
            (Some(left), Some(right)) => left.as_f64().zip(right.as_f64()).and_then(|(l, r)| l.partial_cmp(&r)),
            _ => None,
        };
        match self {
            Self::Equal => equal,
            Self::NotEqual => !equal,
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => equal || order == Some(Ordering::Less),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => equal || order == Some(Ordering::Greater),
        }
    }
}

fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        // 1 and 1.0 are one number.
        (Value::Number(l), Value::Number(r)) => l == r || l.as_f64() == r.as_f64(),
        (left, right) => left == right,
    }
}

impl Query {
    fn nodes<'c>(&self, node: Node<'c>, root: Node<'c>, budget: &mut usize) -> Vec<Node<'c>> {
        select(&self.segments, if self.from_root { root } else { node }, root, budget)
    }
}

impl Operand {
    fn value<'v, 'c: 'v>(&'v self, node: Node<'c>, root: Node<'c>, budget: &mut usize) -> Option<&'v Value> {
        match self {
            Self::Literal(value) => Some(value),
            Self::Query(query) => match query.nodes(node, root, budget).as_slice() {
                [Node::Value(value)] => Some(value),
                _ => None,
            },
        }
    }
}

/// Reads from the front of a text.
struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), &'static str> {
        if self.take(text) { Ok(()) } else { Err("a bracket, a quote or an operator is missing") }
    }

    fn deeper(&mut self) -> Result<(), &'static str> {
        self.depth += 1;
        if self.depth > DEEPEST { Err("it is nested too deeply") } else { Ok(()) }
    }

    fn segments(&mut self) -> Result<Vec<Segment>, &'static str> {
        let mut segments = Vec::new();
        loop {
            let before = self.rest;
            self.blank();
            let is_descendant = self.take("..");
            if is_descendant || self.take(".") {
                if is_descendant && self.rest.starts_with('[') {
                    segments.push(Segment { is_descendant, selectors: self.bracket()? });
                } else if self.take("*") {
                    segments.push(Segment { is_descendant, selectors: vec![Selector::Wildcard] });
                } else {
                    let name = self.short_name().ok_or("a name is missing behind a point")?;
                    segments.push(Segment { is_descendant, selectors: vec![Selector::Name(name)] });
                }
            } else if self.rest.starts_with('[') {
                segments.push(Segment { is_descendant: false, selectors: self.bracket()? });
            } else {
                self.rest = before;
                return Ok(segments);
            }
        }
    }

    fn short_name(&mut self) -> Option<String> {
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        self.rest.chars().next().filter(|c| is_first(*c))?;
        let end = self.rest.find(|c: char| !(is_first(c) || c.is_ascii_digit())).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(name.to_owned())
    }

    fn bracket(&mut self) -> Result<Vec<Selector>, &'static str> {
        self.expect("[")?;
        let mut selectors = Vec::new();
        loop {
            self.blank();
            selectors.push(self.selector()?);
            self.blank();
            if !self.take(",") {
                break;
            }
        }
        self.expect("]")?;
        Ok(selectors)
    }

    fn selector(&mut self) -> Result<Selector, &'static str> {
        if self.take("*") {
            return Ok(Selector::Wildcard);
        }
        if self.take("?") {
            self.blank();
            return self.any().map(Selector::Filter);
        }
        if self.rest.starts_with(['\'', '"']) {
            return self.string().map(Selector::Name);
        }
        let start = self.integer()?;
        self.blank();
        if !self.take(":") {
            return start.map(Selector::Index).ok_or("a bracket holds no selector");
        }
        self.blank();
        let end = self.integer()?;
        self.blank();
        let step = if self.take(":") {
            self.blank();
            self.integer()?
        } else {
            None
        };
        Ok(Selector::Slice { start, end, step: step.unwrap_or(1) })
    }

    fn integer(&mut self) -> Result<Option<i64>, &'static str> {
        let digits = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let sign = self.rest.len() - digits.len();
        if length == 0 {
            return if sign == 0 { Ok(None) } else { Err("a number is missing behind a minus") };
        }
        let (number, rest) = self.rest.split_at(sign + length);
        if digits.starts_with('0') && (length > 1 || sign > 0) {
            return Err("a number begins with 0");
        }
        self.rest = rest;
        number.parse().map(Some).map_err(|_| "a number is too large")
    }

    fn string(&mut self) -> Result<String, &'static str> {
        let quote = self.rest.chars().next().ok_or("a quote is missing")?;
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(out);
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let (_, escaped) = chars.next().ok_or("a quoted text does not end")?;
            match escaped {
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                '/' | '\\' => out.push(escaped),
                'u' => {
                    let mut units = vec![unit(&mut chars)?];
                    if (0xd800..0xdc00).contains(&units[0]) {
                        let is_pair = chars.next().map(|(_, c)| c) == Some('\\') && chars.next().map(|(_, c)| c) == Some('u');
                        if !is_pair {
                            return Err("an escape is half a character");
                        }
                        units.push(unit(&mut chars)?);
                    }
                    out.push_str(&String::from_utf16(&units).map_err(|_| "an escape is half a character")?);
                }
                c if c == quote => out.push(c),
                _ => return Err("there is no such escape"),
            }
        }
        Err("a quoted text does not end")
    }

    fn any(&mut self) -> Result<Condition, &'static str> {
        self.deeper()?;
        let mut all = vec![self.all()?];
        while self.operator("||") {
            all.push(self.all()?);
        }
        self.depth -= 1;
        Ok(match all.pop() {
            Some(one) if all.is_empty() => one,
            last => Condition::Any(all.into_iter().chain(last).collect()),
        })
    }

    fn all(&mut self) -> Result<Condition, &'static str> {
        let mut all = vec![self.basic()?];
        while self.operator("&&") {
            all.push(self.basic()?);
        }
        Ok(match all.pop() {
            Some(one) if all.is_empty() => one,
            last => Condition::All(all.into_iter().chain(last).collect()),
        })
    }

    fn operator(&mut self, word: &str) -> bool {
        let before = self.rest;
        self.blank();
        if self.take(word) {
            self.blank();
            return true;
        }
        self.rest = before;
        false
    }

    fn basic(&mut self) -> Result<Condition, &'static str> {
        self.blank();
        if self.rest.starts_with('!') && !self.rest.starts_with("!=") {
            self.take("!");
            self.deeper()?;
            let inner = self.basic()?;
            self.depth -= 1;
            return match inner {
                Condition::Compare(..) => Err("a comparison is negated without parentheses"),
                inner => Ok(Condition::Not(Box::new(inner))),
            };
        }
        if self.take("(") {
            let inner = self.any()?;
            self.blank();
            self.expect(")")?;
            // Told apart from a bare comparison, so that it may be negated.
            return Ok(Condition::All(vec![inner]));
        }
        if self.take("search(") {
            self.blank();
            let operand = self.operand()?;
            self.blank();
            self.expect(",")?;
            self.blank();
            let pattern = match self.operand()? {
                Operand::Literal(Value::String(pattern)) => pattern,
                _ => return Err("search() needs a quoted pattern"),
            };
            self.blank();
            self.expect(")")?;
            return Ok(Condition::Search(operand, Regex::new(&pattern).map_err(|_| "the pattern of search() is none")?));
        }
        let left = self.operand()?;
        let before = self.rest;
        self.blank();
        let words = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let Some((_, comparison)) = words.into_iter().find(|(word, _)| self.take(word)) else {
            self.rest = before;
            return match left {
                Operand::Query(query) => Ok(Condition::Exists(query)),
                Operand::Literal(_) => Err("a value alone is no condition"),
            };
        };
        self.blank();
        let right = self.operand()?;
        let is_single = |operand: &Operand| match operand {
            Operand::Literal(_) => true,
            Operand::Query(query) => query
                .segments
                .iter()
                .all(|s| !s.is_descendant && matches!(s.selectors.as_slice(), [Selector::Name(_) | Selector::Index(_)])),
        };
        if !is_single(&left) || !is_single(&right) {
            return Err("a comparison needs paths to single values");
        }
        Ok(Condition::Compare(left, comparison, right))
    }

    fn operand(&mut self) -> Result<Operand, &'static str> {
        if self.rest.starts_with(['@', '$']) {
            let from_root = self.take("$") || !self.take("@");
            self.deeper()?;
            let segments = self.segments()?;
            self.depth -= 1;
            return Ok(Operand::Query(Query { from_root, segments }));
        }
        if self.rest.starts_with(['\'', '"']) {
            return Ok(Operand::Literal(Value::String(self.string()?)));
        }
        for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)] {
            if self.take(word) {
                return Ok(Operand::Literal(value));
            }
        }
        let end = self.rest.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        let value = serde_json::from_str::<Value>(number).ok().filter(Value::is_number).ok_or("a value is missing")?;
        self.rest = rest;
        Ok(Operand::Literal(value))
    }
}

/// Four hexadecimal digits.
fn unit(chars: &mut impl Iterator<Item = (usize, char)>) -> Result<u16, &'static str> {
    let mut value = 0u16;
    for _ in 0..4 {
        let digit = chars.next().and_then(|(_, c)| c.to_digit(16)).ok_or("an escape is not four hexadecimal digits")?;
        value = value << 4 | u16::try_from(digit).unwrap_or(0);
    }
    Ok(value)
}
