//! Counters and latencies, in Prometheus' text form. Labels come from [`crate::route::Route`] only, so their number is fixed.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use basalt_engine::EngineFigures;

use crate::route::Route;

/// Upper bounds of the latency buckets, microseconds.
const BOUNDS_US: [u64; 12] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_000_000, 10_000_000];

/// Status classes 1xx to 5xx.
const CLASSES: usize = 5;

#[derive(Default)]
struct PerRoute {
    classes: [AtomicU64; CLASSES],
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What `/metrics` shows of the gateway.
#[derive(Default)]
pub struct Figures {
    routes: [PerRoute; Route::ALL.len()],
    in_flight: AtomicU64,
    refused: AtomicU64,
    panics: AtomicU64,
    connections: AtomicU64,
}

impl Figures {
    /// All zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one answer.
    pub fn answered(&self, route: Route, status: http::StatusCode, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let row = &self.routes[route.index()];
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1;
        row.classes[class].fetch_add(1, Ordering::Relaxed);
        let bucket = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        row.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        row.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Counts a request that found no free place.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that panicked.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection for as long as the guard lives.
    pub fn connection(&self) -> Gauge<'_> {
        Gauge::of(&self.connections)
    }

    /// Counts a request for as long as the guard lives.
    pub fn request(&self) -> Gauge<'_> {
        Gauge::of(&self.in_flight)
    }

    /// The text form, with the engine's figures and auth's (name and value).
    pub fn render(&self, engine: &EngineFigures, auth: &[(&'static str, u64)]) -> String {
        let mut out = String::with_capacity(4096);
        out.push_str("# HELP basalt_http_requests_total Answered requests.\n# TYPE basalt_http_requests_total counter\n");
        for route in Route::ALL {
            for (class, count) in self.routes[route.index()].classes.iter().enumerate() {
                let n = count.load(Ordering::Relaxed);
                if n > 0 {
                    let _ = writeln!(
                        out,
                        "basalt_http_requests_total{{surface=\"{}\",status=\"{}xx\"}} {n}",
                        route.label(),
                        class + 1
                    );
                }
            }
        }
        out.push_str("# HELP basalt_http_request_duration_seconds Time from headers to answer.\n# TYPE basalt_http_request_duration_seconds histogram\n");
        for route in Route::ALL {
            self.render_histogram(route, &mut out);
        }
        for (name, kind, value) in [
            ("basalt_http_requests_in_flight", "gauge", &self.in_flight),
            ("basalt_http_connections", "gauge", &self.connections),
            ("basalt_http_requests_refused_total", "counter", &self.refused),
            ("basalt_http_panics_total", "counter", &self.panics),
        ] {
            let _ = writeln!(out, "# TYPE {name} {kind}\n{name} {}", value.load(Ordering::Relaxed));
        }
        for (name, value) in &engine.gauges {
            let _ = writeln!(out, "# TYPE basalt_engine_{name} gauge\nbasalt_engine_{name} {value}");
        }
        for (name, value) in &engine.counters {
            let _ = writeln!(out, "# TYPE basalt_engine_{name}_total counter\nbasalt_engine_{name}_total {value}");
        }
        for (name, value) in auth {
            let _ = writeln!(out, "# TYPE basalt_auth_{name} gauge\nbasalt_auth_{name} {value}");
        }
        out
    }

    fn render_histogram(&self, route: Route, out: &mut String) {
        let row = &self.routes[route.index()];
        let counts: Vec<u64> = row.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return;
        }
        let (name, label) = ("basalt_http_request_duration_seconds", route.label());
        let mut so_far = 0;
        for (bound, count) in BOUNDS_US.iter().zip(&counts) {
            so_far += count;
            let _ = writeln!(out, "{name}_bucket{{surface=\"{label}\",le=\"{}\"}} {so_far}", *bound as f64 / 1e6);
        }
        let _ = writeln!(out, "{name}_bucket{{surface=\"{label}\",le=\"+Inf\"}} {total}");
        let _ = writeln!(out, "{name}_sum{{surface=\"{label}\"}} {}", row.sum_us.load(Ordering::Relaxed) as f64 / 1e6);
        let _ = writeln!(out, "{name}_count{{surface=\"{label}\"}} {total}");
    }
}

/// Counts one more while it lives.
pub struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    fn of(value: &'a AtomicU64) -> Self {
        value.fetch_add(1, Ordering::Relaxed);
        Self(value)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
