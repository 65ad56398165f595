//! CREATE TABLE: columns and constraints.

use super::cursor::{Parsed, Parser};
use super::lexer::Kind;
use crate::tree::{
    Action, ColumnConstraint, ColumnConstraintKind, ColumnDef, CreateTable, Deferrable, Name, References, Statement,
    TableConstraint, TableConstraintKind,
};

impl Parser<'_> {
    /// CREATE [TEMPORARY | UNLOGGED] TABLE, behind TABLE.
    pub(crate) fn create_table(&mut self, temporary: bool, unlogged: bool) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists();
        let mut table = CreateTable {
            name: self.name()?,
            if_not_exists,
            temporary,
            unlogged,
            columns: Vec::new(),
            constraints: Vec::new(),
            like: Vec::new(),
            inherits: Vec::new(),
            partition: false,
            as_query: None,
            with_no_data: false,
            on_commit: None,
            with_options: false,
        };
        if self.is("of") {
            return self.other("CREATE TABLE … OF");
        }
        if self.are("partition of") {
            return self.other("CREATE TABLE … PARTITION OF");
        }
        let listed = self.is_sym("(");
        if listed {
            let named = self.is_sym_at(2, ",") || self.is_sym_at(2, ")");
            if named && matches!(self.token(1), Kind::Word(_) | Kind::Quoted(_)) {
                return self.other("CREATE TABLE AS with column names");
            }
            self.advance();
            if !self.is_sym(")") {
                self.list(|p| p.table_element(&mut table))?;
            }
            self.expect_sym(")")?;
            if self.eat("inherits") {
                table.inherits = self.parens(Self::name)?;
            }
            if self.eat("partition by") {
                table.partition = true;
                self.label()?;
                self.skip_group()?;
            }
        } else if !self.is_any(&["as", "on", "with", "without", "using", "tablespace"]) {
            return self.unexpected();
        }
        self.table_options(&mut table)?;
        if !listed && !self.is("as") {
            return self.unexpected();
        }
        if !listed && self.eat("as") {
            if self.is("execute") {
                return self.other("CREATE TABLE AS EXECUTE");
            }
            table.as_query = Some(self.query()?);
            table.with_no_data = self.with_no_data()?;
        }
        Ok(Statement::CreateTable(Box::new(table)))
    }

    /// WITH NO DATA (true), WITH DATA or neither.
    pub(crate) fn with_no_data(&mut self) -> Parsed<bool> {
        Ok(self.eat("with no data") || {
            self.eat("with data");
            false
        })
    }

    fn table_options(&mut self, table: &mut CreateTable) -> Parsed<()> {
        if self.is("using") {
            return self.other("CREATE TABLE … USING");
        }
        if self.is("with") && self.is_sym_at(1, "(") {
            self.advance();
            self.skip_group()?;
            table.with_options = true;
        } else {
            self.eat("without oids");
        }
        if self.eat("on commit") {
            let what = ["drop", "delete rows", "preserve rows"].into_iter().find(|w| self.are(w));
            let Some(what) = what else { return self.unexpected() };
            self.expect(what)?;
            table.on_commit = Some(what.to_owned());
        }
        if self.is("tablespace") {
            return self.other("CREATE TABLE … TABLESPACE");
        }
        Ok(())
    }

    fn table_element(&mut self, table: &mut CreateTable) -> Parsed<()> {
        if self.eat("like") {
            let source = self.name()?;
            let mut options = Vec::new();
            while let Some(word) = self.eat_any(&["including", "excluding"]) {
                const PARTS: [&str; 9] = [
                    "all",
                    "comments",
                    "compression",
                    "constraints",
                    "defaults",
                    "generated",
                    "identity",
                    "indexes",
                    "statistics",
                ];
                match self.eat_any(&PARTS) {
                    Some(part) => options.push(format!("{word} {part}")),
                    None if self.eat("storage") => options.push(format!("{word} storage")),
                    None => return self.unexpected(),
                }
            }
            table.like.push((source, options));
        } else if self.is_table_constraint() {
            let constraint = self.table_constraint()?;
            table.constraints.push(constraint);
        } else {
            let column = self.column_def()?;
            table.columns.push(column);
        }
        Ok(())
    }

    /// Whether a table constraint is next rather than a column.
    pub(crate) fn is_table_constraint(&self) -> bool {
        self.is_any(&["constraint", "check", "unique", "primary", "foreign"])
            || (self.is("exclude") && (self.is_at(1, "using") || self.is_sym_at(1, "(")))
            || self.are("not null")
    }

    /// A column with its type and constraints.
    pub(crate) fn column_def(&mut self) -> Parsed<ColumnDef> {
        let pos = self.pos();
        let name = self.col_id()?;
        let mut ty = self.type_name()?;
        if ty.schema.is_none() {
            match ty.name.as_str() {
                "serial" => ty.name = "serial4".into(),
                "bigserial" => ty.name = "serial8".into(),
                "smallserial" => ty.name = "serial2".into(),
                _ => {}
            }
        }
        let mut column = ColumnDef { name, ty, collation: None, constraints: Vec::new(), pos };
        if self.is_any(&["storage", "compression", "options"]) {
            return self.other("column STORAGE, COMPRESSION or OPTIONS");
        }
        while let Some(constraint) = self.column_constraint(&mut column)? {
            column.constraints.push(constraint);
        }
        Ok(column)
    }

    /// The next constraint of a column; COLLATE and attributes change what was read before.
    fn column_constraint(&mut self, column: &mut ColumnDef) -> Parsed<Option<ColumnConstraint>> {
        loop {
            if self.eat("collate") {
                column.collation = Some(self.name()?);
            } else if self.is_deferral() {
                let deferral = self.deferral()?;
                match column.constraints.last_mut().map(|c| &mut c.kind) {
                    Some(
                        ColumnConstraintKind::Unique { deferrable, .. }
                        | ColumnConstraintKind::PrimaryKey { deferrable }
                        | ColumnConstraintKind::References(References { deferrable, .. }),
                    ) => *deferrable = deferral,
                    _ => return self.unexpected(),
                }
            } else {
                break;
            }
        }
        let name = if self.eat("constraint") { Some(self.col_id()?) } else { None };
        let kind = if self.eat("not null") {
            if self.is("no") {
                return self.other("NOT NULL NO INHERIT");
            }
            ColumnConstraintKind::NotNull
        } else if self.eat("null") {
            ColumnConstraintKind::Null
        } else if self.eat("default") {
            ColumnConstraintKind::Default(self.narrow_expr()?)
        } else if self.eat("check") {
            let expr = self.paren(Self::expr)?;
            ColumnConstraintKind::Check { expr, no_inherit: self.eat("no inherit") }
        } else if self.eat("unique") {
            let nulls_not_distinct = self.nulls_not_distinct()?;
            self.refuse_index_options()?;
            ColumnConstraintKind::Unique { nulls_not_distinct, deferrable: Deferrable::default() }
        } else if self.eat("primary key") {
            self.refuse_index_options()?;
            ColumnConstraintKind::PrimaryKey { deferrable: Deferrable::default() }
        } else if self.eat("references") {
            ColumnConstraintKind::References(self.references()?)
        } else if self.eat("generated") {
            self.generated()?
        } else if name.is_some() {
            return self.unexpected();
        } else {
            return Ok(None);
        };
        if self.is("enforced") || self.are("not enforced") {
            return self.other("ENFORCED");
        }
        Ok(Some(ColumnConstraint { name, kind }))
    }

    fn generated(&mut self) -> Parsed<ColumnConstraintKind> {
        let always = self.eat("always");
        if !always {
            self.expect("by default")?;
        }
        self.expect("as")?;
        if self.eat("identity") {
            let options = if self.is_sym("(") { self.paren(Self::sequence_options)? } else { Vec::new() };
            return Ok(ColumnConstraintKind::Identity { always, options });
        }
        if !always {
            return self.unexpected();
        }
        let expr = self.paren(Self::expr)?;
        let stored = self.eat("stored");
        if !stored {
            self.eat("virtual");
        }
        Ok(ColumnConstraintKind::Generated { expr, stored })
    }

    fn nulls_not_distinct(&mut self) -> Parsed<bool> {
        Ok(self.eat("nulls not distinct") || {
            self.eat("nulls distinct");
            false
        })
    }

    fn refuse_index_options(&mut self) -> Parsed<()> {
        if self.is("with") || self.are("using index tablespace") {
            return self.other("constraint with index options");
        }
        Ok(())
    }

    /// What follows REFERENCES, without deferral.
    fn references(&mut self) -> Parsed<References> {
        let mut references = References {
            table: self.name()?,
            columns: Vec::new(),
            match_full: false,
            on_delete: Action::NoAction,
            on_update: Action::NoAction,
            set_columns: Vec::new(),
            deferrable: Deferrable::default(),
        };
        if self.is_sym("(") {
            references.columns = self.foreign_columns()?;
        }
        if self.eat("match") {
            match self.eat_any(&["full", "simple", "partial"]) {
                Some("full") => references.match_full = true,
                Some("simple") => {}
                Some(_) => return self.other("MATCH PARTIAL"),
                None => return self.unexpected(),
            }
        }
        while self.eat("on") {
            let delete = self.eat("delete");
            if !delete {
                self.expect("update")?;
            }
            let actions = [
                ("no action", Action::NoAction),
                ("restrict", Action::Restrict),
                ("cascade", Action::Cascade),
                ("set null", Action::SetNull),
                ("set default", Action::SetDefault),
            ];
            let Some((words, action)) = actions.into_iter().find(|(words, _)| self.are(words)) else { return self.unexpected() };
            self.expect(words)?;
            if delete {
                references.on_delete = action;
                if self.is_sym("(") && matches!(action, Action::SetNull | Action::SetDefault) {
                    references.set_columns = self.parens(Self::col_id)?;
                }
            } else {
                references.on_update = action;
            }
        }
        Ok(references)
    }

    fn foreign_columns(&mut self) -> Parsed<Vec<String>> {
        self.parens(|p| {
            if p.is("period") && !(p.is_sym_at(1, ",") || p.is_sym_at(1, ")")) {
                return p.other("FOREIGN KEY … PERIOD");
            }
            p.col_id()
        })
    }

    fn is_deferral(&self) -> bool {
        self.is("deferrable") || self.are("not deferrable") || self.is("initially")
    }

    /// DEFERRABLE, NOT DEFERRABLE, INITIALLY … in any order.
    pub(crate) fn deferral(&mut self) -> Parsed<Deferrable> {
        let mut deferral = Deferrable::default();
        loop {
            if self.eat("deferrable") {
                deferral.deferrable = true;
            } else if self.eat("initially deferred") {
                deferral = Deferrable { deferrable: true, initially_deferred: true };
            } else if self.eat("not deferrable") || self.eat("initially immediate") {
            } else if self.is("initially") {
                self.advance();
                return self.unexpected();
            } else {
                return Ok(deferral);
            }
        }
    }

    /// A table constraint with its name and attributes.
    pub(crate) fn table_constraint(&mut self) -> Parsed<TableConstraint> {
        let pos = self.pos();
        let name = if self.eat("constraint") { Some(self.col_id()?) } else { None };
        let mut kind = if self.eat("check") {
            TableConstraintKind::Check { expr: self.paren(Self::expr)?, no_inherit: false }
        } else if self.is_any(&["unique", "primary"]) {
            let primary = self.eat("primary key");
            if !primary {
                self.expect("unique")?;
            }
            if self.eat("using index") {
                let index = self.col_id()?;
                TableConstraintKind::UsingIndex { index, primary, deferrable: Deferrable::default() }
            } else {
                let nulls_not_distinct = !primary && self.nulls_not_distinct()?;
                let columns = self.parens(|p| {
                    let column = p.col_id()?;
                    if p.is("without") { p.other("WITHOUT OVERLAPS") } else { Ok(column) }
                })?;
                let include = if self.eat("include") { self.parens(Self::col_id)? } else { Vec::new() };
                self.refuse_index_options()?;
                let deferrable = Deferrable::default();
                if primary {
                    TableConstraintKind::PrimaryKey { columns, include, deferrable }
                } else {
                    TableConstraintKind::Unique { columns, include, nulls_not_distinct, deferrable }
                }
            }
        } else if self.eat("foreign key") {
            let columns = self.foreign_columns()?;
            self.expect("references")?;
            TableConstraintKind::ForeignKey { columns, references: self.references()? }
        } else if self.eat("not null") {
            TableConstraintKind::NotNull { column: self.col_id()? }
        } else if self.eat("exclude") {
            self.exclude()?;
            TableConstraintKind::Exclude
        } else {
            return self.unexpected();
        };
        let mut not_valid = false;
        loop {
            if self.eat("not valid") {
                not_valid = true;
            } else if self.eat("no inherit") {
                match &mut kind {
                    TableConstraintKind::Check { no_inherit, .. } => *no_inherit = true,
                    _ => return self.other("constraint with NO INHERIT"),
                }
            } else if self.is("enforced") || self.are("not enforced") {
                return self.other("ENFORCED");
            } else if self.is_deferral() {
                let deferral = self.deferral()?;
                match &mut kind {
                    TableConstraintKind::Unique { deferrable, .. }
                    | TableConstraintKind::PrimaryKey { deferrable, .. }
                    | TableConstraintKind::UsingIndex { deferrable, .. }
                    | TableConstraintKind::ForeignKey { references: References { deferrable, .. }, .. } => *deferrable = deferral,
                    TableConstraintKind::Exclude => {}
                    _ if deferral == Deferrable::default() => {}
                    _ => return self.unexpected(),
                }
            } else {
                return Ok(TableConstraint { name, kind, not_valid, pos });
            }
        }
    }

    fn exclude(&mut self) -> Parsed<()> {
        if self.eat("using") {
            self.label()?;
        }
        self.skip_group()?;
        for clause in ["include", "with", "where"] {
            if self.eat(clause) {
                self.skip_group()?;
            }
        }
        Ok(())
    }

    /// `(name [= value], …)` of storage parameters: lower-case names, values as written.
    pub(crate) fn options(&mut self) -> Parsed<Vec<(String, String)>> {
        self.parens(|p| {
            let mut name = p.label()?;
            if p.eat_sym(".") {
                name = format!("{name}.{}", p.label()?);
            }
            let value = if p.eat_sym("=") { p.option_value()? } else { "true".to_owned() };
            Ok((name, value))
        })
    }

    fn option_value(&mut self) -> Parsed<String> {
        match self.peek().clone() {
            Kind::Str(text) | Kind::Word(text) | Kind::Quoted(text) | Kind::Num(text) => {
                self.advance();
                Ok(text)
            }
            _ => Ok(self.integer()?.to_string()),
        }
    }

    /// `table.column` or `schema.table.column`.
    pub(crate) fn column_of_table(&mut self) -> Parsed<(Name, String)> {
        let pos = self.pos();
        let mut parts = vec![self.col_id()?];
        while self.eat_sym(".") {
            parts.push(self.label()?);
        }
        let column = parts.pop().unwrap_or_default();
        match (parts.pop(), parts.pop()) {
            (Some(name), schema) if parts.is_empty() => Ok((Name { schema, name, pos }, column)),
            _ => self.unexpected(),
        }
    }
}
