//! SET, transactions, DO, NOTIFY, roles, publications.

use super::cursor::{Parsed, Parser};
use super::lexer::Kind;
use crate::tree::{DropName, Name, ObjectKind, Statement};

impl Parser<'_> {
    /// SET, behind that word.
    pub(crate) fn set(&mut self, from: usize) -> Parsed<Statement> {
        if self.is("constraints") || self.are("session characteristics") || self.are("local transaction") {
            return self.other_statement(from);
        }
        let local = self.eat("local");
        if !local && !self.are("session authorization") {
            self.eat("session");
        }
        if self.is("transaction") || self.are("xml option") {
            return self.other_statement(from);
        }
        let (name, values) = self.setting()?;
        if name.is_empty() {
            return self.other_statement(from);
        }
        Ok(Statement::Set { name, values, local })
    }

    /// `name TO values` behind SET. DEFAULT and FROM CURRENT have no values; an empty name stands for what the tree does not have.
    pub(crate) fn setting(&mut self) -> Parsed<(String, Vec<String>)> {
        if self.eat("time zone") {
            if self.eat("default") || self.eat("local") {
                return Ok(("timezone".to_owned(), Vec::new()));
            }
            if self.is("interval") {
                return self.other("SET TIME ZONE INTERVAL");
            }
            return Ok(("timezone".to_owned(), vec![self.setting_value()?]));
        }
        if self.eat("role") {
            return Ok(("role".to_owned(), vec![self.setting_value()?]));
        }
        if self.eat("session authorization") {
            let values = if self.eat("default") { Vec::new() } else { vec![self.setting_value()?] };
            return Ok(("session_authorization".to_owned(), values));
        }
        if self.eat("schema") {
            return Ok(("search_path".to_owned(), vec![self.string()?]));
        }
        if self.eat("names") {
            let values = if let Kind::Str(_) = self.peek() { vec![self.string()?] } else { Vec::new() };
            return Ok(("client_encoding".to_owned(), values));
        }
        let name = self.setting_name()?;
        if self.eat("from current") {
            return Ok((name, Vec::new()));
        }
        if !self.eat("to") && !self.eat_sym("=") {
            return self.unexpected();
        }
        if self.eat("default") {
            return Ok((name, Vec::new()));
        }
        Ok((name, self.list(Self::setting_value)?))
    }

    pub(crate) fn setting_name(&mut self) -> Parsed<String> {
        let mut name = self.col_id()?;
        while self.eat_sym(".") {
            name.push('.');
            name.push_str(&self.col_id()?);
        }
        Ok(name)
    }

    fn setting_value(&mut self) -> Parsed<String> {
        match self.peek().clone() {
            Kind::Str(text) | Kind::Word(text) | Kind::Quoted(text) | Kind::Num(text) => {
                self.advance();
                Ok(text)
            }
            Kind::Sym(sign @ ("-" | "+")) => match self.token(1).clone() {
                Kind::Num(text) => {
                    self.advance();
                    self.advance();
                    Ok(if sign == "-" { format!("-{text}") } else { text })
                }
                _ => self.unexpected(),
            },
            _ => self.unexpected(),
        }
    }

    /// RESET, behind that word.
    pub(crate) fn reset(&mut self) -> Parsed<Statement> {
        let name = if self.eat("all") {
            "all".to_owned()
        } else if self.eat("time zone") {
            "timezone".to_owned()
        } else if self.eat("session authorization") {
            "session_authorization".to_owned()
        } else {
            self.setting_name()?
        };
        Ok(Statement::Set { name, values: Vec::new(), local: false })
    }

    /// BEGIN, COMMIT and friends.
    pub(crate) fn transaction(&mut self, verb: &'static str, from: usize) -> Parsed<Statement> {
        self.advance();
        let plain = |verb: &str| Statement::Transaction { verb: verb.to_owned(), name: None };
        match verb {
            "savepoint" => return Ok(Statement::Transaction { verb: verb.to_owned(), name: Some(self.col_id()?) }),
            "release" => {
                self.eat("savepoint");
                return Ok(Statement::Transaction { verb: verb.to_owned(), name: Some(self.col_id()?) });
            }
            "start" => self.expect("transaction")?,
            _ => {
                let _ = self.eat("work") || self.eat("transaction");
            }
        }
        if verb == "rollback" && self.eat("to") {
            self.eat("savepoint");
            return Ok(Statement::Transaction { verb: verb.to_owned(), name: Some(self.col_id()?) });
        }
        if matches!(verb, "commit" | "end" | "rollback" | "abort") {
            self.eat("and no chain");
        }
        if self.at_end() { Ok(plain(verb)) } else { self.other_statement(from) }
    }

    /// DO, behind that word.
    pub(crate) fn do_block(&mut self) -> Parsed<Statement> {
        let mut language = None;
        let mut body = None;
        while !self.at_end() {
            if self.eat("language") {
                language = Some(if let Kind::Str(_) = self.peek() { self.string()? } else { self.label()? });
            } else if body.is_none() {
                let pos = self.body_pos();
                body = Some((self.string()?, pos));
            } else {
                return self.unexpected();
            }
        }
        match body {
            Some((body, body_pos)) => Ok(Statement::Do { language, body, body_pos }),
            None => self.unexpected(),
        }
    }

    /// NOTIFY, behind that word.
    pub(crate) fn notify(&mut self) -> Parsed<Statement> {
        let channel = self.col_id()?;
        let payload = if self.eat_sym(",") { Some(self.string()?) } else { None };
        Ok(Statement::Notify { channel, payload })
    }

    /// CREATE or ALTER ROLE, USER, GROUP, at the second word.
    pub(crate) fn role_statement(&mut self) -> Parsed<Statement> {
        let from = self.at - 1;
        let create = self.is_created();
        let word = self.eat_any(&["role", "user", "group"]).unwrap_or("role");
        let name = self.role().or_else(|stop| if self.eat("all") { Ok("all".to_owned()) } else { Err(stop) })?;
        let pos = self.pos_at(from + 2);
        if !create && self.eat("rename to") {
            let new_name = self.role()?;
            return Ok(Statement::Rename {
                kind: ObjectKind::Role,
                name: Name { schema: None, name, pos },
                if_exists: false,
                new_name,
            });
        }
        let options = self.at;
        self.skip_rest();
        let verb = format!("{} {word}", if create { "create" } else { "alter" });
        Ok(Statement::Role { verb, name, options: self.written(options).to_owned() })
    }

    /// Whether the word before this one is CREATE.
    fn is_created(&self) -> bool {
        self.written(self.at.saturating_sub(1)).eq_ignore_ascii_case("create")
    }

    /// CREATE PUBLICATION, behind PUBLICATION.
    pub(crate) fn create_publication(&mut self) -> Parsed<Statement> {
        let name = self.col_id()?;
        let mut tables = Vec::new();
        let all_tables = self.eat("for all tables");
        if !all_tables && self.eat("for") {
            tables = self.published()?;
        }
        if self.is("with") {
            return self.other("CREATE PUBLICATION … WITH");
        }
        Ok(Statement::Publication { verb: "create".to_owned(), name, tables, all_tables })
    }

    /// ALTER PUBLICATION, behind PUBLICATION.
    pub(crate) fn alter_publication(&mut self) -> Parsed<Statement> {
        let pos = self.pos();
        let name = self.col_id()?;
        if self.eat("owner to") {
            let name = DropName { name: Name { schema: None, name, pos }, member: None, args: None };
            return Ok(Statement::OwnerTo { kind: ObjectKind::Publication, name, owner: self.role()? });
        }
        if self.eat("rename to") {
            let name = Name { schema: None, name, pos };
            return Ok(Statement::Rename { kind: ObjectKind::Publication, name, if_exists: false, new_name: self.col_id()? });
        }
        let Some(verb) = self.eat_any(&["add", "drop", "set"]) else { return self.unexpected() };
        if verb == "set" && self.is_sym("(") {
            return self.other("ALTER PUBLICATION … SET options");
        }
        let tables = self.published()?;
        Ok(Statement::Publication { verb: verb.to_owned(), name, tables, all_tables: false })
    }

    fn published(&mut self) -> Parsed<Vec<Name>> {
        if self.are("tables in schema") {
            return self.other("publication of a schema");
        }
        self.expect("table")?;
        self.list(|p| {
            if p.is("only") || (p.is("table") || p.are("tables in")) {
                return p.other("publication of ONLY or a schema");
            }
            p.eat("table");
            let name = p.name()?;
            p.eat_sym("*");
            if p.is_sym("(") || p.is("where") {
                return p.other("publication of columns or rows");
            }
            Ok(name)
        })
    }
}
