//! Calls of functions as the CTE `pgrst_source`, whose columns are `c1`, `c2`, … in the order of the result's.
//!
//! Parameters are named, so that those left out take their defaults. Values come as texts that are cast to the parameters' types, or
//! as JSON that `json_to_record` reads by those types.

use basalt_catalog::{Catalog, Function};
use basalt_types::pg::oid;
use basalt_types::{SqlError, TypeRef};

use super::PgBind;
use super::printer::{Names, Printer};
use crate::plan::{Action, Call, CallArgument, CallArguments, CallResult, Output, Plan};

impl Printer<'_> {
    /// The whole statement.
    pub(super) fn call_statement(&mut self, plan: &Plan, responds: bool) -> Result<(), SqlError> {
        let Action::Call { call, query, for_count } = &plan.action else { return Err(SqlError::internal("no call")) };
        self.raw("WITH pgrst_source");
        for i in 0..call.columns.len() {
            self.raw(if i == 0 { "(" } else { ", " }).raw(&format!("c{}", i + 1));
        }
        self.raw(if call.columns.is_empty() { " AS (" } else { ") AS (" });
        self.call(call)?;
        self.raw(") SELECT ");
        self.call_body(call.result, plan)?;
        self.raw(" AS body, ");
        self.raw(if call.result.is_single() { "1::bigint" } else { "count(*)" });
        self.raw(" AS rows, ");
        match for_count {
            Some(count) => {
                self.raw("(");
                self.query(count, Names::Positions)?;
                self.raw(")");
            }
            None => {
                self.raw("NULL::bigint");
            }
        }
        self.raw(" AS total");
        if responds {
            self.raw(super::RESPONSE);
        }
        self.raw(" FROM (");
        self.query(query, Names::Output)?;
        self.raw(") AS _t");
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Result<(), SqlError> {
        let catalog = self.catalog;
        let function = catalog.function_by_oid(call.function).ok_or_else(|| SqlError::internal("a function has gone"))?;
        let is_scalar = call.result.is_scalar();
        if is_scalar {
            self.raw("SELECT ");
            self.called(function, &call.arguments);
        } else {
            self.raw("SELECT pgrst_call.*");
        }
        let mut word = " FROM ";
        if let CallArguments::Json { named, is_array } = &call.arguments {
            self.raw(word).raw("(SELECT ").bind(PgBind::Payload).raw("::json AS data) AS pgrst_payload, LATERAL ");
            self.raw(if *is_array {
                "(SELECT * FROM json_to_recordset(pgrst_payload.data) AS _("
            } else {
                "json_to_record(pgrst_payload.data) AS pgrst_body("
            });
            for (i, argument) in named.iter().enumerate() {
                self.raw(if i == 0 { "" } else { ", " }).ident(&argument.name).raw(" ").parameter_type(argument.ty);
            }
            self.raw(if *is_array { ") LIMIT 1) AS pgrst_body" } else { ")" });
            word = ", LATERAL ";
        }
        if !is_scalar {
            self.raw(word);
            self.called(function, &call.arguments);
            self.raw(" AS pgrst_call");
        }
        Ok(())
    }

    /// `"schema"."function"("a" := …)`.
    fn called(&mut self, function: &Function, arguments: &CallArguments) {
        self.function(function).raw("(");
        match arguments {
            CallArguments::None => {}
            CallArguments::Body(ty) => {
                self.raw("(").bind(PgBind::Payload).raw(")::").parameter_type(*ty);
            }
            CallArguments::Json { named, .. } => {
                for (i, argument) in named.iter().enumerate() {
                    self.named(i, argument).raw("pgrst_body.").ident(&argument.name);
                }
            }
            CallArguments::Literals(given) => {
                for (i, (argument, id)) in given.iter().enumerate() {
                    let bind = if argument.is_variadic { PgBind::LiteralList(*id) } else { PgBind::Literal(*id) };
                    self.named(i, argument).raw("(").bind(bind).raw(")::").parameter_type(argument.ty);
                }
            }
        }
        self.raw(")");
    }

    fn named(&mut self, i: usize, argument: &CallArgument) -> &mut Self {
        self.raw(if i == 0 { "" } else { ", " }).raw(if argument.is_variadic { "VARIADIC " } else { "" });
        self.ident(&argument.name).raw(" := ")
    }

    /// A parameter's type. Parameters have no length, where a cast to these types by their usual names would be to length one.
    fn parameter_type(&mut self, ty: TypeRef) -> &mut Self {
        match ty.oid {
            oid::BPCHAR => self.raw("bpchar"),
            oid::BPCHAR_ARRAY => self.raw("bpchar[]"),
            oid => self.type_name(TypeRef::of(oid)),
        }
    }

    /// The aggregate that makes the body of a result: a single value or row is not in a list.
    fn call_body(&mut self, result: CallResult, plan: &Plan) -> Result<(), SqlError> {
        let strip = match plan.output {
            Output::Array { strip_nulls } | Output::Object { strip_nulls } => strip_nulls,
            Output::Custom(handler) => {
                let is_value = matches!(result, CallResult::Scalar | CallResult::Void);
                return super::handled(self, handler, plan.names.first().filter(|_| is_value).map(String::as_str));
            }
            Output::None | Output::Csv | Output::GeoJson => return super::body(self, plan.output),
        };
        let is_object = matches!(plan.output, Output::Object { .. });
        let is_value = matches!(result, CallResult::Scalar | CallResult::Void) || result == CallResult::Scalars && !is_object;
        let is_one = result.is_single() || is_object;
        self.raw("coalesce(").raw(if strip { "json_strip_nulls(" } else { "" }).raw("json_agg(_t");
        if let (true, Some(name)) = (is_value, plan.names.first()) {
            self.raw(".").ident(name);
        }
        self.raw(if is_one { ")->0" } else { ")" }).raw(if strip { ")" } else { "" });
        self.raw(if is_one { ", 'null')::text" } else { ", '[]')::text" });
        Ok(())
    }
}

/// Whether code of the database's users may set `response.status` or `response.headers`: its functions are looked through for what that
/// takes. What is in a language we cannot read may.
pub fn may_respond(catalog: &Catalog) -> bool {
    catalog.functions().filter(|f| !f.body.is_empty()).any(|f| match f.language.as_str() {
        "sql" | "plpgsql" => {
            let has = |word: &str| f.body.as_bytes().windows(word.len()).any(|w| w.eq_ignore_ascii_case(word.as_bytes()));
            f.config.iter().any(|(name, _)| name.starts_with("response."))
                || ["response.", "set_config", "execute"].iter().any(|w| has(w))
        }
        "internal" | "c" => false,
        _ => true,
    })
}
