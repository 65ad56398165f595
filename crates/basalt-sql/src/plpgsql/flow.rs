//! Statements: control, RAISE, diagnostics, cursors.

use super::block::{block, condition, end_label, label, scroll};
use super::sql::{self, call_args, into, query_up_to, statement_up_to, target, targets, using, value};
use super::tree::{ForSource, Level, Open, Raise, Stmt, StmtKind};
use crate::parse::cursor::{Parsed, Parser};
use crate::parse::lexer::Kind;
use crate::tree::Expr;

/// Words that begin no assignment: PL/pgSQL's reserved words.
const RESERVED: [&str; 22] = [
    "all", "begin", "by", "case", "declare", "else", "end", "execute", "for", "foreach", "from", "if", "in", "into", "loop",
    "not", "null", "or", "strict", "then", "to", "while",
];

/// What a nested statement counts against the limit on nesting: 50 blocks, loops and conditions may stand in one another.
const LEVELS: u32 = 3;

/// Statements up to one of the words, which stays.
pub(super) fn statements(p: &mut Parser<'_>, ends: &[&str]) -> Parsed<Vec<Stmt>> {
    p.deeper_by(LEVELS, |p| {
        let mut list = Vec::new();
        while !p.is_any(ends) || is_assignment(p) {
            if p.at_end() {
                return p.unexpected();
            }
            let pos = p.pos();
            let kind = statement(p)?;
            p.expect_sym(";")?;
            list.push(Stmt { kind, pos });
        }
        Ok(list)
    })
}

/// Whether a variable, field or element is next and `:=` or `=` behind it.
fn is_assignment(p: &Parser<'_>) -> bool {
    match p.peek() {
        Kind::Word(word) if RESERVED.contains(&word.as_str()) => return false,
        Kind::Word(_) | Kind::Quoted(_) | Kind::Param(_) => {}
        _ => return false,
    }
    let mut ahead = 1;
    loop {
        if p.is_sym_at(ahead, ".") && matches!(p.token(ahead + 1), Kind::Word(_) | Kind::Quoted(_)) {
            ahead += 2;
        } else if p.is_sym_at(ahead, "[") {
            match p.closing(p.at + ahead) {
                Some(close) => ahead = close - p.at + 1,
                None => return false,
            }
        } else {
            return p.is_sym_at(ahead, ":=") || p.is_sym_at(ahead, "=");
        }
    }
}

/// One statement, without its semicolon.
fn statement(p: &mut Parser<'_>) -> Parsed<StmtKind> {
    if is_assignment(p) {
        let target = target(p)?;
        p.advance();
        return Ok(StmtKind::Assign { target, value: value(p)? });
    }
    let label = label(p)?;
    let Kind::Word(word) = p.peek() else { return sql::statement(p) };
    let word = word.clone();
    match word.as_str() {
        "begin" | "declare" => return Ok(StmtKind::Block(block(p, label)?)),
        "loop" => {
            p.advance();
            let body = loop_body(p, label.as_deref())?;
            return Ok(StmtKind::Loop { label, body });
        }
        "while" => {
            p.advance();
            let condition = value(p)?;
            p.expect("loop")?;
            let body = loop_body(p, label.as_deref())?;
            return Ok(StmtKind::While { label, condition, body });
        }
        "for" => {
            p.advance();
            return for_loop(p, label);
        }
        "foreach" => {
            p.advance();
            let targets = targets(p)?;
            let slice = if p.eat("slice") { p.integer()? } else { 0 };
            p.expect("in array")?;
            let array = value(p)?;
            p.expect("loop")?;
            let body = loop_body(p, label.as_deref())?;
            return Ok(StmtKind::ForEach { label, targets, slice, array, body });
        }
        _ if label.is_some() => return p.unexpected(),
        _ => {}
    }
    let from = p.at;
    p.advance();
    Ok(match word.as_str() {
        "if" => if_statement(p)?,
        "case" => case_statement(p)?,
        "exit" | "continue" => {
            let label = if p.is("when") || p.is_sym(";") { None } else { Some(p.label()?) };
            let when = if p.eat("when") { Some(value(p)?) } else { None };
            if word == "exit" { StmtKind::Exit { label, when } } else { StmtKind::Continue { label, when } }
        }
        "return" => return_statement(p)?,
        "raise" => StmtKind::Raise(raise(p)?),
        "assert" => {
            let condition = p.expr()?;
            let message = if p.eat_sym(",") { Some(value(p)?) } else { None };
            StmtKind::Assert { condition, message }
        }
        "perform" => StmtKind::Perform(Box::new(p.headless_query()?)),
        "execute" => {
            let command = p.expr()?;
            let (mut destination, mut values) = (None, Vec::new());
            loop {
                if destination.is_none() && p.eat("into") {
                    destination = Some(into(p)?);
                } else if values.is_empty() && p.is("using") {
                    values = using(p)?;
                } else {
                    break;
                }
            }
            StmtKind::Execute { command, into: destination, using: values }
        }
        "get" if p.is_any(&["diagnostics", "current", "stacked"]) => {
            let stacked = p.eat("stacked");
            if !stacked {
                p.eat("current");
            }
            p.expect("diagnostics")?;
            let items = p.list(|p| {
                let target = target(p)?;
                if !p.eat_sym(":=") {
                    p.expect_sym("=")?;
                }
                Ok((target, p.label()?))
            })?;
            StmtKind::GetDiagnostics { stacked, items }
        }
        "open" => open(p)?,
        "fetch" | "move" => fetch(p, word == "fetch")?,
        "close" => StmtKind::Close(target(p)?),
        "commit" | "rollback" => {
            let _ = p.eat("work") || p.eat("transaction");
            let chain = p.eat("and chain");
            if !chain {
                p.eat("and no chain");
            }
            if word == "commit" { StmtKind::Commit { chain } } else { StmtKind::Rollback { chain } }
        }
        "null" => StmtKind::Null,
        _ => {
            p.at = from;
            sql::statement(p)?
        }
    })
}

fn loop_body(p: &mut Parser<'_>, label: Option<&str>) -> Parsed<Vec<Stmt>> {
    let body = statements(p, &["end"])?;
    p.expect("end loop")?;
    end_label(p, label)?;
    Ok(body)
}

fn for_loop(p: &mut Parser<'_>, label: Option<String>) -> Parsed<StmtKind> {
    let here = p.at;
    let targets = targets(p)?;
    p.expect("in")?;
    // A range has its two dots before LOOP, outside all brackets.
    if p.is("reverse") || is_range(p) {
        p.at = here;
        let variable = p.label()?;
        p.expect("in")?;
        let reverse = p.eat("reverse");
        let from = p.expr()?;
        p.expect_sym("..")?;
        let to = p.expr()?;
        let step = if p.eat("by") { Some(p.expr()?) } else { None };
        p.expect("loop")?;
        let body = loop_body(p, label.as_deref())?;
        return Ok(StmtKind::ForInteger { label, variable, reverse, from, to, step, body });
    }
    let source = if p.eat("execute") {
        let command = p.expr()?;
        ForSource::Execute { command, using: using(p)? }
    } else if p.is_sym("(") || p.is_any(&["select", "with", "values", "table", "insert", "update", "delete"]) {
        ForSource::Query(Box::new(statement_up_to(p, "loop")?))
    } else {
        let name = p.label()?;
        ForSource::Cursor { name, args: call_args(p)? }
    };
    p.expect("loop")?;
    let body = loop_body(p, label.as_deref())?;
    Ok(StmtKind::ForRows { label, targets, source, body })
}

fn is_range(p: &Parser<'_>) -> bool {
    let mut ahead = 0;
    loop {
        match p.token(ahead) {
            Kind::Sym("..") => return true,
            Kind::Sym(";") | Kind::Eof => return false,
            Kind::Word(word) if word == "loop" => return false,
            Kind::Sym("(" | "[") => match p.closing(p.at + ahead) {
                Some(close) => ahead = close - p.at,
                None => return false,
            },
            _ => {}
        }
        ahead += 1;
    }
}

fn if_statement(p: &mut Parser<'_>) -> Parsed<StmtKind> {
    let mut arms = Vec::new();
    let mut otherwise = Vec::new();
    loop {
        let condition = value(p)?;
        p.expect("then")?;
        arms.push((condition, statements(p, &["end", "elsif", "elseif", "else"])?));
        if p.eat("elsif") || p.eat("elseif") {
            continue;
        }
        if p.eat("else") {
            otherwise = statements(p, &["end"])?;
        }
        p.expect("end if")?;
        return Ok(StmtKind::If { arms, otherwise });
    }
}

fn case_statement(p: &mut Parser<'_>) -> Parsed<StmtKind> {
    let operand = if p.is("when") { None } else { Some(value(p)?) };
    let mut arms = Vec::new();
    while p.eat("when") {
        let values = p.list(|p| p.expr())?;
        p.expect("then")?;
        arms.push((values, statements(p, &["end", "when", "else"])?));
    }
    if arms.is_empty() {
        return p.unexpected();
    }
    let otherwise = if p.eat("else") { Some(statements(p, &["end"])?) } else { None };
    p.expect("end case")?;
    Ok(StmtKind::Case { operand, arms, otherwise })
}

fn return_statement(p: &mut Parser<'_>) -> Parsed<StmtKind> {
    if p.is_sym(";") {
        return Ok(StmtKind::Return(None));
    }
    if p.is("next") && !p.is_sym_at(1, ".") {
        p.advance();
        return Ok(StmtKind::ReturnNext(if p.is_sym(";") { None } else { Some(value(p)?) }));
    }
    if p.is("query") && !p.is_sym_at(1, ".") && !p.is_sym_at(1, ";") {
        p.advance();
        if p.eat("execute") {
            let command = p.expr()?;
            return Ok(StmtKind::ReturnQueryExecute { command, using: using(p)? });
        }
        return Ok(StmtKind::ReturnQuery(Box::new(query_up_to(p)?)));
    }
    Ok(StmtKind::Return(Some(value(p)?)))
}

fn raise(p: &mut Parser<'_>) -> Parsed<Raise> {
    let mut raise =
        Raise { level: Level::Exception, format: None, args: Vec::new(), condition: None, options: Vec::new(), again: false };
    if p.is_sym(";") {
        raise.again = true;
        return Ok(raise);
    }
    raise.level = match p.eat_any(&["debug", "log", "info", "notice", "warning", "exception"]) {
        Some("debug") => Level::Debug,
        Some("log") => Level::Log,
        Some("info") => Level::Info,
        Some("notice") => Level::Notice,
        Some("warning") => Level::Warning,
        _ => Level::Exception,
    };
    if p.is_sym(";") {
        return p.unexpected();
    }
    if let Kind::Str(format) = p.peek() {
        let format = format.clone();
        let here = p.at;
        p.advance();
        while p.eat_sym(",") {
            raise.args.push(p.expr()?);
        }
        let wanted = placeholders(&format);
        if wanted != raise.args.len() {
            p.at = here;
            let what = if wanted > raise.args.len() { "few" } else { "many" };
            let message = format!("too {what} parameters specified for RAISE");
            return Err(crate::parse::ParseError::syntax(message, p.pos()).into());
        }
        raise.format = Some(format);
    } else if !p.is("using") {
        raise.condition = Some(condition(p)?);
    }
    if p.eat("using") {
        raise.options = p.list(|p| {
            const OPTIONS: [&str; 9] =
                ["errcode", "message", "detail", "hint", "column", "constraint", "datatype", "table", "schema"];
            let Some(option) = p.eat_any(&OPTIONS) else { return p.unexpected() };
            if !p.eat_sym("=") {
                p.expect_sym(":=")?;
            }
            Ok((option.to_owned(), p.expr()?))
        })?;
    }
    Ok(raise)
}

/// How many arguments a format takes: `%%` is a percent sign.
fn placeholders(format: &str) -> usize {
    let mut count = 0;
    let mut bytes = format.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'%' && bytes.next_if_eq(&b'%').is_none() {
            count += 1;
        }
    }
    count
}

fn open(p: &mut Parser<'_>) -> Parsed<StmtKind> {
    let cursor: Expr = target(p)?;
    let scroll = scroll(p);
    let how = if p.eat("for") {
        if p.eat("execute") {
            let command = p.expr()?;
            Open::Execute { command, using: using(p)? }
        } else {
            Open::Query(Box::new(p.query()?))
        }
    } else {
        Open::Bound(call_args(p)?)
    };
    Ok(StmtKind::Open { cursor, scroll, how })
}

fn fetch(p: &mut Parser<'_>, is_fetch: bool) -> Parsed<StmtKind> {
    let from = p.at;
    // The direction ends with FROM or IN; without these, a single word may be one too.
    let mut ahead = 0;
    while !matches!(p.token(ahead), Kind::Eof | Kind::Sym(";")) && !["from", "in", "into"].iter().any(|word| p.is_at(ahead, word))
    {
        ahead += 1;
    }
    let mut direction = String::new();
    if p.is_at(ahead, "from") || p.is_at(ahead, "in") {
        p.at += ahead;
        direction = p.written(from).to_lowercase();
        p.advance();
    } else if ahead > 1 && !p.is_sym_at(1, ".") {
        p.at += ahead - 1;
        direction = p.written(from).to_lowercase();
    }
    let cursor = target(p)?;
    let into = if is_fetch {
        p.expect("into")?;
        Some(into(p)?)
    } else {
        None
    };
    Ok(StmtKind::Fetch { cursor, direction, into })
}
