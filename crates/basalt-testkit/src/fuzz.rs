//! Random inputs for whatever reads text from strangers: mutations of real inputs, long ones and deep ones.
//!
//! A target is an ordinary test. It is small in `make test`; `BASALT_FUZZ_SECONDS` makes it go on for that long, `BASALT_FUZZ_SEED`
//! begins elsewhere. A target answers a number for what it saw (an error's code, the shape of a result): an input with a number that
//! was not seen before is kept and mutated further. Findings are panics, and inputs that take more processor time than their length
//! allows; they are shortened, collected, and fail the test in the end. A stack that overflows ends the process: the input stands
//! in the file that was named at the beginning.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The longest input, bytes.
const LONGEST: usize = 64 << 10;

/// Most inputs that are kept for mutation.
const MOST_KEPT: usize = 8192;

/// Most different findings; then the run ends.
const MOST_FINDINGS: usize = 20;

/// Tries to shorten a finding.
const SHORTENINGS: u32 = 600;

/// Characters that grammars stumble over.
const ODD: &[char] = &[
    '\0',
    '\t',
    '\n',
    '\r',
    ' ',
    '"',
    '\'',
    '%',
    '&',
    '(',
    ')',
    '*',
    '+',
    ',',
    '-',
    '.',
    '/',
    ':',
    ';',
    '<',
    '=',
    '>',
    '[',
    '\\',
    ']',
    '_',
    '`',
    '{',
    '|',
    '}',
    '~',
    '$',
    '0',
    '9',
    'e',
    '\u{7f}',
    '\u{85}',
    '\u{a0}',
    'é',
    'ß',
    'İ',
    '\u{301}',
    '\u{2028}',
    '\u{feff}',
    '\u{fffd}',
    '𝄞',
    '\u{10ffff}',
];

/// Numbers at edges.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "32768",
    "-32769",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1e308",
    "1e-400",
    "1e400",
    "0.1",
    "NaN",
    "Infinity",
    "00",
    "0x1F",
    "1_000",
];

/// What nests.
const PAIRS: &[(&str, &str)] = &[("(", ")"), ("[", "]"), ("{", "}"), ("\"", "\""), ("'", "'"), ("%28", "%29"), ("$$", "$$")];

/// A source of choices; the same seed gives the same choices.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a seed; 0 counts as 1.
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// Below `n`; 0 when `n` is 0.
    pub fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap_or(0).checked_rem(n).unwrap_or(0)
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        assert!(!all.is_empty(), "nothing to pick from");
        &all[self.roll(all.len())]
    }
}

/// The number of something seen, for a target's answer.
pub fn seen(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// A target's inputs and bounds.
#[derive(Debug)]
pub struct Fuzz {
    name: &'static str,
    stack: usize,
    inputs: Vec<String>,
    words: Vec<String>,
    nesting: Vec<(String, String)>,
}

impl Fuzz {
    /// A target without inputs, run with a stack as the server's threads have it.
    pub fn new(name: &'static str) -> Self {
        let nesting = PAIRS.iter().map(|(open, close)| ((*open).to_owned(), (*close).to_owned())).collect();
        Self { name, stack: 2 << 20, inputs: Vec::new(), words: Vec::new(), nesting }
    }

    /// Another stack, bytes.
    #[must_use]
    pub fn stack(mut self, bytes: usize) -> Self {
        self.stack = bytes;
        self
    }

    /// Real inputs; their words and separators become the dictionary's.
    #[must_use]
    pub fn inputs<T: Into<String>>(mut self, inputs: impl IntoIterator<Item = T>) -> Self {
        self.inputs.extend(inputs.into_iter().map(Into::into).filter(|text| text.len() <= LONGEST));
        let mut words: HashSet<&str> = self.inputs.iter().flat_map(|text| pieces(text)).filter(|w| w.len() < 40).collect();
        words.extend(NUMBERS);
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words.sort();
        self.words = words;
        self
    }

    /// More of what nests in this grammar.
    #[must_use]
    pub fn nests(mut self, pairs: &[(&str, &str)]) -> Self {
        self.nesting.extend(pairs.iter().map(|(open, close)| ((*open).to_owned(), (*close).to_owned())));
        self
    }

    /// Runs a target for so many inputs, longer if the environment says so, and prints what there was.
    ///
    /// # Panics
    /// There were findings.
    pub fn run(self, rounds: u64, target: impl Fn(&str) -> u64 + Sync) {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let seconds = number("BASALT_FUZZ_SECONDS").unwrap_or(0);
        let seed = number("BASALT_FUZZ_SEED").unwrap_or(42);
        std::thread::scope(|scope| {
            let work = || Run::new(&self, seed, seconds, &target).all(rounds);
            let thread =
                std::thread::Builder::new().name(format!("fuzz {}", self.name)).stack_size(self.stack).spawn_scoped(scope, work);
            let findings = thread.expect("a thread starts").join().expect("the run itself does not panic");
            assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
        });
    }
}

/// Words, numbers, and each other character by itself; percent escapes stay whole.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    let mut last = None;
    for (at, c) in text.char_indices() {
        let class = if c.is_alphanumeric() || c == '_' || c == '%' { 1 } else { 2 };
        if last.is_some_and(|last| last != class || class == 2 || c == '%') {
            pieces.push(&text[begin..at]);
            begin = at;
        }
        last = Some(class);
    }
    if begin < text.len() {
        pieces.push(&text[begin..]);
    }
    pieces
}

thread_local! {
    /// Whether this thread's panics are findings.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// The last of them: where, and what.
    static LAST: RefCell<(String, String)> = const { RefCell::new((String::new(), String::new())) };
}

fn catch_quietly() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CAUGHT.get() {
                let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
                let text = info.payload_as_str().unwrap_or("no text").to_owned();
                LAST.set((place, text));
            } else {
                before(info);
            }
        }));
    });
}

/// Processor time of this thread: other work on the machine does not count.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

struct Run<'a, T> {
    fuzz: &'a Fuzz,
    target: &'a T,
    dice: Dice,
    seconds: u64,
    kept: Vec<String>,
    seen: HashSet<u64>,
    findings: BTreeMap<String, String>,
    slowest: (Duration, usize),
    /// Optimised builds stand in other folders.
    is_optimised: bool,
    last_input: Option<std::fs::File>,
}

impl<'a, T: Fn(&str) -> u64> Run<'a, T> {
    fn new(fuzz: &'a Fuzz, seed: u64, seconds: u64, target: &'a T) -> Self {
        let mut run = Self {
            fuzz,
            target,
            dice: Dice::new(seed),
            seconds,
            kept: fuzz.inputs.clone(),
            seen: HashSet::new(),
            findings: BTreeMap::new(),
            slowest: (Duration::ZERO, 0),
            is_optimised: std::env::current_exe().is_ok_and(|path| path.components().all(|part| part.as_os_str() != "debug")),
            last_input: None,
        };
        if run.kept.is_empty() {
            run.kept.push(String::new());
        }
        if seconds > 0 {
            let path = std::env::temp_dir().join(format!("basalt-fuzz-{}-{}", fuzz.name, std::process::id()));
            println!("fuzz {}: seed {seed}; should the process end, its last input is in {}", fuzz.name, path.display());
            run.last_input = std::fs::File::create(path).ok();
        }
        run
    }

    #[allow(clippy::disallowed_methods)] // how long to go on
    fn all(mut self, rounds: u64) -> Vec<String> {
        catch_quietly();
        let begun = Instant::now();
        let mut done = 0u64;
        for text in self.fuzz.inputs.clone() {
            self.one(&text);
            done += 1;
        }
        while (done < rounds || begun.elapsed().as_secs() < self.seconds) && self.findings.len() < MOST_FINDINGS {
            let text = self.next();
            self.one(&text);
            done += 1;
        }
        println!(
            "fuzz {}: {done} inputs in {} s, {} kinds of outcome, {} kept, slowest {:.1?} for {} bytes, {} findings",
            self.fuzz.name,
            begun.elapsed().as_secs(),
            self.seen.len(),
            self.kept.len(),
            self.slowest.0,
            self.slowest.1,
            self.findings.len()
        );
        self.findings.into_iter().map(|(what, text)| format!("{what}\n    {:?} ({} bytes)", short(&text), text.len())).collect()
    }

    /// Processor time that so many bytes may take: generous, and far below what quadratic work needs for the longest inputs.
    fn allowed(&self, bytes: usize) -> Duration {
        let factor = if self.is_optimised { 1 } else { 20 };
        (Duration::from_millis(200) + Duration::from_micros(5) * u32::try_from(bytes).unwrap_or(u32::MAX)) * factor
    }

    fn one(&mut self, text: &str) {
        match self.outcome(text) {
            Ok(outcome) => {
                if self.seen.insert(outcome) && text.len() < 4096 {
                    if self.kept.len() < MOST_KEPT {
                        self.kept.push(text.to_owned());
                    } else {
                        let at = self.dice.roll(MOST_KEPT);
                        text.clone_into(&mut self.kept[at]);
                    }
                }
            }
            Err(what) => {
                if !self.findings.contains_key(&what) {
                    let shortened = self.shorten(text.to_owned(), &what);
                    self.findings.insert(what, shortened);
                }
            }
        }
    }

    /// What the target answers, or the finding.
    fn outcome(&mut self, text: &str) -> Result<u64, String> {
        if let Some(file) = &self.last_input {
            let _ = file.write_all_at(text.as_bytes(), 0).and_then(|()| file.set_len(text.len() as u64));
        }
        let (outcome, mut took) = self.timed(text);
        let outcome = outcome?;
        if took > self.allowed(text.len()) {
            // Once more: the first may have met a cold cache.
            took = took.min(self.timed(text).1);
        }
        if took > self.slowest.0 {
            self.slowest = (took, text.len());
        }
        if took > self.allowed(text.len()) { Err("takes too long".to_owned()) } else { Ok(outcome) }
    }

    fn timed(&self, text: &str) -> (Result<u64, String>, Duration) {
        let begun = processor_time();
        CAUGHT.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| (self.target)(text)));
        CAUGHT.set(false);
        let took = processor_time().saturating_sub(begun);
        let result = result.map_err(|_| {
            let (place, text) = LAST.take();
            format!("{place}: {}", short(text.lines().next().unwrap_or_default()))
        });
        (result, took)
    }

    fn shorten(&mut self, mut text: String, what: &str) -> String {
        let place = |what: &str| what.split(": ").next().unwrap_or_default().to_owned();
        let (mut tries, mut size) = (0, text.len() / 2);
        while size > 0 && tries < SHORTENINGS {
            let mut at = 0;
            let mut was_shortened = false;
            while at < text.len() && tries < SHORTENINGS {
                let (from, to) = (boundary(&text, at), boundary(&text, (at + size).min(text.len())));
                let less = format!("{}{}", &text[..from], &text[to..]);
                tries += 1;
                if less.len() < text.len() && self.outcome(&less).is_err_and(|found| place(&found) == place(what)) {
                    text = less;
                    was_shortened = true;
                } else {
                    at += size;
                }
            }
            if !was_shortened {
                size /= 2;
            }
        }
        text
    }

    fn next(&mut self) -> String {
        if self.dice.roll(64) == 0 {
            let many = self.dice.roll(60);
            return (0..many).map(|_| self.word()).collect();
        }
        let at = self.dice.roll(self.kept.len());
        let mut text = self.kept[at].clone();
        for _ in 0..=self.dice.roll(4) {
            text = self.mutated(&text);
        }
        if self.dice.roll(400) == 0 {
            text = self.stretched(&text);
        }
        text.truncate(boundary(&text, LONGEST.min(text.len())));
        text
    }

    fn word(&mut self) -> String {
        if self.fuzz.words.is_empty() || self.dice.roll(8) == 0 {
            self.dice.pick(ODD).to_string()
        } else {
            self.dice.pick(&self.fuzz.words).clone()
        }
    }

    fn mutated(&mut self, text: &str) -> String {
        let mut parts: Vec<String> = pieces(text).into_iter().map(str::to_owned).collect();
        let at = self.dice.roll(parts.len() + 1);
        let many = 1 + self.dice.roll(4);
        let end = (at + many).min(parts.len());
        match self.dice.roll(10) {
            0 => drop(parts.drain(at..end)),
            1 | 2 => {
                let word = self.word();
                parts.splice(at..end.min(at + 1), [word]);
            }
            3 | 4 => {
                let word = self.word();
                parts.insert(at, word);
            }
            5 => {
                let again: Vec<String> = parts[at..end].to_vec();
                let to = self.dice.roll(parts.len() + 1);
                parts.splice(to..to, again);
            }
            6 => {
                // The rest of another input.
                let other = self.dice.roll(self.kept.len());
                let others: Vec<String> = pieces(&self.kept[other]).into_iter().map(str::to_owned).collect();
                let from = self.dice.roll(others.len() + 1);
                if self.dice.roll(2) == 0 {
                    parts.truncate(at);
                    parts.extend_from_slice(&others[from..]);
                } else {
                    let to = (from + 1 + self.dice.roll(12)).min(others.len());
                    parts.splice(at..at, others[from..to].to_vec());
                }
            }
            7 => {
                let (open, close) = self.dice.pick(&self.fuzz.nesting).clone();
                parts.insert(end, close);
                parts.insert(at, open);
            }
            8 => {
                let chars: Vec<char> = text.chars().collect();
                let at = self.dice.roll(chars.len() + 1);
                let odd = *self.dice.pick(ODD);
                let keep = self.dice.roll(2);
                return chars.iter().take(at).chain([&odd]).chain(chars.iter().skip(at + keep)).collect();
            }
            _ => {
                let number = (*self.dice.pick(NUMBERS)).to_owned();
                let at = parts.iter().position(|p| p.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(at);
                parts.splice(at..(at + 1).min(parts.len()), [number]);
            }
        }
        parts.concat()
    }

    /// Long or deep.
    fn stretched(&mut self, text: &str) -> String {
        let parts = pieces(text);
        let at = self.dice.roll(parts.len() + 1);
        let end = (at + self.dice.roll(12)).min(parts.len());
        let (before, middle, after) = (parts[..at].concat(), parts[at..end].concat(), parts[end..].concat());
        let most = LONGEST >> self.dice.roll(10);
        if self.dice.roll(2) == 0 {
            let times = most / middle.len().max(1);
            return format!("{before}{}{after}", middle.repeat(times));
        }
        let (open, close) = self.dice.pick(&self.fuzz.nesting).clone();
        let times = most / (open.len() + close.len()).max(1);
        let closings = if self.dice.roll(4) == 0 { 0 } else { times };
        format!("{before}{}{middle}{}{after}", open.repeat(times), close.repeat(closings))
    }
}

/// The last boundary of a character that is not behind `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn short(text: &str) -> String {
    if text.chars().count() <= 600 { text.to_owned() } else { text.chars().take(600).chain(['…']).collect() }
}
