//! The trait of everything that can cancel an echo, and the one that is used: AEC3, noise suppression and gain by `sonora`.
//!
//! benches/echo.rs has it beside `aec3`, the other port of AEC3 to Rust. At every delay from 20 to 400 ms, with drift, in double
//! talk and after a jump both are within 4 dB of each other, and take the same time. But the pipelines of `aec3` are not
//! `Send`: each would need a thread of its own, and the microphone's would have to wait for it with every frame.
//!
//! Frames come in pairs, what was played first. It holds no clock and no thread.

use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, MaxProcessingRate,
    NoiseSuppression as Suppression, NoiseSuppressionLevel, Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use super::FRAME;
use crate::media::pipeline::{EchoMode, EchoSettings, GainControl, NoiseSuppression, SAMPLE_RATE};

/// Works on frames of 10 ms of one channel: first what was played, then what was captured at the same time.
pub trait Canceller {
    /// This is played.
    fn played(&mut self, samples: &[i16; FRAME]);

    /// This was captured: what is to be sent stands there afterwards.
    fn captured(&mut self, samples: &mut [i16; FRAME]);

    /// Milliseconds of delay and decibels by which the echo is lowered, where it knows them.
    fn found(&self) -> (Option<u16>, Option<f64>);
}

/// Echo, noise and gain by WebRTC's algorithms.
#[derive(Debug)]
pub struct Processor {
    processing: AudioProcessing,
    cancels: bool,
    /// What was measured at installation helps it to begin.
    delay: Option<i32>,
}

impl Processor {
    /// One that knows nothing of the room yet.
    #[must_use]
    pub fn new(settings: &EchoSettings) -> Self {
        let cancels = settings.mode == EchoMode::Full;
        let config = Config {
            // Its default would throw away everything above 8 kHz in the middle of the way.
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
                ..Pipeline::default()
            },
            high_pass_filter: Some(HighPassFilter::default()),
            echo_canceller: cancels.then(EchoCanceller::default),
            noise_suppression: suppression(settings.noise_suppression),
            gain_controller2: gain(settings.gain),
            ..Config::default()
        };
        let stream = StreamConfig::new(SAMPLE_RATE.unsigned_abs(), 1);
        let processing = AudioProcessing::builder().config(config).capture_config(stream).render_config(stream).build();
        Self { processing, cancels, delay: settings.delay.map(i32::from) }
    }
}

fn suppression(wanted: NoiseSuppression) -> Option<Suppression> {
    let level = match wanted {
        NoiseSuppression::Off => return None,
        NoiseSuppression::Low => NoiseSuppressionLevel::Low,
        NoiseSuppression::Moderate => NoiseSuppressionLevel::Moderate,
        NoiseSuppression::High => NoiseSuppressionLevel::High,
    };
    Some(Suppression { level, ..Suppression::default() })
}

/// The library's own would turn everything up by 15 dB from the start and by up to 50: the street with it.
fn gain(wanted: GainControl) -> Option<GainController2> {
    match wanted {
        GainControl::Off => None,
        GainControl::Adaptive => Some(GainController2 {
            adaptive_digital: Some(AdaptiveDigital {
                initial_gain_db: 0.0,
                max_gain_db: 18.0,
                max_gain_change_db_per_second: 3.0,
                ..AdaptiveDigital::default()
            }),
            ..GainController2::default()
        }),
    }
}

impl Canceller for Processor {
    fn played(&mut self, samples: &[i16; FRAME]) {
        if self.cancels {
            let mut unchanged = [0; FRAME];
            // It refuses frames of another length alone.
            let _ = self.processing.process_render_i16(samples, &mut unchanged);
        }
    }

    fn captured(&mut self, samples: &mut [i16; FRAME]) {
        if let Some(delay) = self.delay.filter(|_| self.cancels) {
            // One beyond its limits is cut to them.
            let _ = self.processing.set_stream_delay_ms(delay);
        }
        let heard = *samples;
        if self.processing.process_capture_i16(&heard, samples).is_err() {
            *samples = heard;
        }
    }

    fn found(&self) -> (Option<u16>, Option<f64>) {
        let statistics = self.processing.statistics();
        let delay = statistics.delay_ms.and_then(|delay| u16::try_from(delay).ok());
        (delay, statistics.echo_return_loss_enhancement)
    }
}
