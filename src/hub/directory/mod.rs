//! Who there is: users, groups, doors and their devices, and who may call whom.
//!
//! [`Directory`] is a picture of it in memory, whole and unchanging; a change makes a new picture. [`tables`] is where it is
//! kept. Nothing here knows calls or connections.

pub mod access;
pub mod desk;
mod rules;
pub mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use crate::hub::auth::{Presented, SecretHash};
use crate::hub::exchange::{Member, MemberDevice};
use crate::hub::push::subscription::Subscription;
use crate::ids::{AdministratorId, DeviceId, Guid, Uid};
use crate::signaling::protocol::{ErrorCode, Leg, Receiver, Refusal};
use crate::signaling::rules::OwnRules;

/// A picture of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// Residents and doors, in the order of their ids. Found by a hash: in a tree of words, every step on the way would be
    /// another word to fetch.
    pub users: IndexMap<Uid, User>,
    /// Groups.
    pub groups: BTreeMap<Guid, Group>,
    /// Devices, in the order of their ids.
    pub devices: IndexMap<DeviceId, Device>,
    /// Who administers by REST.
    pub administrators: BTreeMap<AdministratorId, SecretHash>,
    /// Receivers that a door rings and that may not open it.
    pub barred: BTreeSet<(Uid, Receiver)>,
}

/// Whether a user is a person or a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A door station, and whom its buttons may call.
    Door {
        /// Groups it may ring.
        groups: BTreeSet<Guid>,
        /// Users it may ring.
        users: BTreeSet<Uid>,
    },
    /// A resident, and the groups they belong to, since when (milliseconds since 1970).
    Resident {
        /// Groups.
        groups: BTreeMap<Guid, u64>,
    },
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name, for people.
    pub name: Arc<str>,
    /// Person or door.
    pub kind: Kind,
    /// Their devices.
    pub devices: BTreeSet<DeviceId>,
    /// Those of them that can be woken by push.
    pub subscribed: BTreeSet<DeviceId>,
    /// When it does not ring at theirs.
    pub rules: OwnRules,
    /// Whether they may see a door before they answer.
    pub looks: bool,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name, for people.
    pub name: String,
    /// Whether later accepts of a call to it join the conversation.
    pub joinable: bool,
    /// Who belongs to it.
    pub members: BTreeSet<Uid>,
    /// Milliseconds after which it rings at members that do not come first.
    pub turns: BTreeMap<Uid, u64>,
    /// Whether members may see a door before they answer.
    pub looks: bool,
    roster: Vec<Rostered>,
}

/// A member of a group, ready to be rung.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rostered {
    /// As if nobody was connected, and they might be disturbed.
    member: Member,
    rules: OwnRules,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Whose.
    pub uid: Uid,
    /// Name, for people.
    pub name: String,
    /// Hash of its credential.
    pub credential: SecretHash,
    /// Where it can be woken by push.
    pub subscription: Option<Arc<Subscription>>,
    /// Hash of its next one, not shown yet.
    pub renewed: Option<SecretHash>,
    /// Since when, milliseconds since 1970.
    pub added: u64,
}

/// Milliseconds since 1970, and the minute of the day where it is known.
pub type Now = (u64, Option<u16>);

/// Whom a call would reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Name of the receiver.
    pub name: String,
    /// Whether the receiver is a door.
    pub is_door: bool,
    /// The users called, nobody connected yet.
    pub members: Vec<Member>,
    /// Whether later accepts join.
    pub joinable: bool,
}

impl User {
    /// As somebody to be rung, if they may be disturbed.
    fn as_member(&self, uid: &Uid) -> Member {
        let device = |id: &DeviceId| {
            let (device_id, push) = (id.clone(), self.subscribed.contains(id));
            MemberDevice { device_id, connected: false, push }
        };
        let (uid, name, looks) = (uid.clone(), self.name.clone(), self.looks);
        let devices = self.devices.iter().map(device).collect();
        Member { uid, name, devices, after: 0, undisturbed: false, looks }
    }
}

impl Directory {
    /// The device that this credential belongs to.
    #[must_use]
    pub fn identify(&self, presented: &Presented) -> Option<&DeviceId> {
        let (id, device) = self.devices.get_key_value(&presented.device_id)?;
        let shows = |known: &SecretHash| known.matches(&presented.hash);
        (shows(&device.credential) || device.renewed.as_ref().is_some_and(shows)).then_some(id)
    }

    /// Whether a device shows its next credential for the first time.
    #[must_use]
    pub fn is_renewal(&self, presented: &Presented) -> bool {
        let renewed = self.devices.get(&presented.device_id).and_then(|device| device.renewed.as_ref());
        renewed.is_some_and(|renewed| renewed.matches(&presented.hash))
    }

    /// Whether a resident may open this door: whom it rings may, but for those who are barred.
    #[must_use]
    pub fn may_open(&self, resident: &Uid, door: &Uid) -> bool {
        let Some(User { kind: Kind::Door { groups, users }, .. }) = self.users.get(door) else { return false };
        let opens = |receiver: Receiver| !self.barred.contains(&(door.clone(), receiver));
        (users.contains(resident) && opens(Receiver::User(resident.clone())))
            || groups.iter().any(|guid| self.is_member(guid, resident) && opens(Receiver::Group(guid.clone())))
    }

    /// A device with its user, as others see it.
    #[must_use]
    pub fn leg(&self, device: &DeviceId) -> Option<Leg> {
        let uid = &self.devices.get(device)?.uid;
        let name = self.users.get(uid)?.name.clone();
        Some(Leg { uid: uid.clone(), device_id: device.clone(), name })
    }

    /// The user a device belongs to.
    #[must_use]
    pub fn user_of(&self, device: &DeviceId) -> Option<(&Uid, &User)> {
        self.users.get_key_value(&self.devices.get(device)?.uid)
    }

    /// The doors that this resident may call: those that may ring them.
    pub fn doors_of(&self, resident: &Uid) -> impl Iterator<Item = (&Uid, &User)> {
        self.users.iter().filter(|(_, user)| match &user.kind {
            Kind::Door { groups, users } => {
                users.contains(resident) || groups.iter().any(|g| self.is_member(g, resident))
            }
            Kind::Resident { .. } => false,
        })
    }

    /// Whom a call from `caller` to `receiver` would reach. Who is unknown and who is none of the caller's business have
    /// the same answer.
    ///
    /// # Errors
    /// The rules of calling forbid it.
    pub fn reach(&self, caller: &Uid, receiver: &Receiver, now: Now) -> Result<Reach, Refusal> {
        let from = self.users.get(caller).ok_or_else(|| not_found(receiver))?;
        match (&from.kind, receiver) {
            (_, Receiver::User(uid)) if uid == caller => {
                Err(Refusal::new(ErrorCode::ErrCallingSelf, "the receiver is the caller; call somebody else"))
            }
            (Kind::Door { groups, .. }, Receiver::Group(guid)) if groups.contains(guid) => {
                self.reach_group(guid, caller, now).ok_or_else(|| not_found(receiver))
            }
            (Kind::Door { groups, users }, Receiver::User(uid)) => {
                if users.contains(uid) {
                    self.reach_user(uid, now).ok_or_else(|| not_found(receiver))
                } else if groups.iter().any(|guid| self.is_member(guid, uid)) {
                    let message = format!("this door may ring the group of {uid}, not {uid} alone");
                    Err(Refusal::new(ErrorCode::ErrCallNotAPart, message))
                } else {
                    Err(not_found(receiver))
                }
            }
            (Kind::Resident { .. }, Receiver::User(uid)) if self.doors_of(caller).any(|(door, _)| door == uid) => {
                self.reach_user(uid, now).ok_or_else(|| not_found(receiver))
            }
            (Kind::Resident { groups }, receiver) if self.is_near(groups, receiver) => Err(Refusal::new(
                ErrorCode::ErrCallInvalidParties,
                format!("a resident calls {receiver}; exactly one party of a call is a door"),
            )),
            (Kind::Door { .. } | Kind::Resident { .. }, Receiver::Group(_) | Receiver::User(_)) => {
                Err(not_found(receiver))
            }
        }
    }

    /// Makes ready whom a ring of each group reaches, once all of it is known: to look for each member by name would lead the
    /// ring through memory that nobody has touched for hours.
    fn muster(&mut self) {
        for group in self.groups.values_mut() {
            let users = group.members.iter().filter_map(|uid| self.users.get_key_value(uid));
            let rostered = users.map(|(uid, user)| {
                let member = user.as_member(uid);
                let after = group.turns.get(uid).copied().unwrap_or_default();
                let looks = member.looks && group.looks;
                Rostered { member: Member { after, looks, ..member }, rules: user.rules.clone() }
            });
            group.roster = rostered.collect();
        }
    }

    fn reach_group(&self, guid: &Guid, caller: &Uid, (wall, minute): Now) -> Option<Reach> {
        let group = self.groups.get(guid)?;
        let others = group.roster.iter().filter(|rostered| rostered.member.uid != *caller);
        let members = others
            .map(|Rostered { member, rules }| Member { undisturbed: rules.are_quiet(wall, minute), ..member.clone() });
        let members = members.collect();
        Some(Reach { name: group.name.clone(), is_door: false, members, joinable: group.joinable })
    }

    fn reach_user(&self, uid: &Uid, (wall, minute): Now) -> Option<Reach> {
        let user = self.users.get(uid)?;
        let is_door = matches!(user.kind, Kind::Door { .. });
        let member = Member { undisturbed: user.rules.are_quiet(wall, minute), ..user.as_member(uid) };
        Some(Reach { name: user.name.to_string(), is_door, members: vec![member], joinable: false })
    }

    fn is_member(&self, guid: &Guid, uid: &Uid) -> bool {
        self.groups.get(guid).is_some_and(|group| group.members.contains(uid))
    }

    /// Whether a receiver is one of these groups, or in one of them.
    fn is_near(&self, groups: &BTreeMap<Guid, u64>, receiver: &Receiver) -> bool {
        match receiver {
            Receiver::Group(guid) => groups.contains_key(guid),
            Receiver::User(uid) => groups.keys().any(|guid| self.is_member(guid, uid)),
        }
    }
}

fn not_found(receiver: &Receiver) -> Refusal {
    Refusal::new(ErrorCode::ErrReceiverNotFound, format!("no {receiver} that this device could call"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word<T: std::str::FromStr<Err = crate::ids::IdError>>(text: &str) -> T {
        text.parse().expect("a word")
    }

    fn resident(groups: &[&str]) -> User {
        let groups = groups.iter().map(|guid| (word(guid), 0)).collect();
        user(Kind::Resident { groups })
    }

    fn user(kind: Kind) -> User {
        User {
            name: "".into(),
            kind,
            devices: BTreeSet::new(),
            subscribed: BTreeSet::new(),
            rules: OwnRules::default(),
            looks: true,
        }
    }

    fn house() -> Directory {
        let group = |members: &[&str]| Group {
            name: String::new(),
            joinable: false,
            members: members.iter().map(|uid| word(uid)).collect(),
            turns: BTreeMap::new(),
            looks: true,
            roster: Vec::new(),
        };
        let door = Kind::Door { groups: [word("flat-1")].into(), users: [word("guard")].into() };
        let door = user(door);
        let mut house = Directory {
            users: [
                (word("front"), door),
                (word("anna"), resident(&["flat-1"])),
                (word("ben"), resident(&["flat-1"])),
                (word("carl"), resident(&["flat-2"])),
                (word("guard"), resident(&[])),
            ]
            .into(),
            groups: [(word("flat-1"), group(&["anna", "ben"])), (word("flat-2"), group(&["carl"]))].into(),
            ..Directory::default()
        };
        house.muster();
        house
    }

    fn answer(caller: &str, receiver: Receiver) -> Result<usize, ErrorCode> {
        house()
            .reach(&word(caller), &receiver, (0, None))
            .map(|reach| reach.members.len())
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn who_may_call_whom() {
        let group = |guid: &str| Receiver::Group(word(guid));
        let user = |uid: &str| Receiver::User(word(uid));
        assert_eq!(answer("front", group("flat-1")), Ok(2));
        assert_eq!(answer("front", user("guard")), Ok(1));
        assert_eq!(answer("anna", user("front")), Ok(1));
        assert_eq!(answer("guard", user("front")), Ok(1));
        assert_eq!(answer("front", user("front")), Err(ErrorCode::ErrCallingSelf));
        assert_eq!(answer("anna", user("anna")), Err(ErrorCode::ErrCallingSelf));
        assert_eq!(answer("front", user("anna")), Err(ErrorCode::ErrCallNotAPart));
        assert_eq!(answer("anna", user("ben")), Err(ErrorCode::ErrCallInvalidParties));
        assert_eq!(answer("anna", group("flat-1")), Err(ErrorCode::ErrCallInvalidParties));
    }

    #[test]
    fn what_is_foreign_looks_as_if_it_were_not_there() {
        let house = house();
        let texts = |caller: &str, receivers: [Receiver; 2]| {
            receivers.map(|receiver| {
                let refusal = house.reach(&word(caller), &receiver, (0, None)).expect_err("not allowed");
                assert_eq!(refusal.code, ErrorCode::ErrReceiverNotFound);
                refusal.message.replace("flat-2", "X").replace("nobody", "X").replace("carl", "X")
            })
        };
        for caller in ["front", "anna"] {
            let [foreign, unknown] = texts(caller, [Receiver::Group(word("flat-2")), Receiver::Group(word("nobody"))]);
            assert_eq!(foreign, unknown);
            let [foreign, unknown] = texts(caller, [Receiver::User(word("carl")), Receiver::User(word("nobody"))]);
            assert_eq!(foreign, unknown);
        }
        assert_eq!(answer("carl", Receiver::User(word("front"))), Err(ErrorCode::ErrReceiverNotFound));
    }
}
