//! The door's loop: the only place where buttons, light, sound, signaling and media meet the station.
//!
//! One task, one sleep. Each turn reads the clock once, lets one thing happen, and carries out what the machines order.
//! Nothing here decides anything about a call, and nothing here waits: a slow adapter becomes an event, never a pause.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::call::indication::Phase;
use crate::call::tracer::{Finished, Tracer};
use crate::call::{Action, Event, Station};
use crate::clock;
use crate::config::door::DoorConfig;
use crate::control::{Asked, Control, LastCall, SoundStatus};
use crate::daemon::notify::{self, Watchdog};
use crate::ids::{ButtonId, DeviceId, PeerId, RequestKey, SessionId};
use crate::media::pipeline::EchoMeasured;
use crate::media::protocol::{Audible, Device, Order, Report, Way};
use crate::media::worker::{Worker, WorkerCommand, WorkerEvent};
use crate::moment::Moment;
use crate::panel::button::{Buttons, Gesture, GestureKind};
use crate::panel::fault::Fault;
use crate::panel::light::Light;
use crate::panel::page::Page;
use crate::panel::release;
use crate::panel::sound::Sound;
use crate::panel::{Edge, Frame, Input, Lines, PanelError, Strip};
use crate::signaling::client::{Client, Told};
use crate::signaling::protocol::{self, Verb, VerbAnswer, VerbRequest};

mod access;
mod asked;
mod assembly;
mod dark;
mod dimmer;
pub mod hardware;
mod panel;
mod tuned;

use access::{Access, Facts, OpeningHours};
use assembly::{open, signaling_settings};
use dimmer::Dimmer;
pub use panel::{out_of_order, relay_safe};

/// How long the hub may take to answer the last verbs when the daemon is told to stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the outside may want to know of a door that has started.
#[derive(Debug, Clone)]
pub struct Started {
    /// Where the simulated panel can be seen, if that is the panel.
    pub panel: Option<std::net::SocketAddr>,
}

/// Runs a door station until `stop` resolves. `worker` is how its media child is started.
///
/// # Errors
/// The door could not be started. Nothing that happens afterwards is an error: it is shown, logged, and tried again.
pub async fn run(
    mut config: DoorConfig,
    mut reloads: mpsc::Receiver<DoorConfig>,
    worker: WorkerCommand,
    ready: impl FnOnce(&Started),
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    tokio::pin!(stop);
    let (door, inputs) = open(&config, worker.clone()).await?;
    ready(&Started { panel: door.page.as_ref().map(Page::address) });
    notify::ready();
    let mut end = door.serve(inputs, &mut reloads, stop.as_mut()).await;
    while let End::Reload(new) = end {
        // A configuration can be right and still name a device that is not there; then the old one stands.
        let (door, inputs) = match open(&new, worker.clone()).await {
            Ok(opened) => {
                config = *new;
                opened
            }
            Err(error) => {
                unusable(&error);
                open(&config, worker.clone()).await?
            }
        };
        tracing::info!("configuration read again");
        end = door.serve(inputs, &mut reloads, stop.as_mut()).await;
    }
    notify::stopping();
    Ok(())
}

fn unusable(error: &anyhow::Error) {
    tracing::error!(error = format!("{error:#}"), "the new configuration does not work, the old one stays");
}

/// Decibels for people.
fn whole(decibels: f64) -> i16 {
    decibels.round() as i16
}

/// Why a door's loop ended.
enum End {
    /// There is another configuration, and no call.
    Reload(Box<DoorConfig>),
    Stopped,
}

/// The next question, where there is a control socket.
async fn next_asked(control: Option<&mut Control>) -> Option<Asked> {
    match control {
        Some(control) => control.next().await,
        None => None,
    }
}

/// Where facts come from.
struct Inputs {
    lines: Box<dyn Lines>,
    told: mpsc::Receiver<Told>,
    reports: mpsc::Receiver<WorkerEvent>,
    control: Option<Control>,
}

struct Door {
    station: Station,
    access: Access,
    /// What the station knows of the door release.
    facts: Facts,
    name: String,
    /// What is written on the buttons.
    labels: Vec<(ButtonId, String)>,
    since: Moment,
    hours: OpeningHours,
    buttons: Buttons,
    light: Light,
    dimmer: Dimmer,
    sound: Sound,
    strip: Box<dyn Strip>,
    page: Option<Page>,
    /// What does not work, as it was told last.
    faults: Vec<PanelError>,
    /// What of it the media worker said.
    devices: BTreeMap<Device, Fault>,
    client: Client,
    worker: Worker,
    /// How the connections of the latest call run or were tried, for whoever asks.
    ways: BTreeMap<(SessionId, PeerId), Way>,
    /// The frame that is on the strip: only changes are written.
    shown: Frame,
    /// What plays: only changes are ordered.
    playing: Option<Audible>,
    /// Verbs whose answers a farewell waits for.
    unanswered: BTreeSet<RequestKey>,
    watchdog: Watchdog,
    /// The media worker's; nothing while it is being started.
    encoder: Option<String>,
    worker_restarts: u32,
    tracer: Tracer,
    last_call: Option<LastCall>,
    /// How the microphone was when it was measured last.
    hearing: Option<SoundStatus>,
    /// What was measured of the echo at installation.
    tuned: Option<EchoMeasured>,
}

impl Door {
    async fn serve(
        mut self,
        mut inputs: Inputs,
        reloads: &mut mpsc::Receiver<DoorConfig>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> End {
        let mut stopping: Option<Moment> = None;
        let mut reload: Option<Box<DoorConfig>> = None;
        self.render(clock::now());
        loop {
            let deadline = [self.deadline(), stopping].into_iter().flatten().min();
            tokio::select! {
                edge = inputs.lines.next_edge() => match edge {
                    Ok(edge) => self.edge(&edge),
                    Err(error) => tracing::warn!(%error, "a line cannot be read"),
                },
                Some(told) = inputs.told.recv() => self.told(told),
                Some(event) = inputs.reports.recv() => self.worker_told(event),
                Some(asked) = next_asked(inputs.control.as_mut()) => self.asked(asked),
                Some(config) = reloads.recv() => match signaling_settings(&config) {
                    Ok(_) => reload = Some(Box::new(config)),
                    Err(error) => unusable(&error),
                },
                () = clock::sleep_until(deadline) => {}
                () = &mut stop, if stopping.is_none() => {
                    stopping = Some(clock::now() + FAREWELL);
                    self.happened(clock::now(), Event::ShutDown);
                }
            }
            // Every edge that is known counts before time does: a glitch that is over must not become a press by a late turn.
            while let Some(edge) = inputs.lines.next_edge().now_or_never() {
                match edge {
                    Ok(edge) => self.edge(&edge),
                    Err(error) => tracing::warn!(%error, "a line cannot be read"),
                }
            }
            self.look_at_devices(inputs.lines.faults());
            let now = clock::now();
            self.run_due(now);
            self.render(now);
            self.watchdog.look(now, self.dead_part());
            if stopping.is_some_and(|deadline| now >= deadline || self.unanswered.is_empty()) {
                self.access.close();
                return End::Stopped;
            }
            if stopping.is_none()
                && self.station.indication().phase == Phase::Idle
                && !self.facts.released
                && let Some(config) = reload.take()
            {
                self.access.close();
                return End::Reload(config);
            }
        }
    }

    /// What fails is shown, whichever part it is.
    fn look_at_devices(&mut self, lines: Vec<PanelError>) {
        let relay = self.access.faults();
        let media = self.devices.iter().map(|(device, fault)| fault.clone().of(device));
        let faults: Vec<PanelError> = lines.into_iter().chain(relay).chain(self.strip.faults()).chain(media).collect();
        if faults == self.faults {
            return;
        }
        self.faults = faults;
        self.happened(clock::now(), Event::DevicesChanged { at_fault: !self.faults.is_empty() });
        self.tell_status();
    }

    /// One line for whoever asks the service manager how the door is.
    fn tell_status(&self) {
        let phase = format!("{:?}", self.station.indication().phase);
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        match faults.is_empty() {
            true => notify::status(&phase),
            false => notify::status(&format!("{phase}; at fault: {}", faults.join("; "))),
        }
    }

    fn deadline(&self) -> Option<Moment> {
        let station = self.station.poll_timeout().map(|(deadline, _)| deadline);
        let access = self.access.deadline();
        let buttons = self.buttons.poll_timeout().map(|(deadline, _)| deadline);
        let light = self.light.poll_timeout().map(|(deadline, _)| deadline);
        let sound = self.sound.poll_timeout(clock::now()).map(|(deadline, _)| deadline);
        let others = [self.dimmer.due(), self.watchdog.poll_timeout()];
        [station, access, buttons, light, sound].into_iter().chain(others).flatten().min()
    }

    /// What the door cannot do without and cannot mend. A worker that hangs is mended by its supervisor, a hub that is away
    /// by the link.
    fn dead_part(&self) -> Option<&'static str> {
        if !self.worker.is_supervised() {
            Some("the media worker's supervisor")
        } else if !self.client.is_running() {
            Some("signaling")
        } else {
            None
        }
    }

    fn run_due(&mut self, now: Moment) {
        if let Some(percent) = self.dimmer.look(now) {
            self.light.dim_to(now, percent);
        }
        let gestures = self.buttons.handle_timeout(now);
        self.gestures(now, gestures);
        let actions = self.station.handle_timeout(now);
        self.perform(now, actions);
        self.access.run_due(now, self.station.session());
        self.release_told(now);
    }

    /// The station shows what the door release does.
    fn release_told(&mut self, now: Moment) {
        let facts = self.access.facts();
        let before = std::mem::replace(&mut self.facts, facts);
        if facts.refusals != before.refusals {
            self.happened(now, Event::OpeningRefused);
        }
        if (facts.released, facts.tampered) != (before.released, before.tampered) {
            self.happened(now, Event::ReleaseChanged { released: facts.released, tampered: facts.tampered });
        }
    }

    fn edge(&mut self, edge: &Edge) {
        let now = clock::now();
        if !matches!(edge.input, Input::Button(_)) {
            tracing::info!(input = %edge.input, active = edge.active, "line");
            let changed = release::Event::LineChanged { input: edge.input.clone(), active: edge.active, at: edge.at };
            return self.access.happened(now, changed, self.station.session());
        }
        let gestures = self.buttons.handle(now, edge);
        self.gestures(now, gestures);
    }

    fn gestures(&mut self, now: Moment, gestures: Vec<Gesture>) {
        for Gesture { button, kind, at } in gestures {
            tracing::info!(%button, ?kind, "button");
            // The station's clock is the loop's: a gesture is handled when it is known, not when it was made.
            tracing::debug!(?at, "edge");
            let event = match kind {
                GestureKind::Pressed => {
                    self.pressed_in_hours(now, &button);
                    Event::Pressed(button)
                }
                GestureKind::Released => Event::Released(button),
                GestureKind::Held => Event::Held(button),
                GestureKind::Stuck => Event::StuckChanged { button, stuck: true },
                GestureKind::Freed => Event::StuckChanged { button, stuck: false },
            };
            self.happened(now, event);
        }
    }

    fn told(&mut self, told: Told) {
        let event = match told {
            Told::Answered { request, result } => {
                self.unanswered.remove(&request.key);
                if self.access.answered(&request.key, result.is_ok()) {
                    return;
                }
                match result {
                    Ok(VerbAnswer::Call(call)) => Event::VerbAnswered { request, result: Ok(call) },
                    Err(refusal) => Event::VerbAnswered { request, result: Err(refusal) },
                    Ok(VerbAnswer::Token(_) | VerbAnswer::Kept) => return,
                }
            }
            Told::Down => {
                tracing::warn!("the hub is not reached");
                Event::LinkDown
            }
            Told::Event(event) => {
                tracing::info!(session = %event.session_id, entry = %event.entry, event = event.event.name(), "call");
                self.opening_asked(&event);
                Event::HubTold(event)
            }
            Told::NonceAsked { session_id, device_id } => return self.nonce_asked(session_id, device_id),
            // For residents.
            Told::Nonce { .. } | Told::NonceRefused { .. } | Told::Notice { .. } => return,
            Told::Joined { session_id, ice_servers } => Event::SessionJoined { session_id, ice_servers },
            Told::JoinRefused { session_id, refusal } => {
                let code = refusal.as_ref().map(|refusal| refusal.code);
                tracing::info!(session = %session_id, ?code, "the media session is over");
                let Some(refusal) = refusal else { return };
                Event::SessionRefused { session_id, refusal }
            }
            Told::Signal { session_id, device_id, peer, signal } => {
                Event::SignalCame { session_id, device_id, peer, signal }
            }
            Told::Unauthorized => {
                tracing::error!("the hub does not know this door's credential");
                return;
            }
            Told::Up { calls } => {
                tracing::info!("the hub is reached");
                Event::LinkUp { calls }
            }
        };
        self.happened(clock::now(), event);
    }

    /// In opening hours a press opens, and rings all the same.
    fn pressed_in_hours(&mut self, now: Moment, button: &ButtonId) {
        if self.hours.is_open(button) {
            self.access.happened(now, release::Event::PressedInHours(button.clone()), self.station.session());
        }
    }

    fn nonce_asked(&mut self, session_id: SessionId, device_id: DeviceId) {
        let participant = self.station.talks_with(session_id, &device_id);
        let asked = release::Event::NonceAsked { session_id, device_id, participant, random: clock::random() };
        self.access.happened(clock::now(), asked, self.station.session());
    }

    fn opening_asked(&mut self, event: &protocol::Event) {
        let protocol::EventKind::OpeningAsked { by, opening, nonce } = &event.event else { return };
        let session_id = event.session_id;
        let participant = self.station.talks_with(session_id, &by.device_id);
        let (by, opening, nonce) = (by.clone(), opening.clone(), nonce.clone());
        let asked = release::Event::OpenAsked { session_id, by, opening, nonce, participant };
        self.access.happened(clock::now(), asked, self.station.session());
    }

    fn worker_told(&mut self, event: WorkerEvent) {
        let event = match event {
            WorkerEvent::Died { reason } => {
                tracing::warn!(reason, "the media worker died");
                self.encoder = None;
                let shown = self.station.indication();
                let open = [(Device::Camera, shown.camera_in_use), (Device::Microphone, shown.microphone_in_use)];
                for (device, _) in open.into_iter().filter(|(_, open)| *open) {
                    self.device_used(device, false, &"the media worker died");
                }
                self.sound.forget_prompts();
                self.happened(clock::now(), Event::CapturingChanged { camera: false, microphone: false });
                Event::MediaDied
            }
            WorkerEvent::Restarted { encoder } => {
                tracing::info!(encoder, "media worker ready again");
                self.encoder = Some(encoder);
                self.worker_restarts += 1;
                // It says itself what it finds.
                self.devices.clear();
                // The new worker is silent until told otherwise.
                self.playing = None;
                Event::MediaRestarted
            }
            WorkerEvent::Report(report) => match report {
                Report::Capturing { camera, microphone } => Event::CapturingChanged { camera, microphone },
                Report::DeviceClosed { device, reason } => return self.device_used(device, false, &reason),
                Report::DeviceOpened { device, reason } => return self.device_used(device, true, &reason),
                Report::Connected { session_id, peer } => {
                    tracing::info!(session = %session_id, %peer, "media connected");
                    Event::MediaConnected { session_id, peer }
                }
                Report::Flows { session_id, peer, flow } => {
                    tracing::debug!(session = %session_id, %peer, ?flow, "flows");
                    return self.tracer.flowed(clock::now(), session_id, flow);
                }
                Report::Lost { session_id, peer, reason } => {
                    tracing::warn!(session = %session_id, %peer, reason, "media lost");
                    // Whatever took the connection away may have taken the hub's, which makes the next one.
                    self.client.doubt();
                    Event::MediaLost { session_id, peer }
                }
                Report::Path { session_id, peer, way } => {
                    self.ways.retain(|(session, _), _| *session == session_id);
                    self.ways.insert((session_id, peer), way);
                    return;
                }
                Report::Pong { .. } => return,
                Report::PromptFailed { cue, fault } => {
                    tracing::warn!(%cue, %fault, "a sound file cannot be played, its tones take its place");
                    return;
                }
                Report::PromptReady { cue, milliseconds } => {
                    tracing::info!(%cue, milliseconds, "sound file ready");
                    return self.sound.prompt_ready(cue, Duration::from_millis(milliseconds));
                }
                Report::Ready { encoder } => {
                    tracing::info!(encoder, "media worker ready");
                    self.encoder = Some(encoder);
                    return;
                }
                Report::SessionStopped { session_id } => Event::MediaStopped { session_id },
                Report::Signal { session_id, peer, signal } => Event::MediaSignalMade { session_id, peer, signal },
                Report::StillTaken { session_id, still } => {
                    tracing::info!(session = %session_id, ?still, "the camera's first good picture");
                    Event::StillTaken { session_id, still }
                }
                Report::SpeakerLevel { dbfs, hertz } => {
                    if let Some(page) = &self.page {
                        page.show_speaker(dbfs, hertz);
                    }
                    return;
                }
                Report::EchoMeasured(_) => return,
                Report::Sound { captured, sent, played, delay, lowered } => {
                    let lowered = lowered.map(whole);
                    let [captured, sent, played] = [captured, sent, played].map(whole);
                    self.hearing = Some(SoundStatus { captured, sent, played, delay, lowered });
                    return;
                }
                Report::DeviceFailed { device, fault } => {
                    tracing::warn!(%device, %fault, "a device does not work");
                    self.devices.insert(device, fault);
                    return;
                }
                Report::DeviceRestored { device } => {
                    tracing::info!(%device, "a device works again");
                    self.devices.remove(&device);
                    return;
                }
            },
        };
        self.happened(clock::now(), event);
    }

    /// A call is over: how long what took is shown to whoever asks, and kept by the hub.
    fn call_traced(&mut self, over: Option<Finished>) {
        let Some(Finished { session_id, button, trace }) = over else { return };
        let verb = Verb::KeepTrace { session_id, trace };
        self.client.ask(VerbRequest { key: RequestKey::of_trace(session_id), verb });
        self.last_call = Some(LastCall { session_id, button, trace });
    }

    /// For whoever asks afterwards when the door looked and listened, and why.
    fn device_used(&self, device: Device, open: bool, reason: &dyn std::fmt::Display) {
        let session = self.station.session().map(|session_id| session_id.to_string());
        let used = if open { "opened" } else { "closed" };
        tracing::info!(%device, used, %reason, session, "capture device");
    }

    fn happened(&mut self, now: Moment, event: Event) {
        let over = self.tracer.heard(now, &event);
        let actions = self.station.handle(now, event);
        self.perform(now, actions);
        self.call_traced(over);
    }

    fn perform(&mut self, now: Moment, actions: Vec<Action>) {
        for action in actions {
            self.tracer.ordered(now, &action);
            match action {
                Action::AddPeer { session_id, peer, ice_servers } => {
                    self.order(Order::AddPeer { session_id, peer, ice_servers });
                }
                Action::ApplySignal { peer, signal } => self.order(Order::ApplySignal { peer, signal }),
                Action::Ask(request) => {
                    self.unanswered.insert(request.key.clone());
                    self.client.ask(request);
                }
                Action::Indicate(indication) => {
                    self.light.show(now, &indication);
                    self.sound.show(now, &indication);
                    let status = format!("{:?}", indication.phase);
                    self.tell_status();
                    if let Some(page) = &self.page {
                        page.show_status(&status);
                    }
                }
                Action::JoinSession(session_id) => self.client.start_session(session_id),
                Action::LeaveSession(session_id) => self.client.end_session(session_id),
                Action::OpenGate { peer } => self.order(Order::OpenGate { peer }),
                Action::RemovePeer { peer } => self.order(Order::RemovePeer { peer }),
                Action::SendSignal { session_id, device_id, peer, signal } => {
                    self.client.signal(session_id, Some(device_id), peer, signal);
                }
                Action::StartMedia { session_id, picture } => {
                    self.order(Order::StartSession { session_id, picture });
                }
                Action::StopMedia(session_id) => self.order(Order::StopSession { session_id }),
                Action::Withdraw(key) => {
                    self.unanswered.remove(&key);
                    self.client.withdraw(key);
                }
            }
        }
    }

    fn order(&self, order: Order) {
        if let Err(error) = self.worker.send(order) {
            // It is found hanging and started anew; the station then orders its connections again.
            tracing::warn!(%error, "an order for the media worker was dropped");
        }
    }

    /// Light and sound, only where they change.
    fn render(&mut self, now: Moment) {
        let frame = self.light.frame(now);
        if frame != self.shown {
            if let Err(error) = self.strip.show(&frame) {
                tracing::warn!(%error, "the light failed");
            }
            self.shown = frame;
        }
        let sound = self.sound.step(now);
        if sound != self.playing {
            self.order(Order::Play { sound });
            self.playing = sound;
        }
    }
}
