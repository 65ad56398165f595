//! The picture of a keyed read's time over the size of its table, and the same as a table.

use super::report::machine;
use std::fmt::Write as _;
use std::time::Duration;

/// One engine.
pub struct Curve {
    pub name: &'static str,
    /// By size.
    pub points: Vec<Point>,
}

/// One size.
#[derive(Clone, Copy)]
pub struct Point {
    pub rows: u64,
    pub p50: Duration,
    pub p99: Duration,
}

impl Curve {
    /// Whether the median grew no faster than the logarithm of the rows did.
    pub fn is_logarithmic(&self) -> bool {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return false };
        let allowed = (last.rows as f64).ln() / (first.rows as f64).ln();
        last.p50.as_secs_f64() <= first.p50.as_secs_f64() * allowed
    }

    fn growth(&self) -> f64 {
        match (self.points.first(), self.points.last()) {
            (Some(first), Some(last)) => last.p50.as_secs_f64() / first.p50.as_secs_f64(),
            _ => f64::NAN,
        }
    }
}

/// A Markdown table, sizes down and engines across.
pub fn markdown(curves: &[Curve], facts: &[String]) -> String {
    let mut out = "\n### One row by id while its table grows\n\n".to_owned();
    for fact in machine().iter().chain(facts) {
        let _ = writeln!(out, "- {fact}");
    }
    out.push_str("\n| Rows |");
    for curve in curves {
        let _ = write!(out, " {} p50 ms | p99 ms |", curve.name);
    }
    out.push_str("\n|---:|");
    out.push_str(&"---:|---:|".repeat(curves.len()));
    out.push('\n');
    let sizes = curves.first().map_or(&[][..], |curve| &curve.points);
    for (row, size) in sizes.iter().enumerate() {
        let _ = write!(out, "| {} |", thousands(size.rows));
        for point in curves.iter().filter_map(|curve| curve.points.get(row)) {
            let _ = write!(out, " {:.3} | {:.3} |", point.p50.as_secs_f64() * 1e3, point.p99.as_secs_f64() * 1e3);
        }
        out.push('\n');
    }
    for curve in curves {
        let verdict = if curve.is_logarithmic() { "no faster than" } else { "**faster than**" };
        let _ = writeln!(out, "\n{}: the median grew by a factor of {:.2}, {verdict} the logarithm.", curve.name, curve.growth());
    }
    out
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;
const COLOURS: [&str; 4] = ["#0a6ebd", "#c2410c", "#15803d", "#7e22ce"];

/// The picture: rows on a logarithmic axis, the median time in milliseconds on a plain one that begins at zero.
pub fn svg(curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let (least, most) = points().fold((u64::MAX, 1), |(low, high), point| (low.min(point.rows), high.max(point.rows)));
    let top = points().map(|point| point.p50.as_secs_f64() * 1e3).fold(0.0, f64::max);
    let step = tick(top / 5.0);
    let ceiling = (top / step).ceil().max(1.0) * step;
    let span = ((most as f64).log10() - (least as f64).log10()).max(f64::EPSILON);
    let x = |rows: u64| LEFT + (WIDTH - LEFT - RIGHT) * ((rows as f64).log10() - (least as f64).log10()) / span;
    let y = |ms: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ms / ceiling;

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">One row by id over HTTP: median time by rows in the table</text>\n\
         <text x=\"{LEFT}\" y=\"42\" fill=\"#555\">milliseconds, one connection</text>\n",
    );
    for line in 0.. {
        let ms = f64::from(line) * step;
        if ms > ceiling + step / 2.0 {
            break;
        }
        let (at, end) = (y(ms), WIDTH - RIGHT);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{end}\" stroke=\"#ddd\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{ms:.3}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    for point in curves.first().map_or(&[][..], |curve| &curve.points) {
        let at = HEIGHT - BOTTOM + 20.0;
        let _ =
            writeln!(out, "<text x=\"{:.1}\" y=\"{at}\" text-anchor=\"middle\">{}</text>", x(point.rows), thousands(point.rows));
    }
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let path: Vec<String> =
            curve.points.iter().map(|point| format!("{:.1},{:.1}", x(point.rows), y(point.p50.as_secs_f64() * 1e3))).collect();
        let _ = writeln!(out, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", path.join(" "));
        for at in &path {
            if let Some((cx, cy)) = at.split_once(',') {
                let _ = writeln!(out, "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3.5\" fill=\"{colour}\"/>");
            }
        }
        if let Some(last) = curve.points.last() {
            let (at, down) = (x(last.rows) + 10.0, y(last.p50.as_secs_f64() * 1e3) + 4.0);
            let _ = writeln!(out, "<text x=\"{at:.1}\" y=\"{down:.1}\" fill=\"{colour}\">{}</text>", curve.name);
        }
    }
    let _ = writeln!(
        out,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#555\">rows (logarithmic)</text>\n</svg>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 18.0
    );
    out
}

/// 1, 2 or 5 times a power of ten, not below `least`.
fn tick(least: f64) -> f64 {
    if least <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// `10,000,000`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(micros: &[u64]) -> Curve {
        let point = |(at, us): (usize, &u64)| Point {
            rows: 10u64.pow(at as u32 + 3),
            p50: Duration::from_micros(*us),
            p99: Duration::from_micros(*us * 3),
        };
        Curve { name: "SQLite", points: micros.iter().enumerate().map(point).collect() }
    }

    #[test]
    fn growth_is_held_against_the_logarithm() {
        assert!(curve(&[30, 35, 40, 50, 69]).is_logarithmic());
        assert!(!curve(&[30, 35, 40, 50, 71]).is_logarithmic());
        assert!(!curve(&[]).is_logarithmic());
    }

    #[test]
    fn the_picture_and_the_table_show_every_size() {
        let curves = [curve(&[30, 31, 33, 36, 40])];
        let (picture, table) = (svg(&curves), markdown(&curves, &[]));
        for size in ["1,000", "10,000", "100,000", "1,000,000", "10,000,000"] {
            assert!(picture.contains(&format!(">{size}<")), "{picture}");
            assert!(table.contains(&format!("| {size} | 0.0")), "{table}");
        }
        assert_eq!(picture.matches("<circle").count(), 5);
        assert_eq!(tick(0.008), 0.01);
    }
}
