//! The statements of SQL in a body.

use super::tree::{Block, ForSource, Stmt, StmtKind};
use crate::tree::Statement;

/// Visits every statement of SQL in a body, in the order of the text; those that EXECUTE makes are not known. With each comes whether it
/// is certain to be reached: it stands under no condition, in no loop and in no handler.
pub fn each_statement<'b>(block: &'b Block, visit: &mut impl FnMut(&'b Statement, bool)) {
    self::block(block, true, visit);
}

fn block<'b>(block: &'b Block, is_certain: bool, visit: &mut impl FnMut(&'b Statement, bool)) {
    let is_certain = is_certain && block.handlers.is_empty();
    list(&block.body, is_certain, visit);
    for handler in &block.handlers {
        list(&handler.body, false, visit);
    }
}

fn list<'b>(statements: &'b [Stmt], is_certain: bool, visit: &mut impl FnMut(&'b Statement, bool)) {
    for statement in statements {
        match &statement.kind {
            StmtKind::Block(inner) => block(inner, is_certain, visit),
            StmtKind::If { arms, otherwise } => {
                arms.iter().for_each(|(_, body)| list(body, false, visit));
                list(otherwise, false, visit);
            }
            StmtKind::Case { arms, otherwise, .. } => {
                arms.iter().for_each(|(_, body)| list(body, false, visit));
                otherwise.iter().for_each(|body| list(body, false, visit));
            }
            StmtKind::ForRows { source, body, .. } => {
                if let ForSource::Query(query) = source {
                    visit(query, is_certain);
                }
                list(body, false, visit);
            }
            StmtKind::Loop { body, .. }
            | StmtKind::While { body, .. }
            | StmtKind::ForInteger { body, .. }
            | StmtKind::ForEach { body, .. } => list(body, false, visit),
            StmtKind::ReturnQuery(statement) | StmtKind::Sql { statement, .. } => visit(statement, is_certain),
            _ => {}
        }
    }
}
