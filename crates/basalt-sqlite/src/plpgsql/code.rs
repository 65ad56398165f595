//! What a body is compiled to: names are places in a frame, labels are numbers. SQL in it is analysed when it first runs: see
//! [`super::prepare`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use basalt_sql::plpgsql::Level;
use basalt_types::{SqlState, TypeRef};

use super::prepare::Lazy;
use super::record::Shape;

/// A function, ready to run for one role and search path.
pub(super) struct Code {
    /// Its variables: parameters first, in order.
    pub vars: Vec<Var>,
    /// How many parameters there are.
    pub params: usize,
    /// Parameters that are columns of the result.
    pub outputs: Vec<usize>,
    /// The variable FOUND.
    pub found: usize,
    /// NEW and OLD, of a trigger function.
    pub rows: Option<(usize, usize)>,
    /// The body.
    pub body: Block,
    /// What it returns.
    pub returns: Returns,
    /// Changes when what a CASE looks at has another type than before: what was analysed for the old one is no good then.
    pub types: Cell<u32>,
    /// Transition tables.
    pub tables: Vec<Table>,
    /// WHEN of the trigger.
    pub when: Option<Lazy>,
    /// Texts that EXECUTE has run, with the types of their values.
    pub dynamic: RefCell<Vec<Rc<super::sql::Dynamic>>>,
}

/// A transition table: its name, the variable that holds its rows as JSON, and the query that reads them from there.
pub(super) struct Table {
    pub name: String,
    pub var: usize,
    pub query: basalt_sql::tree::Query,
}

/// What a function gives back.
#[derive(Debug, Clone)]
pub(super) enum Returns {
    /// A row of the trigger's table, or NULL.
    Trigger,
    /// Nothing: `void`, a procedure, a DO block.
    Nothing,
    /// One value.
    Scalar(TypeRef),
    /// One row of this shape; `None`: `record`, whatever is returned.
    Row(Option<Rc<Shape>>),
    /// Values.
    SetOfScalars(TypeRef),
    /// Rows.
    SetOfRows(Rc<Shape>),
}

/// A variable.
pub(super) struct Var {
    pub name: String,
    pub kind: VarKind,
    pub constant: bool,
    pub not_null: bool,
}

/// What a variable holds.
pub(super) enum VarKind {
    /// A value. The type of what a CASE looks at is known when it first ran.
    Scalar(Cell<TypeRef>),
    /// A row: of this shape, or (RECORD) of the shape of what was last assigned.
    Record(Option<Rc<Shape>>),
}

impl Var {
    pub(super) fn scalar(name: &str, ty: TypeRef) -> Self {
        Self { name: name.to_owned(), kind: VarKind::Scalar(Cell::new(ty)), constant: false, not_null: false }
    }

    pub(super) fn record(name: &str, shape: Option<Rc<Shape>>) -> Self {
        Self { name: name.to_owned(), kind: VarKind::Record(shape), constant: false, not_null: false }
    }
}

/// A block.
pub(super) struct Block {
    /// Its number among labels.
    pub label: u32,
    /// Variables with what they begin with, in order.
    pub declared: Vec<(usize, Option<Lazy>)>,
    pub body: Vec<Step>,
    pub handlers: Vec<Handler>,
    /// SQLSTATE and SQLERRM, of a block with handlers.
    pub caught: Option<(usize, usize)>,
}

/// WHEN … THEN.
pub(super) struct Handler {
    pub conditions: Vec<Condition>,
    pub body: Vec<Step>,
}

/// What a handler takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Everything but a cancelled query and a failed ASSERT.
    Others,
    /// That state, or those of its class when it ends with `000`.
    State(SqlState),
}

/// What an assignment sets.
pub(super) enum Place {
    /// A variable.
    Var(usize),
    /// A field of a record variable.
    Field(usize, String),
    /// An element of an array that stands in a place.
    Element(Box<Place>, Lazy),
}

/// Where the columns of a row go.
pub(super) enum Targets {
    /// Into one record variable.
    Record(usize),
    /// Into places, in order.
    Places(Vec<Place>),
}

/// INTO.
pub(super) struct Into {
    pub strict: bool,
    pub targets: Targets,
}

/// What FOR loops over.
pub(super) enum Source {
    Statement(Lazy),
    Execute(Execute),
}

/// A command made by the function itself, with its values.
pub(super) struct Execute {
    pub command: Lazy,
    pub using: Vec<Lazy>,
}

/// RAISE.
pub(super) struct Raise {
    pub level: Level,
    pub format: Option<String>,
    pub args: Vec<Lazy>,
    pub condition: Option<(String, SqlState)>,
    pub options: Vec<(String, Lazy)>,
}

/// Items of GET DIAGNOSTICS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    RowCount,
    Context,
    State,
    Message,
    Detail,
    Hint,
    Constraint,
}

/// Statements. Few and compiled once, so that the size of the largest does not count.
#[expect(clippy::large_enum_variant, reason = "a body's steps stand in one list each, and are walked, not moved")]
pub(super) enum Step {
    Block(Box<Block>),
    Assign(Place, Lazy),
    /// A record takes a row of a query, or the fields of another record.
    AssignRecord(usize, Lazy),
    CopyRecord {
        to: usize,
        from: usize,
    },
    ClearRecord(usize),
    If {
        arms: Vec<(Lazy, Vec<Step>)>,
        otherwise: Vec<Step>,
    },
    /// The operand is kept in a variable that the arms' conditions name.
    Case {
        operand: Option<(usize, Lazy)>,
        arms: Vec<(Lazy, Vec<Step>)>,
        otherwise: Option<Vec<Step>>,
    },
    Loop {
        label: u32,
        body: Vec<Step>,
    },
    While {
        label: u32,
        condition: Lazy,
        body: Vec<Step>,
    },
    ForInteger {
        label: u32,
        var: usize,
        reverse: bool,
        from: Lazy,
        to: Lazy,
        step: Option<Lazy>,
        body: Vec<Step>,
    },
    ForRows {
        label: u32,
        targets: Targets,
        source: Source,
        body: Vec<Step>,
    },
    ForEach {
        label: u32,
        targets: Targets,
        slice: usize,
        array: Lazy,
        body: Vec<Step>,
    },
    Exit {
        label: u32,
        when: Option<Lazy>,
    },
    Continue {
        label: u32,
        when: Option<Lazy>,
    },
    Return(Option<Lazy>),
    /// RETURN of a record variable.
    ReturnRecord(usize),
    /// RETURN NEXT of the OUT parameters, a value, or a record variable.
    ReturnNext(Option<Lazy>),
    ReturnNextRecord(usize),
    ReturnQuery(Source),
    Raise(Raise),
    RaiseAgain,
    Assert {
        condition: Lazy,
        message: Option<Lazy>,
    },
    Sql {
        statement: Lazy,
        into: Option<Into>,
    },
    Perform(Lazy),
    Execute(Execute, Option<Into>),
    Diagnostics {
        stacked: bool,
        items: Vec<(Place, Item)>,
    },
}
