//! What is measured, and what is expected of it.

use crate::data;

/// One kind of traffic.
pub struct Workload {
    /// Its short name, also that of its script in `bench/wrk`.
    pub name: &'static str,
    /// A sentence for the tables.
    pub title: &'static str,
    /// Basalt's share of the bare server's requests per second on SQLite.
    pub sqlite: Option<Bounds>,
    /// The same on PostgreSQL.
    pub postgres: Option<Bounds>,
    /// Whether it leaves rows behind.
    pub is_writing: bool,
    /// A read like those of the script, and how many rows it answers.
    pub sample: fn(u64) -> Sample,
}

/// What is expected of a ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// What must be reached.
    pub floor: f64,
    /// What is aimed at.
    pub aim: f64,
}

const fn bounds(floor: f64, aim: f64) -> Option<Bounds> {
    Some(Bounds { floor, aim })
}

/// A read that both servers must answer alike.
pub struct Sample {
    pub path: String,
    pub rows: usize,
}

/// All of them; those that write come last, since they make the tables grow.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "one_row",
        title: "one row by id",
        sqlite: bounds(0.75, 0.90),
        postgres: bounds(0.65, 0.80),
        is_writing: false,
        sample: one_row,
    },
    Workload {
        name: "twenty_rows",
        title: "20 rows filtered and ordered",
        sqlite: bounds(0.75, 0.90),
        postgres: None,
        is_writing: false,
        sample: twenty_rows,
    },
    Workload {
        name: "with_author",
        title: "20 posts with their author",
        sqlite: bounds(0.65, 0.85),
        postgres: bounds(0.70, 0.85),
        is_writing: false,
        sample: with_author,
    },
    Workload {
        name: "nine_to_one",
        title: "nine reads by id to one insert",
        sqlite: bounds(0.75, 0.90),
        postgres: None,
        is_writing: true,
        sample: one_row,
    },
    Workload {
        name: "insert",
        title: "durable insert returning the row",
        sqlite: bounds(0.75, 0.90),
        postgres: bounds(0.65, 0.80),
        is_writing: true,
        sample: one_row,
    },
];

fn one_row(random: u64) -> Sample {
    Sample { path: format!("/rest/v1/users?id=eq.{}&select=*", random % data::USERS + 1), rows: 1 }
}

fn twenty_rows(random: u64) -> Sample {
    let author = random % data::AUTHORS + 1;
    Sample { path: format!("/rest/v1/posts?author_id=eq.{author}&select=*&order=created_at.desc&limit=20"), rows: 20 }
}

fn with_author(random: u64) -> Sample {
    let after = random % (data::POSTS - 20);
    Sample { path: format!("/rest/v1/posts?id=gt.{after}&select=*,author:users(*)&order=id.asc&limit=20"), rows: 20 }
}
