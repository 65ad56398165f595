//! What Basalt's tests stand on: a private PostgreSQL as the oracle, a server process on a free port, case files with whole
//! expected answers, a clock that only moves when told, and project folders made for one test.
//!
//! What it does not do: it knows no surface, planner or driver, and no product crate depends on it. It may panic where a test
//! would have to: a test that cannot be set up has failed.
//!
//! Where to start: [`cases`] for "this request gives that answer", [`postgres`] for "what would PostgreSQL say",
//! [`process`] for anything about the program as a whole.

pub mod cases;
pub mod clock;
pub mod disk;
pub mod fuzz;
pub mod http;
pub mod port;
pub mod postgres;
pub mod process;
pub mod project;

pub use clock::FakeClock;
pub use project::Project;
