//! What is measured, and what is expected of it.

use crate::data;

/// One kind of traffic.
pub struct Workload {
    /// Its short name, also that of its script in `bench/wrk`.
    pub name: &'static str,
    /// A sentence for the tables.
    pub title: &'static str,
    /// Basalt's share of the bare server's requests per second that must be reached.
    pub floor: f64,
    /// The share that is aimed at.
    pub aim: f64,
    /// Whether it leaves rows behind.
    pub is_writing: bool,
    /// A read like those of the script, and how many rows it answers.
    pub sample: fn(u64) -> Sample,
}

/// A read that both servers must answer alike.
pub struct Sample {
    pub path: String,
    pub rows: usize,
}

/// All of them; those that write come last, since they make the tables grow.
pub const WORKLOADS: &[Workload] = &[
    Workload { name: "one_row", title: "one row by id", floor: 0.60, aim: 0.80, is_writing: false, sample: one_row },
    Workload {
        name: "twenty_rows",
        title: "20 rows filtered and ordered",
        floor: 0.55,
        aim: 0.75,
        is_writing: false,
        sample: twenty_rows,
    },
    Workload {
        name: "with_author",
        title: "20 posts with their author",
        floor: 0.50,
        aim: 0.70,
        is_writing: false,
        sample: with_author,
    },
    Workload {
        name: "nine_to_one",
        title: "nine reads by id to one insert",
        floor: 0.55,
        aim: 0.75,
        is_writing: true,
        sample: one_row,
    },
    Workload {
        name: "insert",
        title: "durable insert returning the row",
        floor: 0.60,
        aim: 0.75,
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
