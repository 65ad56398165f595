//! Faults that tests put into the guard one by one, to prove that they would be noticed. Compiled out without the feature `faults`.

/// One deliberate mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Fault {
    /// Restrictive policies are not applied.
    RestrictiveDropped = 1,
    /// Permissive policies are joined with AND.
    PermissiveAnded = 2,
    /// A restrictive policy widens instead of narrowing.
    RestrictiveOred = 3,
    /// Tables of embeds are read without policies.
    EmbedUnfiltered = 4,
    /// Tables of EXISTS filters (`!inner`) are read without policies.
    ExistsUnfiltered = 5,
    /// The count counts hidden rows.
    CountUnfiltered = 6,
    /// No WITH CHECK on INSERT.
    InsertCheckSkipped = 7,
    /// No WITH CHECK on UPDATE.
    UpdateCheckSkipped = 8,
    /// UPDATE's WITH CHECK looks at the old row.
    UpdateCheckOnOldRow = 9,
    /// USING is checked where WITH CHECK exists.
    UsingForCheck = 10,
    /// A policy without WITH CHECK checks nothing.
    CheckDoesNotFallBack = 11,
    /// UPDATE reaches rows that USING hides.
    UpdateUsingSkipped = 12,
    /// DELETE reaches rows that USING hides.
    DeleteUsingSkipped = 13,
    /// Upserts do not test USING on the existing row.
    ConflictUsingSkipped = 14,
    /// Upserts do not check the updated row.
    ConflictCheckSkipped = 15,
    /// INSERT … RETURNING needs no SELECT policy.
    ReturningNeedsNoSelect = 16,
    /// UPDATE and DELETE that read columns need no SELECT policy.
    ReadingWriteNeedsNoSelect = 17,
    /// Policies' TO roles are not looked at.
    RolesIgnored = 18,
    /// FORCE ROW LEVEL SECURITY is not looked at.
    ForceIgnored = 19,
    /// Everybody is taken for the owner.
    EverybodyOwner = 20,
    /// BYPASSRLS is not looked at.
    BypassIgnored = 21,
    /// Any column's privilege is enough for all columns.
    ColumnGrantsIgnored = 22,
    /// Table privileges are not looked at.
    TableGrantsIgnored = 23,
    /// Policies' subqueries read tables without policies.
    PolicySubqueryUnguarded = 24,
    /// A missing claim is the empty string instead of NULL.
    NullClaimIsEmpty = 25,
    /// The previous request's claims are bound (looked at by engines).
    PreviousClaims = 26,
    /// Row security without an applicable policy shows all rows.
    NoPolicyMeansAll = 27,
    /// FOR ALL policies are not applied.
    AllCommandIgnored = 28,
    /// A check that gives NULL passes.
    NullCheckPasses = 29,
    /// Recursion among policies hides rows instead of being an error.
    RecursionHides = 30,
}

/// How many there are: numbers 1 to this.
pub const COUNT: u8 = 30;

#[cfg(feature = "faults")]
mod state {
    use super::Fault;
    use std::sync::atomic::{AtomicU8, Ordering};

    static ACTIVE: AtomicU8 = AtomicU8::new(0);

    /// Puts one fault in, or takes it out. For the whole process; programs compiled before keep what they had.
    pub fn set(fault: Option<Fault>) {
        ACTIVE.store(fault.map_or(0, |f| f as u8), Ordering::SeqCst);
    }

    /// Puts a fault in by number.
    pub fn set_number(number: u8) {
        ACTIVE.store(number, Ordering::SeqCst);
    }

    /// Whether this fault is in.
    pub fn on(fault: Fault) -> bool {
        ACTIVE.load(Ordering::SeqCst) == fault as u8
    }
}

#[cfg(feature = "faults")]
pub use state::{on, set, set_number};

/// Whether this fault is in: never, without the feature.
#[cfg(not(feature = "faults"))]
pub const fn on(_: Fault) -> bool {
    false
}
