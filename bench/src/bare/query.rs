//! The few requests that the bare servers understand.

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Query {
    /// One person.
    User { id: i64 },
    /// An author's posts, newest first.
    ByAuthor { author_id: i64, limit: i64 },
    /// The posts after an id, with their authors.
    WithAuthor { after: i64, limit: i64 },
}

impl Query {
    /// Reads a request's path and query string.
    pub fn parse(path: &str, query: &str) -> Option<Self> {
        let (mut select, mut id, mut after, mut author_id, mut order, mut limit) = ("*", None, None, None, "", None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=')?;
            match name {
                "select" => select = value,
                "order" => order = value,
                "limit" => limit = Some(value.parse().ok()?),
                "author_id" => author_id = Some(value.strip_prefix("eq.")?.parse().ok()?),
                "id" => match value.split_once('.')? {
                    ("eq", number) => id = Some(number.parse().ok()?),
                    ("gt", number) => after = Some(number.parse().ok()?),
                    _ => return None,
                },
                _ => return None,
            }
        }
        match (path, select, order) {
            ("/rest/v1/users", "*", "") => Some(Self::User { id: id? }),
            ("/rest/v1/posts", "*", "created_at.desc") => Some(Self::ByAuthor { author_id: author_id?, limit: limit? }),
            ("/rest/v1/posts", "*,author:users(*)", "id.asc") => Some(Self::WithAuthor { after: after?, limit: limit? }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn the_three_reads_are_understood() {
        assert_eq!(Query::parse("/rest/v1/users", "id=eq.7&select=*"), Some(Query::User { id: 7 }));
        assert_eq!(
            Query::parse("/rest/v1/posts", "author_id=eq.3&select=*&order=created_at.desc&limit=20"),
            Some(Query::ByAuthor { author_id: 3, limit: 20 })
        );
        assert_eq!(
            Query::parse("/rest/v1/posts", "id=gt.5&select=*,author:users(*)&order=id.asc&limit=20"),
            Some(Query::WithAuthor { after: 5, limit: 20 })
        );
        assert_eq!(Query::parse("/rest/v1/users", "name=eq.x"), None);
    }
}
