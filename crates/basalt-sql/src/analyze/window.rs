//! Window functions.

use basalt_types::{SqlState, TypeRef};

use super::error::{Result, error};
use super::scope::Clause;
use super::{Analyzer, builtins};
use crate::tree;
use crate::typed::{Expr, ExprKind, Order};

impl Analyzer<'_> {
    /// `f(…) OVER (…)`.
    pub(super) fn window(
        &mut self,
        f: &'static builtins::Function,
        args: Vec<Expr>,
        ty: TypeRef,
        star: bool,
        filter: Option<Box<Expr>>,
        over: &tree::Window,
    ) -> Result<Expr> {
        self.clause.check_window()?;
        let over = self.merged_window(over, 0)?;
        let partition_by =
            self.within(Clause::WindowPart, |a| over.partition_by.iter().map(|e| a.settled(e)).collect::<Result<Vec<_>>>())?;
        let order_by =
            self.within(Clause::WindowPart, |a| over.order_by.iter().map(|o| a.order_key(o)).collect::<Result<Vec<Order>>>())?;
        let kind =
            ExprKind::Window { name: f.name, imp: f.imp, args, star, filter, partition_by, order_by, frame: over.frame.clone() };
        Ok(Expr::new(kind, ty))
    }

    /// A definition with what its base window gives.
    fn merged_window(&self, window: &tree::Window, depth: u8) -> Result<tree::Window> {
        let Some(base) = &window.base else { return Ok(window.clone()) };
        let found = self.scopes.last().and_then(|s| s.windows.iter().find(|(name, _)| name == base));
        let Some((_, definition)) = found.filter(|_| depth < 32) else {
            return Err(error(SqlState::UNDEFINED_OBJECT, format!("window \"{base}\" does not exist")));
        };
        let mut merged = self.merged_window(definition, depth + 1)?;
        let refused =
            |what: &str| Err(error(SqlState::new(b"42P20"), format!("cannot override {what} clause of window \"{base}\"")));
        if !window.partition_by.is_empty() {
            return refused("PARTITION BY");
        }
        if !window.order_by.is_empty() {
            if !merged.order_by.is_empty() {
                return refused("ORDER BY");
            }
            merged.order_by.clone_from(&window.order_by);
        }
        if window.frame.is_some() {
            merged.frame.clone_from(&window.frame);
        }
        merged.base = None;
        Ok(merged)
    }
}
