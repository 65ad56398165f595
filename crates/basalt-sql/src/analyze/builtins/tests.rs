use super::*;

#[test]
fn every_row_is_read() {
    for rows in [text::ROWS, math::ROWS, datetime::ROWS, json::ROWS, array::ROWS, aggregate::ROWS, system::ROWS] {
        for line in lines(rows) {
            assert!(function_row(line).is_some(), "unreadable: {line}");
        }
    }
    for line in lines(operators::ROWS) {
        assert!(operator_row(line).is_some(), "unreadable: {line}");
    }
}

#[test]
fn no_two_rows_take_the_same_arguments() {
    let mut seen = std::collections::HashSet::new();
    for f in all_functions() {
        assert!(seen.insert((f.schema, f.name, f.args.clone(), f.variadic)), "twice: {} {:?}", f.name, f.args);
    }
    let mut seen = std::collections::HashSet::new();
    for o in all_operators() {
        assert!(seen.insert((o.symbol, o.left, o.right)), "twice: {} {:?} {:?}", o.symbol, o.left, o.right);
    }
}
