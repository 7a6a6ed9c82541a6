//! The camera's command and whatever it has started: all of it ends with the camera. A process group is not enough, since a child
//! may leave it (`setsid`, a daemon); what is below a process in the kernel's own tree cannot leave that.
//!
//! What loses its parent goes to the nearest process above it that asked for it ([`adopt`]): the guard does, so that nothing
//! of the command gets out from under it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process, kill_process_group},
};

use crate::runtime::Process;

/// Time in which a command must have ended that was asked to.
pub(super) const ENDING: Duration = Duration::from_millis(300);
/// Time for what was killed to be gone.
const KILLED: Duration = Duration::from_millis(300);

/// Makes this process the parent of whatever loses its own below it.
///
/// # Errors
/// What the system said.
pub fn adopt() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Takes in the end of every child that has ended; the exit code of `command` if it is one of them: its own, or 128 and its
/// signal.
#[must_use]
pub fn reap(command: Pid) -> Option<i32> {
    let mut code = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == command {
            code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
        }
    }
    code
}

/// Whether this process has no children any more; those that have ended are taken in.
#[must_use]
pub fn childless() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(error) => return error == Errno::CHILD,
        }
    }
}

/// Ends a process group and everything below a process: asked first, then killed. `gone` says whether all of it has ended.
pub fn end(group: Pid, above: Pid, mut gone: impl FnMut() -> bool) {
    // Whoever loses a parent on the way is known by then.
    let mut known = below(above);
    let mut outside: Vec<Process> = known.iter().filter(|(_, g)| *g != group.as_raw_pid()).map(|(p, _)| *p).collect();
    let _ = kill_process_group(group, Signal::TERM);
    outside.iter().for_each(|process| signal(*process, Signal::TERM));
    wait(ENDING, &mut gone);
    let _ = kill_process_group(group, Signal::KILL);
    let until = Instant::now() + KILLED;
    loop {
        // What was started meanwhile, too.
        known.extend(below(above));
        outside.extend(known.drain(..).map(|(process, _)| process));
        outside.retain(|process| process.exists());
        outside.iter().for_each(|process| signal(*process, Signal::KILL));
        if (gone() && outside.is_empty()) || Instant::now() > until {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wait(time: Duration, gone: &mut impl FnMut() -> bool) {
    let until = Instant::now() + time;
    while !gone() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(process: Process, signal: Signal) {
    if let Some(pid) = Pid::from_raw(process.pid).filter(|_| process.exists()) {
        // It may have ended in this moment.
        let _ = kill_process(pid, signal);
    }
}

/// Everything below a process, each with the number of its process group.
fn below(above: Pid) -> Vec<(Process, i32)> {
    let mut children: HashMap<i32, Vec<(i32, i32)>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything; state, parent and group follow it.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(1);
        let [parent, group] = [0, 1].map(|k| fields.clone().nth(k).and_then(|n| n.parse::<i32>().ok()).unwrap_or(0));
        children.entry(parent).or_default().push((pid, group));
    }
    let mut found = Vec::new();
    let mut next = vec![above.as_raw_pid()];
    while let Some(parent) = next.pop() {
        for (pid, group) in children.remove(&parent).unwrap_or_default() {
            next.push(pid);
            found.extend(u32::try_from(pid).ok().and_then(Process::of).map(|process| (process, group)));
        }
    }
    found
}
