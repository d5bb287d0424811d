//! Which cores run what, and that they are awake. Left to itself, the kernel may put a server and the generator on the same core,
//! since they wake each other, while another core has nothing to do; in a virtual machine it does so for whole rows, because it
//! takes a core that sleeps for one that the host took away. Such a row says more about that than about the server.

use std::fmt::{self, Display, Formatter};
use std::process::{Child, Command, Stdio};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the servers and the generator run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// One core for the servers, of which only one has something to do at a time, the others for the generator, all awake.
    Apart,
    /// Wherever the kernel puts them, on cores that are awake.
    Free,
    /// Wherever the kernel puts them, and cores may sleep.
    Asleep,
}

impl Display for Placing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apart => "servers on one core, generator on the others, all kept awake",
            Self::Free => "wherever the kernel puts servers and generator, all cores kept awake",
            Self::Asleep => "wherever the kernel puts servers and generator, and cores may sleep",
        })
    }
}

/// A placing for as long as it lasts. Dropped, everything may run everywhere again, and cores may sleep.
pub struct Cores {
    all: CpuSet,
    servers: CpuSet,
    generator: CpuSet,
    awake: Vec<Child>,
}

impl Cores {
    /// Nothing where it needs more cores than there are.
    pub fn of(placing: Placing) -> Option<Self> {
        let all = sched_getaffinity(None).ok()?;
        let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect();
        let (mut servers, mut generator) = (all, all);
        if placing == Placing::Apart {
            let (first, others) = allowed.split_first().filter(|(_, others)| !others.is_empty())?;
            others.iter().for_each(|core| servers.unset(*core));
            generator.unset(*first);
        }
        let kept_awake = if placing == Placing::Asleep { &[] } else { &allowed[..] };
        let awake = kept_awake.iter().filter_map(|core| keep_awake(*core)).collect();
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
            // It may have ended by itself.
            let _ = awake.kill();
            let _ = awake.wait();
        }
    }
}

/// As `idle=poll` on the kernel's command line would: something of the idle class (`sched(7)`), which gives way to everything.
/// It looks now and then whether this process is still there.
fn keep_awake(core: usize) -> Option<Child> {
    const TURN: &str =
        r#"while kill -0 "$PPID" 2>/dev/null; do i=0; while [ "$i" -lt 100000 ]; do i=$((i + 1)); done; done"#;
    let core = core.to_string();
    let words = ["-i", "0", "taskset", "-c", &core, "sh", "-c", TURN];
    Command::new("chrt").args(words).stdin(Stdio::null()).spawn().ok()
}

fn keep_to(cores: &CpuSet) {
    sched_setaffinity(None, cores).expect("these cores were allowed before");
}
