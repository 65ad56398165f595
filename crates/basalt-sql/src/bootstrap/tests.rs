use basalt_catalog::Privileges;

use super::catalog;
use crate::ddl::{DdlContext, Reason, apply};

#[test]
fn it_applies_in_both_regimes() {
    for expose in [false, true] {
        let (mut catalog, steps) = match catalog(expose) {
            Ok(made) => made,
            Err(e) => panic!("{e} at {:?}: {:?}", e.pos, e.error),
        };
        assert!(!steps.is_empty());
        assert!(catalog.open_relations("anon").is_empty());
        let mut ctx = DdlContext::default();
        let sql = "create table t (id bigint generated always as identity primary key)";
        let statement = crate::parse::statement(sql).expect("it parses");
        apply(&mut catalog, &statement, &mut ctx).expect("it applies");
        let t = catalog.relation("public", "t").expect("it exists");
        assert_eq!(catalog.relation_privileges("anon", t).contains(Privileges::SELECT), expose);
        assert_eq!(catalog.relation_privileges("service_role", t).contains(Privileges::INSERT), expose);
        assert_eq!(catalog.open_relations("anon").len(), usize::from(expose));
        assert_eq!(t.owner, "postgres");
    }
}

#[test]
fn auth_tables_are_out_of_reach_and_can_be_referred_to() {
    let (mut catalog, _) = catalog(true).expect("it applies");
    let users = catalog.relation("auth", "users").expect("it exists");
    assert!(users.row_security && users.policies.is_empty());
    for role in ["anon", "authenticated", "service_role"] {
        assert!(catalog.column_privileges(role, users).table.is_empty());
    }
    let sql = "create table profiles (id uuid primary key references auth.users on delete cascade)";
    let statement = crate::parse::statement(sql).expect("it parses");
    apply(&mut catalog, &statement, &mut DdlContext::default()).expect("it applies");
    // Whoever runs it as a role of the API gets PostgreSQL's answer.
    let mut anon = DdlContext::of_role("anon");
    let refusal = apply(&mut catalog, &crate::parse::statement("drop table profiles").expect("it parses"), &mut anon);
    let refusal = refusal.expect_err("anon owns nothing");
    assert_eq!((refusal.reason, refusal.error.message.as_str()), (Reason::Invalid, "must be owner of table profiles"));
}
