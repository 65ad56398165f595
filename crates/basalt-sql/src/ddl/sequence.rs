//! Sequences.

use basalt_catalog::{GrantKind, Relation, RelationKind, Sequence};
use basalt_types::{Oid, SqlState, TypeRef, pg::oid};

use super::name::written;
use super::{Ddl, Refusal, Result, Step};
use crate::tree::{Name, SequenceOption};

/// The settings of a sequence that nothing was said about.
fn defaults(ty: Oid) -> Sequence {
    let max = highest(ty);
    Sequence { ty: ty.0, start: 1, increment: 1, min: 1, max, cycle: false, cache: 1, owned_by: None }
}

fn highest(ty: Oid) -> i64 {
    match ty {
        oid::INT2 => i64::from(i16::MAX),
        oid::INT4 => i64::from(i32::MAX),
        _ => i64::MAX,
    }
}

fn lowest(ty: Oid) -> i64 {
    match ty {
        oid::INT2 => i64::from(i16::MIN),
        oid::INT4 => i64::from(i32::MIN),
        _ => i64::MIN,
    }
}

/// What the options of one statement said beside the settings.
#[derive(Default)]
struct Said {
    restart: Option<Option<i64>>,
    owned_by: Option<Option<(Name, String)>>,
    name: Option<Name>,
}

impl Ddl {
    /// Applies options; `is_new` decides how unsaid limits follow from a changed type or direction.
    fn sequence_options(&self, seq: &mut Sequence, options: &[SequenceOption], is_new: bool) -> Result<Said> {
        let invalid = |text: String| Refusal::invalid(SqlState::INVALID_PARAMETER, text);
        let mut said = Said::default();
        let (mut min, mut max, mut start) = (None, None, None);

        for option in options {
            match option {
                SequenceOption::As(ty) => {
                    let ty = self.any_type(ty)?;
                    if !matches!(ty.oid, oid::INT2 | oid::INT4 | oid::INT8) {
                        return Err(invalid("sequence type must be smallint, integer, or bigint".to_owned()));
                    }
                    let old = Oid(seq.ty);
                    seq.ty = ty.oid.0;
                    // Limits that were the old type's own follow the new type.
                    if !is_new && seq.max == highest(old) {
                        seq.max = highest(ty.oid);
                    }
                    if !is_new && seq.min == lowest(old) {
                        seq.min = lowest(ty.oid);
                    }
                }
                SequenceOption::Increment(0) => return Err(invalid("INCREMENT must not be zero".to_owned())),
                SequenceOption::Increment(n) => seq.increment = *n,
                SequenceOption::MinValue(n) => min = Some(*n),
                SequenceOption::MaxValue(n) => max = Some(*n),
                SequenceOption::Start(n) => start = Some(*n),
                SequenceOption::Restart(n) => said.restart = Some(*n),
                SequenceOption::Cache(n) if *n < 1 => return Err(invalid(format!("CACHE ({n}) must be greater than zero"))),
                SequenceOption::Cache(n) => seq.cache = *n,
                SequenceOption::Cycle(cycle) => seq.cycle = *cycle,
                SequenceOption::OwnedBy(owner) => said.owned_by = Some(owner.clone()),
                SequenceOption::SequenceName(name) => said.name = Some(name.clone()),
            }
        }
        let ty = Oid(seq.ty);
        let ascending = seq.increment > 0;
        match max {
            Some(Some(n)) => seq.max = n,
            Some(None) => seq.max = if ascending { highest(ty) } else { -1 },
            None if is_new => seq.max = if ascending { highest(ty) } else { -1 },
            None => {}
        }
        match min {
            Some(Some(n)) => seq.min = n,
            Some(None) => seq.min = if ascending { 1 } else { lowest(ty) },
            None if is_new => seq.min = if ascending { 1 } else { lowest(ty) },
            None => {}
        }
        let type_name = || self.catalog.format_type(TypeRef::of(ty));
        if seq.max > highest(ty) || seq.max < lowest(ty) {
            return Err(invalid(format!("MAXVALUE ({}) is out of range for sequence data type {}", seq.max, type_name())));
        }
        if seq.min < lowest(ty) || seq.min > highest(ty) {
            return Err(invalid(format!("MINVALUE ({}) is out of range for sequence data type {}", seq.min, type_name())));
        }
        if seq.min >= seq.max {
            return Err(invalid(format!("MINVALUE ({}) must be less than MAXVALUE ({})", seq.min, seq.max)));
        }
        match start {
            Some(n) => seq.start = n,
            None if is_new => seq.start = if ascending { seq.min } else { seq.max },
            None => {}
        }
        if seq.start < seq.min {
            return Err(invalid(format!("START value ({}) cannot be less than MINVALUE ({})", seq.start, seq.min)));
        }
        if seq.start > seq.max {
            return Err(invalid(format!("START value ({}) cannot be greater than MAXVALUE ({})", seq.start, seq.max)));
        }
        if let Some(Some(n)) = said.restart
            && !(seq.min..=seq.max).contains(&n)
        {
            let (word, bound, limit) = if n < seq.min { ("less", seq.min, "MINVALUE") } else { ("greater", seq.max, "MAXVALUE") };
            return Err(invalid(format!("RESTART value ({n}) cannot be {word} than {limit} ({bound})")));
        }
        Ok(said)
    }

    /// Makes the sequence of a serial or identity column and yields its step.
    pub(super) fn column_sequence(
        &mut self,
        table: &Relation,
        column: &str,
        attnum: i16,
        ty: Oid,
        options: &[SequenceOption],
    ) -> Result<Relation> {
        let mut seq = defaults(ty);
        let said = self.sequence_options(&mut seq, options, true)?;
        let schema_name = self.catalog.schema_name(table.schema).to_owned();
        let schema = self.schema(&schema_name)?;
        let name = match said.name {
            Some(name) => name.name,
            None => self.sequence_name(&schema_name, &table.name, column, std::slice::from_ref(&table.name)),
        };
        self.new_relation_name(&schema, &name)?;
        seq.owned_by = Some((table.oid, attnum));
        self.put_sequence(schema.oid, &name, &table.owner, seq)
    }

    fn put_sequence(&mut self, schema: u32, name: &str, owner: &str, seq: Sequence) -> Result<Relation> {
        let oid = self.catalog.allocate_oid();
        let mut relation = super::table::blank_relation(oid, schema, name, RelationKind::Sequence, owner);
        relation.acl = self.catalog.default_acl(&self.ctx.role, Some(Oid(schema)), GrantKind::Sequence);
        relation.sequence = Some(seq);
        self.catalog.put_relation(relation.clone());
        self.steps.push(Step::CreateSequence { sequence: oid });
        Ok(relation)
    }

    pub(super) fn create_sequence(&mut self, name: &Name, if_not_exists: bool, options: &[SequenceOption]) -> Result {
        let schema = self.creation_schema(name)?;
        if if_not_exists && self.catalog.relation_name_taken(&schema.name, &name.name) {
            self.notice(format!("relation \"{}\" already exists, skipping", name.name));
            return Ok(());
        }
        self.new_relation_name(&schema, &name.name)?;
        let mut seq = defaults(oid::INT8);
        let said = self.sequence_options(&mut seq, options, true)?;
        seq.owned_by = self.owned_by(said.owned_by.flatten())?;
        let owner = self.ctx.role.clone();
        self.put_sequence(schema.oid, &name.name, &owner, seq).map(drop)
    }

    fn owned_by(&self, owner: Option<(Name, String)>) -> Result<Option<(u32, i16)>> {
        let Some((table, column)) = owner else { return Ok(None) };
        let table = self.relation(&table)?;
        let attnum = table.column(&column).map(|c| c.attnum).ok_or_else(|| {
            Refusal::invalid(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{column}\" of relation \"{}\" does not exist", table.name),
            )
        })?;
        Ok(Some((table.oid, attnum)))
    }

    pub(super) fn alter_sequence(&mut self, name: &Name, if_exists: bool, options: &[SequenceOption]) -> Result {
        let Some(found) = self.find_relation(name) else {
            if if_exists {
                self.notice(format!("relation \"{}\" does not exist, skipping", written(name)));
                return Ok(());
            }
            return self.relation(name).map(drop);
        };
        self.must_own_relation(&found)?;
        let mut relation = (*found).clone();
        self.change_sequence(&mut relation, options)?;
        self.catalog.put_relation(relation);
        Ok(())
    }

    /// ALTER SEQUENCE's and SET identity's options on a sequence; yields the steps.
    pub(super) fn change_sequence(&mut self, relation: &mut Relation, options: &[SequenceOption]) -> Result {
        let Some(mut seq) = relation.sequence.clone() else {
            return Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a sequence", relation.name)));
        };
        let said = self.sequence_options(&mut seq, options, false)?;
        if let Some(owner) = said.owned_by {
            if self.identity_of(relation).is_some() {
                return Err(Refusal::invalid(SqlState::FEATURE_NOT_SUPPORTED, "cannot change ownership of identity sequence"));
            }
            seq.owned_by = self.owned_by(owner)?;
        }
        if let Some(restart) = said.restart {
            self.steps.push(Step::RestartSequence { sequence: Oid(relation.oid), value: restart.unwrap_or(seq.start) });
        } else {
            self.steps.push(Step::AlterSequence { sequence: Oid(relation.oid) });
        }
        relation.sequence = Some(seq);
        Ok(())
    }

    /// The identity column that a sequence serves.
    pub(super) fn identity_of(&self, sequence: &Relation) -> Option<(u32, i16)> {
        let (table, attnum) = sequence.sequence.as_ref()?.owned_by?;
        let column = self.catalog.relation_by_oid(Oid(table))?.column_at(attnum)?.clone();
        (column.identity?.sequence == sequence.oid).then_some((table, attnum))
    }
}
