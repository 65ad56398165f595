//! A role's rights, looked up once for many questions: the rules of [`crate::privilege`] for one role.

use crate::acl::{Acl, GrantKind, Privileges};
use crate::privilege::{ApplicablePolicies, ColumnPrivileges};
use crate::relation::{PolicyCommand, Relation};
use crate::{Catalog, Function, Schema};

/// A role with every role whose privileges it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    superuser: bool,
    bypass_rls: bool,
    /// The role and, through INHERIT, the roles it is a member of.
    roles: Vec<String>,
}

impl Rights {
    /// A role's rights as `current_user`; a role that does not exist has none but PUBLIC's.
    pub fn of(catalog: &Catalog, role: &str) -> Self {
        let own = catalog.role(role);
        Self {
            superuser: own.is_some_and(|r| r.superuser),
            bypass_rls: own.is_some_and(|r| r.bypass_rls),
            roles: catalog.memberships(role, true).into_iter().map(str::to_owned).collect(),
        }
    }

    /// The rights of a superuser, whatever it is called.
    pub fn unlimited() -> Self {
        Self { superuser: true, bypass_rls: true, roles: Vec::new() }
    }

    /// Superusers pass every check.
    pub fn is_superuser(&self) -> bool {
        self.superuser
    }

    /// Whether the role has the privileges of `other` without SET ROLE: itself, superusers, and members as far as they INHERIT.
    pub fn acts_as(&self, other: &str) -> bool {
        self.superuser || self.roles.iter().any(|r| r == other)
    }

    /// What an access control list gives; `None` is the built-in default of the kind.
    ///
    /// An owner has what the list says, like everybody (it can be revoked from the owner too); superusers have all.
    pub fn privileges(&self, acl: Option<&Acl>, owner: &str, kind: GrantKind) -> Privileges {
        if self.superuser {
            return Privileges::all_of(kind);
        }
        acl.map_or_else(|| self.listed(&Acl::default_for(kind, owner)), |acl| self.listed(acl))
    }

    /// What a list gives to the roles acted as and to PUBLIC.
    fn listed(&self, acl: &Acl) -> Privileges {
        acl.0
            .iter()
            .filter(|item| item.grantee.is_empty() || self.roles.contains(&item.grantee))
            .fold(Privileges::NONE, |all, item| all.with(item.privileges))
    }

    /// Privileges on a relation as a whole.
    pub fn on_relation(&self, relation: &Relation) -> Privileges {
        self.privileges(relation.acl.as_ref(), &relation.owner, relation.grant_kind())
    }

    /// Whether privileges on a column are given, by the relation or by the column. A column's own list never stands for the owner's:
    /// without one the relation decides.
    pub fn on_column(&self, relation: &Relation, attnum: i16, wanted: Privileges) -> bool {
        let own = || relation.column_at(attnum).and_then(|c| c.acl.as_ref()).map_or(Privileges::NONE, |acl| self.listed(acl));
        let table = self.on_relation(relation);
        table.contains(wanted) || table.with(own()).contains(wanted)
    }

    /// Privileges on a relation and, beyond those, on its columns.
    pub fn on_columns(&self, relation: &Relation) -> ColumnPrivileges {
        let columns = relation
            .columns
            .iter()
            .filter_map(|c| Some((c.attnum, self.listed(c.acl.as_ref()?))))
            .filter(|(_, p)| !p.is_empty())
            .collect();
        ColumnPrivileges { table: self.on_relation(relation), columns }
    }

    /// Privileges on a schema.
    pub fn on_schema(&self, schema: &Schema) -> Privileges {
        self.privileges(schema.acl.as_ref(), &schema.owner, GrantKind::Schema)
    }

    /// Privileges on a function; PUBLIC has EXECUTE unless revoked.
    pub fn on_function(&self, function: &Function) -> Privileges {
        self.privileges(function.acl.as_ref(), &function.owner, GrantKind::Function)
    }

    /// What `nextval` needs.
    pub fn may_advance(&self, sequence: &Relation) -> bool {
        let granted = self.on_relation(sequence);
        granted.contains(Privileges::USAGE) || granted.contains(Privileges::UPDATE)
    }

    /// Whether row security restricts the role on no table: superusers and BYPASSRLS, the role's own attribute, which is not inherited.
    pub fn is_above_policies(&self) -> bool {
        self.superuser || self.bypass_rls
    }

    /// Whether the role is exempt as the owner, which FORCE ROW LEVEL SECURITY ends.
    pub fn is_exempt_owner(&self, relation: &Relation) -> bool {
        !relation.force_row_security && self.acts_as(&relation.owner)
    }

    /// Whether row security never restricts the role on a table, be it enabled or not.
    pub fn bypasses_rls(&self, relation: &Relation) -> bool {
        self.is_above_policies() || self.is_exempt_owner(relation)
    }

    /// The policies for one command, restrictive ones by name (the order in which PostgreSQL checks them).
    ///
    /// `command` is what the statement needs; FOR ALL policies belong to each. Asking for [`PolicyCommand::All`] gives only those.
    pub fn policies_for<'a>(&self, relation: &'a Relation, command: PolicyCommand) -> ApplicablePolicies<'a> {
        let mut found = ApplicablePolicies::default();
        for policy in &relation.policies {
            let for_command = policy.command == PolicyCommand::All || policy.command == command;
            let for_role = policy.roles.is_empty() || policy.roles.iter().any(|r| self.acts_as(r));
            if for_command && for_role {
                let list = if policy.permissive { &mut found.permissive } else { &mut found.restrictive };
                list.push(policy);
            }
        }
        found.restrictive.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }
}
