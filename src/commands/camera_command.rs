//! `agegate camera-command`: stands between the gate and the command of `source = "pipe"`, so that the command ends with the gate
//! however that ends.
//!
//! The gate holds the other end of this program's standard input. When it closes it, or dies (`kill -9` included), the
//! command's process group is asked to end, and killed a moment later. The command's output goes to the gate directly.

use std::{
    io::{Read, stdin},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use super::Outcome;
use crate::{camera::pipe::end_group, cli::CameraCommandArgs};

/// How often the command's own end is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Runs the command until it ends or the gate is gone. The exit code is the command's own, 128 and its signal, or 127 if it
/// cannot be started.
///
/// # Errors
/// If the system gives no thread.
pub fn run(args: &CameraCommandArgs) -> Outcome {
    let [program, arguments @ ..] = args.command.as_slice() else { return Err("no command".into()) };
    let started = Command::new(program).args(arguments).stdin(Stdio::null()).process_group(0).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            crate::complain!("{program}: cannot start it: {error}");
            std::process::exit(127);
        }
    };
    let (gone, gate_is_gone) = mpsc::channel();
    std::thread::Builder::new().name("gate".into()).spawn(move || {
        let _ = stdin().read_to_end(&mut Vec::new());
        let _ = gone.send(());
    })?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        match gate_is_gone.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    // What it has started is in its group too.
    end_group(&mut child);
    let code = status.map_or(0, |status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
    std::process::exit(code);
}
