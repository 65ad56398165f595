//! Triggers.

use basalt_catalog::{Relation, RelationKind, Trigger, TriggerEvents, TriggerTiming};
use basalt_types::{SqlState, pg};

use super::expr::Place;
use super::name::written;
use super::{Ddl, Refusal, Result};
use crate::tree::CreateTrigger;

impl Ddl {
    pub(super) fn create_trigger(&mut self, create: &CreateTrigger) -> Result {
        let refused = [
            (create.deferrable.deferrable, "deferrable constraint triggers", "use an AFTER trigger"),
            (create.truncate, "TRUNCATE triggers", "leave it out"),
        ];
        for (found, construct, advice) in refused {
            if found {
                return Err(Refusal::unsupported(construct, advice).at(create.table.pos));
            }
        }
        let mut table = (*self.relation(&create.table)?).clone();
        let is_instead = create.timing == "instead of";
        let unfit = |text: String, detail: &str| {
            Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, text).detail(detail).at(create.table.pos))
        };
        match table.kind {
            RelationKind::Table if is_instead => {
                return unfit(format!("\"{}\" is a table", table.name), "Tables cannot have INSTEAD OF triggers.");
            }
            RelationKind::View if !is_instead && create.for_each_row => {
                let text = format!("\"{}\" is a view", table.name);
                return unfit(text, "Views cannot have row-level BEFORE or AFTER triggers.");
            }
            RelationKind::Table | RelationKind::View => {}
            RelationKind::MaterializedView | RelationKind::Sequence => {
                let detail = format!("This operation is not supported for {}s.", super::name::kind_word(table.kind));
                return unfit(format!("relation \"{}\" cannot have triggers", table.name), &detail);
            }
        }
        let (old_table, new_table) = transition_tables(create)?;
        let may = self.catalog.relation_privileges(&self.ctx.role, &table);
        if !may.contains(basalt_catalog::Privileges::TRIGGER) {
            return Err(Refusal::invalid(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {}", table.name),
            ));
        }
        let refused = [
            (!create.for_each_row, "INSTEAD OF triggers must be FOR EACH ROW"),
            (create.when.is_some(), "INSTEAD OF triggers cannot have WHEN conditions"),
            (!create.update_of.is_empty(), "INSTEAD OF triggers cannot have column lists"),
        ];
        if let Some((_, text)) = refused.into_iter().find(|(found, _)| is_instead && *found) {
            return Err(Refusal::invalid(SqlState::FEATURE_NOT_SUPPORTED, text));
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
        if create.constraint && !create.for_each_row {
            return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, "syntax error at or near \"EXECUTE\""));
        }
        let update_of = create.update_of.iter().map(|c| self.attnum(&table, c)).collect::<Result<Vec<i16>>>()?;
        let place = Place::When { old: !create.insert, new: !create.delete };
        let when = create.when.as_ref().map(|e| self.row_expr(e, &table, place)).transpose()?;
        let trigger = Trigger {
            name: create.name.clone(),
            timing: match create.timing.as_str() {
                "before" => TriggerTiming::Before,
                "instead of" => TriggerTiming::InsteadOf,
                _ => TriggerTiming::After,
            },
            events: TriggerEvents { insert: create.insert, update: create.update, delete: create.delete, truncate: false },
            update_of,
            for_each_row: create.for_each_row,
            when,
            function: function.oid,
            args: create.args.clone(),
            enabled: true,
            comment: None,
            old_table,
            new_table,
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
    /// ALTER TRIGGER … RENAME TO.
    pub(super) fn rename_trigger(&mut self, mut table: Relation, from: &str, to: &str) -> Result {
        if table.triggers.iter().any(|t| t.name == to) {
            return Err(Refusal::invalid(
                SqlState::DUPLICATE_OBJECT,
                format!("trigger \"{to}\" for relation \"{}\" already exists", table.name),
            ));
        }
        let Some(trigger) = table.triggers.iter_mut().find(|t| t.name == from) else {
            return Err(Refusal::invalid(
                SqlState::UNDEFINED_OBJECT,
                format!("trigger \"{from}\" for table \"{}\" does not exist", table.name),
            ));
        };
        to.clone_into(&mut trigger.name);
        table.triggers.sort_by(|a, b| a.name.cmp(&b.name));
        self.catalog.put_relation(table);
        Ok(())
    }
}

/// The names of the old and the new rows' table, as far as the trigger may have them.
fn transition_tables(create: &CreateTrigger) -> Result<(Option<String>, Option<String>)> {
    let invalid = |text: &str| Refusal::invalid(SqlState::INVALID_OBJECT_DEFINITION, text).at(create.table.pos);
    let (mut old, mut new) = (None, None);
    for (is_new, name) in &create.referencing {
        if create.timing != "after" {
            return Err(invalid("transition table name can only be specified for an AFTER trigger"));
        }
        let events = [create.insert, create.update, create.delete].into_iter().filter(|event| *event).count();
        if events > 1 {
            let text = "transition tables cannot be specified for triggers with more than one event";
            return Err(Refusal::invalid(SqlState::FEATURE_NOT_SUPPORTED, text).at(create.table.pos));
        }
        if !create.update_of.is_empty() {
            let text = "transition tables cannot be specified for triggers with column lists";
            return Err(Refusal::invalid(SqlState::FEATURE_NOT_SUPPORTED, text).at(create.table.pos));
        }
        let place = if *is_new { &mut new } else { &mut old };
        if place.is_some() {
            let which = if *is_new { "NEW" } else { "OLD" };
            return Err(invalid(&format!("{which} TABLE cannot be specified multiple times")));
        }
        if *is_new && create.delete {
            return Err(invalid("NEW TABLE can only be specified for an INSERT or UPDATE trigger"));
        }
        if !*is_new && create.insert {
            return Err(invalid("OLD TABLE can only be specified for a DELETE or UPDATE trigger"));
        }
        *place = Some(name.clone());
    }
    if old.is_some() && old == new {
        return Err(invalid("OLD TABLE name and NEW TABLE name cannot be the same"));
    }
    Ok((old, new))
}
