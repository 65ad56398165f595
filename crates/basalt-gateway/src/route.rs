//! Which surface a path belongs to. Labels of logs and metrics come from here only, never from the path itself.

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/rest/v1…`
    Rest,
    /// `/auth/v1…`
    Auth,
    /// `/health`, `/health/live`, `/health/ready`.
    Health(Health),
    /// `/metrics`.
    Metrics,
    /// Prefixes of the wire API that this version does not serve.
    NotServed,
    /// Everything else: the static site.
    Site,
}

/// Which health is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// The process answers.
    Live,
    /// It can also write.
    Ready,
}

impl Route {
    /// All routes, for figures.
    pub const ALL: [Self; 7] = [
        Self::Rest,
        Self::Auth,
        Self::Health(Health::Live),
        Self::Health(Health::Ready),
        Self::Metrics,
        Self::NotServed,
        Self::Site,
    ];

    /// The label in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Auth => "auth",
            Self::Health(Health::Live) => "health_live",
            Self::Health(Health::Ready) => "health_ready",
            Self::Metrics => "metrics",
            Self::NotServed => "not_served",
            Self::Site => "site",
        }
    }

    /// The label's place in [`Route::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::Rest => 0,
            Self::Auth => 1,
            Self::Health(Health::Live) => 2,
            Self::Health(Health::Ready) => 3,
            Self::Metrics => 4,
            Self::NotServed => 5,
            Self::Site => 6,
        }
    }

    /// Whether it belongs to the wire API: open to every origin, never to cookies.
    pub fn is_wire(self) -> bool {
        matches!(self, Self::Rest | Self::Auth | Self::NotServed)
    }
}

const PREFIXES: [(&str, Route); 7] = [
    ("/rest/v1", Route::Rest),
    ("/auth/v1", Route::Auth),
    ("/storage/v1", Route::NotServed),
    ("/realtime/v1", Route::NotServed),
    ("/graphql/v1", Route::NotServed),
    ("/functions/v1", Route::NotServed),
    ("/pg", Route::NotServed),
];

/// The route of a path, and the length of the prefix the surface does not see.
pub fn of(path: &str) -> (Route, usize) {
    match path {
        "/health" | "/health/ready" => return (Route::Health(Health::Ready), 0),
        "/health/live" => return (Route::Health(Health::Live), 0),
        "/metrics" => return (Route::Metrics, 0),
        _ => {}
    }
    for (prefix, route) in PREFIXES {
        if let Some(rest) = path.strip_prefix(prefix)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return (route, prefix.len());
        }
    }
    (Route::Site, 0)
}
