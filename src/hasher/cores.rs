//! What threads that hash tell the system about themselves.

use rustix::{
    io,
    process::setpriority_process,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// How nice they are to threads that answer requests: beside one that never pauses, they get a tenth of a core's time. Who
/// only shows a token need not wait for those who sign in. (With a quarter, the system makes threads that have just run for
/// a moment wait for its next tick, which is up to 4 ms away.)
const NICENESS: i32 = 10;

/// To be called by the thread in this place, the first of which is 0.
///
/// Where there are as many threads as cores, each stays on one of its own: left to the system, two often share one for
/// a moment while another is idle. Where there are fewer (some cores are for other work, or other servers have the others),
/// they run wherever there is room.
///
/// # Errors
/// The system does not want it.
pub(super) fn settle(place: usize, threads: usize) -> io::Result<()> {
    setpriority_process(None, NICENESS)?;
    let cores = sched_getaffinity(None)?;
    let mut each = (0..CpuSet::MAX_CPU).filter(|&core| cores.is_set(core));
    if cores.count() as usize == threads
        && let Some(core) = each.nth(place)
    {
        let mut own = CpuSet::new();
        own.set(core);
        sched_setaffinity(None, &own)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On how many cores a thread in this place may run.
    fn settled(place: usize, threads: usize) -> u32 {
        let thread = std::thread::spawn(move || settle(place, threads).and_then(|()| sched_getaffinity(None)));
        thread.join().unwrap().unwrap().count()
    }

    #[test]
    fn each_thread_has_a_core_where_there_are_as_many() {
        let cores = sched_getaffinity(None).unwrap().count();
        let threads = cores as usize;
        for place in 0..threads {
            assert_eq!(settled(place, threads), 1);
        }
        assert_eq!(settled(0, threads + 1), cores);
    }
}
