//! Function calls: which function, with which arguments.

use std::sync::Arc;

use basalt_catalog::{ArgMode, Catalog};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, SqlState, TypeRef, Value};

use super::builtins::{self, Kind};
use super::casts::{self, CastContext};
use super::error::{Result, error, unsupported};
use super::resolve::{self, Choice};
use super::scope::Clause;
use super::{Analyzer, types};
use crate::tree;
use crate::typed::{Expr, ExprKind, From, Order};

/// Functions that PostgreSQL or a usual extension has and no table here does: refused by name instead of "does not exist".
#[rustfmt::skip]
const ELSEWHERE: [&str; 68] = [
    "to_tsvector", "to_tsquery", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery", "ts_rank", "ts_rank_cd", "ts_headline", "setweight",
    "tsvector_to_array", "similarity", "word_similarity", "strict_word_similarity", "show_trgm", "set_limit", "percentile_cont", "percentile_disc",
    "mode", "corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept", "jsonb_path_query", "jsonb_path_exists", "jsonb_path_query_array",
    "jsonb_path_query_first", "jsonb_path_match", "jsonb_populate_record", "json_populate_record", "jsonb_populate_recordset",
    "json_populate_recordset", "xmlagg", "pg_get_constraintdef", "pg_get_indexdef", "pg_get_functiondef", "pg_get_viewdef", "pg_get_expr",
    "pg_get_serial_sequence", "pg_get_function_identity_arguments", "pg_table_is_visible", "pg_relation_size", "pg_total_relation_size",
    "pg_size_pretty", "obj_description", "col_description", "format_type", "has_column_privilege", "has_function_privilege", "to_regclass",
    "to_regtype", "to_regproc", "to_regnamespace", "dblink", "http_get", "http_post", "pgp_sym_encrypt", "pgp_sym_decrypt", "armor", "dearmor",
    "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "range_agg", "st_distance",
];

/// Schemas of extensions and services whose functions are not here.
#[rustfmt::skip]
const ELSEWHERE_SCHEMAS: [&str; 12] =
    ["cron", "net", "vault", "pgmq", "pgsodium", "graphql", "realtime", "supabase_functions", "topology", "tiger", "information_schema", "pgbouncer"];

/// A function that may be meant.
enum Candidate {
    Builtin(&'static builtins::Function),
    User(Arc<basalt_catalog::Function>),
}

/// A candidate fitted to the number and names of a call's arguments.
struct Fitted {
    candidate: Candidate,
    /// Declared type of each written argument, in written order.
    args: Vec<Oid>,
    /// For each parameter: the written argument, or none for its default.
    places: Vec<Option<usize>>,
    /// The written arguments from here on are the elements of the last parameter, whose type this is.
    gathers: Option<(usize, Oid)>,
    /// Another function of its schema takes the same arguments, and both have defaults for the rest.
    is_ambiguous: bool,
}

/// A function of FROM.
pub(super) struct Called {
    pub call: Expr,
    /// Its named output columns; empty for a function of one plain value.
    pub columns: Vec<(String, TypeRef)>,
    pub name: String,
}

impl Analyzer<'_> {
    /// Analyses a call wherever an expression may stand.
    pub(super) fn call(&mut self, call: &tree::Call) -> Result<Expr> {
        let aggregate = self.is_aggregate_name(call);
        if !call.within_group.is_empty() {
            return Err(unsupported(format_args!("WITHIN GROUP of {}", call.name.name)));
        }
        let clause = match aggregate {
            true if call.over.is_none() => {
                self.clause.check_aggregate()?;
                Clause::AggregateArgs
            }
            _ => self.clause,
        };
        let args = self.within(clause, |a| call.args.iter().map(|arg| a.expr(&arg.value)).collect::<Result<Vec<_>>>())?;
        let schema = call.name.schema.as_deref();
        if call.over.is_none()
            && call.filter.is_none()
            && !call.star
            && !call.distinct
            && call.args.iter().all(|arg| arg.name.is_none())
        {
            if let Some(fact) = self.session_call(schema, &call.name.name, &args) {
                return Ok(fact);
            }
            if let Some(answer) = self.inquiry(schema, &call.name.name, &args)? {
                return Ok(answer);
            }
        }
        let names: Vec<Option<&str>> = call.args.iter().map(|arg| arg.name.as_deref()).collect();
        let args = self.rows_as_arguments(schema, &call.name.name, args);
        let actual: Vec<Oid> = args.iter().map(|a| a.ty.oid).collect();
        let fitted = self.fit(schema, &call.name.name, &actual, &names, call.variadic);
        let declared: Vec<Vec<Oid>> = fitted.iter().map(|f| f.args.clone()).collect();
        let at = match resolve::choose(self.catalog, &actual, &declared) {
            Choice::One(at) => at,
            choice => {
                if choice == Choice::None
                    && let Some(cast) = self.cast_by_name(call, &args)?
                {
                    return Ok(cast);
                }
                return Err(self.no_function(schema, &call.name.name, &actual, &names, choice));
            }
        };
        let Some(chosen) = fitted.into_iter().nth(at) else { return Err(error(SqlState::INTERNAL, "function table")) };
        if chosen.is_ambiguous {
            return Err(self.no_function(schema, &call.name.name, &actual, &names, Choice::Ambiguous));
        }
        let name = &call.name.name;
        match &chosen.candidate {
            Candidate::Builtin(f) if f.kind == Kind::Aggregate => return self.aggregate(call, f, &chosen, args),
            Candidate::Builtin(f) if f.kind == Kind::Window => {
                let Some(over) = &call.over else {
                    return Err(error(SqlState::WRONG_OBJECT_TYPE, format!("window function {name} requires an OVER clause")));
                };
                if call.filter.is_some() {
                    return Err(error(
                        SqlState::FEATURE_NOT_SUPPORTED,
                        "FILTER is not implemented for non-aggregate window functions",
                    ));
                }
                let (args, ty) = self.bind(f.result, &chosen, args)?;
                return self.window(f, args, ty, call.star, None, over);
            }
            _ => {}
        }
        let wrong = |what: &str| {
            Err(error(SqlState::WRONG_OBJECT_TYPE, format!("{what} specified, but {name} is not an aggregate function")))
        };
        if call.star {
            return Err(error(
                SqlState::WRONG_OBJECT_TYPE,
                format!("{name}(*) specified, but {name} is not an aggregate function"),
            ));
        }
        if call.distinct {
            return wrong("DISTINCT");
        }
        if !call.order_by.is_empty() {
            return wrong("ORDER BY");
        }
        if call.filter.is_some() {
            return wrong("FILTER");
        }
        if call.over.is_some() {
            let message = format!("OVER specified, but {name} is not a window function nor an aggregate function");
            return Err(error(SqlState::WRONG_OBJECT_TYPE, message));
        }
        self.plain_call(chosen, args)
    }

    /// A plain or set-returning call of the chosen function.
    fn plain_call(&mut self, chosen: Fitted, args: Vec<Expr>) -> Result<Expr> {
        match &chosen.candidate {
            Candidate::Builtin(f) => {
                let f = *f;
                let (args, ty) = self.bind(f.result, &chosen, args)?;
                let call = Expr::new(ExprKind::Func { schema: f.schema, name: f.name, imp: f.imp, args }, ty);
                if f.kind != Kind::Set {
                    return Ok(call);
                }
                let columns = match f.columns.as_slice() {
                    [] => vec![(f.name.to_owned(), ty)],
                    columns => columns.iter().map(|(n, t)| ((*n).to_owned(), TypeRef::of(*t))).collect(),
                };
                self.expand_set(f.name, call, columns)
            }
            Candidate::User(f) => {
                let f = Arc::clone(f);
                if f.procedure {
                    return Err(error(
                        SqlState::WRONG_OBJECT_TYPE,
                        format!("{} is a procedure", self.signature(&f.name, &chosen.args)),
                    )
                    .hint("To call a procedure, use CALL."));
                }
                if Oid(f.returns) == oid::TRIGGER {
                    return Err(match self.clause {
                        Clause::FromFunction => {
                            let message = format!("function \"{}\" in FROM has unsupported return type trigger", f.name);
                            error(SqlState::DATATYPE_MISMATCH, message)
                        }
                        _ => error(SqlState::FEATURE_NOT_SUPPORTED, "trigger functions can only be called as triggers"),
                    });
                }
                let (args, ty) = self.bind(Oid(f.returns), &chosen, args)?;
                let call = Expr::new(ExprKind::UserFunc { function: Oid(f.oid), args }, ty);
                // One row is a row source too, where there may be one.
                let may_expand = self.clause == Clause::Select && self.scopes.last().is_some_and(|s| s.expanded.is_some());
                let is_source = f.setof || may_expand && f.gives_rows(self.catalog);
                if !is_source {
                    return Ok(call);
                }
                let columns = match out_columns(self.catalog, &f) {
                    columns if columns.is_empty() => vec![(f.name.clone(), ty)],
                    columns => columns,
                };
                self.expand_set(&f.name, call, columns)
            }
        }
    }

    /// A set-returning function in the select list becomes a lateral item of FROM.
    fn expand_set(&mut self, name: &str, call: Expr, columns: Vec<(String, TypeRef)>) -> Result<Expr> {
        if self.clause == Clause::FromFunction {
            return Ok(call);
        }
        let allowed = self.clause == Clause::Select && self.scopes.last().is_some_and(|s| s.expanded.is_some());
        if !allowed {
            return Err(self.clause.no_set_function());
        }
        let range = self.ranges.next();
        let numbered = numbered(&columns);
        // Not nameable: only the expression that stands for the call refers to it.
        self.scope_table(name.to_owned(), None, range, numbered, None);
        let single = match columns.as_slice() {
            [(_, ty)] => Expr::column(range, 1, *ty),
            _ => Expr::new(ExprKind::WholeRow { range }, TypeRef::of(oid::RECORD)),
        };
        let item = From::Function {
            range,
            call: Box::new(call),
            columns,
            with_ordinality: false,
            lateral: true,
            alias: name.to_owned(),
        };
        if let Some(expanded) = self.scopes.last_mut().and_then(|s| s.expanded.as_mut()) {
            if !expanded.is_empty() {
                return Err(unsupported("more than one set-returning function in a select list"));
            }
            expanded.push(item);
        }
        Ok(single)
    }

    /// A function of FROM with its columns: the call, and what it yields.
    pub(super) fn called_columns(&mut self, call: &tree::Expr) -> Result<Called> {
        let name = super::names::output_name(call);
        let typed = self.within(Clause::FromFunction, |a| a.settled(call))?;
        let columns = match &typed.kind {
            ExprKind::UserFunc { function, .. } => match self.catalog.function_by_oid(*function) {
                Some(f) => out_columns(self.catalog, f),
                None => Vec::new(),
            },
            ExprKind::Func { name, imp, .. } => {
                let row = builtins::functions(name).find(|f| f.imp == *imp && f.kind == Kind::Set);
                row.map(|f| f.columns.iter().map(|(n, t)| ((*n).to_owned(), TypeRef::of(*t))).collect()).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        Ok(Called { call: typed, columns, name })
    }

    fn is_aggregate_name(&self, call: &tree::Call) -> bool {
        matches!(call.name.schema.as_deref(), None | Some("pg_catalog"))
            && builtins::functions(&call.name.name).any(|f| f.kind == Kind::Aggregate)
    }

    /// Whole rows have their table's type where a function of that name takes such rows.
    fn rows_as_arguments(&self, schema: Option<&str>, name: &str, mut args: Vec<Expr>) -> Vec<Expr> {
        if !args.iter().any(|arg| matches!(arg.kind, ExprKind::WholeRow { .. })) {
            return args;
        }
        let path = schema.map(|schema| vec![schema.to_owned()]).unwrap_or_else(|| self.ctx.search_path.clone());
        let taken: Vec<u32> = path
            .iter()
            .flat_map(|schema| self.catalog.functions_named(schema, name))
            .flat_map(|function| function.inputs().map(|input| input.ty))
            .collect();
        for arg in &mut args {
            let ExprKind::WholeRow { range } = arg.kind else { continue };
            let of_table = self.info.get(&range).and_then(|info| info.relation);
            // A parameter's row goes by its number too.
            let of_parameter = || {
                let mut named = self.ctx.rows.iter().filter(|row| row.range == range);
                let number = named.find_map(|row| row.name.strip_prefix('$')?.parse::<usize>().ok())?;
                self.ctx.params.get(number.checked_sub(1)?).map(|ty| ty.oid)
            };
            if let Some(ty) = of_table.or_else(of_parameter).filter(|ty| taken.contains(&ty.0)) {
                arg.ty = TypeRef::of(ty);
            }
        }
        args
    }

    /// All functions of the name that the number and names of the arguments fit.
    fn fit(&self, schema: Option<&str>, name: &str, actual: &[Oid], names: &[Option<&str>], spread: bool) -> Vec<Fitted> {
        let mut fitted: Vec<Fitted> = Vec::new();
        let visible = |f: &&'static builtins::Function| match schema {
            Some(schema) => f.schema == schema || (f.schema == "extensions" && schema == "public" && self.extension_in_public()),
            None => {
                f.schema == "pg_catalog" || self.ctx.search_path.iter().any(|s| s == f.schema) || self.extension_visible(f.schema)
            }
        };
        for f in builtins::functions(name).filter(visible) {
            fitted.extend(fit_builtin(f, actual.len(), names, spread));
        }
        let schemas: Vec<&str> = match schema {
            Some(schema) => vec![schema],
            None => self.ctx.search_path.iter().map(String::as_str).collect(),
        };
        for schema in schemas {
            for f in self.catalog.functions_named(schema, name) {
                let Some(new) = fit_user(self.catalog, f, actual.len(), names, spread) else { continue };
                // An earlier schema's function with the same arguments hides this one; of one schema, none is meant when defaults make
                // them alike.
                let by_default = |f: &Fitted| f.places.contains(&None);
                let of_schema = |f: &Fitted| match &f.candidate {
                    Candidate::User(f) => self.catalog.schema_name(f.schema) == schema,
                    Candidate::Builtin(_) => false,
                };
                match fitted.iter_mut().find(|old| old.args == new.args) {
                    None => fitted.push(new),
                    Some(old) if !of_schema(old) => {}
                    // Elements gathered into an array are the lesser match.
                    Some(old) if old.gathers.is_some() != new.gathers.is_some() => {
                        if old.gathers.is_some() {
                            *old = new;
                        }
                    }
                    Some(old) => old.is_ambiguous |= by_default(old) || by_default(&new),
                }
            }
        }
        // Fewer defaults are better: of two that fit with the same written arguments, the first stays.
        fitted.sort_by_key(|f| f.places.iter().filter(|p| p.is_none()).count());
        let mut seen: Vec<Vec<Oid>> = Vec::new();
        fitted.retain(|f| {
            let new = !seen.contains(&f.args);
            if new {
                seen.push(f.args.clone());
            }
            new
        });
        fitted
    }

    fn extension_in_public(&self) -> bool {
        self.catalog.extensions().any(|e| e.schema == "public")
    }

    fn extension_visible(&self, schema: &str) -> bool {
        schema == "extensions" && self.ctx.search_path.iter().any(|s| s == "public") && self.extension_in_public()
    }

    /// Coerces the arguments, fills in defaults, and gives the result type.
    fn bind(&mut self, result: Oid, chosen: &Fitted, args: Vec<Expr>) -> Result<(Vec<Expr>, TypeRef)> {
        let actual: Vec<Oid> = args.iter().map(|a| a.ty.oid).collect();
        let (wanted, result) = resolve::concrete(self.catalog, &actual, &chosen.args, result)
            .ok_or_else(|| error(SqlState::DATATYPE_MISMATCH, "arguments declared \"anyelement\" are not all alike"))?;
        if result == oid::UNKNOWN || (wanted.contains(&oid::UNKNOWN) && !actual.is_empty()) {
            let message = "could not determine polymorphic type because input has type unknown";
            return Err(error(SqlState::DATATYPE_MISMATCH, message));
        }
        let mut coerced: Vec<Option<Expr>> = Vec::with_capacity(args.len());
        for (arg, ty) in args.into_iter().zip(&wanted) {
            coerced.push(Some(if *ty == oid::ANY { self.settle(arg)? } else { self.implicit(arg, TypeRef::of(*ty))? }));
        }
        let mut bound = Vec::with_capacity(chosen.places.len());
        for (position, place) in chosen.places.iter().enumerate() {
            match place {
                Some(at) => bound.extend(coerced.get_mut(*at).and_then(Option::take)),
                None => bound.push(self.default_of(&chosen.candidate, position)?),
            }
        }
        if let Some((first, array)) = chosen.gathers {
            let elements = coerced.into_iter().skip(first).flatten().collect();
            bound.push(Expr::new(ExprKind::Array(elements), TypeRef::of(array)));
        }
        Ok((bound, TypeRef::of(result)))
    }

    fn default_of(&mut self, candidate: &Candidate, position: usize) -> Result<Expr> {
        match candidate {
            Candidate::Builtin(f) => {
                let ty = f.args.get(position).copied().unwrap_or(oid::INT4);
                let zero = if ty == oid::FLOAT8 { Value::Real(0.0) } else { Value::Int(0) };
                Ok(Expr::new(ExprKind::Const(zero), TypeRef::of(ty)))
            }
            Candidate::User(f) => {
                let inputs = f.args.iter().filter(|a| is_input(a.mode));
                let arg = inputs.into_iter().nth(position).ok_or_else(|| error(SqlState::INTERNAL, "function default"))?;
                let text = arg.default.as_deref().ok_or_else(|| error(SqlState::INTERNAL, "function default"))?;
                let tree = crate::parse::expr(text).map_err(super::parse_error)?;
                let mut inner = Analyzer::new(self.catalog, self.ctx);
                inner.ranges = self.ranges.clone();
                let value = inner.expr(&tree)?;
                self.ranges = inner.ranges.clone();
                inner.assign(value, TypeRef::of(Oid(arg.ty)), &arg.name)
            }
        }
    }

    fn aggregate(&mut self, call: &tree::Call, f: &'static builtins::Function, chosen: &Fitted, args: Vec<Expr>) -> Result<Expr> {
        if call.star && f.name != "count" {
            return Err(self.no_function(call.name.schema.as_deref(), f.name, &[], &[], Choice::None));
        }
        if f.args.is_empty() && !call.star {
            return Err(error(
                SqlState::WRONG_OBJECT_TYPE,
                format!("{}(*) must be used to call a parameterless aggregate function", f.name),
            ));
        }
        let (args, ty) = self.bind(f.result, chosen, args)?;
        let filter = match &call.filter {
            Some(filter) => Some(Box::new(self.within(Clause::Filter, |a| a.condition(filter, "FILTER"))?)),
            None => None,
        };
        if let Some(over) = &call.over {
            if call.distinct {
                return Err(error(SqlState::FEATURE_NOT_SUPPORTED, "DISTINCT is not implemented for window functions"));
            }
            if !call.order_by.is_empty() {
                return Err(error(SqlState::FEATURE_NOT_SUPPORTED, "aggregate ORDER BY is not implemented for window functions"));
            }
            return self.window(f, args, ty, call.star, filter, over);
        }
        let order_by = self.within(Clause::AggregateArgs, |a| {
            call.order_by.iter().map(|item| a.order_key(item)).collect::<Result<Vec<Order>>>()
        })?;
        if call.distinct {
            if args.is_empty() {
                return Err(error(SqlState::WRONG_OBJECT_TYPE, "DISTINCT specified, but no argument is given"));
            }
            if order_by.iter().any(|key| !args.contains(&key.expr)) {
                let message = "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list";
                return Err(error(SqlState::INVALID_COLUMN_REFERENCE, message));
            }
            for arg in &args {
                self.choose_operator("=", Some(arg.ty.oid), arg.ty.oid).map_err(|_| self.no_equality(arg.ty.oid))?;
            }
        }
        let kind =
            ExprKind::Aggregate { name: f.name, imp: f.imp, args, star: call.star, distinct: call.distinct, order_by, filter };
        self.check_aggregate_level(&kind)?;
        Ok(Expr::new(kind, ty))
    }

    /// An aggregate whose columns are all of an outer query belongs to that query in PostgreSQL.
    fn check_aggregate_level(&self, kind: &ExprKind) -> Result<()> {
        let free = crate::typed::free_ranges(&Expr::new(kind.clone(), TypeRef::of(oid::VOID)));
        let own = |scope: &super::scope::Scope| {
            scope
                .tables
                .iter()
                .filter_map(|t| t.range)
                .chain(scope.columns.iter().filter_map(|c| match c.expr.kind {
                    ExprKind::Column { range, .. } => Some(range),
                    _ => None,
                }))
                .any(|r| free.contains(&r))
        };
        let mut levels = self.scopes.iter().rev();
        let here = levels.next().is_some_and(own);
        if !free.is_empty() && !here && levels.any(own) {
            return Err(unsupported("an aggregate over columns of an outer query"));
        }
        Ok(())
    }

    pub(super) fn no_equality(&self, ty: Oid) -> super::AnalyzeError {
        error(SqlState::UNDEFINED_FUNCTION, format!("could not identify an equality operator for type {}", self.shown(ty)))
    }

    /// `text(x)`, `date(x)`: a cast in a function's clothes.
    fn cast_by_name(&mut self, call: &tree::Call, args: &[Expr]) -> Result<Option<Expr>> {
        let [arg] = args else { return Ok(None) };
        if call.star || call.distinct || call.over.is_some() || call.filter.is_some() || call.variadic {
            return Ok(None);
        }
        let target = match call.name.schema.as_deref() {
            None | Some("pg_catalog") => pg::builtin_by_name(&call.name.name).filter(|b| b.name == call.name.name).map(|b| b.oid),
            Some(_) => None,
        };
        let target = target.filter(|t| types::category(self.catalog, *t) != 'P');
        match target {
            Some(target)
                if arg.ty.oid == oid::UNKNOWN || casts::exists(self.catalog, arg.ty.oid, target, CastContext::Explicit) =>
            {
                self.cast(arg.clone(), TypeRef::of(target)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn signature(&self, name: &str, args: &[Oid]) -> String {
        let args: Vec<String> = args.iter().map(|ty| self.shown(*ty)).collect();
        format!("{name}({})", args.join(", "))
    }

    fn no_function(
        &self,
        schema: Option<&str>,
        name: &str,
        actual: &[Oid],
        names: &[Option<&str>],
        choice: Choice,
    ) -> super::AnalyzeError {
        let qualified = schema.map_or_else(|| name.to_owned(), |s| format!("{s}.{name}"));
        let shown = |(at, ty): (usize, &Oid)| match names.get(at).copied().flatten() {
            Some(name) => format!("{name} => {}", self.shown(*ty)),
            None => self.shown(*ty),
        };
        let shown = format!("{qualified}({})", actual.iter().enumerate().map(shown).collect::<Vec<_>>().join(", "));
        if choice == Choice::Ambiguous {
            return error(SqlState::AMBIGUOUS_FUNCTION, format!("function {shown} is not unique"))
                .hint("Could not choose a best candidate function. You might need to add explicit type casts.");
        }
        let user_defined = schema.is_some_and(|s| !self.catalog.functions_named(s, name).is_empty());
        let elsewhere =
            schema.is_some_and(|s| ELSEWHERE_SCHEMAS.contains(&s)) || ELSEWHERE.contains(&name) || name.starts_with("st_");
        if elsewhere && !user_defined {
            return unsupported(format_args!("function {qualified}"));
        }
        if let Some(schema) = schema
            && self.catalog.schema(schema).is_none()
            && !matches!(schema, "pg_catalog" | "auth" | "extensions" | "storage")
        {
            return error(SqlState::INVALID_SCHEMA, format!("schema \"{schema}\" does not exist"));
        }
        error(SqlState::UNDEFINED_FUNCTION, format!("function {shown} does not exist"))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
    }

    /// A built-in by name on typed arguments.
    pub(super) fn builtin_call(&mut self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let actual: Vec<Oid> = args.iter().map(|a| a.ty.oid).collect();
        let names = vec![None; args.len()];
        let fitted: Vec<Fitted> = builtins::functions(name).flat_map(|f| fit_builtin(f, actual.len(), &names, false)).collect();
        let declared: Vec<Vec<Oid>> = fitted.iter().map(|f| f.args.clone()).collect();
        let choice = resolve::choose(self.catalog, &actual, &declared);
        let Choice::One(at) = choice else { return Err(self.no_function(None, name, &actual, &[], choice)) };
        let Some(chosen) = fitted.into_iter().nth(at) else { return Err(error(SqlState::INTERNAL, "function table")) };
        match &chosen.candidate {
            Candidate::Builtin(f) if f.kind == Kind::Aggregate => {
                let f = *f;
                let star = args.is_empty();
                let (args, ty) = self.bind(f.result, &chosen, args)?;
                let kind = ExprKind::Aggregate {
                    name: f.name,
                    imp: f.imp,
                    args,
                    star,
                    distinct: false,
                    order_by: Vec::new(),
                    filter: None,
                };
                Ok(Expr::new(kind, ty))
            }
            _ => self.plain_call(chosen, args),
        }
    }
}

/// Columns with their 1-based positions.
pub(super) fn numbered(columns: &[(String, TypeRef)]) -> Vec<(String, i16, TypeRef)> {
    columns.iter().zip(1i16..).map(|((name, ty), number)| (name.clone(), number, *ty)).collect()
}

fn is_input(mode: ArgMode) -> bool {
    matches!(mode, ArgMode::In | ArgMode::InOut | ArgMode::Variadic)
}

/// The columns of a user's function's rows; empty for plain values.
pub(super) fn out_columns(catalog: &Catalog, f: &basalt_catalog::Function) -> Vec<(String, TypeRef)> {
    let columns = f.row_columns(catalog);
    columns.into_iter().zip(1..).map(|((name, ty), n)| (if name.is_empty() { format!("column{n}") } else { name }, ty)).collect()
}

fn fit_builtin(f: &'static builtins::Function, count: usize, names: &[Option<&str>], spread: bool) -> Vec<Fitted> {
    let parameters = f.args.len();
    let done = |args: Vec<Oid>, places: Vec<Option<usize>>| {
        vec![Fitted { candidate: Candidate::Builtin(f), args, places, gathers: None, is_ambiguous: false }]
    };
    if names.iter().any(Option::is_some) {
        // Named notation is known for make_interval only.
        if f.name != "make_interval" {
            return Vec::new();
        }
        let mut places = vec![None; parameters];
        let mut args = Vec::with_capacity(count);
        for (at, name) in names.iter().enumerate() {
            let position = match name {
                Some(name) => builtins::MAKE_INTERVAL.iter().position(|n| n == name),
                None => Some(at),
            };
            let Some(position) = position else { return Vec::new() };
            match (places.get_mut(position), f.args.get(position)) {
                (Some(place @ None), Some(ty)) => {
                    *place = Some(at);
                    args.push(*ty);
                }
                _ => return Vec::new(),
            }
        }
        return done(args, places);
    }
    if f.variadic && !spread {
        if count < parameters {
            return Vec::new();
        }
        let last = f.args.last().copied().unwrap_or(oid::ANY);
        let args = f.args.iter().copied().chain(std::iter::repeat_n(last, count - parameters)).collect();
        return done(args, (0..count).map(Some).collect());
    }
    if spread {
        let last = match f.args.last() {
            Some(&oid::ANY) => oid::ANYARRAY,
            Some(last) if f.variadic => pg::builtin(*last).map_or(oid::ANYARRAY, |b| b.array),
            _ => return Vec::new(),
        };
        // The engine must tell an array given with VARIADIC from a plain last argument.
        if count != parameters || last == oid::ANYARRAY {
            return Vec::new();
        }
        let mut args = f.args.clone();
        args.pop();
        args.push(last);
        return done(args, (0..count).map(Some).collect());
    }
    if count > parameters || count + f.optional < parameters {
        return Vec::new();
    }
    let args = f.args.iter().take(count).copied().collect();
    let places = (0..parameters).map(|at| (at < count).then_some(at)).collect();
    done(args, places)
}

fn fit_user(
    catalog: &Catalog,
    f: &Arc<basalt_catalog::Function>,
    count: usize,
    names: &[Option<&str>],
    spread: bool,
) -> Option<Fitted> {
    let inputs: Vec<&basalt_catalog::FunctionArg> = f.args.iter().filter(|a| is_input(a.mode)).collect();
    let variadic = inputs.last().filter(|a| a.mode == ArgMode::Variadic);
    let candidate = Candidate::User(Arc::clone(f));
    if spread && variadic.is_none() {
        return None;
    }
    if let (Some(last), false) = (variadic, spread) {
        // The elements one by one; by name it is given as an array only.
        if names.iter().any(Option::is_some) {
            return None;
        }
        let fixed = inputs.len() - 1;
        if count > fixed {
            let element = types::element(catalog, Oid(last.ty))?;
            let mut args: Vec<Oid> = inputs.iter().take(fixed).map(|a| Oid(a.ty)).collect();
            args.extend(std::iter::repeat_n(element, count - fixed));
            let places = (0..fixed).map(Some).collect();
            return Some(Fitted { candidate, args, places, gathers: Some((fixed, Oid(last.ty))), is_ambiguous: false });
        }
        // Without any, its default; a call that leaves out other arguments is as any other.
        last.default.as_ref()?;
    }
    let mut places = vec![None; inputs.len()];
    let mut args = Vec::with_capacity(count);
    for (at, name) in names.iter().enumerate() {
        let position = match name {
            Some(name) => inputs.iter().position(|a| a.name == *name)?,
            None => at,
        };
        let place = places.get_mut(position)?;
        if place.is_some() {
            return None;
        }
        *place = Some(at);
        args.push(Oid(inputs.get(position)?.ty));
    }
    let filled = places.iter().zip(&inputs).all(|(place, arg)| place.is_some() || arg.default.is_some());
    filled.then_some(Fitted { candidate, args, places, gathers: None, is_ambiguous: false })
}
