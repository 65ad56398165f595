//! The root: what the exposed schema has, as a Swagger 2.0 document (PostgREST's) or as an OpenAPI 3.1 one (ours).
//!
//! Both are made for a role: by default they have what it has privileges on, and no name besides. [`shown`] chooses, [`swagger`] and
//! [`openapi`] write, [`types`] says how values look, [`names`] what their types are called.

mod names;
mod openapi;
mod shown;
mod swagger;
mod types;

use basalt_catalog::Catalog;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::error::RestError as Error;
use crate::parse::media::{self, Document};
use crate::{Asked, CONTENT_PROFILE, OpenApiMode, Rest, allowed, answered, put};
use shown::Shown;

/// The path of the OpenAPI 3.1 document, unless a table has this name.
pub(crate) const PATH: &str = "openapi.json";

/// What documents say that no catalog knows.
struct Facts<'a> {
    schema: &'a str,
    /// All exposed schemas.
    schemas: &'a [String],
    /// Where the API is for clients, if that was configured.
    server: Option<&'a str>,
    /// Whether it is for a role, or says everything there is.
    is_for_role: bool,
    /// Schemas that are searched besides the one asked for.
    extra_search_path: &'a [String],
    /// Whether to say how requests are authorized.
    is_secured: bool,
    has_plans: bool,
    has_etags: bool,
    may_choose_end: bool,
}

impl Rest {
    /// The root resource.
    pub(crate) fn root(&self, asked: &Asked<'_>) -> Result<Response<Bytes>, Error> {
        if *asked.method == Method::OPTIONS {
            return Ok(allowed("OPTIONS,GET,HEAD"));
        }
        if !matches!(*asked.method, Method::GET | Method::HEAD) {
            return Err(Error::Method(asked.method.to_string()));
        }
        self.check_document(asked)?;
        let document = media::negotiate_document(asked.headers)?;
        Ok(self.described(asked, document, document.content_type()))
    }

    /// The OpenAPI 3.1 document by its path.
    pub(crate) fn openapi(&self, asked: &Asked<'_>) -> Result<Response<Bytes>, Error> {
        match *asked.method {
            Method::OPTIONS => Ok(allowed("OPTIONS,GET,HEAD")),
            Method::GET | Method::HEAD => {
                self.check_document(asked)?;
                Ok(self.described(asked, Document::OpenApi31, HeaderValue::from_static("application/json; charset=utf-8")))
            }
            _ => Err(Error::Method(asked.method.to_string())),
        }
    }

    /// Whether this path is the document's: no relation is called so.
    pub(crate) fn is_openapi(&self, schema: &str, name: &str) -> bool {
        name == PATH && self.engine.catalog().relation(schema, name).is_none()
    }

    fn check_document(&self, asked: &Asked<'_>) -> Result<(), Error> {
        if self.config.openapi_mode == OpenApiMode::Disabled {
            return Err(Error::NoDocument);
        }
        let role = asked.session.role.as_str();
        match &self.config.openapi_roles {
            Some(roles) if !roles.iter().any(|r| r == role) => Err(Error::Root),
            _ => Ok(()),
        }
    }

    fn described(&self, asked: &Asked<'_>, document: Document, content_type: HeaderValue) -> Response<Bytes> {
        let body = self.document(&self.engine.catalog(), asked, document);
        let length = body.len();
        let is_head = *asked.method == Method::HEAD;
        let mut response = answered(StatusCode::OK, if is_head { Bytes::new() } else { body });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        if !is_head {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if asked.names_schema {
            put(headers, CONTENT_PROFILE, asked.schema);
        }
        response
    }

    fn document(&self, catalog: &Catalog, asked: &Asked<'_>, document: Document) -> Bytes {
        let role = (self.config.openapi_mode == OpenApiMode::FollowPrivileges).then_some(asked.session.role.as_str());
        let shown = Shown::of(catalog, asked.schema, role);
        let facts = Facts {
            schema: asked.schema,
            schemas: &self.config.schemas,
            server: self.config.openapi_server.as_deref(),
            is_for_role: role.is_some(),
            extra_search_path: &self.config.extra_search_path,
            is_secured: self.config.openapi_security,
            has_plans: self.config.plan_enabled,
            has_etags: self.config.etag,
            may_choose_end: self.config.tx_end.may_override(),
        };
        let json = match document {
            Document::Swagger2 => swagger::document(&shown, &facts),
            Document::OpenApi31 => openapi::document(&shown, &facts),
        };
        Bytes::from(json.to_string())
    }
}
