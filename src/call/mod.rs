//! The door's mind: the station and its call. (Being written.)

pub mod indication;
