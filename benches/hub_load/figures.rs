//! Figures of a series, and the room for sockets.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that one process needs at the most: 16,000 devices, and what stands beside them.
pub const MOST: u64 = 20_000;

/// The exponent with which y grows over x: the slope of the logarithms.
pub fn exponent(points: &[(f64, f64)]) -> String {
    if points.len() < 3 {
        return "(needs three sizes)".to_owned();
    }
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.max(1e-9).ln())).collect();
    let count = logs.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| logs.iter().map(part).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = logs.iter().map(|point| (point.0 - x).powi(2)).sum();
    format!("{:.3}", above / below)
}

/// Raises the limit of open files, for this process and those it starts. What is possible.
pub fn room_for_sockets(wanted: u64) -> u64 {
    let now = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if enough(now.current) {
        return wanted;
    }
    // Above the hard limit only root can go.
    let raised =
        Rlimit { current: Some(wanted), maximum: if enough(now.maximum) { now.maximum } else { Some(wanted) } };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        return wanted;
    }
    let most = now.maximum.unwrap_or(wanted);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: now.maximum });
    most
}
