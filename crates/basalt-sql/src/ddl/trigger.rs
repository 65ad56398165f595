//! Triggers.

use basalt_catalog::{RelationKind, Trigger, TriggerEvents, TriggerTiming};
use basalt_types::{SqlState, pg};

use super::expr::Place;
use super::name::written;
use super::{Ddl, Refusal, Result};
use crate::tree::CreateTrigger;

impl Ddl {
    pub(super) fn create_trigger(&mut self, create: &CreateTrigger) -> Result {
        let refused = [
            (create.constraint, "constraint triggers", "use an AFTER trigger"),
            (create.transition_tables, "transition tables", "use a trigger FOR EACH ROW"),
            (create.truncate, "TRUNCATE triggers", "leave it out"),
            (!create.for_each_row, "statement-level triggers", "use a trigger FOR EACH ROW"),
            (create.timing == "instead of", "INSTEAD OF triggers", "write to the table itself"),
        ];
        for (found, construct, advice) in refused {
            if found {
                return Err(Refusal::unsupported(construct, advice).at(create.table.pos));
            }
        }
        let mut table = (*self.relation(&create.table)?).clone();
        if table.kind != RelationKind::Table {
            return Err(Refusal::invalid(
                SqlState::WRONG_OBJECT_TYPE,
                format!("\"{}\" is a {}", table.name, super::name::kind_word(table.kind)),
            )
            .detail("Views cannot have row-level BEFORE or AFTER triggers.")
            .at(create.table.pos));
        }
        let may = self.catalog.relation_privileges(&self.ctx.role, &table);
        if !may.contains(basalt_catalog::Privileges::TRIGGER) {
            return Err(Refusal::invalid(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {}", table.name),
            ));
        }
        let old = table.triggers.iter().position(|t| t.name == create.name);
        if old.is_some() && !create.or_replace {
            return Err(Refusal::invalid(
                SqlState::DUPLICATE_OBJECT,
                format!("trigger \"{}\" for relation \"{}\" already exists", create.name, table.name),
            ));
        }
        let function = self.functions(&create.function).into_iter().find(|f| f.args.is_empty()).ok_or_else(|| {
            Refusal::invalid(SqlState::UNDEFINED_FUNCTION, format!("function {}() does not exist", written(&create.function)))
                .at(create.function.pos)
        })?;
        if function.returns != pg::oid::TRIGGER.0 {
            return Err(Refusal::invalid(
                SqlState::INVALID_OBJECT_DEFINITION,
                format!("function {} must return type trigger", written(&create.function)),
            ));
        }
        let update_of = create.update_of.iter().map(|c| self.attnum(&table, c)).collect::<Result<Vec<i16>>>()?;
        let place = Place::When { old: !create.insert, new: !create.delete };
        let when = create.when.as_ref().map(|e| self.row_expr(e, &table, place)).transpose()?;
        let trigger = Trigger {
            name: create.name.clone(),
            timing: if create.timing == "before" { TriggerTiming::Before } else { TriggerTiming::After },
            events: TriggerEvents { insert: create.insert, update: create.update, delete: create.delete, truncate: false },
            update_of,
            for_each_row: true,
            when,
            function: function.oid,
            args: create.args.clone(),
            enabled: true,
            comment: None,
        };
        if let Some(old) = old {
            table.triggers.remove(old);
        }
        table.triggers.push(trigger);
        // PostgreSQL fires triggers of one kind in the order of their names.
        table.triggers.sort_by(|a, b| a.name.cmp(&b.name));
        self.catalog.put_relation(table);
        Ok(())
    }
}
