//! The doorward binary: reads the command line, starts what it names, and turns the end into an exit code (sysexits.h).

use std::process::ExitCode;

fn main() -> ExitCode {
    // A process that lost a task must not limp on: the supervisor starts a whole one.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::abort();
    }));
    doorward::cli::run(std::env::args_os())
}
