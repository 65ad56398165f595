//! The user's functions.

use serde::{Deserialize, Serialize};

use crate::OidNumber;
use crate::acl::Acl;

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
