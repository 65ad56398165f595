//! A catalog as TypeScript. The shape (`Database`, its schemas, `Row`, `Insert`, `Update`, `Relationships`, the types exported beside it)
//! is what postgrest-js and supabase-js infer their answers from; see Supabase's "Generating TypeScript Types".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use basalt_catalog::{ArgMode, Catalog, Column, ConstraintKind, Function, Relation, RelationKind, TypeDef, TypeKind};
use basalt_types::{Oid, pg};

/// What clients decide by what they may infer: the newest version of PostgREST that supabase-js tells apart.
const POSTGREST_VERSION: &str = "14.0";

/// PostgreSQL's pseudo-type of event triggers' results.
const EVENT_TRIGGER: u32 = 3838;

/// The file for these schemas, which exist.
pub fn write(catalog: &Catalog, schemas: &[&str]) -> String {
    let mut names: Vec<&str> = schemas.to_vec();
    names.sort_by_key(|name| sorted(name));
    names.dedup();
    let types = Types { catalog, schemas: &names };
    let mut out = Writer::default();
    out.line("export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]");
    out.line("");
    out.open("export type Database = {");
    out.line("// What createClient infers from; not a schema.");
    out.open("__InternalSupabase: {");
    out.line(&format!("PostgrestVersion: {}", quoted(POSTGREST_VERSION)));
    out.close("}");
    for schema in &names {
        types.schema(&mut out, schema);
    }
    out.close("}");
    out.line("");
    out.text.push_str(HELPERS);
    types.constants(&mut out);
    out.text
}

struct Types<'a> {
    catalog: &'a Catalog,
    schemas: &'a [&'a str],
}

impl Types<'_> {
    fn schema(&self, out: &mut Writer, schema: &str) {
        let catalog = self.catalog;
        let is_here = |oid: u32| catalog.schema_name(oid) == schema;
        let relations = |is_wanted: fn(&Relation) -> bool| {
            let mut found: Vec<&Arc<Relation>> = catalog.relations().filter(|r| is_here(r.schema) && is_wanted(r)).collect();
            found.sort_by_key(|relation| sorted(&relation.name));
            found
        };
        let functions: Vec<&Arc<Function>> =
            catalog.functions().filter(|function| is_here(function.schema) && is_callable(function)).collect();

        out.open(&format!("{}: {{", key(schema)));
        out.group("Tables", relations(|r| r.view.is_none() && has_rows(r)), |out, table| self.table(out, table, &functions));
        out.group("Views", relations(|r| r.view.is_some()), |out, view| {
            out.open(&format!("{}: {{", key(&view.name)));
            self.row(out, view, &[]);
            self.relationships(out, view);
            out.close("}");
        });
        let mut by_name: BTreeMap<(String, &str), Vec<&Arc<Function>>> = BTreeMap::new();
        for function in functions {
            by_name.entry(sorted_pair(&function.name)).or_default().push(function);
        }
        out.group("Functions", by_name.into_iter().collect(), |out, ((_, name), forms)| self.function(out, name, &forms));
        let mut enums = self.enums(schema);
        enums.sort_by_key(|(name, _)| sorted(name));
        out.group("Enums", enums, |out, (name, labels)| out.union(&key(name), labels));
        let mut composites: Vec<&Arc<TypeDef>> =
            catalog.types().filter(|def| is_here(def.schema) && matches!(def.kind, TypeKind::Composite { .. })).collect();
        composites.sort_by_key(|def| sorted(&def.name));
        out.group("CompositeTypes", composites, |out, def| {
            let TypeKind::Composite { fields } = &def.kind else { return };
            out.open(&format!("{}: {{", key(&def.name)));
            for (name, ty, _) in fields {
                out.line(&format!("{}: {} | null", key(name), self.of(*ty)));
            }
            out.close("}");
        });
        out.close("}");
    }

    fn enums(&self, schema: &str) -> Vec<(&str, &[String])> {
        let of_kind = |def: &&Arc<TypeDef>| self.catalog.schema_name(def.schema) == schema;
        let enums = self.catalog.types().filter(of_kind).filter_map(|def| match &def.kind {
            TypeKind::Enum { labels } => Some((def.name.as_str(), labels.as_slice())),
            _ => None,
        });
        enums.collect()
    }

    fn table(&self, out: &mut Writer, table: &Relation, functions: &[&Arc<Function>]) {
        out.open(&format!("{}: {{", key(&table.name)));
        self.row(out, table, functions);
        for (kind, is_insert) in [("Insert", true), ("Update", false)] {
            let columns = columns(table).into_iter().map(|column| {
                let name = key(&column.name);
                if column.generated.is_some() || column.identity.as_ref().is_some_and(|identity| identity.always) {
                    return format!("{name}?: never");
                }
                let may_lack = !is_insert || !column.not_null || column.identity.is_some() || column.default.is_some();
                format!("{name}{}: {}", if may_lack { "?" } else { "" }, self.column(column, !column.not_null))
            });
            out.object(kind, columns.collect());
        }
        self.relationships(out, table);
        out.close("}");
    }

    fn row(&self, out: &mut Writer, relation: &Relation, functions: &[&Arc<Function>]) {
        let is_view = relation.view.is_some();
        let mut lines: Vec<String> = columns(relation)
            .into_iter()
            .map(|column| format!("{}: {}", key(&column.name), self.column(column, is_view || !column.not_null)))
            .collect();
        // Computed columns: functions of the row.
        let computed = functions
            .iter()
            .filter(|function| !function.setof && self.row_argument(function).is_some_and(|table| table.oid == relation.oid));
        lines.extend(computed.map(|function| format!("{}: {} | null", key(&function.name), self.of(function.returns))));
        out.object("Row", lines);
    }

    /// The relation whose row is the function's only argument.
    fn row_argument(&self, function: &Function) -> Option<&Arc<Relation>> {
        let [only] = function.args.iter().filter(|arg| is_given(arg.mode)).collect::<Vec<_>>()[..] else { return None };
        self.row_type(only.ty)
    }

    fn row_type(&self, ty: u32) -> Option<&Arc<Relation>> {
        match self.catalog.type_by_oid(Oid(ty)).filter(|def| def.oid == ty)?.kind {
            TypeKind::Row { relation } => self.catalog.relation_by_oid(Oid(relation)),
            _ => None,
        }
    }

    /// Foreign keys, also between the views that show their columns; those to other schemas cannot be embedded.
    fn relationships(&self, out: &mut Writer, relation: &Relation) {
        let catalog = self.catalog;
        // Which column of `of` shows the column of a table.
        let shown = |of: &Relation, table: Oid, attnums: &[i16]| -> Option<Vec<String>> {
            let columns = catalog.shown_columns(of);
            let name = |attnum: &i16| {
                let (own, ..) = columns.iter().find(|(_, source, at)| *source == table && at == attnum)?;
                of.column_at(*own).map(|column| column.name.clone())
            };
            attnums.iter().map(name).collect()
        };
        let beside: Vec<&Arc<Relation>> = catalog
            .relations()
            .filter(|other| other.schema == relation.schema && (other.view.is_some() || has_rows(other)))
            .collect();
        let tables: BTreeSet<Oid> = catalog.shown_columns(relation).into_iter().map(|(_, table, _)| table).collect();
        let mut found = BTreeSet::new();
        for fk in tables.into_iter().flat_map(|table| catalog.foreign_keys_from(table)) {
            let Some(columns) = shown(relation, Oid(fk.source.oid), fk.columns) else { continue };
            let is_one_to_one = fk.source.constraints.iter().any(|constraint| match &constraint.kind {
                ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns, .. } => same(columns, fk.columns),
                _ => false,
            });
            for other in &beside {
                if let Some(referenced) = shown(other, fk.target, fk.target_columns) {
                    found.insert((&fk.constraint.name, &other.name, referenced, columns.clone(), is_one_to_one));
                }
            }
        }
        if found.is_empty() {
            return out.line("Relationships: []");
        }
        out.open("Relationships: [");
        for (name, other, referenced, columns, is_one_to_one) in found {
            out.open("{");
            out.line(&format!("foreignKeyName: {}", quoted(name)));
            out.line(&format!("columns: [{}]", list(&columns)));
            out.line(&format!("isOneToOne: {is_one_to_one}"));
            out.line(&format!("referencedRelation: {}", quoted(other)));
            out.line(&format!("referencedColumns: [{}]", list(&referenced)));
            out.close("},");
        }
        out.close("]");
    }

    fn function(&self, out: &mut Writer, name: &str, forms: &[&Arc<Function>]) {
        let [only] = forms else {
            out.open(&format!("{}:", key(name)));
            for form in forms {
                out.open("| {");
                self.form(out, form);
                out.close("}");
            }
            out.indent -= 1;
            return;
        };
        out.open(&format!("{}: {{", key(name)));
        self.form(out, only);
        out.close("}");
    }

    fn form(&self, out: &mut Writer, function: &Function) {
        let given: Vec<String> = function
            .args
            .iter()
            .filter(|arg| is_given(arg.mode))
            .map(|arg| format!("{}{}: {}", key(&arg.name), if arg.default.is_some() { "?" } else { "" }, self.of(arg.ty)))
            .collect();
        if given.is_empty() {
            out.line("Args: never");
        } else {
            out.line(&format!("Args: {{ {} }}", given.join("; ")));
        }
        let many = if function.setof { "[]" } else { "" };
        let returned: Vec<String> = function
            .args
            .iter()
            .filter(|arg| matches!(arg.mode, ArgMode::Out | ArgMode::InOut | ArgMode::Table))
            .map(|arg| format!("{}: {}", key(&arg.name), self.of(arg.ty)))
            .collect();
        let row = self.row_type(function.returns);
        if !returned.is_empty() && (function.returns == pg::oid::RECORD.0 || returned.len() > 1) {
            out.open("Returns: {");
            returned.iter().for_each(|line| out.line(line));
            out.close(&format!("}}{many}"));
        } else if let Some(relation) = row {
            out.open("Returns: {");
            for column in columns(relation) {
                let is_nullable = relation.view.is_some() || !column.not_null;
                out.line(&format!("{}: {}", key(&column.name), self.column(column, is_nullable)));
            }
            out.close(&format!("}}{many}"));
            out.open("SetofOptions: {");
            let from = self.row_argument(function).map_or("*", |table| table.name.as_str());
            out.line(&format!("from: {}", quoted(from)));
            out.line(&format!("to: {}", quoted(&relation.name)));
            out.line(&format!("isOneToOne: {}", !function.setof || function.one_row));
            out.line(&format!("isSetofReturn: {}", function.setof));
            out.close("}");
        } else {
            out.line(&format!("Returns: {}{many}", self.of(function.returns)));
        }
    }

    fn column(&self, column: &Column, is_nullable: bool) -> String {
        let text = self.of(column.ty);
        if is_nullable { format!("{text} | null") } else { text }
    }

    /// A type as JSON shows it.
    fn of(&self, ty: u32) -> String {
        if let Some(def) = self.catalog.type_by_oid(Oid(ty)) {
            let text = self.of_user(def);
            return if def.oid == ty { text } else { format!("{}[]", grouped(&text)) };
        }
        let Some(row) = pg::builtin(Oid(ty)) else { return "unknown".to_owned() };
        if row.elem.0 != 0 {
            return format!("{}[]", grouped(&self.of(row.elem.0)));
        }
        use pg::oid;
        let text = match row.oid {
            oid::BOOL => "boolean",
            oid::INT2 | oid::INT4 | oid::INT8 | oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC => "number",
            oid::BYTEA | oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::CITEXT | oid::UUID => "string",
            oid::DATE | oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ => "string",
            oid::JSON | oid::JSONB => "Json",
            oid::VOID => "undefined",
            oid::RECORD => "Record<string, unknown>",
            _ => "unknown",
        };
        text.to_owned()
    }

    fn of_user(&self, def: &TypeDef) -> String {
        let schema = self.catalog.schema_name(def.schema);
        let named =
            |kind: &str, rest: &str| format!("Database[{}][{}][{}]{rest}", quoted(schema), quoted(kind), quoted(&def.name));
        let is_written = self.schemas.contains(&schema);
        match &def.kind {
            TypeKind::Enum { .. } if is_written => named("Enums", ""),
            TypeKind::Enum { labels } => labels.iter().map(|label| quoted(label)).collect::<Vec<_>>().join(" | "),
            TypeKind::Domain { base, .. } => self.of(*base),
            TypeKind::Composite { .. } if is_written => named("CompositeTypes", ""),
            TypeKind::Row { relation } if is_written => match self.catalog.relation_by_oid(Oid(*relation)) {
                Some(relation) if relation.view.is_some() => named("Views", "[\"Row\"]"),
                Some(_) => named("Tables", "[\"Row\"]"),
                None => "unknown".to_owned(),
            },
            // pgvector's values are texts in JSON.
            TypeKind::Other if def.name == "vector" || def.name == "citext" => "string".to_owned(),
            TypeKind::Composite { .. } | TypeKind::Row { .. } | TypeKind::Other => "unknown".to_owned(),
        }
    }

    fn constants(&self, out: &mut Writer) {
        out.open("export const Constants = {");
        for schema in self.schemas {
            out.open(&format!("{}: {{", key(schema)));
            let mut enums = self.enums(schema);
            enums.sort_by_key(|(name, _)| sorted(name));
            if enums.is_empty() {
                out.line("Enums: {},");
            } else {
                out.open("Enums: {");
                for (name, labels) in enums {
                    out.line(&format!("{}: [{}],", key(name), list(labels)));
                }
                out.close("},");
            }
            out.close("},");
        }
        out.close("} as const");
    }
}

fn is_given(mode: ArgMode) -> bool {
    matches!(mode, ArgMode::In | ArgMode::InOut | ArgMode::Variadic)
}

/// Whether `/rpc` can call it: arguments have names, or there is one without.
fn is_callable(function: &Function) -> bool {
    let given: Vec<_> = function.args.iter().filter(|arg| is_given(arg.mode)).collect();
    let is_trigger = function.returns == pg::oid::TRIGGER.0 || function.returns == EVENT_TRIGGER;
    !is_trigger
        && !function.procedure
        && !function.aggregate
        && (given.len() == 1 || given.iter().all(|arg| !arg.name.is_empty()))
}

fn has_rows(relation: &Relation) -> bool {
    !matches!(relation.kind, RelationKind::Sequence)
}

fn columns(relation: &Relation) -> Vec<&Column> {
    let mut columns: Vec<&Column> = relation.columns.iter().collect();
    columns.sort_by_key(|column| sorted(&column.name));
    columns
}

/// The same columns in whatever order.
fn same(one: &[i16], other: &[i16]) -> bool {
    one.len() == other.len() && one.iter().all(|at| other.contains(at))
}

/// By letters first, as a dictionary, so that the file does not change with a letter's case.
fn sorted(name: &str) -> (String, String) {
    (name.to_lowercase(), name.to_owned())
}

fn sorted_pair(name: &str) -> (String, &str) {
    (name.to_lowercase(), name)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
}

/// A property's name.
fn key(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    if is_plain { name.to_owned() } else { quoted(name) }
}

fn grouped(text: &str) -> String {
    if text.contains(" | ") { format!("({text})") } else { text.to_owned() }
}

/// Lines at their depth.
#[derive(Default)]
struct Writer {
    text: String,
    indent: usize,
}

impl Writer {
    fn line(&mut self, line: &str) {
        let width = if line.is_empty() { 0 } else { self.indent * 2 };
        let _ = writeln!(self.text, "{:width$}{line}", "");
    }

    fn open(&mut self, line: &str) {
        self.line(line);
        self.indent += 1;
    }

    fn close(&mut self, line: &str) {
        self.indent = self.indent.saturating_sub(1);
        self.line(line);
    }

    fn object(&mut self, name: &str, lines: Vec<String>) {
        if lines.is_empty() {
            return self.line(&format!("{name}: {{}}"));
        }
        self.open(&format!("{name}: {{"));
        lines.iter().for_each(|line| self.line(line));
        self.close("}");
    }

    fn group<T>(&mut self, name: &str, entries: Vec<T>, mut each: impl FnMut(&mut Self, T)) {
        self.open(&format!("{name}: {{"));
        if entries.is_empty() {
            self.line("[_ in never]: never");
        }
        entries.into_iter().for_each(|entry| each(self, entry));
        self.close("}");
    }

    fn union(&mut self, name: &str, labels: &[String]) {
        let labels: Vec<String> = labels.iter().map(|label| quoted(label)).collect();
        let text = if labels.is_empty() { "never".to_owned() } else { labels.join(" | ") };
        self.line(&format!("{name}: {text}"));
    }
}

/// What applications import beside `Database`.
const HELPERS: &str = r#"type Schemas = Omit<Database, "__InternalSupabase">

type DefaultSchema = Schemas[Extract<keyof Schemas, "public">]

type Named = { schema: keyof Schemas }

// A name in the default schema, or one in the schema that is given first.
type At<Kinds, Name> = Name extends keyof Kinds ? Kinds[Name] : never

type Readable<Schema> = Schema extends { Tables: infer T; Views: infer V } ? T & V : never

type Part<Schema, Kind extends string> = Schema extends { [K in Kind]: infer P } ? P : never

type Field<From, Name extends string> = From extends { [K in Name]: infer F } ? F : never

export type Tables<
  NameOrSchema extends keyof Readable<DefaultSchema> | Named,
  Name extends NameOrSchema extends Named ? keyof Readable<Schemas[NameOrSchema["schema"]]> : never = never,
> = NameOrSchema extends Named
  ? Field<At<Readable<Schemas[NameOrSchema["schema"]]>, Name>, "Row">
  : Field<At<Readable<DefaultSchema>, NameOrSchema>, "Row">

export type TablesInsert<
  NameOrSchema extends keyof Part<DefaultSchema, "Tables"> | Named,
  Name extends NameOrSchema extends Named ? keyof Part<Schemas[NameOrSchema["schema"]], "Tables"> : never = never,
> = NameOrSchema extends Named
  ? Field<At<Part<Schemas[NameOrSchema["schema"]], "Tables">, Name>, "Insert">
  : Field<At<Part<DefaultSchema, "Tables">, NameOrSchema>, "Insert">

export type TablesUpdate<
  NameOrSchema extends keyof Part<DefaultSchema, "Tables"> | Named,
  Name extends NameOrSchema extends Named ? keyof Part<Schemas[NameOrSchema["schema"]], "Tables"> : never = never,
> = NameOrSchema extends Named
  ? Field<At<Part<Schemas[NameOrSchema["schema"]], "Tables">, Name>, "Update">
  : Field<At<Part<DefaultSchema, "Tables">, NameOrSchema>, "Update">

export type Enums<
  NameOrSchema extends keyof Part<DefaultSchema, "Enums"> | Named,
  Name extends NameOrSchema extends Named ? keyof Part<Schemas[NameOrSchema["schema"]], "Enums"> : never = never,
> = NameOrSchema extends Named
  ? At<Part<Schemas[NameOrSchema["schema"]], "Enums">, Name>
  : At<Part<DefaultSchema, "Enums">, NameOrSchema>

export type CompositeTypes<
  NameOrSchema extends keyof Part<DefaultSchema, "CompositeTypes"> | Named,
  Name extends NameOrSchema extends Named ? keyof Part<Schemas[NameOrSchema["schema"]], "CompositeTypes"> : never = never,
> = NameOrSchema extends Named
  ? At<Part<Schemas[NameOrSchema["schema"]], "CompositeTypes">, Name>
  : At<Part<DefaultSchema, "CompositeTypes">, NameOrSchema>

"#;
