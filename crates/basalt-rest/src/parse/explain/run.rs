//! Running a grammar by Parsec's rules (`Text.Parsec.Prim`): whether something was read decides which alternative counts, and errors of
//! one place are joined.

/// A grammar.
pub(super) enum Rule {
    /// Reads nothing.
    Nothing,
    /// One character.
    Char(char),
    /// Several; the place of its error is where it begins.
    Text(&'static str),
    /// A character of a class, which has no name.
    Class(fn(char) -> bool),
    /// The end of the text.
    End,
    /// What is said to be expected when nothing was read.
    Named(&'static str, Box<Rule>),
    /// One after the other.
    Seq(Vec<Rule>),
    /// The first that reads something or succeeds.
    Alt(Vec<Rule>),
    /// Fails as if nothing had been read.
    Try(Box<Rule>),
    /// Reads nothing, but must succeed.
    Ahead(Box<Rule>),
    /// Must not succeed; of one character.
    Not(Box<Rule>),
    /// Any number of times.
    Many(Box<Rule>),
    /// Must not be this text.
    Except(&'static str, Box<Rule>),
    /// A rule that stands in several places.
    Shared(std::rc::Rc<Rule>),
    /// Another grammar, for those that contain themselves.
    Call(fn() -> Rule),
}

/// What an error says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// What stands there; empty: the end.
    Found(String),
    /// What must not stand there.
    Unexpected(String),
    /// What could.
    Expected(String),
}

/// An error's place and what it says: nothing, when there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub at: usize,
    pub messages: Vec<Message>,
}

impl Failure {
    fn none(at: usize) -> Self {
        Self { at, messages: Vec::new() }
    }

    /// Both: the one that says something, the furthest, or one after the other.
    fn join(self, mut other: Self) -> Self {
        if other.messages.is_empty() && !self.messages.is_empty() {
            return self;
        }
        if self.messages.is_empty() && !other.messages.is_empty() {
            return other;
        }
        match self.at.cmp(&other.at) {
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal => {
                let mut messages = self.messages;
                messages.append(&mut other.messages);
                Self { at: self.at, messages }
            }
        }
    }
}

/// How a rule ended: whether it read something, where it came to (if it succeeded), and the error that goes on with it.
struct Outcome {
    consumed: bool,
    end: Option<usize>,
    failure: Failure,
}

/// A text that is read.
pub(super) struct Reader<'t> {
    chars: &'t [char],
    depth: usize,
}

/// Grammars within themselves, at most: beyond, no reason is looked for.
const DEEPEST: usize = 80;

impl<'t> Reader<'t> {
    pub(super) fn new(chars: &'t [char]) -> Self {
        Self { chars, depth: 0 }
    }

    /// How much of the text is read, or the error; nothing when it is nested too deeply.
    pub(super) fn read(mut self, rule: &Rule) -> Option<Result<usize, Failure>> {
        let outcome = self.run(rule, 0)?;
        Some(outcome.end.ok_or(outcome.failure))
    }

    /// Runs a rule; nothing when the text is nested too deeply.
    fn run(&mut self, rule: &Rule, at: usize) -> Option<Outcome> {
        let here = self.chars.get(at).copied();
        Some(match rule {
            Rule::Nothing => Outcome { consumed: false, end: Some(at), failure: Failure::none(at) },
            Rule::Char(wanted) => {
                let mut outcome = self.one(here, at, |c| c == *wanted);
                if outcome.end.is_none() {
                    outcome.failure.messages.push(Message::Expected(shown(*wanted)));
                }
                outcome
            }
            Rule::Class(fits) => self.one(here, at, fits),
            Rule::Text(text) => self.text(text, at),
            Rule::End => match here {
                None => Outcome { consumed: false, end: Some(at), failure: expected(at, None, "end of input") },
                Some(c) => {
                    let messages = vec![Message::Expected("end of input".to_owned()), Message::Unexpected(quoted(c))];
                    Outcome { consumed: false, end: None, failure: Failure { at, messages } }
                }
            },
            Rule::Named(name, rule) => {
                let mut outcome = self.run(rule, at)?;
                let says_something = !outcome.failure.messages.is_empty();
                if !outcome.consumed && (outcome.end.is_none() || says_something) {
                    let messages = &mut outcome.failure.messages;
                    messages.retain(|message| !matches!(message, Message::Expected(_)));
                    messages.insert(0, Message::Expected((*name).to_owned()));
                }
                outcome
            }
            Rule::Seq(rules) => {
                let mut so_far = Outcome { consumed: false, end: Some(at), failure: Failure::none(at) };
                for rule in rules {
                    let Some(from) = so_far.end else { break };
                    let next = self.run(rule, from)?;
                    let failure = if next.consumed { next.failure } else { so_far.failure.join(next.failure) };
                    so_far = Outcome { consumed: so_far.consumed || next.consumed, end: next.end, failure };
                }
                so_far
            }
            Rule::Alt(rules) => {
                let mut so_far = Outcome { consumed: false, end: None, failure: Failure::none(at) };
                for rule in rules {
                    let next = self.run(rule, at)?;
                    let is_taken = next.consumed || next.end.is_some();
                    let failure = if next.consumed { next.failure } else { so_far.failure.join(next.failure) };
                    so_far = Outcome { consumed: next.consumed, end: next.end, failure };
                    if is_taken {
                        break;
                    }
                }
                so_far
            }
            Rule::Try(rule) => {
                let outcome = self.run(rule, at)?;
                Outcome { consumed: outcome.consumed && outcome.end.is_some(), ..outcome }
            }
            Rule::Ahead(rule) => {
                let outcome = self.run(rule, at)?;
                match outcome.end {
                    Some(_) => Outcome { consumed: false, end: Some(at), failure: Failure::none(at) },
                    None => outcome,
                }
            }
            Rule::Not(rule) => {
                let outcome = self.run(rule, at)?;
                match (outcome.end, here) {
                    (Some(end), Some(c)) => {
                        let failure = Failure { at: end, messages: vec![Message::Unexpected(quoted(c))] };
                        Outcome { consumed: false, end: None, failure }
                    }
                    _ => Outcome { consumed: false, end: Some(at), failure: outcome.failure },
                }
            }
            Rule::Many(rule) => {
                let (mut end, mut consumed) = (at, false);
                loop {
                    let next = self.run(rule, end)?;
                    match next.end {
                        Some(further) if next.consumed => (end, consumed) = (further, true),
                        None if next.consumed => return Some(next),
                        _ => break Outcome { consumed, end: Some(end), failure: next.failure },
                    }
                }
            }
            Rule::Except(text, rule) => {
                let outcome = self.run(rule, at)?;
                let is_it = |end: usize| self.chars.get(at..end).is_some_and(|read| text.chars().eq(read.iter().copied()));
                match outcome.end {
                    Some(end) if is_it(end) => Outcome { consumed: outcome.consumed, end: None, failure: Failure::none(end) },
                    _ => outcome,
                }
            }
            Rule::Shared(rule) => self.run(rule, at)?,
            Rule::Call(rule) => {
                if self.depth == DEEPEST {
                    return None;
                }
                self.depth += 1;
                let outcome = self.run(&rule(), at);
                self.depth -= 1;
                outcome?
            }
        })
    }

    fn one(&self, here: Option<char>, at: usize, fits: impl Fn(char) -> bool) -> Outcome {
        match here {
            Some(c) if fits(c) => Outcome { consumed: true, end: Some(at + 1), failure: Failure::none(at + 1) },
            _ => Outcome { consumed: false, end: None, failure: Failure { at, messages: vec![found(here)] } },
        }
    }

    fn text(&self, text: &'static str, at: usize) -> Outcome {
        for (n, wanted) in text.chars().enumerate() {
            let here = self.chars.get(at + n).copied();
            if here != Some(wanted) {
                return Outcome { consumed: n > 0, end: None, failure: expected(at, here, &format!("\"{text}\"")) };
            }
        }
        let end = at + text.chars().count();
        Outcome { consumed: true, end: Some(end), failure: Failure::none(end) }
    }
}

fn expected(at: usize, here: Option<char>, what: &str) -> Failure {
    Failure { at, messages: vec![found(here), Message::Expected(what.to_owned())] }
}

fn found(here: Option<char>) -> Message {
    Message::Found(here.map(shown).unwrap_or_default())
}

/// A character as Haskell shows a text of it.
fn shown(c: char) -> String {
    match c {
        '"' => "\"\\\"\"".to_owned(),
        c => format!("\"{}\"", escaped(c)),
    }
}

/// A character as Haskell shows it.
fn quoted(c: char) -> String {
    match c {
        '\'' => "'\\''".to_owned(),
        c => format!("'{}'", escaped(c)),
    }
}

fn escaped(c: char) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        ' '..='~' => c.to_string(),
        c => format!("\\{}", u32::from(c)),
    }
}
