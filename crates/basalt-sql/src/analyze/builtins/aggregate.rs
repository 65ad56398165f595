//! Aggregates and window functions.

pub(super) const ROWS: &str = "
    count() int8 agg imp=count_star
    count(any) int8 agg
    sum(int2) int8 agg
    sum(int4) int8 agg
    sum(int8) numeric agg
    sum(float4) float4 agg
    sum(float8) float8 agg
    sum(numeric) numeric agg
    sum(interval) interval agg
    avg(int2) numeric agg
    avg(int4) numeric agg
    avg(int8) numeric agg
    avg(float4) float8 agg
    avg(float8) float8 agg
    avg(numeric) numeric agg
    avg(interval) interval agg
    min(int2) int2 agg
    min(int4) int4 agg
    min(int8) int8 agg
    min(float4) float4 agg
    min(float8) float8 agg
    min(numeric) numeric agg
    min(text) text agg
    min(bpchar) bpchar agg
    min(citext) citext agg
    min(date) date agg
    min(time) time agg
    min(timetz) timetz agg
    min(timestamp) timestamp agg
    min(timestamptz) timestamptz agg
    min(interval) interval agg
    min(inet) inet agg
    min(oid) oid agg
    min(anyenum) anyenum agg
    min(anyarray) anyarray agg
    max(int2) int2 agg
    max(int4) int4 agg
    max(int8) int8 agg
    max(float4) float4 agg
    max(float8) float8 agg
    max(numeric) numeric agg
    max(text) text agg
    max(bpchar) bpchar agg
    max(citext) citext agg
    max(date) date agg
    max(time) time agg
    max(timetz) timetz agg
    max(timestamp) timestamp agg
    max(timestamptz) timestamptz agg
    max(interval) interval agg
    max(inet) inet agg
    max(oid) oid agg
    max(anyenum) anyenum agg
    max(anyarray) anyarray agg
    any_value(anyelement) anyelement agg
    bool_and(bool) bool agg
    bool_or(bool) bool agg
    every(bool) bool agg imp=bool_and
    bit_and(int2) int2 agg
    bit_and(int4) int4 agg
    bit_and(int8) int8 agg
    bit_or(int2) int2 agg
    bit_or(int4) int4 agg
    bit_or(int8) int8 agg
    array_agg(anynonarray) anyarray agg
    array_agg(anyarray) anyarray agg imp=array_agg_array
    string_agg(text, text) text agg
    string_agg(bytea, bytea) bytea agg imp=string_agg_bytea
    json_agg(anyelement) json agg stable
    jsonb_agg(anyelement) jsonb agg stable
    json_object_agg(any, any) json agg stable
    jsonb_object_agg(any, any) jsonb agg stable
    stddev(int4) numeric agg imp=stddev_samp
    stddev(int8) numeric agg imp=stddev_samp
    stddev(float8) float8 agg imp=stddev_samp
    stddev(numeric) numeric agg imp=stddev_samp
    stddev_samp(int4) numeric agg
    stddev_samp(int8) numeric agg
    stddev_samp(float8) float8 agg
    stddev_samp(numeric) numeric agg
    stddev_pop(int4) numeric agg
    stddev_pop(int8) numeric agg
    stddev_pop(float8) float8 agg
    stddev_pop(numeric) numeric agg
    variance(int4) numeric agg imp=var_samp
    variance(int8) numeric agg imp=var_samp
    variance(float8) float8 agg imp=var_samp
    variance(numeric) numeric agg imp=var_samp
    var_samp(int4) numeric agg
    var_samp(int8) numeric agg
    var_samp(float8) float8 agg
    var_samp(numeric) numeric agg
    var_pop(int4) numeric agg
    var_pop(int8) numeric agg
    var_pop(float8) float8 agg
    var_pop(numeric) numeric agg
    row_number() int8 win
    rank() int8 win
    dense_rank() int8 win
    percent_rank() float8 win
    cume_dist() float8 win
    ntile(int4) int4 win
    lag(anyelement) anyelement win
    lag(anyelement, int4) anyelement win
    lag(anycompatible, int4, anycompatible) anycompatible win
    lead(anyelement) anyelement win
    lead(anyelement, int4) anyelement win
    lead(anycompatible, int4, anycompatible) anycompatible win
    first_value(anyelement) anyelement win
    last_value(anyelement) anyelement win
    nth_value(anyelement, int4) anyelement win
";
