//! GRANT, REVOKE, ALTER DEFAULT PRIVILEGES, OWNER TO.

use basalt_catalog::{Acl, DefaultAcl, DependentPrivileges, GrantKind, Privileges, Relation, RelationKind};
use basalt_types::{Oid, SqlState};

use super::{Ddl, Refusal, Result, Step};
use crate::tree::{DropName, Grant, GrantOn, Name, ObjectKind};

/// One grant or revocation, made ready to be applied to lists.
struct Change<'a> {
    grant: &'a Grant,
    /// Role names, empty for PUBLIC.
    grantees: Vec<String>,
}

fn kind_noun(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Table => "relation",
        GrantKind::Sequence => "sequence",
        GrantKind::Function => "function",
        GrantKind::Type => "type",
        GrantKind::Schema => "schema",
    }
}

impl Change<'_> {
    /// The privileges on a whole object of that kind; column lists are left out.
    fn privileges(&self, kind: GrantKind) -> Result<Privileges> {
        let whole: Vec<&str> =
            self.grant.privileges.iter().filter(|(_, columns)| columns.is_empty()).map(|(word, _)| word.as_str()).collect();
        if self.grant.privileges.is_empty() || whole.contains(&"all") {
            return Ok(Privileges::all_of(kind));
        }
        whole.iter().try_fold(Privileges::NONE, |all, word| {
            let one = Privileges::from_keyword(word)
                .ok_or_else(|| Refusal::invalid(SqlState::SYNTAX_ERROR, format!("unrecognized privilege type \"{word}\"")))?;
            // Sequences accept tables' words that mean something for them, and so the other way round.
            let allowed = Privileges::all_of(kind).contains(one) || (kind == GrantKind::Table && one == Privileges::USAGE);
            if !allowed {
                return Err(Refusal::invalid(
                    SqlState::new(b"0LP01"),
                    format!("invalid privilege type {} for {}", word.to_uppercase(), kind_noun(kind)),
                ));
            }
            Ok(all.with(one.and(Privileges::all_of(kind))))
        })
    }

    fn apply(&self, acl: &mut Acl, grantor: &str, privileges: Privileges) -> Result {
        let grant = self.grant;
        for grantee in &self.grantees {
            if grant.is_grant {
                if grantee.is_empty() && grant.grant_option {
                    return Err(Refusal::invalid(SqlState::new(b"0LP01"), "grant options can only be granted to roles"));
                }
                acl.grant(grantor, grantee, privileges, grant.grant_option);
            } else {
                acl.revoke(grantor, grantee, privileges, grant.only_grant_option, grant.cascade).map_err(
                    |DependentPrivileges| {
                        Refusal::invalid(SqlState::DEPENDENT_OBJECTS, "dependent privileges exist")
                            .hint("Use CASCADE to revoke them too.")
                    },
                )?;
            }
        }
        Ok(())
    }
}

impl Ddl {
    fn grantees(&self, written: &[String]) -> Result<Vec<String>> {
        written.iter().map(|name| if name == "public" { Ok(String::new()) } else { self.role_name(name) }).collect()
    }

    /// Who grants: the owner, when the current role may act for it; else the role itself, as far as its options reach.
    ///
    /// `None` with a warning sent: nothing was granted, as PostgreSQL says it.
    fn grantor(
        &mut self,
        owner: &str,
        acl: Option<&Acl>,
        kind: GrantKind,
        name: &str,
        wanted: Privileges,
    ) -> Result<Option<String>> {
        if self.catalog.owns(&self.ctx.role, owner) {
            return Ok(Some(owner.to_owned()));
        }
        let roles = self.catalog.memberships(&self.ctx.role, true);
        let options = acl
            .map(|acl| acl.0.iter().filter(|i| roles.contains(i.grantee.as_str())).collect::<Vec<_>>())
            .unwrap_or_default()
            .into_iter()
            .fold(Privileges::NONE, |all, item| all.with(item.grant_options));
        if options.contains(wanted) {
            return Ok(Some(self.ctx.role.clone()));
        }
        if self.catalog.privileges(&self.ctx.role, acl, owner, kind).is_empty() {
            let noun = if kind == GrantKind::Table { "table" } else { kind_noun(kind) };
            return Err(Refusal::invalid(SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied for {noun} {name}")));
        }
        self.notice(format!("no privileges were granted for \"{name}\""));
        Ok(None)
    }

    fn change_acl(&mut self, change: &Change, acl: &mut Option<Acl>, owner: &str, kind: GrantKind, name: &str) -> Result {
        let privileges = change.privileges(kind)?;
        if privileges.is_empty() {
            return Ok(());
        }
        let Some(grantor) = self.grantor(owner, acl.as_ref(), kind, name, privileges)? else { return Ok(()) };
        let list = acl.get_or_insert_with(|| Acl::default_for(kind, owner));
        change.apply(list, &grantor, privileges)
    }

    pub(super) fn grant(&mut self, grant: &Grant) -> Result {
        let change = Change { grant, grantees: self.grantees(&grant.grantees)? };
        match &grant.on {
            GrantOn::Tables(names) | GrantOn::Sequences(names) => {
                let sequences = matches!(grant.on, GrantOn::Sequences(_));
                for name in names {
                    let relation = self.relation(name)?;
                    if sequences && relation.kind != RelationKind::Sequence {
                        return Err(Refusal::invalid(
                            SqlState::WRONG_OBJECT_TYPE,
                            format!("\"{}\" is not a sequence", relation.name),
                        ));
                    }
                    self.grant_on_relation(&change, (*relation).clone())?;
                }
            }
            GrantOn::Functions(functions) => {
                for (name, args) in functions {
                    let mut function = (*self.function(name, args.as_deref())?).clone();
                    let (owner, shown) = (function.owner.clone(), function.name.clone());
                    self.change_acl(&change, &mut function.acl, &owner, GrantKind::Function, &shown)?;
                    self.catalog.put_function(function);
                }
            }
            GrantOn::Schemas(names) => {
                for name in names {
                    let mut schema = (*self.schema(name)?).clone();
                    let owner = schema.owner.clone();
                    self.change_acl(&change, &mut schema.acl, &owner, GrantKind::Schema, name)?;
                    self.catalog.put_schema(schema);
                }
            }
            GrantOn::Types(names) => {
                for name in names {
                    let found = self.find_type(name).ok_or_else(|| {
                        Refusal::invalid(
                            SqlState::UNDEFINED_OBJECT,
                            format!("type \"{}\" does not exist", super::name::written(name)),
                        )
                    })?;
                    let mut def = (*found).clone();
                    let (owner, shown) = (def.owner.clone(), def.name.clone());
                    self.change_acl(&change, &mut def.acl, &owner, GrantKind::Type, &shown)?;
                    self.catalog.put_type(def);
                }
            }
            GrantOn::AllInSchema { kind, schemas } => self.grant_on_all(&change, *kind, schemas)?,
            GrantOn::Databases(_) => {
                self.steps
                    .push(Step::NoOp("privileges on databases: there is one database, and roles reach it by key".to_owned()));
            }
            GrantOn::Default(_) => {
                return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, "default privileges need ALTER DEFAULT PRIVILEGES"));
            }
            GrantOn::Other(what) => {
                return Err(Refusal::unsupported(
                    format!("{} on {what}", if grant.is_grant { "GRANT" } else { "REVOKE" }),
                    "leave it out: there is no such object on SQLite",
                ));
            }
        }
        Ok(())
    }

    fn grant_on_all(&mut self, change: &Change, kind: ObjectKind, schemas: &[String]) -> Result {
        for name in schemas {
            let schema = self.schema(name)?.oid;
            match kind {
                ObjectKind::Table | ObjectKind::Sequence => {
                    let sequences = kind == ObjectKind::Sequence;
                    let wanted = |r: &Relation| r.schema == schema && (r.kind == RelationKind::Sequence) == sequences;
                    let found: Vec<Relation> = self.catalog.relations().filter(|r| wanted(r)).map(|r| (**r).clone()).collect();
                    for relation in found {
                        self.grant_on_relation(change, relation)?;
                    }
                }
                ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine => {
                    let of_kind = |procedure: bool| match kind {
                        ObjectKind::Function => !procedure,
                        ObjectKind::Procedure => procedure,
                        _ => true,
                    };
                    let found: Vec<_> = self
                        .catalog
                        .functions()
                        .filter(|f| f.schema == schema && of_kind(f.procedure))
                        .map(|f| (**f).clone())
                        .collect();
                    for mut function in found {
                        let (owner, shown) = (function.owner.clone(), function.name.clone());
                        self.change_acl(change, &mut function.acl, &owner, GrantKind::Function, &shown)?;
                        self.catalog.put_function(function);
                    }
                }
                other => {
                    return Err(Refusal::unsupported(
                        format!("GRANT on ALL {}S IN SCHEMA", super::kind_words(other)),
                        "name tables, sequences or functions",
                    ));
                }
            }
        }
        Ok(())
    }

    fn grant_on_relation(&mut self, change: &Change, mut relation: Relation) -> Result {
        let (owner, name, kind) = (relation.owner.clone(), relation.name.clone(), relation.grant_kind());
        let whole =
            if change.grant.privileges.iter().all(|(_, columns)| !columns.is_empty()) && !change.grant.privileges.is_empty() {
                Privileges::NONE
            } else {
                change.privileges(kind)?
            };
        if !whole.is_empty() {
            let mut acl = relation.acl.take();
            self.change_acl(change, &mut acl, &owner, kind, &name)?;
            relation.acl = acl;
            // Taking a privilege from a whole table takes it from its columns too.
            if !change.grant.is_grant {
                for column in &mut relation.columns {
                    if let Some(acl) = &mut column.acl {
                        change.apply(acl, &owner, whole.and(Privileges::ALL_COLUMN))?;
                        if acl.0.is_empty() {
                            column.acl = None;
                        }
                    }
                }
            }
        }
        for (word, columns) in change.grant.privileges.iter().filter(|(_, columns)| !columns.is_empty()) {
            let privilege = if word == "all" { Some(Privileges::ALL_COLUMN) } else { Privileges::from_keyword(word) };
            let privilege = privilege.filter(|p| Privileges::ALL_COLUMN.contains(*p)).ok_or_else(|| {
                Refusal::invalid(SqlState::new(b"0LP01"), format!("invalid privilege type {} for column", word.to_uppercase()))
            })?;
            for column in columns {
                let attnum = self.attnum(&relation, column)?;
                let Some(grantor) = self.grantor(&owner, relation.acl.as_ref(), kind, &name, privilege)? else { continue };
                if let Some(column) = relation.columns.iter_mut().find(|c| c.attnum == attnum) {
                    let mut acl = column.acl.take().unwrap_or_default();
                    change.apply(&mut acl, &grantor, privilege)?;
                    column.acl = (!acl.0.is_empty()).then_some(acl);
                }
            }
        }
        self.catalog.put_relation(relation);
        Ok(())
    }

    pub(super) fn alter_default_privileges(&mut self, for_roles: &[String], in_schemas: &[String], grant: &Grant) -> Result {
        let kind = match &grant.on {
            GrantOn::Default(ObjectKind::Table) => GrantKind::Table,
            GrantOn::Default(ObjectKind::Sequence) => GrantKind::Sequence,
            GrantOn::Default(ObjectKind::Function | ObjectKind::Routine | ObjectKind::Procedure) => GrantKind::Function,
            GrantOn::Default(ObjectKind::Type | ObjectKind::Domain) => GrantKind::Type,
            GrantOn::Default(ObjectKind::Schema) => GrantKind::Schema,
            _ => return Err(Refusal::unsupported("ALTER DEFAULT PRIVILEGES on this kind of object", "leave it out")),
        };
        if kind == GrantKind::Schema && !in_schemas.is_empty() {
            return Err(Refusal::invalid(
                SqlState::new(b"0LP01"),
                "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS",
            ));
        }
        let change = Change { grant, grantees: self.grantees(&grant.grantees)? };
        let privileges = change.privileges(kind)?;
        let roles = if for_roles.is_empty() {
            vec![self.ctx.role.clone()]
        } else {
            for_roles.iter().map(|r| self.role_name(r)).collect::<Result<Vec<_>>>()?
        };
        let schemas: Vec<Option<u32>> = if in_schemas.is_empty() {
            vec![None]
        } else {
            in_schemas.iter().map(|s| self.schema(s).map(|s| Some(s.oid))).collect::<Result<_>>()?
        };
        let mut entries = self.catalog.default_acls().to_vec();
        for role in &roles {
            if !self.catalog.has_privileges_of(&self.ctx.role, role) {
                return Err(Refusal::invalid(SqlState::INSUFFICIENT_PRIVILEGE, "permission denied to change default privileges"));
            }
            for schema in &schemas {
                // Entries for all schemas start from the built-in default, which they replace; a schema's own only add.
                let untouched = if schema.is_none() { Acl::default_for(kind, role) } else { Acl::default() };
                let at = entries.iter().position(|e| e.role == *role && e.schema == *schema && e.kind == kind);
                let mut acl = at.map_or_else(|| untouched.clone(), |at| entries.remove(at).acl);
                change.apply(&mut acl, role, privileges)?;
                if !acl.is_equivalent(&untouched) {
                    entries.push(DefaultAcl { role: role.clone(), schema: *schema, kind, acl });
                }
            }
        }
        self.catalog.set_default_acls(entries);
        Ok(())
    }

    /// OWNER TO, for every kind.
    pub(super) fn owner_to(&mut self, kind: ObjectKind, target: &DropName, owner: &str) -> Result {
        let owner = self.role_name(owner)?;
        if !self.catalog.may_become(&self.ctx.role, &owner) {
            return Err(Refusal::invalid(SqlState::INSUFFICIENT_PRIVILEGE, format!("must be able to SET ROLE \"{owner}\"")));
        }
        let name: &Name = &target.name;
        match kind {
            ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView | ObjectKind::Sequence | ObjectKind::Index => {
                let relation = self.relation(name)?;
                self.must_own_relation(&relation)?;
                self.relation_owner((*relation).clone(), &owner);
            }
            ObjectKind::Schema => {
                let mut schema = (*self.schema(&name.name)?).clone();
                self.must_own("schema", &schema.name, &schema.owner)?;
                if let Some(acl) = &mut schema.acl {
                    acl.change_owner(&schema.owner, &owner);
                }
                schema.owner = owner;
                self.catalog.put_schema(schema);
            }
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine => {
                let mut function = (*self.function(name, target.args.as_deref())?).clone();
                self.must_own("function", &function.name, &function.owner)?;
                self.may_own(&owner, &function)?;
                if let Some(acl) = &mut function.acl {
                    acl.change_owner(&function.owner, &owner);
                }
                function.owner = owner;
                self.catalog.put_function(function);
            }
            ObjectKind::Type | ObjectKind::Domain => {
                let mut def = self.own_type(name)?;
                if let Some(acl) = &mut def.acl {
                    acl.change_owner(&def.owner, &owner);
                }
                def.owner = owner;
                self.catalog.put_type(def);
            }
            ObjectKind::Publication | ObjectKind::Database | ObjectKind::Extension | ObjectKind::EventTrigger => {
                let word = super::kind_words(kind).to_lowercase();
                self.steps.push(Step::NoOp(format!("owner of {word} {}: it has none on SQLite", name.name)));
            }
            other => {
                return Err(Refusal::unsupported(
                    format!("ALTER {} … OWNER TO", super::kind_words(other)),
                    "leave it out: there is no such object on SQLite",
                ));
            }
        }
        Ok(())
    }

    /// Gives a relation, and the sequences its columns own, to a role.
    pub(super) fn relation_owner(&mut self, mut relation: Relation, owner: &str) {
        let old = std::mem::replace(&mut relation.owner, owner.to_owned());
        for acl in std::iter::once(&mut relation.acl).chain(relation.columns.iter_mut().map(|c| &mut c.acl)).flatten() {
            acl.change_owner(&old, owner);
        }
        let table = Oid(relation.oid);
        self.catalog.put_relation(relation);
        let owned: Vec<Relation> = self
            .catalog
            .relations()
            .filter(|r| r.sequence.as_ref().and_then(|s| s.owned_by).is_some_and(|(t, _)| Oid(t) == table))
            .map(|r| (**r).clone())
            .collect();
        for sequence in owned {
            self.relation_owner(sequence, owner);
        }
    }
}
