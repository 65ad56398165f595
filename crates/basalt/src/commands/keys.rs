//! `basalt gen keys`.

use basalt_token::Keys;
use basalt_types::{Clock as _, SystemClock, SystemRng};

use crate::Failure;

/// Prints a new set of keys in the form of an `.env` file.
pub fn run() -> Result<(), Failure> {
    let keys = Keys::generate(&SystemRng, SystemClock.now());
    for (name, value) in [
        ("JWT_SECRET", &keys.jwt_secret),
        ("ANON_KEY", &keys.anon),
        ("SERVICE_ROLE_KEY", &keys.service_role),
        ("SUPABASE_PUBLISHABLE_KEY", &keys.publishable),
        ("SUPABASE_SECRET_KEY", &keys.secret),
    ] {
        println!("{name}={}", value.reveal());
    }
    Ok(())
}
