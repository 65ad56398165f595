//! Functions: what CREATE, OR REPLACE and ALTER say of them, and whether their bodies would run.
//!
//! Functions in SQL are analysed here, so that nothing is stored that would fail when called; the engine compiles them besides, and
//! refuses bodies in PL/pgSQL that it does not run. Everything else is refused by the name of what it uses.

use basalt_catalog::{ArgMode, Function, FunctionArg, GrantKind, Volatility};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlState, TypeRef, pg};

use super::{Ddl, Refusal, Result};
use crate::analyze;
use crate::tree::{CreateFunction, FunctionOption, Name, ObjectKind, ParamMode, Pos, Statement, TypeName};

/// What CREATE FUNCTION's options say.
struct Said {
    language: String,
    body: Option<Body>,
    volatility: Volatility,
    strict: bool,
    security_definer: bool,
    one_row: bool,
    config: Vec<(String, Vec<String>)>,
}

/// A body as written.
struct Body {
    text: String,
    pos: Pos,
    /// `RETURN …` or `BEGIN ATOMIC …`: its names mean what they mean now.
    is_bound: bool,
}

/// What a function takes and gives.
struct Signature {
    args: Vec<FunctionArg>,
    returns: Oid,
    setof: bool,
}

/// 42P13
fn invalid_definition(message: impl Into<String>) -> Box<Refusal> {
    Refusal::invalid(SqlState::new(b"42P13"), message)
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
            one_row: false,
            config: Vec::new(),
        };
        for option in &create.options {
            self.function_option(&mut said, option).map_err(|e| e.at(create.name.pos))?;
        }
        let missing = |what: &str| invalid_definition(format!("no {what} specified"));
        let Some(body) = said.body.take() else { return Err(missing("function body")) };
        if said.language.is_empty() && body.is_bound {
            said.language = "sql".to_owned();
        }
        let construct = match said.language.as_str() {
            "" => return Err(missing("language")),
            "sql" | "plpgsql" if create.procedure => Some("procedures".to_owned()),
            "sql" | "plpgsql" => None,
            "c" | "internal" => Some(format!("functions in language {}", said.language)),
            other => {
                return Err(Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("language \"{other}\" does not exist"))
                    .at(create.name.pos));
            }
        };
        if let Some(construct) = construct {
            return Err(Refusal::unsupported(construct, "write a function in SQL or PL/pgSQL").at(create.name.pos));
        }
        let signature = self.signature(create)?;
        let types: Vec<u32> = inputs(&signature.args).map(|a| a.ty).collect();
        let named = self.catalog.functions_named(&schema.name, &create.name.name);
        let old = named.into_iter().find(|f| super::name::input_types(f) == types).cloned();
        if let Some(old) = &old {
            if !create.or_replace {
                return Err(Refusal::invalid(
                    SqlState::DUPLICATE_FUNCTION,
                    format!("function \"{}\" already exists with same argument types", create.name.name),
                ));
            }
            self.must_own("function", &old.name, &old.owner)?;
            self.check_replacement(old, &signature)?;
        }
        let (owner, acl, comment) = match &old {
            Some(old) => (old.owner.clone(), old.acl.clone(), old.comment.clone()),
            None => {
                let acl = self.catalog.default_acl(&self.ctx.role, Some(Oid(schema.oid)), GrantKind::Function);
                (self.ctx.role.clone(), acl, None)
            }
        };
        let mut function = Function {
            oid: old.as_ref().map_or(0, |old| old.oid),
            schema: schema.oid,
            name: create.name.name.clone(),
            owner,
            procedure: false,
            args: signature.args,
            returns: signature.returns.0,
            setof: signature.setof,
            language: said.language,
            body: body.text.clone(),
            volatility: said.volatility,
            strict: said.strict,
            aggregate: false,
            one_row: said.one_row,
            security_definer: said.security_definer,
            config: said.config,
            acl,
            comment,
        };
        if old.is_none() {
            function.oid = self.catalog.allocate_oid().0;
        }
        // It may call itself.
        self.catalog.put_function(function.clone());
        self.check_body(&mut function, &body)?;
        self.catalog.put_function(function);
        Ok(())
    }

    /// Parameters and result.
    fn signature(&self, create: &CreateFunction) -> Result<Signature> {
        let mut args: Vec<FunctionArg> = Vec::with_capacity(create.params.len() + create.returns_table.len());
        let mut has_default = false;
        let mut is_variadic = false;
        for param in &create.params {
            let ty = self.parameter_type(&param.ty)?;
            let mode = match param.mode {
                ParamMode::In => ArgMode::In,
                ParamMode::Out => ArgMode::Out,
                ParamMode::InOut => ArgMode::InOut,
                ParamMode::Variadic => ArgMode::Variadic,
            };
            let name = param.name.clone().unwrap_or_default();
            if mode != ArgMode::Out && is_variadic {
                return Err(invalid_definition("VARIADIC parameter must be the last input parameter").at(param.ty.pos));
            }
            if mode == ArgMode::Variadic {
                is_variadic = true;
                if analyze::types::element(&self.catalog, ty).is_none() {
                    return Err(invalid_definition("VARIADIC parameter must be an array").at(param.ty.pos));
                }
            }
            let default = match &param.default {
                Some(_) if mode == ArgMode::Out => {
                    return Err(invalid_definition("only input parameters can have default values").at(param.ty.pos));
                }
                Some(default) => Some(self.default_text(default, TypeRef::of(ty), &name)?),
                None => None,
            };
            if mode != ArgMode::Out {
                if default.is_none() && has_default && mode != ArgMode::Variadic {
                    return Err(invalid_definition("input parameters after one with a default value must also have defaults")
                        .at(param.ty.pos));
                }
                has_default |= default.is_some();
            }
            args.push(FunctionArg { name, mode, ty: ty.0, default });
        }
        for (name, ty) in &create.returns_table {
            let ty = self.parameter_type(ty)?;
            args.push(FunctionArg { name: name.clone(), mode: ArgMode::Table, ty: ty.0, default: None });
        }
        for (at, arg) in args.iter().enumerate() {
            let clash = |other: &&FunctionArg| {
                // An input and an output may share a name; a table's column may not.
                let is_in = |a: &FunctionArg| matches!(a.mode, ArgMode::In | ArgMode::Variadic);
                let is_out = |a: &FunctionArg| a.mode == ArgMode::Out;
                other.name == arg.name && !(is_in(other) && is_out(arg) || is_out(other) && is_in(arg))
            };
            if !arg.name.is_empty() && args.iter().take(at).any(|other| clash(&other)) {
                return Err(invalid_definition(format!("parameter name \"{}\" used more than once", arg.name)));
            }
        }
        let outputs: Vec<Oid> =
            args.iter().filter(|a| matches!(a.mode, ArgMode::Out | ArgMode::InOut | ArgMode::Table)).map(|a| Oid(a.ty)).collect();
        let declared = match outputs.as_slice() {
            [] => None,
            [only] => Some(*only),
            _ => Some(oid::RECORD),
        };
        let is_table = !create.returns_table.is_empty();
        let (returns, setof) = match (&create.returns, declared) {
            (None, Some(declared)) => (declared, is_table),
            (None, None) => return Err(invalid_definition("function result type must be specified")),
            (Some(ty), declared) => {
                let returns = self.result_type(ty)?;
                if let Some(declared) = declared
                    && declared != returns
                {
                    let shown = self.catalog.format_type(TypeRef::of(declared));
                    return Err(invalid_definition(format!("function result type must be {shown} because of OUT parameters")));
                }
                (returns, ty.setof)
            }
        };
        if returns == oid::RECORD && outputs.is_empty() {
            return Err(Refusal::unsupported("functions that return records of no declared columns", "use RETURNS TABLE")
                .at(create.name.pos));
        }
        Ok(Signature { args, returns, setof })
    }

    /// A parameter's type; modifiers do not count, as in PostgreSQL.
    fn parameter_type(&self, ty: &TypeName) -> Result<Oid> {
        let found = self.written_type(ty).map_err(|mut e| {
            // Of parameters PostgreSQL names it without quotes.
            if e.error.state == SqlState::UNDEFINED_OBJECT {
                e.error.message = e.error.message.replace('"', "");
            }
            e
        })?;
        if ty.setof {
            return Err(invalid_definition("functions cannot accept set arguments").at(ty.pos));
        }
        let is_pseudo = pg::builtin(found).is_some_and(|row| matches!(row.category, 'P' | 'X'));
        if is_pseudo || analyze::types::is_polymorphic(found) {
            let shown = self.catalog.format_type(TypeRef::of(found));
            return Err(Refusal::unsupported(format!("parameters of type {shown}"), "name the type itself").at(ty.pos));
        }
        Ok(found)
    }

    fn result_type(&self, ty: &TypeName) -> Result<Oid> {
        let found = self.written_type(ty)?;
        let is_known = matches!(found, oid::VOID | oid::TRIGGER | oid::RECORD);
        let is_pseudo = pg::builtin(found).is_some_and(|row| matches!(row.category, 'P' | 'X'));
        if (is_pseudo && !is_known) || analyze::types::is_polymorphic(found) {
            let shown = self.catalog.format_type(TypeRef::of(found));
            return Err(Refusal::unsupported(format!("functions that return {shown}"), "name the type itself").at(ty.pos));
        }
        Ok(found)
    }

    /// A type of a signature: `table.column%TYPE` is the column's type of now.
    fn written_type(&self, ty: &TypeName) -> Result<Oid> {
        if ty.percent_type {
            return Ok(analyze::types::resolve(&self.catalog, &self.path(), ty)?.oid);
        }
        Ok(self.any_type(ty)?.oid)
    }

    /// What OR REPLACE may not change.
    fn check_replacement(&self, old: &Function, new: &Signature) -> Result {
        let shown = basalt_catalog::print::signature(&self.catalog, old);
        let hint = || format!("Use DROP FUNCTION {} first.", shown);
        if old.returns != new.returns.0 || old.setof != new.setof {
            return Err(invalid_definition("cannot change return type of existing function").hint(hint()));
        }
        let outputs = |args: &[FunctionArg]| -> Vec<(String, u32)> {
            let kept = args.iter().filter(|a| matches!(a.mode, ArgMode::Out | ArgMode::InOut | ArgMode::Table));
            kept.map(|a| (a.name.clone(), a.ty)).collect()
        };
        if outputs(&old.args) != outputs(&new.args) && old.returns == oid::RECORD.0 {
            return Err(invalid_definition("cannot change return type of existing function")
                .detail("Row type defined by OUT parameters is different.")
                .hint(hint()));
        }
        for (before, after) in inputs(&old.args).zip(inputs(&new.args)) {
            if !before.name.is_empty() && before.name != after.name {
                let message = format!("cannot change name of input parameter \"{}\"", before.name);
                return Err(invalid_definition(message).hint(hint()));
            }
            if before.default.is_some() && after.default.is_none() {
                return Err(invalid_definition("cannot remove parameter defaults from existing function").hint(hint()));
            }
        }
        Ok(())
    }

    /// Whether the body would run; a body that is bound to the names of now is put in its stored form.
    fn check_body(&self, function: &mut Function, body: &Body) -> Result {
        let within = |pos: Pos| if pos.0 == u32::MAX { body.pos } else { Pos(body.pos.0.saturating_add(pos.0)) };
        let returns = Oid(function.returns);
        match function.language.as_str() {
            "plpgsql" => {
                if returns == oid::TRIGGER && !function.args.is_empty() {
                    return Err(invalid_definition("trigger functions cannot have declared arguments")
                        .hint("The arguments of the trigger can be accessed through TG_NARGS and TG_ARGV instead."));
                }
                crate::plpgsql::parse(&body.text).map(drop).map_err(|e| {
                    let pos = within(e.pos);
                    let refusal: Box<Refusal> = basalt_types::SqlError::new(e.code, e.message).into();
                    refusal.at(pos)
                })
            }
            _ => {
                if returns == oid::TRIGGER {
                    return Err(invalid_definition("SQL functions cannot return type trigger"));
                }
                if body.is_bound {
                    function.body = self.bound_body(&body.text).map_err(|e| e.at(body.pos))?;
                }
                let own_path = function.search_path(&self.ctx.role);
                let path = own_path.unwrap_or_else(|| self.path());
                let checked = analyze::routine::sql(function, &self.catalog, &path);
                checked.map(drop).map_err(|e| {
                    let pos = if body.is_bound { body.pos } else { e.pos.map_or(body.pos, within) };
                    let mut refusal: Box<Refusal> = e.into();
                    refusal.pos = pos;
                    refusal
                })
            }
        }
    }

    /// `RETURN …` and `BEGIN ATOMIC …` with every name's schema written out.
    fn bound_body(&self, text: &str) -> Result<String> {
        let parsed = |e: crate::parse::ParseError| -> Box<Refusal> { basalt_types::SqlError::new(e.code, e.message).into() };
        match analyze::routine::bound(text) {
            analyze::routine::Bound::Return(expr) => {
                let expr = crate::parse::expr(expr).map_err(parsed)?;
                Ok(format!("RETURN {}", self.canonical(&expr, None)))
            }
            analyze::routine::Bound::Atomic(statements) => {
                let mut out = String::from("BEGIN ATOMIC ");
                for located in crate::parse::file(statements).map_err(parsed)? {
                    let Statement::Select(query) = &located.statement else {
                        return Err(Refusal::unsupported("data changes in BEGIN ATOMIC", "write the body as a string"));
                    };
                    out.push_str(&self.canonical_query(query));
                    out.push_str("; ");
                }
                Ok(out + "END")
            }
            analyze::routine::Bound::No => Err(Refusal::unsupported("this form of a body", "write the body as a string")),
        }
    }

    fn function_option(&self, said: &mut Said, option: &FunctionOption) -> Result {
        match option {
            FunctionOption::Language(language) => said.language = language.to_lowercase(),
            FunctionOption::Body(text, pos) => said.body = Some(Body { text: text.clone(), pos: *pos, is_bound: false }),
            FunctionOption::SqlBody(text, pos) => said.body = Some(Body { text: text.clone(), pos: *pos, is_bound: true }),
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
                if name != "search_path" && !super::session::is_indifferent(name) {
                    return Err(Refusal::unsupported(format!("functions with SET {name}"), "set it where the function is used"));
                }
                said.config.retain(|(n, _)| n != name);
                // FROM CURRENT takes the value of now; only the search path has one here.
                let values = if values.is_empty() && name == "search_path" { self.path() } else { values.clone() };
                said.config.push((name.clone(), values));
            }
            FunctionOption::NoEffect(text) => said.one_row |= text.to_lowercase().split_whitespace().eq(["rows", "1"]),
            FunctionOption::Leakproof(_) => {}
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
            one_row: changed.one_row,
            config: changed.config.clone(),
        };
        for option in options {
            match option {
                FunctionOption::Owner(owner) => {
                    let owner = self.role_name(owner)?;
                    self.may_own(&owner, &changed)?;
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
        changed.one_row = said.one_row;
        changed.config = said.config;
        self.catalog.put_function(changed);
        Ok(())
    }

    /// Whether a role may become a function's owner: it must be able to create it where it is.
    pub(super) fn may_own(&self, role: &str, function: &Function) -> Result {
        let Some(schema) = self.catalog.schema_by_oid(Oid(function.schema)) else { return Ok(()) };
        let may = self.catalog.schema_privileges(role, schema).contains(basalt_catalog::Privileges::CREATE);
        if may || role == function.owner {
            return Ok(());
        }
        let text = format!("permission denied for schema {}", schema.name);
        Err(Refusal::invalid(SqlState::INSUFFICIENT_PRIVILEGE, text))
    }
}

/// The parameters that a caller gives.
fn inputs(args: &[FunctionArg]) -> impl Iterator<Item = &FunctionArg> {
    args.iter().filter(|a| matches!(a.mode, ArgMode::In | ArgMode::InOut | ArgMode::Variadic))
}
