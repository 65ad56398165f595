//! Expressions.

use super::{Out, is_plain};
use crate::parse::expr::{level, symbol_level};
use crate::parse::keywords::{self, Class};
use crate::tree::{Arg, Call, Expr, ExprKind, IsTest, LikeKind, Name, Operator, OrderItem, Quantified, Window};

/// How tightly the outermost operator of an expression binds.
fn level_of(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Or(_) => level::OR,
        ExprKind::And(_) => level::AND,
        ExprKind::Not(_) => level::NOT,
        ExprKind::Is { .. } | ExprKind::Distinct { .. } => level::IS,
        ExprKind::Like { .. } | ExprKind::Between { .. } | ExprKind::InList { .. } | ExprKind::InQuery { .. } => level::LIKE,
        ExprKind::Binary(op, ..) | ExprKind::Quantified { op, .. } => operator_level(op),
        ExprKind::Unary(op, _) if op.schema.is_none() && matches!(op.symbol.as_str(), "+" | "-") => level::SIGN,
        ExprKind::Unary(..) => level::OTHER,
        ExprKind::Collate(..) => level::COLLATE,
        ExprKind::Cast(..) => level::CAST,
        _ => level::PRIMARY,
    }
}

fn operator_level(op: &Operator) -> u8 {
    if op.schema.is_some() { level::OTHER } else { symbol_level(&op.symbol) }
}

impl Out {
    /// An expression, in brackets if its operator binds less tightly than `min`.
    pub(super) fn expr(&mut self, expr: &Expr, min: u8) {
        let brackets = level_of(&expr.kind) < min;
        self.put_if(brackets, "(");
        self.kind(&expr.kind);
        self.put_if(brackets, ")");
    }

    /// An expression where only a narrow one may stand (DEFAULT, the low end of BETWEEN).
    pub(super) fn narrow(&mut self, expr: &Expr) {
        self.expr(expr, level::SIGN);
    }

    pub(super) fn exprs(&mut self, exprs: &[Expr]) {
        self.list(exprs, |out, expr| out.expr(expr, 0));
    }

    fn call_of(&mut self, function: &str, args: &[Expr]) {
        self.put(function);
        self.parens(args, |out, arg| out.expr(arg, 0));
    }

    pub(super) fn operator(&mut self, op: &Operator) {
        match &op.schema {
            None => self.put(&op.symbol),
            Some(schema) => {
                self.put("OPERATOR(");
                self.ident(schema);
                self.put(".");
                self.put(&op.symbol);
                self.put(")");
            }
        }
    }

    /// What stands in front of `.field` and `[i]`.
    fn base(&mut self, expr: &Expr, field: bool) {
        let open = match &expr.kind {
            ExprKind::Column(_) => !field,
            ExprKind::Field(_, name) => name != "*",
            ExprKind::Param(_) | ExprKind::Subscript(..) | ExprKind::Slice(..) | ExprKind::Scalar(_) => true,
            _ => false,
        };
        self.put_if(!open, "(");
        self.expr(expr, 0);
        self.put_if(!open, ")");
    }

    fn kind(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Null => self.put("NULL"),
            ExprKind::Bool(value) => self.put(if *value { "TRUE" } else { "FALSE" }),
            ExprKind::Number(text) => self.put(text),
            ExprKind::String(text) => self.string(text),
            ExprKind::BitString(kind, digits) => {
                self.put(&kind.to_string());
                self.string(digits);
            }
            ExprKind::Param(number) => self.put(&format!("${number}")),
            ExprKind::Column(parts) => self.dotted(parts),
            ExprKind::Star(parts) => {
                self.dotted(parts);
                self.put(if parts.is_empty() { "*" } else { ".*" });
            }
            ExprKind::Cast(expr, ty) => {
                self.expr(expr, level::CAST);
                self.put("::");
                self.type_name(ty);
            }
            ExprKind::Field(expr, field) => {
                self.base(expr, true);
                self.put(".");
                if field == "*" { self.put("*") } else { self.ident(field) }
            }
            ExprKind::Subscript(expr, index) => {
                self.base(expr, false);
                self.put("[");
                self.expr(index, 0);
                self.put("]");
            }
            ExprKind::Slice(expr, low, high) => {
                self.base(expr, false);
                self.put("[");
                low.iter().for_each(|e| self.expr(e, 0));
                self.put(":");
                high.iter().for_each(|e| self.expr(e, 0));
                self.put("]");
            }
            ExprKind::Unary(op, expr) => {
                self.operator(op);
                let sign = level_of(kind) == level::SIGN;
                self.put_if(!sign, " ");
                // Two signs in a row would begin a comment.
                let min = if matches!(expr.kind, ExprKind::Unary(..)) { level::PRIMARY } else { level::OTHER + 1 };
                self.expr(expr, if sign { min.max(level::SIGN) } else { min });
            }
            ExprKind::Binary(op, left, right) => {
                let level = operator_level(op);
                self.expr(left, if level == level::COMPARISON { level + 1 } else { level });
                self.put(" ");
                self.operator(op);
                self.put(" ");
                self.expr(right, level + 1);
            }
            ExprKind::And(items) => self.joined(items, " AND ", level::AND + 1),
            ExprKind::Or(items) => self.joined(items, " OR ", level::OR + 1),
            ExprKind::Not(expr) => {
                self.put("NOT ");
                self.expr(expr, level::NOT);
            }
            ExprKind::Is { expr, test, negated } => {
                self.expr(expr, level::IS + 1);
                self.put(if *negated { " IS NOT " } else { " IS " });
                self.put(match test {
                    IsTest::Null => "NULL",
                    IsTest::True => "TRUE",
                    IsTest::False => "FALSE",
                    IsTest::Unknown => "UNKNOWN",
                });
            }
            ExprKind::Distinct { left, right, negated } => {
                self.expr(left, level::IS + 1);
                self.put(if *negated { " IS NOT DISTINCT FROM " } else { " IS DISTINCT FROM " });
                self.expr(right, level::IS + 1);
            }
            ExprKind::Like { kind, expr, pattern, escape, negated } => {
                self.expr(expr, level::LIKE + 1);
                self.put_if(*negated, " NOT");
                self.put(match kind {
                    LikeKind::Like => " LIKE ",
                    LikeKind::ILike => " ILIKE ",
                    LikeKind::Similar => " SIMILAR TO ",
                });
                self.expr(pattern, level::LIKE + 1);
                if let Some(escape) = escape {
                    self.put(" ESCAPE ");
                    self.expr(escape, level::LIKE + 1);
                }
            }
            ExprKind::Between { expr, low, high, symmetric, negated } => {
                self.expr(expr, level::LIKE + 1);
                self.put(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.put_if(*symmetric, "SYMMETRIC ");
                self.narrow(low);
                self.put(" AND ");
                self.expr(high, level::LIKE + 1);
            }
            ExprKind::InList { expr, list, negated } => {
                self.expr(expr, level::LIKE + 1);
                self.put(if *negated { " NOT IN " } else { " IN " });
                self.parens(list, |out, item| out.expr(item, 0));
            }
            ExprKind::InQuery { expr, query, negated } => {
                self.expr(expr, level::LIKE + 1);
                self.put(if *negated { " NOT IN " } else { " IN " });
                self.bracketed_query(query);
            }
            ExprKind::Quantified { op, all, expr, right } => {
                let level = operator_level(op);
                self.expr(expr, if level == level::COMPARISON { level + 1 } else { level });
                self.put(" ");
                self.operator(op);
                self.put(if *all { " ALL " } else { " ANY " });
                match right {
                    Quantified::Array(array) => {
                        self.put("(");
                        self.expr(array, 0);
                        self.put(")");
                    }
                    Quantified::Query(query) => self.bracketed_query(query),
                }
            }
            ExprKind::Exists(query) => {
                self.put("EXISTS ");
                self.bracketed_query(query);
            }
            ExprKind::Scalar(query) => self.bracketed_query(query),
            ExprKind::ArrayQuery(query) => {
                self.put("ARRAY");
                self.bracketed_query(query);
            }
            ExprKind::Array(items) => {
                self.put("ARRAY[");
                self.exprs(items);
                self.put("]");
            }
            ExprKind::Row(items) => self.call_of("ROW", items),
            ExprKind::Case { operand, arms, otherwise } => {
                self.put("CASE");
                if let Some(operand) = operand {
                    self.put(" ");
                    self.expr(operand, 0);
                }
                for (when, then) in arms {
                    self.put(" WHEN ");
                    self.expr(when, 0);
                    self.put(" THEN ");
                    self.expr(then, 0);
                }
                if let Some(otherwise) = otherwise {
                    self.put(" ELSE ");
                    self.expr(otherwise, 0);
                }
                self.put(" END");
            }
            ExprKind::Coalesce(args) => self.call_of("COALESCE", args),
            ExprKind::NullIf(left, right) => {
                self.put("NULLIF(");
                self.expr(left, 0);
                self.put(", ");
                self.expr(right, 0);
                self.put(")");
            }
            ExprKind::Extreme { greatest, args } => self.call_of(if *greatest { "GREATEST" } else { "LEAST" }, args),
            ExprKind::Call(call) => self.call(call),
            ExprKind::Keyword(word, precision) => {
                self.put(&word.to_ascii_uppercase());
                if let Some(precision) = precision {
                    self.put(&format!("({precision})"));
                }
            }
            ExprKind::Collate(expr, name) => {
                self.expr(expr, level::COLLATE);
                self.put(" COLLATE ");
                self.name(name);
            }
            ExprKind::Special(text) => self.put(if text == "default" { "DEFAULT" } else { text }),
        }
    }

    fn dotted(&mut self, parts: &[String]) {
        for (index, part) in parts.iter().enumerate() {
            self.put_if(index > 0, ".");
            self.ident(part);
        }
    }

    fn joined(&mut self, items: &[Expr], word: &str, min: u8) {
        for (index, item) in items.iter().enumerate() {
            self.put_if(index > 0, word);
            self.expr(item, min);
        }
    }

    /// A function's name. Keywords that name functions stand without quotes, those that name columns only do not.
    pub(super) fn function_name(&mut self, name: &Name) {
        let plain = matches!(keywords::class(&name.name), Class::Free | Class::TypeFunc)
            || matches!(name.name.as_str(), "substring" | "overlay");
        match &name.schema {
            None if plain && is_plain(&name.name) => self.put(&name.name),
            _ => self.name(name),
        }
    }

    fn call(&mut self, call: &Call) {
        if self.spelled_call(call) {
            return;
        }
        self.function_name(&call.name);
        self.put("(");
        self.put_if(call.star, "*");
        self.put_if(call.distinct, "DISTINCT ");
        let last = call.args.len().saturating_sub(1);
        for (index, Arg { name, value }) in call.args.iter().enumerate() {
            self.put_if(index > 0, ", ");
            self.put_if(call.variadic && index == last, "VARIADIC ");
            if let Some(name) = name {
                self.ident(name);
                self.put(" => ");
            }
            self.expr(value, 0);
        }
        self.order_by(&call.order_by);
        self.put(")");
        if !call.within_group.is_empty() {
            self.put(" WITHIN GROUP (ORDER BY ");
            self.order_items(&call.within_group);
            self.put(")");
        }
        if let Some(filter) = &call.filter {
            self.put(" FILTER (WHERE ");
            self.expr(filter, 0);
            self.put(")");
        }
        if let Some(window) = &call.over {
            self.put(" OVER ");
            match &window.base {
                Some(base) if window.partition_by.is_empty() && window.order_by.is_empty() && window.frame.is_none() => {
                    self.ident(base)
                }
                _ => self.window(window),
            }
        }
    }

    /// Functions whose plain call PostgreSQL's grammar does not take.
    fn spelled_call(&mut self, call: &Call) -> bool {
        let bare = call.name.schema.is_none()
            && !call.star
            && !call.distinct
            && !call.variadic
            && call.order_by.is_empty()
            && call.within_group.is_empty()
            && call.filter.is_none()
            && call.over.is_none()
            && call.args.iter().all(|arg| arg.name.is_none());
        if !bare {
            return false;
        }
        match (call.name.name.as_str(), call.args.as_slice()) {
            ("extract", [Arg { value: field @ Expr { kind: ExprKind::String(_), .. }, .. }, Arg { value, .. }]) => {
                self.put("EXTRACT(");
                self.expr(field, 0);
                self.put(" FROM ");
                self.expr(value, 0);
                self.put(")");
            }
            ("position", [Arg { value: whole, .. }, Arg { value: part, .. }]) => {
                self.put("POSITION(");
                self.narrow(part);
                self.put(" IN ");
                self.narrow(whole);
                self.put(")");
            }
            ("normalize", [Arg { value, .. }]) => {
                self.put("NORMALIZE(");
                self.expr(value, 0);
                self.put(")");
            }
            ("normalize", [Arg { value, .. }, Arg { value: Expr { kind: ExprKind::String(form), .. }, .. }])
                if matches!(form.as_str(), "NFC" | "NFD" | "NFKC" | "NFKD") =>
            {
                self.put("NORMALIZE(");
                self.expr(value, 0);
                self.put(&format!(", {form})"));
            }
            _ => return false,
        }
        true
    }

    pub(super) fn window(&mut self, window: &Window) {
        self.put("(");
        let mut parts: Vec<String> = Vec::new();
        let part = |write: &dyn Fn(&mut Out)| {
            let mut out = Out::default();
            write(&mut out);
            out.text
        };
        if let Some(base) = &window.base {
            parts.push(part(&|out| out.ident(base)));
        }
        if !window.partition_by.is_empty() {
            parts.push(part(&|out| {
                out.put("PARTITION BY ");
                out.exprs(&window.partition_by);
            }));
        }
        if !window.order_by.is_empty() {
            parts.push(part(&|out| {
                out.put("ORDER BY ");
                out.order_items(&window.order_by);
            }));
        }
        parts.extend(window.frame.clone());
        self.put(&parts.join(" "));
        self.put(")");
    }

    pub(super) fn order_by(&mut self, items: &[OrderItem]) {
        if !items.is_empty() {
            self.put(" ORDER BY ");
            self.order_items(items);
        }
    }

    pub(super) fn order_items(&mut self, items: &[OrderItem]) {
        self.list(items, |out, item| {
            out.expr(&item.expr, 0);
            out.order_tail(item);
        });
    }

    pub(super) fn order_tail(&mut self, item: &OrderItem) {
        if let Some(using) = &item.using {
            self.put(" USING ");
            self.operator(using);
        }
        self.put_if(item.descending, " DESC");
        match item.nulls_first {
            Some(true) => self.put(" NULLS FIRST"),
            Some(false) => self.put(" NULLS LAST"),
            None => {}
        }
    }
}
