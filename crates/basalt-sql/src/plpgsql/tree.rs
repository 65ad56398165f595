//! What a PL/pgSQL body says: as written, nothing resolved. Positions count from the body's first character.

use crate::tree::{Expr, Name, Pos, Query, Statement, TypeName};

/// `[<<label>>] [DECLARE …] BEGIN … [EXCEPTION …] END`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The label.
    pub label: Option<String>,
    /// `#variable_conflict use_column` and the like, of the outermost block only: name and value.
    pub options: Vec<(String, String)>,
    /// DECLARE.
    pub declarations: Vec<Declaration>,
    /// BEGIN.
    pub body: Vec<Stmt>,
    /// EXCEPTION; a block with handlers runs in a sub-transaction.
    pub handlers: Vec<Handler>,
    /// Where it stands.
    pub pos: Pos,
}

/// One declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// The name.
    pub name: String,
    /// What it names.
    pub kind: DeclarationKind,
    /// Where it stands.
    pub pos: Pos,
}

/// What is declared.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)] // Nearly all are variables.
pub enum DeclarationKind {
    /// `name [CONSTANT] type [COLLATE c] [NOT NULL] [:= default]`.
    Variable {
        /// CONSTANT.
        constant: bool,
        /// The type.
        ty: VariableType,
        /// COLLATE.
        collation: Option<Name>,
        /// NOT NULL.
        not_null: bool,
        /// The first value.
        default: Option<Expr>,
    },
    /// `name ALIAS FOR other` or `ALIAS FOR $1` (then the name is `$1`).
    Alias(Vec<String>),
    /// `name [NO SCROLL] CURSOR [(args)] FOR query`.
    Cursor {
        /// SCROLL (`Some(true)`), NO SCROLL, or neither.
        scroll: Option<bool>,
        /// Parameters.
        args: Vec<(String, TypeName)>,
        /// The query.
        query: Box<Query>,
    },
}

/// The type of a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum VariableType {
    /// A type, also `t.c%TYPE` ([`TypeName::percent_type`]).
    Type(TypeName),
    /// `t%ROWTYPE`.
    Row(Name),
    /// `RECORD`.
    Record,
}

/// `WHEN a OR b THEN …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Handler {
    /// Any of these.
    pub conditions: Vec<Condition>,
    /// What to do.
    pub body: Vec<Stmt>,
}

/// A named error condition or an SQLSTATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `unique_violation`, `others`.
    Name(String),
    /// `SQLSTATE '23505'`.
    State(String),
}

/// A statement with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// Where it stands.
    pub pos: Pos,
}

/// Where results go: INTO.
#[derive(Debug, Clone, PartialEq)]
pub struct Into {
    /// STRICT: exactly one row.
    pub strict: bool,
    /// A record or row variable, or scalars in order; each a column, field or subscript expression.
    pub targets: Vec<Expr>,
}

/// What FOR … IN loops over.
#[derive(Debug, Clone, PartialEq)]
pub enum ForSource {
    /// A query, or a data change with RETURNING.
    Query(Box<Statement>),
    /// EXECUTE command USING values.
    Execute {
        /// The text to run.
        command: Expr,
        /// USING.
        using: Vec<Expr>,
    },
    /// A declared cursor with arguments.
    Cursor {
        /// Its name.
        name: String,
        /// Its arguments, by position or name.
        args: Vec<(Option<String>, Expr)>,
    },
}

/// Severity of RAISE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Debug,
    Log,
    Info,
    Notice,
    Warning,
    Exception,
}

/// RAISE.
#[derive(Debug, Clone, PartialEq)]
pub struct Raise {
    /// The level; EXCEPTION when not written.
    pub level: Level,
    /// The format with `%` for each argument.
    pub format: Option<String>,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// A condition in the format's place.
    pub condition: Option<Condition>,
    /// USING: lower-case option (`errcode`, `hint`, `detail`, `message`, …) and value.
    pub options: Vec<(String, Expr)>,
    /// Nothing at all was written: raise again what is being handled.
    pub again: bool,
}

/// How OPEN gives a cursor its query.
#[derive(Debug, Clone, PartialEq)]
pub enum Open {
    /// FOR query.
    Query(Box<Query>),
    /// FOR EXECUTE command USING values.
    Execute {
        /// The text to run.
        command: Expr,
        /// USING.
        using: Vec<Expr>,
    },
    /// A bound cursor's arguments.
    Bound(Vec<(Option<String>, Expr)>),
}

/// The statements.
///
/// Expressions that carry a FROM of their own, as in `n := count(*) FROM t`, are `ExprKind::Scalar` of that query.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum StmtKind {
    Block(Block),
    /// The target is a column, field, subscript or slice expression.
    Assign {
        target: Expr,
        value: Expr,
    },
    If {
        /// IF and ELSIF.
        arms: Vec<(Expr, Vec<Stmt>)>,
        otherwise: Vec<Stmt>,
    },
    Case {
        operand: Option<Expr>,
        arms: Vec<(Vec<Expr>, Vec<Stmt>)>,
        /// None: no match is an error (20000).
        otherwise: Option<Vec<Stmt>>,
    },
    Loop {
        label: Option<String>,
        body: Vec<Stmt>,
    },
    While {
        label: Option<String>,
        condition: Expr,
        body: Vec<Stmt>,
    },
    ForInteger {
        label: Option<String>,
        variable: String,
        reverse: bool,
        from: Expr,
        to: Expr,
        step: Option<Expr>,
        body: Vec<Stmt>,
    },
    ForRows {
        label: Option<String>,
        targets: Vec<Expr>,
        source: ForSource,
        body: Vec<Stmt>,
    },
    ForEach {
        label: Option<String>,
        targets: Vec<Expr>,
        /// SLICE n; 0 without.
        slice: i64,
        array: Expr,
        body: Vec<Stmt>,
    },
    Exit {
        label: Option<String>,
        when: Option<Expr>,
    },
    Continue {
        label: Option<String>,
        when: Option<Expr>,
    },
    /// RETURN with or without a value.
    Return(Option<Expr>),
    /// RETURN NEXT with or without a value.
    ReturnNext(Option<Expr>),
    ReturnQuery(Box<Statement>),
    ReturnQueryExecute {
        command: Expr,
        using: Vec<Expr>,
    },
    Raise(Raise),
    Assert {
        condition: Expr,
        message: Option<Expr>,
    },
    /// SELECT, INSERT, UPDATE, DELETE or any other SQL, INTO taken out.
    Sql {
        statement: Box<Statement>,
        into: Option<Into>,
    },
    Perform(Box<Query>),
    Execute {
        command: Expr,
        into: Option<Into>,
        using: Vec<Expr>,
    },
    GetDiagnostics {
        stacked: bool,
        /// Target and lower-case item: `row_count`, `message_text`, ….
        items: Vec<(Expr, String)>,
    },
    Open {
        cursor: Expr,
        scroll: Option<bool>,
        how: Open,
    },
    /// FETCH (with targets) and MOVE (without), the direction in lower case as written.
    Fetch {
        cursor: Expr,
        direction: String,
        into: Option<Into>,
    },
    Close(Expr),
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Null,
}
