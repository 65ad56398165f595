//! Blocks and declarations.

use super::flow::statements;
use super::sql::value;
use super::tree::{Block, Condition, Declaration, DeclarationKind, Handler, VariableType};
use crate::parse::cursor::{Parsed, Parser};
use crate::parse::lexer::Kind;
use crate::tree::TypeName;

/// A body: options, one block, at most one semicolon.
pub(super) fn whole(p: &mut Parser<'_>) -> Parsed<Block> {
    let mut options = Vec::new();
    while p.eat_sym("#") {
        let name = p.label()?;
        options.push((name, p.label()?));
    }
    let label = label(p)?;
    let mut block = block(p, label)?;
    block.options = options;
    p.eat_sym(";");
    p.expect_end()?;
    Ok(block)
}

/// `<<name>>`, if it is next.
pub(super) fn label(p: &mut Parser<'_>) -> Parsed<Option<String>> {
    if !p.eat_sym("<<") {
        return Ok(None);
    }
    let name = p.label()?;
    p.expect_sym(">>")?;
    Ok(Some(name))
}

/// The label an END may repeat.
pub(super) fn end_label(p: &mut Parser<'_>, label: Option<&str>) -> Parsed<()> {
    if p.is_sym(";") || p.at_end() {
        return Ok(());
    }
    let here = p.at;
    let repeated = p.label()?;
    if label != Some(repeated.as_str()) {
        p.at = here;
        return p.unexpected();
    }
    Ok(())
}

/// A block whose label was read, up to the semicolon behind END.
pub(super) fn block(p: &mut Parser<'_>, label: Option<String>) -> Parsed<Block> {
    let pos = p.pos();
    let mut declarations = Vec::new();
    if p.eat("declare") {
        while !p.is("begin") {
            if p.eat("declare") {
                continue;
            }
            declarations.push(declaration(p)?);
        }
    }
    p.expect("begin")?;
    let body = statements(p, &["end", "exception"])?;
    let mut handlers = Vec::new();
    if p.eat("exception") {
        while p.eat("when") {
            let mut conditions = vec![condition(p)?];
            while p.eat("or") {
                conditions.push(condition(p)?);
            }
            p.expect("then")?;
            handlers.push(Handler { conditions, body: statements(p, &["end", "when"])? });
        }
        if handlers.is_empty() {
            return p.unexpected();
        }
    }
    p.expect("end")?;
    end_label(p, label.as_deref())?;
    Ok(Block { label, options: Vec::new(), declarations, body, handlers, pos })
}

/// `unique_violation` or `SQLSTATE '23505'`.
pub(super) fn condition(p: &mut Parser<'_>) -> Parsed<Condition> {
    if p.is("sqlstate") && matches!(p.token(1), Kind::Str(_)) {
        p.advance();
        let here = p.at;
        let state = p.string()?;
        if basalt_types::SqlState::parse(&state).is_none() {
            p.at = here;
            return p.unexpected();
        }
        return Ok(Condition::State(state));
    }
    Ok(Condition::Name(p.label()?))
}

fn declaration(p: &mut Parser<'_>) -> Parsed<Declaration> {
    let pos = p.pos();
    let name = p.label()?;
    if p.eat("alias for") {
        let target = if let Kind::Param(number) = p.peek() {
            let name = format!("${number}");
            p.advance();
            vec![name]
        } else {
            let mut parts = vec![p.label()?];
            while p.eat_sym(".") {
                parts.push(p.label()?);
            }
            parts
        };
        p.expect_sym(";")?;
        return Ok(Declaration { name, kind: DeclarationKind::Alias(target), pos });
    }
    let kind = if p.is("cursor") || p.are("scroll cursor") || p.are("no scroll cursor") {
        let scroll = scroll(p);
        p.expect("cursor")?;
        cursor(p, scroll)?
    } else {
        variable(p)?
    };
    p.expect_sym(";")?;
    Ok(Declaration { name, kind, pos })
}

/// SCROLL (true), NO SCROLL (false), or neither.
pub(super) fn scroll(p: &mut Parser<'_>) -> Option<bool> {
    if p.eat("no scroll") { Some(false) } else { p.eat("scroll").then_some(true) }
}

fn cursor(p: &mut Parser<'_>, scroll: Option<bool>) -> Parsed<DeclarationKind> {
    let args = if p.is_sym("(") {
        p.parens(|p| {
            let name = p.label()?;
            let ty: TypeName = p.type_name()?;
            Ok((name, ty))
        })?
    } else {
        Vec::new()
    };
    if !p.eat("for") {
        p.expect("is")?;
    }
    Ok(DeclarationKind::Cursor { scroll, args, query: Box::new(p.query()?) })
}

fn variable(p: &mut Parser<'_>) -> Parsed<DeclarationKind> {
    let constant = p.eat("constant");
    let ty = variable_type(p)?;
    let collation = if p.eat("collate") { Some(p.name()?) } else { None };
    let not_null = p.eat("not null");
    let default = if p.eat("default") || p.eat_sym(":=") || p.eat_sym("=") { Some(value(p)?) } else { None };
    Ok(DeclarationKind::Variable { constant, ty, collation, not_null, default })
}

fn variable_type(p: &mut Parser<'_>) -> Parsed<VariableType> {
    if p.eat("record") {
        return Ok(VariableType::Record);
    }
    let mut ahead = 1;
    while p.is_sym_at(ahead, ".") {
        ahead += 2;
    }
    if p.is_sym_at(ahead, "%") && p.is_at(ahead + 1, "rowtype") {
        let name = p.name()?;
        p.advance();
        p.advance();
        if p.is_sym("[") || p.is("array") {
            return p.other("array of %ROWTYPE");
        }
        return Ok(VariableType::Row(name));
    }
    Ok(VariableType::Type(p.type_name()?))
}
