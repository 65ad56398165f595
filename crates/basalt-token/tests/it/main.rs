//! Tokens as strangers make them.

mod fuzz;
