//! COMMENT ON.

use basalt_types::SqlState;

use super::name::{kind_word, written};
use super::{Ddl, Refusal, Result, Step};
use crate::tree::{DropName, ObjectKind};
use basalt_catalog::RelationKind;

impl Ddl {
    pub(super) fn comment(&mut self, kind: ObjectKind, target: &DropName, text: Option<&str>) -> Result {
        let name = &target.name;
        // An empty comment is none.
        let text = text.filter(|t| !t.is_empty()).map(str::to_owned);
        let member = target.member.as_deref().unwrap_or_default();
        match kind {
            ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView | ObjectKind::Sequence => {
                let mut relation = (*self.relation(name)?).clone();
                let wanted = match kind {
                    ObjectKind::Table => RelationKind::Table,
                    ObjectKind::View => RelationKind::View,
                    ObjectKind::Sequence => RelationKind::Sequence,
                    _ => RelationKind::MaterializedView,
                };
                if relation.kind != wanted {
                    return Err(Refusal::invalid(
                        SqlState::WRONG_OBJECT_TYPE,
                        format!("\"{}\" is not a {}", relation.name, kind_word(wanted)),
                    ));
                }
                self.must_own_relation(&relation)?;
                relation.comment = text;
                self.catalog.put_relation(relation);
            }
            ObjectKind::Column => {
                let mut relation = (*self.relation(name)?).clone();
                self.must_own_relation(&relation)?;
                let attnum = self.attnum(&relation, member)?;
                if let Some(column) = relation.columns.iter_mut().find(|c| c.attnum == attnum) {
                    column.comment = text;
                }
                self.catalog.put_relation(relation);
            }
            ObjectKind::Constraint => {
                let mut relation = (*self.relation(name)?).clone();
                self.must_own_relation(&relation)?;
                let Some(constraint) = relation.constraints.iter_mut().find(|c| c.name == member) else {
                    return Err(Refusal::invalid(
                        SqlState::UNDEFINED_OBJECT,
                        format!("constraint \"{member}\" for table \"{}\" does not exist", relation.name),
                    ));
                };
                constraint.comment = text;
                self.catalog.put_relation(relation);
            }
            ObjectKind::Policy => {
                let mut relation = (*self.relation(name)?).clone();
                self.must_own_relation(&relation)?;
                let Some(policy) = relation.policies.iter_mut().find(|p| p.name == member) else {
                    return Err(Refusal::invalid(
                        SqlState::UNDEFINED_OBJECT,
                        format!("policy \"{member}\" for table \"{}\" does not exist", relation.name),
                    ));
                };
                policy.comment = text;
                self.catalog.put_relation(relation);
            }
            ObjectKind::Trigger => {
                let mut relation = (*self.relation(name)?).clone();
                self.must_own_relation(&relation)?;
                let Some(trigger) = relation.triggers.iter_mut().find(|t| t.name == member) else {
                    return Err(Refusal::invalid(
                        SqlState::UNDEFINED_OBJECT,
                        format!("trigger \"{member}\" for table \"{}\" does not exist", relation.name),
                    ));
                };
                trigger.comment = text;
                self.catalog.put_relation(relation);
            }
            ObjectKind::Index => {
                let (table, at) = self.find_index(name).ok_or_else(|| {
                    Refusal::invalid(SqlState::UNDEFINED_TABLE, format!("relation \"{}\" does not exist", written(name)))
                })?;
                self.must_own_relation(&table)?;
                let mut table = (*table).clone();
                if let Some(index) = table.indexes.get_mut(at) {
                    index.comment = text;
                }
                self.catalog.put_relation(table);
            }
            ObjectKind::Schema => {
                let mut schema = (*self.schema(&name.name)?).clone();
                self.must_own("schema", &schema.name, &schema.owner)?;
                schema.comment = text;
                self.catalog.put_schema(schema);
            }
            ObjectKind::Type | ObjectKind::Domain => {
                let mut def = self.own_type(name)?;
                def.comment = text;
                self.catalog.put_type(def);
            }
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine => {
                let mut function = (*self.function(name, target.args.as_deref())?).clone();
                self.must_own("function", &function.name, &function.owner)?;
                function.comment = text;
                self.catalog.put_function(function);
            }
            other => {
                let word = super::kind_words(other).to_lowercase();
                self.steps.push(Step::NoOp(format!("comment on {word} {}: not kept", name.name)));
            }
        }
        Ok(())
    }
}
