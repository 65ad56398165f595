//! The page that browses the API: one HTML file, one script, one style sheet, all in the program.
//!
//! It shows the OpenAPI document of `/rest/v1` for the key that is typed in, and sends requests with it. The policy lets it load its own
//! script and style, talk to its own origin, and nothing else; nobody may frame it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Response, StatusCode};

use crate::reply;

/// Where the page is.
pub(crate) const PATH: &str = "/.well-known/basalt/api";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The page or one of its files; `None` for other paths and methods.
pub(crate) fn answer(method: &Method, path: &str) -> Option<Response<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let (media_type, text): (_, &'static str) = match path.strip_prefix(PATH)? {
        "" => ("text/html; charset=utf-8", include_str!("browse/api.html")),
        ".js" => ("text/javascript; charset=utf-8", include_str!("browse/api.js")),
        ".css" => ("text/css; charset=utf-8", include_str!("browse/api.css")),
        _ => return None,
    };
    let body = if *method == Method::HEAD { Bytes::new() } else { Bytes::from_static(text.as_bytes()) };
    let mut response = reply::with_type(StatusCode::OK, media_type, body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_three_files_and_a_strict_policy() {
        for (path, media_type) in [("", "text/html"), (".js", "text/javascript"), (".css", "text/css")] {
            let response = answer(&Method::GET, &format!("{PATH}{path}")).expect("a file");
            let header = |name: HeaderName| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
            assert!(header(http::header::CONTENT_TYPE).starts_with(media_type));
            assert!(header(CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; script-src 'self'"));
            assert!(!response.body().is_empty());
        }
        assert!(answer(&Method::GET, &format!("{PATH}.map")).is_none());
        assert!(answer(&Method::POST, PATH).is_none());
        assert!(answer(&Method::HEAD, PATH).is_some_and(|response| response.body().is_empty()));
    }

    #[test]
    fn nothing_of_it_is_inline_or_foreign() {
        let page = include_str!("browse/api.html");
        let script = include_str!("browse/api.js");
        assert!(!page.contains("://") && !page.contains("style=") && !page.contains("onclick"));
        assert_eq!(page.matches("<script").count(), page.matches("src=\"/.well-known/basalt/").count());
        for sink in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage", "sessionStorage", "://"]
        {
            assert!(!script.contains(sink), "{sink}");
        }
    }
}
