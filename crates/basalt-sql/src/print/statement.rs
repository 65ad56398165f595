//! All other statements.

use super::Out;
use crate::parse::object::kind_words;
use crate::tree::{
    AlterTableAction, CreateFunction, CreatePolicy, CreateTrigger, CreateView, DropName, Expr, FunctionOption, Grant, GrantOn,
    ObjectKind, ParamMode, PolicyCommand, Statement, TypeName,
};

/// The privileges of PostgreSQL.
const PRIVILEGES: [&str; 15] = [
    "select",
    "insert",
    "update",
    "delete",
    "truncate",
    "references",
    "trigger",
    "usage",
    "execute",
    "create",
    "connect",
    "temporary",
    "maintain",
    "set",
    "alter system",
];

impl Out {
    pub(super) fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Select(query) => self.query(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Truncate { tables, restart_identity, cascade } => {
                self.put("TRUNCATE TABLE ");
                self.list(tables, |out, name| out.name(name));
                self.put_if(*restart_identity, " RESTART IDENTITY");
                self.put_if(*cascade, " CASCADE");
            }
            Statement::CreateSchema { name, if_not_exists, authorization, elements } => {
                self.lossy |= *elements;
                self.put("CREATE SCHEMA");
                self.put_if(*if_not_exists, " IF NOT EXISTS");
                if let Some(name) = name {
                    self.put(" ");
                    self.ident(name);
                }
                if let Some(role) = authorization {
                    self.put(" AUTHORIZATION ");
                    self.role(role);
                }
            }
            Statement::CreateTable(table) => self.create_table(table),
            Statement::AlterTable { name, if_exists, only, actions } => {
                if let [AlterTableAction::RenameTrigger { from, to }] = actions.as_slice() {
                    self.put("ALTER TRIGGER ");
                    self.ident(from);
                    self.put(" ON ");
                    self.name(name);
                    self.put(" RENAME TO ");
                    self.ident(to);
                    return;
                }
                self.put("ALTER TABLE ");
                self.put_if(*if_exists, "IF EXISTS ");
                self.put_if(*only, "ONLY ");
                self.name(name);
                self.put(" ");
                self.list(actions, Self::alter_table_action);
            }
            Statement::Rename { kind, name, if_exists, new_name } => {
                self.altered(*kind, *if_exists);
                self.name(name);
                self.put(" RENAME TO ");
                self.ident(new_name);
            }
            Statement::SetSchema { kind, name, if_exists, schema } => {
                self.altered(*kind, *if_exists);
                self.name(name);
                self.put(" SET SCHEMA ");
                self.ident(schema);
            }
            Statement::CreateIndex(index) => self.create_index(index),
            Statement::Drop { kind, if_exists, cascade, concurrently, names } => {
                self.put("DROP ");
                self.kind_of(*kind);
                self.put_if(*concurrently, " CONCURRENTLY");
                self.put_if(*if_exists, " IF EXISTS");
                self.put(" ");
                self.list(names, |out, name| out.drop_name(*kind, name));
                self.put_if(*cascade, " CASCADE");
            }
            Statement::Comment { kind, name, text } => {
                self.put("COMMENT ON ");
                self.kind_of(*kind);
                self.put(" ");
                self.drop_name(*kind, name);
                self.put(" IS ");
                match text {
                    Some(text) => self.string(text),
                    None => self.put("NULL"),
                }
            }
            Statement::CreatePolicy(policy) => self.create_policy(policy),
            Statement::AlterPolicy { name, table, rename, to, using, check } => {
                self.put("ALTER POLICY ");
                self.ident(name);
                self.put(" ON ");
                self.name(table);
                if let Some(rename) = rename {
                    self.put(" RENAME TO ");
                    self.ident(rename);
                }
                if let Some(roles) = to {
                    self.policy_roles(roles, true);
                }
                self.bracketed(" USING (", using.as_ref());
                self.bracketed(" WITH CHECK (", check.as_ref());
            }
            Statement::Grant(grant) => self.grant(grant),
            Statement::GrantRole { is_grant, roles, grantees, admin_option } => {
                self.put(if *is_grant { "GRANT " } else { "REVOKE " });
                self.put_if(!is_grant && *admin_option, "ADMIN OPTION FOR ");
                self.idents(roles);
                self.put(if *is_grant { " TO " } else { " FROM " });
                self.list(grantees, |out, role| out.role(role));
                self.put_if(*is_grant && *admin_option, " WITH ADMIN OPTION");
            }
            Statement::AlterDefaultPrivileges { for_roles, in_schemas, grant } => {
                self.put("ALTER DEFAULT PRIVILEGES ");
                if !for_roles.is_empty() {
                    self.put("FOR ROLE ");
                    self.list(for_roles, |out, role| out.role(role));
                    self.put(" ");
                }
                if !in_schemas.is_empty() {
                    self.put("IN SCHEMA ");
                    self.idents(in_schemas);
                    self.put(" ");
                }
                self.grant(grant);
            }
            Statement::CreateFunction(function) => self.create_function(function),
            Statement::AlterFunction { kind, name, args, options } => {
                self.altered(*kind, false);
                self.function_name(name);
                self.signature(args.as_deref());
                for option in options {
                    self.function_option(option);
                }
            }
            Statement::CreateTrigger(trigger) => self.create_trigger(trigger),
            Statement::CreateEnum { name, labels } => {
                self.put("CREATE TYPE ");
                self.name(name);
                self.put(" AS ENUM ");
                self.parens(labels, |out, label| out.string(label));
            }
            Statement::AlterEnumAdd { name, if_not_exists, label, before, after } => {
                self.put("ALTER TYPE ");
                self.name(name);
                self.put(" ADD VALUE ");
                self.put_if(*if_not_exists, "IF NOT EXISTS ");
                self.string(label);
                for (word, other) in [(" BEFORE ", before), (" AFTER ", after)] {
                    if let Some(other) = other {
                        self.put(word);
                        self.string(other);
                    }
                }
            }
            Statement::AlterEnumRename { name, from, to } => {
                self.put("ALTER TYPE ");
                self.name(name);
                self.put(" RENAME VALUE ");
                self.string(from);
                self.put(" TO ");
                self.string(to);
            }
            Statement::CreateDomain { name, base, default, not_null, checks } => {
                self.put("CREATE DOMAIN ");
                self.name(name);
                self.put(" AS ");
                self.type_name(base);
                if let Some(default) = default {
                    self.put(" DEFAULT ");
                    self.narrow(default);
                }
                self.put_if(*not_null, " NOT NULL");
                for (name, check) in checks {
                    self.put(" ");
                    if let Some(name) = name {
                        self.put("CONSTRAINT ");
                        self.ident(name);
                        self.put(" ");
                    }
                    self.check(check, false);
                }
            }
            Statement::CreateComposite { name, fields } => {
                self.put("CREATE TYPE ");
                self.name(name);
                self.put(" AS ");
                self.parens(fields, Self::field);
            }
            Statement::CreateSequence { name, if_not_exists, options } => {
                self.put("CREATE SEQUENCE ");
                self.put_if(*if_not_exists, "IF NOT EXISTS ");
                self.name(name);
                self.put_if(!options.is_empty(), " ");
                self.sequence_options(options);
            }
            Statement::AlterSequence { name, if_exists, options } => {
                self.altered(ObjectKind::Sequence, *if_exists);
                self.name(name);
                self.put(" ");
                self.sequence_options(options);
            }
            Statement::CreateView(view) => self.create_view(view),
            Statement::AlterViewOptions { name, if_exists, materialized, set, reset } => {
                self.altered(if *materialized { ObjectKind::MaterializedView } else { ObjectKind::View }, *if_exists);
                self.name(name);
                if !set.is_empty() {
                    self.put(" SET ");
                    self.options(set);
                }
                if !reset.is_empty() {
                    self.put(" RESET");
                    self.columns(reset);
                }
            }
            Statement::RefreshMaterializedView { name, concurrently, with_data } => {
                self.put("REFRESH MATERIALIZED VIEW ");
                self.put_if(*concurrently, "CONCURRENTLY ");
                self.name(name);
                self.put_if(!with_data, " WITH NO DATA");
            }
            Statement::CreateExtension { name, if_not_exists, schema, version, cascade } => {
                self.put("CREATE EXTENSION ");
                self.put_if(*if_not_exists, "IF NOT EXISTS ");
                self.ident(name);
                if let Some(schema) = schema {
                    self.put(" SCHEMA ");
                    self.ident(schema);
                }
                if let Some(version) = version {
                    self.put(" VERSION ");
                    self.string(version);
                }
                self.put_if(*cascade, " CASCADE");
            }
            Statement::Role { verb, name, options } => {
                self.put(&verb.to_ascii_uppercase());
                self.put(" ");
                if name == "all" && verb.starts_with("alter") {
                    self.put("ALL")
                } else {
                    self.role(name)
                }
                self.put_if(!options.is_empty(), " ");
                self.put(options);
            }
            Statement::Publication { verb, name, tables, all_tables } => {
                self.put(if verb == "create" { "CREATE PUBLICATION " } else { "ALTER PUBLICATION " });
                self.ident(name);
                if verb == "create" {
                    self.put_if(*all_tables, " FOR ALL TABLES");
                    self.put_if(!tables.is_empty(), " FOR TABLE ");
                } else {
                    self.put(&format!(" {} TABLE ", verb.to_ascii_uppercase()));
                }
                self.list(tables, |out, name| out.name(name));
            }
            Statement::OwnerTo { kind, name, owner } => {
                self.altered(*kind, false);
                self.drop_name(*kind, name);
                self.put(" OWNER TO ");
                self.role(owner);
            }
            Statement::Set { name, values, local } => {
                self.put(if *local { "SET LOCAL " } else { "SET " });
                if name == "all" && values.is_empty() {
                    self.text.clear();
                    self.put("RESET ALL");
                } else {
                    self.setting(name, values);
                }
            }
            Statement::SetConstraints { names, deferred } => {
                self.put("SET CONSTRAINTS ");
                self.put_if(names.is_empty(), "ALL");
                for (i, name) in names.iter().enumerate() {
                    self.put_if(i > 0, ", ");
                    self.name(name);
                }
                self.put(if *deferred { " DEFERRED" } else { " IMMEDIATE" });
            }
            Statement::Transaction { verb, name } => {
                self.put(match verb.as_str() {
                    "start" => "START TRANSACTION",
                    "rollback" if name.is_some() => "ROLLBACK TO",
                    other => other,
                });
                if let Some(name) = name {
                    self.put(" ");
                    self.ident(name);
                }
            }
            Statement::Do { language, body, .. } => {
                self.put("DO ");
                if let Some(language) = language {
                    self.put("LANGUAGE ");
                    self.ident(language);
                    self.put(" ");
                }
                self.string(body);
            }
            Statement::Notify { channel, payload } => {
                self.put("NOTIFY ");
                self.ident(channel);
                if let Some(payload) = payload {
                    self.put(", ");
                    self.string(payload);
                }
            }
            Statement::Other { .. } => self.lossy = true,
        }
    }

    fn kind_of(&mut self, kind: ObjectKind) {
        self.put(&kind_words(kind).to_ascii_uppercase());
    }

    fn altered(&mut self, kind: ObjectKind, if_exists: bool) {
        self.put("ALTER ");
        self.kind_of(kind);
        self.put(if if_exists { " IF EXISTS " } else { " " });
    }

    fn signature(&mut self, args: Option<&[TypeName]>) {
        if let Some(args) = args {
            self.parens(args, Self::type_name);
        }
    }

    fn drop_name(&mut self, kind: ObjectKind, name: &DropName) {
        match (kind, &name.member) {
            (ObjectKind::Column, Some(column)) => {
                self.name(&name.name);
                self.put(".");
                self.ident(column);
            }
            (_, Some(member)) => {
                self.ident(member);
                self.put(" ON ");
                self.name(&name.name);
            }
            (ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine, None) => {
                self.function_name(&name.name);
                self.signature(name.args.as_deref());
            }
            (ObjectKind::Aggregate, None) => {
                self.function_name(&name.name);
                match name.args.as_deref() {
                    Some([]) => self.put("(*)"),
                    args => self.signature(args),
                }
            }
            (ObjectKind::Role, None) => self.role(&name.name.name),
            (ObjectKind::Type | ObjectKind::Domain, None) => {
                let ty = TypeName {
                    schema: name.name.schema.clone(),
                    name: name.name.name.clone(),
                    modifiers: Vec::new(),
                    dimensions: 0,
                    setof: false,
                    percent_type: false,
                    interval_fields: None,
                    pos: name.name.pos,
                };
                self.type_name(&ty);
            }
            _ => self.name(&name.name),
        }
    }

    fn bracketed(&mut self, open: &str, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.put(open);
            self.expr(expr, 0);
            self.put(")");
        }
    }

    fn policy_roles(&mut self, roles: &[String], always: bool) {
        if !roles.is_empty() {
            self.put(" TO ");
            self.list(roles, |out, role| out.role(role));
        } else if always {
            self.put(" TO public");
        }
    }

    fn create_policy(&mut self, policy: &CreatePolicy) {
        self.put("CREATE POLICY ");
        self.ident(&policy.name);
        self.put(" ON ");
        self.name(&policy.table);
        self.put_if(policy.restrictive, " AS RESTRICTIVE");
        self.put(match policy.command {
            PolicyCommand::All => "",
            PolicyCommand::Select => " FOR SELECT",
            PolicyCommand::Insert => " FOR INSERT",
            PolicyCommand::Update => " FOR UPDATE",
            PolicyCommand::Delete => " FOR DELETE",
        });
        self.policy_roles(&policy.roles, false);
        self.bracketed(" USING (", policy.using.as_ref());
        self.bracketed(" WITH CHECK (", policy.check.as_ref());
    }

    fn grant(&mut self, grant: &Grant) {
        self.put(if grant.is_grant { "GRANT " } else { "REVOKE " });
        self.put_if(grant.only_grant_option, "GRANT OPTION FOR ");
        if grant.privileges.is_empty() {
            self.put("ALL");
        }
        self.list(&grant.privileges, |out, (privilege, columns)| {
            // PostgreSQL takes any name here and refuses unknown ones later.
            let known = PRIVILEGES.contains(&privilege.as_str());
            if known {
                out.put(&privilege.to_ascii_uppercase())
            } else {
                out.ident(privilege)
            }
            out.columns(columns);
        });
        self.put(" ON ");
        match &grant.on {
            GrantOn::Tables(names) => {
                self.put("TABLE ");
                self.list(names, |out, name| out.name(name));
            }
            GrantOn::Sequences(names) => {
                self.put("SEQUENCE ");
                self.list(names, |out, name| out.name(name));
            }
            GrantOn::Functions(functions) => {
                self.put("ROUTINE ");
                self.list(functions, |out, (name, args)| {
                    out.function_name(name);
                    out.signature(args.as_deref());
                });
            }
            GrantOn::Schemas(names) => {
                self.put("SCHEMA ");
                self.idents(names);
            }
            GrantOn::Types(names) => {
                self.put("TYPE ");
                self.list(names, |out, name| out.name(name));
            }
            GrantOn::Databases(names) => {
                self.put("DATABASE ");
                self.idents(names);
            }
            GrantOn::AllInSchema { kind, schemas } => {
                self.put("ALL ");
                self.kind_of(*kind);
                self.put("S IN SCHEMA ");
                self.idents(schemas);
            }
            GrantOn::Default(kind) => {
                self.kind_of(*kind);
                self.put("S");
            }
            GrantOn::Other(text) => self.put(text),
        }
        self.put(if grant.is_grant { " TO " } else { " FROM " });
        self.list(&grant.grantees, |out, role| out.role(role));
        self.put_if(grant.grant_option, " WITH GRANT OPTION");
        self.put_if(grant.cascade, " CASCADE");
    }

    fn field(&mut self, (name, ty): &(String, TypeName)) {
        self.ident(name);
        self.put(" ");
        self.type_name(ty);
    }

    fn create_function(&mut self, function: &CreateFunction) {
        self.put("CREATE ");
        self.put_if(function.or_replace, "OR REPLACE ");
        self.put(if function.procedure { "PROCEDURE " } else { "FUNCTION " });
        self.function_name(&function.name);
        self.parens(&function.params, |out, param| {
            out.put(match param.mode {
                ParamMode::In => "",
                ParamMode::Out => "OUT ",
                ParamMode::InOut => "INOUT ",
                ParamMode::Variadic => "VARIADIC ",
            });
            if let Some(name) = &param.name {
                out.ident(name);
                out.put(" ");
            }
            out.type_name(&param.ty);
            if let Some(default) = &param.default {
                out.put(" DEFAULT ");
                out.expr(default, 0);
            }
        });
        if !function.returns_table.is_empty() {
            self.put(" RETURNS TABLE");
            self.parens(&function.returns_table, Self::field);
        } else if let Some(returns) = &function.returns {
            self.put(" RETURNS ");
            self.type_name(returns);
        }
        // A body that is an expression or block stands last.
        let is_sql = |option: &&FunctionOption| matches!(option, FunctionOption::SqlBody(..));
        for option in function.options.iter().filter(|o| !is_sql(o)).chain(function.options.iter().filter(is_sql)) {
            self.function_option(option);
        }
    }

    fn function_option(&mut self, option: &FunctionOption) {
        self.put(" ");
        match option {
            FunctionOption::Language(name) => {
                self.put("LANGUAGE ");
                self.ident(name);
            }
            FunctionOption::Body(body, _) => {
                self.put("AS ");
                self.string(body);
            }
            FunctionOption::SqlBody(text, _) | FunctionOption::NoEffect(text) => self.put(text),
            FunctionOption::Volatility(word) => self.put(&word.to_ascii_uppercase()),
            FunctionOption::Strict(strict) => self.put(if *strict { "STRICT" } else { "CALLED ON NULL INPUT" }),
            FunctionOption::SecurityDefiner(definer) => self.put(if *definer { "SECURITY DEFINER" } else { "SECURITY INVOKER" }),
            FunctionOption::Leakproof(leakproof) => self.put(if *leakproof { "LEAKPROOF" } else { "NOT LEAKPROOF" }),
            FunctionOption::Set(name, values) => {
                self.put("SET ");
                if values.is_empty() {
                    self.ident(name);
                    self.put(" FROM CURRENT");
                } else {
                    self.setting(name, values);
                }
            }
            FunctionOption::Owner(role) => {
                self.put("OWNER TO ");
                self.role(role);
            }
            FunctionOption::Rename(name) => {
                self.put("RENAME TO ");
                self.ident(name);
            }
            FunctionOption::Schema(name) => {
                self.put("SET SCHEMA ");
                self.ident(name);
            }
        }
    }

    /// `name TO values` behind SET.
    fn setting(&mut self, name: &str, values: &[String]) {
        if name == "session_authorization" {
            self.put("SESSION AUTHORIZATION ");
        } else {
            for (index, part) in name.split('.').enumerate() {
                self.put_if(index > 0, ".");
                self.ident(part);
            }
            self.put(" TO ");
        }
        if values.is_empty() {
            self.put("DEFAULT");
        }
        self.list(values, |out, value| out.string(value));
    }

    fn create_trigger(&mut self, trigger: &CreateTrigger) {
        self.put("CREATE ");
        self.put_if(trigger.or_replace, "OR REPLACE ");
        self.put_if(trigger.constraint, "CONSTRAINT ");
        self.put("TRIGGER ");
        self.ident(&trigger.name);
        self.put(" ");
        self.put(&trigger.timing.to_ascii_uppercase());
        let events =
            [(trigger.insert, "INSERT"), (trigger.delete, "DELETE"), (trigger.update, "UPDATE"), (trigger.truncate, "TRUNCATE")];
        for (index, (_, event)) in events.into_iter().filter(|(on, _)| *on).enumerate() {
            self.put(if index > 0 { " OR " } else { " " });
            self.put(event);
            if event == "UPDATE" && !trigger.update_of.is_empty() {
                self.put(" OF ");
                self.idents(&trigger.update_of);
            }
        }
        self.put(" ON ");
        self.name(&trigger.table);
        self.deferral(trigger.deferrable);
        if !trigger.referencing.is_empty() {
            self.put(" REFERENCING");
            for (new, name) in &trigger.referencing {
                self.put(if *new { " NEW TABLE AS " } else { " OLD TABLE AS " });
                self.ident(name);
            }
        }
        self.put(if trigger.for_each_row { " FOR EACH ROW" } else { " FOR EACH STATEMENT" });
        self.bracketed(" WHEN (", trigger.when.as_ref());
        self.put(" EXECUTE FUNCTION ");
        self.function_name(&trigger.function);
        self.parens(&trigger.args, |out, arg| out.string(arg));
    }

    fn create_view(&mut self, view: &CreateView) {
        self.put("CREATE ");
        self.put_if(view.or_replace, "OR REPLACE ");
        self.put_if(view.temporary, "TEMPORARY ");
        self.put_if(view.recursive, "RECURSIVE ");
        self.put_if(view.materialized, "MATERIALIZED ");
        self.put("VIEW ");
        self.put_if(view.if_not_exists, "IF NOT EXISTS ");
        self.name(&view.name);
        self.columns(&view.columns);
        if !view.options.is_empty() {
            self.put(" WITH ");
            self.options(&view.options);
        }
        self.put(" AS ");
        self.query(&view.query);
        if let Some(option) = &view.check_option {
            self.put(&format!(" WITH {} CHECK OPTION", option.to_ascii_uppercase()));
        }
        self.put_if(view.materialized && !view.with_data, " WITH NO DATA");
    }
}
