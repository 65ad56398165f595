//! One file a command.

pub mod copy;
pub mod db;
pub mod doctor;
pub mod init;
pub mod keys;
pub mod migration;
pub mod status;
pub mod types;
