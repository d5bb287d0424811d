//! What a receiver's reports mean for one connection: each report once, loss of sound smoothed for the encoder's redundancy. It
//! decides nothing about the picture, which is everybody's.

use std::time::Duration;

use super::statistics::{Measured, Receiver};

/// Percent that the redundancy is always ready for.
const ALWAYS: f64 = 5.0;
/// More redundancy than this leaves no room for the voice.
const MOST: f64 = 30.0;
/// Of the newest report; the rest is of those before.
const WEIGHT: f64 = 0.4;

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    reports: u64,
    sound_lost: f64,
    /// Percent that the encoder was told.
    told: i64,
}

/// One new report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Heard {
    /// Of the picture; of the sound where it gets no picture.
    pub(super) lost: f64,
    pub(super) round_trip: Option<Duration>,
    /// Percent of sound that is lost now, if the encoder must be told.
    pub(super) expect: Option<i64>,
}

impl Hearing {
    /// Takes in what was measured when so many reports had arrived. Nothing if there is no new one.
    pub(super) fn hear(
        &mut self,
        measured: &Measured,
        reports: u64,
        picture: Option<u32>,
        sound: Option<u32>,
    ) -> Option<Heard> {
        if reports == self.reports {
            return None;
        }
        self.reports = reports;
        let of =
            |number: Option<u32>| measured.receivers.iter().find(|receiver| Some(receiver.ssrc) == number).copied();
        let (picture, sound) = (of(picture), of(sound));
        let expect = sound.and_then(|sound| self.expect(sound));
        let Receiver { lost, round_trip, .. } = picture.or(sound)?;
        let round_trip = Duration::try_from_secs_f64(round_trip).ok().filter(|time| !time.is_zero());
        Some(Heard { lost, round_trip, expect })
    }

    fn expect(&mut self, sound: Receiver) -> Option<i64> {
        let lost = sound.lost.clamp(0.0, 1.0) * 100.0;
        self.sound_lost += (lost - self.sound_lost) * WEIGHT;
        // A whole number from 5 to 30.
        let percent = self.sound_lost.clamp(ALWAYS, MOST).round() as i64;
        let changes = percent.abs_diff(self.told) >= 3;
        changes.then(|| {
            self.told = percent;
            percent
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(lost: f64) -> Measured {
        let receiver = |ssrc, lost, round_trip| Receiver { ssrc, lost, round_trip };
        Measured { ends: Vec::new(), receivers: vec![receiver(1, 0.5, 0.25), receiver(2, lost, 0.0)] }
    }

    #[test]
    fn a_report_counts_once() {
        let mut hearing = Hearing::default();
        let heard = hearing.hear(&measured(0.0), 1, Some(1), Some(2)).expect("a new report");
        assert_eq!((heard.lost, heard.round_trip), (0.5, Some(Duration::from_millis(250))));
        assert_eq!(hearing.hear(&measured(0.0), 1, Some(1), Some(2)), None);
        let heard = hearing.hear(&measured(0.0), 2, None, Some(2)).expect("a new report");
        assert_eq!((heard.lost, heard.round_trip), (0.0, None), "of the sound, where there is no picture");
        assert_eq!(hearing.hear(&measured(0.0), 3, None, None), None);
    }

    #[test]
    fn redundancy_follows_the_loss_and_stays_within_its_bounds() {
        let mut hearing = Hearing::default();
        let mut expected = Vec::new();
        for (number, lost) in (1..).zip([0.0, 0.3, 0.3, 0.3, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]) {
            expected.extend(hearing.hear(&measured(lost), number, Some(1), Some(2)).and_then(|heard| heard.expect));
        }
        assert_eq!(expected.first(), Some(&5));
        assert!(expected.last().is_some_and(|last| (5..8).contains(last)), "{expected:?}");
        assert_eq!(expected.iter().max(), Some(&30));
    }
}
