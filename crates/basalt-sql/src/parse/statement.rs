//! Which statement is it.

use super::cursor::{Parsed, Parser};
use super::keywords;
use super::lexer::Kind;
use crate::tree::{Name, ObjectKind, Statement};

/// First words of statements Basalt knows by name only.
const NAMED_ONLY: [&str; 26] = [
    "analyse",
    "analyze",
    "call",
    "checkpoint",
    "close",
    "cluster",
    "copy",
    "deallocate",
    "declare",
    "discard",
    "execute",
    "explain",
    "fetch",
    "import",
    "listen",
    "load",
    "lock",
    "merge",
    "move",
    "prepare",
    "reassign",
    "reindex",
    "security",
    "show",
    "unlisten",
    "vacuum",
];

/// What may follow CREATE or ALTER besides the kinds the tree has: longest spelling first.
const OTHER_KINDS: [&str; 26] = [
    "access method",
    "aggregate",
    "cast",
    "collation",
    "conversion",
    "database",
    "default conversion",
    "event trigger",
    "foreign data wrapper",
    "foreign table",
    "language",
    "large object",
    "operator class",
    "operator family",
    "operator",
    "procedural language",
    "rule",
    "server",
    "statistics",
    "subscription",
    "system",
    "tablespace",
    "text search",
    "transform",
    "trusted language",
    "user mapping",
];

impl Parser<'_> {
    /// One statement up to the end of the text.
    pub(crate) fn statement(&mut self) -> Parsed<Statement> {
        let statement = self.statement_start()?;
        self.expect_end()?;
        Ok(statement)
    }

    fn statement_start(&mut self) -> Parsed<Statement> {
        let from = self.at;
        if self.is_sym("(") {
            return Ok(Statement::Select(Box::new(self.query()?)));
        }
        let Kind::Word(word) = self.peek() else { return self.unexpected() };
        let word = word.clone();
        for verb in ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"] {
            if word == verb {
                return self.transaction(verb, from);
            }
        }
        match word.as_str() {
            "select" | "values" | "table" => return Ok(Statement::Select(Box::new(self.query()?))),
            "with" | "insert" | "update" | "delete" => {
                let with = self.with()?;
                return Ok(match self.peek() {
                    Kind::Word(word) if word == "insert" => Statement::Insert(Box::new(self.insert(with)?)),
                    Kind::Word(word) if word == "update" => Statement::Update(Box::new(self.update(with)?)),
                    Kind::Word(word) if word == "delete" => Statement::Delete(Box::new(self.delete(with)?)),
                    Kind::Word(word) if word == "merge" => return self.other_statement(self.at),
                    _ => Statement::Select(Box::new(self.query_after_with(with)?)),
                });
            }
            _ => {}
        }
        self.advance();
        match word.as_str() {
            "create" => self.create(from),
            "alter" => self.alter(from),
            "drop" => self.drop_statement(),
            "truncate" => self.truncate(),
            "comment" => {
                self.expect("on")?;
                self.comment(from)
            }
            "grant" => self.grant(true),
            "revoke" => self.grant(false),
            "refresh" => {
                self.expect("materialized view")?;
                let concurrently = self.eat("concurrently");
                let name = self.name()?;
                let with_data = !self.with_no_data()?;
                Ok(Statement::RefreshMaterializedView { name, concurrently, with_data })
            }
            "do" => self.do_block(),
            "notify" => self.notify(),
            "set" => self.set(from),
            "reset" => self.reset(),
            _ if NAMED_ONLY.contains(&word.as_str()) => self.other_statement(from),
            _ => {
                self.at = from;
                self.unexpected()
            }
        }
    }

    /// Passes over a statement the tree has no place for and names it by its leading keywords.
    pub(crate) fn other_statement(&mut self, from: usize) -> Parsed<Statement> {
        self.at = from;
        let mut construct = Vec::new();
        let verb = match self.peek() {
            Kind::Word(word) => word.clone(),
            _ => return self.unexpected(),
        };
        construct.push(verb.to_ascii_uppercase());
        self.advance();
        if matches!(verb.as_str(), "create" | "alter" | "drop" | "comment") {
            self.eat("or replace");
            if verb == "comment" {
                self.expect("on")?;
                construct.push("ON".to_owned());
            }
            match OTHER_KINDS.iter().find(|words| self.are(words)) {
                Some(words) => construct.push(words.to_ascii_uppercase()),
                None => match self.object_kind() {
                    Some(kind) => construct.push(super::object::kind_words(kind).to_ascii_uppercase()),
                    None if verb == "drop" && self.are("owned by") => construct.push("OWNED".to_owned()),
                    None => return self.unexpected(),
                },
            }
        } else if let Kind::Word(word) = self.peek()
            && keywords::is_keyword(word)
            && !matches!(verb.as_str(), "explain" | "merge")
        {
            construct.push(word.to_ascii_uppercase());
        }
        self.skip_rest();
        Ok(Statement::Other { construct: construct.join(" ") })
    }

    fn create(&mut self, from: usize) -> Parsed<Statement> {
        let or_replace = self.eat("or replace");
        if self.eat("function") {
            return self.create_function(or_replace, false);
        }
        if self.eat("procedure") {
            return self.create_function(or_replace, true);
        }
        let constraint = self.are("constraint trigger") && self.eat("constraint");
        if self.eat("trigger") {
            return self.create_trigger(or_replace, constraint);
        }
        let scoped = self.is_any(&["global", "local"]) && (self.is_at(1, "temp") || self.is_at(1, "temporary"));
        if scoped {
            self.advance();
        }
        let temporary = self.eat_any(&["temp", "temporary"]).is_some();
        let recursive = self.are("recursive view") && self.eat("recursive");
        if self.eat("view") {
            return self.create_view(or_replace, temporary, recursive, false);
        }
        if or_replace {
            return self.other_statement(from);
        }
        let unlogged = !temporary && self.eat("unlogged");
        if self.eat("table") {
            return self.create_table(temporary, unlogged);
        }
        if self.eat("sequence") {
            if temporary || unlogged {
                return self.other("CREATE TEMPORARY SEQUENCE");
            }
            let if_not_exists = self.if_not_exists();
            let name = self.name()?;
            return Ok(Statement::CreateSequence { name, if_not_exists, options: self.sequence_options()? });
        }
        if self.eat("materialized view") {
            return if unlogged {
                self.other("CREATE UNLOGGED MATERIALIZED VIEW")
            } else {
                self.create_view(false, false, false, true)
            };
        }
        if temporary || unlogged {
            return self.unexpected();
        }
        if self.eat("unique index") {
            return self.create_index(true);
        }
        if self.eat("index") {
            return self.create_index(false);
        }
        if self.eat("policy") {
            return self.create_policy();
        }
        if self.eat("schema") {
            return self.create_schema();
        }
        if self.eat("type") {
            return self.create_type();
        }
        if self.eat("domain") {
            return self.create_domain();
        }
        if self.eat("extension") {
            return self.create_extension();
        }
        if self.is_any(&["role", "user", "group"]) && !self.are("user mapping") {
            return self.role_statement();
        }
        if self.eat("publication") {
            return self.create_publication();
        }
        self.other_statement(from)
    }

    fn alter(&mut self, from: usize) -> Parsed<Statement> {
        if self.eat("default privileges") {
            return self.default_privileges();
        }
        let rare = OTHER_KINDS.iter().any(|words| self.are(words));
        match self.object_kind() {
            Some(kind)
                if !rare
                    || matches!(
                        kind,
                        ObjectKind::Aggregate
                            | ObjectKind::ForeignTable
                            | ObjectKind::Server
                            | ObjectKind::EventTrigger
                            | ObjectKind::Language
                            | ObjectKind::Database
                    ) =>
            {
                self.alter_object(kind, from)
            }
            _ => self.other_statement(from),
        }
    }

    fn truncate(&mut self) -> Parsed<Statement> {
        self.eat("table");
        let tables = self.list(|p| {
            if p.is("only") {
                return p.other("TRUNCATE ONLY");
            }
            let name: Name = p.name()?;
            p.eat_sym("*");
            Ok(name)
        })?;
        let restart_identity = self.eat("restart identity");
        if !restart_identity {
            self.eat("continue identity");
        }
        Ok(Statement::Truncate { tables, restart_identity, cascade: self.cascade() })
    }
}
