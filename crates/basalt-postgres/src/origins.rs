//! Which columns of a view are columns of other relations, from the tree that PostgreSQL keeps of its query (`pg_rewrite.ev_action`).
//!
//! The tree is text: nodes in braces that begin with their kind, fields that begin with a colon, lists in parentheses, a backslash before
//! what is meant as it stands (PostgreSQL, `backend/nodes/outfuncs.c`). Of each entry of the outermost target list we read `resno`,
//! `resorigtbl` and `resorigcol`, which are the same in every version.

use basalt_catalog::Origin;

/// The origins of a view's columns.
pub(crate) fn origins(tree: &str) -> Vec<Origin> {
    let mut found = Vec::new();
    let mut entry = Origin { column: 0, relation: 0, source: 0 };
    let (mut braces, mut lists) = (0_usize, 0_usize);
    // How many lists were open where the target list began.
    let mut within: Option<usize> = None;
    let mut field = "";
    for token in Tokens(tree) {
        match token {
            "{" => braces += 1,
            "}" => {
                if braces == 2 && within.is_some() && entry.relation != 0 && entry.source > 0 {
                    found.push(entry.clone());
                }
                braces = braces.saturating_sub(1);
            }
            "(" => {
                lists += 1;
                if braces == 1 && field == ":targetList" && within.is_none() {
                    within = Some(lists);
                }
            }
            ")" => {
                if within == Some(lists) {
                    return found;
                }
                lists = lists.saturating_sub(1);
            }
            "TARGETENTRY" if braces == 2 => entry = Origin { column: 0, relation: 0, source: 0 },
            _ if token.starts_with(':') && braces <= 2 => field = token,
            _ if braces == 2 && within.is_some() => match field {
                ":resno" => entry.column = token.parse().unwrap_or(0),
                ":resorigtbl" => entry.relation = token.parse().unwrap_or(0),
                ":resorigcol" => entry.source = token.parse().unwrap_or(0),
                _ => {}
            },
            _ => {}
        }
    }
    found
}

/// Braces, parentheses, and what stands between them and blanks.
struct Tokens<'t>(&'t str);

impl<'t> Iterator for Tokens<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = self.0.trim_start_matches([' ', '\n', '\t']);
        let mut is_escaped = false;
        let end = text.char_indices().find(|(_, c)| {
            let is_end = !is_escaped && matches!(c, '{' | '}' | '(' | ')' | ' ' | '\n' | '\t');
            is_escaped = !is_escaped && *c == '\\';
            is_end
        });
        let length = match end {
            Some((0, c)) => c.len_utf8(),
            Some((at, _)) => at,
            None => text.len(),
        };
        let (token, rest) = text.split_at(length);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_outermost_list_are_read() {
        let tree = "({QUERY :commandType 1 :cteList ({COMMONTABLEEXPR :ctequery {QUERY :targetList ({TARGETENTRY :expr {VAR :varno 1} :resno 1 \
            :resname x :resorigtbl 9 :resorigcol 9 :resjunk false})}}) :targetList ({TARGETENTRY :expr {FUNCEXPR :args ({VAR :resno 7})} \
            :resno 1 :resname a\\ \\} :ressortgroupref 0 :resorigtbl 0 :resorigcol 0 :resjunk false} {TARGETENTRY :expr {VAR :varno 1} :resno 2 \
            :resname id :ressortgroupref 0 :resorigtbl 16390 :resorigcol 3 :resjunk false}) :override 0})";
        assert_eq!(origins(tree), [Origin { column: 2, relation: 16390, source: 3 }]);
    }

    #[test]
    fn anything_else_has_none() {
        for tree in ["", "({", ")))", "\\", "({QUERY :targetList <>})", "{{{:targetList (((", "é{ü}\\é"] {
            assert_eq!(origins(tree), []);
        }
    }
}
