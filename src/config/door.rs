//! `door.toml`: what a door station is told by its installer.
//!
//! Every key has its default here and its explanation in `config/door.toml`; a test holds the two together. Nothing here
//! opens a device or reads a secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::call::{IncomingCalls, PressAgain, Rules, SecondButton};
use crate::ids::{ButtonId, Guid, Uid};
use crate::media::pipeline::{EchoSettings, IceSettings, MediaSettings, Standby, VideoCodec, VideoSettings};
use crate::panel::button::Timing;
use crate::signaling::protocol::{CallType, Receiver};

use super::Configuration;
use super::diagnostics::Diagnostics;
use super::document::Document;
use super::echo::EchoTable;
use super::light::{LightTable, StripTable};
use super::media::{CameraTable, MicrophoneTable, SpeakerTable};
use super::panel::PanelTable;
use super::release::ReleaseTable;
use super::sounds::SoundsTable;
use super::value::{self, SecretSource};

/// The whole file.
#[derive(Debug, Clone, PartialEq)]
pub struct DoorConfig {
    /// Who the door is.
    pub door: DoorTable,
    /// Where its hub is.
    pub hub: HubTable,
    /// Its buttons, at least one.
    pub button: Vec<ButtonTable>,
    /// Where buttons and LEDs are.
    pub panel: PanelTable,
    /// How long a press is a press.
    pub gestures: GesturesTable,
    /// How calls go.
    pub call: CallTable,
    /// Where the picture comes from.
    pub camera: CameraTable,
    /// Where the door's sound comes from.
    pub microphone: MicrophoneTable,
    /// Where the residents' voices go.
    pub speaker: SpeakerTable,
    /// The installer's own sounds.
    pub sounds: SoundsTable,
    /// What is done to the visitor's voice.
    pub echo: EchoTable,
    /// How the picture is encoded.
    pub video: VideoTable,
    /// How connections are made.
    pub ice: IceTable,
    /// The door release.
    pub release: ReleaseTable,
    /// The ring of LEDs.
    pub light: LightTable,
    /// The wire they are on.
    pub strip: StripTable,
    /// How the running station is asked.
    pub control: ControlTable,
    /// What is logged.
    pub log: LogTable,
}

/// `[door]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DoorTable {
    /// What residents read.
    pub name: String,
    /// Where the door keeps what must survive a restart; nowhere if left out.
    pub state_directory: Option<PathBuf>,
}

/// `[hub]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HubTable {
    /// `https://host[:port]`; `http` only on this machine.
    pub address: String,
    /// Where the door's credential is kept.
    pub credential: SecretSource,
    /// Certificates to trust besides the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// `[[button]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ButtonTable {
    /// Its name in logs and in the panel's back end.
    pub id: ButtonId,
    /// What is written on it.
    pub label: String,
    /// Whom it calls.
    pub receiver: ReceiverTable,
}

/// `receiver = { group = "…" }`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiverTable {
    /// Every member at once.
    Group(Guid),
    /// One user.
    User(Uid),
}

/// `[gestures]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GesturesTable {
    /// A line active for this long is a press.
    #[serde(deserialize_with = "value::duration")]
    pub confirm: Duration,
    /// After a change, nothing counts for this long.
    #[serde(deserialize_with = "value::duration")]
    pub lockout: Duration,
    /// A press held for this long is a hold.
    #[serde(deserialize_with = "value::duration")]
    pub hold: Duration,
    /// A press held for this long is a stuck button.
    #[serde(deserialize_with = "value::duration")]
    pub stuck: Duration,
}

/// `[call]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallTable {
    /// Whether calls carry a picture.
    #[serde(rename = "type")]
    pub call_type: CallType,
    /// What a second press of the same button does.
    pub press_again: PressAgain,
    /// What the door does when a resident calls it.
    pub incoming: IncomingCalls,
    /// What a press of another button does during a call.
    pub second_button: SecondButton,
    /// How long a press that was not sent yet is kept.
    #[serde(deserialize_with = "value::duration")]
    pub dial_deadline: Duration,
    /// How long an answered call may take to connect.
    #[serde(deserialize_with = "value::duration")]
    pub connect_deadline: Duration,
    /// How long a conversation waits for a lost connection.
    #[serde(deserialize_with = "value::duration")]
    pub media_grace: Duration,
    /// When a conversation is ended by itself.
    #[serde(deserialize_with = "value::duration")]
    pub maximum_duration: Duration,
    /// Whether residents see the door before they answer.
    pub early_picture: bool,
}

/// A back end without settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyTable {}

/// `[video]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct VideoTable {
    /// Which codec and encoder.
    pub codec: VideoCodec,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Frames per second.
    pub frame_rate: u8,
    /// Kilobits per second, at the most.
    pub bitrate: u32,
    /// Whether the camera is open without a call.
    pub standby: Standby,
    /// Kilobits per second: a receiver with less room gets sound only.
    pub bitrate_floor: u32,
}

/// `[ice]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IceTable {
    /// Offer 127.0.0.1 too.
    pub loopback: bool,
    /// Lowest UDP port, 0 for any.
    pub min_port: u16,
    /// Highest UDP port, 0 for any.
    pub max_port: u16,
    /// Only by a TURN server.
    pub relay_only: bool,
}

/// `[control]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ControlTable {
    /// Where `doorward status` and `doorward press` find the station.
    pub socket: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogTable {
    /// From which level on.
    pub level: LogLevel,
}

/// `level`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And what will become one.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As the filter of the logs has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl DoorConfig {
    /// The panel alone, however wrong the rest of the file is: for a relay that must become safe.
    ///
    /// # Errors
    /// This part cannot be read.
    pub fn load_panel(path: &Path) -> Result<PanelTable, Diagnostics> {
        let name = path.display().to_string();
        let text = super::read_text(path, &name)?;
        let mut document = Document::new(&name, &text);
        match document.optional("panel") {
            Some(panel) => Ok(panel),
            None if document.has("panel") => Err(document.finish()),
            None => Ok(PanelTable::default()),
        }
    }

    /// The light alone, however wrong the rest of the file is: for a station that is out of order.
    ///
    /// # Errors
    /// This part cannot be read.
    pub fn load_light(path: &Path) -> Result<(LightTable, StripTable), Diagnostics> {
        let name = path.display().to_string();
        let text = super::read_text(path, &name)?;
        let mut document = Document::new(&name, &text);
        let (light, strip) = (document.optional("light"), document.optional("strip"));
        match (light.is_none() && document.has("light")) || (strip.is_none() && document.has("strip")) {
            true => Err(document.finish()),
            false => Ok((light.unwrap_or_default(), strip.unwrap_or_default())),
        }
    }

    /// What the media worker needs to know.
    #[must_use]
    pub fn media_settings(&self) -> MediaSettings {
        let video = VideoSettings::from(&self.video);
        let IceTable { loopback, min_port, max_port, relay_only } = self.ice;
        MediaSettings {
            camera: self.camera.source(&video),
            microphone: self.microphone.source(),
            speaker: self.speaker.sink(),
            standby: self.video.standby,
            prompts: self.sounds.prompts(),
            echo: EchoSettings::from(&self.echo),
            video,
            ice: IceSettings { loopback, min_port, max_port, relay_only },
        }
    }
}

impl Configuration for DoorConfig {
    fn examine<'t>(name: &'t str, text: &'t str) -> (Option<Self>, Document<'t>) {
        let mut document = Document::new(name, text);
        let hub = document.required("hub");
        let buttons: Vec<Option<ButtonTable>> = document.list("button");
        super::door_rules::check_buttons(&mut document, &buttons);
        let all_read = buttons.iter().all(Option::is_some);
        let config = Self {
            door: document.table("door"),
            hub: hub.clone().unwrap_or_else(HubTable::nowhere),
            button: buttons.into_iter().flatten().collect(),
            panel: document.table("panel"),
            gestures: document.table("gestures"),
            call: document.table("call"),
            camera: document.table("camera"),
            microphone: document.table("microphone"),
            speaker: document.table("speaker"),
            sounds: document.table("sounds"),
            echo: document.table("echo"),
            video: document.table("video"),
            ice: document.table("ice"),
            release: document.table("release"),
            light: document.table("light"),
            strip: document.table("strip"),
            control: document.table("control"),
            log: document.table("log"),
        };
        if hub.is_some() {
            super::door_rules::check_hub(&mut document, &config.hub);
        }
        super::door_rules::check_tables(&mut document, &config);
        super::media::check(&mut document, &config.camera, &config.microphone, &config.speaker);
        super::sounds::check(&mut document, &config.sounds);
        super::light::check(&mut document, &config.light, &config.strip, &config.panel);
        super::panel::check(&mut document, &config.panel, all_read.then_some(config.button.as_slice()));
        (hub.is_some().then_some(config), document)
    }

    fn files(&self) -> Vec<(String, PathBuf)> {
        let mut files = Vec::new();
        let mut name = |key: &str, path: &Path| files.push((key.to_owned(), path.to_owned()));
        if let SecretSource::File(path) = &self.hub.credential {
            name("hub.credential.file", path);
        }
        if let Some(path) = &self.hub.ca_file {
            name("hub.ca-file", path);
        }
        if let CameraTable::File(file) = &self.camera {
            name("camera.file.path", &file.path);
        }
        if let MicrophoneTable::File(file) = &self.microphone {
            name("microphone.file.path", &file.path);
        }
        files
    }

    fn faults(&self) -> Vec<(String, String, String)> {
        self.sounds.faults()
    }
}

impl From<&ReceiverTable> for Receiver {
    fn from(receiver: &ReceiverTable) -> Self {
        match receiver {
            ReceiverTable::Group(guid) => Self::Group(guid.clone()),
            ReceiverTable::User(uid) => Self::User(uid.clone()),
        }
    }
}

impl From<&GesturesTable> for Timing {
    fn from(gestures: &GesturesTable) -> Self {
        let GesturesTable { confirm, lockout, hold, stuck } = *gestures;
        Self { confirm, lockout, hold, stuck }
    }
}

impl HubTable {
    /// Stands in for a table that could not be read, which was reported; such a configuration is never given out.
    fn nowhere() -> Self {
        Self { address: String::new(), credential: SecretSource::Credential(String::new()), ca_file: None }
    }
}

impl Default for DoorTable {
    fn default() -> Self {
        Self { name: "Door".to_owned(), state_directory: None }
    }
}

impl Default for GesturesTable {
    fn default() -> Self {
        let Timing { confirm, lockout, hold, stuck } = Timing::default();
        Self { confirm, lockout, hold, stuck }
    }
}

impl Default for CallTable {
    fn default() -> Self {
        let rules = Rules::default();
        Self {
            call_type: rules.call_type,
            press_again: rules.press_again,
            incoming: rules.incoming,
            second_button: rules.second_button,
            dial_deadline: rules.dial_deadline,
            connect_deadline: rules.connect_deadline,
            media_grace: rules.media_grace,
            maximum_duration: rules.maximum_duration,
            early_picture: rules.early_picture,
        }
    }
}

impl Default for VideoTable {
    fn default() -> Self {
        Self {
            codec: VideoCodec::Auto,
            width: 1280,
            height: 720,
            frame_rate: 15,
            bitrate: 1500,
            bitrate_floor: 150,
            standby: Standby::Closed,
        }
    }
}
