//! The doorward binary: see `doorward --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "media")]
    if std::env::args_os().nth(1).is_some_and(|command| command == "media-worker") {
        return doorward::media::gst::run_worker();
    }
    ExitCode::SUCCESS
}
