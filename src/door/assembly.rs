//! A door station put together from its configuration. What fails here is an error; what fails later is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Context;

use super::access::{Access, Facts, OpeningHours};
use super::dimmer::Dimmer;
use super::panel::{self, Panel};
use super::{Door, Inputs, tuned};
use crate::audit::file::Audit;
use crate::call::tracer::Tracer;
use crate::call::{self, Rules, Station};
use crate::clock;
use crate::config::door::DoorConfig;
use crate::control::Control;
use crate::daemon::notify::Watchdog;
use crate::media::worker::{Patience, Worker, WorkerCommand};
use crate::panel::Frame;
use crate::panel::button::Buttons;
use crate::panel::light::Light;
use crate::panel::release::{self, Release};
use crate::panel::sound::Sound;
use crate::signaling::client::{self, Client};

/// A door station with everything it needs, at rest. The relay is set to its safe level before anything else.
///
/// # Errors
/// Something that cannot be tried again later: an address in use, a credential that cannot be read.
pub(super) async fn open(config: &DoorConfig, worker: WorkerCommand) -> anyhow::Result<(Door, Inputs)> {
    // The door release before anything else: from here on it is safe.
    let Panel { lines, strip, relay, page } = panel::open(config).await?;
    let settings = signaling_settings(config)?;
    let control = open_control(config);
    let tuned = tuned::read(config.door.state_directory.as_deref());
    let mut media = config.media_settings();
    media.echo.delay = tuned.map(|measured| measured.delay.round() as u16);
    let (worker, reports) = Worker::spawn(worker, media, Patience::default())?;
    let (client, told) = Client::connect(settings)?;
    let boot = clock::boot_id();
    let release = Release::new(release_rules(config, relay.is_some()));
    let audit = Audit::open(config.door.state_directory.as_deref(), boot, clock::now(), clock::wall());
    let door = Door {
        station: Station::new(rules(config), boot),
        name: config.door.name.clone(),
        labels: config.button.iter().map(|button| (button.id.clone(), button.label.clone())).collect(),
        since: clock::now(),
        access: Access::start(release, relay, audit, client.clone(), boot),
        facts: Facts::default(),
        hours: OpeningHours::new(&config.release),
        buttons: Buttons::new((&config.gestures).into(), config.button.iter().map(|button| button.id.clone())),
        light: Light::new(strip.length()),
        dimmer: Dimmer::new(&config.light, strip.is_dimmable()),
        sound: Sound::new(),
        strip,
        page,
        faults: Vec::new(),
        devices: BTreeMap::new(),
        ways: BTreeMap::new(),
        client,
        worker,
        shown: Frame::new(),
        playing: None,
        unanswered: BTreeSet::new(),
        watchdog: Watchdog::of_this_service(clock::now()),
        encoder: None,
        worker_restarts: 0,
        tracer: Tracer::default(),
        last_call: None,
        hearing: None,
        tuned,
    };
    Ok((door, Inputs { lines, told, reports, control }))
}

/// The control socket: where the installer says, else in the service's runtime directory. A door works without one.
fn open_control(config: &DoorConfig) -> Option<Control> {
    let runtime = || std::env::var_os("RUNTIME_DIRECTORY").map(|path| PathBuf::from(path).join("door.sock"));
    let path = config.control.socket.clone().or_else(runtime)?;
    match Control::listen(&path) {
        Ok(control) => Some(control),
        Err(error) => {
            tracing::error!(%error, path = %path.display(), "there is no control socket");
            None
        }
    }
}

/// The door release's rules, from what the installer wrote.
fn release_rules(config: &DoorConfig, fitted: bool) -> release::Rules {
    let table = &config.release;
    release::Rules {
        fitted,
        lock: table.lock,
        pulse: table.pulse,
        contact: config.panel.has_door_contact(),
        opened_within: table.opened_within,
        left_open_after: table.left_open_after,
        report_forced: table.report_forced,
        tamper_inhibits: table.tamper_inhibits,
    }
}

/// The station's rules, from what the installer wrote.
fn rules(config: &DoorConfig) -> Rules {
    Rules {
        door_name: config.door.name.clone(),
        buttons: config
            .button
            .iter()
            .map(|button| call::Button {
                id: button.id.clone(),
                label: button.label.clone(),
                receiver: (&button.receiver).into(),
            })
            .collect(),
        call_type: config.call.call_type,
        early_picture: config.call.early_picture,
        press_again: config.call.press_again,
        incoming: config.call.incoming,
        second_button: config.call.second_button,
        dial_deadline: config.call.dial_deadline,
        connect_deadline: config.call.connect_deadline,
        media_grace: config.call.media_grace,
        maximum_duration: config.call.maximum_duration,
    }
}

/// How to reach the hub, the credential read.
pub(super) fn signaling_settings(config: &DoorConfig) -> anyhow::Result<client::Settings> {
    let credential = config
        .hub
        .credential
        .read(std::env::var_os("CREDENTIALS_DIRECTORY").as_deref())
        .context("the door's credential")?;
    let authority = match &config.hub.ca_file {
        Some(path) => {
            Some(std::fs::read(path).with_context(|| format!("the authority's certificates, {}", path.display()))?)
        }
        None => None,
    };
    Ok(client::Settings { address: config.hub.address.clone(), credential, authority })
}
