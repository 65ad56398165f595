//! Dates and times. `now()` and its spellings are session facts, not rows here.

pub(super) const ROWS: &str = "
    clock_timestamp() timestamptz volatile
    timeofday() text volatile
    timezone(text, timestamptz) timestamp
    timezone(text, timestamp) timestamptz
    timezone(text, timetz) timetz stable
    timezone(interval, timestamptz) timestamp
    timezone(interval, timestamp) timestamptz
    date_trunc(text, timestamp) timestamp
    date_trunc(text, timestamptz) timestamptz stable
    date_trunc(text, timestamptz, text) timestamptz
    date_trunc(text, interval) interval
    date_part(text, date) float8
    date_part(text, time) float8
    date_part(text, timetz) float8
    date_part(text, timestamp) float8
    date_part(text, timestamptz) float8 stable
    date_part(text, interval) float8
    extract(text, date) numeric
    extract(text, time) numeric
    extract(text, timetz) numeric
    extract(text, timestamp) numeric
    extract(text, timestamptz) numeric stable
    extract(text, interval) numeric
    date_bin(interval, timestamp, timestamp) timestamp
    date_bin(interval, timestamptz, timestamptz) timestamptz
    date_add(timestamptz, interval) timestamptz stable imp=timestamptz_pl_interval
    date_subtract(timestamptz, interval) timestamptz stable imp=timestamptz_mi_interval
    age(timestamp, timestamp) interval
    age(timestamptz, timestamptz) interval
    age(timestamp) interval stable imp=age_today
    age(timestamptz) interval stable imp=age_today
    to_char(timestamp, text) text stable
    to_char(timestamptz, text) text stable
    to_char(interval, text) text stable
    to_char(int4, text) text stable
    to_char(int8, text) text stable
    to_char(float4, text) text stable
    to_char(float8, text) text stable
    to_char(numeric, text) text stable
    to_date(text, text) date stable
    to_timestamp(text, text) timestamptz stable imp=to_timestamp_text
    to_timestamp(float8) timestamptz
    make_date(int4, int4, int4) date
    make_time(int4, int4, float8) time
    make_timestamp(int4, int4, int4, int4, int4, float8) timestamp
    make_timestamptz(int4, int4, int4, int4, int4, float8) timestamptz stable
    make_timestamptz(int4, int4, int4, int4, int4, float8, text) timestamptz stable
    make_interval(int4, int4, int4, int4, int4, int4, float8) interval opt=7
    justify_days(interval) interval
    justify_hours(interval) interval
    justify_interval(interval) interval
    isfinite(date) bool
    isfinite(timestamp) bool
    isfinite(timestamptz) bool
    isfinite(interval) bool
    overlaps(timestamp, timestamp, timestamp, timestamp) bool null
    overlaps(timestamptz, timestamptz, timestamptz, timestamptz) bool null
    pg_sleep(float8) void volatile
";

/// Parameter names of `make_interval`, the one built-in that is usually called with named notation; what is left out is zero.
pub const MAKE_INTERVAL: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
