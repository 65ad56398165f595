//! The SQL of a body.

use super::tree::{Block, DeclarationKind, ForSource, Stmt, StmtKind};
use crate::tree::{Expr, Query, Statement};

/// A piece of SQL.
#[derive(Debug, Clone, Copy)]
pub enum Sql<'b> {
    /// A statement.
    Statement(&'b Statement),
    /// The query of PERFORM.
    Query(&'b Query),
    /// A condition, a value, a default.
    Expr(&'b Expr),
}

/// Visits the SQL of a body in the order of the text; what EXECUTE makes is not known. With each piece comes whether it is certain to be
/// reached: it stands under no condition, in no loop and in no block with handlers.
pub fn each_sql<'b>(block: &'b Block, visit: &mut impl FnMut(Sql<'b>, bool)) {
    self::block(block, true, visit);
}

fn block<'b>(block: &'b Block, is_certain: bool, visit: &mut impl FnMut(Sql<'b>, bool)) {
    for declaration in &block.declarations {
        if let DeclarationKind::Variable { default: Some(default), .. } = &declaration.kind {
            visit(Sql::Expr(default), is_certain);
        }
    }
    let is_certain = is_certain && block.handlers.is_empty();
    list(&block.body, is_certain, visit);
    for handler in &block.handlers {
        list(&handler.body, false, visit);
    }
}

fn list<'b>(statements: &'b [Stmt], is_certain: bool, visit: &mut impl FnMut(Sql<'b>, bool)) {
    for statement in statements {
        match &statement.kind {
            StmtKind::Block(inner) => block(inner, is_certain, visit),
            StmtKind::If { arms, otherwise } => {
                for (at, (condition, body)) in arms.iter().enumerate() {
                    visit(Sql::Expr(condition), is_certain && at == 0);
                    list(body, false, visit);
                }
                list(otherwise, false, visit);
            }
            StmtKind::Case { operand, arms, otherwise } => {
                operand.iter().for_each(|operand| visit(Sql::Expr(operand), is_certain));
                arms.iter().for_each(|(_, body)| list(body, false, visit));
                otherwise.iter().for_each(|body| list(body, false, visit));
            }
            StmtKind::ForRows { source, body, .. } => {
                if let ForSource::Query(query) = source {
                    visit(Sql::Statement(query), is_certain);
                }
                list(body, false, visit);
            }
            StmtKind::While { condition, body, .. } => {
                visit(Sql::Expr(condition), is_certain);
                list(body, false, visit);
            }
            StmtKind::Loop { body, .. } | StmtKind::ForInteger { body, .. } | StmtKind::ForEach { body, .. } => {
                list(body, false, visit);
            }
            StmtKind::Assign { value, .. } => visit(Sql::Expr(value), is_certain),
            StmtKind::Perform(query) => visit(Sql::Query(query), is_certain),
            StmtKind::ReturnQuery(statement) | StmtKind::Sql { statement, .. } => visit(Sql::Statement(statement), is_certain),
            _ => {}
        }
    }
}
