//! What a database has, read from PostgreSQL's system catalogs into our own form of them.
//!
//! Each kind of object is one query that answers JSON in the shape `basalt_catalog` reads. OIDs are PostgreSQL's own, except that
//! citext, which has another in every database, gets the number it has everywhere in Basalt. PostgreSQL's own schemas are left out.

use std::collections::HashMap;

use basalt_catalog::{Cast, Catalog, Extension, Function, Publication, Relation, Role, Schema, TypeDef, TypeKind};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, SqlError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Client;

use crate::{error, origins};

/// Schemas that are PostgreSQL's.
const NOT_OURS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'";

/// Privileges as [`basalt_catalog::Privileges`] numbers them.
const PRIVILEGES: &str = "(VALUES ('SELECT', 1), ('INSERT', 2), ('UPDATE', 4), ('DELETE', 8), ('TRUNCATE', 16), ('REFERENCES', 32), \
     ('TRIGGER', 64), ('EXECUTE', 128), ('USAGE', 256), ('CREATE', 512), ('MAINTAIN', 1024)) AS p (name, bit)";

/// An `aclitem[]` as [`basalt_catalog::Acl`].
fn acl(column: &str) -> String {
    format!(
        "(SELECT jsonb_agg(jsonb_build_object('grantee', CASE WHEN g.grantee = 0 THEN '' ELSE pg_get_userbyid(g.grantee) END, \
         'grantor', pg_get_userbyid(g.grantor), 'privileges', g.bits, 'grant_options', g.options)) \
         FROM (SELECT x.grantee, x.grantor, sum(p.bit) AS bits, \
         coalesce(sum(p.bit) FILTER (WHERE x.is_grantable), 0) AS options \
         FROM aclexplode({column}) AS x JOIN {PRIVILEGES} ON p.name = x.privilege_type GROUP BY x.grantee, x.grantor) AS g)"
    )
}

fn schemas() -> String {
    format!(
        "SELECT jsonb_build_object('oid', n.oid::int8, 'name', n.nspname, 'owner', pg_get_userbyid(n.nspowner), 'acl', {}, \
         'comment', obj_description(n.oid, 'pg_namespace')) FROM pg_namespace AS n WHERE {NOT_OURS} ORDER BY n.oid",
        acl("n.nspacl")
    )
}

const ROLES: &str = "SELECT jsonb_build_object('name', r.rolname, 'superuser', r.rolsuper, 'bypass_rls', r.rolbypassrls, \
     'inherit', r.rolinherit, 'login', r.rolcanlogin, \
     'member_of', coalesce((SELECT jsonb_agg(DISTINCT pg_get_userbyid(m.roleid)) FROM pg_auth_members AS m WHERE m.member = r.oid), '[]'), \
     'config', coalesce((SELECT jsonb_agg(jsonb_build_array(split_part(c, '=', 1), substr(c, strpos(c, '=') + 1))) \
         FROM unnest(r.rolconfig) AS c), '[]')) FROM pg_roles AS r ORDER BY r.rolname";

/// Types that have no row in our table of built-in ones: enums, domains, composites, rows of tables, and any other.
fn types() -> String {
    let known: Vec<String> = pg::builtins().iter().map(|row| row.oid.0.to_string()).collect();
    format!(
        "SELECT jsonb_build_object('oid', t.oid::int8, 'array_oid', t.typarray::int8, 'schema', t.typnamespace::int8, 'name', t.typname, \
         'owner', pg_get_userbyid(t.typowner), 'acl', {}, 'comment', obj_description(t.oid, 'pg_type'), 'kind', CASE t.typtype \
         WHEN 'e' THEN jsonb_build_object('Enum', jsonb_build_object('labels', \
             (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid))) \
         WHEN 'd' THEN jsonb_build_object('Domain', jsonb_build_object('base', t.typbasetype::int8, 'typmod', t.typtypmod, \
             'not_null', t.typnotnull, 'default', t.typdefault, 'checks', \
             coalesce((SELECT jsonb_agg(jsonb_build_array(c.conname, pg_get_expr(c.conbin, 0)) ORDER BY c.conname) \
                 FROM pg_constraint AS c WHERE c.contypid = t.oid AND c.contype = 'c'), '[]'))) \
         WHEN 'c' THEN CASE WHEN (SELECT c.relkind FROM pg_class AS c WHERE c.oid = t.typrelid) <> 'c' \
             THEN jsonb_build_object('Row', jsonb_build_object('relation', t.typrelid::int8)) ELSE jsonb_build_object('Composite', jsonb_build_object('fields', \
             coalesce((SELECT jsonb_agg(jsonb_build_array(a.attname, a.atttypid::int8, a.atttypmod) ORDER BY a.attnum) \
                 FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))) END \
         ELSE '\"Other\"'::jsonb END) \
         FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace \
         WHERE t.typcategory <> 'A' AND (t.typtype <> 'p' OR n.nspname = 'pg_catalog') AND ({NOT_OURS} \
             OR n.nspname = 'pg_catalog' AND t.oid < {first} AND t.typtype <> 'c' AND t.oid NOT IN ({known})) \
         AND (t.typrelid = 0 OR (SELECT c.relkind FROM pg_class AS c WHERE c.oid = t.typrelid) IN ('c', 'r', 'v', 'm', 'f', 'p')) ORDER BY t.oid",
        acl("t.typacl"),
        first = pg::FIRST_USER_OID,
        known = known.join(", ")
    )
}

fn relations() -> String {
    let columns = format!(
        "SELECT jsonb_agg(jsonb_build_object('attnum', a.attnum, 'name', a.attname, 'ty', a.atttypid::int8, 'typmod', a.atttypmod, \
         'not_null', a.attnotnull, 'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END, \
         'identity', CASE WHEN a.attidentity <> '' THEN jsonb_build_object('always', a.attidentity = 'a', 'sequence', \
             coalesce((SELECT s.objid::int8 FROM pg_depend AS s WHERE s.classid = 'pg_class'::regclass AND s.refclassid = 'pg_class'::regclass \
                 AND s.refobjid = a.attrelid AND s.refobjsubid = a.attnum AND s.deptype = 'i' LIMIT 1), 0)) END, \
         'generated', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END, \
         'collation', (SELECT l.collname FROM pg_collation AS l WHERE l.oid = a.attcollation AND l.collname <> 'default'), \
         'acl', {}, 'comment', col_description(a.attrelid, a.attnum)) ORDER BY a.attnum) \
         FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped",
        acl("a.attacl")
    );
    let actions = |column: &str| {
        format!(
            "CASE k.{column} WHEN 'r' THEN 'Restrict' WHEN 'c' THEN 'Cascade' WHEN 'n' THEN 'SetNull' WHEN 'd' THEN 'SetDefault' ELSE 'NoAction' END"
        )
    };
    let constraints = format!(
        "SELECT jsonb_agg(jsonb_build_object('oid', k.oid::int8, 'name', k.conname, \
         'deferral', jsonb_build_object('deferrable', k.condeferrable, 'initially_deferred', k.condeferred), 'validated', k.convalidated, \
         'comment', obj_description(k.oid, 'pg_constraint'), 'kind', CASE k.contype \
         WHEN 'c' THEN jsonb_build_object('Check', jsonb_build_object('expr', pg_get_expr(k.conbin, k.conrelid))) \
         WHEN 'u' THEN jsonb_build_object('Unique', jsonb_build_object('columns', to_jsonb(k.conkey), 'nulls_not_distinct', \
             coalesce((SELECT (to_jsonb(i) ->> 'indnullsnotdistinct')::boolean FROM pg_index AS i WHERE i.indexrelid = k.conindid), false))) \
         WHEN 'p' THEN jsonb_build_object('PrimaryKey', jsonb_build_object('columns', to_jsonb(k.conkey))) \
         ELSE jsonb_build_object('ForeignKey', jsonb_build_object('columns', to_jsonb(k.conkey), 'target', k.confrelid::int8, \
             'target_columns', to_jsonb(k.confkey), 'on_delete', {}, 'on_update', {}, 'match_full', k.confmatchtype = 'f', \
             'set_columns', coalesce(nullif(to_jsonb(k) -> 'confdelsetcols', 'null'), '[]'))) END) ORDER BY k.oid) \
         FROM pg_constraint AS k WHERE k.conrelid = c.oid AND (k.contype IN ('c', 'u', 'p') OR k.contype = 'f' AND k.conparentid = 0)",
        actions("confdeltype"),
        actions("confupdtype")
    );
    let indexes = "SELECT jsonb_agg(jsonb_build_object('oid', i.indexrelid::int8, 'name', x.relname, 'unique', i.indisunique, \
         'nulls_not_distinct', coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false), \
         'keys', (SELECT jsonb_agg(jsonb_build_object('term', CASE WHEN i.indkey[n - 1] <> 0 \
                 THEN jsonb_build_object('Column', i.indkey[n - 1]) \
                 ELSE jsonb_build_object('Expr', pg_get_indexdef(i.indexrelid, n, false)) END, \
             'descending', i.indoption[n - 1] & 1 = 1, 'nulls_first', i.indoption[n - 1] & 2 = 2) ORDER BY n) \
             FROM generate_series(1, i.indnkeyatts) AS n), \
         'include', coalesce((SELECT jsonb_agg(i.indkey[n - 1] ORDER BY n) FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS n), '[]'), \
         'filter', pg_get_expr(i.indpred, i.indrelid), 'method', m.amname, \
         'constraint', (SELECT k.oid::int8 FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('u', 'p') LIMIT 1), \
         'comment', obj_description(i.indexrelid, 'pg_class')) ORDER BY i.indexrelid) \
         FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_am AS m ON m.oid = x.relam \
         WHERE i.indrelid = c.oid AND i.indisvalid AND x.relkind IN ('i', 'I')";
    let policies = "SELECT jsonb_agg(jsonb_build_object('name', o.polname, 'permissive', o.polpermissive, \
         'command', CASE o.polcmd WHEN 'r' THEN 'Select' WHEN 'a' THEN 'Insert' WHEN 'w' THEN 'Update' WHEN 'd' THEN 'Delete' ELSE 'All' END, \
         'roles', CASE WHEN 0 = ANY (o.polroles) THEN '[]' ELSE \
             (SELECT jsonb_agg(pg_get_userbyid(r)) FROM unnest(o.polroles) AS r) END, \
         'using', pg_get_expr(o.polqual, o.polrelid), 'check', pg_get_expr(o.polwithcheck, o.polrelid), \
         'comment', obj_description(o.oid, 'pg_policy')) ORDER BY o.polname) FROM pg_policy AS o WHERE o.polrelid = c.oid";
    let triggers = "SELECT jsonb_agg(jsonb_build_object('name', t.tgname, \
         'timing', CASE WHEN t.tgtype & 64 = 64 THEN 'InsteadOf' WHEN t.tgtype & 2 = 2 THEN 'Before' ELSE 'After' END, \
         'events', jsonb_build_object('insert', t.tgtype & 4 = 4, 'delete', t.tgtype & 8 = 8, 'update', t.tgtype & 16 = 16, \
             'truncate', t.tgtype & 32 = 32), 'update_of', '[]'::jsonb, 'for_each_row', t.tgtype & 1 = 1, 'when', null, \
         'function', t.tgfoid::int8, 'args', '[]'::jsonb, 'enabled', t.tgenabled <> 'D', 'comment', null) ORDER BY t.tgname) \
         FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal";
    format!(
        "SELECT jsonb_build_object('oid', c.oid::int8, 'schema', c.relnamespace::int8, 'name', c.relname, \
         'kind', CASE c.relkind WHEN 'v' THEN 'View' WHEN 'm' THEN 'MaterializedView' WHEN 'S' THEN 'Sequence' ELSE 'Table' END, \
         'owner', pg_get_userbyid(c.relowner), 'columns', coalesce(({columns}), '[]'), 'constraints', coalesce(({constraints}), '[]'), \
         'indexes', coalesce(({indexes}), '[]'), 'policies', coalesce(({policies}), '[]'), 'triggers', coalesce(({triggers}), '[]'), \
         'row_security', c.relrowsecurity, 'force_row_security', c.relforcerowsecurity, 'acl', {}, \
         'comment', obj_description(c.oid, 'pg_class'), \
         'view', CASE WHEN c.relkind IN ('v', 'm') THEN jsonb_build_object('query', rtrim(pg_get_viewdef(c.oid), ';'), \
             'security_invoker', coalesce((SELECT lower(split_part(o, '=', 2)) IN ('true', 'on', 'yes', '1') FROM unnest(c.reloptions) AS o \
                 WHERE o LIKE 'security_invoker=%'), false), \
             'check_option', (SELECT split_part(o, '=', 2) FROM unnest(c.reloptions) AS o WHERE o LIKE 'check_option=%')) END, \
         'sequence', (SELECT jsonb_build_object('ty', s.seqtypid::int8, 'start', s.seqstart, 'increment', s.seqincrement, 'min', s.seqmin, \
             'max', s.seqmax, 'cycle', s.seqcycle, 'cache', s.seqcache, 'owned_by', null) FROM pg_sequence AS s WHERE s.seqrelid = c.oid), \
         'replica_identity', CASE c.relreplident WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing' ELSE 'default' END, \
         'next_attnum', c.relnatts + 1, 'partition', c.relispartition, \
         'writes', CASE WHEN c.relkind IN ('v', 'f') THEN (SELECT jsonb_build_object('insert', w.may & 8 = 8, 'update', w.may & 4 = 4, \
             'delete', w.may & 16 = 16) FROM (SELECT pg_relation_is_updatable(c.oid, true) AS may) AS w) END) \
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND {NOT_OURS} ORDER BY c.oid",
        acl("c.relacl")
    )
}

fn functions() -> String {
    format!(
        "SELECT jsonb_build_object('oid', f.oid::int8, 'schema', f.pronamespace::int8, 'name', f.proname, 'owner', pg_get_userbyid(f.proowner), \
         'procedure', f.prokind = 'p', 'args', coalesce((SELECT jsonb_agg(jsonb_build_object('name', coalesce(f.proargnames[n], ''), \
             'mode', CASE coalesce(f.proargmodes[n], 'i') WHEN 'o' THEN 'Out' WHEN 'b' THEN 'InOut' WHEN 'v' THEN 'Variadic' WHEN 't' THEN 'Table' \
                 ELSE 'In' END, \
             'ty', coalesce(f.proallargtypes[n], f.proargtypes[n - 1])::int8, \
             'default', pg_get_function_arg_default(f.oid, n)) ORDER BY n) \
             FROM generate_series(1, coalesce(array_length(f.proallargtypes, 1), f.pronargs)) AS n), '[]'), \
         'returns', f.prorettype::int8, 'setof', f.proretset, 'language', l.lanname, 'body', CASE WHEN e.objid IS NULL THEN f.prosrc ELSE '' END, \
         'aggregate', f.prokind = 'a', 'one_row', f.proretset AND f.prorows = 1, \
         'volatility', CASE f.provolatile WHEN 'i' THEN 'Immutable' WHEN 's' THEN 'Stable' ELSE 'Volatile' END, 'strict', f.proisstrict, \
         'security_definer', f.prosecdef, 'config', coalesce((SELECT jsonb_agg(jsonb_build_array(split_part(c, '=', 1), \
             jsonb_build_array(substr(c, strpos(c, '=') + 1)))) FROM unnest(f.proconfig) AS c), '[]'), \
         'acl', {}, 'comment', obj_description(f.oid, 'pg_proc')) \
         FROM pg_proc AS f JOIN pg_namespace AS n ON n.oid = f.pronamespace JOIN pg_language AS l ON l.oid = f.prolang \
         LEFT JOIN pg_depend AS e ON e.classid = 'pg_proc'::regclass AND e.objid = f.oid AND e.deptype = 'e' \
         WHERE f.prokind IN ('f', 'p', 'a') AND {NOT_OURS} ORDER BY f.oid",
        acl("f.proacl")
    )
}

/// Conversions by functions, made after the database was.
fn casts() -> String {
    format!(
        "SELECT jsonb_build_object('source', c.castsource::int8, 'target', c.casttarget::int8, 'function', c.castfunc::int8, \
         'implicit', c.castcontext = 'i') FROM pg_cast AS c WHERE c.castmethod = 'f' AND c.oid >= {} ORDER BY c.oid",
        pg::FIRST_USER_OID
    )
}

const PUBLICATIONS: &str = "SELECT jsonb_build_object('name', p.pubname, 'all_tables', p.puballtables, 'tables', \
     coalesce((SELECT jsonb_agg(r.prrelid::int8) FROM pg_publication_rel AS r WHERE r.prpubid = p.oid), '[]')) FROM pg_publication AS p";

const EXTENSIONS: &str = "SELECT jsonb_build_object('name', e.extname, 'schema', n.nspname) \
     FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace";

/// A number that changes with the schema: what the last transactions were that touched the system catalogs, and how much is in them.
pub(crate) const FINGERPRINT: &str = "SELECT md5(string_agg(x, '/')) FROM ( \
     SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) AS x FROM pg_class \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_attribute WHERE attrelid >= 16384 \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_attrdef \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_constraint \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_proc WHERE oid >= 16384 \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_cast \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_type WHERE oid >= 16384 \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_enum \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_policy \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_trigger \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_namespace \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_description \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(xmin::text || ctid::text)), 0) FROM pg_auth_members \
     UNION ALL SELECT count(*) || ':' || coalesce(sum(hashtext(r.*::text)), 0) FROM pg_roles AS r) AS all_of_it";

/// An array type that is not ours, with its element.
#[derive(Debug, Deserialize)]
struct ArrayOf {
    array: u32,
    element: u32,
}

async fn all<T: DeserializeOwned>(client: &Client, sql: &str) -> Result<Vec<T>, SqlError> {
    let rows = client.query(&format!("SELECT q.j::text FROM ({}) AS q (j)", sql), &[]).await.map_err(|e| error::of(&e))?;
    rows.iter()
        .map(|row| {
            let text: &str = row.try_get(0).map_err(|e| error::of(&e))?;
            serde_json::from_str(text).map_err(|e| SqlError::internal(format!("a system catalog says something unknown: {e}")))
        })
        .collect()
}

/// Reads everything as of one moment. The catalog's version is the caller's to set.
///
/// # Errors
/// What the connection reports.
pub(crate) async fn catalog(client: &Client) -> Result<Catalog, SqlError> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(|e| error::of(&e))?;
    let read = within(client).await;
    client.batch_execute("ROLLBACK").await.map_err(|e| error::of(&e))?;
    read
}

pub(crate) async fn within(client: &Client) -> Result<Catalog, SqlError> {
    // Names in printed expressions carry their schema, whoever reads them.
    client.batch_execute("SET LOCAL search_path = pg_catalog").await.map_err(|e| error::of(&e))?;
    let mut catalog = Catalog::new();
    catalog.set_native();
    let renumber = citext(client).await?;
    let number = |ty: &mut u32| {
        if let Some(ours) = renumber.get(ty) {
            *ty = *ours;
        }
    };
    for schema in all::<Schema>(client, &schemas()).await? {
        catalog.put_schema(schema);
    }
    for role in all::<Role>(client, ROLES).await? {
        catalog.put_role(role);
    }
    for mut def in all::<TypeDef>(client, &types()).await? {
        match &mut def.kind {
            TypeKind::Domain { base, .. } => number(base),
            TypeKind::Composite { fields } => fields.iter_mut().for_each(|(_, ty, _)| number(ty)),
            TypeKind::Enum { .. } | TypeKind::Row { .. } | TypeKind::Other => {}
        }
        if !renumber.contains_key(&def.oid) {
            catalog.put_type(def);
        }
    }
    let trees = view_trees(client).await?;
    for mut relation in all::<Relation>(client, &relations()).await? {
        if let (Some(view), Some(tree)) = (&mut relation.view, trees.get(&relation.oid)) {
            view.origins = origins::origins(tree);
        }
        relation.columns.iter_mut().for_each(|column| number(&mut column.ty));
        catalog.put_relation(relation);
    }
    for mut function in all::<Function>(client, &functions()).await? {
        number(&mut function.returns);
        function.args.iter_mut().for_each(|arg| number(&mut arg.ty));
        catalog.put_function(function);
    }
    let mut casts = all::<Cast>(client, &casts()).await?;
    for cast in &mut casts {
        number(&mut cast.source);
        number(&mut cast.target);
    }
    catalog.set_casts(casts);
    for publication in all::<Publication>(client, PUBLICATIONS).await? {
        catalog.put_publication(publication);
    }
    for extension in all::<Extension>(client, EXTENSIONS).await? {
        catalog.put_extension(extension);
    }
    Ok(catalog)
}

/// The queries of views as PostgreSQL keeps them, by the view's number.
async fn view_trees(client: &Client) -> Result<HashMap<u32, String>, SqlError> {
    let sql = format!(
        "SELECT c.oid, r.ev_action::text FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class \
         JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND r.ev_type = '1' AND {NOT_OURS}"
    );
    let rows = client.query(&sql, &[]).await.map_err(|e| error::of(&e))?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map_err(|e| error::of(&e))
}

/// This database's numbers of citext and its array, and ours.
async fn citext(client: &Client) -> Result<HashMap<u32, u32>, SqlError> {
    let sql = "SELECT jsonb_build_object('array', t.typarray::int8, 'element', t.oid::int8) FROM pg_type AS t \
         JOIN pg_depend AS d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e' \
         JOIN pg_extension AS e ON e.oid = d.refobjid WHERE e.extname = 'citext' AND t.typname = 'citext'";
    let found: Vec<ArrayOf> = all(client, sql).await?;
    let Oid(one) = oid::CITEXT;
    let Oid(many) = oid::CITEXT_ARRAY;
    Ok(found.iter().flat_map(|t| [(t.element, one), (t.array, many)]).collect())
}
