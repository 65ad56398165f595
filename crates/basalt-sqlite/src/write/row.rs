//! The values a statement's parameters take from the row being written.

use std::borrow::Cow;

use basalt_plan::program::{Bind, TableFacts};
use basalt_types::Value;

use crate::bind::RowFacts;

/// Where a column stands in the table's rows.
pub(super) fn position(table: &TableFacts, attnum: i16) -> Option<usize> {
    // Columns are in attnum order; without dropped ones the number tells the place.
    let guess = usize::try_from(attnum).ok()?.checked_sub(1)?;
    if table.columns.get(guess).is_some_and(|c| c.attnum == attnum) {
        return Some(guess);
    }
    table.columns.binary_search_by_key(&attnum, |c| c.attnum).ok()
}

/// The rows a statement may refer to.
pub(super) struct Row<'a> {
    table: &'a TableFacts,
    pub(super) new: Option<&'a [Value]>,
    pub(super) old: Option<&'a [Value]>,
    pub(super) excluded: Option<&'a [Value]>,
    pub(super) rowid: Option<i64>,
    pub(super) value: Option<&'a Value>,
    pub(super) written: Option<&'a Value>,
}

impl<'a> Row<'a> {
    /// Nothing but the table.
    pub(super) fn none(table: &'a TableFacts) -> Self {
        Self { table, new: None, old: None, excluded: None, rowid: None, value: None, written: None }
    }

    /// The row as it will be, or is.
    pub(super) fn of(table: &'a TableFacts, new: &'a [Value]) -> Self {
        Self { new: Some(new), ..Self::none(table) }
    }

    fn column(&self, row: Option<&'a [Value]>, attnum: i16) -> Option<Cow<'_, Value>> {
        row?.get(position(self.table, attnum)?).map(Cow::Borrowed)
    }
}

impl RowFacts for Row<'_> {
    fn value(&self, bind: &Bind) -> Option<Cow<'_, Value>> {
        match bind {
            Bind::New(attnum) => self.column(self.new, *attnum),
            Bind::Old(attnum) => self.column(self.old, *attnum),
            Bind::Excluded(attnum) => self.column(self.excluded, *attnum),
            Bind::RowId => self.rowid.map(|id| Cow::Owned(Value::Int(id))),
            Bind::Value => self.value.map(Cow::Borrowed),
            Bind::Written => self.written.map(Cow::Borrowed),
            _ => None,
        }
    }
}
