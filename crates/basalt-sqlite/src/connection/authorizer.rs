//! The second wall: what a guarded statement may name, whatever text reached SQLite.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::context::RunContext;

/// SQLite's own functions that generated statements may call; everything else must be one of ours.
/// Nothing here reads files, loads code or tells about other connections.
const NATIVE: &[&str] = &[
    "abs",
    "avg",
    "cast",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "group_concat",
    "hex",
    "iif",
    "ifnull",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "->",
    "->>",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "glob",
    "ln",
    "log",
    "lower",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "pow",
    "power",
    "quote",
    "random",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sqrt",
    "string_agg",
    "substr",
    "substring",
    "subtype",
    "sum",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "upper",
    "json_tree",
    "unlikely",
    "likely",
    "likelihood",
];

/// Table-valued functions that show as tables.
const TABLE_FUNCTIONS: &[&str] = &["json_each", "json_tree"];

/// Answers SQLite's question while it compiles a statement.
pub(crate) fn authorize(context: &RunContext, is_ours: &dyn Fn(&str) -> bool, asked: &AuthContext<'_>) -> Authorization {
    if !context.is_guarded() {
        return Authorization::Allow;
    }
    let allowed = match asked.action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Savepoint { .. } | AuthAction::Transaction { .. } => true,
        AuthAction::Read { table_name, .. } => {
            // An empty name: a subquery or common table expression.
            table_name.is_empty() || TABLE_FUNCTIONS.contains(&table_name) || context.may_touch(table_name)
        }
        AuthAction::Insert { table_name } | AuthAction::Delete { table_name } | AuthAction::Update { table_name, .. } => {
            context.may_touch(table_name)
        }
        AuthAction::Function { function_name } => NATIVE.contains(&function_name) || is_ours(function_name),
        _ => false,
    };
    if allowed {
        Authorization::Allow
    } else {
        tracing::warn!(action = ?asked.action, "a statement named something it had not declared");
        Authorization::Deny
    }
}
