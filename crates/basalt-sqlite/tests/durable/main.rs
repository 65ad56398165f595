//! What stays when the power goes, the disk fills up or fails, or a neighbour in the same commit goes wrong.
//!
//! - `database.rs`: an engine on a disk that can be told to fail, and requests to it;
//! - `agreement.rs`: whether a file's tables are those of its catalog;
//! - `power_cut.rs`: cuts at random moments under concurrent writers and migrations;
//! - `disk.rs`: full and failing disks;
//! - `alone.rs`: one guilty request among innocent ones in the same commit.
//!
//! `BASALT_CUTS` sets the number of power cuts, `BASALT_SEED` what is tried.
#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)] // a test: what cannot be set up has failed

mod agreement;
mod alone;
mod database;
mod disk;
mod power_cut;
