//! The words every crate of Basalt shares: identifiers, sessions, time, randomness, secrets, and PostgreSQL's types with
//! their text and JSON forms.
//!
//! What it does not do: no I/O, no SQL, no HTTP, no catalog. Start with [`pg`] for types and values, [`session`] for who is asking.
//! To add a built-in type: a row in `pg/builtin.rs`, its input in `pg/input`, its output in `pg/output`.

pub mod clock;
pub mod error;
pub mod pg;
pub mod rng;
pub mod secret;
pub mod session;
pub mod value;

pub use clock::{Clock, SystemClock, Timestamp};
pub use error::{SqlError, SqlState};
pub use pg::{Oid, TypeRef};
pub use rng::{Rng, SystemRng};
pub use secret::Secret;
pub use session::{Claims, RequestFacts, RoleName, Session};
pub use value::{Value, ValueRef};
