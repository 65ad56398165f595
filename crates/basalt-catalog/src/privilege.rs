//! Who may do what: role membership, access control lists, row security and default privileges, by PostgreSQL's rules.
//!
//! Everything here answers for a role as `current_user`; a session's own role switching is the caller's business
//! ([`Catalog::may_become`] says whether it is allowed).
//!
//! Source: PostgreSQL documentation, "Privileges", "Role Membership", "Row Security Policies", "ALTER DEFAULT PRIVILEGES".

use std::collections::BTreeSet;
use std::sync::Arc;

use basalt_types::Oid;

use crate::acl::{Acl, AclItem, GrantKind, Privileges};
use crate::relation::{Policy, Relation, RelationKind};
use crate::{Catalog, Function, Rights, Schema, TypeDef};

impl Privileges {
    /// Everything that can be granted on such an object.
    pub fn all_of(kind: GrantKind) -> Self {
        match kind {
            GrantKind::Table => Self::ALL_TABLE,
            GrantKind::Sequence => Self::ALL_SEQUENCE,
            GrantKind::Function => Self::ALL_FUNCTION,
            GrantKind::Type => Self::ALL_TYPE,
            GrantKind::Schema => Self::ALL_SCHEMA,
        }
    }

    /// The privilege a keyword of GRANT names (lower case), `None` for an unknown one.
    pub fn from_keyword(word: &str) -> Option<Self> {
        Some(match word {
            "select" => Self::SELECT,
            "insert" => Self::INSERT,
            "update" => Self::UPDATE,
            "delete" => Self::DELETE,
            "truncate" => Self::TRUNCATE,
            "references" => Self::REFERENCES,
            "trigger" => Self::TRIGGER,
            "execute" => Self::EXECUTE,
            "usage" => Self::USAGE,
            "create" => Self::CREATE,
            "maintain" => Self::MAINTAIN,
            _ => return None,
        })
    }

    /// What both have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The letters of PostgreSQL's `aclitem` output, in its order (`arwdDxtXUCm`).
    pub fn letters(self) -> String {
        const LETTERS: [(Privileges, char); 11] = [
            (Privileges::INSERT, 'a'),
            (Privileges::SELECT, 'r'),
            (Privileges::UPDATE, 'w'),
            (Privileges::DELETE, 'd'),
            (Privileges::TRUNCATE, 'D'),
            (Privileges::REFERENCES, 'x'),
            (Privileges::TRIGGER, 't'),
            (Privileges::EXECUTE, 'X'),
            (Privileges::USAGE, 'U'),
            (Privileges::CREATE, 'C'),
            (Privileges::MAINTAIN, 'm'),
        ];
        LETTERS.iter().filter(|(p, _)| self.contains(*p)).map(|(_, c)| *c).collect()
    }
}

/// REVOKE without CASCADE would leave privileges that were passed on by the role that loses its grant option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DependentPrivileges;

impl Acl {
    /// What an object of that kind has when nothing was granted: all for the owner, EXECUTE on functions and USAGE on types for PUBLIC.
    pub fn default_for(kind: GrantKind, owner: &str) -> Self {
        let mut acl = Self::default();
        let public = match kind {
            GrantKind::Function => Privileges::EXECUTE,
            GrantKind::Type => Privileges::USAGE,
            GrantKind::Table | GrantKind::Sequence | GrantKind::Schema => Privileges::NONE,
        };
        acl.grant(owner, "", public, false);
        acl.grant(owner, owner, Privileges::all_of(kind), false);
        acl
    }

    /// GRANT: adds to the entry of this grantor and grantee. An empty grantee is PUBLIC, which cannot hold grant options.
    pub fn grant(&mut self, grantor: &str, grantee: &str, privileges: Privileges, grant_option: bool) {
        if privileges.is_empty() {
            return;
        }
        let options = if grant_option && !grantee.is_empty() { privileges } else { Privileges::NONE };
        match self.0.iter_mut().find(|item| item.grantor == grantor && item.grantee == grantee) {
            Some(item) => {
                item.privileges = item.privileges.with(privileges);
                item.grant_options = item.grant_options.with(options);
            }
            None => self.0.push(AclItem {
                grantee: grantee.to_owned(),
                grantor: grantor.to_owned(),
                privileges,
                grant_options: options,
            }),
        }
    }

    /// REVOKE: takes from the entry of this grantor and grantee; with `only_grant_option` the privilege itself stays.
    ///
    /// # Errors
    /// The grantee passed the privilege on and `cascade` is false; the list is unchanged then.
    pub fn revoke(
        &mut self,
        grantor: &str,
        grantee: &str,
        privileges: Privileges,
        only_grant_option: bool,
        cascade: bool,
    ) -> Result<(), DependentPrivileges> {
        let mut changed = self.clone();
        changed.take(grantor, grantee, privileges, only_grant_option, cascade)?;
        *self = changed;
        Ok(())
    }

    fn take(
        &mut self,
        grantor: &str,
        grantee: &str,
        privileges: Privileges,
        only_grant_option: bool,
        cascade: bool,
    ) -> Result<(), DependentPrivileges> {
        let Some(item) = self.0.iter_mut().find(|item| item.grantor == grantor && item.grantee == grantee) else { return Ok(()) };
        let lost_options = item.grant_options.and(privileges);
        item.grant_options = item.grant_options.without(privileges);
        if !only_grant_option {
            item.privileges = item.privileges.without(privileges);
        }
        self.0.retain(|item| !item.privileges.is_empty());
        if lost_options.is_empty() {
            return Ok(());
        }
        // The grantee may still hold the option from somebody else; only what it no longer holds at all takes its own grants along.
        let still = self.0.iter().filter(|i| i.grantee == grantee).fold(Privileges::NONE, |all, i| all.with(i.grant_options));
        let gone = lost_options.without(still);
        let passed_on: Vec<String> = self
            .0
            .iter()
            .filter(|i| i.grantor == grantee && i.grantee != grantee && !i.privileges.and(gone).is_empty())
            .map(|i| i.grantee.clone())
            .collect();
        if !passed_on.is_empty() && !cascade {
            return Err(DependentPrivileges);
        }
        for next in passed_on {
            self.take(grantee, &next, gone, false, true)?;
        }
        Ok(())
    }

    /// Adds all entries of another list.
    pub fn merge(&mut self, other: &Self) {
        for item in &other.0 {
            self.grant(&item.grantor, &item.grantee, item.privileges, false);
            if !item.grant_options.is_empty() {
                self.grant(&item.grantor, &item.grantee, item.grant_options, true);
            }
        }
    }

    /// Whether both say the same, in whatever order.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|item| other.0.contains(item))
    }

    /// OWNER TO: what the old owner granted or was granted is the new one's.
    pub fn change_owner(&mut self, old: &str, new: &str) {
        let items = std::mem::take(&mut self.0);
        for mut item in items {
            for name in [&mut item.grantor, &mut item.grantee] {
                if name == old {
                    new.clone_into(name);
                }
            }
            self.merge(&Self(vec![item]));
        }
    }

    /// Whether a role stands in it as grantor or grantee.
    pub fn mentions(&self, role: &str) -> bool {
        self.0.iter().any(|item| item.grantor == role || item.grantee == role)
    }
}

/// What a role may do with a table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPrivileges {
    /// On the table as a whole, which covers every column.
    pub table: Privileges,
    /// Beyond that, by attnum; columns without any are left out.
    pub columns: Vec<(i16, Privileges)>,
}

impl ColumnPrivileges {
    /// Whether the role has all of these on a column.
    pub fn has(&self, attnum: i16, wanted: Privileges) -> bool {
        let own = self.columns.iter().find(|(a, _)| *a == attnum).map_or(Privileges::NONE, |(_, p)| *p);
        self.table.with(own).contains(wanted)
    }

    /// Whether the role has all of these on the table or on at least one column: what `SELECT count(*)` needs.
    pub fn has_on_any(&self, wanted: Privileges) -> bool {
        self.table.contains(wanted) || self.columns.iter().any(|(_, p)| self.table.with(*p).contains(wanted))
    }
}

/// The policies that decide about one command of one role on one table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApplicablePolicies<'a> {
    /// OR-ed. None at all means that no row passes.
    pub permissive: Vec<&'a Policy>,
    /// AND-ed to it, by name.
    pub restrictive: Vec<&'a Policy>,
}

impl Catalog {
    /// Whether a role is a superuser. Unknown roles are not.
    pub fn is_superuser(&self, role: &str) -> bool {
        self.role(role).is_some_and(|r| r.superuser)
    }

    /// Whether `member` has the privileges of `role`: see [`Rights::acts_as`].
    pub fn has_privileges_of(&self, member: &str, role: &str) -> bool {
        Rights::of(self, member).acts_as(role)
    }

    /// Whether `member` may SET ROLE to `role`: itself, superusers, direct and indirect members.
    pub fn may_become(&self, member: &str, role: &str) -> bool {
        member == role || self.is_superuser(member) || self.memberships(member, false).contains(role)
    }

    /// The role and all roles it is a member of; with `inherited_only` only through roles that INHERIT.
    pub fn memberships<'a>(&'a self, role: &'a str, inherited_only: bool) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::from([role]);
        let mut open = vec![role];
        while let Some(name) = open.pop() {
            let Some(role) = self.role(name) else { continue };
            if inherited_only && !role.inherit {
                continue;
            }
            open.extend(role.member_of.iter().map(String::as_str).filter(|next| seen.insert(next)));
        }
        seen
    }

    /// What a role may do by an access control list: see [`Rights::privileges`].
    pub fn privileges(&self, role: &str, acl: Option<&Acl>, owner: &str, kind: GrantKind) -> Privileges {
        Rights::of(self, role).privileges(acl, owner, kind)
    }

    /// Whether a role has all of the wanted privileges: see [`Catalog::privileges`].
    pub fn has_privilege(&self, role: &str, acl: Option<&Acl>, owner: &str, kind: GrantKind, wanted: Privileges) -> bool {
        self.privileges(role, acl, owner, kind).contains(wanted)
    }

    /// What a role may do with a schema.
    pub fn schema_privileges(&self, role: &str, schema: &Schema) -> Privileges {
        Rights::of(self, role).on_schema(schema)
    }

    /// What a role may do with a relation as a whole.
    pub fn relation_privileges(&self, role: &str, relation: &Relation) -> Privileges {
        Rights::of(self, role).on_relation(relation)
    }

    /// What a role may do with a function.
    pub fn function_privileges(&self, role: &str, function: &Function) -> Privileges {
        Rights::of(self, role).on_function(function)
    }

    /// What a role may do with a type.
    pub fn type_privileges(&self, role: &str, def: &TypeDef) -> Privileges {
        self.privileges(role, def.acl.as_ref(), &def.owner, GrantKind::Type)
    }

    /// What a role may do with a relation's columns: each privilege counts when held on the table or on the column.
    pub fn column_privileges(&self, role: &str, relation: &Relation) -> ColumnPrivileges {
        Rights::of(self, role).on_columns(relation)
    }

    /// Whether a role owns an object: it, its superiors by inheritance, superusers.
    pub fn owns(&self, role: &str, owner: &str) -> bool {
        self.has_privileges_of(role, owner)
    }

    /// Whether policies decide which rows a role sees in a relation.
    pub fn row_security_applies(&self, role: &str, relation: &Relation) -> bool {
        relation.row_security && !Rights::of(self, role).bypasses_rls(relation)
    }

    /// The list a new object gets, by ALTER DEFAULT PRIVILEGES of its creator: the entry for all schemas replaces the built-in
    /// default, the schema's own entry adds to it. `None`: the built-in default.
    pub fn default_acl(&self, owner: &str, schema: Option<Oid>, kind: GrantKind) -> Option<Acl> {
        let find = |schema: Option<Oid>| {
            self.default_acls().iter().find(|d| d.role == owner && d.kind == kind && d.schema.map(Oid) == schema).map(|d| &d.acl)
        };
        let (global, local) = (find(None), schema.and_then(|s| find(Some(s))));
        if global.is_none() && local.is_none() {
            return None;
        }
        let built_in = Acl::default_for(kind, owner);
        let mut acl = global.cloned().unwrap_or_else(|| built_in.clone());
        if let Some(local) = local {
            acl.merge(local);
        }
        (!acl.is_equivalent(&built_in)).then_some(acl)
    }

    /// Relations that a role can read or write although no row policy stands in the way: tables without row security, views that run
    /// as their owner, materialized views. Promise "closed by default" lists them. Sequences are not counted.
    pub fn open_relations(&self, role: &str) -> Vec<&Arc<Relation>> {
        let reach = Privileges::SELECT.with(Privileges::INSERT).with(Privileges::UPDATE).with(Privileges::DELETE);
        self.relations()
            .filter(|r| match r.kind {
                RelationKind::Table => !r.row_security,
                RelationKind::View => !r.view.as_ref().is_some_and(|v| v.security_invoker),
                RelationKind::MaterializedView => true,
                RelationKind::Sequence => false,
            })
            .filter(|r| {
                self.schema_by_oid(Oid(r.schema)).is_some_and(|s| self.schema_privileges(role, s).contains(Privileges::USAGE))
            })
            .filter(|r| {
                let has = self.column_privileges(role, r);
                !has.table.and(reach).is_empty() || has.columns.iter().any(|(_, p)| !p.and(reach).is_empty())
            })
            .collect()
    }
}

impl Relation {
    /// Which privileges can be granted on it.
    pub fn grant_kind(&self) -> GrantKind {
        match self.kind {
            RelationKind::Sequence => GrantKind::Sequence,
            RelationKind::Table | RelationKind::View | RelationKind::MaterializedView => GrantKind::Table,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
