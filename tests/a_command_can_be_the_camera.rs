//! `source = "pipe"`: a program's standard output is the camera. Here the program is Debian's ffmpeg, which stands for
//! `rpicam-vid` too: both write Motion-JPEG, Y4M or raw frames.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use agegate::{
    camera::{self, CameraError},
    config::{CameraConfig, CameraSource, PipeFormat},
};

/// A camera that shows ffmpeg's test picture, written as `output` says.
fn ffmpeg(output: &str, format: PipeFormat) -> CameraConfig {
    let line = format!(
        "ffmpeg -hide_banner -loglevel error -re -f lavfi -i testsrc=size={{width}}x{{height}}:rate=20 {output} -"
    );
    CameraConfig {
        source: CameraSource::Pipe,
        command: line.split(' ').map(str::to_owned).collect(),
        format,
        width: 320,
        height: 240,
        rate: 20.0,
        warmup_frames: 0,
        ..CameraConfig::default()
    }
}

fn command(line: &[&str]) -> CameraConfig {
    CameraConfig { command: line.iter().map(|part| (*part).to_owned()).collect(), ..ffmpeg("", PipeFormat::Auto) }
}

fn first(config: &CameraConfig) -> Result<image::RgbImage, CameraError> {
    Ok(camera::open(config)?.next_frame()?.pixels.into_rgb())
}

/// Mean difference of two pictures, 0 to 255.
fn difference(a: &image::RgbImage, b: &image::RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[test]
fn every_way_of_writing_frames_gives_the_same_picture() {
    let reference = first(&ffmpeg("-f rawvideo -pix_fmt rgb24", PipeFormat::Rgb3)).unwrap();
    for (output, format) in [
        ("-f mjpeg -q:v 2", PipeFormat::Auto),
        ("-f mpjpeg -q:v 2", PipeFormat::Auto),
        ("-f yuv4mpegpipe -pix_fmt yuv420p", PipeFormat::Auto),
        ("-f yuv4mpegpipe -pix_fmt yuv444p", PipeFormat::Auto),
        ("-f rawvideo -pix_fmt yuv420p", PipeFormat::Yu12),
        ("-f rawvideo -pix_fmt nv12", PipeFormat::Nv12),
        ("-f rawvideo -pix_fmt yuyv422", PipeFormat::Yuyv),
        ("-f rawvideo -pix_fmt bgr24", PipeFormat::Bgr3),
    ] {
        let picture = first(&ffmpeg(output, format)).unwrap_or_else(|error| panic!("{output}: {error}"));
        let off = difference(&picture, &reference);
        assert!(off < 6.0, "{output}: the picture differs by {off:.1}");
    }
}

#[test]
fn a_command_that_is_not_there_is_named_with_the_package_that_has_it() {
    let error = first(&command(&["rpicam-vid-that-is-not-there", "--output", "-"])).unwrap_err().to_string();
    assert!(error.contains("rpicam-vid-that-is-not-there") && error.contains("rpicam-apps"), "{error}");
}

#[test]
fn a_command_that_is_there_and_may_not_be_run_is_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("camera.sh");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    let error = first(&command(&[script.to_str().unwrap()])).unwrap_err().to_string();
    assert!(error.contains("Permission denied") && error.contains("chmod +x") && !error.contains("no such"), "{error}");
    let error = first(&command(&[folder.path().to_str().unwrap()])).unwrap_err().to_string();
    assert!(error.contains("Is a directory") && error.contains("expected a program"), "{error}");
}

#[test]
fn a_long_command_is_shown_by_its_beginning() {
    let script = format!("exit 3 # {}", "x".repeat(500));
    let error = first(&command(&["sh", "-c", &script])).unwrap_err().to_string();
    assert!(error.contains("command `sh -c exit 3 # xxx") && error.contains(" ...`"), "{error}");
    assert!(error.len() < 300, "{error}");
}

#[test]
fn a_command_that_ends_is_a_lost_camera_and_its_last_words_are_told() {
    let error = first(&command(&["sh", "-c", "echo 'no cameras available' >&2; exit 3"])).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("exit status: 3") && text.contains("no cameras available"), "{text}");
    assert_eq!(error.retry(), camera::Retry::Reopen);
}

#[test]
fn a_command_that_falls_silent_is_a_stalled_camera() {
    let script =
        "ffmpeg -hide_banner -loglevel error -f lavfi -i testsrc=size=320x240:rate=20 -frames:v 3 -f mjpeg -; sleep 60";
    let mut camera = camera::open(&command(&["sh", "-c", script])).unwrap();
    camera.next_frame().unwrap();
    let started = Instant::now();
    let error = loop {
        match camera.next_frame() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CameraError::Stalled { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(8));
}

#[test]
fn the_command_and_what_it_started_end_with_the_camera() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("pid");
    let script = format!("sleep 300 & echo $! > {}; wait", mark.display());
    let camera = camera::open(&command(&["sh", "-c", &script])).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while !std::fs::read_to_string(&mark).is_ok_and(|pid| pid.ends_with('\n')) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = std::fs::read_to_string(&mark).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists(), "the command's own child runs");
    drop(camera);
    let until = Instant::now() + Duration::from_secs(2);
    // A zombie that nobody waited for has no memory any more.
    let alive = || std::fs::read_to_string(process.join("statm")).is_ok_and(|m| !m.starts_with("0 "));
    while alive() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!alive(), "a process outlives the camera");
}

#[test]
fn the_shell_has_no_say() {
    let error = first(&command(&["echo", "$(touch", "/tmp/agegate-was-here)", ";", "true"])).unwrap_err().to_string();
    assert!(!Path::new("/tmp/agegate-was-here").exists());
    assert!(error.contains("neither Motion-JPEG nor Y4M") || error.contains("it ended"), "{error}");
}
