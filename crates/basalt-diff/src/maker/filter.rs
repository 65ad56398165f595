//! Conditions of every operator on every type, with right values and wrong ones.

use crate::maker::Maker;
use crate::model::{Column, Purpose};
use crate::request::{Condition, name, quoted};
use crate::types::Type;

/// Operators that compare, for any type that has an order.
pub const COMPARE: [&str; 7] = ["eq", "neq", "gt", "gte", "lt", "lte", "isdistinct"];

/// Operators that few types have: elsewhere 42883.
const SPECIAL: [&str; 12] = ["like", "ilike", "match", "imatch", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj"];

const PATTERNS: [&str; 12] = ["*e*", "r*", "*", "_e*", "%", "", "*\\**", "100\\%", "*(*", "GR*", "it's", "*,*"];
const REGEXES: [&str; 9] = ["^r", "e+", "[a-z]{3}", "(red|blue)", "^$", "\\d", "GREEN", "(", "x*?"];

/// Paths into the documents of `types.rs`.
pub const PATHS: [&str; 9] = ["->k", "->>k", "->a->b", "->a->>b", "->a->b->0", "->1", "->>0", "->a->b->2->>c", "->>missing"];

impl Maker<'_> {
    fn tested(&mut self, column: &Column, op: &str) {
        self.feature(format!("filter {op} {}", column.ty.word()));
    }

    /// A condition on a table, with trees up to some depth.
    pub fn condition(&mut self, table: usize, depth: usize) -> Condition {
        if depth > 0 && self.random.percent(17) {
            let is_or = self.random.percent(60);
            let negated = self.random.percent(25);
            self.feature(if is_or { "or" } else { "and" });
            let count = 1 + self.random.below(3);
            let items = (0..count).map(|_| self.condition(table, depth - 1)).collect();
            return Condition::Tree { negated, is_or, items };
        }
        let column = self.readable(table, 7);
        let mut condition = self.test(table, column);
        if let Condition::Test { negated, .. } = &mut condition
            && self.random.percent(12)
        {
            *negated = true;
            self.feature("not");
        }
        condition
    }

    fn test(&mut self, table: usize, column: &Column) -> Condition {
        let field = name(&column.name);
        let ty = column.ty;
        let test = |op: &str, value: String| Condition::Test { field: field.clone(), negated: false, op: op.to_owned(), value };
        if ty.is_json() && self.random.percent(if ty == Type::Json { 45 } else { 30 }) {
            return self.path_test(column);
        }
        if self.random.percent(14) || ty == Type::Json && self.random.percent(85) {
            self.tested(column, "is");
            let word = match ty {
                Type::Bool => self.random.pick(&["null", "not_null", "true", "false", "unknown"]),
                _ => self.random.pick(&["null", "not_null", "NULL"]),
            };
            return test("is", word.to_owned());
        }
        if self.random.percent(4) {
            // On a type that has no such operator, mostly.
            let op = self.random.pick(&SPECIAL);
            self.feature("operator of another type");
            let value = self.known(table, column);
            return test(op, value);
        }
        if self.random.percent(4) {
            self.feature(format!("wrong value {}", ty.word()));
            let op = self.random.pick(&COMPARE);
            return test(op, self.random.pick(ty.wrongs()).to_owned());
        }
        if ty.is_text() && self.random.percent(35) {
            return self.pattern(column);
        }
        if (ty.is_array() || ty == Type::Jsonb) && self.random.percent(if ty.is_array() { 50 } else { 25 }) {
            let ops: &[&str] = if ty.is_array() { &["cs", "cd", "ov"] } else { &["cs", "cd"] };
            let op = self.random.pick(ops);
            self.tested(column, op);
            let value = if ty == Type::Jsonb {
                self.random.pick(&["{}", "{\"k\":\"v\"}", "[1]", "[]", "1"]).to_owned()
            } else {
                self.known(table, column)
            };
            return test(op, value);
        }
        if self.random.percent(16) {
            self.tested(column, "in");
            let count = self.random.below(4);
            let list: Vec<String> = (0..count).map(|_| quoted(&self.known(table, column))).collect();
            return test("in", format!("({})", list.join(",")));
        }
        if self.random.percent(5) {
            let quantifier = self.random.pick(&["any", "all"]);
            let op = self.random.pick(&["eq", "gt", "gte", "lt", "lte"]);
            self.feature(format!("{op}({quantifier})"));
            let count = self.random.below(3);
            let list: Vec<String> = (0..=count).map(|_| quoted(&self.known(table, column))).collect();
            return test(&format!("{op}({quantifier})"), format!("{{{}}}", list.join(",")));
        }
        let op = match column.purpose {
            Purpose::Owner if self.random.percent(50) => "eq",
            _ => self.random.pick(&COMPARE),
        };
        self.tested(column, op);
        let value = self.known(table, column);
        test(op, value)
    }

    fn pattern(&mut self, column: &Column) -> Condition {
        let op = self.random.pick(&["like", "ilike", "match", "imatch"]);
        self.tested(column, op);
        let list: &[&str] = if op.ends_with("like") { &PATTERNS } else { &REGEXES };
        let field = name(&column.name);
        if self.random.percent(15) {
            let quantifier = self.random.pick(&["any", "all"]);
            self.feature(format!("{op}({quantifier})"));
            let parts: Vec<String> = (0..2).map(|_| quoted(self.random.pick(list))).collect();
            let (op, value) = (format!("{op}({quantifier})"), format!("{{{}}}", parts.join(",")));
            return Condition::Test { field, negated: false, op, value };
        }
        Condition::Test { field, negated: false, op: op.to_owned(), value: self.random.pick(list).to_owned() }
    }

    fn path_test(&mut self, column: &Column) -> Condition {
        let path = self.random.pick(&PATHS);
        let field = format!("{}{path}", name(&column.name));
        let is_text = path.contains("->>");
        self.feature(format!("filter by path {}", column.ty.word()));
        let test = |op: &str, value: &str| Condition::Test {
            field: field.clone(),
            negated: false,
            op: op.to_owned(),
            value: value.to_owned(),
        };
        match self.random.below(6) {
            0 => test("is", "null"),
            1 => test("is", "not_null"),
            2 if is_text => test("like", "*v*"),
            3 if is_text => test("in", "(v,9,10)"),
            _ if is_text || column.ty == Type::Jsonb => {
                let op = self.random.pick(&COMPARE);
                let values: &[&str] = if is_text {
                    &["v", "9", "10", "true", "5", "null", ""]
                } else {
                    &["\"v\"", "10", "true", "5", "null", "[1,2]", "v"]
                };
                test(op, self.random.pick(values))
            }
            _ => test("is", "null"),
        }
    }
}
