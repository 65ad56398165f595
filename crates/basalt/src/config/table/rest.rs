//! Settings of `/rest/v1`, and what roles may ask of it.

use super::{COUNT, Kind, MS, Setting, cli, number, own};

pub static API_ENABLED: Setting = cli("api.enabled", Kind::Boolean, &[], Some("true"), "Whether /rest/v1 is served.");
pub static SCHEMAS: Setting = cli(
    "api.schemas",
    Kind::List,
    &["PGRST_DB_SCHEMAS"],
    Some("public,graphql_public"),
    "Schemas that /rest/v1 shows; the first is the default.",
);
pub static EXTRA_SEARCH_PATH: Setting = cli(
    "api.extra_search_path",
    Kind::List,
    &["PGRST_DB_EXTRA_SEARCH_PATH"],
    Some("public,extensions"),
    "Schemas searched besides the one asked for.",
);
pub static MAX_ROWS: Setting =
    cli("api.max_rows", number(0, 1 << 40), &["PGRST_DB_MAX_ROWS"], Some("1000"), "Most rows of an answer.");
pub static ETAG: Setting =
    own("api.etag", Kind::Boolean, &[], Some("false"), "Whether reads have an ETag, and are 304 to who has it.");
pub static NESTED_MAX_ROWS: Setting =
    own("api.nested_max_rows", number(1, 100_000), &[], Some("1000"), "Most rows of a POST with related rows.");
pub static BATCH_MAX_OPERATIONS: Setting =
    own("api.batch_max_operations", number(1, 10_000), &[], Some("100"), "Most operations of a batch.");
pub static BATCH_MAX_BYTES: Setting =
    own("api.batch_max_bytes", number(1024, 1 << 30), &[], Some("4194304"), "Longest batch of operations, bytes.");
pub static IDEMPOTENCY_LIFETIME_S: Setting = own(
    "api.idempotency_lifetime_s",
    number(0, 31_536_000),
    &[],
    Some("86400"),
    "How long the answer of a POST with an Idempotency-Key is kept, seconds; 0: none are, and the header is refused.",
);
pub static IDEMPOTENCY_MAX_BODY_BYTES: Setting = own(
    "api.idempotency_max_body_bytes",
    number(0, 1 << 30),
    &[],
    Some("65536"),
    "Longest body of an answer that is kept, bytes; longer ones are left out when the request is repeated.",
);
pub static IDEMPOTENCY_MAX_RECEIPTS: Setting = own(
    "api.idempotency_max_receipts",
    number(0, 1_000_000),
    &[],
    Some("10000"),
    "Most answers that are kept of one caller; 0: any number. Roles that row policies do not bind are not bounded.",
);
pub static AGGREGATES: Setting = own(
    "api.aggregates",
    Kind::Boolean,
    &["PGRST_DB_AGGREGATES_ENABLED"],
    Some("false"),
    "Whether sum() and its kin may be used.",
);
pub static PLAN_ENABLED: Setting = own(
    "api.plan_enabled",
    Kind::Boolean,
    &["PGRST_DB_PLAN_ENABLED"],
    Some("false"),
    "Whether callers may ask how a statement is run. Plans tell of policies and of how many rows tables have.",
);
pub static TX_END: Setting = own(
    "api.tx_end",
    Kind::Choice(&["commit", "commit-allow-override", "rollback", "rollback-allow-override"]),
    &["PGRST_DB_TX_END"],
    Some("commit"),
    "How the transactions of requests end, and whether `Prefer: tx=` may say otherwise.",
);
pub static SERVER_TIMING: Setting = own(
    "api.server_timing",
    Kind::Boolean,
    &["PGRST_SERVER_TIMING_ENABLED"],
    Some("false"),
    "Whether answers say in Server-Timing how long each stage took.",
);
pub static OPENAPI_MODE: Setting = own(
    "api.openapi_mode",
    Kind::Choice(&["follow-privileges", "ignore-privileges", "disabled"]),
    &["PGRST_OPENAPI_MODE"],
    Some("follow-privileges"),
    "What the documents of the root have: what the caller's role may use, everything, or nothing.",
);
pub static OPENAPI_ROLES: Setting =
    own("api.openapi_roles", Kind::List, &[], Some("service_role"), "Roles that may read the documents; `*`: all.");
pub static OPENAPI_SECURITY: Setting = own(
    "api.openapi_security",
    Kind::Boolean,
    &["PGRST_OPENAPI_SECURITY_ACTIVE"],
    Some("false"),
    "Whether the documents say how requests are authorized.",
);
pub static OPENAPI_SERVER: Setting = own(
    "api.openapi_server",
    Kind::Text,
    &["PGRST_OPENAPI_SERVER_PROXY_URI"],
    None,
    "Where the documents say the API is: a URL.",
);
pub static ANON_TIMEOUT_MS: Setting =
    own("limits.anon_timeout_ms", MS, &[], Some("3000"), "Statement time of anon, milliseconds.");
pub static AUTHENTICATED_TIMEOUT_MS: Setting =
    own("limits.authenticated_timeout_ms", MS, &[], Some("8000"), "Statement time of authenticated, milliseconds.");
pub static OTHER_TIMEOUT_MS: Setting =
    own("limits.other_timeout_ms", MS, &[], Some("60000"), "Statement time of other roles, milliseconds.");
pub static TIMEOUT_MS: Setting = own(
    "limits.timeout_ms",
    Kind::ByRole { least: 1, most: 86_400_000 },
    &[],
    Some(""),
    "Statement time by role, milliseconds: `{ analyst = 20000 }`. What it names counts before the three above.",
);
pub static ANON_MAX_COST: Setting = own(
    "limits.anon_max_cost",
    number(0, 1 << 40),
    &[],
    Some("0"),
    "Most that a statement of anon may cost, in the engine's measure; 0: anything.",
);
pub static AUTHENTICATED_MAX_COST: Setting = own(
    "limits.authenticated_max_cost",
    number(0, 1 << 40),
    &[],
    Some("0"),
    "Most that a statement of authenticated may cost, in the engine's measure; 0: anything.",
);
pub static MAX_COST: Setting = own(
    "limits.max_cost",
    Kind::ByRole { least: 0, most: 1 << 40 },
    &[],
    Some(""),
    "Most that a statement may cost by role, in the engine's measure; 0: anything. What it names counts before the two above.",
);
pub static ANON_CONCURRENT: Setting = own(
    "limits.anon_concurrent",
    number(0, 1 << 40),
    &[],
    Some("0"),
    "Most requests of anon to /rest/v1 at a time; 0: any number.",
);
pub static AUTHENTICATED_CONCURRENT: Setting = own(
    "limits.authenticated_concurrent",
    number(0, 1 << 40),
    &[],
    Some("0"),
    "Most requests of authenticated to /rest/v1 at a time; 0: any number.",
);
pub static CONCURRENT: Setting = own(
    "limits.concurrent",
    Kind::ByRole { least: 0, most: 1 << 40 },
    &[],
    Some(""),
    "Most requests to /rest/v1 at a time by role; 0: any number. What it names counts before the two above.",
);
pub static MAX_RESPONSE_BYTES: Setting =
    own("limits.max_response_bytes", COUNT, &[], Some("67108864"), "Longest response body, bytes.");
