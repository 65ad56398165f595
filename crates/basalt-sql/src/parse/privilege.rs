//! GRANT, REVOKE, ALTER DEFAULT PRIVILEGES.

use super::cursor::{Parsed, Parser};
use crate::tree::{Grant, GrantOn, ObjectKind, Statement};

/// Privileges with columns and whether the first stood in quotes.
type Privileges = Vec<(String, Vec<String>)>;

impl Parser<'_> {
    /// GRANT or REVOKE, behind that word.
    pub(crate) fn grant(&mut self, is_grant: bool) -> Parsed<Statement> {
        let only_grant_option = !is_grant && self.eat("grant option for");
        let admin_only = !is_grant && !only_grant_option && self.eat("admin option for");
        if !is_grant && self.is_at(1, "option") && self.is_at(2, "for") {
            return self.other("REVOKE … OPTION FOR");
        }
        let privileges = self.privileges()?;
        if !privileges.is_empty() && self.is(if is_grant { "to" } else { "from" }) {
            if privileges.iter().any(|(_, columns)| !columns.is_empty()) {
                return self.unexpected();
            }
            let roles = privileges.into_iter().map(|(role, _)| role).collect();
            return self.grant_role(is_grant, roles, admin_only);
        }
        self.expect("on")?;
        let on = self.grant_target()?;
        Ok(Statement::Grant(Box::new(self.grant_tail(is_grant, privileges, on, only_grant_option)?)))
    }

    fn grant_role(&mut self, is_grant: bool, roles: Vec<String>, admin_only: bool) -> Parsed<Statement> {
        self.advance();
        let grantees = self.list(Self::grantee)?;
        let mut admin_option = admin_only;
        if is_grant && self.eat("with admin") {
            if self.eat_any(&["option", "true"]).is_none() {
                return self.other("GRANT role WITH options");
            }
            admin_option = true;
        }
        if self.is("with") || self.is("granted") {
            return self.other("GRANT role WITH options");
        }
        if !is_grant {
            self.cascade();
        }
        Ok(Statement::GrantRole { is_grant, roles, grantees, admin_option })
    }

    fn grant_tail(&mut self, is_grant: bool, privileges: Privileges, on: GrantOn, only_grant_option: bool) -> Parsed<Grant> {
        self.expect(if is_grant { "to" } else { "from" })?;
        let grantees = self.list(Self::grantee)?;
        let grant_option = is_grant && self.eat("with grant option");
        if self.is("granted") {
            return self.other("GRANTED BY");
        }
        let cascade = !is_grant && self.cascade();
        Ok(Grant { is_grant, privileges, on, grantees, grant_option, only_grant_option, cascade })
    }

    fn grantee(&mut self) -> Parsed<String> {
        self.eat("group");
        self.role()
    }

    /// `SELECT, UPDATE (a, b)`; ALL is the empty list. Role names pass too.
    fn privileges(&mut self) -> Parsed<Privileges> {
        if self.eat("all") {
            self.eat("privileges");
            if self.is_sym("(") {
                return self.other("GRANT ALL on columns");
            }
            return Ok(Vec::new());
        }
        self.list(|p| {
            let name = if p.eat("alter system") {
                "alter system".to_owned()
            } else if let Some(word) = p.eat_any(&["select", "references", "create"]) {
                word.to_owned()
            } else {
                p.col_id()?
            };
            let name = if name == "temp" { "temporary".to_owned() } else { name };
            let columns = if p.is_sym("(") { p.parens(Self::col_id)? } else { Vec::new() };
            Ok((name, columns))
        })
    }

    fn grant_target(&mut self) -> Parsed<GrantOn> {
        let all = [
            ("all tables in schema", ObjectKind::Table),
            ("all sequences in schema", ObjectKind::Sequence),
            ("all functions in schema", ObjectKind::Function),
            ("all procedures in schema", ObjectKind::Procedure),
            ("all routines in schema", ObjectKind::Routine),
        ];
        for (words, kind) in all {
            if self.eat(words) {
                return Ok(GrantOn::AllInSchema { kind, schemas: self.list(Self::col_id)? });
            }
        }
        if self.eat_any(&["function", "procedure", "routine"]).is_some() {
            return Ok(GrantOn::Functions(self.list(|p| {
                let name = p.function_name()?;
                Ok((name, p.signature()?))
            })?));
        }
        if self.eat("schema") {
            return Ok(GrantOn::Schemas(self.list(Self::col_id)?));
        }
        if self.eat("sequence") {
            return Ok(GrantOn::Sequences(self.list(Self::name)?));
        }
        if self.eat("database") {
            return Ok(GrantOn::Databases(self.list(Self::col_id)?));
        }
        if self.eat("type") || self.eat("domain") {
            return Ok(GrantOn::Types(self.list(Self::function_name)?));
        }
        let rare = ["foreign data wrapper", "foreign server", "language", "large object", "tablespace", "parameter"];
        if rare.iter().any(|words| self.are(words)) {
            let from = self.at;
            self.passed = true;
            while !(self.at_end() || self.is("to") || self.is("from")) {
                self.advance();
            }
            return Ok(GrantOn::Other(self.written(from).to_owned()));
        }
        self.eat("table");
        Ok(GrantOn::Tables(self.list(Self::name)?))
    }

    /// ALTER DEFAULT PRIVILEGES, behind PRIVILEGES.
    pub(crate) fn default_privileges(&mut self) -> Parsed<Statement> {
        let (mut for_roles, mut in_schemas) = (Vec::new(), Vec::new());
        loop {
            if self.eat("for role") || self.eat("for user") {
                for_roles = self.list(Self::role)?;
            } else if self.eat("in schema") {
                in_schemas = self.list(Self::col_id)?;
            } else {
                break;
            }
        }
        let Some(verb) = self.eat_any(&["grant", "revoke"]) else { return self.unexpected() };
        let is_grant = verb == "grant";
        let only_grant_option = !is_grant && self.eat("grant option for");
        let privileges = self.privileges()?;
        self.expect("on")?;
        let kind = match self.eat_any(&["tables", "functions", "routines", "sequences", "types", "schemas"]) {
            Some("tables") => ObjectKind::Table,
            Some("functions" | "routines") => ObjectKind::Function,
            Some("sequences") => ObjectKind::Sequence,
            Some("types") => ObjectKind::Type,
            Some(_) => ObjectKind::Schema,
            None if self.are("large objects") => return self.other("ALTER DEFAULT PRIVILEGES ON LARGE OBJECTS"),
            None => return self.unexpected(),
        };
        let grant = Box::new(self.grant_tail(is_grant, privileges, GrantOn::Default(kind), only_grant_option)?);
        Ok(Statement::AlterDefaultPrivileges { for_roles, in_schemas, grant })
    }
}
