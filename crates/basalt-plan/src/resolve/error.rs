//! Why an ask cannot be resolved.

use basalt_types::SqlError;

/// What the catalog does not know, or what is ambiguous in it. Surfaces give these their codes and texts.
#[derive(Debug, Clone, PartialEq)]
pub enum ResolveError {
    /// No such table or view in the exposed schema.
    UnknownTable {
        /// The schema asked.
        schema: String,
        /// The name asked.
        name: String,
        /// The nearest name that exists.
        near: Option<String>,
    },
    /// A column of a payload, `columns=` or `on_conflict=` that does not exist.
    UnknownColumn {
        /// The table.
        table: String,
        /// The name asked.
        column: String,
    },
    /// No foreign key leads from one to the other.
    NoRelationship {
        /// Where the embed stands.
        origin: String,
        /// What was to be embedded.
        target: String,
        /// The hint given with it.
        hint: Option<String>,
        /// The schema searched.
        schema: String,
        /// `'x' instead of 'y'`: what was perhaps meant.
        near: Option<(String, String)>,
    },
    /// More than one foreign key does.
    AmbiguousRelationship {
        /// Where the embed stands.
        origin: String,
        /// What was to be embedded.
        target: String,
        /// All of them.
        candidates: Vec<Candidate>,
    },
    /// Something addresses an embed that is not in the select list.
    NotEmbedded(String),
    /// An order by a related table that is not to-one.
    RelatedOrderNotToOne {
        /// Where the order stands.
        origin: String,
        /// The embed.
        target: String,
    },
    /// No function of that name takes such arguments.
    UnknownFunction {
        /// The schema asked.
        schema: String,
        /// The name asked.
        name: String,
        /// Names of the arguments given, sorted.
        arguments: Vec<String>,
        /// What the body is.
        body: super::CallBody,
        /// What was perhaps meant, with its parameters when the name is right.
        near: Option<String>,
    },
    /// Several functions of that name do: their signatures.
    AmbiguousFunction(Vec<String>),
    /// Aggregates are off.
    AggregatesOff,
    /// A combination that the dialect does not define.
    NotImplemented(&'static str),
    /// PUT without exactly the primary key's filters.
    PutFilters,
    /// What PostgreSQL would report.
    Sql(SqlError),
}

/// One of several relationships.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// `many-to-one` and the like.
    pub cardinality: &'static str,
    /// `films with directors`.
    pub embedding: String,
    /// `films_director_fkey using films(director_id) and directors(id)`.
    pub relationship: String,
    /// What to write to choose it: `directors!films_director_fkey`.
    pub choice: String,
}

impl From<SqlError> for ResolveError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<basalt_sql::analyze::AnalyzeError> for ResolveError {
    fn from(error: basalt_sql::analyze::AnalyzeError) -> Self {
        Self::Sql(error.error)
    }
}
