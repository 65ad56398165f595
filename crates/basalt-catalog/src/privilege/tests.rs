use proptest::prelude::*;

use crate::acl::{Acl, DefaultAcl, GrantKind, Privileges, Role};
use crate::relation::{Policy, PolicyCommand, Relation, RelationKind};
use crate::{Catalog, Column, Rights, Schema};

fn role(name: &str, inherit: bool, member_of: &[&str]) -> Role {
    Role {
        name: name.into(),
        superuser: name == "postgres",
        bypass_rls: name == "service_role",
        inherit,
        login: false,
        member_of: member_of.iter().map(|s| (*s).to_owned()).collect(),
        config: Vec::new(),
    }
}

fn catalog() -> Catalog {
    let mut c = Catalog::new();
    for r in [
        role("postgres", true, &[]),
        role("anon", true, &[]),
        role("authenticated", true, &[]),
        role("service_role", true, &[]),
        role("authenticator", false, &["anon", "authenticated"]),
        role("staff", true, &["authenticated"]),
        role("boss", true, &["staff"]),
        role("owner", true, &[]),
    ] {
        c.put_role(r);
    }
    c.put_schema(Schema { oid: 1, name: "public".into(), owner: "postgres".into(), acl: None, comment: None });
    c
}

fn table(acl: Option<Acl>) -> Relation {
    let column = |attnum, name: &str| Column {
        attnum,
        name: name.into(),
        ty: 25,
        typmod: -1,
        not_null: false,
        default: None,
        identity: None,
        generated: None,
        collation: None,
        acl: None,
        comment: None,
    };
    Relation {
        oid: 2,
        schema: 1,
        name: "t".into(),
        kind: RelationKind::Table,
        owner: "owner".into(),
        columns: vec![column(1, "a"), column(2, "b")],
        constraints: vec![],
        indexes: vec![],
        policies: vec![],
        triggers: vec![],
        row_security: true,
        force_row_security: false,
        acl,
        comment: None,
        view: None,
        sequence: None,
        replica_identity: "default".into(),
        partition: false,
        writes: None,
        next_attnum: 3,
    }
}

#[test]
fn membership_is_inherited_only_through_roles_that_inherit() {
    let c = catalog();
    assert!(c.has_privileges_of("boss", "authenticated"));
    assert!(!c.has_privileges_of("authenticator", "anon"));
    assert!(c.may_become("authenticator", "anon"));
    assert!(!c.may_become("anon", "authenticator"));
    assert!(c.has_privileges_of("postgres", "anon"));
    assert!(!c.has_privileges_of("nobody", "anon"));
}

#[test]
fn an_owner_can_lose_its_own_privileges() {
    let c = catalog();
    let mut acl = Acl::default_for(GrantKind::Table, "owner");
    assert!(c.has_privilege("owner", Some(&acl), "owner", GrantKind::Table, Privileges::SELECT));
    acl.revoke("owner", "owner", Privileges::ALL_TABLE, false, false).unwrap();
    assert!(!c.has_privilege("owner", Some(&acl), "owner", GrantKind::Table, Privileges::SELECT));
    assert!(c.has_privilege("postgres", Some(&acl), "owner", GrantKind::Table, Privileges::SELECT));
}

#[test]
fn functions_are_executable_by_public_until_revoked() {
    let c = catalog();
    assert!(c.has_privilege("anon", None, "owner", GrantKind::Function, Privileges::EXECUTE));
    assert!(!c.has_privilege("anon", None, "owner", GrantKind::Table, Privileges::SELECT));
    let mut acl = Acl::default_for(GrantKind::Function, "owner");
    acl.revoke("owner", "", Privileges::EXECUTE, false, false).unwrap();
    assert!(!c.has_privilege("anon", Some(&acl), "owner", GrantKind::Function, Privileges::EXECUTE));
}

#[test]
fn column_privileges_add_to_the_tables() {
    let c = catalog();
    let mut acl = Acl::default_for(GrantKind::Table, "owner");
    acl.grant("owner", "anon", Privileges::INSERT, false);
    let mut t = table(Some(acl));
    let mut column = Acl::default();
    column.grant("owner", "anon", Privileges::SELECT, false);
    t.columns[0].acl = Some(column);
    let p = c.column_privileges("anon", &t);
    assert!(p.has(1, Privileges::SELECT) && !p.has(2, Privileges::SELECT) && p.has(2, Privileges::INSERT));
    assert!(p.has_on_any(Privileges::SELECT) && !p.has_on_any(Privileges::UPDATE));
}

#[test]
fn row_security_spares_owner_and_bypass_unless_forced() {
    let c = catalog();
    let mut t = table(None);
    assert!(c.row_security_applies("anon", &t));
    assert!(!c.row_security_applies("owner", &t) && !c.row_security_applies("service_role", &t));
    t.force_row_security = true;
    assert!(c.row_security_applies("owner", &t));
    assert!(!c.row_security_applies("service_role", &t) && !c.row_security_applies("postgres", &t));
}

#[test]
fn policies_are_chosen_by_command_and_role() {
    let c = catalog();
    let policy = |name: &str, permissive, command, roles: &[&str]| Policy {
        name: name.into(),
        permissive,
        command,
        roles: roles.iter().map(|s| (*s).to_owned()).collect(),
        using: None,
        check: None,
        comment: None,
    };
    let mut t = table(None);
    t.policies = vec![
        policy("z", false, PolicyCommand::All, &[]),
        policy("b", true, PolicyCommand::Select, &["authenticated"]),
        policy("a", false, PolicyCommand::Select, &["anon", "authenticated"]),
        policy("c", true, PolicyCommand::Insert, &[]),
    ];
    let names = |role: &str, command| {
        let p = Rights::of(&c, role).policies_for(&t, command);
        let join = |list: &[&Policy]| list.iter().map(|p| p.name.clone()).collect::<String>();
        format!("{}|{}", join(&p.permissive), join(&p.restrictive))
    };
    assert_eq!(names("boss", PolicyCommand::Select), "b|az");
    assert_eq!(names("anon", PolicyCommand::Select), "|az");
    assert_eq!(names("authenticator", PolicyCommand::Insert), "c|z");
    assert_eq!(names("anon", PolicyCommand::Delete), "|z");
}

#[test]
fn default_privileges_replace_globally_and_add_per_schema() {
    let mut c = catalog();
    let schema = basalt_types::Oid(1);
    assert_eq!(c.default_acl("owner", Some(schema), GrantKind::Function), None);
    let mut local = Acl::default();
    local.grant("owner", "anon", Privileges::SELECT, false);
    let entry = |schema, kind, acl| DefaultAcl { role: "owner".into(), schema, kind, acl };
    let global = {
        let mut acl = Acl::default_for(GrantKind::Function, "owner");
        acl.revoke("owner", "", Privileges::EXECUTE, false, false).unwrap();
        acl
    };
    c.set_default_acls(vec![entry(Some(1), GrantKind::Table, local), entry(None, GrantKind::Function, global)]);
    let table = c.default_acl("owner", Some(schema), GrantKind::Table).unwrap();
    assert!(c.has_privilege("anon", Some(&table), "owner", GrantKind::Table, Privileges::SELECT));
    assert!(c.has_privilege("owner", Some(&table), "owner", GrantKind::Table, Privileges::ALL_TABLE));
    assert_eq!(c.default_acl("owner", None, GrantKind::Table), None);
    let function = c.default_acl("owner", Some(schema), GrantKind::Function).unwrap();
    assert!(!c.has_privilege("anon", Some(&function), "owner", GrantKind::Function, Privileges::EXECUTE));
}

#[test]
fn revoke_needs_cascade_when_a_privilege_was_passed_on() {
    let mut acl = Acl::default();
    acl.grant("owner", "staff", Privileges::SELECT, true);
    acl.grant("staff", "anon", Privileges::SELECT, false);
    assert!(acl.revoke("owner", "staff", Privileges::SELECT, true, false).is_err());
    assert_eq!(acl.0.len(), 2);
    acl.revoke("owner", "staff", Privileges::SELECT, true, true).unwrap();
    assert_eq!(crate::print::acl_text(&acl), "staff=r/owner");
}

fn any_acl() -> impl Strategy<Value = Acl> {
    let grant = (0..3usize, 0..4usize, 0..0x7ffu16, any::<bool>());
    proptest::collection::vec(grant, 0..8).prop_map(|grants| {
        let mut acl = Acl::default();
        for (grantor, grantee, bits, option) in grants {
            acl.grant(["owner", "staff", "boss"][grantor], ["", "anon", "staff", "boss"][grantee], Privileges(bits), option);
        }
        acl
    })
}

proptest! {
    #[test]
    fn merge_is_idempotent_and_order_does_not_matter(a in any_acl(), b in any_acl()) {
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b);
        ba.merge(&a);
        prop_assert!(ab.is_equivalent(&ba));
        let mut again = ab.clone();
        again.merge(&b);
        prop_assert!(again.is_equivalent(&ab));
    }

    #[test]
    fn what_is_revoked_is_gone_and_the_rest_stays(a in any_acl(), bits in 0..0x7ffu16) {
        let mut left = a.clone();
        left.revoke("owner", "anon", Privileges(bits), false, true).unwrap();
        let of = |acl: &Acl| acl.0.iter().find(|i| i.grantor == "owner" && i.grantee == "anon").map_or(Privileges::NONE, |i| i.privileges);
        prop_assert_eq!(of(&left), of(&a).without(Privileges(bits)));
        prop_assert!(left.0.iter().all(|i| !i.privileges.is_empty()));
    }

    #[test]
    fn options_never_exceed_privileges(a in any_acl(), b in any_acl()) {
        let mut acl = a;
        acl.merge(&b);
        acl.change_owner("owner", "staff");
        prop_assert!(acl.0.iter().all(|i| i.privileges.contains(i.grant_options)));
    }
}
