//! Which rows of the root: `limit`, `offset` and the `Range` header; and what is said of them in `Content-Range`.

use http::HeaderMap;
use http::StatusCode;

use crate::error::RestError;

/// A page of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    /// Rows skipped. Numbers beyond bigint are the database's to refuse.
    pub offset: i128,
    /// Most rows; `None`: all.
    pub limit: Option<i128>,
}

/// A number of rows in the query string: `None` when the text is no number, which is ignored but for what [`span`] says.
pub type Number = Option<i128>;

/// Numbers are cut off here, so that sums of them stay in range.
const FARTHEST: i128 = 10_i128.pow(37);

const NEGATIVE: &str = "Limit should be greater than or equal to zero.";
const CROSSED: &str = "The lower boundary must be lower than or equal to the upper boundary in the Range header.";

/// Reads a number of any size.
pub fn number(text: &str) -> Number {
    let text = text.trim();
    let (digits, sign) = text.strip_prefix('-').map_or((text, 1), |rest| (rest.trim_start(), -1));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse::<i128>().unwrap_or(FARTHEST).min(FARTHEST))
}

/// The first and last row that `limit` and `offset` ask for; last before first: none. A limit that is no number counts as 0 beside
/// an offset, and as none alone.
/// Source: PostgREST 16, how its query parameters are combined to ranges.
pub fn span(limit: Option<Number>, offset: Option<Number>) -> (i128, Option<i128>) {
    match (limit, offset) {
        (limit, None) => (0, limit.flatten().map(|n| n - 1)),
        (None, Some(offset)) => (offset.unwrap_or(0), None),
        (Some(limit), Some(offset)) => {
            let offset = offset.unwrap_or(0);
            (offset, Some(offset + limit.unwrap_or(0) - 1))
        }
    }
}

/// The page that parameters and header ask for together.
///
/// # Errors
/// PGRST103 for negative limits, crossed boundaries, and a header and parameters that have no row in common.
pub fn page(limit: Option<Number>, offset: Option<Number>, headers: Option<&HeaderMap>) -> Result<Page, RestError> {
    let asked = span(limit, offset);
    // `limit=0` asks for no row, whatever else is asked: the one empty range that is allowed.
    if asked.1 == Some(-1) {
        return Ok(Page { offset: 0, limit: Some(0) });
    }
    let header = headers.and_then(|h| h.get("range")).and_then(|v| v.to_str().ok()).and_then(boundaries);
    let (first, last) = header.unwrap_or((0, None));
    if last.is_some_and(|last| last < first) {
        return Err(RestError::Range(CROSSED));
    }
    let low = first.max(asked.0);
    let high = match (last, asked.1) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    match high {
        Some(high) if high < low || high < asked.0 => Err(RestError::Range(NEGATIVE)),
        Some(high) => Ok(Page { offset: low, limit: Some(high - low + 1) }),
        None => Ok(Page { offset: low, limit: None }),
    }
}

/// `first-last` or `first-`.
fn boundaries(text: &str) -> Option<(i128, Option<i128>)> {
    let (first, last) = text.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if first.is_empty() || !digits(first) || !digits(last) {
        return None;
    }
    Some((number(first)?, number(last)))
}

/// `Content-Range` of rows `first` to `last` of `total`; `last < first` says none.
pub fn content_range(first: u64, last: Option<u64>, total: Option<u64>) -> String {
    let total_text = total.map_or_else(|| "*".to_owned(), |t| t.to_string());
    match last {
        Some(last) if total != Some(0) && first <= last => format!("{first}-{last}/{total_text}"),
        _ => format!("*/{total_text}"),
    }
}

/// The status of a page with `rows` rows.
pub fn status(page: Page, rows: u64, total: Option<u64>) -> StatusCode {
    match total {
        Some(total) if page.offset > i128::from(total) => StatusCode::RANGE_NOT_SATISFIABLE,
        Some(total) if rows < total => StatusCode::PARTIAL_CONTENT,
        _ => StatusCode::OK,
    }
}
