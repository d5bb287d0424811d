//! The command line: what can be asked of the binary, and with which exit code it answers.
//!
//! 0 done, 64 usage, 69 something needed is not there, 70 internal, 77 permission, 78 configuration.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Configuration;
use crate::config::diagnostics::Diagnostics;
use crate::config::door::DoorConfig;
use crate::config::hub::HubConfig;
use crate::config::value::{self, SecretSource};
use crate::control::{self, Answer, Question};
use crate::daemon::{logging, signals};
use crate::door::hardware::{self, tune};
use crate::ids::ButtonId;
use crate::media::worker::WorkerCommand;
use crate::redacted::Redacted;
use crate::signaling::enrolment;
use crate::{audit, demo, door, hub};

/// Wrong words on the command line.
const USAGE: u8 = 64;
/// Something that is needed is not there.
const UNAVAILABLE: u8 = 69;
/// A bug, or a world that does not do what it promises.
const INTERNAL: u8 = 70;
/// A file that may not be read.
const PERMISSION: u8 = 77;
/// A configuration that cannot be used.
const CONFIGURATION: u8 = 78;

#[derive(Debug, Parser)]
#[command(name = "doorward", version, about = "The firmware of an open door intercom", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the door station
    Run {
        /// Its configuration
        #[arg(long, value_name = "FILE", default_value = "/etc/doorward/door.toml")]
        config: PathBuf,
    },
    /// Run the signaling hub, or administer its directory
    Hub(hub::command::Arguments),
    /// Enrol this door station at its hub: reads the token of `doorward hub door enrol` from standard input
    Enrol {
        /// The door's configuration: it names the hub, and the file for the credential
        #[arg(long, value_name = "FILE", default_value = "/etc/doorward/door.toml")]
        config: PathBuf,
        /// Write the credential here instead
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Read an audit log of the door release
    Audit(audit::command::Arguments),
    /// Hub, simulated door and app on this machine: no hardware, no configuration
    Demo(demo::Arguments),
    /// Check configuration files and print every problem with its place
    Check {
        /// door.toml or hub.toml
        #[arg(required_unless_present = "hardware", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Open every device that the door's file names (default: /etc/doorward/door.toml) and say what to do about it
        #[arg(long)]
        hardware: bool,
        /// Watch the lines for this long, such as 60s, and report noise
        #[arg(long, value_name = "TIME", requires = "hardware", value_parser = lasting)]
        watch_buttons: Option<Duration>,
    },
    /// Put the relay of the door release back to its safe level, for a daemon that died
    RelaySafe {
        /// The door's configuration; only its relay is looked at
        #[arg(long, value_name = "FILE", default_value = "/etc/doorward/door.toml")]
        config: PathBuf,
    },
    /// Blink the light of a station that cannot run
    #[command(hide = true)]
    OutOfOrder {
        /// The door's configuration; only its light is looked at
        #[arg(long, value_name = "FILE", default_value = "/etc/doorward/door.toml")]
        config: PathBuf,
    },
    /// How the running station is
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// When what happened in the last call of a visitor
        #[arg(long)]
        last_call: bool,
        #[command(flatten)]
        socket: Socket,
    },
    /// Open the door of the running station, as its administrator: it stands in the audit log
    Open {
        #[command(flatten)]
        socket: Socket,
    },
    /// Press a button of the running station
    Press {
        /// The button's id in the configuration
        button: ButtonId,
        #[command(flatten)]
        socket: Socket,
    },
    /// Measure the door's own hardware
    Tune {
        #[command(subcommand)]
        what: Tune,
    },
    /// The media child process, started by `run`
    #[command(hide = true)]
    MediaWorker,
}

#[derive(Debug, Subcommand)]
enum Tune {
    /// Chirp by the speaker, listen by the microphone: delay, level and clocks of the echo. The station must be stopped
    Echo {
        /// The door's configuration: it names the devices, and the directory for the result
        #[arg(long, value_name = "FILE", default_value = "/etc/doorward/door.toml")]
        config: PathBuf,
    },
}

/// Where the running station is asked.
#[derive(Debug, clap::Args)]
struct Socket {
    /// Its control socket
    #[arg(long = "socket", value_name = "PATH", default_value = "/run/doorward/door.sock")]
    path: PathBuf,
}

/// The command line's own description, for man pages and shell completions.
#[must_use]
pub fn description() -> clap::Command {
    Arguments::command()
}

/// Runs what the command line asks for.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors to clap, not to us. A closed terminal cannot be told anything.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match arguments.command {
        Command::Run { config } => run_door(&config),
        Command::Hub(arguments) => hub::command::run(arguments),
        Command::Enrol { config: path, output } => match DoorConfig::load(&path) {
            Ok(config) => finish(block_on(enrol(config, &path, output))),
            Err(diagnostics) => refuse(&diagnostics),
        },
        Command::Audit(arguments) => audit::command::run(&arguments),
        Command::Demo(arguments) => {
            logging::start("warn");
            finish(block_on(async { demo::run(arguments, signals::stop()).await }))
        }
        Command::Check { files, hardware: false, watch_buttons: _ } => check(&files),
        Command::Check { files, hardware: true, watch_buttons } => check_hardware(files, watch_buttons),
        Command::RelaySafe { config } => finish(door::relay_safe(&config)),
        Command::OutOfOrder { config } => {
            logging::start("warn");
            finish(block_on(async { door::out_of_order(&config, signals::stop()).await }))
        }
        Command::Status { json, last_call: true, socket } => ask(&socket.path, &Question::LastCall, |answer| {
            if let Answer::LastCall(call) = answer {
                match call {
                    _ if json => println!("{}", to_json(call)),
                    Some(call) => print!("{call}"),
                    None => println!("no visitor's call since the start"),
                }
            }
        }),
        Command::Status { json, last_call: false, socket } => ask(&socket.path, &Question::Status, |answer| {
            if let Answer::Status(status) = answer {
                if json {
                    println!("{}", to_json(status));
                } else {
                    print!("{status}");
                }
            }
        }),
        Command::Open { socket } => ask(&socket.path, &Question::Open, |_| ()),
        Command::Press { button, socket } => ask(&socket.path, &Question::Press(button), |_| ()),
        Command::Tune { what: Tune::Echo { config } } => tune_echo(&config),
        Command::MediaWorker => {
            logging::start("info");
            media_worker()
        }
    }
}

fn run_door(path: &Path) -> ExitCode {
    let config = match DoorConfig::load(path) {
        Ok(config) => config,
        Err(diagnostics) => return refuse(&diagnostics),
    };
    logging::start(config.log.level.as_str());
    let worker = match WorkerCommand::of_this_binary() {
        Ok(worker) => worker,
        Err(error) => return finish(Err(anyhow::Error::from(error).context("finding this binary"))),
    };
    let ready = |started: &door::Started| {
        if let Some(address) = started.panel {
            println!("ready panel=http://{address}/");
        } else {
            println!("ready");
        }
    };
    let (new, reloads) = tokio::sync::mpsc::channel(1);
    let reload = || match DoorConfig::load(path) {
        // One that waits for the end of a call is read again then.
        Ok(config) => drop(new.try_send(config)),
        Err(diagnostics) => {
            tracing::error!("the new configuration has errors, the old one stays");
            eprint!("{diagnostics}");
        }
    };
    finish(block_on(async {
        tokio::select! {
            ended = door::run(config, reloads, worker, ready, signals::stop()) => ended,
            never = signals::on_reload(reload) => match never {},
        }
    }))
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("an answer holds only words and numbers")
}

/// Asks the running station.
fn ask(socket: &Path, question: &Question, show: impl FnOnce(&Answer)) -> ExitCode {
    match control::ask(socket, question) {
        Ok(Answer::Refused(why)) => {
            eprintln!("doorward: {why}");
            ExitCode::from(UNAVAILABLE)
        }
        Ok(answer) => {
            show(&answer);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("doorward: {}: {error}: is the door station running?", socket.display());
            let permission = error.kind() == std::io::ErrorKind::PermissionDenied;
            ExitCode::from(if permission { PERMISSION } else { UNAVAILABLE })
        }
    }
}

/// Measures the echo, keeps what can work, and says what to change where it cannot.
fn tune_echo(path: &Path) -> ExitCode {
    let config = match DoorConfig::load(path) {
        Ok(config) => config,
        Err(diagnostics) => return refuse(&diagnostics),
    };
    let tuning = block_on(async { Ok(tune::echo(&config, WorkerCommand::of_this_binary()?).await) });
    let tuned = match tuning {
        Ok(Ok(tuned)) => tuned,
        Ok(Err(fault)) => {
            eprintln!("doorward: {fault}");
            return ExitCode::from(UNAVAILABLE);
        }
        Err(error) => return finish(Err(error)),
    };
    print!("{tuned}");
    if tuned.objections.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(UNAVAILABLE) }
}

async fn enrol(config: DoorConfig, config_file: &Path, output: Option<PathBuf>) -> anyhow::Result<()> {
    let path = match (output, config.hub.credential) {
        (Some(path), _) | (None, SecretSource::File(path)) => path,
        // Where the packages' units expect what they hand over.
        (None, SecretSource::Credential(name)) => config_file.with_file_name(name),
    };
    let authority =
        config.hub.ca_file.as_ref().map(std::fs::read).transpose().context("the authority's certificates")?;
    eprintln!("The enrolment token, as `doorward hub door enrol` printed it:");
    let mut token = String::new();
    std::io::stdin().read_line(&mut token).context("reading the token")?;
    let token = Redacted::new(token.trim().trim_start_matches("token: ").to_owned());
    // Made before the token is spent: a directory that cannot be written must not cost it. The credential there was is
    // replaced in one step, or stays.
    let draft = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let enrolled = enrolment::enrol(&config.hub.address, authority.as_deref(), token).await;
    let kept = enrolled.map_err(anyhow::Error::from).and_then(|admission| {
        writeln!(file, "{}", admission.credential.expose())?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)?;
        Ok(admission)
    });
    if kept.is_err() {
        // Nothing of a failed enrolment stays behind.
        let _ = std::fs::remove_file(&draft);
    }
    let admission = kept?;
    println!("This station is now {} ({}). Its credential is in {}.", admission.name, admission.uid, path.display());
    Ok(())
}

#[cfg(feature = "media")]
fn media_worker() -> ExitCode {
    crate::media::gst::run_worker()
}

#[cfg(not(feature = "media"))]
fn media_worker() -> ExitCode {
    eprintln!("doorward: this binary was built without the feature `media`: it is a hub, not a door");
    ExitCode::from(CONFIGURATION)
}

/// Prints every problem of every file. Warnings alone are no failure.
fn check(files: &[PathBuf]) -> ExitCode {
    let mut failed = false;
    for file in files {
        let diagnostics = if is_hub(file) { HubConfig::check(file) } else { DoorConfig::check(file) };
        if diagnostics.is_empty() {
            println!("{}: good", file.display());
        } else {
            eprint!("{diagnostics}");
        }
        failed |= diagnostics.has_errors();
    }
    if failed { ExitCode::from(CONFIGURATION) } else { ExitCode::SUCCESS }
}

/// What `--watch-buttons` takes.
fn lasting(text: &str) -> Result<Duration, String> {
    let most = Duration::from_secs(3600);
    let time = value::parse_duration(text).filter(|time| *time <= most);
    time.ok_or_else(|| "a time up to an hour with its unit, such as 60s".to_owned())
}

/// Opens every device of the door, after its file is found good.
fn check_hardware(mut files: Vec<PathBuf>, watching: Option<Duration>) -> ExitCode {
    if files.is_empty() {
        files.push(PathBuf::from("/etc/doorward/door.toml"));
    }
    let mut failed = false;
    for file in &files {
        let config = match DoorConfig::load(file) {
            Ok(config) => config,
            Err(diagnostics) => return refuse(&diagnostics),
        };
        let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
        let looked = block_on(async {
            let findings = hardware::check(&config, WorkerCommand::of_this_binary()?).await;
            print!("{}", hardware::table(&findings, &groups));
            if let Some(lasting) = watching {
                println!("\nWatching every line for {}: press each button.", value::format_duration(lasting));
                print!("{}", hardware::watch(&config, lasting).await);
            }
            Ok(findings.iter().any(|finding| finding.state.is_err()))
        });
        match looked {
            Ok(found) => failed |= found,
            Err(error) => return finish(Err(error)),
        }
    }
    if failed { ExitCode::from(UNAVAILABLE) } else { ExitCode::SUCCESS }
}

/// A file is the hub's by its tables, and by its name where it has none of either kind.
fn is_hub(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let has = |table: &str| text.lines().any(|line| line.trim_start().starts_with(table));
    if has("[[button]]") || has("[door]") || has("[hub]") {
        return false;
    }
    has("[server]") || file.file_name().is_some_and(|name| name.to_string_lossy().contains("hub"))
}

pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// Prints a configuration's problems and refuses to start.
pub(crate) fn refuse(diagnostics: &Diagnostics) -> ExitCode {
    eprint!("{diagnostics}");
    ExitCode::from(CONFIGURATION)
}

/// Turns a result into an exit code, and says what went wrong.
pub(crate) fn finish(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("doorward: {error:#}");
    let permission = error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    });
    ExitCode::from(if permission { PERMISSION } else { INTERNAL })
}
