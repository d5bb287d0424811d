//! Which cores run what, and that they are awake. Left to itself, the kernel may put a server and the generator on the same core,
//! since they wake each other, while another core has nothing to do; in a virtual machine it does so for whole rows, because it
//! takes a core that sleeps for one that the host took away. Such a row says more about that than about the server.

use std::process::{Child, Command, Stdio};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// One core for the servers, of which only one has something to do at a time, and the others for the generator. Dropped,
/// everything may run everywhere again, and cores may sleep.
pub struct Cores {
    all: CpuSet,
    servers: CpuSet,
    generator: CpuSet,
    awake: Vec<Child>,
}

impl Cores {
    /// Nothing where there is only one core.
    pub fn apart() -> Option<Self> {
        let all = sched_getaffinity(None).ok()?;
        let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect();
        let (first, others) = allowed.split_first().filter(|(_, others)| !others.is_empty())?;
        let (mut servers, mut generator) = (CpuSet::new(), CpuSet::new());
        servers.set(*first);
        others.iter().for_each(|core| generator.set(*core));
        let awake = allowed.iter().filter_map(|core| keep_awake(*core)).collect();
        Some(Self { all, servers, generator, awake })
    }

    /// What is started now is a server.
    pub fn start_servers(&self) {
        keep_to(&self.servers);
    }

    /// This thread, and what it starts now, is the generator.
    pub fn generate(&self) {
        keep_to(&self.generator);
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        keep_to(&self.all);
        for awake in &mut self.awake {
            // It ends in no other way.
            let _ = awake.kill();
            let _ = awake.wait();
        }
    }
}

/// As `idle=poll` on the kernel's command line would: something of the idle class (`sched(7)`), which gives way to everything.
fn keep_awake(core: usize) -> Option<Child> {
    let core = core.to_string();
    let words = ["-i", "0", "taskset", "-c", &core, "sh", "-c", "while :; do :; done"];
    Command::new("chrt").args(words).stdin(Stdio::null()).spawn().ok()
}

fn keep_to(cores: &CpuSet) {
    sched_setaffinity(None, cores).expect("these cores were allowed before");
}
