//! How long a description takes: Chromium's data offer, and its largest audio and video offer.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use sdp::Session;

/// A description with a name for the table.
#[derive(Clone, Copy)]
struct Offer(&'static str, &'static str);

impl std::fmt::Display for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

const OFFERS: [Offer; 2] = [Offer("data", DATA), Offer("audio+video+data", MEDIA)];
const DATA: &str = include_str!("../../tests/fixtures/sdp/chromium-data.offer.sdp");
const MEDIA: &str = include_str!("../../tests/fixtures/sdp/chromium-audio-video-data.offer.sdp");

fn main() {
    divan::main();
}

#[divan::bench(args = OFFERS)]
fn parse(bencher: Bencher<'_, '_>, Offer(_, text): Offer) {
    bencher.counter(BytesCount::of_str(text)).bench(|| Session::parse(black_box(text)).unwrap());
}

#[divan::bench(args = OFFERS)]
fn print(bencher: Bencher<'_, '_>, Offer(_, text): Offer) {
    let session = Session::parse(text).unwrap();
    bencher.counter(BytesCount::of_str(text)).bench(|| black_box(&session).to_string());
}

#[divan::bench]
fn views(bencher: Bencher<'_, '_>) {
    let session = Session::parse(DATA).unwrap();
    bencher.bench(|| {
        let section = black_box(&session).sections().next().unwrap();
        (
            section.mid(),
            section.ice_ufrag(),
            section.ice_pwd(),
            section.setup(),
            section.sctp_port(),
        )
    });
}
