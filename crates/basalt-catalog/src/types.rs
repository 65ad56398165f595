//! User-defined types.

use serde::{Deserialize, Serialize};

use crate::OidNumber;
use crate::acl::Acl;

/// A user-defined type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TypeDef {
    pub oid: OidNumber,
    pub array_oid: OidNumber,
    pub schema: OidNumber,
    pub name: String,
    pub owner: String,
    pub acl: Option<Acl>,
    pub comment: Option<String>,
    pub kind: TypeKind,
}

impl TypeDef {
    /// The type of a table's or view's rows, under the relation's own identity.
    pub(crate) fn of_rows(relation: &crate::Relation) -> Self {
        Self {
            oid: relation.oid,
            array_oid: 0,
            schema: relation.schema,
            name: relation.name.clone(),
            owner: relation.owner.clone(),
            acl: None,
            comment: None,
            kind: TypeKind::Row { relation: relation.oid },
        }
    }
}

/// Kinds of user-defined type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum TypeKind {
    /// Labels in order.
    Enum { labels: Vec<String> },
    /// A domain over a base type, with named checks on VALUE (canonical text).
    Domain { base: OidNumber, typmod: i32, not_null: bool, default: Option<String>, checks: Vec<(String, String)> },
    /// Fields with type and typmod.
    Composite { fields: Vec<(String, OidNumber, i32)> },
    /// The rows of a table or view, whose name it has.
    Row { relation: OidNumber },
    /// A type whose values only the database itself understands: an extension's, a range.
    Other,
}
