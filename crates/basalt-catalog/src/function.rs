//! The user's functions.

use serde::{Deserialize, Serialize};

use basalt_types::{Oid, TypeRef};

use crate::acl::Acl;
use crate::{Catalog, OidNumber, TypeKind};

/// A function or procedure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Function {
    pub oid: OidNumber,
    pub schema: OidNumber,
    pub name: String,
    pub owner: String,
    pub procedure: bool,
    pub args: Vec<FunctionArg>,
    /// Result type (an element when `setof`); RECORD for RETURNS TABLE and several OUT parameters.
    pub returns: OidNumber,
    pub setof: bool,
    /// `sql` or `plpgsql`.
    pub language: String,
    pub body: String,
    pub volatility: Volatility,
    pub strict: bool,
    /// An aggregate: not callable by itself.
    #[serde(default)]
    pub aggregate: bool,
    /// ROWS 1: a set of at most one row.
    #[serde(default)]
    pub one_row: bool,
    pub security_definer: bool,
    /// SET clauses.
    pub config: Vec<(String, Vec<String>)>,
    /// `None`: EXECUTE for PUBLIC and the owner.
    pub acl: Option<Acl>,
    pub comment: Option<String>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct FunctionArg {
    pub name: String,
    pub mode: ArgMode,
    pub ty: OidNumber,
    pub default: Option<String>,
}

/// Parameter modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ArgMode {
    In,
    Out,
    InOut,
    Variadic,
    Table,
}

/// Volatility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// A conversion between types by a function of the users (CREATE CAST).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    /// From.
    pub source: OidNumber,
    /// To.
    pub target: OidNumber,
    /// By.
    pub function: OidNumber,
    /// AS IMPLICIT.
    pub implicit: bool,
}

impl Function {
    /// The columns of its rows: OUT and TABLE parameters, the fields of a composite type, the columns of a table. None: it gives
    /// plain values (or records that only the caller describes).
    pub fn row_columns(&self, catalog: &Catalog) -> Vec<(String, TypeRef)> {
        let declared: Vec<_> = self.outputs().map(|arg| (arg.name.clone(), TypeRef::of(Oid(arg.ty)))).collect();
        let base = catalog.base_type(TypeRef::of(Oid(self.returns))).oid;
        match catalog.type_by_oid(base).filter(|def| declared.is_empty() && def.oid == base.0).map(|def| &def.kind) {
            Some(TypeKind::Composite { fields }) => {
                fields.iter().map(|(name, ty, typmod)| (name.clone(), TypeRef { oid: Oid(*ty), typmod: *typmod })).collect()
            }
            Some(TypeKind::Row { relation }) => match catalog.relation_by_oid(Oid(*relation)) {
                Some(relation) => relation.columns.iter().map(|c| (c.name.clone(), c.type_ref())).collect(),
                None => Vec::new(),
            },
            _ => declared,
        }
    }

    /// Whether it gives rows rather than one plain value: a set, several columns, a composite value, a record.
    pub fn gives_rows(&self, catalog: &Catalog) -> bool {
        self.setof
            || Oid(self.returns) == basalt_types::pg::oid::RECORD
            || self.outputs().next().is_none() && !self.row_columns(catalog).is_empty()
    }

    /// The schemas of its own SET search_path, `"$user"` resolved; `None` without one: the caller's.
    pub fn search_path(&self, current_user: &str) -> Option<Vec<String>> {
        let (_, values) = self.config.iter().find(|(name, _)| name == "search_path")?;
        let named = values.iter().filter(|schema| !schema.is_empty());
        Some(named.map(|schema| if schema == "$user" { current_user.to_owned() } else { schema.clone() }).collect())
    }

    /// The parameters a caller gives values to, in order.
    pub fn inputs(&self) -> impl Iterator<Item = &FunctionArg> {
        self.args.iter().filter(|arg| matches!(arg.mode, ArgMode::In | ArgMode::InOut | ArgMode::Variadic))
    }

    /// The columns of the result that parameters declare: OUT, INOUT and RETURNS TABLE.
    pub fn outputs(&self) -> impl Iterator<Item = &FunctionArg> {
        self.args.iter().filter(|arg| matches!(arg.mode, ArgMode::Out | ArgMode::InOut | ArgMode::Table))
    }
}
