//! Which cores run what. Left to itself, the kernel may put a server and the generator on the same core, since they wake each
//! other, while another core has nothing to do; in a virtual machine it does so for whole rows, because it takes a core that
//! sleeps for one that the host took away. Such a row says more about that than about the server.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// One core for each server, the others for the generator. Dropped, everything may run everywhere again.
pub struct Cores {
    all: CpuSet,
    servers: CpuSet,
    generator: CpuSet,
}

impl Cores {
    /// Nothing where there is only one core.
    pub fn apart() -> Option<Self> {
        let all = sched_getaffinity(None).ok()?;
        let (mut servers, mut generator) = (CpuSet::new(), all);
        let first = (0..CpuSet::MAX_CPU).find(|core| all.is_set(*core))?;
        servers.set(first);
        generator.unset(first);
        (generator.count() > 0).then_some(Self { all, servers, generator })
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
    }
}

fn keep_to(cores: &CpuSet) {
    sched_setaffinity(None, cores).expect("these cores were allowed before");
}
