//! One report over all files: what does not apply, grouped, with places, counts, advice, and the share that does.

use std::collections::BTreeMap;
use std::fmt::Write;

use basalt_catalog::Catalog;
use basalt_types::pg::write_json_string;

use super::{DdlContext, NO_POS, Reason, Refusal};
use crate::analyze;
use crate::plpgsql::Sql;
use crate::split::LineIndex;
use crate::tree::{Pos, Statement};

/// One refused statement with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The file's name as it was given.
    pub file: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// Why.
    pub refusal: Refusal,
    /// The place (`file:line`) of an earlier refused statement that this one only fails because of.
    pub follows_from: Option<String>,
}

/// What a set of files would do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// How many files were read.
    pub files: usize,
    /// How many statements they hold.
    pub statements: usize,
    /// How many of these apply.
    pub applied: usize,
    /// The others, in order.
    pub entries: Vec<Entry>,
}

/// Applies all files to a copy of a catalog, going on behind what is refused.
///
/// Nothing is stored and no rows are checked. A statement that fails because an earlier refused one did not make its object is marked.
pub fn check_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>, base: &Catalog) -> Report {
    let mut catalog = base.clone();
    let mut ctx = DdlContext::default();
    let mut report = Report::default();
    // Names that refused statements would have made, with their place.
    let mut absent: BTreeMap<String, String> = BTreeMap::new();
    // Bodies of refused DO blocks: whatever they name may be theirs.
    let mut blocks: Vec<(String, String)> = Vec::new();
    for (file, text) in files {
        report.files += 1;
        let lines = LineIndex::new(text);
        for parsed in crate::parse::file_tolerant(text) {
            report.statements += 1;
            let (statement, refusal) = match parsed {
                Err(e) => (None, Some(e.into())),
                Ok(located) => {
                    let applied = super::apply(&mut catalog, &located.statement, &mut ctx);
                    let applied = applied.and_then(|_| match &located.statement {
                        Statement::Do { body, .. } => block(&mut catalog, body, &mut ctx),
                        _ => Ok(()),
                    });
                    let refusal = applied.err().map(|e| e.at(located.pos));
                    (Some(located), refusal)
                }
            };
            let Some(mut refusal): Option<Box<Refusal>> = refusal else {
                report.applied += 1;
                continue;
            };
            if refusal.construct.is_empty() {
                refusal.construct = "syntax error".to_owned();
            }
            let pos = if refusal.pos.0 == NO_POS.0 { Pos(0) } else { refusal.pos };
            let (line, column) = lines.locate(text, pos);
            let follows_from = match refusal.reason {
                Reason::Invalid => {
                    let message = &refusal.error.message;
                    let made = absent.iter().find(|(name, _)| mentions(message, name)).map(|(_, at)| at);
                    let named =
                        || blocks.iter().find(|(body, _)| quoted(message).any(|name| mentions(body, name))).map(|(_, at)| at);
                    made.or_else(named).cloned()
                }
                Reason::Unsupported => None,
            };
            for name in statement.iter().filter_map(|s| made_by(&s.statement)) {
                let at = follows_from.clone().unwrap_or_else(|| format!("{file}:{line}"));
                absent.entry(name).or_insert(at);
            }
            if let Some(Statement::Do { body, .. }) = statement.as_ref().map(|s| &s.statement) {
                blocks.push((body.clone(), format!("{file}:{line}")));
            }
            report.entries.push(Entry { file: file.to_owned(), line, column, refusal: *refusal, follows_from });
        }
        ctx.end_transaction();
    }
    report
}

/// What a DO block would make: its statements are applied in their order, whether or not their conditions would hold, so that what
/// follows finds their objects. What fails is for the block's run to decide; only what is certain to be reached and does not run here
/// is a refusal now.
fn block(catalog: &mut Catalog, body: &str, ctx: &mut DdlContext) -> super::Result {
    let Ok(parsed) = crate::plpgsql::parse(body) else { return Ok(()) };
    let mut found = Vec::new();
    crate::plpgsql::each_sql(&parsed, &mut |sql, is_certain| found.push((sql, is_certain)));
    for (sql, is_certain) in found {
        let done = match sql {
            Sql::Statement(statement) => super::apply(catalog, statement, ctx).map(drop),
            Sql::Query(query) if is_certain => {
                analyze::query(query, catalog, &analysis(catalog, ctx)).map(drop).map_err(Box::<Refusal>::from)
            }
            Sql::Expr(expr) if is_certain => {
                analyze::row_expr(expr, catalog, &analysis(catalog, ctx), None).map(drop).map_err(Box::<Refusal>::from)
            }
            Sql::Query(_) | Sql::Expr(_) => Ok(()),
        };
        if let Err(mut refusal) = done
            && is_certain
            && refusal.reason == Reason::Unsupported
            && refusal.error.message.contains("on SQLite")
        {
            if refusal.construct.is_empty() {
                refusal.construct = format!("DO: {}", refusal.error.message.trim_end_matches(" is not supported on SQLite"));
            }
            return Err(refusal);
        }
    }
    Ok(())
}

fn analysis(catalog: &Catalog, ctx: &DdlContext) -> analyze::Context {
    analyze::Context { search_path: ctx.schemas(catalog), ..analyze::Context::default() }
}

/// The name of what a statement makes.
fn made_by(statement: &Statement) -> Option<String> {
    Some(match statement {
        Statement::CreateTable(create) => create.name.name.clone(),
        Statement::CreateFunction(create) => create.name.name.clone(),
        Statement::CreateView(create) => create.name.name.clone(),
        Statement::CreateIndex(create) => create.name.clone()?,
        Statement::CreateTrigger(create) => create.name.clone(),
        Statement::CreatePolicy(create) => create.name.clone(),
        Statement::CreateSchema { name, .. } => name.clone()?,
        Statement::CreateEnum { name, .. }
        | Statement::CreateDomain { name, .. }
        | Statement::CreateComposite { name, .. }
        | Statement::CreateSequence { name, .. } => name.name.clone(),
        Statement::CreateExtension { name, .. } => name.clone(),
        Statement::AlterTable { actions, .. } => actions.iter().find_map(|action| match action {
            crate::tree::AlterTableAction::AddColumn { column, .. } => Some(column.name.clone()),
            crate::tree::AlterTableAction::AddConstraint(constraint) => constraint.name.clone(),
            crate::tree::AlterTableAction::RenameColumn { to, .. } => Some(to.clone()),
            _ => None,
        })?,
        _ => return None,
    })
}

/// The last parts of the names a message quotes: `relation "app.posts" does not exist` names `posts`.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('"').skip(1).step_by(2).map(|name| name.rsplit('.').next().unwrap_or(name)).filter(|name| !name.is_empty())
}

/// Whether a message names an object: the name stands between characters that are no part of names.
fn mentions(message: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    message.match_indices(name).any(|(at, _)| {
        let before = message.get(..at).and_then(|s| s.chars().next_back());
        let after = message.get(at + name.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

impl Report {
    /// Whether everything applies.
    pub fn is_clean(&self) -> bool {
        self.entries.is_empty()
    }

    /// The share of statements that apply, in percent, rounded down to a tenth so that 100 means all.
    pub fn share_percent(&self) -> f64 {
        if self.statements == 0 {
            return 100.0;
        }
        // Counts of statements are far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        let tenths = (self.applied as f64) * 1000.0 / (self.statements as f64);
        tenths.floor() / 10.0
    }

    /// The entries that stand for themselves, by construct: most frequent first.
    fn groups(&self) -> Vec<(&str, Vec<&Entry>)> {
        let mut groups: BTreeMap<(Reason, &str), Vec<&Entry>> = BTreeMap::new();
        for entry in self.entries.iter().filter(|e| e.follows_from.is_none()) {
            groups.entry((entry.refusal.reason, entry.refusal.construct.as_str())).or_default().push(entry);
        }
        let mut groups: Vec<_> = groups.into_iter().map(|((_, construct), entries)| (construct, entries)).collect();
        groups.sort_by_key(|(_, entries)| std::cmp::Reverse(entries.len()));
        groups
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let percent = self.share_percent();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{} of {} statements in {} {} apply ({percent} %).",
            self.applied,
            self.statements,
            self.files,
            if self.files == 1 { "file" } else { "files" }
        );
        for (construct, entries) in self.groups() {
            let _ = writeln!(out, "\n{construct}: {}", entries.len());
            let mut advised = "";
            for entry in entries {
                if entry.refusal.advice != advised {
                    advised = &entry.refusal.advice;
                    let _ = writeln!(out, "  advice: {advised}");
                }
                let _ = writeln!(out, "  {}:{}:{}: {}", entry.file, entry.line, entry.column, entry.refusal.error.message);
                for (word, text) in [("detail", &entry.refusal.error.detail), ("hint", &entry.refusal.error.hint)] {
                    if let Some(text) = text {
                        let _ = writeln!(out, "    {word}: {}", text.replace('\n', "\n            "));
                    }
                }
            }
        }
        let following: Vec<&Entry> = self.entries.iter().filter(|e| e.follows_from.is_some()).collect();
        if !following.is_empty() {
            let _ = writeln!(out, "\nfollows from the above: {}", following.len());
            for entry in following {
                let from = entry.follows_from.as_deref().unwrap_or_default();
                let _ = writeln!(
                    out,
                    "  {}:{}:{}: {} (from {from})",
                    entry.file, entry.line, entry.column, entry.refusal.error.message
                );
            }
        }
        out
    }

    /// The report for programs: one JSON object.
    ///
    /// `{"files", "statements", "applied", "share_percent", "refusals": [{"construct", "reason", "state", "message", "detail", "hint",
    /// "advice", "file", "line", "column", "follows_from"}]}`; absent texts are null.
    pub fn to_json(&self) -> String {
        let mut out = format!(
            "{{\"files\":{},\"statements\":{},\"applied\":{},\"share_percent\":{},\"refusals\":[",
            self.files,
            self.statements,
            self.applied,
            self.share_percent()
        );
        for (i, entry) in self.entries.iter().enumerate() {
            let refusal = &entry.refusal;
            let reason = match refusal.reason {
                Reason::Unsupported => "unsupported",
                Reason::Invalid => "invalid",
            };
            let advice = Some(refusal.advice.as_str()).filter(|a| !a.is_empty());
            let texts = [
                ("construct", Some(refusal.construct.as_str())),
                ("reason", Some(reason)),
                ("state", Some(refusal.error.state.as_str())),
                ("message", Some(refusal.error.message.as_str())),
                ("detail", refusal.error.detail.as_deref()),
                ("hint", refusal.error.hint.as_deref()),
                ("advice", advice),
                ("file", Some(entry.file.as_str())),
                ("follows_from", entry.follows_from.as_deref()),
            ];
            out.push_str(if i == 0 { "{" } else { ",{" });
            for (key, text) in texts {
                let _ = write!(out, "\"{key}\":");
                match text {
                    Some(text) => {
                        let mut quoted = Vec::new();
                        write_json_string(text, &mut quoted);
                        out.push_str(&String::from_utf8_lossy(&quoted));
                    }
                    None => out.push_str("null"),
                }
                out.push(',');
            }
            let _ = write!(out, "\"line\":{},\"column\":{}}}", entry.line, entry.column);
        }
        out.push_str("]}");
        out
    }
}
