//! What stands for the calls in a build without GStreamer: there is nobody who could look and listen.

use super::Stage;
use crate::pins::Edge;

/// Not tried.
pub fn answered_and_ended(_: &mut Stage<'_>) -> anyhow::Result<Option<Vec<Edge>>> {
    Ok(None)
}

/// Not tried.
pub fn test_sources(_: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    Ok(Some("built without the feature `media`".to_owned()))
}

/// Not tried.
pub fn devices(_: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    Ok(Some("built without the feature `media`".to_owned()))
}

/// Not tried.
pub fn unplugged(_: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
    Ok(Some("built without the feature `media`".to_owned()))
}
