//! `GET /admin/users?page=&per_page=&filter=&sort=`.

use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::Auth;
use crate::error::{AuthError, database};
use crate::json;
use crate::route::{Ask, Reply};
use crate::store::{Page, Users};
use crate::view::UserView;

/// Source: supabase/auth `pagination.go`.
const DEFAULT_PER_PAGE: u64 = 50;
/// Most users in one answer; ours, the original has no bound.
const MOST_PER_PAGE: u64 = 1000;

#[derive(Serialize)]
struct List<'a> {
    users: Vec<UserView>,
    aud: &'a str,
}

/// Lists users, newest first.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>) -> Reply {
    let page = number(&ask.query("page"), 1)?.max(1);
    let per_page = match number(&ask.query("per_page"), DEFAULT_PER_PAGE)? {
        0 => DEFAULT_PER_PAGE,
        n => n.min(MOST_PER_PAGE),
    };
    let is_oldest_first = match ask.query("sort").split_once(' ').map(|(field, dir)| (field.to_owned(), dir.to_ascii_lowercase()))
    {
        None => match ask.query("sort").as_str() {
            "" | "created_at" => false,
            other => return Err(bad_sort(&format!("bad field for sort '{other}'"))),
        },
        Some((field, _)) if field != "created_at" => return Err(bad_sort(&format!("bad field for sort '{field}'"))),
        Some((_, dir)) => match dir.as_str() {
            "asc" => true,
            "desc" => false,
            other => return Err(bad_sort(&format!("bad direction for sort '{other}', only 'asc' and 'desc' allowed"))),
        },
    };
    let wanted = Page {
        aud: auth.config.audience.clone(),
        limit: i64::try_from(per_page).unwrap_or(i64::MAX),
        offset: i64::try_from((page - 1).saturating_mul(per_page)).unwrap_or(i64::MAX),
        is_oldest_first,
        filter: Some(ask.query("filter")).filter(|filter| !filter.is_empty() && !filter.contains('\0')),
    };
    let (users, total) =
        auth.store.read(move |tx| Users(tx).list(&wanted)).await.map_err(database("Database error finding users"))?;
    let users = users.iter().map(|user| UserView::new(user, None)).collect();
    let mut response = json::respond(StatusCode::OK, &List { users, aud: &auth.config.audience });
    let total = u64::try_from(total).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert("x-total-count", HeaderValue::from(total));
    if let Ok(link) = HeaderValue::from_str(&links(ask.request.uri().query().unwrap_or_default(), page, total.div_ceil(per_page)))
    {
        headers.insert(http::header::LINK, link);
    }
    Ok(response)
}

fn bad_sort(why: &str) -> AuthError {
    AuthError::validation(format!("Bad Sort Parameters: {why}"))
}

fn number(text: &str, default: u64) -> Result<u64, AuthError> {
    if text.is_empty() {
        return Ok(default);
    }
    let is_digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().map_err(|_| {
        let why = if is_digits { "value out of range" } else { "invalid syntax" };
        AuthError::validation(format!("Bad Pagination Parameters: strconv.ParseUint: parsing {text:?}: {why}"))
    })
}

/// The `Link` header: the next page if there is one, and the last. Parameters in the order of their names, as Go writes them.
fn links(query: &str, page: u64, last: u64) -> String {
    /// What Go leaves as it is in a query.
    const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    let decode = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let encode = |text: &str| utf8_percent_encode(text, &KEPT).to_string().replace("%20", "+");
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .filter(|(key, _)| key != "page")
        .collect();
    pairs.push(("page".to_owned(), String::new()));
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let url = |to: u64| {
        let text = |(key, value): &(String, String)| match key.as_str() {
            "page" => format!("page={to}"),
            _ => format!("{}={}", encode(key), encode(value)),
        };
        format!("</admin/users?{}>", pairs.iter().map(text).collect::<Vec<_>>().join("&"))
    };
    let next = if last > page { format!("{}; rel=\"next\", ", url(page + 1)) } else { String::new() };
    format!("{next}{}; rel=\"last\"", url(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_name_the_next_page_and_the_last() {
        assert_eq!(links("", 1, 3), "</admin/users?page=2>; rel=\"next\", </admin/users?page=3>; rel=\"last\"");
        assert_eq!(
            links("page=2&per_page=1&filter=a%20b", 2, 3),
            "</admin/users?filter=a+b&page=3&per_page=1>; rel=\"next\", </admin/users?filter=a+b&page=3&per_page=1>; rel=\"last\""
        );
        assert_eq!(links("page=3", 3, 3), "</admin/users?page=3>; rel=\"last\"");
        assert_eq!(links("x=%0d%0aSet-Cookie", 1, 0), "</admin/users?page=0&x=%0D%0ASet-Cookie>; rel=\"last\"");
    }
}
