//! The static site: files of `public/`, with ETag and safe headers.

use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, Response, StatusCode};
use parking_lot::Mutex;

use crate::reply;

/// Largest file that is served, bytes: bodies are held in memory.
const LARGEST_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// How many files' tags are remembered.
const REMEMBERED_TAGS: usize = 4096;

/// A directory served as a site.
#[derive(Debug)]
pub struct Site {
    root: PathBuf,
    tags: Mutex<HashMap<PathBuf, (SystemTime, u64, HeaderValue)>>,
}

impl Site {
    /// Serves this directory; it may appear later.
    pub fn new(root: PathBuf) -> Self {
        Self { root, tags: Mutex::default() }
    }

    /// Answers a request for a path of the site.
    pub async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Bytes> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = reply::message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let Some(relative) = safe_path(path) else { return not_found() };
        let wants_page = headers.get(ACCEPT).and_then(|a| a.to_str().ok()).is_some_and(|a| a.contains("text/html"));
        let mut candidates = vec![relative.clone(), relative.join("index.html")];
        if relative.extension().is_none() {
            candidates.push(relative.with_extension("html"));
            if wants_page {
                // Pages that route in the browser: any address that names no file shows the site's first page.
                candidates.push(PathBuf::from("index.html"));
            }
        }
        for candidate in candidates {
            match self.read(&candidate).await {
                Ok(Some((bytes, tag))) => return file(method, &candidate, bytes, &tag, headers),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "a file of the site could not be read");
                    return reply::message(StatusCode::INTERNAL_SERVER_ERROR, "The file could not be read");
                }
            }
        }
        not_found()
    }

    async fn read(&self, relative: &Path) -> io::Result<Option<(Bytes, HeaderValue)>> {
        if relative.as_os_str().is_empty() {
            return Ok(None);
        }
        let path = self.root.join(relative);
        let absent = |e: &io::Error| {
            matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
        };
        // A symbolic link may not lead out of the site.
        let (real, root) = match (tokio::fs::canonicalize(&path).await, tokio::fs::canonicalize(&self.root).await) {
            (Ok(real), Ok(root)) => (real, root),
            (Err(e), _) | (_, Err(e)) if absent(&e) => return Ok(None),
            (Err(e), _) | (_, Err(e)) => return Err(e),
        };
        if !real.starts_with(&root) {
            return Ok(None);
        }
        let meta = tokio::fs::metadata(&real).await?;
        if !meta.is_file() || meta.len() > LARGEST_FILE_BYTES {
            return Ok(None);
        }
        let bytes = Bytes::from(tokio::fs::read(&real).await?);
        let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let mut tags = self.tags.lock();
        if let Some((at, len, tag)) = tags.get(&real)
            && *at == modified
            && *len == bytes.len() as u64
        {
            return Ok(Some((bytes, tag.clone())));
        }
        let tag = etag(&bytes);
        if tags.len() >= REMEMBERED_TAGS {
            tags.clear();
        }
        tags.insert(real, (modified, bytes.len() as u64, tag.clone()));
        Ok(Some((bytes, tag)))
    }
}

fn etag(bytes: &[u8]) -> HeaderValue {
    let hash = digest(&SHA256, bytes);
    let text: String = hash.as_ref().iter().take(16).map(|b| format!("{b:02x}")).collect();
    HeaderValue::from_str(&format!("\"{text}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn file(method: &Method, path: &Path, bytes: Bytes, tag: &HeaderValue, headers: &HeaderMap) -> Response<Bytes> {
    let known = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(|list| {
        list.trim() == "*" || list.split(',').any(|t| t.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
    });
    let mut response = if known { reply::empty(StatusCode::NOT_MODIFIED) } else { reply::empty(StatusCode::OK) };
    let out = response.headers_mut();
    out.insert(ETAG, tag.clone());
    out.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, must-revalidate"));
    out.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    out.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
    out.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'self'; object-src 'none'; base-uri 'self'"));
    if !known {
        out.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(path)));
        if method == Method::HEAD {
            out.insert(http::header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        } else {
            *response.body_mut() = bytes;
        }
    }
    response
}

fn not_found() -> Response<Bytes> {
    let mut response = reply::with_type(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", Bytes::from_static(b"Not found\n"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The path inside the site, or nothing for what leads out of it or names a hidden file.
pub(crate) fn safe_path(path: &str) -> Option<PathBuf> {
    let decoded = percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8().ok()?;
    if decoded.contains(['\0', '\\', ':']) {
        return None;
    }
    let mut safe = PathBuf::new();
    for part in Path::new(decoded.as_ref()).components() {
        match part {
            Component::Normal(name) if !name.as_encoded_bytes().starts_with(b".") || name == ".well-known" => safe.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(safe)
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "txt" | "md" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mp3" => "audio/mpeg",
        _ => "application/octet-stream",
    }
}
