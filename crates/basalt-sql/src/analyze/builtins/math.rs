//! Mathematical functions.

pub(super) const ROWS: &str = "
    abs(int2) int2
    abs(int4) int4
    abs(int8) int8
    abs(float4) float4
    abs(float8) float8
    abs(numeric) numeric
    ceil(float8) float8
    ceil(numeric) numeric
    ceiling(float8) float8 imp=ceil
    ceiling(numeric) numeric imp=ceil
    floor(float8) float8
    floor(numeric) numeric
    round(float8) float8
    round(numeric) numeric
    round(numeric, int4) numeric
    trunc(float8) float8
    trunc(numeric) numeric
    trunc(numeric, int4) numeric
    sign(float8) float8
    sign(numeric) numeric
    sqrt(float8) float8
    sqrt(numeric) numeric
    cbrt(float8) float8
    exp(float8) float8
    exp(numeric) numeric
    ln(float8) float8
    ln(numeric) numeric
    log(float8) float8
    log(numeric) numeric
    log(numeric, numeric) numeric
    log10(float8) float8 imp=log
    log10(numeric) numeric imp=log
    power(float8, float8) float8 imp=dpow
    power(numeric, numeric) numeric imp=numeric_power
    pow(float8, float8) float8 imp=dpow
    pow(numeric, numeric) numeric imp=numeric_power
    mod(int2, int2) int2 imp=int2mod
    mod(int4, int4) int4 imp=int4mod
    mod(int8, int8) int8 imp=int8mod
    mod(numeric, numeric) numeric imp=numeric_mod
    div(numeric, numeric) numeric imp=numeric_div_trunc
    gcd(int4, int4) int4
    gcd(int8, int8) int8
    lcm(int4, int4) int4
    lcm(int8, int8) int8
    factorial(int8) numeric
    pi() float8
    degrees(float8) float8
    radians(float8) float8
    sin(float8) float8
    cos(float8) float8
    tan(float8) float8
    cot(float8) float8
    asin(float8) float8
    acos(float8) float8
    atan(float8) float8
    atan2(float8, float8) float8
    random() float8 volatile
    random(int4, int4) int4 volatile imp=random_between
    random(int8, int8) int8 volatile imp=random_between
    setseed(float8) void volatile
    scale(numeric) int4
    min_scale(numeric) int4
    trim_scale(numeric) numeric
    width_bucket(float8, float8, float8, int4) int4
    width_bucket(numeric, numeric, numeric, int4) int4
    to_number(text, text) numeric stable
";
