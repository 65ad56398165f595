//! CREATE TABLE, CREATE SCHEMA, TRUNCATE.

use basalt_catalog::{Column, GrantKind, Relation, RelationKind, Schema};
use basalt_types::{Oid, SqlState, TypeRef};

use super::constraint::Pending;
use super::{Ddl, Refusal, Result, Step};
use crate::tree::{CreateTable, Name, TableConstraint};

/// A relation with nothing in it.
pub(super) fn blank_relation(oid: Oid, schema: u32, name: &str, kind: RelationKind, owner: &str) -> Relation {
    Relation {
        oid: oid.0,
        schema,
        name: name.to_owned(),
        kind,
        owner: owner.to_owned(),
        columns: Vec::new(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        policies: Vec::new(),
        triggers: Vec::new(),
        row_security: false,
        force_row_security: false,
        acl: None,
        comment: None,
        view: None,
        sequence: None,
        replica_identity: "default".to_owned(),
        partition: false,
        writes: None,
        next_attnum: 1,
    }
}

/// A column about which nothing but its type is known.
pub(super) fn blank_column(attnum: i16, name: &str, ty: TypeRef) -> Column {
    Column {
        attnum,
        name: name.to_owned(),
        ty: ty.oid.0,
        typmod: ty.typmod,
        not_null: false,
        default: None,
        identity: None,
        generated: None,
        collation: None,
        acl: None,
        comment: None,
    }
}

impl Ddl {
    pub(super) fn create_schema(
        &mut self,
        name: Option<&str>,
        if_not_exists: bool,
        authorization: Option<&str>,
        elements: bool,
    ) -> Result {
        if elements {
            return Err(Refusal::unsupported("CREATE SCHEMA with elements", "write the elements as statements of their own"));
        }
        let owner = match authorization {
            Some(role) => self.role_name(role)?,
            None => self.ctx.role.clone(),
        };
        let name = name.unwrap_or(&owner).to_owned();
        if name.starts_with("pg_") {
            return Err(Refusal::invalid(SqlState::RESERVED_NAME, format!("unacceptable schema name \"{name}\""))
                .detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        if self.catalog.schema(&name).is_some() {
            if if_not_exists {
                self.notice(format!("schema \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(Refusal::invalid(SqlState::DUPLICATE_SCHEMA, format!("schema \"{name}\" already exists")));
        }
        if let Some(other) = self.catalog.schemas().find(|s| s.name.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::unsupported(
                "names that differ by letter case only",
                format!("\"{name}\" and \"{}\" would be one schema in storage: rename one of them", other.name),
            ));
        }
        let oid = self.catalog.allocate_oid().0;
        let acl = self.catalog.default_acl(&self.ctx.role, None, GrantKind::Schema);
        self.catalog.put_schema(Schema { oid, name, owner, acl, comment: None });
        Ok(())
    }

    pub(super) fn create_table(&mut self, create: &CreateTable) -> Result {
        let refused = [
            (create.temporary, "temporary tables", "use a common table expression, or a plain table"),
            (!create.inherits.is_empty(), "table inheritance (INHERITS)", "repeat the columns, or refer to a common table"),
            (create.partition, "partitioned tables", "use one table: SQLite needs no partitions at its size"),
            (create.as_query.is_some(), "CREATE TABLE … AS", "create the table with its columns, then INSERT … SELECT"),
            (!create.like.is_empty(), "CREATE TABLE (LIKE …)", "write the columns out"),
        ];
        for (found, construct, advice) in refused {
            if found {
                return Err(Refusal::unsupported(construct, advice).at(create.name.pos));
            }
        }
        let schema = self.creation_schema(&create.name)?;
        let name = &create.name.name;
        if create.if_not_exists && self.catalog.relation_name_taken(&schema.name, name) {
            self.notice(format!("relation \"{name}\" already exists, skipping"));
            return Ok(());
        }
        self.new_relation_name(&schema, name).map_err(|e| e.at(create.name.pos))?;

        let oid = self.catalog.allocate_oid();
        let mut table = blank_relation(oid, schema.oid, name, RelationKind::Table, &self.ctx.role);
        table.acl = self.catalog.default_acl(&self.ctx.role, Some(Oid(schema.oid)), GrantKind::Table);
        let mut pending = Pending::default();
        for column in &create.columns {
            self.add_column(&mut table, column, &mut pending)?;
        }
        for TableConstraint { name, kind, not_valid: _, pos } in &create.constraints {
            // NOT VALID means nothing for a table without rows.
            pending.push(name.as_deref(), kind, false).map_err(|e| e.at(*pos))?;
        }
        pending.merge_keys();
        self.add_generated(&mut table, &pending)?;
        self.catalog.put_relation(table.clone());
        for check in &pending.checks {
            self.add_check(&mut table, check)?;
        }
        for key in pending.keys_in_order() {
            self.add_key(&mut table, key)?;
        }
        self.catalog.put_relation(table.clone());
        for key in &pending.foreign_keys {
            self.add_foreign_key(&mut table, key)?;
        }
        self.steps.push(Step::CreateTable { table: oid });
        self.steps.extend(super::index::unique_indexes(&table).map(|index| Step::CreateIndex { table: oid, index }));
        self.catalog.put_relation(table);
        Ok(())
    }

    pub(super) fn truncate(&mut self, names: &[Name], restart_identity: bool, cascade: bool) -> Result {
        let mut tables: Vec<Oid> = Vec::new();
        for name in names {
            let table = self.relation(name)?;
            if table.kind != RelationKind::Table {
                return Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a table", table.name)));
            }
            let may = self.catalog.relation_privileges(&self.ctx.role, &table);
            if !may.contains(basalt_catalog::Privileges::TRUNCATE) {
                return Err(Refusal::invalid(
                    SqlState::INSUFFICIENT_PRIVILEGE,
                    format!("permission denied for table {}", table.name),
                ));
            }
            tables.push(Oid(table.oid));
        }
        let mut next = 0;
        while let Some(table) = tables.get(next).copied() {
            next += 1;
            let referencing: Vec<_> = self
                .catalog
                .foreign_keys_to(table)
                .into_iter()
                .map(|fk| fk.source.clone())
                .filter(|source| !tables.contains(&Oid(source.oid)))
                .collect();
            for source in referencing {
                let target = self.catalog.relation_by_oid(table).map(|r| r.name.clone()).unwrap_or_default();
                if !cascade {
                    return Err(Refusal::invalid(
                        SqlState::FEATURE_NOT_SUPPORTED,
                        "cannot truncate a table referenced in a foreign key constraint",
                    )
                    .detail(format!("Table \"{}\" references \"{target}\".", source.name))
                    .hint(format!("Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.", source.name)));
                }
                if !tables.contains(&Oid(source.oid)) {
                    self.notice(format!("truncate cascades to table \"{}\"", source.name));
                    tables.push(Oid(source.oid));
                }
            }
        }
        let restart = if restart_identity {
            self.catalog
                .relations()
                .filter(|r| r.sequence.as_ref().and_then(|s| s.owned_by).is_some_and(|(t, _)| tables.contains(&Oid(t))))
                .map(|r| Oid(r.oid))
                .collect()
        } else {
            Vec::new()
        };
        self.steps.push(Step::Truncate { tables, restart });
        Ok(())
    }
}
