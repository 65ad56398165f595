//! RAISE, ASSERT and GET DIAGNOSTICS.

use basalt_sql::plpgsql::Level;
use basalt_types::pg::oid;
use basalt_types::{SqlError, SqlState, TypeRef, Value};

use super::code::{Item, Place, Raise};
use super::compile::syntax;
use super::conditions;
use super::prepare::Lazy;
use super::run::Run;

/// Longest message, bytes.
const LONGEST: usize = 1 << 20;

impl Run<'_> {
    pub(super) fn raise(&mut self, raise: &Raise) -> Result<(), SqlError> {
        let mut message = match &raise.format {
            Some(format) => Some(self.formatted(format, &raise.args)?),
            None => None,
        };
        let mut named = raise.condition.as_ref().map(|(name, _)| name.clone());
        let mut state = raise.condition.as_ref().map(|(_, state)| *state);
        let (mut detail, mut hint, mut constraint) = (None, None, None);
        let mut seen: Vec<&str> = Vec::new();
        for (option, value) in &raise.options {
            let given = self.text(value)?;
            let Some(given) = given else {
                return Err(SqlError::new(SqlState::NULL_NOT_ALLOWED, "RAISE statement option cannot be null"));
            };
            let again = || syntax(format!("RAISE option already specified: {}", option.to_uppercase()));
            if seen.contains(&option.as_str()) {
                return Err(again());
            }
            match option.as_str() {
                "errcode" => {
                    if state.is_some() {
                        return Err(again());
                    }
                    state = Some(conditions::of_text(&given)?);
                    named = Some(given);
                }
                "message" => {
                    if message.is_some() {
                        return Err(again());
                    }
                    message = Some(given);
                }
                "detail" => detail = Some(given),
                "hint" => hint = Some(given),
                "constraint" => constraint = Some(given),
                _ => {}
            }
            seen.push(option);
        }
        let state = state.unwrap_or(SqlState::RAISE_EXCEPTION);
        let message = message.or(named).unwrap_or_else(|| state.as_str().to_owned());
        if raise.level == Level::Exception {
            let mut error = SqlError::new(state, message);
            (error.detail, error.hint, error.constraint) = (detail, hint, constraint);
            return Err(error);
        }
        if let Some(desk) = self.scene.desk()
            && matches!(raise.level, Level::Notice | Level::Warning | Level::Info)
        {
            desk.notice(message);
        }
        Ok(())
    }

    /// Puts arguments in the place of `%`.
    fn formatted(&mut self, format: &str, args: &[Lazy]) -> Result<String, SqlError> {
        let mut message = String::new();
        let mut args = args.iter();
        let mut rest = format.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '%' if rest.next_if_eq(&'%').is_some() => message.push('%'),
                '%' => match args.next() {
                    Some(arg) => message.push_str(self.text(arg)?.as_deref().unwrap_or("<NULL>")),
                    None => return Err(syntax("too few parameters specified for RAISE")),
                },
                c => message.push(c),
            }
            if message.len() > LONGEST {
                return Err(SqlError::new(SqlState::PROGRAM_LIMIT, "the message of RAISE is too long"));
            }
        }
        Ok(message)
    }

    pub(super) fn assert(&mut self, condition: &Lazy, message: Option<&Lazy>) -> Result<(), SqlError> {
        if self.condition(condition)? {
            return Ok(());
        }
        let message = match message {
            Some(message) => self.text(message)?,
            None => None,
        };
        Err(SqlError::new(SqlState::new(b"P0004"), message.unwrap_or_else(|| "assertion failed".to_owned())))
    }

    pub(super) fn diagnostics(&mut self, stacked: bool, items: &[(Place, Item)]) -> Result<(), SqlError> {
        let handled = self.handled.last().cloned();
        if stacked && handled.is_none() {
            let message = "GET STACKED DIAGNOSTICS cannot be used outside an exception handler";
            return Err(SqlError::new(SqlState::new(b"0Z002"), message));
        }
        let text = |text: Option<String>| (Value::Text(text.unwrap_or_default()), TypeRef::of(oid::TEXT));
        for (place, item) in items {
            let of = |get: fn(&SqlError) -> Option<String>| handled.as_ref().and_then(get);
            let (value, ty) = match item {
                Item::RowCount => {
                    let count = i64::try_from(self.row_count).unwrap_or(i64::MAX);
                    (Value::Int(count), TypeRef::of(oid::INT8))
                }
                // Where a statement stands is not kept.
                Item::Context => text(None),
                Item::State => text(of(|e| Some(e.state.as_str().to_owned()))),
                Item::Message => text(of(|e| Some(e.message.clone()))),
                Item::Detail => text(of(|e| e.detail.clone())),
                Item::Hint => text(of(|e| e.hint.clone())),
                Item::Constraint => text(of(|e| e.constraint.clone())),
            };
            self.assign(place, value, ty)?;
        }
        Ok(())
    }
}
