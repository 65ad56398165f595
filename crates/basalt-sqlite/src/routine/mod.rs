//! The door to the users' routines: what a statement reaches when it calls a function that is not part of its own text.
//!
//! A [`Scene`] is what runs now: connection, whose rights, the search path, how deep. Whoever steps statements for a request enters
//! one ([`Scene::enter`]); host functions of generated SQL find it again ([`current`]), since SQLite hands them nothing but values.
//! Statements inside a routine run on the same connection, in the same transaction, under the same deadline.
//!
//! [`call`] is the only way in. It knows what all languages have in common: STRICT, SECURITY DEFINER, SET, depth, what may write.
//! A language implements one function of the form of [`Language`]; it compiles its statements by [`Scene::compile`], which guards
//! them for the role that counts, and runs them by [`Scene::run`].
//!
//! EXECUTE is checked by the guard where a statement that calls is compiled, and here again, where it is called.
//!
//! - [`sql`]: bodies in SQL; - [`row`]: rows as arguments and results; - `kept`: what is compiled.

mod kept;
pub(crate) mod row;
mod sql;

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;

use basalt_catalog::{Catalog, Function, Volatility};
use basalt_engine::Rows;
use basalt_plan::expressions::ExprCache;
use basalt_plan::plan::Literals;
use basalt_sql::typed::{SessionParam, Statement};
use basalt_types::{Oid, RoleName, Session, SqlError, SqlState, Timestamp, Value};

use crate::bind::{self, Facts};
use crate::commit::Desk;
use crate::connection::{Connection, RunContext};
use crate::options::SqliteOptions;
use crate::programs::Ready;
use crate::shared::Shared;
use crate::{compile, own, plpgsql, write};

/// Routines inside routines: deeper than this is 54001, whatever the stack says.
const DEEPEST: u32 = 1000;

/// Stack of the threads that run statements: the writer's and the readers'. It is taken page by page as it is used.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// How much of it routines may use, the rest being for the statement that is deepest.
const STACK_FOR_ROUTINES: usize = 48 << 20;

/// What a routine gives back, in storage form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// Of a function that returns one plain value: that value; NULL for `void`.
    Value(Value),
    /// Of a function that returns a set, or one row: rows with a value for each result column. One of plain values has one column.
    /// A function that returns one row gives one row, or none for a row that is NULL.
    Rows(Vec<Vec<Value>>),
}

/// Runs a function's body. `args`: a value for each input parameter, in order, in storage form; a row is a JSON array of its columns'
/// storage forms (see [`row`]). The scene is the routine's own already: role, search path and depth are set.
pub(crate) type Language = fn(&Scene<'_>, &Arc<Function>, &[Value]) -> Result<Outcome, SqlError>;

/// Where statements run.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// In a job of the writer.
    Writer(&'a Desk<'a>),
    /// On a snapshot; with the catalog of that snapshot.
    Reader(&'a Connection, &'a Shared, &'a Arc<Catalog>),
}

/// What runs now.
pub(crate) struct Scene<'a> {
    place: Place<'a>,
    session: &'a Session,
    search_path: &'a [String],
    now: Timestamp,
    /// Why nothing may be written, if so.
    read_only: Option<ReadOnly>,
    depth: u32,
    /// Where the stack of the outermost scene is.
    base: usize,
}

/// Why a statement may not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOnly {
    /// The transaction is READ ONLY.
    Transaction,
    /// The function whose statement it is is not VOLATILE.
    NonVolatile,
}

/// The search path of a request's statements, whichever exposed schema it is about.
pub(crate) fn default_path() -> Vec<String> {
    vec!["public".to_owned(), "extensions".to_owned()]
}

/// The search path of a request: first the schema that it asks for.
pub(crate) fn path_of(session: &Session) -> Vec<String> {
    let mut path = default_path();
    if let Some(asked) = session.request.as_deref().map(|facts| &facts.schema).filter(|schema| !schema.is_empty()) {
        path.retain(|schema| schema != asked);
        path.insert(0, asked.clone());
    }
    path
}

impl<'a> Scene<'a> {
    /// The scene of a writer's job.
    pub(crate) fn writing(desk: &'a Desk<'a>, session: &'a Session, search_path: &'a [String]) -> Self {
        Self { place: Place::Writer(desk), session, search_path, now: desk.now, read_only: None, depth: 0, base: stack_here() }
    }

    /// The scene of a read on a snapshot whose catalog this is.
    pub(crate) fn reading(
        connection: &'a Connection,
        shared: &'a Shared,
        catalog: &'a Arc<Catalog>,
        session: &'a Session,
        search_path: &'a [String],
        now: Timestamp,
    ) -> Self {
        let place = Place::Reader(connection, shared, catalog);
        Self { place, session, search_path, now, read_only: Some(ReadOnly::Transaction), depth: 0, base: stack_here() }
    }

    /// The same, with nothing written.
    pub(crate) fn read_only(self) -> Self {
        Self { read_only: self.read_only.or(Some(ReadOnly::Transaction)), ..self }
    }

    /// This scene for another role or search path.
    pub(crate) fn with<'b>(&'b self, session: &'b Session, search_path: &'b [String]) -> Scene<'b>
    where
        'a: 'b,
    {
        Scene { session, search_path, ..*self }
    }

    /// This scene for a function that a statement in it runs.
    ///
    /// # Errors
    /// 54001 when routines stand too deep in each other, 57014 when the time is over.
    pub(crate) fn inside<'b>(&'b self, session: &'b Session, search_path: &'b [String]) -> Result<Scene<'b>, SqlError>
    where
        'a: 'b,
    {
        self.check_depth()?;
        self.connection().context().check_deadline()?;
        Ok(Scene { session, search_path, depth: self.depth + 1, ..*self })
    }

    /// How the engine was opened.
    pub(crate) fn options(&self) -> &'a SqliteOptions {
        match self.place {
            Place::Writer(desk) => &desk.shared.options,
            Place::Reader(_, shared, _) => &shared.options,
        }
    }

    /// The connection.
    pub(crate) fn connection(&self) -> &'a Connection {
        match self.place {
            Place::Writer(desk) => desk.connection,
            Place::Reader(connection, ..) => connection,
        }
    }

    /// The writer's job, when it is one.
    #[allow(dead_code)] // for languages that run statement by statement
    pub(crate) fn desk(&self) -> Option<&'a Desk<'a>> {
        match self.place {
            Place::Writer(desk) => Some(desk),
            Place::Reader(..) => None,
        }
    }

    /// The catalog statements are compiled against.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        match self.place {
            Place::Writer(desk) => desk.catalog(),
            Place::Reader(_, _, catalog) => Arc::clone(catalog),
        }
    }

    /// Analysed expressions of that catalog.
    fn expressions(&self) -> &'a ExprCache {
        match self.place {
            Place::Writer(desk) => desk.expressions(),
            Place::Reader(_, shared, _) => &shared.programs.expressions,
        }
    }

    /// Who asked, and whose rights count now: [`Session::current_user`].
    #[allow(dead_code)] // for languages that run statement by statement
    pub(crate) fn session(&self) -> &'a Session {
        self.session
    }

    /// The role whose rights count.
    pub(crate) fn role(&self) -> &'a str {
        self.session.current_user().as_str()
    }

    /// Schemas that unqualified names are looked up in.
    pub(crate) fn search_path(&self) -> &'a [String] {
        self.search_path
    }

    /// The transaction's `now()`.
    #[allow(dead_code)] // for languages that run statement by statement
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Why nothing may be written, if so.
    #[allow(dead_code)] // for languages that run statement by statement
    pub(crate) fn is_read_only(&self) -> Option<ReadOnly> {
        self.read_only
    }

    /// How many routines this one stands in, itself counted.
    #[allow(dead_code)] // for languages that run statement by statement
    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// Guards an analysed statement for the role whose rights count and compiles it. Keep what comes: compiling is slow.
    ///
    /// # Errors
    /// What guard and dialect refuse.
    pub(crate) fn compile(&self, statement: &Statement) -> Result<Ready, SqlError> {
        let catalog = self.catalog();
        Ok(Ready::new(compile::typed(statement, &catalog, self.role(), self.expressions())?, &catalog))
    }

    /// Runs a compiled statement with these values for `$1`, `$2`, …, under the authorizer. Answers its rows or what it returns, in
    /// storage form.
    ///
    /// # Errors
    /// 25006 or 0A000 for a write where nothing may be written; what the statement ends with.
    pub(crate) fn run(&self, ready: &Ready, params: &[Value]) -> Result<Rows, SqlError> {
        let literals = Literals::default();
        let facts = Facts { session: self.session, literals: &literals, params, now: self.now };
        let context = self.connection().context();
        match ready {
            Ready::Read(ready) => context.guarded_by(&ready.tables, || own::read(self.connection(), ready, &facts)),
            Ready::Write(ready) => {
                let command = ready.program.command.name();
                let desk = match (self.read_only, self.place) {
                    (Some(ReadOnly::NonVolatile), _) => {
                        let text = format!("{command} is not allowed in a non-volatile function");
                        return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, text));
                    }
                    (Some(ReadOnly::Transaction), _) | (None, Place::Reader(..)) => {
                        let text = format!("cannot execute {command} in a read-only transaction");
                        return Err(SqlError::new(SqlState::READ_ONLY, text));
                    }
                    (None, Place::Writer(desk)) => desk,
                };
                let done = context.guarded_by(&ready.tables, || write::run_inside(desk, ready, &facts, self.depth));
                done.map(|written| Rows { rows: written.returned, affected: written.affected })
            }
        }
    }

    /// Makes this the scene of what `work` steps.
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Leave<'c>(Option<NonNull<Scene<'static>>>, Option<&'c RunContext>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                SCENE.set(self.0);
                if let Some(context) = self.1 {
                    context.clear_settings();
                    kept::forget_values();
                }
            }
        }
        // What the outermost scene of a connection set ends with it.
        let is_outermost = current(self.connection().context(), |_| ()).is_none();
        let ending = is_outermost.then(|| self.connection().context());
        let _leave = Leave(SCENE.replace(Some(NonNull::from(self).cast())), ending);
        work()
    }

    /// 54001 when routines stand too deep in each other.
    fn check_depth(&self) -> Result<(), SqlError> {
        if self.depth >= DEEPEST || self.base.abs_diff(stack_here()) > STACK_FOR_ROUTINES {
            return Err(SqlError::new(SqlState::TOO_COMPLEX, "stack depth limit exceeded"));
        }
        Ok(())
    }
}

thread_local! {
    static SCENE: Cell<Option<NonNull<Scene<'static>>>> = const { Cell::new(None) };
}

/// About where the stack is now.
fn stack_here() -> usize {
    let here = 0u8;
    std::ptr::from_ref(&here).addr()
}

/// Gives `work` the scene that runs on a connection; `None` when no statement of a request runs there.
pub(crate) fn current<T>(context: &RunContext, work: impl FnOnce(&Scene<'_>) -> T) -> Option<T> {
    let scene = SCENE.get()?;
    // SAFETY: `enter` set it from a reference that outlives its work, and puts the former one back when the work ends, also by a
    // panic. It is this thread's own. `work` takes a scene of any lifetime, so nothing of it can be kept.
    let scene: &Scene<'_> = unsafe { scene.as_ref() };
    std::ptr::eq(scene.connection().context(), context).then(|| work(scene))
}

/// Calls a function: the rules that all languages share, then its language.
///
/// # Errors
/// 54001 when routines stand too deep in each other, 57014 when the time is over; what the body ends with.
pub(crate) fn call(scene: &Scene<'_>, function: &Arc<Function>, args: &[Value]) -> Result<Outcome, SqlError> {
    kept::may_call(scene, function)?;
    if function.strict && args.contains(&Value::Null) {
        return Ok(if function.gives_rows(&scene.catalog()) { Outcome::Rows(Vec::new()) } else { Outcome::Value(Value::Null) });
    }
    // One snapshot, one role, one path: what a function that is not volatile gave, it would give again.
    let is_lasting = scene.depth == 0 && function.volatility != Volatility::Volatile && matches!(scene.place, Place::Reader(..));
    let key = is_lasting.then(|| row::bytes(args.iter().map(Value::as_ref)));
    if let Some(value) = key.as_ref().and_then(|key| kept::value(function, key)) {
        return Ok(Outcome::Value(value));
    }
    let outcome = run(scene, function, args)?;
    if let (Some(key), Outcome::Value(value)) = (key, &outcome) {
        kept::keep_value(function, key, value);
    }
    Ok(outcome)
}

/// Runs a function's body as its language does, in a scene of its own.
fn run(scene: &Scene<'_>, function: &Arc<Function>, args: &[Value]) -> Result<Outcome, SqlError> {
    scene.check_depth()?;
    scene.connection().context().check_deadline()?;
    let definer;
    let session = if function.security_definer && scene.role() != function.owner {
        definer = Session { acting: Some(RoleName::new(function.owner.as_str())), ..scene.session.clone() };
        &definer
    } else {
        scene.session
    };
    let own_path = function.search_path(session.current_user().as_str());
    let search_path = own_path.as_deref().unwrap_or(scene.search_path);
    // Only a function's own statements are bound by its volatility, as in PostgreSQL.
    let in_transaction = scene.read_only.filter(|why| *why == ReadOnly::Transaction);
    let read_only = match function.volatility {
        Volatility::Volatile => in_transaction,
        Volatility::Stable | Volatility::Immutable => in_transaction.or(Some(ReadOnly::NonVolatile)),
    };
    let inner = Scene { session, search_path, read_only, depth: scene.depth + 1, ..*scene };
    let language = language_of(&function.language)?;
    inner.enter(|| language(&inner, function, args))
}

/// What runs bodies in a language.
fn language_of(name: &str) -> Result<Language, SqlError> {
    match name {
        "sql" => Ok(sql::call),
        "plpgsql" => Ok(plpgsql::call),
        other => Err(SqlError::unsupported(format!("functions in language {other}"))),
    }
}

/// `set_config(name, value, is_local)`: settings of a request's own last until its end.
///
/// # Errors
/// 0A000 for settings of the server, the session's role among them, and for the request's facts.
pub(crate) fn set_config(context: &RunContext, name: &str, value: String) -> Result<(), SqlError> {
    let name = name.to_ascii_lowercase();
    let is_own = name.contains('.') && !name.starts_with("request.");
    if !is_own {
        return Err(SqlError::unsupported(format!("setting {name}")));
    }
    if current(context, |_| ()).is_none() {
        return Err(SqlError::internal("a setting was made outside of a request"));
    }
    context.set_setting(&name, value);
    kept::forget_values();
    Ok(())
}

/// `current_setting(name, missing_ok)` for a name that is not known before.
///
/// # Errors
/// 42704 for one that is not there and must be.
pub(crate) fn current_setting(context: &RunContext, name: &str, missing_ok: bool) -> Result<Value, SqlError> {
    let param = SessionParam::Setting { name: name.to_ascii_lowercase(), missing_ok };
    let found = current(context, |scene| bind::session_value(&param, scene.session, scene.now));
    found.unwrap_or_else(|| Err(SqlError::internal("a setting was read outside of a request")))
}

/// What the request that runs on this thread has set, or what its transaction is.
pub(crate) fn setting(name: &str) -> Option<String> {
    let scene = SCENE.get()?;
    // SAFETY: as in `current`.
    let scene: &Scene<'_> = unsafe { scene.as_ref() };
    match name {
        "transaction_read_only" => {
            let is_on = scene.read_only == Some(ReadOnly::Transaction);
            Some(if is_on { "on" } else { "off" }.to_owned())
        }
        name if name.contains('.') => scene.connection().context().setting(name),
        _ => None,
    }
}

/// Calls a function for generated SQL, by its identity: `basalt_call` and `basalt_rows`.
///
/// # Errors
/// As [`call`]; there is no scene, or no such function.
pub(crate) fn call_by_oid(context: &RunContext, oid: i64, args: &[Value]) -> Result<Outcome, SqlError> {
    let called = current(context, |scene| {
        let oid = u32::try_from(oid).unwrap_or_default();
        let catalog = scene.catalog();
        let function = catalog.function_by_oid(Oid(oid)).ok_or_else(|| SqlError::internal("a function has gone"))?;
        match call(scene, function, args)? {
            // In FROM a row that is NULL is a row of NULLs.
            Outcome::Rows(rows) if rows.is_empty() && !function.setof => {
                Ok(Outcome::Rows(vec![vec![Value::Null; function.row_columns(&catalog).len()]]))
            }
            outcome => Ok(outcome),
        }
    });
    called.unwrap_or_else(|| Err(SqlError::internal("a function was called outside of a request")))
}

/// Refuses now what a call of a function would be refused with: what its body needs here that is not there. Privileges that are
/// missing are the caller's matter.
///
/// # Errors
/// What compiling its body reports.
pub(crate) fn check(desk: &Desk<'_>, function: &Arc<Function>, search_path: &[String]) -> Result<(), SqlError> {
    let session = Session::of_role(compile::OWNER);
    let path = function.search_path(compile::OWNER).unwrap_or_else(|| search_path.to_vec());
    let scene = Scene::writing(desk, &session, &path);
    match function.language.as_str() {
        "sql" => scene.enter(|| sql::compile(&scene, function).map(drop)),
        "plpgsql" => scene.enter(|| plpgsql::check_function(&scene, function)),
        _ => Ok(()),
    }
}
