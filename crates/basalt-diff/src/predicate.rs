//! Policy expressions: made up as trees, printed as SQL, taken apart when a failure is made smaller.

use crate::model::{Link, Purpose, Table};
use crate::random::Random;
use crate::types::Type;

/// A condition over a row of one table.
#[derive(Debug, Clone)]
pub enum Predicate {
    Constant(&'static str),
    /// A text in which `{}` stands for a column with its qualifier; about the row alone or the claims alone.
    Plain {
        text: &'static str,
        column: Option<usize>,
        kind: Kind,
    },
    Not(Box<Predicate>),
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    /// `column [not] in (select inner from table where filter)`.
    In {
        column: usize,
        is_negated: bool,
        table: usize,
        inner: usize,
        filter: Option<Box<Predicate>>,
    },
    /// `[not] exists (select … from table where inner = column and filter)`.
    Exists {
        column: usize,
        is_negated: bool,
        table: usize,
        inner: usize,
        filter: Option<Box<Predicate>>,
    },
    /// `(select count(*) from table where inner = column and filter) >= least`.
    Count {
        column: usize,
        table: usize,
        inner: usize,
        least: i64,
        filter: Option<Box<Predicate>>,
    },
    /// `(select owner from table where key = column) = auth.uid()`.
    Scalar {
        column: usize,
        table: usize,
        inner: usize,
        answer: usize,
    },
}

/// What a condition looks at, for the coverage table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Constant,
    /// Columns alone.
    Row,
    /// Claims alone.
    Claims,
    /// Columns compared with claims.
    RowAndClaims,
    Not,
    AndOr,
    In,
    NotIn,
    Exists,
    NotExists,
    Count,
    Scalar,
}

const OWNER: &[&str] = &[
    "{} = auth.uid()",
    "(select auth.uid()) = {}",
    "{} = auth.uid()",
    "{} = (auth.jwt() ->> 'sub')::uuid",
    "{} is not distinct from auth.uid()",
    "{}::text = nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'",
    "coalesce({} = auth.uid(), false)",
    "{} <> auth.uid()",
    "{} is null or {} = auth.uid()",
    "auth.uid() in ({}, '00000000-0000-4000-8000-000000000003'::uuid)",
];
const TENANT: &[&str] = &[
    "{} = (auth.jwt() ->> 'tenant')::int",
    "{} = (auth.jwt() -> 'app_metadata' ->> 'tenant')::int",
    "{}::text = (auth.jwt() ->> 'tenant')",
    "coalesce({}, 0) = coalesce((auth.jwt() ->> 'tenant')::int, 0)",
    "({} = (select (auth.jwt() ->> 'tenant')::int)) is not false",
    "{} >= (auth.jwt() ->> 'tenant')::int",
];
const FLAG: &[&str] = &["{}", "{} is true", "not {}", "{} is not true", "{} is null"];
const AMOUNT: &[&str] = &["{} > 3", "{} <= 6", "{} between 2 and 7", "{} is null or {} < 5", "{} % 2 = 0", "{} <> 4"];
const TITLE: &[&str] =
    &["{} in ('red', 'green')", "{} <> 'red'", "{} like '%e%'", "lower({}) < 'h'", "{} not in ('blue', 'Grey')"];
const CLAIMS: &[&str] = &[
    "auth.role() = 'authenticated'",
    "auth.uid() is not null",
    "(auth.jwt() -> 'app_metadata' ->> 'admin')::boolean",
    "auth.role() is null",
    "(auth.jwt() ->> 'tenant') is null",
    "auth.email() like '%@example.org'",
];
const CONSTANTS: &[&str] = &["true", "false", "null::boolean"];

/// What a table's policies may look at.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub tables: &'a [Table],
    pub table: usize,
    /// Tables that subqueries may read.
    pub others: &'a [usize],
}

impl Predicate {
    /// A constant. It stands alone: inside AND or OR PostgreSQL's planner folds its neighbours away, with the privileges they take.
    pub fn constant(random: &mut Random) -> Self {
        Self::Constant(random.pick(CONSTANTS))
    }

    /// Makes one up, nested at most `depth` deep.
    pub fn make(random: &mut Random, place: Place<'_>, depth: usize) -> Self {
        if depth > 0 && random.percent(26) {
            let mut parts = |n: usize| (0..n).map(|_| Self::make(random, place, depth - 1)).collect::<Vec<_>>();
            let parts = parts(2);
            return match random.below(5) {
                0 => Self::Not(Box::new(Self::make(random, place, depth - 1))),
                1 | 2 => Self::And(parts),
                _ => Self::Or(parts),
            };
        }
        if depth > 0 && random.percent(36) {
            let subquery = Self::subquery(random, place, depth - 1);
            if let Some(subquery) = subquery {
                return subquery;
            }
        }
        Self::plain(random, &place.tables[place.table])
    }

    /// One without subqueries.
    pub fn plain(random: &mut Random, table: &Table) -> Self {
        if random.percent(9) {
            return Self::Plain { text: random.pick(CLAIMS), column: None, kind: Kind::Claims };
        }
        let column = random.below(table.columns.len());
        let (texts, kind) = match table.columns[column].purpose {
            Purpose::Owner => (OWNER, Kind::RowAndClaims),
            Purpose::Tenant => (TENANT, Kind::RowAndClaims),
            Purpose::Flag => (FLAG, Kind::Row),
            Purpose::Amount => (AMOUNT, Kind::Row),
            Purpose::Title => (TITLE, Kind::Row),
            Purpose::Key | Purpose::Code | Purpose::Parent | Purpose::Extra => {
                // References mean little by themselves: look for a column that says more.
                return match table.column(Purpose::Owner).filter(|_| random.percent(60)).or(table.column(Purpose::Flag)) {
                    Some(owner) if table.columns[owner].purpose == Purpose::Owner => {
                        Self::Plain { text: random.pick(OWNER), column: Some(owner), kind: Kind::RowAndClaims }
                    }
                    Some(flag) => Self::Plain { text: random.pick(FLAG), column: Some(flag), kind: Kind::Row },
                    None if table.columns[table.key[0]].ty == Type::Int4 => {
                        Self::Plain { text: "{} > 2", column: Some(table.key[0]), kind: Kind::Row }
                    }
                    None => Self::Plain { text: "{} is not null", column: Some(table.key[0]), kind: Kind::Row },
                };
            }
        };
        Self::Plain { text: random.pick(texts), column: Some(column), kind }
    }

    fn subquery(random: &mut Random, place: Place<'_>, depth: usize) -> Option<Self> {
        if place.others.is_empty() {
            return None;
        }
        let table = random.pick(place.others);
        let (here, there) = (&place.tables[place.table], &place.tables[table]);
        // Pairs of columns that mean the same: along a reference either way, or by a shared purpose.
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        let single = |l: &&Link| l.columns.len() == 1;
        pairs.extend(here.links.iter().filter(|l| l.target == table).filter(single).map(|l| (l.columns[0], there.key[0])));
        pairs.extend(there.links.iter().filter(|l| l.target == place.table).filter(single).map(|l| (here.key[0], l.columns[0])));
        for purpose in [Purpose::Tenant, Purpose::Owner] {
            if let (Some(a), Some(b)) = (here.column(purpose), there.column(purpose)) {
                pairs.push((a, b));
            }
        }
        if pairs.is_empty() {
            return None;
        }
        let (column, inner) = random.pick(&pairs);
        let others: Vec<usize> = place.others.iter().copied().filter(|o| *o != place.table && *o != table).collect();
        let within = Place { tables: place.tables, table, others: &others };
        let filter = random.percent(65).then(|| Box::new(Self::make(random, within, depth)));
        let is_negated = random.percent(15);
        Some(match random.below(10) {
            0..=3 => Self::In { column, is_negated, table, inner, filter },
            4..=6 => Self::Exists { column, is_negated, table, inner, filter },
            7 => Self::Count { column, table, inner, least: random.between(1, 2), filter },
            _ => match there.column(Purpose::Owner) {
                Some(answer) if inner == there.key[0] && there.key.len() == 1 => Self::Scalar { column, table, inner, answer },
                _ => Self::Exists { column, is_negated, table, inner, filter },
            },
        })
    }

    /// Its text over rows named `row`.
    pub fn sql(&self, tables: &[Table], row: &str, depth: usize) -> String {
        let own = tables.iter().find(|t| t.name == row);
        self.print(tables, own, row, depth)
    }

    fn print(&self, tables: &[Table], own: Option<&Table>, row: &str, depth: usize) -> String {
        let name = |column: usize| own.and_then(|t| t.columns.get(column)).map_or("?", |c| c.name.as_str());
        let list = |parts: &[Self], word: &str| {
            let texts: Vec<String> = parts.iter().map(|p| format!("({})", p.print(tables, own, row, depth))).collect();
            texts.join(word)
        };
        let alias = format!("x{depth}");
        let filtered = |filter: &Option<Box<Self>>, table: usize, word: &str| match filter {
            None => String::new(),
            Some(filter) => format!(" {word} ({})", filter.print(tables, tables.get(table), &alias, depth + 1)),
        };
        // What is no longer there makes SQL that no engine takes.
        let from = |table: usize| tables.get(table).map_or_else(|| "?".to_owned(), |t| format!("{} {alias}", t.full_name()));
        let inner_name = |table: usize, column: usize| {
            let column = tables.get(table).and_then(|t| t.columns.get(column));
            format!("{alias}.{}", column.map_or("?", |c| c.name.as_str()))
        };
        match self {
            Self::Constant(text) => (*text).to_owned(),
            Self::Plain { text, column: None, .. } => (*text).to_owned(),
            Self::Plain { text, column: Some(column), .. } => text.replace("{}", &format!("{row}.{}", name(*column))),
            Self::Not(part) => format!("not ({})", part.print(tables, own, row, depth)),
            Self::And(parts) => list(parts, " and "),
            Self::Or(parts) => list(parts, " or "),
            Self::In { column, is_negated, table, inner, filter } => format!(
                "{row}.{} {}in (select {} from {}{})",
                name(*column),
                if *is_negated { "not " } else { "" },
                inner_name(*table, *inner),
                from(*table),
                filtered(filter, *table, "where")
            ),
            Self::Exists { column, is_negated, table, inner, filter } => format!(
                "{}exists (select 1 from {} where {} = {row}.{}{})",
                if *is_negated { "not " } else { "" },
                from(*table),
                inner_name(*table, *inner),
                name(*column),
                filtered(filter, *table, "and")
            ),
            Self::Count { column, table, inner, least, filter } => format!(
                "(select count(*) from {} where {} = {row}.{}{}) >= {least}",
                from(*table),
                inner_name(*table, *inner),
                name(*column),
                filtered(filter, *table, "and")
            ),
            Self::Scalar { column, table, inner, answer } => format!(
                "(select {} from {} where {} = {row}.{}) = auth.uid()",
                inner_name(*table, *answer),
                from(*table),
                inner_name(*table, *inner),
                name(*column)
            ),
        }
    }

    /// All kinds in it.
    pub fn kinds(&self, out: &mut Vec<Kind>) {
        match self {
            Self::Constant(_) => out.push(Kind::Constant),
            Self::Plain { kind, .. } => out.push(*kind),
            Self::Not(part) => {
                out.push(Kind::Not);
                part.kinds(out);
            }
            Self::And(parts) | Self::Or(parts) => {
                out.push(Kind::AndOr);
                parts.iter().for_each(|p| p.kinds(out));
            }
            Self::In { is_negated, filter, .. } => {
                out.push(if *is_negated { Kind::NotIn } else { Kind::In });
                filter.iter().for_each(|p| p.kinds(out));
            }
            Self::Exists { is_negated, filter, .. } => {
                out.push(if *is_negated { Kind::NotExists } else { Kind::Exists });
                filter.iter().for_each(|p| p.kinds(out));
            }
            Self::Count { filter, .. } => {
                out.push(Kind::Count);
                filter.iter().for_each(|p| p.kinds(out));
            }
            Self::Scalar { .. } => out.push(Kind::Scalar),
        }
    }

    /// Always true, but not a constant.
    const PRESENT: Self = Self::Plain { text: "auth.role() is not null", column: None, kind: Kind::Claims };

    /// Simpler ones to try in its place.
    pub fn simpler(&self) -> Vec<Self> {
        let mut out = Vec::new();
        match self {
            Self::Constant(_) => {}
            Self::Plain { .. } => {}
            Self::Scalar { .. } => out.push(Self::PRESENT),
            Self::Not(part) => {
                out.push((**part).clone());
                out.extend(part.simpler().into_iter().map(|p| Self::Not(Box::new(p))));
            }
            Self::And(parts) | Self::Or(parts) => {
                out.extend(parts.iter().cloned());
                for (n, part) in parts.iter().enumerate() {
                    for simpler in part.simpler() {
                        let mut parts = parts.clone();
                        parts[n] = simpler;
                        out.push(if matches!(self, Self::And(_)) { Self::And(parts) } else { Self::Or(parts) });
                    }
                }
            }
            Self::In { filter, .. } | Self::Exists { filter, .. } | Self::Count { filter, .. } => {
                out.push(Self::PRESENT);
                if let Some(inside) = filter {
                    let others = std::iter::once(None).chain(inside.simpler().into_iter().map(|p| Some(Box::new(p))));
                    for other in others {
                        let mut changed = self.clone();
                        if let Self::In { filter, .. } | Self::Exists { filter, .. } | Self::Count { filter, .. } = &mut changed {
                            *filter = other;
                        }
                        out.push(changed);
                    }
                }
            }
        }
        out
    }
}
