//! What a door costs that does nothing: memory and processor time of the control process and of its media worker, and how
//! long it takes from exec to ready.

mod bench;

use std::fs;
use std::time::{Duration, Instant};

use bench::{Furnished, machine, memory, row, usage};

const STARTS: usize = 30;
const WATCHED: Duration = Duration::from_secs(60);

fn main() {
    machine("an idle door");
    let furnished = Furnished::new(1);
    let hub = furnished.hub();
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        let door = furnished.door(&hub.address, "");
        starts.push(began.elapsed());
        drop(door);
    }
    row("exec to ready (waits for neither network nor camera)", starts);
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        // Nobody listens there.
        let door = furnished.door("http://127.0.0.1:9", "");
        starts.push(began.elapsed());
        drop(door);
    }
    row("exec to ready, hub not reachable", starts);

    let door = furnished.door(&hub.address, "");
    // The worker scans its plugins and makes its certificate in the first seconds.
    std::thread::sleep(Duration::from_secs(8));
    let worker = door.worker();
    watch(&[("control process", Some(door.pid())), ("media worker", worker), ("hub", Some(hub.pid()))]);
    println!("load after: {}", bench::load());
}

fn watch(processes: &[(&str, Option<u32>)]) {
    let before: Vec<_> = processes.iter().map(|(_, pid)| pid.map(usage)).collect();
    std::thread::sleep(WATCHED);
    for ((name, pid), before) in processes.iter().zip(before) {
        let (Some(pid), Some(before)) = (pid, before) else {
            println!("{name:<20} not running");
            continue;
        };
        let after = usage(*pid);
        println!(
            "{name:<20} RSS {:>6.1} MB   CPU {:>6.3} %   {:>6.2} wake-ups/s   threads {}",
            memory(*pid) as f64 / 1024.0,
            (after.ticks - before.ticks) as f64 / WATCHED.as_secs_f64(),
            (after.switches - before.switches) as f64 / WATCHED.as_secs_f64(),
            fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count),
        );
    }
}
