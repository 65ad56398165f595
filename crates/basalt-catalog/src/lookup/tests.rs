use basalt_types::{TypeRef, pg::oid};

use crate::Catalog;

#[test]
fn type_names_are_postgresqls() {
    let catalog = Catalog::new();
    let rows = [
        (oid::INT4, -1, "integer"),
        (oid::VARCHAR, 24, "character varying(20)"),
        (oid::BPCHAR, 5, "character(1)"),
        (oid::NUMERIC, ((10 << 16) | 2) + 4, "numeric(10,2)"),
        (oid::NUMERIC, ((5 << 16) | (-2 & 0x7ff)) + 4, "numeric(5,-2)"),
        (oid::NUMERIC_ARRAY, ((10 << 16) | 2) + 4, "numeric(10,2)[]"),
        (oid::TIMESTAMPTZ, 3, "timestamp(3) with time zone"),
        (oid::TIMESTAMP, -1, "timestamp without time zone"),
        (oid::INTERVAL, (0x7fff << 16) | 3, "interval(3)"),
        (oid::INTERVAL, (((1 << 3) | (1 << 10)) << 16) | 0xffff, "interval day to hour"),
        (oid::TEXT_ARRAY, -1, "text[]"),
    ];
    for (oid, typmod, expected) in rows {
        assert_eq!(catalog.format_type(TypeRef { oid, typmod }), expected);
    }
}

#[test]
fn near_names_come_first() {
    let names = ["posts", "profiles", "post_tags", "users"];
    assert_eq!(Catalog::similar_names("post", names), ["posts", "post_tags"]);
    assert_eq!(Catalog::similar_names("profile", names), ["profiles"]);
    assert_eq!(Catalog::similar_names("zebra", names), Vec::<&str>::new());
}
