//! What SQL may read of the HTTP request: `current_setting('request.headers', true)` and its like.

use std::collections::BTreeMap;

use basalt_catalog::Catalog;
use basalt_types::RequestFacts;
use bytes::Bytes;
use http::Request;
use http::header::COOKIE;

/// The facts of a request whose path is below `/rest/v1`. Of a header or cookie that comes twice the last counts; cookies are no headers.
/// Source: PostgREST 16, "Transaction-scoped settings".
pub fn facts(request: &Request<Bytes>, schema: &str) -> RequestFacts {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: BTreeMap<&str, String> =
        request.headers().iter().filter(|(name, _)| *name != COOKIE).map(|(name, value)| (name.as_str(), text(value))).collect();
    let said = request.headers().get(COOKIE).map(text).unwrap_or_default();
    let cookies: BTreeMap<&str, &str> =
        said.split(';').map(str::trim_start).filter(|c| !c.is_empty()).map(|c| c.split_once('=').unwrap_or((c, ""))).collect();
    RequestFacts {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        headers: serde_json::json!(headers).to_string(),
        cookies: serde_json::json!(cookies).to_string(),
        schema: schema.to_owned(),
    }
}

/// Whether some policy, default, check, view or function of the catalog may read the facts: only then are they gathered.
pub fn is_read(catalog: &Catalog) -> bool {
    let names_it = |text: &str| {
        // A name that is put together while running is looked for by its function, whatever it asks for.
        text.contains("request.") || text.contains("current_setting")
    };
    let in_relation = |relation: &basalt_catalog::Relation| {
        let policies = relation.policies.iter().flat_map(|p| p.using.iter().chain(&p.check));
        let columns = relation.columns.iter().flat_map(|c| c.default.iter().chain(&c.generated));
        let checks = relation.constraints.iter().filter_map(|c| match &c.kind {
            basalt_catalog::ConstraintKind::Check { expr } => Some(expr),
            _ => None,
        });
        policies.chain(columns).chain(checks).chain(relation.view.iter().map(|v| &v.query)).any(|text| names_it(text))
    };
    catalog.relations().any(|r| in_relation(r)) || catalog.functions().any(|f| names_it(&f.body))
}
