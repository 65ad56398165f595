//! What a database holds before the user's first migration, as PostgreSQL SQL in numbered versions, run through [`crate::ddl`].
//!
//! An engine makes [`empty_catalog`], runs the versions it has not run yet in order as [`ROLE`], then [`default_privileges`] once.
//! A version is never edited after a release: changes are a new one.

use basalt_catalog::{Catalog, Role, Schema};

use crate::ddl::{self, DdlContext, Step};

/// The role that all of it is run as: `DdlContext::of_role(bootstrap::ROLE)`.
pub const ROLE: &str = "supabase_admin";

/// One step of the built-in schema's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// 1, 2, …
    pub number: u32,
    /// What it is about.
    pub name: &'static str,
    /// PostgreSQL SQL, one transaction.
    pub sql: &'static str,
}

/// All versions, in order.
pub const VERSIONS: &[Version] = &[
    Version { number: 1, name: "init", sql: include_str!("0001_init.sql") },
    Version { number: 2, name: "auth", sql: include_str!("0002_auth.sql") },
    Version { number: 3, name: "storage", sql: include_str!("0003_storage.sql") },
    Version { number: 4, name: "auth_rest", sql: include_str!("0004_auth_rest.sql") },
    Version { number: 5, name: "realtime", sql: include_str!("0005_realtime.sql") },
    Version { number: 6, name: "receipts", sql: include_str!("0006_receipts.sql") },
];

/// The default privileges of new objects in `public`, by `[api] auto_expose_new_tables`.
pub const fn default_privileges(auto_expose: bool) -> &'static str {
    if auto_expose { include_str!("exposed.sql") } else { include_str!("closed.sql") }
}

/// What exists before version 1: the role that runs it, and the schema `public`.
pub fn empty_catalog() -> Catalog {
    let mut catalog = Catalog::new();
    catalog.put_role(Role {
        name: ROLE.to_owned(),
        superuser: true,
        bypass_rls: true,
        inherit: true,
        login: true,
        member_of: Vec::new(),
        config: Vec::new(),
    });
    let oid = catalog.allocate_oid().0;
    catalog.put_schema(Schema { oid, name: "public".to_owned(), owner: ROLE.to_owned(), acl: None, comment: None });
    catalog
}

/// The whole built-in catalog with the steps that make its storage: for tests, reports and engines that start afresh.
///
/// # Errors
/// None in a released program: a test applies all versions.
pub fn catalog(auto_expose: bool) -> ddl::Result<(Catalog, Vec<Step>)> {
    let mut catalog = empty_catalog();
    let mut steps = Vec::new();
    for text in VERSIONS.iter().map(|v| v.sql).chain([default_privileges(auto_expose)]) {
        let mut ctx = DdlContext::of_role(ROLE);
        for located in crate::parse::file(text)? {
            steps.extend(ddl::apply(&mut catalog, &located.statement, &mut ctx).map_err(|e| e.at(located.pos))?);
        }
    }
    Ok((catalog, steps))
}

#[cfg(test)]
mod tests;
