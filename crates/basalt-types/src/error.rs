//! Errors that carry PostgreSQL's SQLSTATE from where they arise to where a surface renders them.

use std::fmt;

/// A five-character SQLSTATE.
///
/// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// Wraps a code, for use in constants. Five ASCII characters.
    pub const fn new(code: &[u8; 5]) -> Self {
        Self(*code)
    }

    /// Reads a code as users write it in `ERRCODE`; five digits or upper-case letters.
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 5] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()).then_some(Self(bytes))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        // Both constructors take ASCII only in practice; a constant with other bytes would be a bug and shows as "XX000".
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl SqlState { $($(#[$doc])* pub const $name: Self = Self::new($code);)* }
    };
}

states! {
    /// feature_not_supported
    FEATURE_NOT_SUPPORTED = b"0A000";
    /// cardinality_violation
    CARDINALITY_VIOLATION = b"21000";
    /// string_data_right_truncation
    STRING_TOO_LONG = b"22001";
    /// numeric_value_out_of_range
    OUT_OF_RANGE = b"22003";
    /// null_value_not_allowed
    NULL_NOT_ALLOWED = b"22004";
    /// invalid_datetime_format
    INVALID_DATETIME = b"22007";
    /// datetime_field_overflow
    DATETIME_OVERFLOW = b"22008";
    /// invalid_time_zone_displacement_value
    INVALID_TIME_ZONE = b"22009";
    /// division_by_zero
    DIVISION_BY_ZERO = b"22012";
    /// invalid_parameter_value
    INVALID_PARAMETER = b"22023";
    /// invalid_regular_expression
    INVALID_REGEX = b"2201B";
    /// invalid_row_count_in_limit_clause
    INVALID_LIMIT = b"2201W";
    /// invalid_row_count_in_result_offset_clause
    INVALID_OFFSET = b"2201X";
    /// invalid_escape_sequence
    INVALID_ESCAPE = b"22025";
    /// invalid_text_representation
    INVALID_TEXT = b"22P02";
    /// invalid_binary_representation
    INVALID_BINARY = b"22P03";
    /// untranslatable_character
    UNTRANSLATABLE = b"22P05";
    /// character_not_in_repertoire
    INVALID_ENCODING = b"22021";
    /// array_subscript_error
    ARRAY_SUBSCRIPT = b"2202E";
    /// integrity_constraint_violation
    INTEGRITY = b"23000";
    /// restrict_violation
    RESTRICT_VIOLATION = b"23001";
    /// not_null_violation
    NOT_NULL_VIOLATION = b"23502";
    /// foreign_key_violation
    FOREIGN_KEY_VIOLATION = b"23503";
    /// unique_violation
    UNIQUE_VIOLATION = b"23505";
    /// check_violation
    CHECK_VIOLATION = b"23514";
    /// read_only_sql_transaction
    READ_ONLY = b"25006";
    /// generated_always and other reasons a column cannot be written
    GENERATED_ALWAYS = b"428C9";
    /// dependent_objects_still_exist
    DEPENDENT_OBJECTS = b"2BP01";
    /// invalid_schema_name
    INVALID_SCHEMA = b"3F000";
    /// with_check_option_violation
    CHECK_OPTION_VIOLATION = b"44000";
    /// insufficient_privilege
    INSUFFICIENT_PRIVILEGE = b"42501";
    /// syntax_error
    SYNTAX_ERROR = b"42601";
    /// undefined_column
    UNDEFINED_COLUMN = b"42703";
    /// undefined_function
    UNDEFINED_FUNCTION = b"42883";
    /// undefined_table
    UNDEFINED_TABLE = b"42P01";
    /// undefined_parameter
    UNDEFINED_PARAMETER = b"42P02";
    /// undefined_object
    UNDEFINED_OBJECT = b"42704";
    /// duplicate_column
    DUPLICATE_COLUMN = b"42701";
    /// duplicate_alias
    DUPLICATE_ALIAS = b"42712";
    /// duplicate_table
    DUPLICATE_TABLE = b"42P07";
    /// duplicate_schema
    DUPLICATE_SCHEMA = b"42P06";
    /// duplicate_object
    DUPLICATE_OBJECT = b"42710";
    /// duplicate_function
    DUPLICATE_FUNCTION = b"42723";
    /// ambiguous_column
    AMBIGUOUS_COLUMN = b"42702";
    /// ambiguous_function
    AMBIGUOUS_FUNCTION = b"42725";
    /// grouping_error
    GROUPING_ERROR = b"42803";
    /// datatype_mismatch
    DATATYPE_MISMATCH = b"42804";
    /// cannot_coerce
    CANNOT_COERCE = b"42846";
    /// wrong_object_type
    WRONG_OBJECT_TYPE = b"42809";
    /// invalid_foreign_key
    INVALID_FOREIGN_KEY = b"42830";
    /// invalid_column_reference
    INVALID_COLUMN_REFERENCE = b"42P10";
    /// invalid_object_definition
    INVALID_OBJECT_DEFINITION = b"42P17";
    /// invalid_table_definition
    INVALID_TABLE_DEFINITION = b"42P16";
    /// indeterminate_datatype
    INDETERMINATE_DATATYPE = b"42P18";
    /// reserved_name
    RESERVED_NAME = b"42939";
    /// name_too_long
    NAME_TOO_LONG = b"42622";
    /// sequence_generator_limit_exceeded
    SEQUENCE_LIMIT = b"2200H";
    /// disk_full
    DISK_FULL = b"53100";
    /// out_of_memory
    OUT_OF_MEMORY = b"53200";
    /// no connection to the database's server; ours, since code of users may raise 08001 itself
    CANNOT_CONNECT = b"08B01";
    /// the database's server went away in the middle; ours, since code of users may raise 08006 itself
    CONNECTION_FAILURE = b"08B06";
    /// no connection of a pool became free in time; ours, in the class of connection exceptions
    POOL_TIMEOUT = b"08B03";
    /// too_many_connections; here: a bounded queue is full
    TOO_MANY = b"53300";
    /// statement_too_complex
    TOO_COMPLEX = b"54001";
    /// program_limit_exceeded
    PROGRAM_LIMIT = b"54000";
    /// object_not_in_prerequisite_state
    NOT_IN_PREREQUISITE_STATE = b"55000";
    /// query_canceled (statement timeout)
    QUERY_CANCELED = b"57014";
    /// admin_shutdown
    ADMIN_SHUTDOWN = b"57P01";
    /// io_error
    IO_ERROR = b"58030";
    /// raise_exception
    RAISE_EXCEPTION = b"P0001";
    /// no_data_found
    NO_DATA_FOUND = b"P0002";
    /// too_many_rows
    TOO_MANY_ROWS = b"P0003";
    /// internal_error
    INTERNAL = b"XX000";
}

/// An error as PostgreSQL would report it.
///
/// The texts are shown to callers: never SQL text, file paths, secrets or another tenant's values.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlError {
    /// The SQLSTATE.
    pub state: SqlState,
    /// Primary message.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// Name of the violated constraint, for 23xxx.
    pub constraint: Option<String>,
}

impl SqlError {
    /// An error with state and message only.
    pub fn new(state: SqlState, message: impl Into<String>) -> Self {
        Self { state, message: message.into(), detail: None, hint: None, constraint: None }
    }

    /// Adds DETAIL.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }

    /// Adds HINT.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }

    /// Adds the constraint's name.
    #[must_use]
    pub fn constraint(mut self, name: impl Into<String>) -> Self {
        self.constraint = Some(name.into());
        self
    }

    /// 0A000: PostgreSQL has it, Basalt on this engine does not.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not supported on SQLite"))
    }

    /// XX000: a bug in Basalt; the text says where.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(SqlState::INTERNAL, what)
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.state.as_str())
    }
}

impl std::error::Error for SqlError {}
