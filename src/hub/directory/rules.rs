//! Residents' own rules and the order of groups, in the tables. One call is one change.

use rusqlite::params;

use super::tables::{DirectoryError, Tables};
use crate::ids::{Guid, Uid};
use crate::signaling::rules::OwnRules;

impl Tables {
    /// Sets when it does not ring at a resident's.
    ///
    /// # Errors
    /// There is no such resident, or the database fails.
    pub fn set_rules(&mut self, uid: &Uid, rules: &OwnRules) -> Result<(), DirectoryError> {
        let sql = "UPDATE users SET do_not_disturb = ?2, undisturbed_until = ?3, quiet_from = ?4, quiet_to = ?5
                   WHERE uid = ?1 AND kind = 'resident'";
        let OwnRules { do_not_disturb, do_not_disturb_until: until, quiet_hours } = rules;
        let minutes = quiet_hours.map(|hours| (hours.from.minutes(), hours.to.minutes())).unzip();
        // Later than a database can say is never.
        let until = until.filter(|until| i64::try_from(*until).is_ok());
        let set = self.connection.execute(sql, params![uid.as_str(), do_not_disturb, until, minutes.0, minutes.1])?;
        (set > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("resident {uid}")))
    }

    /// Sets whether a resident may see doors before they answer.
    ///
    /// # Errors
    /// There is no such resident, or the database fails.
    pub fn set_user_looks(&mut self, uid: &Uid, looks: bool) -> Result<(), DirectoryError> {
        let sql = "UPDATE users SET looks = ?2 WHERE uid = ?1 AND kind = 'resident'";
        let set = self.connection.execute(sql, params![uid.as_str(), looks])?;
        (set > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("resident {uid}")))
    }

    /// Sets whether the members of a group may see doors before they answer.
    ///
    /// # Errors
    /// There is no such group, or the database fails.
    pub fn set_group_looks(&mut self, guid: &Guid, looks: bool) -> Result<(), DirectoryError> {
        let sql = "UPDATE groups SET looks = ?2 WHERE guid = ?1";
        let set = self.connection.execute(sql, params![guid.as_str(), looks])?;
        (set > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("group {guid}")))
    }

    /// Sets after how many milliseconds it rings at a member of a group.
    ///
    /// # Errors
    /// There is no such member, or the database fails.
    pub fn set_turn(&mut self, guid: &Guid, uid: &Uid, turn: u64) -> Result<(), DirectoryError> {
        let sql = "UPDATE members SET turn = ?3 WHERE guid = ?1 AND uid = ?2";
        let set = self.connection.execute(sql, params![guid.as_str(), uid.as_str(), turn])?;
        (set > 0).then_some(()).ok_or_else(|| DirectoryError::Unknown(format!("member {uid} of group {guid}")))
    }
}
