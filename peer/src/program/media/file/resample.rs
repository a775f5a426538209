//! From any sample rate to 8 kHz: band-limited interpolation.
//!
//! ```text
//!  y[k] = Σ x[j] · w(j - t)   t = k · rate / 8000, the place of the output sample among the inputs
//!  w(d) = sinc(c · d) · (1 + cos(π · d / half)) / 2        for |d| < half, scaled to the sum 1
//! ```
//!
//! The sinc lets pass what lies below half of the lower rate (c is the ratio of the rates, at most
//! 1); the raised cosine ends it after [`LOBES`] of its zeros. The fraction of t takes only as many
//! values as the reduced ratio of the rates has, so all weights are computed once. It is good enough
//! for a telephone codec: no audible aliasing, a soft edge at 3.6 kHz.

use std::f32::consts::PI;

/// The rate that comes out, in samples a second.
pub(super) const RATE: u32 = 8000;

/// Zeros of the sinc on each side.
const LOBES: f32 = 12.0;

/// How much below half of the lower rate the edge lies when the rate is reduced.
const EDGE: f32 = 0.92;

/// Turns samples of one rate into samples of 8 kHz.
#[derive(Debug)]
pub(super) struct Resampler {
    /// Weights of `2 * half` inputs, for each fraction.
    weights: Vec<Vec<f32>>,
    half: usize,
    /// The ratio of the rates, reduced: so many inputs,
    inputs: usize,
    /// for so many outputs.
    outputs: usize,
    /// The inputs still needed. The next output lies `half - 1` and the fraction after the first.
    pending: Vec<f32>,
    /// The fraction, in parts of `outputs`.
    phase: usize,
}

impl Resampler {
    /// From `rate` samples a second, which is not 0.
    pub(super) fn new(rate: u32) -> Resampler {
        let divisor = greatest_common_divisor(rate, RATE).max(1);
        let inputs = usize::try_from(rate / divisor).unwrap_or(1);
        let outputs = usize::try_from(RATE / divisor).unwrap_or(1);
        #[expect(clippy::cast_precision_loss, reason = "rates are small numbers")]
        let ratio = RATE as f32 / rate as f32;
        let cutoff = if rate > RATE { ratio * EDGE } else { 1.0 };
        let width = LOBES / cutoff;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few hundred at most"
        )]
        let half = width.ceil() as usize;
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let weights = (0..outputs)
            .map(|phase| {
                let fraction = phase as f32 / outputs as f32;
                let place = |index: usize| index as f32 - (half as f32 - 1.0) - fraction;
                let raw = (0..2 * half).map(|index| weight(place(index), cutoff, width));
                let sum: f32 = raw.clone().sum();
                raw.map(|weight| weight / sum).collect()
            })
            .collect();
        // Silence before the first sample.
        let pending = vec![0.0; half - 1];
        Resampler { weights, half, inputs, outputs, pending, phase: 0 }
    }

    /// Takes samples between -1 and 1, and appends what can be computed.
    pub(super) fn push(&mut self, samples: &[f32], out: &mut Vec<i16>) {
        self.pending.extend_from_slice(samples);
        let mut first = 0;
        while let (Some(inputs), Some(weights)) =
            (self.pending.get(first..first + 2 * self.half), self.weights.get(self.phase))
        {
            let sum: f32 = inputs.iter().zip(weights).map(|(input, weight)| input * weight).sum();
            #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
            out.push((sum * f32::from(i16::MAX)).round() as i16);
            self.phase += self.inputs;
            first += self.phase / self.outputs;
            self.phase %= self.outputs;
        }
        self.pending.drain(..first.min(self.pending.len()));
    }

    /// Appends what the last samples still contribute to.
    pub(super) fn finish(&mut self, out: &mut Vec<i16>) {
        self.push(&vec![0.0; self.half], out);
    }
}

fn weight(place: f32, cutoff: f32, width: f32) -> f32 {
    if place.abs() >= width {
        return 0.0;
    }
    let angle = PI * place * cutoff;
    let sinc = if angle.abs() < 1e-6 { 1.0 } else { angle.sin() / angle };
    sinc * (1.0 + (PI * place / width).cos()) / 2.0
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
mod tests {
    use super::*;

    fn tone(rate: u32, frequency: f32, seconds: u32) -> Vec<f32> {
        (0..rate * seconds)
            .map(|index| (2.0 * PI * frequency * index as f32 / rate as f32).sin() / 2.0)
            .collect()
    }

    fn resampled(rate: u32, samples: &[f32]) -> Vec<i16> {
        let (mut resampler, mut out) = (Resampler::new(rate), Vec::new());
        for piece in samples.chunks(777) {
            resampler.push(piece, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    #[test]
    fn a_tone_stays_what_it_is() {
        for rate in [4000, 8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
            let out = resampled(rate, &tone(rate, 440.0, 1));
            assert!(out.len().abs_diff(8000) <= 2, "{rate}: {}", out.len());
            for (index, &sample) in out.iter().enumerate().take(7900).skip(100) {
                let expected = (2.0 * PI * 440.0 * index as f32 / 8000.0).sin() * 16383.5;
                assert!((f32::from(sample) - expected).abs() < 200.0, "{rate}, {index}");
            }
        }
    }

    #[test]
    fn what_8_khz_cannot_hold_is_silenced() {
        for rate in [16_000, 44_100, 48_000] {
            let out = resampled(rate, &tone(rate, 6000.0, 1));
            let loudest = out.iter().skip(100).take(7800).map(|sample| sample.abs()).max();
            assert!(loudest < Some(200), "{rate}: {loudest:?}");
        }
    }

    #[test]
    fn the_same_rate_changes_nothing() {
        let out = resampled(8000, &[0.0, 0.5, -0.5, 1.0]);
        assert_eq!(out[..4], [0, 16384, -16384, 32767]);
    }
}
