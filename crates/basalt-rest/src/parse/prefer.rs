//! The `Prefer` header (RFC 7240) and what is said of it in `Preference-Applied`.

use basalt_plan::ask::Resolution;
use basalt_plan::plan::Count;
use http::HeaderMap;

/// What a write answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Return {
    Minimal,
    HeadersOnly,
    Representation,
}

/// The preferences of a request; of each the first counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preferences {
    /// `resolution=…`.
    pub resolution: Option<Resolution>,
    /// `return=…`.
    pub returns: Option<Return>,
    /// `count=…`.
    pub count: Option<Count>,
    /// `tx=rollback` (true), `tx=commit`.
    pub rollback: Option<bool>,
    /// `missing=default` (true), `missing=null`.
    pub missing_default: Option<bool>,
    /// `handling=strict` (true), `handling=lenient`.
    pub strict: Option<bool>,
    /// `timezone=…`.
    pub timezone: Option<String>,
    /// `max-affected=…`. A negative one is never met.
    pub max_affected: Option<i64>,
    /// What none of this is.
    pub unknown: Vec<String>,
}

/// Which request the preferences are reported for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Request {
    Read,
    Insert,
    Put,
    Update,
    Delete,
    Call,
}

impl Preferences {
    /// Reads all `Prefer` headers. Of `max-affected` the first counts even when it is no number: there is no bound then.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut out = Self::default();
        let mut bound = None;
        for value in headers.get_all("prefer").iter().filter(|value| !value.is_empty()) {
            let text = String::from_utf8_lossy(value.as_bytes());
            for word in text.split(',').map(str::trim) {
                match word.strip_prefix("max-affected=") {
                    Some(number) => drop(bound.get_or_insert_with(|| number.trim().parse().ok())),
                    None => out.add(word),
                }
            }
        }
        out.max_affected = bound.flatten();
        out
    }

    fn add(&mut self, word: &str) {
        fn first<T>(slot: &mut Option<T>, value: T) {
            slot.get_or_insert(value);
        }
        match word {
            "resolution=merge-duplicates" => first(&mut self.resolution, Resolution::Merge),
            "resolution=ignore-duplicates" => first(&mut self.resolution, Resolution::Ignore),
            "return=representation" => first(&mut self.returns, Return::Representation),
            "return=minimal" => first(&mut self.returns, Return::Minimal),
            "return=headers-only" => first(&mut self.returns, Return::HeadersOnly),
            "count=exact" => first(&mut self.count, Count::Exact),
            "count=planned" => first(&mut self.count, Count::Planned),
            "count=estimated" => first(&mut self.count, Count::Estimated),
            "tx=commit" => first(&mut self.rollback, false),
            "tx=rollback" => first(&mut self.rollback, true),
            "missing=default" => first(&mut self.missing_default, true),
            "missing=null" => first(&mut self.missing_default, false),
            "handling=strict" => first(&mut self.strict, true),
            "handling=lenient" => first(&mut self.strict, false),
            _ => {
                if let Some(zone) = word.strip_prefix("timezone=") {
                    first(&mut self.timezone, zone.to_owned());
                } else {
                    self.unknown.push(word.to_owned());
                }
            }
        }
    }

    /// Which count is asked.
    pub fn count(&self) -> Count {
        self.count.unwrap_or_default()
    }

    /// Whether the number of rows written is asked: an estimate is as good as counted, a plan is not made of writes.
    pub fn counts_written(&self) -> bool {
        matches!(self.count, Some(Count::Exact | Count::Estimated))
    }

    /// Whether unknown preferences are an error.
    pub fn is_strict(&self) -> bool {
        self.strict == Some(true)
    }

    /// The bound of affected rows, which counts under strict handling only.
    pub fn bound(&self) -> Option<i64> {
        self.max_affected.filter(|_| self.is_strict())
    }

    /// `Preference-Applied`; nothing when no preference was followed. `has_conflict_target`: an insert that has something to resolve.
    pub fn applied(&self, request: Request, has_conflict_target: bool, may_roll_back: bool) -> Option<String> {
        let mut words: Vec<String> = Vec::new();
        let mut say = |word: Option<&str>| words.extend(word.map(str::to_owned));
        let writes = !matches!(request, Request::Read | Request::Call);
        if request == Request::Insert && has_conflict_target {
            say(self.resolution.map(|r| match r {
                Resolution::Merge => "resolution=merge-duplicates",
                Resolution::Ignore => "resolution=ignore-duplicates",
            }));
        }
        if matches!(request, Request::Insert | Request::Update) {
            say(self.missing_default.map(|d| if d { "missing=default" } else { "missing=null" }));
        }
        if writes {
            say(self.returns.map(|r| match r {
                Return::Minimal => "return=minimal",
                Return::HeadersOnly => "return=headers-only",
                Return::Representation => "return=representation",
            }));
        }
        say(self.count.and_then(|c| match c {
            Count::None => None,
            Count::Exact => Some("count=exact"),
            Count::Planned => Some("count=planned"),
            Count::Estimated => Some("count=estimated"),
        }));
        if may_roll_back {
            say(self.rollback.map(|r| if r { "tx=rollback" } else { "tx=commit" }));
        }
        say(self.strict.map(|s| if s { "handling=strict" } else { "handling=lenient" }));
        if let Some(zone) = &self.timezone {
            say(Some(&format!("timezone={zone}")));
        }
        if matches!(request, Request::Update | Request::Delete | Request::Call)
            && let Some(bound) = self.bound()
        {
            say(Some(&format!("max-affected={bound}")));
        }
        (!words.is_empty()).then(|| words.join(", "))
    }
}
