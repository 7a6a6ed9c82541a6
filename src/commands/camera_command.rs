//! `agegate camera-command`: stands between the gate and the command of `source = "pipe"`, so that the command ends with the gate
//! however that ends, and everything that it has started ends with it.
//!
//! The gate holds the other end of this program's standard input. When it closes it, or dies (`kill -9` included), or when the
//! command itself ends, whatever the command has started is asked to end, and killed a moment later. The command's output goes
//! to the gate directly.

use std::{
    io::{ErrorKind, Read, stdin},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use rustix::process::Pid;

use super::Outcome;
use crate::{camera::family, cli::CameraCommandArgs};

/// How often the command's own end is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Runs the command until it ends or the gate is gone. The exit code is the command's own, 128 and its signal, or 127 if it
/// cannot be started.
///
/// # Errors
/// If the system gives no thread.
pub fn run(args: &CameraCommandArgs) -> Outcome {
    let [program, arguments @ ..] = args.command.as_slice() else { return Err("no command".into()) };
    if let Err(error) = family::adopt() {
        log::warn!("{program}: what it starts may outlive it: {error}");
    }
    let started = Command::new(program).args(arguments).stdin(Stdio::null()).process_group(0).spawn();
    let child = match started {
        Ok(child) => child,
        Err(error) => {
            crate::complain!("{program}: cannot start it: {error}{}", why(program, &error));
            std::process::exit(127);
        }
    };
    let command = Pid::from_child(&child);
    let (gone, gate_is_gone) = mpsc::channel();
    std::thread::Builder::new().name("gate".into()).spawn(move || {
        let _ = stdin().read_to_end(&mut Vec::new());
        let _ = gone.send(());
    })?;
    let code = loop {
        // Orphans of the command are this process's children: nobody else takes in their end.
        if let Some(code) = family::reap(command) {
            break code;
        }
        match gate_is_gone.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break 0,
        }
    };
    family::end(command, rustix::process::getpid(), family::childless);
    std::process::exit(code);
}

/// What the system does not say.
fn why(program: &str, error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound if Path::new(program).exists() => {
            " (the file is there: the interpreter that its first line names is not, or the loader that it was built for)"
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            " (it is no program for this processor, or a script whose first line does not begin with #!)"
        }
        _ => "",
    }
}
