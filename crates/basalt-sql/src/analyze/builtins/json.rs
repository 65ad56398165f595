//! json and jsonb functions.

pub(super) const ROWS: &str = "
    to_json(anyelement) json stable
    to_jsonb(anyelement) jsonb stable
    row_to_json(record) json stable imp=to_json
    row_to_json(record, bool) json stable imp=row_to_json_pretty
    array_to_json(anyarray) json stable imp=to_json
    json_build_object() json stable null
    json_build_object(any) json stable null variadic
    jsonb_build_object() jsonb stable null
    jsonb_build_object(any) jsonb stable null variadic
    json_build_array() json stable null
    json_build_array(any) json stable null variadic
    jsonb_build_array() jsonb stable null
    jsonb_build_array(any) jsonb stable null variadic
    json_object(text[]) json
    json_object(text[], text[]) json
    jsonb_object(text[]) jsonb
    jsonb_object(text[], text[]) jsonb
    json_typeof(json) text
    jsonb_typeof(jsonb) text
    json_array_length(json) int4
    jsonb_array_length(jsonb) int4
    json_object_field(json, text) json
    json_object_field_text(json, text) text
    jsonb_object_field(jsonb, text) jsonb
    jsonb_object_field_text(jsonb, text) text
    json_extract_path(json, text) json variadic
    json_extract_path_text(json, text) text variadic
    jsonb_extract_path(jsonb, text) jsonb variadic
    jsonb_extract_path_text(jsonb, text) text variadic
    jsonb_set(jsonb, text[], jsonb) jsonb
    jsonb_set(jsonb, text[], jsonb, bool) jsonb
    jsonb_set_lax(jsonb, text[], jsonb) jsonb null
    jsonb_set_lax(jsonb, text[], jsonb, bool) jsonb null
    jsonb_set_lax(jsonb, text[], jsonb, bool, text) jsonb null
    jsonb_insert(jsonb, text[], jsonb) jsonb
    jsonb_insert(jsonb, text[], jsonb, bool) jsonb
    jsonb_strip_nulls(jsonb) jsonb
    json_strip_nulls(json) json
    jsonb_pretty(jsonb) text
    jsonb_concat(jsonb, jsonb) jsonb
    jsonb_delete(jsonb, text) jsonb
    jsonb_exists(jsonb, text) bool
    jsonb_contains(jsonb, jsonb) bool
    json_array_elements(json) json set cols=value:json
    jsonb_array_elements(jsonb) jsonb set cols=value:jsonb
    json_array_elements_text(json) text set cols=value:text
    jsonb_array_elements_text(jsonb) text set cols=value:text
    json_object_keys(json) text set
    jsonb_object_keys(jsonb) text set
    json_each(json) record set cols=key:text,value:json
    jsonb_each(jsonb) record set cols=key:text,value:jsonb
    json_each_text(json) record set cols=key:text,value:text
    jsonb_each_text(jsonb) record set cols=key:text,value:text
    json_to_record(json) record stable
    jsonb_to_record(jsonb) record stable
    json_to_recordset(json) record stable set null
    jsonb_to_recordset(jsonb) record stable set null
";
