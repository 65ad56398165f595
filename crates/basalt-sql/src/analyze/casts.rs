//! Which conversions exist, and how strongly they must be asked for: PostgreSQL's `pg_cast`.

use basalt_catalog::{Catalog, TypeKind};
use basalt_types::pg::oid;
use basalt_types::{Oid, TypeRef};

use super::types;

/// Where a conversion is asked for. Later ones allow all that earlier ones do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CastContext {
    /// An argument of an operator or function.
    Implicit,
    /// A value stored into a column.
    Assignment,
    /// CAST.
    Explicit,
}

use CastContext::{Assignment as A, Explicit as E, Implicit as I};

/// The casts of one source type.
type Casts = &'static [(Oid, CastContext)];

/// Source: `pg_cast.dat` of PostgreSQL 17 and citext's SQL file.
#[rustfmt::skip]
fn from(source: Oid) -> Casts {
    match source {
        oid::INT2 => &[
            (oid::INT8, I), (oid::INT4, I), (oid::FLOAT4, I), (oid::FLOAT8, I), (oid::NUMERIC, I), (oid::OID, I), (oid::REGPROC, I),
            (oid::REGCLASS, I), (oid::REGTYPE, I), (oid::REGROLE, I), (oid::REGNAMESPACE, I),
        ],
        oid::INT4 => &[
            (oid::INT8, I), (oid::INT2, A), (oid::FLOAT4, I), (oid::FLOAT8, I), (oid::NUMERIC, I), (oid::BOOL, E), (oid::CHAR, E), (oid::OID, I),
            (oid::REGPROC, I), (oid::REGCLASS, I), (oid::REGTYPE, I), (oid::REGROLE, I), (oid::REGNAMESPACE, I),
        ],
        oid::INT8 => &[
            (oid::INT2, A), (oid::INT4, A), (oid::FLOAT4, I), (oid::FLOAT8, I), (oid::NUMERIC, I), (oid::OID, I), (oid::REGPROC, I),
            (oid::REGCLASS, I), (oid::REGTYPE, I), (oid::REGROLE, I), (oid::REGNAMESPACE, I),
        ],
        oid::FLOAT4 => &[(oid::INT8, A), (oid::INT2, A), (oid::INT4, A), (oid::FLOAT8, I), (oid::NUMERIC, A)],
        oid::FLOAT8 => &[(oid::INT8, A), (oid::INT2, A), (oid::INT4, A), (oid::FLOAT4, A), (oid::NUMERIC, A)],
        oid::NUMERIC => &[(oid::INT8, A), (oid::INT2, A), (oid::INT4, A), (oid::FLOAT4, I), (oid::FLOAT8, I)],
        oid::BOOL => &[(oid::INT4, E), (oid::TEXT, A), (oid::VARCHAR, A), (oid::BPCHAR, A)],
        oid::OID => &[
            (oid::INT8, A), (oid::INT4, A), (oid::REGPROC, I), (oid::REGCLASS, I), (oid::REGTYPE, I), (oid::REGROLE, I), (oid::REGNAMESPACE, I),
        ],
        oid::REGPROC | oid::REGCLASS | oid::REGTYPE | oid::REGROLE | oid::REGNAMESPACE => &[(oid::OID, I), (oid::INT8, A), (oid::INT4, A)],
        oid::TEXT => &[
            (oid::BPCHAR, I), (oid::VARCHAR, I), (oid::NAME, I), (oid::REGCLASS, I), (oid::CITEXT, A), (oid::CHAR, A), (oid::XML, E),
        ],
        oid::VARCHAR => &[
            (oid::TEXT, I), (oid::BPCHAR, I), (oid::NAME, I), (oid::REGCLASS, I), (oid::CITEXT, A), (oid::CHAR, A), (oid::XML, E),
            (oid::VARCHAR, I),
        ],
        oid::BPCHAR => &[(oid::TEXT, I), (oid::VARCHAR, I), (oid::NAME, I), (oid::CITEXT, A), (oid::CHAR, A), (oid::XML, E)],
        oid::CITEXT => &[(oid::TEXT, I), (oid::VARCHAR, I), (oid::BPCHAR, A)],
        oid::NAME => &[(oid::TEXT, I), (oid::BPCHAR, A), (oid::VARCHAR, A)],
        oid::CHAR => &[(oid::TEXT, I), (oid::BPCHAR, A), (oid::VARCHAR, A), (oid::INT4, E)],
        oid::DATE => &[(oid::TIMESTAMP, I), (oid::TIMESTAMPTZ, I)],
        oid::TIME => &[(oid::INTERVAL, I), (oid::TIMETZ, I)],
        oid::TIMESTAMP => &[(oid::DATE, A), (oid::TIME, A), (oid::TIMESTAMPTZ, I)],
        oid::TIMESTAMPTZ => &[(oid::DATE, A), (oid::TIME, A), (oid::TIMESTAMP, A), (oid::TIMETZ, A)],
        oid::INTERVAL => &[(oid::TIME, A)],
        oid::TIMETZ => &[(oid::TIME, A)],
        oid::INET => &[(oid::CIDR, A), (oid::TEXT, A), (oid::VARCHAR, A), (oid::BPCHAR, A)],
        oid::CIDR => &[(oid::INET, I), (oid::TEXT, A), (oid::VARCHAR, A), (oid::BPCHAR, A)],
        oid::JSON => &[(oid::JSONB, A)],
        oid::JSONB => &[
            (oid::JSON, A), (oid::BOOL, E), (oid::NUMERIC, E), (oid::INT2, E), (oid::INT4, E), (oid::INT8, E), (oid::FLOAT4, E), (oid::FLOAT8, E),
        ],
        oid::XML => &[(oid::TEXT, A), (oid::VARCHAR, A), (oid::BPCHAR, A)],
        _ => &[],
    }
}

/// Whether a value of one type may become another in a context; unknown literals and polymorphic targets are the caller's business.
pub fn exists(catalog: &Catalog, source: Oid, target: Oid, context: CastContext) -> bool {
    let source = types::base_type(catalog, TypeRef::of(source)).oid;
    let target = types::base_type(catalog, TypeRef::of(target)).oid;
    if source == target {
        return true;
    }
    if let Some((_, needed)) = from(source).iter().find(|(to, _)| *to == target) {
        return context >= *needed;
    }
    if let (Some(from), Some(to)) = (types::element(catalog, source), types::element(catalog, target)) {
        return exists(catalog, from, to, context);
    }
    let composite =
        |ty: Oid| catalog.type_by_oid(ty).is_some_and(|def| def.oid == ty.0 && matches!(def.kind, TypeKind::Composite { .. }));
    if target == oid::RECORD && composite(source) {
        return true;
    }
    if source == oid::RECORD && composite(target) {
        return true;
    }
    if types::category(catalog, source) == 'P' || types::category(catalog, target) == 'P' {
        return source == oid::RECORD && context >= A && types::category(catalog, target) == 'S';
    }
    // Through text: to a string type when assigned, from one when cast.
    (context >= A && types::category(catalog, target) == 'S') || (context >= E && types::category(catalog, source) == 'S')
}
