//! Where PL/pgSQL holds SQL: expressions, queries, statements with INTO.

use super::tree::{Into, StmtKind};
use crate::parse::cursor::{Parsed, Parser};
use crate::parse::lexer::Kind;
use crate::parse::statement_at;
use crate::tree::{Expr, ExprKind, Statement};

/// Words by which a value turns out to be a query without its SELECT.
const CLAUSES: [&str; 11] =
    ["from", "where", "group", "having", "window", "union", "intersect", "except", "order", "limit", "offset"];

/// An expression, or what stands behind a SELECT one could write in its place.
pub(super) fn value(p: &mut Parser<'_>) -> Parsed<Expr> {
    let from = p.at;
    let pos = p.pos();
    let expr = p.expr()?;
    if !p.is_any(&CLAUSES) {
        return Ok(expr);
    }
    p.at = from;
    Ok(Expr { kind: ExprKind::Scalar(Box::new(p.headless_query()?)), pos })
}

/// A variable, a field of one, or an element.
pub(super) fn target(p: &mut Parser<'_>) -> Parsed<Expr> {
    let pos = p.pos();
    let kind = match p.peek() {
        Kind::Param(number) => {
            let kind = ExprKind::Param(*number);
            p.advance();
            kind
        }
        _ => {
            let mut parts = vec![p.label()?];
            while p.eat_sym(".") {
                parts.push(p.label()?);
            }
            ExprKind::Column(parts)
        }
    };
    p.indirection(Expr { kind, pos })
}

pub(super) fn targets(p: &mut Parser<'_>) -> Parsed<Vec<Expr>> {
    p.list(target)
}

/// What follows INTO.
pub(super) fn into(p: &mut Parser<'_>) -> Parsed<Into> {
    let strict = p.is("strict") && !p.is_sym_at(1, ",") && !p.is_sym_at(1, ";");
    if strict {
        p.advance();
    }
    Ok(Into { strict, targets: targets(p)? })
}

/// USING and its values, if it is next.
pub(super) fn using(p: &mut Parser<'_>) -> Parsed<Vec<Expr>> {
    if p.eat("using") { p.list(|p| p.expr()) } else { Ok(Vec::new()) }
}

/// `(a, name := b)` behind a cursor.
pub(super) fn call_args(p: &mut Parser<'_>) -> Parsed<Vec<(Option<String>, Expr)>> {
    if !p.is_sym("(") {
        return Ok(Vec::new());
    }
    p.parens(|p| {
        if p.is_sym_at(1, ":=") || p.is_sym_at(1, "=>") {
            let name = p.label()?;
            p.advance();
            return Ok((Some(name), p.expr()?));
        }
        Ok((None, p.expr()?))
    })
}

/// How many tokens ahead the statement ends: at a semicolon, or at the word, outside all brackets.
fn extent(p: &Parser<'_>, word: &str) -> usize {
    let mut ahead = 0;
    loop {
        match p.token(ahead) {
            Kind::Sym(";") | Kind::Eof => return ahead,
            Kind::Word(w) if !word.is_empty() && w == word => return ahead,
            Kind::Sym("(" | "[") => {
                if let Some(close) = p.closing(p.at + ahead) {
                    ahead = close - p.at;
                }
            }
            _ => {}
        }
        ahead += 1;
    }
}

/// An SQL statement up to the word, which stays.
pub(super) fn statement_up_to(p: &mut Parser<'_>, word: &str) -> Parsed<Statement> {
    let (from, pos) = (p.at, p.pos());
    p.at += extent(p, word);
    Ok(statement_at(p.written(from), pos.0)?)
}

/// A query, or a data change with RETURNING, up to the semicolon.
pub(super) fn query_up_to(p: &mut Parser<'_>) -> Parsed<Statement> {
    let here = p.at;
    let statement = statement_up_to(p, "")?;
    if !matches!(statement, Statement::Select(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)) {
        p.at = here;
        return p.unexpected();
    }
    Ok(statement)
}

/// Any SQL statement with an INTO of PL/pgSQL's somewhere in it.
pub(super) fn statement(p: &mut Parser<'_>) -> Parsed<StmtKind> {
    let from = p.at;
    if !matches!(p.peek(), Kind::Word(_) | Kind::Sym("(")) {
        return p.unexpected();
    }
    let (start, pos) = (p.start_at(from), p.pos());
    let end = from + extent(p, "");
    let mut destination = None;
    let mut cut = start..start;
    // CREATE and the like hold no INTO of ours; INSERT INTO and MERGE INTO are SQL's.
    let searched = p.is_any(&["select", "with", "insert", "update", "delete", "values", "table", "merge"]) || p.is_sym("(");
    let mut at = from;
    while searched && at < end {
        p.at = at;
        let is_ours = p.is("into")
            && !{
                p.at = at.saturating_sub(1);
                p.is_any(&["insert", "merge"])
            };
        p.at = at;
        if is_ours {
            if destination.is_some() {
                return p.unexpected();
            }
            cut.start = p.start_at(at);
            p.advance();
            destination = Some(into(p)?);
            cut.end = p.end() as usize;
            at = p.at;
        } else {
            at += 1;
        }
    }
    p.at = end;
    let text = p.written(from);
    let statement = match destination {
        None => statement_at(text, pos.0)?,
        // Blanks in its place keep all offsets.
        Some(_) => {
            let (before, after) = (text.get(..cut.start - start), text.get(cut.end - start..));
            let blanks = " ".repeat(cut.len());
            statement_at(&format!("{}{blanks}{}", before.unwrap_or(""), after.unwrap_or("")), pos.0)?
        }
    };
    Ok(StmtKind::Sql { statement: Box::new(statement), into: destination })
}
