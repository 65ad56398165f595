//! Text functions.

pub(super) const ROWS: &str = "
    lower(text) text
    upper(text) text
    initcap(text) text
    length(text) int4
    length(bpchar) int4 imp=bpcharlen
    length(bytea) int4 imp=octet_length
    char_length(text) int4 imp=length
    char_length(bpchar) int4 imp=bpcharlen
    character_length(text) int4 imp=length
    character_length(bpchar) int4 imp=bpcharlen
    octet_length(text) int4
    octet_length(bytea) int4
    bit_length(text) int4
    btrim(text) text
    btrim(text, text) text
    ltrim(text) text
    ltrim(text, text) text
    rtrim(text) text
    rtrim(text, text) text
    lpad(text, int4) text
    lpad(text, int4, text) text
    rpad(text, int4) text
    rpad(text, int4, text) text
    left(text, int4) text
    right(text, int4) text
    repeat(text, int4) text
    replace(text, text, text) text
    reverse(text) text
    translate(text, text, text) text
    split_part(text, text, int4) text
    strpos(text, text) int4
    position(text, text) int4 imp=strpos
    substr(text, int4) text imp=substring
    substr(text, int4, int4) text imp=substring
    substring(text, int4) text
    substring(text, int4, int4) text
    substring(bytea, int4) bytea imp=bytea_substring
    substring(bytea, int4, int4) bytea imp=bytea_substring
    substring(text, text) text imp=regex_substring
    overlay(text, text, int4) text
    overlay(text, text, int4, int4) text
    starts_with(text, text) bool
    ascii(text) int4
    chr(int4) text
    concat(any) text null stable variadic
    concat_ws(text, any) text null stable variadic
    format(text) text null stable
    format(text, any) text null stable variadic
    quote_ident(text) text
    quote_literal(text) text
    quote_literal(anyelement) text stable imp=quote_literal_any
    quote_nullable(text) text null
    quote_nullable(anyelement) text null stable imp=quote_nullable_any
    to_hex(int4) text
    to_hex(int8) text
    regexp_replace(text, text, text) text
    regexp_replace(text, text, text, text) text
    regexp_match(text, text) text[]
    regexp_match(text, text, text) text[]
    regexp_matches(text, text) text[] set
    regexp_matches(text, text, text) text[] set
    regexp_split_to_array(text, text) text[]
    regexp_split_to_array(text, text, text) text[]
    regexp_split_to_table(text, text) text set
    regexp_split_to_table(text, text, text) text set
    regexp_count(text, text) int4
    regexp_like(text, text) bool
    regexp_like(text, text, text) bool
    regexp_substr(text, text) text
    string_to_array(text, text) text[] null
    string_to_array(text, text, text) text[] null
    string_to_table(text, text) text set null
    unaccent(text) text schema=extensions stable
    normalize(text) text
    normalize(text, text) text
    like_escape(text, text) text
    similar_to_escape(text) text
    similar_to_escape(text, text) text
    md5(text) text
    md5(bytea) text imp=md5_bytea
    sha224(bytea) bytea
    sha256(bytea) bytea
    sha384(bytea) bytea
    sha512(bytea) bytea
    encode(bytea, text) text
    decode(text, text) bytea
    convert_to(text, name) bytea stable
    convert_from(bytea, name) text stable
    get_byte(bytea, int4) int4
    set_byte(bytea, int4, int4) bytea
    digest(text, text) bytea schema=extensions imp=digest_text
    digest(bytea, text) bytea schema=extensions
    hmac(text, text, text) bytea schema=extensions imp=hmac_text
    hmac(bytea, bytea, text) bytea schema=extensions
    crypt(text, text) text schema=extensions
    gen_salt(text) text schema=extensions volatile
    gen_salt(text, int4) text schema=extensions volatile
    gen_random_bytes(int4) bytea schema=extensions volatile
    foldername(text) text[] schema=storage imp=storage_foldername
    filename(text) text schema=storage imp=storage_filename
    extension(text) text schema=storage imp=storage_extension
";
