//! Roles.

use basalt_catalog::Role;
use basalt_types::SqlState;

use super::{Ddl, Refusal, Result, Step};

/// One word or quoted string of a role's options.
fn words(options: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut chars = options.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let mut text = String::new();
                while let Some(next) = chars.next() {
                    if next == c {
                        if chars.peek() == Some(&c) {
                            chars.next();
                        } else {
                            break;
                        }
                    }
                    text.push(next);
                }
                out.push(text);
            }
            ',' | '=' => out.push(c.to_string()),
            c if c.is_whitespace() => {}
            c => {
                let mut text = String::from(c);
                while let Some(next) = chars.next_if(|n| !n.is_whitespace() && !matches!(n, ',' | '=' | '\'' | '"')) {
                    text.push(next);
                }
                out.push(text);
            }
        }
    }
    out
}

impl Ddl {
    /// CREATE ROLE, ALTER ROLE, with the options as text.
    pub(super) fn role(&mut self, verb: &str, name: &str, options: &str) -> Result {
        if !self.catalog.is_superuser(&self.ctx.role) && self.ctx.role != name {
            return Err(Refusal::invalid(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied to {}", verb.to_lowercase()),
            ));
        }
        let words = words(options);
        let verb = verb.to_lowercase();
        match verb.split(' ').next() {
            Some("create") => {
                if self.catalog.role(name).is_some() {
                    return Err(Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("role \"{name}\" already exists")));
                }
                if name.starts_with("pg_") || name == "public" || name == "none" {
                    return Err(Refusal::invalid(SqlState::RESERVED_NAME, format!("role name \"{name}\" is reserved")));
                }
                let role = Role {
                    name: name.to_owned(),
                    superuser: false,
                    bypass_rls: false,
                    inherit: true,
                    // CREATE USER is CREATE ROLE … LOGIN.
                    login: verb.ends_with("user"),
                    member_of: Vec::new(),
                    config: Vec::new(),
                };
                self.role_options(role, &words)
            }
            _ => {
                let name = self.role_name(name)?;
                let Some(role) = self.catalog.role(&name).map(|r| (**r).clone()) else { return Ok(()) };
                self.role_options(role, &words)
            }
        }
    }

    fn role_options(&mut self, mut role: Role, words: &[String]) -> Result {
        let mut rest = words.iter().map(String::as_str).peekable();
        let mut grant_to: Vec<String> = Vec::new();
        while let Some(word) = rest.next() {
            match word.to_ascii_lowercase().as_str() {
                "with" => {}
                "superuser" => role.superuser = true,
                "nosuperuser" => role.superuser = false,
                "bypassrls" => role.bypass_rls = true,
                "nobypassrls" => role.bypass_rls = false,
                "inherit" => role.inherit = true,
                "noinherit" => role.inherit = false,
                "login" => role.login = true,
                "nologin" => role.login = false,
                "createdb" | "nocreatedb" | "createrole" | "nocreaterole" | "replication" | "noreplication" => {}
                "encrypted" | "unencrypted" => {}
                "password" => {
                    rest.next();
                    self.steps.push(Step::NoOp(format!("password of role {}: nobody logs in to SQLite", role.name)));
                }
                "connection" => {
                    rest.next();
                    rest.next();
                }
                "valid" => {
                    rest.next();
                    rest.next();
                }
                list @ ("in" | "role" | "admin" | "user") => {
                    if list == "in" {
                        rest.next();
                    }
                    let mut names = Vec::new();
                    while let Some(name) = rest.next() {
                        names.push(name.to_owned());
                        if rest.next_if(|w| *w == ",").is_none() {
                            break;
                        }
                    }
                    for name in names {
                        let name = self.role_name(&name)?;
                        if list == "in" { add_once(&mut role.member_of, &name) } else { grant_to.push(name) }
                    }
                }
                "set" => {
                    let Some(name) = rest.next() else { break };
                    if let Some(separator) = rest.next()
                        && !matches!(separator, "=" | "to" | "TO")
                    {
                        return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, format!("syntax error at or near \"{separator}\"")));
                    }
                    let value: Vec<&str> = rest.by_ref().filter(|w| *w != ",").collect();
                    role.config.retain(|(n, _)| n != name);
                    role.config.push((name.to_owned(), value.join(", ")));
                }
                "reset" => match rest.next() {
                    Some(all) if all.eq_ignore_ascii_case("all") => role.config.clear(),
                    Some(name) => role.config.retain(|(n, _)| n != name),
                    None => {}
                },
                "rename" => return Err(Refusal::unsupported("ALTER ROLE … RENAME", "create the role under its new name")),
                _ => {
                    return Err(Refusal::unsupported(format!("role option {}", word.to_uppercase()), "leave the option out"));
                }
            }
        }
        let name = role.name.clone();
        self.catalog.put_role(role);
        for member in grant_to {
            self.grant_role(true, std::slice::from_ref(&name), &[member])?;
        }
        Ok(())
    }

    /// GRANT role TO role.
    pub(super) fn grant_role(&mut self, is_grant: bool, roles: &[String], grantees: &[String]) -> Result {
        for grantee in grantees {
            let grantee = self.role_name(grantee)?;
            for name in roles {
                let name = self.role_name(name)?;
                if !self.catalog.is_superuser(&self.ctx.role) {
                    return Err(Refusal::invalid(
                        SqlState::INSUFFICIENT_PRIVILEGE,
                        format!("permission denied to {} role \"{name}\"", if is_grant { "grant" } else { "revoke" }),
                    ));
                }
                let Some(mut member) = self.catalog.role(&grantee).map(|r| (**r).clone()) else { continue };
                if is_grant {
                    // Superusers are members of everything by privilege; a cycle is one by record.
                    if self.catalog.memberships(&name, false).contains(grantee.as_str()) {
                        return Err(Refusal::invalid(
                            SqlState::new(b"0LP01"),
                            format!("role \"{name}\" is a member of role \"{grantee}\""),
                        ));
                    }
                    add_once(&mut member.member_of, &name);
                } else if member.member_of.contains(&name) {
                    member.member_of.retain(|r| *r != name);
                } else {
                    self.notice(format!("role \"{grantee}\" has not been granted membership in role \"{name}\""));
                }
                self.catalog.put_role(member);
            }
        }
        Ok(())
    }

    /// DROP ROLE.
    pub(super) fn drop_role(&mut self, name: &str, if_exists: bool) -> Result {
        if self.catalog.role(name).is_none() {
            if if_exists {
                self.notice(format!("role \"{name}\" does not exist, skipping"));
                return Ok(());
            }
            return Err(Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")));
        }
        if self.ctx.role == name || self.ctx.session_role == name {
            return Err(Refusal::invalid(SqlState::new(b"55006"), "current user cannot be dropped"));
        }
        let c = &self.catalog;
        let mentioned = |acl: Option<&basalt_catalog::Acl>| acl.is_some_and(|a| a.mentions(name));
        let used = c.schemas().any(|s| s.owner == name || mentioned(s.acl.as_ref()))
            || c.relations().any(|r| {
                r.owner == name
                    || mentioned(r.acl.as_ref())
                    || r.columns.iter().any(|col| mentioned(col.acl.as_ref()))
                    || r.policies.iter().any(|p| p.roles.iter().any(|role| role == name))
            })
            || c.functions().any(|f| f.owner == name || mentioned(f.acl.as_ref()))
            || c.types().any(|t| t.owner == name || mentioned(t.acl.as_ref()))
            || c.default_acls().iter().any(|d| d.role == name || d.acl.mentions(name));
        if used {
            return Err(Refusal::invalid(
                SqlState::DEPENDENT_OBJECTS,
                format!("role \"{name}\" cannot be dropped because some objects depend on it"),
            ));
        }
        let members: Vec<Role> = c.roles().filter(|r| r.member_of.iter().any(|m| m == name)).map(|r| (**r).clone()).collect();
        for mut member in members {
            member.member_of.retain(|m| m != name);
            self.catalog.put_role(member);
        }
        self.catalog.remove_role(name);
        Ok(())
    }
}

fn add_once(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|n| n == name) {
        list.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn options_are_split_outside_of_quotes() {
        assert_eq!(words("SET search_path = 'a b', \"C\""), ["SET", "search_path", "=", "a b", ",", "C"]);
        assert_eq!(words("login password 'it''s'"), ["login", "password", "it's"]);
    }
}
