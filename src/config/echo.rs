//! `[echo]`: what is done to the visitor's voice before residents hear it.

use serde::Deserialize;

use crate::media::pipeline::{EchoMode, EchoSettings, GainControl, NoiseSuppression};

/// `[echo]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EchoTable {
    /// How residents are kept from hearing themselves.
    pub mode: EchoMode,
    /// How much steady noise is taken away.
    pub noise_suppression: NoiseSuppression,
    /// Who turns the microphone up and down.
    pub gain: GainControl,
}

impl From<&EchoTable> for EchoSettings {
    fn from(table: &EchoTable) -> Self {
        let EchoTable { mode, noise_suppression, gain } = *table;
        Self { mode, noise_suppression, gain, delay: None }
    }
}
