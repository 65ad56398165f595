//! E-mail addresses.

use crate::error::AuthError;

/// Longest address, bytes. Source: supabase/auth `validateEmail`.
const LONGEST: usize = 255;

/// A checked address in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EmailAddress(String);

impl EmailAddress {
    /// Checks an address as the original does: the form of HTML's e-mail input, no look at the domain.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthError> {
        if text.is_empty() {
            return Err(AuthError::validation("An email address is required"));
        }
        if text.len() > LONGEST {
            return Err(AuthError::validation("An email address is too long"));
        }
        if !has_right_form(text) {
            return Err(AuthError::validation("Unable to validate email address: invalid format"));
        }
        Ok(Self(text.to_lowercase()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn has_right_form(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_local = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        bytes.len() <= 63
            && ends.iter().all(|end| end.is_some_and(|b| b.is_ascii_alphanumeric()))
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    !local.is_empty() && local.bytes().all(is_local) && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_form_of_htmls_input() {
        for good in ["a@b", "A.b+c@Example.COM", "o'neil@x-y.org", "a@1.2"] {
            assert_eq!(EmailAddress::parse(good).map(|e| e.as_str().to_owned()), Ok(good.to_lowercase()));
        }
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@-b.c", "a@b-.c", "a@b..c", "ä@b.c", "a@b.c\n", "a\0@b.c"] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
        assert!(EmailAddress::parse(&format!("{}@b.c", "a".repeat(252))).is_err());
    }
}
