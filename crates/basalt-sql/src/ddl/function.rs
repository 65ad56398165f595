//! Functions.
//!
//! First tier: trigger functions in PL/pgSQL. Everything else is refused by the name of what it uses, so that nothing is stored that would
//! fail when called; the engine refuses bodies it does not run.

use basalt_catalog::{Function, GrantKind, Volatility};
use basalt_types::{Oid, SqlState, pg};

use super::{Ddl, Refusal, Result};
use crate::tree::{CreateFunction, FunctionOption, Name, ObjectKind, Pos, TypeName};

const ADVICE: &str = "only trigger functions run on SQLite for now";

/// What CREATE FUNCTION's options say.
struct Said {
    language: String,
    body: Option<(String, Pos)>,
    volatility: Volatility,
    strict: bool,
    security_definer: bool,
    config: Vec<(String, Vec<String>)>,
}

impl Ddl {
    pub(super) fn create_function(&mut self, create: &CreateFunction) -> Result {
        let schema = self.creation_schema(&create.name)?;
        let mut said = Said {
            language: String::new(),
            body: None,
            volatility: Volatility::Volatile,
            strict: false,
            security_definer: false,
            config: Vec::new(),
        };
        for option in &create.options {
            self.function_option(&mut said, option)?;
        }
        let missing = |what: &str| Refusal::invalid(SqlState::new(b"42P13"), format!("no {what} specified"));
        let (body, body_pos) = match said.body.take() {
            Some(body) => body,
            None => return Err(missing("function body")),
        };
        if said.language.is_empty() {
            return Err(missing("language"));
        }
        let returns_trigger =
            create.returns.as_ref().is_some_and(|t| t.name == "trigger" && t.schema.as_deref().is_none_or(|s| s == "pg_catalog"));
        let construct = match said.language.as_str() {
            "plpgsql" if returns_trigger => None,
            "plpgsql" if create.procedure => Some("PL/pgSQL procedures".to_owned()),
            "plpgsql" => Some("PL/pgSQL functions other than trigger functions".to_owned()),
            "sql" => Some("SQL functions".to_owned()),
            other => Some(format!("functions in language {other}")),
        };
        if let Some(construct) = construct {
            return Err(Refusal::unsupported(construct, ADVICE).at(create.name.pos));
        }
        if !create.params.is_empty() {
            return Err(Refusal::invalid(SqlState::new(b"42P13"), "trigger functions cannot have declared arguments")
                .hint("The arguments of the trigger can be accessed through TG_NARGS and TG_ARGV instead."));
        }
        let within = |pos: Pos| if pos.0 == u32::MAX { body_pos } else { Pos(body_pos.0.saturating_add(pos.0)) };
        crate::plpgsql::parse(&body).map_err(|e| {
            let pos = within(e.pos);
            let refusal: Box<Refusal> = basalt_types::SqlError::new(e.code, e.message).into();
            refusal.at(pos)
        })?;

        let old = self.catalog.functions_named(&schema.name, &create.name.name).into_iter().find(|f| f.args.is_empty()).cloned();
        if let Some(old) = &old {
            if !create.or_replace {
                return Err(Refusal::invalid(
                    SqlState::DUPLICATE_FUNCTION,
                    format!("function \"{}\" already exists with same argument types", create.name.name),
                ));
            }
            self.must_own("function", &old.name, &old.owner)?;
            if old.returns != pg::oid::TRIGGER.0 {
                return Err(Refusal::invalid(SqlState::new(b"42P13"), "cannot change return type of existing function")
                    .hint(format!("Use DROP FUNCTION {}() first.", old.name)));
            }
        }
        let oid = match &old {
            Some(old) => old.oid,
            None => self.catalog.allocate_oid().0,
        };
        let (owner, acl, comment) = match old {
            Some(old) => (old.owner.clone(), old.acl.clone(), old.comment.clone()),
            None => {
                let acl = self.catalog.default_acl(&self.ctx.role, Some(Oid(schema.oid)), GrantKind::Function);
                (self.ctx.role.clone(), acl, None)
            }
        };
        self.catalog.put_function(Function {
            oid,
            schema: schema.oid,
            name: create.name.name.clone(),
            owner,
            procedure: false,
            args: Vec::new(),
            returns: pg::oid::TRIGGER.0,
            setof: false,
            language: said.language,
            body,
            volatility: said.volatility,
            strict: said.strict,
            aggregate: false,
            one_row: false,
            security_definer: said.security_definer,
            config: said.config,
            acl,
            comment,
        });
        Ok(())
    }

    fn function_option(&self, said: &mut Said, option: &FunctionOption) -> Result {
        match option {
            FunctionOption::Language(language) => said.language = language.to_lowercase(),
            FunctionOption::Body(text, pos) | FunctionOption::SqlBody(text, pos) => said.body = Some((text.clone(), *pos)),
            FunctionOption::Volatility(word) => {
                said.volatility = match word.as_str() {
                    "immutable" => Volatility::Immutable,
                    "stable" => Volatility::Stable,
                    _ => Volatility::Volatile,
                };
            }
            FunctionOption::Strict(strict) => said.strict = *strict,
            FunctionOption::SecurityDefiner(definer) => said.security_definer = *definer,
            FunctionOption::Set(name, values) => {
                said.config.retain(|(n, _)| n != name);
                // FROM CURRENT takes the value of now; only the search path has one here.
                let values = if values.is_empty() && name == "search_path" { self.path() } else { values.clone() };
                said.config.push((name.clone(), values));
            }
            FunctionOption::Leakproof(_) | FunctionOption::NoEffect(_) => {}
            FunctionOption::Owner(_) | FunctionOption::Rename(_) | FunctionOption::Schema(_) => {}
        }
        Ok(())
    }

    /// ALTER FUNCTION.
    pub(super) fn alter_function(
        &mut self,
        _kind: ObjectKind,
        name: &Name,
        args: Option<&[TypeName]>,
        options: &[FunctionOption],
    ) -> Result {
        let function = self.function(name, args)?;
        self.must_own("function", &function.name, &function.owner)?;
        let mut changed = (*function).clone();
        let mut said = Said {
            language: changed.language.clone(),
            body: None,
            volatility: changed.volatility,
            strict: changed.strict,
            security_definer: changed.security_definer,
            config: changed.config.clone(),
        };
        for option in options {
            match option {
                FunctionOption::Owner(owner) => {
                    let owner = self.role_name(owner)?;
                    if let Some(acl) = &mut changed.acl {
                        acl.change_owner(&changed.owner, &owner);
                    }
                    changed.owner = owner;
                }
                FunctionOption::Rename(new) => return self.move_function(&function, None, Some(new)),
                FunctionOption::Schema(schema) => return self.move_function(&function, Some(schema), None),
                other => self.function_option(&mut said, other)?,
            }
        }
        changed.volatility = said.volatility;
        changed.strict = said.strict;
        changed.security_definer = said.security_definer;
        changed.config = said.config;
        self.catalog.put_function(changed);
        Ok(())
    }
}
