//! A keeper has longer to start than to answer an order: one that is slow to load from a worn card must not be killed and
//! started again for ever. One that never holds the pin is given up, and the gate says which of the two it was.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use agegate::{
    config::{Config, RelayConfig, RelayDriver},
    relay::{
        door::{Door, Readiness},
        keeper_door::{KeeperDoor, STARTING},
    },
    runtime::RunFile,
};

/// A program that does something before it is the keeper.
fn program(folder: &Path, before: &str) -> PathBuf {
    let path = folder.join("slow-agegate");
    std::fs::write(&path, format!("#!/bin/sh\n{before}\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_agegate"))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn start(folder: &Path, program: &Path) -> Result<KeeperDoor, agegate::relay::RelayError> {
    let relay = RelayConfig { driver: RelayDriver::Simulated, ..RelayConfig::default() };
    let config = Config { relay: relay.clone(), ..Config::default() };
    let run_file = RunFile::claim_in(folder, &folder.join("agegate.toml"), &config).unwrap();
    KeeperDoor::start(program, &relay, Arc::new(run_file))
}

#[test]
fn two_seconds_are_not_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut door = start(folder.path(), &program(folder.path(), "sleep 2")).unwrap();
    assert!(matches!(door.tend(), Readiness::Ready));
}

#[test]
fn a_slow_one_that_dies_is_replaced_while_the_gate_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let once = folder.path().join("once");
    // The first one dies after half a second with the pin held, the next one needs a second to start.
    let before = format!("if [ -e {once:?} ]; then sleep 1; else touch {once:?}; (sleep 0.5; kill -9 $$) & fi");
    let mut door = start(folder.path(), &program(folder.path(), &before)).unwrap();
    let (mut failed, mut longest) = (0, Duration::ZERO);
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let asked = Instant::now();
        let readiness = door.tend();
        longest = longest.max(asked.elapsed());
        match readiness {
            Readiness::Failed(error) => {
                assert!(error.to_string().contains("died"), "{error}");
                failed += 1;
            }
            Readiness::Ready if failed > 0 => break,
            Readiness::Ready | Readiness::Starting => {}
        }
        assert!(Instant::now() < until, "another one must be ready by now");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(failed, 1, "the slow one was not killed for its slowness");
    assert!(longest < Duration::from_millis(700), "the gate does not wait for it: {longest:?}");
}

#[test]
fn one_that_never_holds_the_pin_is_given_up_and_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Instant::now();
    let Err(error) = start(folder.path(), &program(folder.path(), "exec sleep 60")) else {
        panic!("it does not start")
    };
    assert!(asked.elapsed() >= STARTING && asked.elapsed() < STARTING * 2);
    assert!(error.to_string().contains("did not hold the pin within 5 s of its start"), "{error}");
}
