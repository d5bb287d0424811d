//! `doorward hub …`: the hub itself, and the administration of its directory from the command line.
//!
//! What a command prints on standard output is for people and scripts; a secret is printed once, where it was asked for.

mod listing;

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use listing::{list_devices, list_doors, list_groups, list_residents, list_rules, qr};

use super::administration::{Administration, ENROLMENT_LIFETIME, LATEST_TURN, PAIRING_LIFETIME};
use super::backup::{self, BackupError};
use super::directory::tables::DirectoryError;
use super::store::StoreError;
use super::{HubError, audit, run_with_pulse};
use crate::config::Configuration;
use crate::config::hub::HubConfig;
use crate::config::value::{format_duration, parse_duration};
use crate::daemon::{logging, notify, signals};
use crate::ids::{AdministratorId, DeviceId, Guid, Uid};
use crate::signaling::protocol::Receiver;
use crate::signaling::rules::QuietHours;

/// Wrong words, or something that is not there.
const USAGE: u8 = 64;
/// A file that is not what it should be.
const DATA: u8 = 65;
/// The state directory cannot be used.
const STATE: u8 = 71;
/// A configuration that cannot be used.
const CONFIGURATION: u8 = 78;

/// `doorward hub`
#[derive(Debug, Args)]
pub struct Arguments {
    /// Its configuration
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/doorward/hub.toml")]
    config: PathBuf,
    #[command(subcommand)]
    subject: Option<Subject>,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Residents
    #[command(subcommand)]
    User(UserCommand),
    /// Groups of residents that ring together, such as a flat
    #[command(subcommand)]
    Group(GroupCommand),
    /// Doors
    #[command(subcommand)]
    Door(DoorCommand),
    /// Phones and door stations
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Those who administer by REST and in the browser
    #[command(subcommand)]
    Administrator(AdministratorCommand),
    /// Copy everything the hub keeps into one new file; it may be running
    Backup {
        /// The file
        file: PathBuf,
    },
    /// Put a backup back, while no hub runs
    Restore {
        /// The file
        file: PathBuf,
        /// Also where there is state already; it is put aside
        #[arg(long)]
        replace: bool,
    },
    /// Print the hub's copies of the doors' audit logs, for `doorward audit`
    Audit {
        /// Of this door alone
        #[arg(long, value_name = "UID")]
        door: Option<Uid>,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a resident
    Add {
        /// A short name for programs: letters, digits, '-', '_' and '.'
        uid: Uid,
        /// The name that others see
        #[arg(long)]
        name: String,
        /// A group they belong to; may be repeated
        #[arg(long = "group", value_name = "GUID")]
        groups: Vec<Guid>,
    },
    /// List residents
    List,
    /// Make a code with which a phone becomes theirs, and its QR code
    Pair {
        /// Who
        uid: Uid,
        /// The hub's address, as phones reach it
        #[arg(long, value_name = "URL")]
        address: Option<String>,
    },
    /// Make a resident a member of a group
    Join {
        /// Who
        uid: Uid,
        /// Which group
        guid: Guid,
    },
    /// End a membership
    Leave {
        /// Who
        uid: Uid,
        /// Which group
        guid: Guid,
    },
    /// Say when it does not ring at theirs, and whether they may see a door before they answer; prints what holds
    Rules {
        /// Who
        uid: Uid,
        /// Do not disturb, until it is switched off: on or off
        #[arg(long, value_name = "ON|OFF", value_parser = on_or_off)]
        do_not_disturb: Option<bool>,
        /// Quiet hours of every day, such as 22:00-07:00, or off
        #[arg(long, value_name = "HOURS", value_parser = hours_or_off)]
        quiet: Option<Quiet>,
        /// See a door before they answer: on or off
        #[arg(long, value_name = "ON|OFF", value_parser = on_or_off)]
        looks: Option<bool>,
    },
    /// Remove a resident, all their devices, and what the hub's records know of them
    Erase {
        /// Who; also somebody who was removed before
        uid: Uid,
    },
    /// Remove a resident and all their devices, at once
    Revoke {
        /// Who
        uid: Uid,
    },
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    /// Add a group
    Add {
        /// A short name for programs: letters, digits, '-', '_' and '.'
        guid: Guid,
        /// The name that people see
        #[arg(long)]
        name: String,
        /// Who answers later joins the conversation
        #[arg(long)]
        joinable: bool,
    },
    /// List groups
    List,
    /// Let it ring at a member only after others, if nobody answered by then
    Order {
        /// Which group
        guid: Guid,
        /// Which member
        uid: Uid,
        /// How long after the first ones: 0s to 120s
        #[arg(long, value_name = "TIME", value_parser = turn)]
        after: Duration,
    },
    /// Say whether members may see a door before they answer
    Looks {
        /// Which group
        guid: Guid,
        /// on or off
        #[arg(value_name = "ON|OFF", value_parser = on_or_off, action = clap::ArgAction::Set)]
        looks: bool,
    },
    /// Remove a group
    Revoke {
        /// Which
        guid: Guid,
    },
}

/// A group or a user.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// A group
    #[arg(long, value_name = "GUID")]
    group: Option<Guid>,
    /// A user alone
    #[arg(long, value_name = "UID")]
    user: Option<Uid>,
}

impl Whom {
    fn receiver(self) -> Receiver {
        match (self.group, self.user) {
            (Some(guid), _) => Receiver::Group(guid),
            (None, user) => Receiver::User(user.expect("the command line asks for one of them")),
        }
    }
}

#[derive(Debug, Subcommand)]
enum DoorCommand {
    /// Add a door
    Add {
        /// A short name for programs: letters, digits, '-', '_' and '.'
        uid: Uid,
        /// The name that residents see
        #[arg(long)]
        name: String,
        /// A group it may ring; may be repeated
        #[arg(long = "group", value_name = "GUID")]
        groups: Vec<Guid>,
        /// A user it may ring alone; may be repeated
        #[arg(long = "user", value_name = "UID")]
        users: Vec<Uid>,
    },
    /// Let a door ring a group or a user from now on
    Allow {
        /// Which door
        uid: Uid,
        #[command(flatten)]
        whom: Whom,
        /// Who answers may not open the door
        #[arg(long)]
        no_open: bool,
    },
    /// Take a group or a user off a door
    Deny {
        /// Which door
        uid: Uid,
        #[command(flatten)]
        whom: Whom,
    },
    /// List doors
    List,
    /// Make a token with which a station becomes this door; the station it had is then revoked
    Enrol {
        /// Which
        uid: Uid,
    },
    /// Remove a door and its station, at once
    Revoke {
        /// Which
        uid: Uid,
    },
}

#[derive(Debug, Subcommand)]
enum AdministratorCommand {
    /// Add an administrator and print their credential, once
    Add {
        /// A short name for programs: letters, digits, '-', '_' and '.'
        id: AdministratorId,
    },
    /// List administrators
    List,
    /// Take an administrator's credential away, at once
    Revoke {
        /// Who
        id: AdministratorId,
    },
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// List devices
    List,
    /// Take a device's credential away, at once
    Revoke {
        /// Which, as listed
        device: DeviceId,
    },
}

/// Quiet hours, or none.
type Quiet = Option<QuietHours>;

fn on_or_off(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _other => Err("allowed are on and off"),
    }
}

fn hours_or_off(text: &str) -> Result<Quiet, &'static str> {
    let hours = |text: &str| text.parse().ok().filter(|hours: &QuietHours| hours.from != hours.to);
    if text == "off" { Ok(None) } else { hours(text).map(Some).ok_or("allowed are hours such as 22:00-07:00, and off") }
}

fn turn(text: &str) -> Result<Duration, &'static str> {
    let after = parse_duration(text).filter(|after| *after <= LATEST_TURN);
    after.ok_or("allowed is a time from 0s to 120s")
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("{0}")]
    Runtime(std::io::Error),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::Hub(error.into())
    }
}

impl CommandError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Directory(DirectoryError::Store(_)) | Self::Runtime(_) => STATE,
            Self::Directory(DirectoryError::Exists(_) | DirectoryError::Unknown(_) | DirectoryError::Name(_)) => USAGE,
            Self::Hub(error) => error.exit_code(),
            Self::Backup(BackupError::Exists(_) | BackupError::InUse(_)) => USAGE,
            Self::Backup(BackupError::Unfit { .. }) => DATA,
            Self::Backup(BackupError::File { .. } | BackupError::Store(_)) => STATE,
        }
    }
}

/// Does what `doorward hub …` was asked for.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    let config = match HubConfig::load(&arguments.config) {
        Ok(config) => config,
        Err(diagnostics) => {
            eprint!("{diagnostics}");
            return ExitCode::from(CONFIGURATION);
        }
    };
    let done = match arguments.subject {
        None => serve(config),
        Some(Subject::Backup { file }) => {
            backup::backup(&config.server.state_directory, &file).map_err(Into::into).map(told)
        }
        Some(Subject::Restore { file, replace }) => {
            backup::restore(&file, &config.server.state_directory, replace).map_err(Into::into).map(told)
        }
        Some(subject) => administer(&config, subject),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("doorward: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- the hub

fn serve(config: HubConfig) -> Result<(), CommandError> {
    logging::start(config.log.level.as_str());
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let ready = |address| {
        // Programs that start a hub at port 0 read this line.
        println!("ready address={scheme}://{address}");
        notify::ready();
    };
    let runtime = runtime().map_err(CommandError::Runtime)?;
    let renew = Notify::new();
    runtime.block_on(async {
        tokio::select! {
            ended = run_with_pulse(config, ready, notify::alive, &renew, signals::stop()) => ended,
            never = signals::on_reload(|| renew.notify_one()) => match never {},
        }
    })?;
    notify::stopping();
    Ok(())
}

/// The calls are decided by one task; sockets, TLS and requests are of every core. Where there is one, a thread for it would
/// only be in the way.
fn runtime() -> std::io::Result<Runtime> {
    match std::thread::available_parallelism().map_or(1, NonZero::get) {
        1 => Builder::new_current_thread().enable_all().build(),
        cores => Builder::new_multi_thread().worker_threads(cores).thread_name("hub").enable_all().build(),
    }
}

// ------------------------------------------------------------------------------------------------------ administration

/// What was copied or put back.
fn told(names: Vec<String>) {
    for name in names {
        println!("{name}");
    }
}

fn administer(config: &HubConfig, subject: Subject) -> Result<(), CommandError> {
    let mut administration = Administration::open(&config.server.state_directory)?;
    match subject {
        Subject::Backup { .. } | Subject::Restore { .. } => Ok(()),
        Subject::User(command) => user(config, &mut administration, command),
        Subject::Group(command) => group(&mut administration, command),
        Subject::Door(command) => door(&mut administration, command),
        Subject::Audit { door } => {
            for line in audit::lines(&config.server.state_directory, door.as_ref())? {
                println!("{line}");
            }
            Ok(())
        }
        Subject::Administrator(command) => administrator(&mut administration, command),
        Subject::Device(DeviceCommand::List) => {
            print!("{}", list_devices(&administration.directory()?));
            Ok(())
        }
        Subject::Device(DeviceCommand::Revoke { device }) => Ok(administration.revoke_device(&device)?),
    }
}

fn administrator(administration: &mut Administration, command: AdministratorCommand) -> Result<(), CommandError> {
    match command {
        AdministratorCommand::Add { id } => {
            let credential = administration.add_administrator(&id)?.into_exposed();
            println!("credential: {credential}");
        }
        AdministratorCommand::List => {
            for id in administration.directory()?.administrators.keys() {
                println!("{id}");
            }
        }
        AdministratorCommand::Revoke { id } => administration.revoke_administrator(&id)?,
    }
    Ok(())
}

fn user(config: &HubConfig, administration: &mut Administration, command: UserCommand) -> Result<(), CommandError> {
    match command {
        UserCommand::Add { uid, name, groups } => administration.add_user(&uid, &name, &groups)?,
        UserCommand::List => print!("{}", list_residents(&administration.directory()?)),
        UserCommand::Pair { uid, address } => {
            let code = administration.pair(&uid)?.into_exposed();
            let scheme = if config.tls.is_some() { "https" } else { "http" };
            let address = address.unwrap_or_else(|| format!("{scheme}://{}", config.server.listen));
            let link = format!("{}/#pair={code}", address.trim_end_matches('/'));
            println!("code: {code}\nlink: {link}\nvalid: once, for {}", format_duration(PAIRING_LIFETIME));
            print!("{}", qr(&link));
        }
        UserCommand::Join { uid, guid } => administration.join(&uid, &guid)?,
        UserCommand::Leave { uid, guid } => administration.leave(&uid, &guid)?,
        UserCommand::Rules { uid, do_not_disturb, quiet, looks } => {
            let unknown = || DirectoryError::Unknown(format!("resident {uid}"));
            let directory = administration.directory()?;
            let mut rules = directory.users.get(&uid).ok_or_else(unknown)?.rules.clone();
            if let Some(wanted) = do_not_disturb {
                (rules.do_not_disturb, rules.do_not_disturb_until) = (wanted, None);
            }
            rules.quiet_hours = quiet.unwrap_or(rules.quiet_hours);
            administration.set_rules(&uid, &rules)?;
            if let Some(looks) = looks {
                administration.set_user_looks(&uid, looks)?;
            }
            print!("{}", list_rules(&administration.directory()?, &uid));
        }
        UserCommand::Erase { uid } => {
            let (records, pseudonym) = administration.erase_resident(&uid)?;
            println!("erased from {records} records, which now say {pseudonym}");
        }
        UserCommand::Revoke { uid } => administration.revoke_user(&uid)?,
    }
    Ok(())
}

fn group(administration: &mut Administration, command: GroupCommand) -> Result<(), CommandError> {
    match command {
        GroupCommand::Add { guid, name, joinable } => administration.add_group(&guid, &name, joinable)?,
        GroupCommand::List => print!("{}", list_groups(&administration.directory()?)),
        GroupCommand::Order { guid, uid, after } => administration.set_turn(&guid, &uid, after)?,
        GroupCommand::Looks { guid, looks } => administration.set_group_looks(&guid, looks)?,
        GroupCommand::Revoke { guid } => administration.remove_group(&guid)?,
    }
    Ok(())
}

fn door(administration: &mut Administration, command: DoorCommand) -> Result<(), CommandError> {
    match command {
        DoorCommand::Add { uid, name, groups, users } => administration.add_door(&uid, &name, &groups, &users)?,
        DoorCommand::Allow { uid, whom, no_open } => administration.allow(&uid, &whom.receiver(), !no_open)?,
        DoorCommand::Deny { uid, whom } => administration.deny(&uid, &whom.receiver())?,
        DoorCommand::List => print!("{}", list_doors(&administration.directory()?)),
        DoorCommand::Enrol { uid } => {
            let token = administration.enrol(&uid)?.into_exposed();
            println!("token: {token}\nvalid: once, for {}", format_duration(ENROLMENT_LIFETIME));
        }
        DoorCommand::Revoke { uid } => administration.revoke_user(&uid)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        hub: Arguments,
    }

    fn does(state: &std::path::Path, line: &str) -> Result<(), String> {
        let line =
            Line::try_parse_from(["hub"].into_iter().chain(line.split(' '))).map_err(|error| error.to_string())?;
        let mut config = HubConfig::default();
        config.server.state_directory = state.to_owned();
        administer(&config, line.hub.subject.expect("a subject")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_house_by_the_command_line() {
        let state = tempfile::tempdir().expect("a temporary directory");
        for line in [
            "group add flat-1 --name Flat --joinable",
            "user add anna --name Anna --group flat-1",
            "door add front --name Front --group flat-1 --user anna",
            "user pair anna --address https://door.house",
            "door enrol front",
            "user list",
            "device list",
            "user rules anna --quiet 22:00-07:00 --looks off",
            "user rules anna --do-not-disturb on",
            "group order flat-1 anna --after 20s",
            "group looks flat-1 off",
        ] {
            assert_eq!(does(state.path(), line), Ok(()), "{line}");
        }
        let mut administration = Administration::open(state.path()).expect("it is there");
        let directory = administration.directory().expect("it is readable");
        assert_eq!(list_residents(&directory), "anna\tAnna\tgroups: flat-1\tdevices: 0\n");
        assert_eq!(list_groups(&directory), "flat-1\tFlat\tmembers: anna (after 20s)\tjoinable\tlooks: off\n");
        let anna = "anna".parse().expect("a word");
        assert_eq!(list_rules(&directory, &anna), "anna\tdo-not-disturb: on\tquiet: 22:00-07:00\tlooks: off\n");
        assert_eq!(list_doors(&directory), "front\tFront\tgroups: flat-1\tusers: anna\tstations: 0\n");
        for (line, complaint) in [
            ("group add flat-1 --name Again", "group flat-1 is there already"),
            ("user add ben --name Ben --group flat-9", "there is no group flat-9"),
            ("user pair front", "there is no resident front"),
            ("door enrol anna", "there is no door anna"),
            ("device revoke nobody", "there is no device nobody"),
            ("user rules front --quiet off", "there is no resident front"),
            ("group order flat-1 ben --after 5s", "there is no member ben of group flat-1"),
            ("user join ben flat-1", "there is no resident ben"),
        ] {
            assert_eq!(does(state.path(), line), Err(complaint.to_owned()), "{line}");
        }
        assert!(does(state.path(), "user add a/b --name x").expect_err("no word").contains("allowed are letters"));
    }
}
