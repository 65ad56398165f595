//! Indexes, policies, triggers, views, types, domains, sequences, extensions, schemas.

use super::ParseError;
use super::cursor::{Parsed, Parser};
use super::lexer::Kind;
use crate::tree::{
    CreateIndex, CreatePolicy, CreateTrigger, CreateView, Deferrable, Expr, ExprKind, IndexColumn, Name, PolicyCommand,
    SequenceOption, Statement,
};

impl Parser<'_> {
    /// CREATE [UNIQUE] INDEX, behind INDEX.
    pub(crate) fn create_index(&mut self, unique: bool) -> Parsed<Statement> {
        let concurrently = self.eat("concurrently");
        let if_not_exists = self.if_not_exists();
        let name = if self.is("on") { None } else { Some(self.col_id()?) };
        if self.is_sym(".") || (if_not_exists && name.is_none()) {
            return self.unexpected();
        }
        self.expect("on")?;
        if self.is("only") {
            return self.other("CREATE INDEX ON ONLY");
        }
        let table = self.name()?;
        let method = if self.eat("using") { Some(self.col_id()?) } else { None };
        let columns = self.parens(Self::index_column)?;
        let include = if self.eat("include") {
            self.parens(|p| {
                let column = p.index_column()?;
                match column.item.expr.kind {
                    ExprKind::Column(mut parts) if parts.len() == 1 => Ok(parts.pop().unwrap_or_default()),
                    _ => p.other("INCLUDE of an expression"),
                }
            })?
        } else {
            Vec::new()
        };
        let nulls_not_distinct = self.eat("nulls not distinct") || {
            self.eat("nulls distinct");
            false
        };
        let options = if self.eat("with") { self.options()? } else { Vec::new() };
        if self.is("tablespace") {
            return self.other("CREATE INDEX … TABLESPACE");
        }
        let filter = if self.eat("where") { Some(self.expr()?) } else { None };
        Ok(Statement::CreateIndex(Box::new(CreateIndex {
            name,
            if_not_exists,
            unique,
            concurrently,
            table,
            method,
            columns,
            include,
            nulls_not_distinct,
            options,
            filter,
        })))
    }

    /// A key of an index or of ON CONFLICT.
    pub(crate) fn index_column(&mut self) -> Parsed<IndexColumn> {
        let pos = self.pos();
        let expr = if self.is_sym("(") {
            self.paren(Self::expr)?
        } else if self.is_col_id() && !self.is_sym_at(1, "(") && !self.is_sym_at(1, ".") {
            Expr { kind: ExprKind::Column(vec![self.col_id()?]), pos }
        } else {
            let expr = self.function_expr()?;
            if expr.kind == ExprKind::Special("default".to_owned()) {
                return self.unexpected();
            }
            expr
        };
        let collation = if self.eat("collate") { Some(self.name()?) } else { None };
        let named = matches!(self.peek(), Kind::Quoted(_)) || (self.is_col_id() && !self.is("nulls"));
        let operator_class = if named { Some(self.name()?) } else { None };
        if operator_class.is_some() && self.is_sym("(") {
            return self.other("operator class with options");
        }
        Ok(IndexColumn { item: self.order_item(expr)?, operator_class, collation })
    }

    /// A list of roles; PUBLIC alone is the empty list.
    fn policy_roles(&mut self) -> Parsed<Vec<String>> {
        let roles = self.list(Self::role)?;
        Ok(if roles == ["public"] { Vec::new() } else { roles })
    }

    /// CREATE POLICY, behind POLICY.
    pub(crate) fn create_policy(&mut self) -> Parsed<Statement> {
        let name = self.col_id()?;
        self.expect("on")?;
        let table = self.name()?;
        let restrictive = if self.eat("as") {
            match self.eat_any(&["permissive", "restrictive"]) {
                Some(word) => word == "restrictive",
                None => return self.unexpected(),
            }
        } else {
            false
        };
        let command = if self.eat("for") {
            match self.eat_any(&["all", "select", "insert", "update", "delete"]) {
                Some("select") => PolicyCommand::Select,
                Some("insert") => PolicyCommand::Insert,
                Some("update") => PolicyCommand::Update,
                Some("delete") => PolicyCommand::Delete,
                Some(_) => PolicyCommand::All,
                None => return self.unexpected(),
            }
        } else {
            PolicyCommand::All
        };
        let roles = if self.eat("to") { self.policy_roles()? } else { Vec::new() };
        let using = if self.eat("using") { Some(self.paren(Self::expr)?) } else { None };
        let check = if self.eat("with check") { Some(self.paren(Self::expr)?) } else { None };
        Ok(Statement::CreatePolicy(Box::new(CreatePolicy { name, table, restrictive, command, roles, using, check })))
    }

    /// ALTER POLICY, behind POLICY.
    pub(crate) fn alter_policy(&mut self) -> Parsed<Statement> {
        if self.is("if") && self.is_at(1, "exists") {
            return self.other("ALTER POLICY IF EXISTS");
        }
        let name = self.col_id()?;
        self.expect("on")?;
        let table = self.name()?;
        if self.eat("rename to") {
            let rename = Some(self.col_id()?);
            return Ok(Statement::AlterPolicy { name, table, rename, to: None, using: None, check: None });
        }
        let to = if self.eat("to") { Some(self.policy_roles()?) } else { None };
        let using = if self.eat("using") { Some(self.paren(Self::expr)?) } else { None };
        let check = if self.eat("with check") { Some(self.paren(Self::expr)?) } else { None };
        Ok(Statement::AlterPolicy { name, table, rename: None, to, using, check })
    }

    /// CREATE [CONSTRAINT] TRIGGER, behind TRIGGER.
    pub(crate) fn create_trigger(&mut self, or_replace: bool, constraint: bool) -> Parsed<Statement> {
        let name = self.col_id()?;
        let timing = if self.eat("instead of") {
            "instead of"
        } else {
            match self.eat_any(&["before", "after"]) {
                Some(timing) => timing,
                None => return self.unexpected(),
            }
        };
        let mut trigger = CreateTrigger {
            name,
            or_replace,
            constraint,
            table: Name { schema: None, name: String::new(), pos: self.pos() },
            timing: timing.to_owned(),
            insert: false,
            update: false,
            delete: false,
            truncate: false,
            update_of: Vec::new(),
            for_each_row: false,
            when: None,
            function: Name { schema: None, name: String::new(), pos: self.pos() },
            args: Vec::new(),
            transition_tables: false,
            referencing: Vec::new(),
            deferrable: Deferrable::default(),
        };
        loop {
            let again = (trigger.insert && self.is("insert"))
                || (trigger.update && self.is("update"))
                || (trigger.delete && self.is("delete"))
                || (trigger.truncate && self.is("truncate"));
            if again {
                let message = "duplicate trigger events specified".to_owned();
                return Err(ParseError::syntax(message, self.pos()).into());
            }
            match self.eat_any(&["insert", "update", "delete", "truncate"]) {
                Some("insert") => trigger.insert = true,
                Some("delete") => trigger.delete = true,
                Some("truncate") => trigger.truncate = true,
                Some(_) => {
                    trigger.update = true;
                    if self.eat("of") {
                        trigger.update_of = self.list(Self::col_id)?;
                    }
                }
                None => return self.unexpected(),
            }
            if !self.eat("or") {
                break;
            }
        }
        self.expect("on")?;
        trigger.table = self.name()?;
        if self.is("from") {
            return self.other("CREATE CONSTRAINT TRIGGER … FROM");
        }
        if constraint {
            trigger.deferrable = self.deferral()?;
        }
        if self.eat("referencing") {
            trigger.transition_tables = true;
            while let Some(which) = self.eat_any(&["new", "old"]) {
                if self.eat("row") {
                    return self.other("REFERENCING … ROW");
                }
                self.expect("table")?;
                self.eat("as");
                trigger.referencing.push((which == "new", self.col_id()?));
            }
        }
        if self.eat("for") {
            self.eat("each");
            match self.eat_any(&["row", "statement"]) {
                Some(word) => trigger.for_each_row = word == "row",
                None => return self.unexpected(),
            }
        }
        if self.eat("when") {
            trigger.when = Some(self.paren(Self::expr)?);
        }
        self.expect("execute")?;
        if self.eat_any(&["function", "procedure"]).is_none() {
            return self.unexpected();
        }
        trigger.function = self.function_name()?;
        self.expect_sym("(")?;
        if !self.is_sym(")") {
            trigger.args = self.list(|p| match p.peek().clone() {
                Kind::Str(text) | Kind::Word(text) | Kind::Quoted(text) | Kind::Num(text) => {
                    p.advance();
                    Ok(text)
                }
                _ => p.unexpected(),
            })?;
        }
        self.expect_sym(")")?;
        Ok(Statement::CreateTrigger(Box::new(trigger)))
    }

    /// CREATE [MATERIALIZED | RECURSIVE] VIEW, behind VIEW.
    pub(crate) fn create_view(
        &mut self,
        or_replace: bool,
        temporary: bool,
        recursive: bool,
        materialized: bool,
    ) -> Parsed<Statement> {
        let if_not_exists = materialized && self.if_not_exists();
        let name = self.name()?;
        let columns = if self.is_sym("(") { self.parens(Self::col_id)? } else { Vec::new() };
        if self.is("using") || self.is("tablespace") {
            return self.other("CREATE MATERIALIZED VIEW … USING or TABLESPACE");
        }
        let options = if self.eat("with") { self.options()? } else { Vec::new() };
        if self.is("tablespace") {
            return self.other("CREATE MATERIALIZED VIEW … TABLESPACE");
        }
        self.expect("as")?;
        let query = self.query()?;
        let mut check_option = None;
        let mut with_data = true;
        if materialized {
            with_data = !self.with_no_data()?;
        } else if self.eat("with") {
            let word = self.eat_any(&["local", "cascaded"]).unwrap_or("cascaded");
            self.expect("check option")?;
            check_option = Some(word.to_owned());
        }
        Ok(Statement::CreateView(Box::new(CreateView {
            name,
            or_replace,
            materialized,
            temporary,
            recursive,
            if_not_exists,
            columns,
            options,
            query,
            check_option,
            with_data,
        })))
    }

    /// CREATE TYPE, behind TYPE.
    pub(crate) fn create_type(&mut self) -> Parsed<Statement> {
        let name = self.name()?;
        if self.eat("as enum") {
            self.expect_sym("(")?;
            let labels = if self.is_sym(")") { Vec::new() } else { self.list(Self::string)? };
            self.expect_sym(")")?;
            return Ok(Statement::CreateEnum { name, labels });
        }
        if self.is("as") && self.is_sym_at(1, "(") {
            self.advance();
            if self.is_sym_at(1, ")") {
                self.skip_group()?;
                return Ok(Statement::CreateComposite { name, fields: Vec::new() });
            }
            return Ok(Statement::CreateComposite { name, fields: self.column_types()? });
        }
        self.other(if self.are("as range") { "CREATE TYPE … AS RANGE" } else { "CREATE TYPE of a base type" })
    }

    /// ALTER TYPE, behind TYPE, when it changes an enum.
    pub(crate) fn alter_enum(&mut self, name: Name) -> Parsed<Option<Statement>> {
        if self.eat("add value") {
            let if_not_exists = self.if_not_exists();
            let label = self.string()?;
            let (mut before, mut after) = (None, None);
            if self.eat("before") {
                before = Some(self.string()?);
            } else if self.eat("after") {
                after = Some(self.string()?);
            }
            return Ok(Some(Statement::AlterEnumAdd { name, if_not_exists, label, before, after }));
        }
        if self.eat("rename value") {
            let from = self.string()?;
            self.expect("to")?;
            return Ok(Some(Statement::AlterEnumRename { name, from, to: self.string()? }));
        }
        Ok(None)
    }

    /// CREATE DOMAIN, behind DOMAIN.
    pub(crate) fn create_domain(&mut self) -> Parsed<Statement> {
        let name = self.name()?;
        self.eat("as");
        let base = self.type_name()?;
        let (mut default, mut not_null, mut checks) = (None, false, Vec::new());
        loop {
            if self.is("collate") {
                return self.other("CREATE DOMAIN … COLLATE");
            }
            let constraint = if self.eat("constraint") { Some(self.col_id()?) } else { None };
            if self.eat("not null") {
                not_null = true;
            } else if self.eat("null") {
            } else if self.eat("default") {
                default = Some(self.narrow_expr()?);
            } else if self.eat("check") {
                checks.push((constraint, self.paren(Self::expr)?));
            } else if constraint.is_some() {
                return self.unexpected();
            } else {
                return Ok(Statement::CreateDomain { name, base, default, not_null, checks });
            }
        }
    }

    /// Options of a sequence up to the end or the closing bracket.
    pub(crate) fn sequence_options(&mut self) -> Parsed<Vec<SequenceOption>> {
        let mut options = Vec::new();
        while let Some(option) = self.sequence_option()? {
            options.push(option);
        }
        Ok(options)
    }

    pub(crate) fn sequence_option(&mut self) -> Parsed<Option<SequenceOption>> {
        if self.eat("no") {
            return Ok(Some(match self.eat_any(&["minvalue", "maxvalue", "cycle"]) {
                Some("minvalue") => SequenceOption::MinValue(None),
                Some("maxvalue") => SequenceOption::MaxValue(None),
                Some(_) => SequenceOption::Cycle(false),
                None => return self.unexpected(),
            }));
        }
        if self.eat("owned by") {
            if self.eat("none") {
                return Ok(Some(SequenceOption::OwnedBy(None)));
            }
            return Ok(Some(SequenceOption::OwnedBy(Some(self.column_of_table()?))));
        }
        if self.eat("sequence name") {
            return Ok(Some(SequenceOption::SequenceName(self.name()?)));
        }
        if self.is_any(&["logged", "unlogged"]) {
            return self.other("LOGGED or UNLOGGED sequence");
        }
        let words = ["as", "increment", "minvalue", "maxvalue", "start", "restart", "cache", "cycle"];
        Ok(Some(match self.eat_any(&words) {
            None => return Ok(None),
            Some("as") => SequenceOption::As(self.type_name()?),
            Some("increment") => {
                self.eat("by");
                SequenceOption::Increment(self.integer()?)
            }
            Some("minvalue") => SequenceOption::MinValue(Some(self.integer()?)),
            Some("maxvalue") => SequenceOption::MaxValue(Some(self.integer()?)),
            Some("start") => {
                self.eat("with");
                SequenceOption::Start(self.integer()?)
            }
            Some("restart") => {
                let with = self.eat("with");
                let number = with || self.is_sym("-") || self.is_sym("+") || matches!(self.peek(), Kind::Num(_));
                SequenceOption::Restart(if number { Some(self.integer()?) } else { None })
            }
            Some("cache") => SequenceOption::Cache(self.integer()?),
            Some(_) => SequenceOption::Cycle(true),
        }))
    }

    /// CREATE EXTENSION, behind EXTENSION.
    pub(crate) fn create_extension(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists();
        let name = self.col_id()?;
        self.eat("with");
        let (mut schema, mut version, mut cascade) = (None, None, false);
        loop {
            if self.eat("schema") {
                schema = Some(self.col_id()?);
            } else if self.eat("version") {
                version = Some(if let Kind::Str(_) = self.peek() { self.string()? } else { self.label()? });
            } else if self.eat("cascade") {
                cascade = true;
            } else {
                return Ok(Statement::CreateExtension { name, if_not_exists, schema, version, cascade });
            }
        }
    }

    /// CREATE SCHEMA, behind SCHEMA.
    pub(crate) fn create_schema(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists();
        let name = if self.is("authorization") { None } else { Some(self.col_id()?) };
        let authorization = if self.eat("authorization") { Some(self.role()?) } else { None };
        if name.is_none() && authorization.is_none() {
            return self.unexpected();
        }
        let elements = !self.at_end();
        if elements && !self.is_any(&["create", "grant"]) {
            return self.unexpected();
        }
        self.skip_rest();
        Ok(Statement::CreateSchema { name, if_not_exists, authorization, elements })
    }
}
