//! What is done to the visitor's voice before residents hear it: echo, noise, gain. Words only.

#![deny(clippy::disallowed_methods)]

use serde::{Deserialize, Serialize};

/// What is done to the microphone's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EchoSettings {
    /// How residents are kept from hearing themselves.
    pub mode: EchoMode,
    /// How much steady noise is taken away.
    pub noise_suppression: NoiseSuppression,
    /// Who turns the microphone up and down.
    pub gain: GainControl,
    /// Milliseconds from the speaker to the microphone, as `doorward tune echo` measured them.
    pub delay: Option<u16>,
}

/// How residents are kept from hearing themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EchoMode {
    /// The echo is cancelled: both sides talk and hear at once.
    #[default]
    Full,
    /// The microphone is all but closed while a resident is heard: for hardware that cannot do better.
    Half,
    /// Not at all: for hardware that does it itself.
    Off,
}

/// How much steady noise is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseSuppression {
    /// Nothing.
    Off,
    /// 6 dB at most.
    Low,
    /// 12 dB at most.
    #[default]
    Moderate,
    /// 18 dB at most: voices begin to suffer.
    High,
}

/// Who turns the microphone up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GainControl {
    /// It follows the voice: quiet visitors are turned up by at most 18 dB, noise never above -50 dBFS.
    #[default]
    Adaptive,
    /// Nobody.
    Off,
}

impl EchoSettings {
    /// Sound passes as it is.
    pub const NOTHING: Self =
        Self { mode: EchoMode::Off, noise_suppression: NoiseSuppression::Off, gain: GainControl::Off, delay: None };
}

impl Default for EchoSettings {
    fn default() -> Self {
        Self {
            mode: EchoMode::Full,
            noise_suppression: NoiseSuppression::Moderate,
            gain: GainControl::Adaptive,
            delay: None,
        }
    }
}
