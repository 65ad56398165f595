//! Array functions and series.

pub(super) const ROWS: &str = "
    array_length(anyarray, int4) int4
    array_ndims(anyarray) int4
    array_dims(anyarray) text
    array_lower(anyarray, int4) int4
    array_upper(anyarray, int4) int4
    cardinality(anyarray) int4
    array_append(anycompatiblearray, anycompatible) anycompatiblearray null
    array_prepend(anycompatible, anycompatiblearray) anycompatiblearray null
    array_cat(anycompatiblearray, anycompatiblearray) anycompatiblearray null
    array_remove(anycompatiblearray, anycompatible) anycompatiblearray null
    array_replace(anycompatiblearray, anycompatible, anycompatible) anycompatiblearray null
    array_position(anycompatiblearray, anycompatible) int4 null
    array_position(anycompatiblearray, anycompatible, int4) int4 null
    array_positions(anycompatiblearray, anycompatible) int4[] null
    array_to_string(anyarray, text) text stable
    array_to_string(anyarray, text, text) text stable null
    array_fill(anyelement, int4[]) anyarray null
    array_shuffle(anyarray) anyarray volatile
    array_sample(anyarray, int4) anyarray volatile
    trim_array(anyarray, int4) anyarray
    unnest(anyarray) anyelement set
    generate_subscripts(anyarray, int4) int4 set
    generate_series(int4, int4) int4 set
    generate_series(int4, int4, int4) int4 set
    generate_series(int8, int8) int8 set
    generate_series(int8, int8, int8) int8 set
    generate_series(numeric, numeric) numeric set
    generate_series(numeric, numeric, numeric) numeric set
    generate_series(timestamp, timestamp, interval) timestamp set
    generate_series(timestamptz, timestamptz, interval) timestamptz set stable
";
