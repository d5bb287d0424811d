//! The doorward binary: reads the command line, starts what it names, and turns the end into an exit code (sysexits.h).

use std::process::ExitCode;

fn main() -> ExitCode {
    // A process that lost a task must not limp on: the supervisor starts a whole one.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // `doorward … | head`: whoever read the output has enough. 141 is what a shell shows for SIGPIPE.
        if panic.payload_as_str().is_some_and(|message| message.contains("Broken pipe")) {
            std::process::exit(141);
        }
        print(panic);
        std::process::abort();
    }));
    doorward::cli::run(std::env::args_os())
}
