//! ALTER TABLE and what shares its grammar.

use super::cursor::{Parsed, Parser};
use crate::tree::{AlterTableAction, ObjectKind, Statement};

impl Parser<'_> {
    /// ALTER TABLE, behind TABLE.
    pub(crate) fn alter_table(&mut self) -> Parsed<Statement> {
        if self.are("all in tablespace") {
            return self.other("ALTER TABLE ALL IN TABLESPACE");
        }
        let if_exists = self.if_exists();
        let only = self.eat("only");
        let name = if only && self.is_sym("(") { self.paren(Self::name)? } else { self.name()? };
        self.eat_sym("*");
        if self.eat("rename to") {
            let new_name = self.col_id()?;
            return Ok(Statement::Rename { kind: ObjectKind::Table, name, if_exists, new_name });
        }
        if self.eat("set schema") {
            let schema = self.col_id()?;
            return Ok(Statement::SetSchema { kind: ObjectKind::Table, name, if_exists, schema });
        }
        let actions = if self.is("rename") { vec![self.rename_part()?] } else { self.list(Self::alter_table_action)? };
        Ok(Statement::AlterTable { name, if_exists, only, actions })
    }

    /// RENAME [COLUMN] a TO b, RENAME CONSTRAINT a TO b.
    pub(crate) fn rename_part(&mut self) -> Parsed<AlterTableAction> {
        self.expect("rename")?;
        let constraint = self.eat("constraint");
        if !constraint {
            self.eat("column");
        }
        let from = self.col_id()?;
        self.expect("to")?;
        let to = self.col_id()?;
        Ok(if constraint { AlterTableAction::RenameConstraint { from, to } } else { AlterTableAction::RenameColumn { from, to } })
    }

    pub(crate) fn alter_table_action(&mut self) -> Parsed<AlterTableAction> {
        let from = self.at;
        Ok(match self.eat_any(&["add", "drop", "alter"]) {
            Some("add") => {
                if self.is_table_constraint() {
                    return Ok(AlterTableAction::AddConstraint(self.table_constraint()?));
                }
                self.eat("column");
                let if_not_exists = self.if_not_exists();
                AlterTableAction::AddColumn { column: self.column_def()?, if_not_exists }
            }
            Some("drop") => {
                let constraint = self.eat("constraint");
                if !constraint {
                    self.eat("column");
                }
                let if_exists = self.if_exists();
                let name = self.col_id()?;
                let cascade = self.cascade();
                if constraint {
                    AlterTableAction::DropConstraint { name, if_exists, cascade }
                } else {
                    AlterTableAction::DropColumn { name, if_exists, cascade }
                }
            }
            Some(_) => {
                if self.eat("constraint") {
                    let name = self.col_id()?;
                    if !self.is_any(&["deferrable", "initially"]) && !self.are("not deferrable") {
                        return self.other("ALTER CONSTRAINT");
                    }
                    return Ok(AlterTableAction::AlterConstraint { name, deferrable: self.deferral()? });
                }
                self.eat("column");
                self.alter_column(from)?
            }
            None => self.alter_whole(from)?,
        })
    }

    fn alter_column(&mut self, from: usize) -> Parsed<AlterTableAction> {
        if matches!(self.peek(), super::lexer::Kind::Num(_)) {
            return self.no_effect(from);
        }
        let column = self.col_id()?;
        Ok(if self.eat("set default") {
            AlterTableAction::SetDefault { column, expr: self.expr()? }
        } else if self.eat("drop default") {
            AlterTableAction::DropDefault { column }
        } else if self.eat("set not null") {
            AlterTableAction::SetNotNull { column }
        } else if self.eat("drop not null") {
            AlterTableAction::DropNotNull { column }
        } else if self.eat("drop expression") {
            AlterTableAction::DropExpression { column, if_exists: self.if_exists() }
        } else if self.eat("drop identity") {
            AlterTableAction::DropIdentity { column, if_exists: self.if_exists() }
        } else if self.eat("add generated") {
            let always = self.eat("always");
            if !always {
                self.expect("by default")?;
            }
            self.expect("as identity")?;
            let options = if self.is_sym("(") { self.paren(Self::sequence_options)? } else { Vec::new() };
            AlterTableAction::AddIdentity { column, always, options }
        } else if self.are("set expression") {
            return self.other("ALTER COLUMN … SET EXPRESSION");
        } else if self.eat("set data type") || self.eat("type") {
            let ty = self.type_name()?;
            if self.is("collate") {
                return self.other("ALTER COLUMN … TYPE … COLLATE");
            }
            let using = if self.eat("using") { Some(self.expr()?) } else { None };
            AlterTableAction::AlterType { column, ty, using }
        } else if self.is("restart") || self.is_set_identity() {
            self.set_identity(column)?
        } else if self.is("reset") || self.is("set") {
            return self.no_effect(from);
        } else {
            return self.unexpected();
        })
    }

    fn is_set_identity(&self) -> bool {
        const OPTIONS: [&str; 11] =
            ["generated", "as", "increment", "minvalue", "maxvalue", "no", "start", "restart", "cache", "cycle", "sequence"];
        self.is("set") && OPTIONS.iter().any(|word| self.is_at(1, word))
    }

    fn set_identity(&mut self, column: String) -> Parsed<AlterTableAction> {
        let mut always = None;
        let mut options = Vec::new();
        loop {
            if self.eat("set generated") {
                always = Some(self.eat("always"));
                if always == Some(false) {
                    self.expect("by default")?;
                }
            } else if self.is("restart") || self.eat("set") {
                match self.sequence_option()? {
                    Some(option) => options.push(option),
                    None => return self.unexpected(),
                }
            } else {
                return Ok(AlterTableAction::SetIdentity { column, always, options });
            }
        }
    }

    /// Actions on the table itself.
    fn alter_whole(&mut self, from: usize) -> Parsed<AlterTableAction> {
        if let Some(verb) = self.eat_any(&["enable", "disable"]) {
            let enable = verb == "enable";
            if self.eat("row level security") {
                return Ok(AlterTableAction::RowSecurity(enable));
            }
            if self.eat("trigger") {
                let name = if self.eat("all") {
                    None
                } else if self.eat("user") {
                    Some("user".to_owned())
                } else {
                    Some(self.col_id()?)
                };
                return Ok(AlterTableAction::Trigger { enable, name });
            }
            return self.rest(from).map(AlterTableAction::Other);
        }
        if self.eat("force row level security") {
            return Ok(AlterTableAction::ForceRowSecurity(true));
        }
        if self.eat("no force row level security") {
            return Ok(AlterTableAction::ForceRowSecurity(false));
        }
        if self.eat("validate constraint") {
            return Ok(AlterTableAction::ValidateConstraint { name: self.col_id()? });
        }
        if self.eat("replica identity") {
            if let Some(word) = self.eat_any(&["default", "full", "nothing"]) {
                return Ok(AlterTableAction::ReplicaIdentity(word.to_owned()));
            }
            self.expect("using index")?;
            let index = self.col_id()?;
            return Ok(AlterTableAction::ReplicaIdentity(format!("using index {index}")));
        }
        if self.eat("owner to") {
            return Ok(AlterTableAction::OwnerTo(self.role()?));
        }
        if self.is_any(&["set", "reset", "cluster"]) {
            return self.no_effect(from);
        }
        if self.is_any(&["inherit", "no", "of", "not", "attach", "detach", "options"]) {
            return self.rest(from).map(AlterTableAction::Other);
        }
        self.unexpected()
    }

    fn no_effect(&mut self, from: usize) -> Parsed<AlterTableAction> {
        self.rest(from).map(AlterTableAction::NoEffect)
    }

    /// The words of an action that is not looked into, up to the next comma.
    fn rest(&mut self, from: usize) -> Parsed<String> {
        self.at = from;
        self.passed = true;
        while !(self.at_end() || self.is_sym(",") || self.is_sym(";")) {
            if self.is_sym("(") {
                self.skip_group()?;
            } else {
                self.advance();
            }
        }
        Ok(self.written(from).to_owned())
    }
}
