//! The grammars of parameters, as PostgREST has them (`ApiRequest/QueryParams.hs`): the order of alternatives is that of its messages.

use super::run::Rule;
use Rule::{Ahead, Alt, Call, Char, Class, End, Except, Many, Nothing, Text};

macro_rules! seq {
    ($($rule:expr),* $(,)?) => { Rule::Seq(vec![$($rule),*]) };
}

/// A parameter's grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// `select=`.
    Select,
    /// `order=`.
    Order,
    /// The value of `column=`.
    Filter,
    /// `and=` and `or=`, the operator included.
    Logic,
    /// `columns=` and `on_conflict=`.
    Names,
    /// The name of a filter's parameter.
    Path,
}

impl Grammar {
    pub(super) fn rule(self) -> Rule {
        match self {
            Self::Select => forest(),
            Self::Order => separated(padded(Alt(vec![attempt(relation_term()), term()])), Char(',')),
            Self::Filter => operation(many(Class(|_| true))),
            Self::Logic => tree(),
            Self::Names => separated(field_name(), padded(Char(','))),
            Self::Path => seq![separated(field_name(), delimiter()), maybe(json_path())],
        }
    }
}

fn attempt(rule: Rule) -> Rule {
    Rule::Try(Box::new(rule))
}

fn named(name: &'static str, rule: Rule) -> Rule {
    Rule::Named(name, Box::new(rule))
}

fn maybe(rule: Rule) -> Rule {
    Alt(vec![rule, Nothing])
}

fn many(rule: Rule) -> Rule {
    Many(Box::new(rule))
}

fn not(rule: Rule) -> Rule {
    Rule::Not(Box::new(rule))
}

fn ahead(text: &'static str) -> Rule {
    attempt(Ahead(Box::new(Text(text))))
}

/// `rule` again and again, with something in between.
fn separated(rule: Rule, by: Rule) -> Rule {
    let shared = std::rc::Rc::new(rule);
    Rule::Seq(vec![Rule::Shared(shared.clone()), many(seq![by, Rule::Shared(shared)])])
}

fn blanks() -> Rule {
    many(Class(|c| c == ' ' || c == '\t'))
}

fn padded(rule: Rule) -> Rule {
    seq![blanks(), rule, blanks()]
}

fn delimiter() -> Rule {
    named("delimiter (.)", Char('.'))
}

fn letter() -> Rule {
    named("letter", Class(char::is_alphabetic))
}

fn digit() -> Rule {
    named("digit", Class(|c| c.is_ascii_digit()))
}

fn identifier_char() -> Rule {
    Alt(vec![letter(), digit(), Class(|c| matches!(c, '_' | ' ' | '$'))])
}

fn identifier() -> Rule {
    seq![identifier_char(), many(identifier_char())]
}

fn by_dashes(part: fn() -> Rule) -> Rule {
    let dash = attempt(seq![Char('-'), not(Char('>'))]);
    seq![part(), many(seq![dash, part()])]
}

fn quoted() -> Rule {
    let inside = Alt(vec![Class(|c| c != '\\' && c != '"'), seq![Char('\\'), Class(|_| true)]]);
    seq![Char('"'), many(inside), Char('"')]
}

fn field_name() -> Rule {
    named("field name (* or [a..z0..9_$])", Alt(vec![quoted(), by_dashes(identifier)]))
}

fn json_path() -> Rule {
    fn key_part() -> Rule {
        let fits: fn(char) -> bool = |c| !"(-:.,>)".contains(c);
        seq![Class(fits), many(Class(fits))]
    }
    let arrow = Alt(vec![attempt(Text("->>")), attempt(Text("->"))]);
    let end = Alt(vec![ahead("->"), ahead("::"), ahead("."), ahead(","), attempt(End)]);
    let index = seq![maybe(Char('-')), digit(), many(digit()), end];
    let key = named("any non reserved character different from: .,>()", Alt(vec![quoted(), by_dashes(key_part)]));
    many(seq![arrow, Alt(vec![attempt(index), attempt(key)])])
}

fn field() -> Rule {
    padded(seq![field_name(), maybe(json_path())])
}

fn forest() -> Rule {
    maybe(separated(Call(field_tree), padded(Char(','))))
}

fn field_tree() -> Rule {
    let within = |head: Rule| seq![attempt(head), Char('('), Call(forest), Char(')')];
    let spread = padded(seq![Text("..."), field_name(), embed_params(), ahead("(")]);
    let name = Except("count", Box::new(field_name()));
    let relation = padded(seq![alias(), name, embed_params(), ahead("(")]);
    Alt(vec![within(spread), within(relation), field_select()])
}

fn alias() -> Rule {
    maybe(attempt(seq![field_name(), Char(':'), not(Char(':'))]))
}

fn embed_params() -> Rule {
    fn param() -> Rule {
        seq![Char('!'), Alt(vec![attempt(Text("left")), attempt(Text("inner")), attempt(field_name())])]
    }
    seq![maybe(param()), maybe(param())]
}

fn field_select() -> Rule {
    fn cast() -> Rule {
        maybe(seq![Text("::"), identifier()])
    }
    fn end() -> Rule {
        Alt(vec![ahead(")"), ahead(","), attempt(End)])
    }
    let aggregates = Alt(vec![Text("sum"), Text("avg"), Text("count"), attempt(Text("max")), attempt(Text("min"))]);
    let aggregate = maybe(attempt(seq![Char('.'), aggregates, Text("()")]));
    padded(Alt(vec![
        attempt(seq![Text("*"), end()]),
        attempt(seq![alias(), Text("count()"), cast(), end()]),
        seq![alias(), field(), cast(), aggregate, cast(), end()],
    ]))
}

fn term() -> Rule {
    seq![field(), direction()]
}

fn relation_term() -> Rule {
    seq![field_name(), Char('('), field(), Char(')'), direction()]
}

fn direction() -> Rule {
    fn end() -> Rule {
        Alt(vec![attempt(Ahead(Box::new(Char(',')))), attempt(End)])
    }
    let word = |text| attempt(seq![delimiter(), Text(text)]);
    let nulls = maybe(Alt(vec![word("nullsfirst"), word("nullslast")]));
    seq![maybe(Alt(vec![word("asc"), word("desc")])), Alt(vec![seq![nulls, end()], end()])]
}

fn operation(value: Rule) -> Rule {
    const SIMPLE: [&str; 9] = ["neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj"];
    const QUANTIFIED: [&str; 9] = ["eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch"];
    const FULL_TEXT: [&str; 4] = ["fts", "plfts", "phfts", "wfts"];
    let any_of = |words: &[&'static str]| Alt(words.iter().map(|word| attempt(Text(word))).collect());
    let value = std::rc::Rc::new(value);
    let value = || Rule::Shared(value.clone());
    let before = |word| attempt(seq![Text(word), delimiter()]);
    let configuration = maybe(attempt(seq![Char('('), identifier(), Char(')')]));
    let any_or_all = Alt(vec![attempt(Text("any")), Text("all")]);
    let quantifier = maybe(attempt(seq![Char('('), any_or_all, Char(')')]));
    let operations = Alt(vec![
        seq![before("in"), list()],
        seq![before("is"), is_value()],
        seq![before("isdistinct"), value()],
        attempt(seq![any_of(&FULL_TEXT), configuration, delimiter(), value()]),
        attempt(seq![named("unknown single value operator", any_of(&SIMPLE)), delimiter(), value()]),
        attempt(seq![named("unknown single value operator", any_of(&QUANTIFIED)), quantifier, delimiter(), value()]),
    ]);
    seq![maybe(before("not")), named("operator (eq, gt, ...)", operations)]
}

fn outside_lists(c: char) -> bool {
    c != ',' && c != ')'
}

fn list() -> Rule {
    let element = Alt(vec![attempt(seq![quoted(), not(Class(outside_lists))]), many(Class(outside_lists))]);
    seq![padded(Char('(')), separated(element, Char(',')), padded(Char(')'))]
}

fn is_value() -> Rule {
    let word = |text: &str| attempt(Rule::Seq(text.chars().map(|c| Alt(vec![Char(c), Char(c.to_ascii_uppercase())])).collect()));
    let words = ["null", "not_null", "true", "false", "unknown"].map(word);
    named("isVal: (null, not_null, true, false, unknown)", Alt(words.into()))
}

fn tree() -> Rule {
    let array = seq![Text("{"), many(Class(|c| c != '{' && c != '}')), Text("}")];
    let value = Alt(vec![attempt(seq![quoted(), not(Class(outside_lists))]), attempt(array), many(Class(outside_lists))]);
    let filter = seq![field(), delimiter(), operation(value)];
    let negation = named("negation operator (not)", maybe(attempt(seq![Text("not"), delimiter()])));
    let word = named("logic operator (and, or)", Alt(vec![attempt(Text("and")), Text("or")]));
    let parts = seq![padded(Char('(')), separated(Call(tree), padded(Char(','))), padded(Char(')'))];
    Alt(vec![attempt(filter), seq![negation, word, parts]])
}
