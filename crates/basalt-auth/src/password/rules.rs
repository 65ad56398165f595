//! What a password must be like.

use crate::config::AuthConfig;
use crate::error::AuthError;

/// Longest password, bytes. The original stops at bcrypt's 72; argon2id takes any length, so this only bounds the work.
const LONGEST: usize = 4096;

/// Refuses what is too long to be hashed.
///
/// # Errors
/// `validation_failed`.
pub(crate) fn check_length(password: &str) -> Result<(), AuthError> {
    if password.len() > LONGEST {
        return Err(AuthError::validation(format!("Password cannot be longer than {LONGEST} characters")));
    }
    Ok(())
}

/// Applies the project's rules.
///
/// # Errors
/// `weak_password` with every reason; `validation_failed` when it is too long.
pub(crate) fn check_strength(password: &str, config: &AuthConfig) -> Result<(), AuthError> {
    check_length(password)?;
    let mut messages = Vec::new();
    let mut reasons = Vec::new();
    if password.len() < config.minimum_password_length {
        reasons.push("length");
        messages.push(format!("Password should be at least {} characters.", config.minimum_password_length));
    }
    let sets = config.password_requirements.sets();
    if sets.iter().any(|set| !password.contains(|c| set.contains(c))) {
        reasons.push("characters");
        messages.push(format!("Password should contain at least one character of each: {}.", sets.join(", ")));
    }
    if reasons.is_empty() { Ok(()) } else { Err(AuthError::WeakPassword { message: messages.join(" "), reasons }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PasswordRequirements;

    #[test]
    fn every_reason_is_named() {
        let config =
            AuthConfig { password_requirements: PasswordRequirements::LowerUpperLettersDigitsSymbols, ..AuthConfig::default() };
        let reasons = |password: &str| match check_strength(password, &config) {
            Ok(()) => Vec::new(),
            Err(AuthError::WeakPassword { reasons, .. }) => reasons,
            Err(other) => vec![other.wire().1],
        };
        assert_eq!(reasons("aB3$ef"), Vec::<&str>::new());
        assert_eq!(reasons("aB3$"), ["length"]);
        assert_eq!(reasons("abcdef"), ["characters"]);
        assert_eq!(reasons("a"), ["length", "characters"]);
        assert_eq!(reasons(&"aB3$".repeat(1024)), Vec::<&str>::new());
        assert_eq!(reasons(&"aB3$".repeat(1025)), ["validation_failed"]);
    }

    #[test]
    fn length_counts_bytes_as_the_original_does() {
        let config = AuthConfig::default();
        assert_eq!(check_strength("äöü", &config), Ok(()));
    }
}
