//! SET, transactions, DO, NOTIFY, roles, publications.

use super::cursor::{Parsed, Parser};
use super::keywords::{self, Class};
use super::lexer::Kind;
use crate::tree::{DropName, Name, ObjectKind, Statement};

/// What a setting is set to.
pub(crate) enum SettingValue {
    /// These values.
    Values(Vec<String>),
    /// DEFAULT.
    Default,
    /// FROM CURRENT.
    Current,
}

impl Parser<'_> {
    /// SET, behind that word.
    pub(crate) fn set(&mut self, from: usize) -> Parsed<Statement> {
        if self.eat("constraints") {
            let mut names = Vec::new();
            if !self.eat("all") {
                names.push(self.name()?);
                while self.eat_sym(",") {
                    names.push(self.name()?);
                }
            }
            let deferred = self.eat("deferred");
            if !deferred {
                self.expect("immediate")?;
            }
            return Ok(Statement::SetConstraints { names, deferred });
        }
        if self.are("session characteristics") || self.are("local transaction") {
            return self.other_statement(from);
        }
        // LOCAL and SESSION may name settings too.
        let scoped = !self.is_at(1, "to") && !self.is_sym_at(1, "=") && !self.is_sym_at(1, ".");
        let local = scoped && self.eat("local");
        if scoped && !local && !self.are("session authorization") {
            self.eat("session");
        }
        if self.is("transaction") || self.are("xml option") {
            return self.other_statement(from);
        }
        let (name, value) = self.setting()?;
        let values = match value {
            SettingValue::Values(values) => values,
            SettingValue::Default => Vec::new(),
            SettingValue::Current => return self.other_statement(from),
        };
        Ok(Statement::Set { name, values, local })
    }

    /// `name TO values` behind SET.
    pub(crate) fn setting(&mut self) -> Parsed<(String, SettingValue)> {
        let one = |value| SettingValue::Values(vec![value]);
        if self.eat("time zone") {
            let value = if self.eat("default") || self.eat("local") {
                SettingValue::Default
            } else if self.is("interval") {
                return self.other("SET TIME ZONE INTERVAL");
            } else {
                one(self.setting_value()?)
            };
            return Ok(("timezone".to_owned(), value));
        }
        if self.is("role") && !self.is_at(1, "to") && !self.is_at(1, "from") && !self.is_sym_at(1, "=") {
            self.advance();
            if matches!(self.peek(), Kind::Num(_) | Kind::Sym(_)) || self.is_any(&["true", "false", "on"]) {
                return self.unexpected();
            }
            return Ok(("role".to_owned(), one(self.setting_value()?)));
        }
        if self.eat("session authorization") {
            let value = if self.eat("default") { SettingValue::Default } else { one(self.setting_value()?) };
            return Ok(("session_authorization".to_owned(), value));
        }
        if self.is("schema") && matches!(self.token(1), Kind::Str(_)) {
            self.advance();
            return Ok(("search_path".to_owned(), one(self.string()?)));
        }
        if self.is("names") && matches!(self.token(1), Kind::Str(_) | Kind::Eof) {
            self.advance();
            let value = if let Kind::Str(_) = self.peek() { one(self.string()?) } else { SettingValue::Default };
            return Ok(("client_encoding".to_owned(), value));
        }
        let name = self.setting_name()?;
        if self.eat("from current") {
            return Ok((name, SettingValue::Current));
        }
        if !self.eat("to") && !self.eat_sym("=") {
            return self.unexpected();
        }
        if self.eat("default") {
            return Ok((name, SettingValue::Default));
        }
        Ok((name, SettingValue::Values(self.list(Self::setting_value)?)))
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
            Kind::Word(word)
                if keywords::class(&word) == Class::Reserved && !matches!(word.as_str(), "true" | "false" | "on") =>
            {
                self.unexpected()
            }
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
                if !matches!(self.token(1), Kind::Eof) {
                    self.eat("savepoint");
                }
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
                language = Some(self.word_or_string()?);
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
