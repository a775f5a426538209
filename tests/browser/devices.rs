//! What the browser's microphone and camera deliver: files of ours, so that what comes back can be
//! compared exactly.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The tone of the microphone.
pub(crate) const TONE_HZ: u32 = 1000;

const SAMPLE_RATE: u32 = 48_000;
/// From this size on Chromium makes three layers in simulcast.
const WIDTH: usize = 960;
const HEIGHT: usize = 540;
const FRAMES: usize = 10;

/// One second of a tone; the browser plays it again and again without a seam.
pub(crate) fn microphone(directory: &Path) -> PathBuf {
    let path = directory.join("tone.wav");
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(&path, format).unwrap();
    for sample in 0..SAMPLE_RATE {
        let phase = f64::from(sample * TONE_HZ % SAMPLE_RATE) / f64::from(SAMPLE_RATE);
        #[expect(clippy::cast_possible_truncation, reason = "within ±16,000")]
        file.write_sample(((phase * std::f64::consts::TAU).sin() * 16_000.0) as i16).unwrap();
    }
    file.finalize().unwrap();
    path
}

/// Half a second of a picture, red on the left and blue on the right, with a white square that moves
/// along its lower edge (YUV4MPEG2, 4:2:0, BT.601).
pub(crate) fn camera(directory: &Path) -> PathBuf {
    let path = directory.join("picture.y4m");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    writeln!(file, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F20:1 Ip A1:1 C420").unwrap();
    // Y, U, V.
    const RED: [u8; 3] = [81, 90, 240];
    const BLUE: [u8; 3] = [41, 240, 110];
    const WHITE: [u8; 3] = [235, 128, 128];
    for frame in 0..FRAMES {
        writeln!(file, "FRAME").unwrap();
        let square = frame * (WIDTH - 64) / FRAMES;
        let colour = |x: usize, y: usize| match x {
            x if y >= HEIGHT - 64 && (square..square + 64).contains(&x) => WHITE,
            x if x < WIDTH / 2 => RED,
            _ => BLUE,
        };
        for (plane, step) in [(0, 1), (1, 2), (2, 2)] {
            for y in (0..HEIGHT).step_by(step) {
                let row: Vec<u8> = (0..WIDTH).step_by(step).map(|x| colour(x, y)[plane]).collect();
                file.write_all(&row).unwrap();
            }
        }
    }
    file.flush().unwrap();
    path
}
