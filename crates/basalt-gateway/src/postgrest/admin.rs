//! The other listener: whether it lives and is ready, what it knows of the schema, its settings, its figures. No API key and no token
//! is asked for here, as PostgREST asks for none: where it listens is what protects it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use basalt_catalog::{Catalog, ConstraintKind, RelationKind};
use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Api, status};
use crate::server::Handler;
use crate::{Figures, GatewayConfig, hosts, reply};

/// The admin side of an [`Api`].
pub struct Admin {
    api: Arc<Api>,
    figures: Figures,
    /// The settings in force as `name = value` lines, secrets masked.
    settings: Box<dyn Fn() -> String + Send + Sync>,
}

impl Admin {
    /// The admin side; `settings` tells those in force, without secrets.
    pub fn new(api: Arc<Api>, settings: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { api, figures: Figures::new(), settings: Box::new(settings) }
    }

    /// Answers one request.
    pub fn respond<B>(&self, request: &Request<B>) -> Response<Bytes> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return status(StatusCode::METHOD_NOT_ALLOWED);
        }
        let engine = &self.api.engine;
        let mut response = match request.uri().path() {
            "/live" => status(StatusCode::OK),
            "/ready" => status(if engine.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }),
            "/health/live" => reply::health(true),
            "/health" | "/health/ready" => reply::health(engine.is_ready()),
            "/metrics" => {
                reply::with_type(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Bytes::from(self.metrics()))
            }
            "/config" | "/schema_cache" if !self.is_ours(request) => {
                reply::message(StatusCode::MISDIRECTED_REQUEST, "This is shown under an address or localhost only")
            }
            "/config" => reply::with_type(StatusCode::OK, "text/plain; charset=utf-8", Bytes::from((self.settings)())),
            "/schema_cache" => reply::json(StatusCode::OK, &schema_cache(&engine.catalog())),
            _ => status(StatusCode::NOT_FOUND),
        };
        if request.method() == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        response
    }

    /// A web page elsewhere may point its name at this listener, and would then read it as its own origin.
    fn is_ours<B>(&self, request: &Request<B>) -> bool {
        let host = request.headers().get(HOST).and_then(|v| v.to_str().ok()).or_else(|| request.uri().host());
        hosts::is_ours(host, &self.api.config.external_url, &self.api.config.allowed_hosts)
    }

    /// Ours, and those that PostgREST's dashboards look for.
    fn metrics(&self) -> String {
        let engine = self.api.engine.figures();
        let mut out = self.api.figures.render(&engine, &[]);
        let [looked, found, forgotten] = self.api.token_figures();
        let counter = |name: &str| engine.counters.iter().find(|(n, _)| *n == name).map_or(0, |(_, v)| *v);
        let gauge = |name: &str| engine.gauges.iter().find(|(n, _)| *n == name).map_or(0.0, |(_, v)| *v);
        let counters = [
            ("pgrst_jwt_cache_requests_total", looked),
            ("pgrst_jwt_cache_hits_total", found),
            ("pgrst_jwt_cache_evictions_total", forgotten),
            ("pgrst_db_pool_timeouts_total", counter("pool_timeouts")),
        ];
        for (name, value) in counters {
            let _ = writeln!(out, "# TYPE {name} counter\n{name} {value}");
        }
        let _ = writeln!(
            out,
            "# TYPE pgrst_schema_cache_loads_total counter\npgrst_schema_cache_loads_total{{status=\"SUCCESS\"}} {}",
            counter("catalog_reloads")
        );
        let gauges = [
            ("pgrst_db_pool_available", gauge("pool_idle_connections")),
            ("pgrst_db_pool_waiting", gauge("pool_waiting_requests")),
            ("pgrst_db_pool_max", gauge("pool_max_connections")),
        ];
        for (name, value) in gauges {
            let _ = writeln!(out, "# TYPE {name} gauge\n{name} {value}");
        }
        out
    }
}

impl Handler for Admin {
    fn config(&self) -> &GatewayConfig {
        &self.api.config
    }

    fn figures(&self) -> &Figures {
        &self.figures
    }

    fn answer_now(&self, _: IpAddr, request: &Request<Incoming>) -> Option<Response<Bytes>> {
        Some(self.respond(request))
    }

    async fn answer(self: Arc<Self>, _: IpAddr, request: Request<Incoming>) -> Response<Bytes> {
        self.respond(&request)
    }
}

/// Tables, the relationships between them and functions, under PostgREST's names for them.
fn schema_cache(catalog: &Catalog) -> Value {
    let relations = || catalog.relations().filter(|r| r.kind != RelationKind::Sequence);
    let tables: Vec<Value> = relations()
        .map(|relation| {
            let columns: Vec<Value> = relation
                .columns
                .iter()
                .map(|c| {
                    json!({
                        "colName": c.name, "colType": catalog.format_type(c.type_ref()), "colNullable": !c.not_null,
                        "colDefault": c.default, "colDescription": c.comment,
                    })
                })
                .collect();
            json!({
                "tableSchema": catalog.schema_name(relation.schema), "tableName": relation.name, "tableDescription": relation.comment,
                "tableIsView": relation.kind != RelationKind::Table, "tableColumns": columns,
            })
        })
        .collect();
    let relationships: Vec<Value> = relations()
        .flat_map(|relation| relation.constraints.iter().map(move |c| (relation, c)))
        .filter_map(|(relation, constraint)| match &constraint.kind {
            ConstraintKind::ForeignKey { target, .. } => {
                Some((relation, &constraint.name, catalog.relation_by_oid(basalt_types::Oid(*target))?))
            }
            _ => None,
        })
        .map(|(from, name, to)| {
            json!({"relTable": catalog.qualified_name(from), "relForeignTable": catalog.qualified_name(to), "relConstraint": name})
        })
        .collect();
    let routines: Vec<Value> = catalog
        .functions()
        .map(|f| json!({"pdSchema": catalog.schema_name(f.schema), "pdName": f.name, "pdDescription": f.comment}))
        .collect();
    json!({"dbTables": tables, "dbRelationships": relationships, "dbRoutines": routines})
}
