//! What was asked, as a surface read it from its own dialect: names and shape, nothing looked up yet.
//!
//! Values stand apart, in [`crate::plan::Literals`]; here they are indices. So an ask is the key under which a resolved plan is
//! kept: requests that differ in values only share a plan.

/// The index of a value in [`crate::plan::Literals`].
pub type LiteralId = u32;

/// A read of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReadAsk {
    /// The exposed schema.
    pub schema: String,
    /// The table or view.
    pub relation: String,
    /// What of it.
    pub node: Node,
    /// Which total.
    pub count: crate::plan::Count,
    /// The body's form.
    pub output: crate::plan::Output,
}

/// One level of a read: the root or an embed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Node {
    /// The select list; empty means nothing but what embeds bring (`select=` with an empty embed).
    pub select: Vec<Item>,
    /// All conditions, AND-ed.
    pub filters: Vec<Filter>,
    /// ORDER BY.
    pub order: Vec<OrderTerm>,
    /// LIMIT.
    pub limit: Option<LiteralId>,
    /// OFFSET.
    pub offset: Option<LiteralId>,
    /// Of the root of a read: DISTINCT over all that is selected when it names no fields, else DISTINCT ON these.
    pub distinct: Option<Vec<Field>>,
}

/// One item of a select list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// `*`.
    Star,
    /// `alias:column->path::cast.aggregate()::cast`.
    Field {
        /// Column and path.
        field: Field,
        /// Name in the answer.
        alias: Option<String>,
        /// `::type` on the field.
        cast: Option<String>,
        /// `.sum()` and friends; `count()` without a column has the field name `*`.
        aggregate: Option<Aggregate>,
        /// `::type` behind the aggregate.
        aggregate_cast: Option<String>,
    },
    /// `alias:relation!hint!inner(...)`, `...relation(...)`.
    Embed(Box<Embed>),
}

/// A related resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Embed {
    /// A table, view, column or constraint name, as PostgREST allows.
    pub relation: String,
    /// Name in the answer, and under which filters may address it.
    pub alias: Option<String>,
    /// `!hint`.
    pub hint: Option<String>,
    /// `!inner` or `!left`.
    pub join: EmbedJoin,
    /// `...`: its columns are lifted into the parent.
    pub spread: bool,
    /// Its own level.
    pub node: Node,
}

/// How an embed joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EmbedJoin {
    /// Parents without it stay.
    #[default]
    Left,
    /// Parents without it go.
    Inner,
}

/// Aggregates of the select list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Aggregate {
    Sum,
    Avg,
    Count,
    Max,
    Min,
}

/// A column with a JSON path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// The column.
    pub name: String,
    /// `->a->0->>b`.
    pub path: Vec<JsonStep>,
}

/// One step of a JSON path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonStep {
    /// `->>`, else `->`.
    pub as_text: bool,
    /// The key or index.
    pub key: JsonKey,
}

/// A key of an object or an index of an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum JsonKey {
    Key(String),
    Index(i32),
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// `and(…)`.
    And(Vec<Filter>),
    /// `or(…)`.
    Or(Vec<Filter>),
    /// `not.…`.
    Not(Box<Filter>),
    /// `column=op.value`; a field that names an embed may only be asked for null.
    Test {
        /// What is tested.
        field: Field,
        /// How.
        op: Operator,
        /// Against what.
        value: Operand,
    },
}

/// The right side of a test.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operand {
    /// One value.
    Value(LiteralId),
    /// `in.(…)`: a list literal.
    List(LiteralId),
    /// `is.null` and friends: no literal.
    Is(IsValue),
    /// `op(any).{…}`: an array literal in PostgreSQL's form.
    Any(LiteralId),
    /// `op(all).{…}`.
    All(LiteralId),
}

/// What `is` may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum IsValue {
    Null,
    NotNull,
    True,
    False,
    Unknown,
}

/// Filter operators.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Operator {
    Eq,
    Neq,
    Gt,
    Gte,
    Lt,
    Lte,
    /// `*` stands for `%`; replaced by the surface.
    Like,
    ILike,
    /// `~`.
    Match,
    /// `~*`.
    IMatch,
    In,
    Is,
    IsDistinct,
    /// `@>`.
    Contains,
    /// `<@`.
    ContainedIn,
    /// `&&`.
    Overlaps,
    StrictlyLeft,
    StrictlyRight,
    NotExtendsRight,
    NotExtendsLeft,
    Adjacent,
    /// `fts`, `plfts`, `phfts`, `wfts`: the function that makes the query, and the configuration's literal.
    FullText {
        function: FullText,
        config: Option<LiteralId>,
    },
}

/// Functions that make a tsquery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum FullText {
    To,
    Plain,
    Phrase,
    Web,
}

/// One key of ORDER BY.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderTerm {
    /// `relation(field)`: a to-one embed's column.
    pub relation: Option<String>,
    /// The column.
    pub field: Field,
    /// `.desc`.
    pub descending: bool,
    /// `.nullsfirst` (true), `.nullslast`, or PostgreSQL's default.
    pub nulls_first: Option<bool>,
}

/// What a write answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Returning {
    /// `return=representation` and `headers-only`: the select list and embeds, without filters of the root (they are the write's).
    /// With no output, its columns are returned all the same: the caller must have the right to read them.
    pub representation: Option<Node>,
    /// `return=headers-only` of an insert: a Location is wanted.
    pub location: bool,
    /// The body's form.
    pub output: crate::plan::Output,
    /// Which total.
    pub count: crate::plan::Count,
    /// Fail when more rows are affected.
    pub max_affected: Option<u64>,
}

/// An insert or upsert of the request's payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InsertAsk {
    /// The exposed schema.
    pub schema: String,
    /// The table.
    pub relation: String,
    /// `columns=`, else the payload's keys, in order.
    pub columns: Vec<String>,
    /// Whether `columns=` was given (its unknown names have another error).
    pub columns_given: bool,
    /// `Prefer: missing=default`.
    pub missing_default: bool,
    /// `Prefer: resolution=…`.
    pub resolution: Option<Resolution>,
    /// `on_conflict=`; none: the primary key.
    pub on_conflict: Option<Vec<String>>,
    /// PUT: the columns its filters compare for equality (values are checked by the surface against the payload).
    pub put: Option<Vec<String>>,
    /// What to answer.
    pub returning: Returning,
}

/// What happens to rows that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Resolution {
    Merge,
    Ignore,
}

/// An update by the request's payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpdateAsk {
    /// The exposed schema.
    pub schema: String,
    /// The table.
    pub relation: String,
    /// `columns=`, else the payload's keys.
    pub columns: Vec<String>,
    /// Whether `columns=` was given.
    pub columns_given: bool,
    /// `Prefer: missing=default`.
    pub missing_default: bool,
    /// Which rows: filters, order, limit, offset of the root.
    pub target: Node,
    /// What to answer.
    pub returning: Returning,
}

/// A delete.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeleteAsk {
    /// The exposed schema.
    pub schema: String,
    /// The table.
    pub relation: String,
    /// Which rows: filters, order, limit, offset of the root.
    pub target: Node,
    /// What to answer.
    pub returning: Returning,
}

/// A call of a function that [`crate::resolve::function`] chose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallAsk {
    /// The exposed schema.
    pub schema: String,
    /// The function's OID.
    pub function: u32,
    /// Its arguments.
    pub arguments: Arguments,
    /// GET and HEAD: nothing may be written, whatever the function says of itself.
    pub is_safe: bool,
    /// What of the result.
    pub node: Node,
    /// Which total.
    pub count: crate::plan::Count,
    /// The body's form.
    pub output: crate::plan::Output,
    /// Fail when the result has more rows.
    pub max_affected: Option<u64>,
}

/// Where a call's arguments come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Arguments {
    /// The request's body is the only one, which has no name.
    Body,
    /// By name, keys of the body's JSON object, or of the first object of an array.
    Json {
        /// The names, in order.
        names: Vec<String>,
        /// The body is an array.
        is_array: bool,
    },
    /// By name, literals: lists for variadic parameters, texts for others.
    Literals(Vec<(String, LiteralId)>),
}

/// Anything that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Ask {
    Read(ReadAsk),
    Insert(InsertAsk),
    Update(UpdateAsk),
    Delete(DeleteAsk),
    Call(CallAsk),
}
