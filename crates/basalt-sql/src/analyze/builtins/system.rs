//! Identifiers, sequences, settings and what PostgreSQL says about itself. `auth.uid()` and friends are session facts, not rows here.

pub(super) const ROWS: &str = "
    gen_random_uuid() uuid volatile
    gen_random_uuid() uuid volatile schema=extensions
    uuid_generate_v4() uuid volatile schema=extensions imp=gen_random_uuid
    uuid_generate_v1() uuid volatile schema=extensions
    uuid_generate_v1mc() uuid volatile schema=extensions
    uuid_generate_v3(uuid, text) uuid schema=extensions
    uuid_generate_v5(uuid, text) uuid schema=extensions
    uuid_nil() uuid schema=extensions
    uuid_ns_dns() uuid schema=extensions
    uuid_ns_url() uuid schema=extensions
    uuid_ns_oid() uuid schema=extensions
    uuid_ns_x500() uuid schema=extensions
    nextval(regclass) int8 volatile
    currval(regclass) int8 volatile
    lastval() int8 volatile
    setval(regclass, int8) int8 volatile
    setval(regclass, int8, bool) int8 volatile
    current_setting(text) text stable
    current_setting(text, bool) text stable
    set_config(text, text, bool) text volatile null
    pg_typeof(any) regtype stable null
    pg_input_is_valid(text, text) bool stable
    pg_advisory_lock(int8) void volatile
    pg_advisory_xact_lock(int8) void volatile
    pg_advisory_xact_lock(int4, int4) void volatile
    pg_try_advisory_xact_lock(int8) bool volatile
    pg_try_advisory_lock(int8) bool volatile
    pg_advisory_unlock(int8) bool volatile
    hashtext(text) int4
    pg_notify(text, text) void volatile null
    pg_trigger_depth() int4 stable
    pg_backend_pid() int4 stable
    pg_column_size(any) int4 stable
    txid_current() int8 stable
    version() text stable
    current_database() name stable
    has_table_privilege(text, text) bool stable
    has_table_privilege(name, text, text) bool stable
    has_schema_privilege(text, text) bool stable
    pg_has_role(name, text) bool stable
    num_nulls(any) int4 null variadic
    num_nonnulls(any) int4 null variadic
    inet_client_addr() inet stable null
    host(inet) text
    masklen(inet) int4
    family(inet) int4
    network(inet) cidr
    broadcast(inet) inet
    netmask(inet) inet
";
