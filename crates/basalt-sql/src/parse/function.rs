//! CREATE and ALTER FUNCTION or PROCEDURE.

use super::cursor::{Parsed, Parser};
use super::keywords::{self, Class};
use super::lexer::Kind;
use super::session::SettingValue;
use crate::tree::{CreateFunction, FunctionOption, FunctionParam, Name, ObjectKind, ParamMode, Pos, Statement, TypeName};

impl Parser<'_> {
    /// CREATE FUNCTION or PROCEDURE, behind that word.
    pub(crate) fn create_function(&mut self, or_replace: bool, procedure: bool) -> Parsed<Statement> {
        let name = self.function_name()?;
        let mut function = CreateFunction {
            name,
            or_replace,
            procedure,
            params: self.params()?,
            returns: None,
            returns_table: Vec::new(),
            options: Vec::new(),
        };
        if self.is("returns") && !self.are("returns null") {
            self.advance();
            if self.is("table") && self.is_sym_at(1, "(") {
                self.advance();
                function.returns_table = self.parens(|p| {
                    let name = p.param_name()?;
                    Ok((name, p.type_name()?))
                })?;
            } else {
                function.returns = Some(self.type_name()?);
            }
        }
        while !self.at_end() {
            match self.function_option()? {
                Some(option) => function.options.push(option),
                None => return self.unexpected(),
            }
        }
        Ok(Statement::CreateFunction(Box::new(function)))
    }

    fn param_name(&mut self) -> Parsed<String> {
        match self.peek() {
            Kind::Quoted(_) => self.label(),
            Kind::Word(word) if matches!(keywords::class(word), Class::Free | Class::TypeFunc) => self.label(),
            _ => self.unexpected(),
        }
    }

    fn params(&mut self) -> Parsed<Vec<FunctionParam>> {
        self.expect_sym("(")?;
        let params = if self.is_sym(")") { Vec::new() } else { self.list(Self::param)? };
        self.expect_sym(")")?;
        Ok(params)
    }

    fn mode(&mut self) -> Option<ParamMode> {
        if self.eat("in out") {
            return Some(ParamMode::InOut);
        }
        match self.eat_any(&["in", "out", "inout", "variadic"])? {
            "in" => Some(ParamMode::In),
            "out" => Some(ParamMode::Out),
            "inout" => Some(ParamMode::InOut),
            _ => Some(ParamMode::Variadic),
        }
    }

    fn param(&mut self) -> Parsed<FunctionParam> {
        let mut mode = self.mode();
        let mut name = None;
        if self.is_param_name() {
            name = Some(self.param_name()?);
            mode = mode.or_else(|| self.mode());
        }
        let ty = self.type_name()?;
        let default = if self.eat("default") || self.eat_sym("=") || self.eat_sym(":=") { Some(self.expr()?) } else { None };
        Ok(FunctionParam { mode: mode.unwrap_or(ParamMode::In), name, ty, default })
    }

    /// Whether the next word is a parameter's name: a type or a mode follows it.
    fn is_param_name(&self) -> bool {
        let free = match self.peek() {
            Kind::Quoted(_) => true,
            Kind::Word(word) => matches!(keywords::class(word), Class::Free | Class::TypeFunc),
            _ => false,
        };
        let type_follows = match self.token(1) {
            Kind::Quoted(_) => true,
            Kind::Word(word) => match keywords::class(word) {
                Class::Free | Class::TypeFunc => true,
                Class::ColName => word != "precision",
                Class::Reserved => matches!(word.as_str(), "in" | "variadic"),
            },
            _ => false,
        };
        free && type_follows
    }

    /// The argument types by which DROP, COMMENT, GRANT and ALTER name a function; OUT parameters do not count.
    pub(crate) fn signature(&mut self) -> Parsed<Option<Vec<TypeName>>> {
        if !self.is_sym("(") {
            return Ok(None);
        }
        if self.is_sym_at(1, "*") && self.is_sym_at(2, ")") {
            self.skip_group()?;
            return Ok(Some(Vec::new()));
        }
        let params = self.params()?;
        Ok(Some(params.into_iter().filter(|p| p.mode != ParamMode::Out).map(|p| p.ty).collect()))
    }

    pub(crate) fn function_option(&mut self) -> Parsed<Option<FunctionOption>> {
        let from = self.at;
        let simple = [
            ("immutable", FunctionOption::Volatility("immutable".into())),
            ("stable", FunctionOption::Volatility("stable".into())),
            ("volatile", FunctionOption::Volatility("volatile".into())),
            ("strict", FunctionOption::Strict(true)),
            ("returns null on null input", FunctionOption::Strict(true)),
            ("called on null input", FunctionOption::Strict(false)),
            ("leakproof", FunctionOption::Leakproof(true)),
            ("not leakproof", FunctionOption::Leakproof(false)),
            ("security definer", FunctionOption::SecurityDefiner(true)),
            ("security invoker", FunctionOption::SecurityDefiner(false)),
            ("external security definer", FunctionOption::SecurityDefiner(true)),
            ("external security invoker", FunctionOption::SecurityDefiner(false)),
            ("window", FunctionOption::NoEffect("window".into())),
        ];
        for (words, option) in simple {
            if self.eat(words) {
                return Ok(Some(option));
            }
        }
        Ok(Some(if self.eat("language") {
            FunctionOption::Language(self.word_or_string()?.to_lowercase())
        } else if self.eat("as") {
            let pos = self.body_pos();
            let body = self.string()?;
            if self.is_sym(",") {
                return self.other("CREATE FUNCTION in an object file");
            }
            FunctionOption::Body(body, pos)
        } else if self.is("return") {
            let pos = self.pos();
            self.advance();
            self.expr()?;
            FunctionOption::SqlBody(self.written(from).to_owned(), pos)
        } else if self.are("begin atomic") {
            let pos = self.pos();
            self.skip_atomic()?;
            FunctionOption::SqlBody(self.written(from).to_owned(), pos)
        } else if self.eat("parallel") {
            self.label()?;
            FunctionOption::NoEffect(self.written(from).to_owned())
        } else if self.eat("cost") || self.eat("rows") {
            if !matches!(self.peek(), Kind::Num(_)) {
                return self.unexpected();
            }
            self.advance();
            FunctionOption::NoEffect(self.written(from).to_owned())
        } else if self.eat("support") {
            self.name()?;
            FunctionOption::NoEffect(self.written(from).to_owned())
        } else if self.is("transform") {
            return self.other("CREATE FUNCTION … TRANSFORM");
        } else if self.eat("set") {
            if self.is_any(&["local", "session"]) && !self.are("session authorization") {
                return self.unexpected();
            }
            match self.setting()? {
                (name, SettingValue::Values(values)) => FunctionOption::Set(name, values),
                (name, SettingValue::Current) => FunctionOption::Set(name, Vec::new()),
                (_, SettingValue::Default) => return self.other("function SET … TO DEFAULT"),
            }
        } else if self.is("reset") {
            return self.other("ALTER FUNCTION … RESET");
        } else {
            return Ok(None);
        }))
    }

    /// Where the first character of the string constant's content stands.
    pub(crate) fn body_pos(&self) -> Pos {
        let text = self.text.get(self.start_at(self.at)..).unwrap_or("");
        let open = match text.as_bytes().first() {
            Some(b'$') => text.get(1..).and_then(|rest| rest.find('$')).map_or(1, |tag| tag + 2),
            Some(b'\'') => 1,
            _ => text.find('\'').map_or(0, |quote| quote + 1),
        };
        Pos(self.pos().0 + open as u32)
    }

    /// Passes over BEGIN ATOMIC … END.
    fn skip_atomic(&mut self) -> Parsed<()> {
        self.expect("begin atomic")?;
        self.passed = true;
        let mut depth = 1;
        while depth > 0 {
            if self.at_end() {
                return self.unexpected();
            }
            if self.is("case") {
                depth += 1;
            } else if self.is("end") {
                depth -= 1;
            }
            self.advance();
        }
        Ok(())
    }

    /// ALTER FUNCTION, PROCEDURE or ROUTINE, behind that word.
    pub(crate) fn alter_function(&mut self, kind: ObjectKind) -> Parsed<Statement> {
        let name: Name = self.function_name()?;
        let args = self.signature()?;
        if self.is("depends") || self.are("no depends") {
            return self.other("ALTER FUNCTION … DEPENDS");
        }
        let mut options = Vec::new();
        if self.eat("owner to") {
            options.push(FunctionOption::Owner(self.role()?));
        } else if self.eat("rename to") {
            options.push(FunctionOption::Rename(self.col_id()?));
        } else if self.eat("set schema") {
            options.push(FunctionOption::Schema(self.col_id()?));
        } else {
            while let Some(option) = self.function_option()? {
                if matches!(option, FunctionOption::Body(..) | FunctionOption::SqlBody(..) | FunctionOption::Language(_)) {
                    return self.unexpected();
                }
                options.push(option);
            }
            if options.is_empty() {
                return self.unexpected();
            }
            self.eat("restrict");
        }
        Ok(Statement::AlterFunction { kind, name, args, options })
    }
}
