//! Which rows of the root: `limit`, `offset` and the `Range` header; and what is said of them in `Content-Range`.

use http::HeaderMap;
use http::StatusCode;

use crate::error::RestError;

/// A page of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    /// Rows skipped.
    pub offset: u64,
    /// Most rows; `None`: all.
    pub limit: Option<u64>,
}

const NEGATIVE: &str = "Limit should be greater than or equal to zero.";
const CROSSED: &str = "The lower boundary must be lower than or equal to the upper boundary in the Range header.";

/// The page that parameters and header ask for together.
///
/// # Errors
/// PGRST103 for negative limits and crossed boundaries.
pub fn page(limit: Option<i64>, offset: Option<i64>, headers: Option<&HeaderMap>) -> Result<Page, RestError> {
    let (mut low, mut high) = (0_u64, None::<u64>);
    if let Some((first, last)) = headers.and_then(|h| h.get("range")).and_then(|v| v.to_str().ok()).and_then(boundaries) {
        if last.is_some_and(|last| last < first) {
            return Err(RestError::Range(CROSSED));
        }
        (low, high) = (first, last);
    }
    let offset = u64::try_from(offset.unwrap_or(0)).unwrap_or(0);
    low = low.max(offset);
    match limit {
        Some(0) if offset == 0 => return Ok(Page { offset: 0, limit: Some(0) }),
        Some(n) if n <= 0 => return Err(RestError::Range(NEGATIVE)),
        Some(n) => {
            let last = offset.saturating_add(n.unsigned_abs()) - 1;
            high = Some(high.map_or(last, |h| h.min(last)));
        }
        None => {}
    }
    match high {
        Some(high) if high < low => Err(RestError::Range(NEGATIVE)),
        Some(high) => Ok(Page { offset: low, limit: Some(high - low + 1) }),
        None => Ok(Page { offset: low, limit: None }),
    }
}

/// `first-last` or `first-`, in items.
fn boundaries(text: &str) -> Option<(u64, Option<u64>)> {
    let text = text.strip_prefix("items=").unwrap_or(text);
    let (first, last) = text.split_once('-')?;
    let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
    Some((first.parse().ok()?, last))
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
        Some(total) if page.offset > total => StatusCode::RANGE_NOT_SATISFIABLE,
        Some(total) if rows < total => StatusCode::PARTIAL_CONTENT,
        _ => StatusCode::OK,
    }
}
