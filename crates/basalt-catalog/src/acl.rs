//! Roles and privileges, as `aclitem[]` says them.

use serde::{Deserialize, Serialize};

use crate::OidNumber;

/// A set of privileges.
///
/// Source: PostgreSQL documentation, "Privileges", table "ACL Privilege Abbreviations".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Privileges(pub u16);

#[allow(missing_docs)]
impl Privileges {
    pub const NONE: Self = Self(0);
    pub const SELECT: Self = Self(1);
    pub const INSERT: Self = Self(1 << 1);
    pub const UPDATE: Self = Self(1 << 2);
    pub const DELETE: Self = Self(1 << 3);
    pub const TRUNCATE: Self = Self(1 << 4);
    pub const REFERENCES: Self = Self(1 << 5);
    pub const TRIGGER: Self = Self(1 << 6);
    pub const EXECUTE: Self = Self(1 << 7);
    pub const USAGE: Self = Self(1 << 8);
    pub const CREATE: Self = Self(1 << 9);
    pub const MAINTAIN: Self = Self(1 << 10);
    pub const ALL_TABLE: Self = Self(0b111_1111 | (1 << 10));
    pub const ALL_COLUMN: Self = Self(1 | (1 << 1) | (1 << 2) | (1 << 5));
    pub const ALL_SEQUENCE: Self = Self(1 | (1 << 2) | (1 << 8));
    pub const ALL_FUNCTION: Self = Self(1 << 7);
    pub const ALL_SCHEMA: Self = Self((1 << 8) | (1 << 9));
    pub const ALL_TYPE: Self = Self(1 << 8);

    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// One entry: what a grantee may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AclItem {
    /// Role name; empty for PUBLIC.
    pub grantee: String,
    /// Who granted.
    pub grantor: String,
    /// What.
    pub privileges: Privileges,
    /// Of those, which may be passed on.
    pub grant_options: Privileges,
}

/// An access control list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Acl(pub Vec<AclItem>);

/// What kind of object default privileges are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum GrantKind {
    Table,
    Sequence,
    Function,
    Type,
    Schema,
}

/// ALTER DEFAULT PRIVILEGES FOR role [IN SCHEMA schema] on a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DefaultAcl {
    /// Objects created by this role.
    pub role: String,
    /// Only in this schema (then the entries add to the global ones), or everywhere (then they replace the built-in default).
    pub schema: Option<OidNumber>,
    /// Which objects.
    pub kind: GrantKind,
    /// The entries.
    pub acl: Acl,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Role {
    pub name: String,
    pub superuser: bool,
    pub bypass_rls: bool,
    pub inherit: bool,
    pub login: bool,
    /// Roles it is a member of.
    pub member_of: Vec<String>,
    /// ALTER ROLE … SET.
    #[serde(default)]
    pub config: Vec<(String, String)>,
}
