//! Names of error conditions. Source: PostgreSQL's `errcodes.txt`, in its order.

use basalt_types::{SqlError, SqlState};

use super::code::Condition;

/// `SQLSTATE name`, a line each.
const CONDITIONS: &str = include_str!("conditions.txt");

/// The states that have a name.
fn named(name: &str) -> impl Iterator<Item = SqlState> + '_ {
    CONDITIONS.lines().filter_map(move |line| {
        let (state, known) = line.split_once(' ')?;
        if known == name { SqlState::parse(state) } else { None }
    })
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(SqlState::UNDEFINED_OBJECT, format!("unrecognized exception condition \"{name}\""))
}

/// What a handler's condition takes: some names stand for several states.
///
/// # Errors
/// 42704.
pub(super) fn handled(name: &str) -> Result<Vec<Condition>, SqlError> {
    if name == "others" {
        return Ok(vec![Condition::Others]);
    }
    let found: Vec<Condition> = named(name).map(Condition::State).collect();
    if found.is_empty() { Err(unknown(name)) } else { Ok(found) }
}

/// The state of RAISE's condition.
///
/// # Errors
/// 42704.
pub(super) fn raised(name: &str) -> Result<SqlState, SqlError> {
    named(name).next().ok_or_else(|| unknown(name))
}

/// The state that ERRCODE's text means: a code, or a name.
///
/// # Errors
/// 42704.
pub(super) fn of_text(text: &str) -> Result<SqlState, SqlError> {
    SqlState::parse(text).map_or_else(|| raised(text), Ok)
}

impl Condition {
    /// Whether it takes an error.
    pub(super) fn takes(self, state: SqlState) -> bool {
        match self {
            // ASSERT and cancelled queries are for nobody who does not name them.
            Self::Others => state != SqlState::QUERY_CANCELED && state.as_str() != "P0004",
            Self::State(wanted) => {
                wanted == state || (wanted.as_str().ends_with("000") && wanted.as_str().get(..2) == state.as_str().get(..2))
            }
        }
    }
}
