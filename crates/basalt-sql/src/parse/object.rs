//! DROP, COMMENT, and the ALTER forms all kinds of object share: RENAME, OWNER TO, SET SCHEMA.

use super::cursor::{Parsed, Parser};
use crate::tree::{AlterTableAction, DropName, Name, ObjectKind, Statement};

/// Object words of DROP, COMMENT and ALTER; longer spellings first.
const KINDS: [(&str, ObjectKind); 32] = [
    ("materialized view", ObjectKind::MaterializedView),
    ("foreign table", ObjectKind::ForeignTable),
    ("event trigger", ObjectKind::EventTrigger),
    ("procedural language", ObjectKind::Language),
    ("table", ObjectKind::Table),
    ("view", ObjectKind::View),
    ("index", ObjectKind::Index),
    ("sequence", ObjectKind::Sequence),
    ("schema", ObjectKind::Schema),
    ("function", ObjectKind::Function),
    ("procedure", ObjectKind::Procedure),
    ("routine", ObjectKind::Routine),
    ("aggregate", ObjectKind::Aggregate),
    ("type", ObjectKind::Type),
    ("domain", ObjectKind::Domain),
    ("policy", ObjectKind::Policy),
    ("trigger", ObjectKind::Trigger),
    ("extension", ObjectKind::Extension),
    ("role", ObjectKind::Role),
    ("user", ObjectKind::Role),
    ("group", ObjectKind::Role),
    ("publication", ObjectKind::Publication),
    ("column", ObjectKind::Column),
    ("constraint", ObjectKind::Constraint),
    ("database", ObjectKind::Database),
    ("language", ObjectKind::Language),
    ("server", ObjectKind::Server),
    ("cast", ObjectKind::Cast),
    ("operator", ObjectKind::Operator),
    ("collation", ObjectKind::Collation),
    ("statistics", ObjectKind::Statistics),
    ("rule", ObjectKind::Rule),
];

/// How the kind is spelled in SQL; roles as ROLE.
pub(crate) fn kind_words(kind: ObjectKind) -> &'static str {
    KINDS.iter().find(|(_, k)| *k == kind).map_or("object", |(words, _)| words)
}

impl Parser<'_> {
    /// The kind of object the next words name.
    pub(crate) fn object_kind(&mut self) -> Option<ObjectKind> {
        if self.are("user mapping") {
            return None;
        }
        let (words, kind) = KINDS.iter().find(|(words, _)| self.are(words))?;
        self.eat(words);
        Some(*kind)
    }

    fn drop_name(&mut self, kind: ObjectKind) -> Parsed<DropName> {
        let pos = self.pos();
        Ok(match kind {
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine | ObjectKind::Aggregate => {
                let name = self.function_name()?;
                if kind == ObjectKind::Aggregate && self.is_sym("(") && self.is_sym_at(1, ")") {
                    self.advance();
                    return self.unexpected();
                }
                let args = self.signature()?;
                DropName { name, member: None, args }
            }
            ObjectKind::Policy | ObjectKind::Trigger | ObjectKind::Rule | ObjectKind::Constraint => {
                let member = Some(self.col_id()?);
                self.expect("on")?;
                if self.is("domain") && kind == ObjectKind::Constraint {
                    return self.other("COMMENT ON CONSTRAINT … ON DOMAIN");
                }
                DropName { name: self.name()?, member, args: None }
            }
            ObjectKind::Column => {
                let (name, column) = self.column_of_table()?;
                DropName { name, member: Some(column), args: None }
            }
            ObjectKind::Role => DropName { name: Name { schema: None, name: self.role()?, pos }, member: None, args: None },
            ObjectKind::Schema
            | ObjectKind::Extension
            | ObjectKind::Publication
            | ObjectKind::Database
            | ObjectKind::Language
            | ObjectKind::EventTrigger
            | ObjectKind::Server => DropName { name: Name { schema: None, name: self.col_id()?, pos }, member: None, args: None },
            ObjectKind::Type | ObjectKind::Domain => {
                let ty = self.type_name()?;
                if ty.dimensions > 0 || ty.setof || ty.percent_type {
                    return self.unexpected();
                }
                DropName { name: Name { schema: ty.schema, name: ty.name, pos }, member: None, args: None }
            }
            _ => DropName { name: self.name()?, member: None, args: None },
        })
    }

    /// DROP, behind that word.
    pub(crate) fn drop_statement(&mut self) -> Parsed<Statement> {
        let from = self.at - 1;
        let Some(kind) = self.object_kind() else { return self.other_statement(from) };
        let class = self.is("class") || self.is("family");
        if matches!(kind, ObjectKind::Cast | ObjectKind::Operator | ObjectKind::Column | ObjectKind::Constraint) || class {
            return self.other_statement(from);
        }
        let concurrently = kind == ObjectKind::Index && self.eat("concurrently");
        let if_exists = self.if_exists();
        let names = self.list(|p| p.drop_name(kind))?;
        if kind == ObjectKind::Database && self.is("with") {
            return self.other("DROP DATABASE … WITH");
        }
        let cascade = self.cascade();
        Ok(Statement::Drop { kind, if_exists, cascade, concurrently, names })
    }

    /// COMMENT, behind ON.
    pub(crate) fn comment(&mut self, from: usize) -> Parsed<Statement> {
        let Some(kind) = self.object_kind() else { return self.other_statement(from) };
        if matches!(kind, ObjectKind::Cast | ObjectKind::Operator) {
            return self.other_statement(from);
        }
        let name = self.drop_name(kind)?;
        self.expect("is")?;
        let text = if self.eat("null") { None } else { Some(self.string()?) };
        Ok(Statement::Comment { kind, name, text })
    }

    /// ALTER of a kind without grammar of its own in the tree, behind the kind's words.
    pub(crate) fn alter_object(&mut self, kind: ObjectKind, from: usize) -> Parsed<Statement> {
        match kind {
            ObjectKind::Table => return self.alter_table(),
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine => return self.alter_function(kind),
            ObjectKind::Policy => return self.alter_policy(),
            ObjectKind::Publication => return self.alter_publication(),
            ObjectKind::Role => {
                self.at = from + 1;
                return self.role_statement();
            }
            ObjectKind::Trigger => {
                let from_name = self.col_id()?;
                self.expect("on")?;
                let name = self.name()?;
                if !self.eat("rename to") {
                    return self.other_statement(from);
                }
                let actions = vec![AlterTableAction::RenameTrigger { from: from_name, to: self.col_id()? }];
                return Ok(Statement::AlterTable { name, if_exists: false, only: false, actions });
            }
            ObjectKind::Rule
            | ObjectKind::Cast
            | ObjectKind::Operator
            | ObjectKind::Column
            | ObjectKind::Constraint
            | ObjectKind::Statistics
            | ObjectKind::Collation => return self.other_statement(from),
            _ => {}
        }
        let relation = matches!(
            kind,
            ObjectKind::View | ObjectKind::MaterializedView | ObjectKind::Index | ObjectKind::Sequence | ObjectKind::ForeignTable
        );
        let if_exists = relation && self.if_exists();
        let named = self.drop_name(kind)?;
        let plain = named.args.is_none();
        if self.eat("owner to") {
            return Ok(Statement::OwnerTo { kind, name: named, owner: self.role()? });
        }
        if plain && self.eat("rename to") {
            return Ok(Statement::Rename { kind, name: named.name, if_exists, new_name: self.col_id()? });
        }
        if plain && self.eat("set schema") {
            return Ok(Statement::SetSchema { kind, name: named.name, if_exists, schema: self.col_id()? });
        }
        let name = named.name;
        match kind {
            ObjectKind::Type => {
                if let Some(statement) = self.alter_enum(name)? {
                    return Ok(statement);
                }
            }
            ObjectKind::Sequence => {
                let options = self.sequence_options()?;
                if !options.is_empty() {
                    return Ok(Statement::AlterSequence { name, if_exists, options });
                }
            }
            ObjectKind::View | ObjectKind::MaterializedView => {
                let materialized = kind == ObjectKind::MaterializedView;
                if self.is("set") && self.is_sym_at(1, "(") {
                    self.advance();
                    let set = self.options()?;
                    return Ok(Statement::AlterViewOptions { name, if_exists, materialized, set, reset: Vec::new() });
                }
                if self.is("reset") && self.is_sym_at(1, "(") {
                    self.advance();
                    let reset = self.parens(Self::label)?;
                    return Ok(Statement::AlterViewOptions { name, if_exists, materialized, set: Vec::new(), reset });
                }
                if !materialized && self.is("alter") {
                    let action = self.alter_table_action()?;
                    if !matches!(action, AlterTableAction::SetDefault { .. } | AlterTableAction::DropDefault { .. }) {
                        return self.unexpected();
                    }
                    return Ok(Statement::AlterTable { name, if_exists, only: false, actions: vec![action] });
                }
                if self.is("rename") {
                    let action = self.rename_part()?;
                    if matches!(action, AlterTableAction::RenameConstraint { .. }) {
                        return self.unexpected();
                    }
                    return Ok(Statement::AlterTable { name, if_exists, only: false, actions: vec![action] });
                }
            }
            _ => {}
        }
        self.other_statement(from)
    }
}
