//! Row policies.

use basalt_catalog::{Policy, PolicyCommand};
use basalt_types::SqlState;

use super::expr::Place;
use super::{Ddl, Refusal, Result};
use crate::tree::{self, CreatePolicy, Expr, Name};

fn command(written: tree::PolicyCommand) -> PolicyCommand {
    match written {
        tree::PolicyCommand::All => PolicyCommand::All,
        tree::PolicyCommand::Select => PolicyCommand::Select,
        tree::PolicyCommand::Insert => PolicyCommand::Insert,
        tree::PolicyCommand::Update => PolicyCommand::Update,
        tree::PolicyCommand::Delete => PolicyCommand::Delete,
    }
}

fn missing(name: &str, table: &str) -> Box<Refusal> {
    Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("policy \"{name}\" for table \"{table}\" does not exist"))
}

fn duplicate(name: &str, table: &str) -> Box<Refusal> {
    Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("policy \"{name}\" for table \"{table}\" already exists"))
}

impl Ddl {
    /// TO roles; PUBLIC is the empty list, and swallows others.
    fn policy_roles(&mut self, written: &[String]) -> Result<Vec<String>> {
        if written.iter().any(|r| r == "public") {
            if written.len() > 1 {
                self.notice("ignoring specified roles other than PUBLIC");
            }
            return Ok(Vec::new());
        }
        written.iter().map(|r| self.role_name(r)).collect()
    }

    pub(super) fn create_policy(&mut self, create: &CreatePolicy) -> Result {
        let mut table = self.own_table(&create.table)?;
        let command = command(create.command);
        if let Some(check) = &create.check
            && matches!(command, PolicyCommand::Select | PolicyCommand::Delete)
        {
            return Err(
                Refusal::invalid(SqlState::SYNTAX_ERROR, "WITH CHECK cannot be applied to SELECT or DELETE").at(check.pos)
            );
        }
        if let Some(using) = &create.using
            && command == PolicyCommand::Insert
        {
            return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, "only WITH CHECK expression allowed for INSERT").at(using.pos));
        }
        if table.policies.iter().any(|p| p.name == create.name) {
            return Err(duplicate(&create.name, &table.name));
        }
        let roles = self.policy_roles(&create.roles)?;
        let using = create.using.as_ref().map(|e| self.row_expr(e, &table, Place::Policy)).transpose()?;
        let check = create.check.as_ref().map(|e| self.row_expr(e, &table, Place::Policy)).transpose()?;
        table.policies.push(Policy {
            name: create.name.clone(),
            permissive: !create.restrictive,
            command,
            roles,
            using,
            check,
            comment: None,
        });
        self.catalog.put_relation(table);
        Ok(())
    }

    pub(super) fn alter_policy(
        &mut self,
        name: &str,
        table: &Name,
        rename: Option<&str>,
        to: Option<&[String]>,
        using: Option<&Expr>,
        check: Option<&Expr>,
    ) -> Result {
        let mut table = self.own_table(table)?;
        let at = table.policies.iter().position(|p| p.name == name).ok_or_else(|| missing(name, &table.name))?;
        if let Some(new) = rename
            && table.policies.iter().any(|p| p.name == new)
        {
            return Err(duplicate(new, &table.name));
        }
        let roles = to.map(|roles| self.policy_roles(roles)).transpose()?;
        let using = using.map(|e| self.row_expr(e, &table, Place::Policy)).transpose()?;
        let check = check.map(|e| self.row_expr(e, &table, Place::Policy)).transpose()?;
        let Some(policy) = table.policies.get_mut(at) else { return Err(missing(name, &table.name)) };
        if check.is_some() && matches!(policy.command, PolicyCommand::Select | PolicyCommand::Delete) {
            return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, "only USING expression allowed for SELECT, DELETE"));
        }
        if using.is_some() && policy.command == PolicyCommand::Insert {
            return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, "only WITH CHECK expression allowed for INSERT"));
        }
        if let Some(new) = rename {
            new.clone_into(&mut policy.name);
        }
        if let Some(roles) = roles {
            policy.roles = roles;
        }
        policy.using = using.or(policy.using.take());
        policy.check = check.or(policy.check.take());
        self.catalog.put_relation(table);
        Ok(())
    }

    /// DROP POLICY.
    pub(super) fn drop_policy(&mut self, name: &str, table: &Name, if_exists: bool) -> Result {
        if if_exists && self.find_relation(table).is_none() {
            self.notice(format!("relation \"{}\" does not exist, skipping", super::name::written(table)));
            return Ok(());
        }
        let mut table = self.own_table(table)?;
        let before = table.policies.len();
        table.policies.retain(|p| p.name != name);
        if table.policies.len() == before {
            if !if_exists {
                return Err(missing(name, &table.name));
            }
            self.notice(format!("policy \"{name}\" for relation \"{}\" does not exist, skipping", table.name));
        }
        self.catalog.put_relation(table);
        Ok(())
    }
}
